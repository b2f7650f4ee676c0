//! What a history is made of: how it begins, and one step after the other, as data, so that steps can be left out.

use super::days::{Day, HOUR};
use super::market::{Plan, Split};
use super::streams::Stream;

/// How a history begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The seed of the market's bars.
    pub seed: u64,
    pub streams: Vec<&'static Stream>,
    pub tickers: Vec<&'static str>,
    /// How many of them are read at first.
    pub selected: usize,
    pub plan: Plan,
    pub page_size: usize,
    /// When it begins.
    pub now: i64,
    /// `start_date`, in days before the history begins; `None` for the default.
    pub start: Option<Day>,
    /// How many days of dense bars there are before, and over how many days sparse ones before those.
    pub dense: Day,
    pub sparse: Day,
    /// The average distance of sparse bars, in days.
    pub every: Day,
    pub has_unusable_rows: bool,
    /// Whether each successful sync is followed by one that begins anew.
    pub is_full_refresh: bool,
}

/// A bar that is there: counted from the first or the last, or by its place in a thousand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pick {
    First(usize),
    Last(usize),
    Any(usize),
}

/// A field of a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field {
    Open,
    Close,
    Volume,
    Vwap,
    Trades,
}

/// From when on the API knows a split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KnownFrom {
    Now,
    /// Eight o'clock on the evening before its first day.
    Evening,
    /// The midnight that begins its first day.
    Midnight,
}

/// How a run is killed, and what becomes of what it wrote.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kill {
    /// After how many thousandths of its lines.
    pub after: usize,
    /// How many STATEs before its last one the platform goes back.
    pub back: usize,
    /// Whether the destination keeps the rows after its last STATE.
    pub keeps_rest: bool,
}

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
    /// One bar comes twice, with different values.
    Conflict,
    /// The bars come in reverse order.
    Reversed,
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
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Minutes pass.
    Wait(i64),
    /// The clock moves to the market's next day, to this many minutes after midnight.
    NextDay(i64),
    /// A field of a bar is corrected.
    Correct { ticker: usize, pick: Pick, field: Field, by: u32 },
    /// The last correction is taken back.
    TakeBack,
    /// Volumes of the last session settle.
    Settle { ticker: usize },
    /// Bars that were hidden come late.
    Late { ticker: usize, pick: Pick, count: usize },
    /// Bars vanish.
    Remove { ticker: usize, pick: Pick, count: usize },
    /// A split whose first day is this many days after today.
    Split { ticker: usize, in_days: Day, ratio: f64, known: KnownFrom },
    /// The last split turns out to have been none.
    Unsplit { ticker: usize },
    /// The last split moves back by this many days.
    Redate { ticker: usize, days: Day },
    /// No more bars.
    Delist { ticker: usize },
    /// The next responses for a past day of the whole market are empty or have a third of its rows. Those of splits and
    /// dividends have a third of the tickers.
    BadDay { days_ago: Day, is_empty: bool, requests: u32 },
    /// The plan becomes one with two years of history, without today.
    Lapse,
    /// The clock was this many days ahead, and is set back.
    SetBack(Day),
    /// `start_date` becomes a day before today, or the default.
    Start(Option<Day>),
    /// `end_date` becomes a day before today, or none.
    End(Option<Day>),
    /// `adjusted` changes.
    ToggleAdjusted,
    /// A ticker is configured.
    AddTicker(usize),
    /// A ticker is no longer configured.
    RemoveTicker(usize),
    /// A sync, in which things may go wrong.
    Sync { faults: Vec<(usize, Fault)>, kill: Option<Kill> },
}

/// The longest ordinary pause, in minutes.
pub const MAX_PAUSE: i64 = 40 * HOUR / 60_000;

impl Step {
    pub fn is_sync(&self) -> bool {
        matches!(self, Step::Sync { .. })
    }

    /// A sync in which nothing goes wrong.
    pub fn sync() -> Step {
        Step::Sync { faults: Vec::new(), kill: None }
    }

    /// The same with less going wrong.
    pub fn simpler(&self) -> Vec<Step> {
        let Step::Sync { faults, kill } = self else { return Vec::new() };
        let mut simpler =
            vec![Step::Sync { faults: faults.clone(), kill: None }, Step::Sync { faults: Vec::new(), kill: *kill }];
        simpler.retain(|step| step != self);
        simpler
    }
}

impl Setup {
    /// The same with less to it.
    pub fn simpler(&self) -> Vec<Setup> {
        let changes: [fn(&mut Setup); 9] = [
            |setup| setup.streams.truncate(1),
            |setup| drop(setup.streams.drain(..setup.streams.len() - 1)),
            |setup| setup.plan.years = None,
            |setup| setup.plan.refuses_earlier = false,
            |setup| setup.is_full_refresh = false,
            |setup| setup.page_size = 50_000,
            |setup| setup.selected = 1,
            |setup| setup.sparse = 0,
            |setup| setup.dense = setup.dense.min(3),
        ];
        let changed = changes.map(|change| {
            let mut setup = self.clone();
            change(&mut setup);
            setup
        });
        changed.into_iter().filter(|setup| setup != self).collect()
    }
}
