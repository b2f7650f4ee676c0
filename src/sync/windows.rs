//! A range of days, cut into the windows in which it is asked for: pure.

use super::steps::Plan;
use crate::calendar::{
    DateRange, MAX_DATE, MIN_DATE, Zone, day_after, day_before, days_after, days_before, is_weekend,
};
use crate::streams::Endpoint;
use crate::timespan::Unit;

/// How many minutes of trading a page holds at most: the API's limit counts minutes for all intraday
/// bars.
const MINUTES_PER_PAGE: u64 = 50_000;

/// The order in which windows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the earliest to the latest.
    Forward,
    /// From the latest to the earliest.
    Backward,
}

/// What is left of a range of days, as windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Windows {
    rest: Option<DateRange>,
    direction: Direction,
    /// The length of a window in days; `None` takes all that is left.
    length: Option<u64>,
    skips_weekends: bool,
}

impl Windows {
    /// The windows of a read: single weekdays of the whole market, all days at once forward, and as
    /// many as fit on a page backward.
    pub(crate) fn new(plan: &Plan, days: DateRange, direction: Direction) -> Windows {
        let is_market = plan.stream.endpoint == Endpoint::Grouped;
        let length = match (is_market, direction) {
            (true, _) => Some(1),
            (false, Direction::Forward) => None,
            (false, Direction::Backward) => Some(days_per_page(plan.calendar.zone)),
        };
        Windows {
            rest: Some(days).filter(|days| !days.is_empty()),
            direction,
            length,
            skips_weekends: is_market,
        }
    }

    /// Forward windows of so many days.
    pub(crate) fn forward(days: DateRange, length: u64) -> Windows {
        Windows {
            rest: Some(days).filter(|days| !days.is_empty()),
            direction: Direction::Forward,
            length: Some(length),
            skips_weekends: false,
        }
    }

    /// The order in which they come.
    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    /// Whether more than one window can be known ahead.
    pub(crate) fn are_cut(&self) -> bool {
        self.length.is_some()
    }

    /// Makes the windows that follow twice as long when a window of `bars` filled only a small part
    /// of a page.
    pub(crate) fn grow_if_sparse(&mut self, plan: &Plan, bars: usize) {
        let minutes_per_bar = match plan.stream.timespan.unit {
            Unit::Hour => 60,
            _ => u64::from(plan.stream.timespan.multiplier),
        };
        let is_sparse = bars as u64 * minutes_per_bar < MINUTES_PER_PAGE / 4;
        if is_sparse && !self.skips_weekends {
            self.length = self.length.map(|length| length.saturating_mul(2));
        }
    }

    /// The window at the end of `rest` that is read first.
    fn first_of(&self, rest: DateRange) -> DateRange {
        let Some(more) = self.length.map(|length| length.saturating_sub(1)) else {
            return rest;
        };
        match self.direction {
            Direction::Forward => DateRange {
                to: days_after(rest.from, more).min(rest.to),
                ..rest
            },
            Direction::Backward => DateRange {
                from: days_before(rest.to, more).max(rest.from),
                ..rest
            },
        }
    }

    fn without(&self, rest: DateRange, window: DateRange) -> Option<DateRange> {
        let rest = match self.direction {
            Direction::Forward => DateRange {
                from: day_after(window.to),
                ..rest
            },
            Direction::Backward => DateRange {
                to: day_before(window.from),
                ..rest
            },
        };
        // The ends of the calendar have no day beyond them.
        let is_at_end = match self.direction {
            Direction::Forward => window.to == MAX_DATE,
            Direction::Backward => window.from == MIN_DATE,
        };
        (!is_at_end && !rest.is_empty()).then_some(rest)
    }
}

impl Iterator for Windows {
    type Item = DateRange;

    fn next(&mut self) -> Option<DateRange> {
        loop {
            let rest = self.rest?;
            let window = self.first_of(rest);
            self.rest = self.without(rest, window);
            if !(self.skips_weekends && is_weekend(window.from)) {
                return Some(window);
            }
        }
    }
}

/// How many days of sessions with their weekends, in whole weeks, or of continuous trading fit on a
/// page.
fn days_per_page(zone: Zone) -> u64 {
    match zone {
        Zone::NewYork => MINUTES_PER_PAGE / (16 * 60) / 5 * 7,
        Zone::Utc => MINUTES_PER_PAGE / (24 * 60) / 7 * 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bar_calendar::BarCalendar;
    use crate::streams::{PriceBasis, Stream};
    use crate::sync::SyncWindow;

    fn plan(stream: &str, zone: Zone) -> Plan {
        let stream = Stream::by_name(stream).unwrap();
        let calendar = BarCalendar {
            timespan: stream.timespan,
            zone,
        };
        let now = "2026-11-20T15:00:00Z".parse().unwrap();
        let window = SyncWindow::at(now, calendar, None, None);
        let basis = PriceBasis::Adjusted;
        Plan {
            stream,
            calendar,
            window,
            basis,
        }
    }

    fn days(from: &str, to: &str) -> DateRange {
        DateRange {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        }
    }

    #[test]
    fn forward_a_tickers_days_are_one_window() {
        let plan = plan("stock_prices_by_minute", Zone::NewYork);
        let all = days("2014-01-02", "2026-11-20");
        let windows = Windows::new(&plan, all, Direction::Forward);
        assert_eq!(windows.collect::<Vec<_>>(), [all]);
    }

    #[test]
    fn forward_windows_follow_each_other_without_a_gap() {
        let windows = Windows::forward(days("2026-01-01", "2026-01-20"), 7);
        let expected = [
            days("2026-01-01", "2026-01-07"),
            days("2026-01-08", "2026-01-14"),
            days("2026-01-15", "2026-01-20"),
        ];
        assert_eq!(windows.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn backward_windows_hold_a_page_and_begin_with_the_latest() {
        for (zone, first) in [
            (Zone::NewYork, days("2026-09-12", "2026-11-20")),
            (Zone::Utc, days("2026-10-24", "2026-11-20")),
        ] {
            let plan = plan("stock_prices_by_minute", zone);
            let all = days("2026-01-01", "2026-11-20");
            let windows: Vec<_> = Windows::new(&plan, all, Direction::Backward).collect();
            assert_eq!(windows[0], first);
            assert_eq!(windows[windows.len() - 1].from, all.from);
            let is_joined = |pair: &[DateRange]| pair[0].from == day_after(pair[1].to);
            assert!(windows.windows(2).all(is_joined), "{windows:?}");
        }
    }

    #[test]
    fn windows_grow_while_pages_stay_nearly_empty() {
        let plan = plan("stock_prices_by_hour", Zone::NewYork);
        let mut windows =
            Windows::new(&plan, days("2000-01-01", "2026-11-20"), Direction::Backward);
        assert_eq!(windows.next().map(DateRange::len_days), Some(70));
        windows.grow_if_sparse(&plan, 200);
        assert_eq!(windows.next().map(DateRange::len_days), Some(140));
        windows.grow_if_sparse(&plan, 700);
        assert_eq!(
            windows.next().map(DateRange::len_days),
            Some(140),
            "a page is full enough"
        );
    }

    #[test]
    fn a_quarter_of_a_page_is_not_sparse() {
        let plan = plan("stock_prices_by_minute", Zone::NewYork);
        for (bars, length) in [(12_499, 14), (12_500, 7)] {
            let mut windows = Windows::forward(days("2020-01-01", "2026-11-20"), 7);
            windows.grow_if_sparse(&plan, bars);
            assert_eq!(
                windows.next().map(DateRange::len_days),
                Some(length),
                "{bars}"
            );
        }
    }

    #[test]
    fn the_market_has_a_window_for_each_weekday() {
        let plan = plan("market_prices", Zone::NewYork);
        let starts = |direction| {
            let windows = Windows::new(&plan, days("2026-07-17", "2026-07-21"), direction);
            windows
                .map(|window| window.from.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            starts(Direction::Forward),
            ["2026-07-17", "2026-07-20", "2026-07-21"]
        );
        assert_eq!(
            starts(Direction::Backward),
            ["2026-07-21", "2026-07-20", "2026-07-17"]
        );
    }

    #[test]
    fn the_ends_of_the_calendar_end_the_windows() {
        let all = DateRange {
            from: MIN_DATE,
            to: MAX_DATE,
        };
        assert_eq!(Windows::forward(all, u64::MAX).count(), 1);
        let plan = plan("stock_prices_by_hour", Zone::Utc);
        let last = DateRange {
            from: MIN_DATE,
            to: day_after(MIN_DATE),
        };
        assert_eq!(Windows::new(&plan, last, Direction::Backward).count(), 1);
        assert_eq!(
            Windows::forward(days("2026-01-02", "2026-01-01"), 7).count(),
            0
        );
    }
}
