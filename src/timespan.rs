//! How long a bar is, and what identifies it: the API's `multiplier` and `timespan`.

use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta};

use crate::calendar::{
    DAY_MS, Date, MAX_DATE, MIN_DATE, day_before, days_after, days_before, moment, parse_date, utc_date, utc_midnight,
};

/// The unit of a bar's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Clock minutes.
    Minute,
    /// Clock hours.
    Hour,
    /// Days of the market.
    Day,
    /// Weeks, which begin on Sunday.
    Week,
    /// Months of the calendar.
    Month,
}

/// The length of a bar. Bars of days and longer are identified by their first day, shorter ones by the
/// moment at which they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timespan {
    /// The number of units; 1 for days and longer.
    pub(crate) multiplier: u32,
    /// The unit.
    pub(crate) unit: Unit,
}

impl Timespan {
    /// One day.
    pub(crate) const DAY: Timespan = Timespan { multiplier: 1, unit: Unit::Day };
    /// One week, from Sunday to Saturday.
    pub(crate) const WEEK: Timespan = Timespan { multiplier: 1, unit: Unit::Week };
    /// One month of the calendar.
    pub(crate) const MONTH: Timespan = Timespan { multiplier: 1, unit: Unit::Month };
    /// One hour.
    pub(crate) const HOUR: Timespan = Timespan { multiplier: 1, unit: Unit::Hour };

    /// A number of minutes.
    pub(crate) const fn minutes(multiplier: u32) -> Timespan {
        Timespan { multiplier, unit: Unit::Minute }
    }

    /// The API's word for the unit, its `timespan`.
    pub(crate) fn unit_name(self) -> &'static str {
        match self.unit {
            Unit::Minute => "minute",
            Unit::Hour => "hour",
            Unit::Day => "day",
            Unit::Week => "week",
            Unit::Month => "month",
        }
    }

    /// The days that one bar, or a session of intraday bars, covers: `day`, `week` or `month`.
    pub(crate) fn period(self) -> &'static str {
        if self.is_intraday() { "day" } else { self.unit_name() }
    }

    /// Whether bars are shorter than a day.
    pub(crate) fn is_intraday(self) -> bool {
        matches!(self.unit, Unit::Minute | Unit::Hour)
    }

    /// How long an intraday bar is open.
    pub(crate) fn intraday_length(self) -> TimeDelta {
        let minutes = if self.unit == Unit::Hour { 60 } else { 1 };
        TimeDelta::minutes(minutes * i64::from(self.multiplier))
    }

    /// What orders and identifies a ticker's bars, in epoch milliseconds: the start of an intraday bar as the API gives
    /// it; for longer bars the UTC midnight of its UTC date. The API's days begin at midnight in New York (04:00 or
    /// 05:00 UTC), in UTC, or at 06:00 UTC (seen on an index), so that date is always the bar's first day.
    pub(crate) fn cursor(self, start: i64) -> i64 {
        if self.is_intraday() { start } else { start.saturating_sub(start.rem_euclid(DAY_MS)) }
    }

    /// The cursor's value as text: a date for days and longer bars, else RFC 3339 in UTC.
    pub(crate) fn cursor_text(self, cursor: i64) -> String {
        if self.is_intraday() {
            moment(cursor).to_rfc3339_opts(SecondsFormat::AutoSi, true)
        } else {
            utc_date(cursor).to_string()
        }
    }

    /// Parses what [`Timespan::cursor_text`] returns.
    pub(crate) fn parse_cursor(self, text: &str) -> Option<i64> {
        if self.is_intraday() {
            let moment = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
            (MIN_DATE..=MAX_DATE).contains(&moment.date_naive()).then(|| moment.timestamp_millis())
        } else {
            parse_date(text).map(utc_midnight)
        }
    }

    /// The first day of the bar that `day` belongs to; the day itself for days and intraday bars.
    pub(crate) fn first_day_of(self, day: Date) -> Date {
        match self.unit {
            Unit::Minute | Unit::Hour | Unit::Day => day,
            Unit::Week => days_before(day, u64::from(day.weekday().num_days_from_sunday())),
            Unit::Month => day.with_day(1).unwrap_or(day),
        }
    }

    /// The last day of the bar that begins on `first_day`.
    pub(crate) fn last_day_of(self, first_day: Date) -> Date {
        match self.unit {
            Unit::Minute | Unit::Hour | Unit::Day => first_day,
            Unit::Week => days_after(first_day, 6),
            Unit::Month => day_before(self.first_day_of(days_after(self.first_day_of(first_day), 31))),
        }
    }

    /// The first day of the last bar that lies wholly on or before `day`.
    pub(crate) fn last_whole_bar(self, day: Date) -> Date {
        let first_day = self.first_day_of(day);
        if self.last_day_of(first_day) <= day { first_day } else { self.first_day_of(day_before(first_day)) }
    }
}
