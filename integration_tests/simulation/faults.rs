//! What goes wrong with the API's responses during a sync.

use super::days::{HOUR, MINUTE};
use super::market::Split;

/// What goes wrong with a response, or from one on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// The response has no bars.
    Empty,
    /// The next response that is a second or later page has no bars.
    EmptyNextPage,
    /// Every bar comes twice.
    Doubled,
    /// The last bar of each page is cut off there, and comes again on the next page, whole.
    CutAtPageEnd,
    /// Bars from outside of the requested range come along.
    Strays,
    /// Another ticker's bars.
    OtherTicker,
    /// The response breaks off.
    Truncated,
    /// A 503.
    Hiccup,
    /// From this response on there are only errors of this status.
    Outage(u16),
    /// Before this response a split becomes known: new shares for an old one.
    SplitMeanwhile { ticker: usize, split: Split },
    /// From this response on, some are still (or already) on another price basis: caches are inconsistent in the night of a split.
    Caches(u64),
    /// Every response takes this many minutes.
    Slow(i64),
}

/// By how much an inconsistent cache is behind, or ahead.
pub const CACHED: i64 = 30 * HOUR;

impl Fault {
    /// Whether a sync may fail for it.
    pub fn excuses_failure(self) -> bool {
        matches!(self, Fault::OtherTicker | Fault::Outage(_))
    }

    /// How much time passes with every response.
    pub fn delay(self) -> i64 {
        match self {
            Fault::Slow(minutes) => minutes * MINUTE,
            _ => 0,
        }
    }

    /// What it is, for people.
    pub fn tell(self) -> String {
        match self {
            Fault::Empty => "has no bars".to_owned(),
            Fault::EmptyNextPage => "or a later one that is a further page has no bars".to_owned(),
            Fault::Doubled => "has every bar twice".to_owned(),
            Fault::CutAtPageEnd => {
                "and all later ones cut off the last bar of a page, which comes again on the next".to_owned()
            }
            Fault::Strays => "has bars from outside of the range".to_owned(),
            Fault::OtherTicker => "has another ticker's bars".to_owned(),
            Fault::Truncated => "breaks off".to_owned(),
            Fault::Hiccup => "is a 503".to_owned(),
            Fault::Outage(status) => format!("and all later ones are errors ({status})"),
            Fault::SplitMeanwhile { split, .. } => {
                format!("comes after a {}:1 split has become known", split.ratio)
            }
            Fault::Caches(_) => "and later ones are on inconsistent price bases".to_owned(),
            Fault::Slow(minutes) => format!("and all later ones take {minutes} minutes"),
        }
    }
}
