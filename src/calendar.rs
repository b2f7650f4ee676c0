//! Dates and moments: pure functions of the proleptic Gregorian calendar and of the two zones by whose days markets live.
//!
//! All moments are epoch milliseconds or [`DateTime<Utc>`]; all dates are days of a market's zone.

use std::fmt;
use std::ops::Range;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeZone, Utc, Weekday};
use chrono_tz::America::New_York;

/// A day of the calendar, without a zone.
pub(crate) type Date = NaiveDate;

/// One day in milliseconds.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// The first day that the connector's own dates reach.
pub(crate) const MIN_DATE: Date = NaiveDate::from_ymd_opt(1, 1, 1).expect("a day of the calendar");

/// The last day that the connector's own dates reach: the last one that is written with four digits of a year.
pub(crate) const MAX_DATE: Date = NaiveDate::from_ymd_opt(9999, 12, 31).expect("a day of the calendar");

/// The zone by whose days a market lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// `America/New_York`, with its summer time.
    NewYork,
    /// Coordinated universal time.
    Utc,
}

impl Zone {
    /// The date at a moment.
    pub(crate) fn date_at(self, moment: DateTime<Utc>) -> Date {
        self.date_at_ms(moment.timestamp_millis())
    }

    /// The date at a moment in epoch milliseconds.
    pub(crate) fn date_at_ms(self, ms: i64) -> Date {
        match self {
            Zone::NewYork => moment(ms).with_timezone(&New_York).date_naive(),
            Zone::Utc => utc_date(ms),
        }
    }

    /// The midnight that begins `date`, in epoch milliseconds.
    pub(crate) fn midnight(self, date: Date) -> i64 {
        match self {
            Zone::NewYork => New_York
                .from_local_datetime(&date.and_time(NaiveTime::MIN))
                .earliest()
                .map_or_else(|| utc_midnight(date), |midnight| midnight.timestamp_millis()),
            Zone::Utc => utc_midnight(date),
        }
    }
}

/// The moment of epoch milliseconds, clamped to [`MIN_DATE`] and [`MAX_DATE`].
pub(crate) fn moment(ms: i64) -> DateTime<Utc> {
    let ms = ms.clamp(utc_midnight(MIN_DATE), utc_midnight(MAX_DATE) + DAY_MS - 1);
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// The date in UTC at a moment in epoch milliseconds.
pub(crate) fn utc_date(ms: i64) -> Date {
    moment(ms).date_naive()
}

/// The UTC midnight that begins `date`, in epoch milliseconds.
pub(crate) fn utc_midnight(date: Date) -> i64 {
    date.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
}

/// The date `days` days before; never before [`MIN_DATE`].
pub(crate) fn days_before(date: Date, days: u64) -> Date {
    date.checked_sub_days(Days::new(days)).unwrap_or(MIN_DATE).max(MIN_DATE)
}

/// The date `days` days after; never after [`MAX_DATE`].
pub(crate) fn days_after(date: Date, days: u64) -> Date {
    date.checked_add_days(Days::new(days)).unwrap_or(MAX_DATE).min(MAX_DATE)
}

/// The day before; the first day of all has none but itself.
pub(crate) fn day_before(date: Date) -> Date {
    days_before(date, 1)
}

/// The day after; the last day of all has none but itself.
pub(crate) fn day_after(date: Date) -> Date {
    days_after(date, 1)
}

/// Whether the date is a Saturday or Sunday, when no exchange in New York trades.
pub(crate) fn is_weekend(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

/// The first weekday on or after `date`. [`MAX_DATE`] is one.
pub(crate) fn next_weekday(date: Date) -> Date {
    if is_weekend(date) { next_weekday(day_after(date)) } else { date }
}

/// The last weekday on or before `date`. [`MIN_DATE`] is one.
pub(crate) fn last_weekday(date: Date) -> Date {
    if is_weekend(date) { last_weekday(day_before(date)) } else { date }
}

/// Parses `YYYY-MM-DD`, and nothing else that looks like a date.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let date = text.parse::<Date>().ok()?;
    ((MIN_DATE..=MAX_DATE).contains(&date) && date.to_string() == text).then_some(date)
}

/// A range of days, both ends included; empty when `from` is after `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateRange {
    /// The first day.
    pub(crate) from: Date,
    /// The last day.
    pub(crate) to: Date,
}

impl DateRange {
    /// The range of one day.
    pub(crate) fn day(day: Date) -> DateRange {
        DateRange { from: day, to: day }
    }

    /// Whether there is no day in it.
    pub(crate) fn is_empty(self) -> bool {
        self.from > self.to
    }

    /// Whether `day` is in it.
    pub(crate) fn contains(self, day: Date) -> bool {
        self.from <= day && day <= self.to
    }

    /// The days that are in the calendar year of its first day.
    pub(crate) fn within_year(self) -> DateRange {
        let last = Date::from_ymd_opt(self.from.year(), 12, 31).unwrap_or(self.to);
        DateRange { from: self.from, to: self.to.min(last) }
    }

    /// Its days.
    pub(crate) fn days(self) -> impl Iterator<Item = Date> {
        self.from.iter_days().take_while(move |day| *day <= self.to)
    }

    /// Parses what Display writes.
    pub(crate) fn parse(text: &str) -> Option<DateRange> {
        let (from, to) = text.split_once(" to ").unwrap_or((text, text));
        let range = DateRange { from: parse_date(from)?, to: parse_date(to)? };
        (!range.is_empty()).then_some(range)
    }

    /// The moments of these days in a zone, epoch milliseconds, the last excluded.
    pub(crate) fn moments(self, zone: Zone) -> Range<i64> {
        let end = if self.to == MAX_DATE { i64::MAX } else { zone.midnight(day_after(self.to)) };
        zone.midnight(self.from)..end
    }
}

/// `2024-01-02`, or `2024-01-02 to 2024-01-05`.
impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.from)?;
        if self.from == self.to { Ok(()) } else { write!(f, " to {}", self.to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `nth` Sunday of a month, from 1.
    fn sunday(year: i32, month: u32, nth: u8) -> Date {
        Date::from_weekday_of_month_opt(year, month, Weekday::Sun, nth).unwrap()
    }

    fn last_sunday_of_october(year: i32) -> Date {
        Date::from_weekday_of_month_opt(year, 10, Weekday::Sun, 5).unwrap_or_else(|| sunday(year, 10, 4))
    }

    /// Hours from UTC to New York at the midnight that begins `day`, by the laws of 1986 and 2005:
    /// clocks change at two in the morning of a Sunday.
    fn hours_behind(day: Date) -> i64 {
        let year = day.year();
        let (begin, end) = if year < 2007 {
            (sunday(year, 4, 1), last_sunday_of_october(year))
        } else {
            (sunday(year, 3, 2), sunday(year, 11, 1))
        };
        if begin < day && day <= end { 4 } else { 5 }
    }

    #[test]
    fn every_day_of_new_york_begins_and_ends_where_the_law_says() {
        const HOUR_MS: i64 = 3_600_000;
        let first = Date::from_ymd_opt(1990, 1, 1).unwrap();
        let days = first.iter_days().take_while(|day| day.year() < 2060);
        let mut count = 0;
        for day in days {
            let midnight = utc_midnight(day) + hours_behind(day) * HOUR_MS;
            let next = utc_midnight(day_after(day)) + hours_behind(day_after(day)) * HOUR_MS;
            assert_eq!(DateRange::day(day).moments(Zone::NewYork), midnight..next, "{day}");
            assert_eq!(Zone::NewYork.date_at_ms(midnight), day);
            assert_eq!(Zone::NewYork.date_at_ms(next - 1), day);
            count += 1;
        }
        assert_eq!(count, 25_567);
    }

    #[test]
    fn a_weekday_is_found_in_both_directions_and_at_both_ends_of_the_calendar() {
        let [friday, saturday, sunday, monday] = [6, 7, 8, 9].map(|day| Date::from_ymd_opt(2026, 11, day).unwrap());
        for (day, last, next) in [
            (friday, friday, friday),
            (saturday, friday, monday),
            (sunday, friday, monday),
            (MIN_DATE, MIN_DATE, MIN_DATE),
            (MAX_DATE, MAX_DATE, MAX_DATE),
        ] {
            assert_eq!((last_weekday(day), next_weekday(day)), (last, next), "{day}");
        }
    }

    #[test]
    fn only_a_date_with_four_two_and_two_digits_is_one() {
        assert_eq!(parse_date("2020-02-29"), Date::from_ymd_opt(2020, 2, 29));
        for text in [
            "2020-2-1",
            "20200201",
            "2021-02-29",
            "+2020-02-1",
            "2020-02-01T",
            "",
            "0000-01-01",
            "+12020-02-01",
            "12020-02-1",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
