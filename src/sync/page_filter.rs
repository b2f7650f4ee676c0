//! Selects which bars of a page to use: those of the days that were asked for, final, in order, once.

use std::collections::HashSet;

use crate::bar_calendar::BarCalendar;
use crate::calendar::{Date, DateRange, utc_midnight};
use crate::polygon::ApiError;
use crate::polygon::response::{Bar, Page};

/// How many rows were left out that should not have been there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DroppedBars {
    /// Outside the days that were asked for.
    pub(crate) out_of_range: usize,
    /// A second time the same bar.
    pub(crate) duplicates: usize,
}

/// Filters the pages of one read, one after another.
#[derive(Debug)]
pub(crate) struct PageFilter {
    calendar: BarCalendar,
    /// The greatest cursor that may be emitted; what comes later is not final, or not wanted, and will come again.
    last_cursor: i64,
    /// The cursors of the page before, by which a repeated bar is told from one that comes too late.
    previous: Vec<i64>,
    /// What was left out so far.
    pub(crate) dropped: DroppedBars,
    /// Whether bars were left out because they are not final, or not wanted yet.
    pub(crate) has_later: bool,
}

impl PageFilter {
    /// Filters bars up to `last_cursor`.
    pub(crate) fn new(calendar: BarCalendar, last_cursor: i64) -> PageFilter {
        PageFilter {
            calendar,
            last_cursor,
            previous: Vec::new(),
            dropped: DroppedBars::default(),
            has_later: false,
        }
    }

    /// Begins a window that does not follow the one before.
    pub(crate) fn start_window(&mut self) {
        self.previous.clear();
    }

    /// Forgets the bars from `begin` on: they were left out of the page before and come again.
    pub(crate) fn forget_from(&mut self, begin: i64) {
        self.previous.retain(|cursor| *cursor < begin);
    }

    /// Keeps of a page of one ticker the bars of `days`, with their cursors, in order. A bar that belongs before one of
    /// the page before, but was not there, is an error: emitted out of order, it could be lost with the next state.
    pub(crate) fn ticker_page(&mut self, page: &mut Page, days: DateRange) -> Result<(), ApiError> {
        let cursors = self.calendar.cursors(days);
        let bars = page.bars_mut();
        let mut latest = self.previous.last().copied().unwrap_or(i64::MIN);
        let mut is_clean = true;
        for bar in bars.iter_mut() {
            bar.cursor = self.calendar.timespan.cursor(bar.cursor);
            is_clean &= bar.cursor > latest
                && bar.cursor <= self.last_cursor
                && cursors.contains(&bar.cursor);
            latest = bar.cursor;
        }
        if !is_clean {
            self.tidy(bars, &cursors)?;
        }
        if !bars.is_empty() {
            self.previous = bars.iter().map(|bar| bar.cursor).collect();
        }
        Ok(())
    }

    fn tidy(
        &mut self,
        bars: &mut Vec<Bar>,
        cursors: &std::ops::Range<i64>,
    ) -> Result<(), ApiError> {
        let before = bars.len();
        bars.retain(|bar| cursors.contains(&bar.cursor));
        self.dropped.out_of_range += before - bars.len();
        let before = bars.len();
        bars.retain(|bar| bar.cursor <= self.last_cursor);
        self.has_later |= bars.len() < before;
        bars.sort_by_key(|bar| bar.cursor);
        let before = bars.len();
        bars.dedup_by_key(|bar| bar.cursor);
        let newest = self.previous.last().copied().unwrap_or(i64::MIN);
        let repeated = bars.partition_point(|bar| bar.cursor <= newest);
        if let Some(late) = bars[..repeated]
            .iter()
            .find(|bar| self.previous.binary_search(&bar.cursor).is_err())
        {
            let text = |cursor| self.calendar.timespan.cursor_text(cursor);
            return Err(ApiError::InvalidResponse(format!(
                "the bar {} follows the bar {} of the page before",
                text(late.cursor),
                text(newest)
            )));
        }
        bars.drain(..repeated);
        self.dropped.duplicates += before - bars.len();
        Ok(())
    }

    /// Gives the bars of one day of the whole market that day's cursor, whatever their time (it is 16:00 in New York),
    /// and keeps each ticker once, however it is spelled.
    pub(crate) fn market_page(&mut self, page: &mut Page, day: Date) {
        let before = page.bars().len();
        let mut seen = HashSet::with_capacity(before);
        let kept: Vec<Bar> = page
            .bars()
            .iter()
            .filter(|bar| {
                page.ticker_of(bar)
                    .is_some_and(|ticker| seen.insert(ticker.into_owned()))
            })
            .map(|bar| Bar {
                cursor: utc_midnight(day),
                ..*bar
            })
            .collect();
        drop(seen);
        self.dropped.duplicates += before - kept.len();
        *page.bars_mut() = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Zone;
    use crate::timespan::Timespan;

    fn page(text: String) -> Page {
        Page::parse(text).unwrap()
    }

    fn bars(starts: &[i64]) -> String {
        let bars: Vec<_> = starts
            .iter()
            .map(|start| format!(r#"{{"t":{start},"o":1,"h":1,"l":1,"c":{start},"v":1}}"#))
            .collect();
        format!(r#"{{"results":[{}]}}"#, bars.join(","))
    }

    fn july(day: u32) -> i64 {
        utc_midnight(Date::from_ymd_opt(2026, 7, day).unwrap())
    }

    fn filter() -> PageFilter {
        PageFilter::new(
            BarCalendar {
                timespan: Timespan::DAY,
                zone: Zone::NewYork,
            },
            july(16),
        )
    }

    fn days() -> DateRange {
        DateRange {
            from: "2026-07-10".parse().unwrap(),
            to: "2026-07-17".parse().unwrap(),
        }
    }

    #[test]
    fn day_bars_are_put_in_order_and_dropped_where_they_do_not_belong() {
        let hours = |hours: i64| hours * 3_600_000;
        let starts = [
            july(15) + hours(4),
            july(14) + hours(4),
            july(9) + hours(4),
            july(14) + hours(5),
            july(17) + hours(4),
            july(16) + hours(4),
        ];
        let mut page = page(bars(&starts));
        let mut filter = filter();
        filter.ticker_page(&mut page, days()).unwrap();
        assert_eq!(
            page.bars().iter().map(|bar| bar.cursor).collect::<Vec<_>>(),
            [july(14), july(15), july(16)]
        );
        let expected = DroppedBars {
            out_of_range: 1,
            duplicates: 1,
        };
        assert_eq!(
            filter.dropped, expected,
            "today's bar is not counted: it will come again"
        );
    }

    #[test]
    fn bars_that_are_left_out_for_now_are_told_from_those_that_do_not_belong() {
        for (starts, has_later) in [
            (vec![july(17)], true),
            (vec![july(9)], false),
            (vec![july(15)], false),
            (vec![july(9), july(17)], true),
        ] {
            let mut filter = filter();
            filter
                .ticker_page(&mut page(bars(&starts)), days())
                .unwrap();
            assert_eq!(filter.has_later, has_later, "{starts:?}");
        }
    }

    #[test]
    fn a_bar_that_follows_itself_is_kept_once() {
        let mut filter = filter();
        let mut page = page(bars(&[july(13), july(13), july(14)]));
        filter.ticker_page(&mut page, days()).unwrap();
        assert_eq!((page.bars().len(), filter.dropped.duplicates), (2, 1));
    }

    #[test]
    fn a_page_that_repeats_the_one_before_is_empty_and_one_that_goes_back_is_an_error() {
        let mut filter = filter();
        filter
            .ticker_page(&mut page(bars(&[july(13), july(15)])), days())
            .unwrap();
        let mut repeated = page(bars(&[july(13), july(15), july(16)]));
        filter.ticker_page(&mut repeated, days()).unwrap();
        assert_eq!((repeated.bars().len(), filter.dropped.duplicates), (1, 2));
        assert!(
            filter
                .ticker_page(&mut page(bars(&[july(14)])), days())
                .is_err()
        );
    }

    #[test]
    fn a_ticker_that_comes_twice_in_the_market_is_kept_once_however_it_is_spelled() {
        let row = |ticker: &str| {
            format!(r#"{{"T":"{ticker}","t":1602705600000,"o":1,"h":1,"l":1,"c":1,"v":1}}"#)
        };
        let rows = [row("KIMpL"), row("TANH"), row("KIMpL"), row(r"\u0054ANH")];
        let mut page = page(format!(r#"{{"results":[{}]}}"#, rows.join(",")));
        let mut filter = filter();
        filter.market_page(&mut page, Date::from_ymd_opt(2026, 7, 15).unwrap());
        assert_eq!(
            (
                page.bars().len(),
                page.bars()[0].cursor,
                filter.dropped.duplicates
            ),
            (2, july(15), 2)
        );
    }
}
