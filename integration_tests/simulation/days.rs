//! Days and moments in the two zones that markets live by. A day is a number of days since 1970, a moment in epoch milliseconds.

use std::sync::LazyLock;

use chrono::{Datelike, Months, NaiveDate};

use crate::support::days::{moment_at, new_york_midnight};

/// Days since 1970.
pub type Day = i64;

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// The zone by whose days a market lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    NewYork,
    Utc,
}

/// Days outside of these occur only as bounds of requests, where an hour does not matter.
const KNOWN: std::ops::Range<Day> = 18_000..21_500;

static NEW_YORK_MIDNIGHTS: LazyLock<Vec<i64>> =
    LazyLock::new(|| KNOWN.map(|day| new_york_midnight(date(day))).collect());

impl Zone {
    /// The midnight that begins a day.
    pub fn midnight(self, day: Day) -> i64 {
        match self {
            Zone::Utc => day * DAY,
            Zone::NewYork if KNOWN.contains(&day) => {
                NEW_YORK_MIDNIGHTS[usize::try_from(day - KNOWN.start).expect("checked")]
            }
            Zone::NewYork => day * DAY + 5 * HOUR,
        }
    }

    /// The day at a moment.
    pub fn day_at(self, moment: i64) -> Day {
        let day = moment.div_euclid(DAY);
        if self == Zone::NewYork && moment < self.midnight(day) { day - 1 } else { day }
    }
}

/// The day as a date.
pub fn date(day: Day) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(i32::try_from(day + 719_163).expect("a day of the calendar"))
        .expect("a day of the calendar")
}

/// The day of a date.
pub fn day(date: NaiveDate) -> Day {
    i64::from(date.num_days_from_ce()) - 719_163
}

/// The day that a text names.
pub fn parse_day(text: &str) -> Option<Day> {
    text.parse().ok().map(day)
}

/// Monday to Friday.
pub fn is_weekday(day: Day) -> bool {
    (1..=5).contains(&(day + 4).rem_euclid(7))
}

/// The Sunday that begins a week.
pub fn week_of(day: Day) -> Day {
    day - (day + 4).rem_euclid(7)
}

/// Months since year 0.
pub fn month_of(day: Day) -> i64 {
    let date = date(day);
    i64::from(date.year()) * 12 + i64::from(date.month0())
}

/// The first day of a month.
pub fn first_of_month(month: i64) -> Day {
    let year = i32::try_from(month.div_euclid(12)).expect("a year");
    let month = u32::try_from(month.rem_euclid(12)).expect("a month") + 1;
    day(NaiveDate::from_ymd_opt(year, month, 1).expect("a day of the calendar"))
}

pub fn year_of(day: Day) -> i32 {
    date(day).year()
}

/// The same day some years before.
pub fn years_before(today: Day, years: u32) -> Day {
    day(date(today) - Months::new(12 * years))
}

/// A moment for people.
pub fn tell(moment: i64) -> String {
    moment_at(moment).format("%Y-%m-%d %H:%M").to_string()
}

/// A day for people.
pub fn tell_day(day: Day) -> String {
    date(day).to_string()
}
