//! Days and moments of the markets, for the fake API and the expectations of the tests.

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;

/// A day of a market, without a zone.
pub type Date = NaiveDate;

/// New York's days: stocks, options and indices.
pub const NEW_YORK: Tz = Tz::America__New_York;

/// The time zone of a ticker's market.
pub fn zone_of(ticker: &str) -> Tz {
    if ticker.starts_with("X:") || ticker.starts_with("C:") { Tz::UTC } else { NEW_YORK }
}

/// A date that exists.
pub const fn date(year: i32, month: u32, day: u32) -> Date {
    NaiveDate::from_ymd_opt(year, month, day).expect("a day of the calendar")
}

/// The moment that an RFC 3339 text names.
pub fn moment(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment in RFC 3339")
}

/// The moment of a timestamp in epoch milliseconds.
pub fn moment_at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).expect("a moment of the calendar")
}

/// The date in a zone.
pub fn date_in(zone: Tz, moment: DateTime<Utc>) -> Date {
    moment.with_timezone(&zone).date_naive()
}

/// The date in New York.
pub fn new_york_date(moment: DateTime<Utc>) -> Date {
    date_in(NEW_YORK, moment)
}

/// A time of a day in a zone, epoch milliseconds.
pub fn time_in(zone: Tz, day: Date, hour: u32, minute: u32) -> i64 {
    let local = day.and_hms_opt(hour, minute, 0).expect("a time of the day");
    zone.from_local_datetime(&local).earliest().expect("a time that the clocks show").timestamp_millis()
}

/// The midnight that begins a day in a zone, epoch milliseconds.
pub fn midnight(zone: Tz, day: Date) -> i64 {
    time_in(zone, day, 0, 0)
}

/// The start of a stock's day bar, epoch milliseconds.
pub fn new_york_midnight(day: Date) -> i64 {
    midnight(NEW_YORK, day)
}

/// A time of a day in New York, epoch milliseconds.
pub fn new_york_time(day: Date, hour: u32, minute: u32) -> i64 {
    time_in(NEW_YORK, day, hour, minute)
}
