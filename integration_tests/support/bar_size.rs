//! How long bars are: the API's `multiplier` and `timespan`.

use chrono::{Datelike, Days, Months};
use chrono_tz::Tz;

use super::days::{Date, date_in, midnight, moment_at};

/// The API's `timespan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
}

/// The length of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BarSize {
    pub multiplier: u32,
    pub unit: Unit,
}

impl BarSize {
    pub const MINUTE: BarSize = BarSize::of(1, Unit::Minute);
    pub const HOUR: BarSize = BarSize::of(1, Unit::Hour);
    pub const DAY: BarSize = BarSize::of(1, Unit::Day);
    pub const WEEK: BarSize = BarSize::of(1, Unit::Week);
    pub const MONTH: BarSize = BarSize::of(1, Unit::Month);

    const fn of(multiplier: u32, unit: Unit) -> BarSize {
        BarSize { multiplier, unit }
    }

    /// The size that the segments of a path name.
    pub fn parse(multiplier: &str, unit: &str) -> Option<BarSize> {
        let unit = match unit {
            "minute" => Unit::Minute,
            "hour" => Unit::Hour,
            "day" => Unit::Day,
            "week" => Unit::Week,
            "month" => Unit::Month,
            _ => return None,
        };
        Some(BarSize { multiplier: multiplier.parse().ok()?, unit })
    }

    pub fn is_intraday(self) -> bool {
        matches!(self.unit, Unit::Minute | Unit::Hour)
    }

    /// The first day of the bar that a day belongs to.
    pub fn first_day(self, day: Date) -> Date {
        match self.unit {
            Unit::Week => day - Days::new(u64::from(day.weekday().num_days_from_sunday())),
            Unit::Month => day.with_day(1).expect("every month has a first day"),
            Unit::Minute | Unit::Hour | Unit::Day => day,
        }
    }

    /// The last day of the bar that a day belongs to.
    pub fn last_day(self, day: Date) -> Date {
        let first_day = self.first_day(day);
        match self.unit {
            Unit::Week => first_day + Days::new(6),
            Unit::Month => first_day + Months::new(1) - Days::new(1),
            Unit::Minute | Unit::Hour | Unit::Day => first_day,
        }
    }

    /// The moment at which the bar that begins at `start` is over; both in epoch milliseconds.
    pub fn end(self, zone: Tz, start: i64) -> i64 {
        match self.unit {
            Unit::Minute => start + 60_000 * i64::from(self.multiplier),
            Unit::Hour => start + 3_600_000 * i64::from(self.multiplier),
            Unit::Day | Unit::Week | Unit::Month => {
                midnight(zone, self.last_day(date_in(zone, moment_at(start))) + Days::new(1))
            }
        }
    }
}
