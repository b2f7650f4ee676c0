//! The streams that are simulated: how long their bars are, and from which bars they are built.

use std::ops::Range;

use super::days::{DAY, Day, HOUR, MINUTE, Zone, first_of_month, month_of, week_of};

/// How long a bar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    Minutes(i64),
    Hour,
    Day,
    Week,
    Month,
    /// No bars, but the splits or dividends that are made of them.
    Event,
}

/// One stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Stream {
    /// What `--streams` calls it.
    pub short: &'static str,
    pub name: &'static str,
    pub size: Size,
    /// Whether it reads all tickers, configured or not.
    pub reads_all: bool,
}

const fn stream(short: &'static str, name: &'static str, size: Size) -> Stream {
    Stream { short, name, size, reads_all: false }
}

const fn whole_market(short: &'static str, name: &'static str, size: Size) -> Stream {
    Stream { short, name, size, reads_all: true }
}

pub static STREAMS: [Stream; 10] = [
    stream("days", "stock_prices", Size::Day),
    stream("hours", "stock_prices_by_hour", Size::Hour),
    stream("weeks", "stock_prices_by_week", Size::Week),
    stream("months", "stock_prices_by_month", Size::Month),
    stream("minutes", "stock_prices_by_15_minutes", Size::Minutes(15)),
    whole_market("market", "market_prices", Size::Day),
    stream("splits", "stock_splits", Size::Event),
    stream("dividends", "stock_dividends", Size::Event),
    whole_market("market-splits", "market_splits", Size::Event),
    whole_market("market-dividends", "market_dividends", Size::Event),
];

impl Stream {
    /// Whether it has the bars of the whole market.
    pub fn is_market(&self) -> bool {
        self.reads_all && !self.is_events()
    }

    pub fn is_events(&self) -> bool {
        self.size == Size::Event
    }
}

impl Size {
    /// The size that the segments of a path name.
    pub fn parse(multiplier: &str, unit: &str) -> Option<Size> {
        match (multiplier, unit) {
            (count, "minute") => count.parse().ok().map(Size::Minutes),
            ("1", "hour") => Some(Size::Hour),
            ("1", "day") => Some(Size::Day),
            ("1", "week") => Some(Size::Week),
            ("1", "month") => Some(Size::Month),
            _ => None,
        }
    }

    pub fn is_intraday(self) -> bool {
        matches!(self, Size::Minutes(_) | Size::Hour)
    }

    /// Whether several days make a bar.
    pub fn is_long(self) -> bool {
        matches!(self, Size::Week | Size::Month)
    }

    /// The days of the bar that a day belongs to.
    pub fn days(self, day: Day) -> Range<Day> {
        match self {
            Size::Week => week_of(day)..week_of(day) + 7,
            Size::Month => first_of_month(month_of(day))..first_of_month(month_of(day) + 1),
            _ => day..day + 1,
        }
    }

    /// The start of the bar that a moment belongs to.
    pub fn start(self, zone: Zone, moment: i64) -> i64 {
        match self {
            Size::Minutes(count) => moment - moment.rem_euclid(count * MINUTE),
            Size::Hour => moment - moment.rem_euclid(HOUR),
            _ => zone.midnight(self.days(zone.day_at(moment)).start),
        }
    }

    /// The end of the bar that begins at `start`.
    pub fn end(self, zone: Zone, start: i64) -> i64 {
        match self {
            Size::Minutes(count) => start + count * MINUTE,
            Size::Hour => start + HOUR,
            // Noon always belongs to the first day, even when the clocks change.
            _ => zone.midnight(self.days(zone.day_at(start + DAY / 2)).end),
        }
    }

    /// Whether a bar may be emitted: a day (week, month) is over in its market, a shorter bar for twenty minutes.
    pub fn is_final(self, zone: Zone, start: i64, now: i64) -> bool {
        let delay = if self.is_intraday() { 20 * MINUTE } else { 0 };
        self.end(zone, start) + delay <= now
    }
}
