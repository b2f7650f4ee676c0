//! How long a bar is, and what identifies it: the API's `multiplier` and `timespan`.

use chrono::{DateTime, Datelike, SecondsFormat};

use crate::calendar::{
    DAY_MS, Date, MAX_DATE, MIN_DATE, day_before, days_after, days_before, moment, parse_date, utc_date, utc_midnight,
};

/// The length of a bar. Bars of days and longer are identified by their first day, shorter ones by the
/// moment at which they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timespan {
    /// A number of clock minutes.
    Minutes(u32),
    /// A clock hour.
    Hour,
    /// A day of the market.
    Day,
    /// A week, from Sunday to Saturday.
    Week,
    /// A month of the calendar.
    Month,
}

impl Timespan {
    /// The API's `multiplier` and `timespan`, as in a path.
    pub(crate) fn path(self) -> String {
        match self {
            Timespan::Minutes(number) => format!("{number}/minute"),
            Timespan::Hour => "1/hour".to_owned(),
            Timespan::Day | Timespan::Week | Timespan::Month => format!("1/{}", self.period()),
        }
    }

    /// The days that one bar, or a session of intraday bars, covers: `day`, `week` or `month`.
    pub(crate) fn period(self) -> &'static str {
        match self {
            Timespan::Minutes(_) | Timespan::Hour | Timespan::Day => "day",
            Timespan::Week => "week",
            Timespan::Month => "month",
        }
    }

    /// Whether bars are shorter than a day.
    pub(crate) fn is_intraday(self) -> bool {
        matches!(self, Timespan::Minutes(_) | Timespan::Hour)
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
        match self {
            Timespan::Minutes(_) | Timespan::Hour | Timespan::Day => day,
            Timespan::Week => days_before(day, u64::from(day.weekday().num_days_from_sunday())),
            Timespan::Month => day.with_day(1).unwrap_or(day),
        }
    }

    /// The last day of the bar that begins on `first_day`.
    pub(crate) fn last_day_of(self, first_day: Date) -> Date {
        match self {
            Timespan::Minutes(_) | Timespan::Hour | Timespan::Day => first_day,
            Timespan::Week => days_after(first_day, 6),
            Timespan::Month => day_before(self.first_day_of(days_after(self.first_day_of(first_day), 31))),
        }
    }

    /// The first day of the last bar that lies wholly on or before `day`.
    pub(crate) fn last_whole_bar(self, day: Date) -> Date {
        let first_day = self.first_day_of(day);
        if self.last_day_of(first_day) <= day { first_day } else { self.first_day_of(day_before(first_day)) }
    }
}
