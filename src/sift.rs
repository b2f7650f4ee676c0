//! What of a page is to be emitted: final bars inside the window, in order, once.

use std::collections::HashSet;
use std::ops::Range;

use crate::polygon::answer::{Bar, Page};
use crate::streams::BarSize;

/// How many rows of a pass were dropped that should not have been there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Outside the days that were asked for.
    pub outside: usize,
    /// A second time the same bar.
    pub doubled: usize,
}

impl Dropped {
    /// In words, for a warning; `None` if nothing was dropped.
    pub fn describe(self) -> Option<String> {
        let bars = |count: usize| if count == 1 { "1 bar".to_owned() } else { format!("{count} bars") };
        match (self.outside, self.doubled) {
            (0, 0) => None,
            (outside, 0) => Some(format!("dropped {} outside the days that were asked for", bars(outside))),
            (0, doubled) => Some(format!("dropped {} that came twice", bars(doubled))),
            (outside, doubled) => Some(format!(
                "dropped {} outside the days that were asked for and {} that came twice",
                bars(outside),
                bars(doubled)
            )),
        }
    }
}

/// Sifts the bars of one ticker: sets their keys, puts them in order, drops those that are not final (they will come
/// again) and those that `keys` does not contain or that come twice (they are counted).
pub fn sift_ticker(bars: &mut Vec<Bar>, size: BarSize, keys: &Range<i64>, last_final: i64, dropped: &mut Dropped) {
    // Nearly always there is nothing to do, which one look at each bar shows.
    let (mut latest, mut nothing_to_do) = (i64::MIN, true);
    for bar in bars.iter_mut() {
        bar.key = size.key(bar.key);
        nothing_to_do &= bar.key > latest && bar.key <= last_final && keys.contains(&bar.key);
        latest = bar.key;
    }
    if nothing_to_do {
        return;
    }
    let before = bars.len();
    bars.retain(|bar| keys.contains(&bar.key));
    dropped.outside += before - bars.len();
    bars.retain(|bar| bar.key <= last_final);
    bars.sort_by_key(|bar| bar.key);
    let before = bars.len();
    bars.dedup_by_key(|bar| bar.key);
    dropped.doubled += before - bars.len();
}

/// Sifts the bars of one day of the whole market: all get that day's `key`, whatever their `t` (it is 16:00 New York
/// time), and a ticker that comes twice is counted once.
pub fn sift_market(page: &mut Page, key: i64, dropped: &mut Dropped) {
    let before = page.bars().len();
    let mut seen = HashSet::with_capacity(before);
    page.retain_by_ticker(|bar, ticker| {
        bar.key = key;
        seen.insert(ticker)
    });
    dropped.doubled += before - page.bars().len();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::{Days, utc_midnight};
    use jiff::civil::date;

    fn bars(starts: &[i64]) -> String {
        let bars: Vec<_> =
            starts.iter().map(|start| format!(r#"{{"t":{start},"o":1,"h":1,"l":1,"c":{start},"v":1}}"#)).collect();
        format!(r#"{{"results":[{}]}}"#, bars.join(","))
    }

    #[test]
    fn day_bars_are_put_in_order_and_dropped_where_they_do_not_belong() {
        let day = |day| utc_midnight(date(2026, 7, day));
        let hours = |hours: i64| hours * 3_600_000;
        let text = bars(&[
            day(15) + hours(4),
            day(14) + hours(4),
            day(9) + hours(4),
            day(14) + hours(5),
            day(17) + hours(4),
            day(16) + hours(4),
        ]);
        let mut page = Page::parse(text).unwrap();
        let bars = page.bars_mut();
        let keys = Days { from: date(2026, 7, 10), to: date(2026, 7, 17) }.keys(BarSize::Day);
        let mut dropped = Dropped::default();
        sift_ticker(bars, BarSize::Day, &keys, day(16), &mut dropped);
        assert_eq!(bars.iter().map(|bar| bar.key).collect::<Vec<_>>(), [day(14), day(15), day(16)]);
        assert_eq!(dropped, Dropped { outside: 1, doubled: 1 }, "today's bar is not counted: it will come again");
        assert_eq!(
            dropped.describe().unwrap(),
            "dropped 1 bar outside the days that were asked for and 1 bar that came twice"
        );
    }

    #[test]
    fn a_ticker_that_comes_twice_in_the_market_is_kept_once() {
        let row = |ticker: &str| format!(r#"{{"T":"{ticker}","t":1602705600000,"o":1,"h":1,"l":1,"c":1,"v":1}}"#);
        let text = format!(r#"{{"results":[{},{},{}]}}"#, row("KIMpL"), row("TANH"), row("KIMpL"));
        let mut page = Page::parse(text).unwrap();
        let mut dropped = Dropped::default();
        sift_market(&mut page, 7, &mut dropped);
        assert_eq!((page.bars().len(), page.bars()[0].key, dropped.doubled), (2, 7, 1));
    }
}
