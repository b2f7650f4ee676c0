//! Which bars may be asked for: pure functions of now, the configuration and the calendar of New York.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::streams::BarSize;

static NEW_YORK: TimeZone = jiff::tz::get!("America/New_York");

/// How much later than it happens the cheapest plan with intraday bars shows the market.
const INTRADAY_DELAY: SignedDuration = SignedDuration::from_mins(15);

/// How many days are read where no `start_date` is given: the tutorial's seven.
const DEFAULT_DAYS: i64 = 7;

/// The date in New York at that moment.
pub fn new_york_date(moment: Timestamp) -> Date {
    NEW_YORK.to_datetime(moment).date()
}

/// The moment at so many epoch milliseconds; what no calendar holds is clamped to its ends.
pub fn moment(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(millisecond).unwrap_or(if millisecond < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// The date in UTC at so many epoch milliseconds.
pub fn utc_date(millisecond: i64) -> Date {
    TimeZone::UTC.to_datetime(moment(millisecond)).date()
}

/// The UTC midnight that begins `date`, in epoch milliseconds.
pub fn utc_midnight(date: Date) -> i64 {
    const EPOCH: Date = jiff::civil::date(1970, 1, 1);
    date.duration_since(EPOCH).as_millis() as i64
}

/// The midnight that begins `date` in New York, in epoch milliseconds.
fn new_york_midnight(date: Date) -> i64 {
    date.to_zoned(NEW_YORK.clone())
        .map_or_else(|_| utc_midnight(date), |midnight| midnight.timestamp().as_millisecond())
}

/// The day before; the calendar's first day has none but itself.
pub fn day_before(date: Date) -> Date {
    date.yesterday().unwrap_or(date)
}

/// The day after; the calendar's last day has none but itself.
pub fn day_after(date: Date) -> Date {
    date.tomorrow().unwrap_or(date)
}

/// Whether the date is a Saturday or Sunday, when no exchange in New York trades.
pub fn is_weekend(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// Up to where the market's bars are final, at one moment, for one size of bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// The last day (New York) on which a bar can be final.
    pub last_day: Date,
    /// The greatest key (see [`BarSize::key`]) that a final bar can have, in epoch milliseconds.
    pub last_key: i64,
}

impl Horizon {
    /// A day is final once midnight has passed in New York, an hour or minute once it is over and the delay of the
    /// cheapest intraday plan has passed.
    pub fn at(now: Timestamp, size: BarSize) -> Horizon {
        match size {
            BarSize::Day => {
                let last_day = day_before(new_york_date(now));
                Horizon { last_day, last_key: utc_midnight(last_day) }
            }
            BarSize::Hour | BarSize::Minute => {
                let last_start = now.checked_sub(size.length() + INTRADAY_DELAY).unwrap_or(Timestamp::MIN);
                Horizon { last_day: new_york_date(last_start), last_key: last_start.as_millisecond() }
            }
        }
    }
}

/// A range of New York dates to ask for, both inclusive; empty when `from` is after `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
}

impl Days {
    /// Whether there is no day in it.
    pub fn is_empty(self) -> bool {
        self.from > self.to
    }

    /// The keys of the bars of these days, first included, last excluded, in epoch milliseconds.
    pub fn keys(self, size: BarSize) -> std::ops::Range<i64> {
        let begin = |date| match size {
            BarSize::Day => utc_midnight(date),
            BarSize::Hour | BarSize::Minute => new_york_midnight(date),
        };
        begin(self.from)..begin(day_after(self.to))
    }
}

/// What the user wants to have of a stream, at the moment of the sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The first day where no state says otherwise.
    pub first_day: Date,
    /// Whether the user named that day, rather than leaving it to the rolling default.
    pub first_day_is_set: bool,
    /// The last day: the configuration's, or the last one that is final.
    pub last_day: Date,
    /// What is final, whatever the user wants.
    pub horizon: Horizon,
}

impl Wanted {
    /// Without `start_date`, the seven days before now, or up to an `end_date` that has passed.
    pub fn at(now: Timestamp, size: BarSize, start_date: Option<Date>, end_date: Option<Date>) -> Wanted {
        let horizon = Horizon::at(now, size);
        let last_day = end_date.map_or(horizon.last_day, |end| end.min(horizon.last_day));
        let after_the_end = new_york_date(now).min(end_date.map_or(Date::MAX, day_after));
        let default = after_the_end.checked_sub(DEFAULT_DAYS.days()).unwrap_or(Date::MIN);
        Wanted { first_day: start_date.unwrap_or(default), first_day_is_set: start_date.is_some(), last_day, horizon }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_final_once_midnight_has_passed_in_new_york() {
        let last_day = |now| Horizon::at(at(now), BarSize::Day).last_day;
        assert_eq!(last_day("2026-07-16T03:59:59Z"), date(2026, 7, 14), "still the 15th in New York, summer time");
        assert_eq!(last_day("2026-07-16T04:00:00Z"), date(2026, 7, 15));
        assert_eq!(last_day("2026-01-16T04:59:59Z"), date(2026, 1, 14), "still the 15th in New York, winter time");
        assert_eq!(last_day("2026-01-16T05:00:00Z"), date(2026, 1, 15));
    }

    #[test]
    fn an_hour_or_minute_is_final_a_quarter_of_an_hour_after_its_end() {
        let last_start = |now, size| Timestamp::from_millisecond(Horizon::at(at(now), size).last_key).unwrap();
        assert_eq!(last_start("2026-07-15T15:15:00Z", BarSize::Hour), at("2026-07-15T14:00:00Z"));
        assert_eq!(last_start("2026-07-15T15:14:59Z", BarSize::Hour), at("2026-07-15T13:59:59Z"));
        assert_eq!(last_start("2026-07-15T15:16:00Z", BarSize::Minute), at("2026-07-15T15:00:00Z"));
    }

    #[test]
    fn just_after_midnight_no_bar_of_the_new_day_is_asked_for() {
        assert_eq!(Horizon::at(at("2026-07-16T04:10:00Z"), BarSize::Minute).last_day, date(2026, 7, 15));
        assert_eq!(Horizon::at(at("2026-07-16T04:16:00Z"), BarSize::Minute).last_day, date(2026, 7, 16));
    }

    #[test]
    fn without_a_start_date_seven_days_are_wanted() {
        let wanted = Wanted::at(at("2020-12-22T16:00:00Z"), BarSize::Day, None, None);
        assert_eq!((wanted.first_day, wanted.last_day), (date(2020, 12, 15), date(2020, 12, 21)));
        let wanted = Wanted::at(at("2026-11-20T16:00:00Z"), BarSize::Day, None, Some(date(2020, 12, 21)));
        assert_eq!((wanted.first_day, wanted.last_day), (date(2020, 12, 15), date(2020, 12, 21)));
        let wanted = Wanted::at(at("2020-12-22T16:00:00Z"), BarSize::Day, None, Some(date(2030, 1, 1)));
        assert_eq!((wanted.first_day, wanted.last_day), (date(2020, 12, 15), date(2020, 12, 21)));
    }

    #[test]
    fn intraday_keys_of_a_day_run_from_midnight_to_midnight_in_new_york() {
        let day = Days { from: date(2024, 3, 10), to: date(2024, 3, 10) };
        let keys = day.keys(BarSize::Minute);
        assert_eq!(keys.start, at("2024-03-10T05:00:00Z").as_millisecond());
        assert_eq!(keys.end, at("2024-03-11T04:00:00Z").as_millisecond(), "23 hours on the day summer time begins");
    }

    #[test]
    fn the_ends_of_the_calendar_do_not_panic() {
        let all = Days { from: Date::MIN, to: Date::MAX };
        assert!(!all.keys(BarSize::Day).is_empty());
        assert!(!all.keys(BarSize::Hour).is_empty());
        assert_eq!(utc_date(i64::MIN).year(), -9999);
        assert_eq!(utc_date(i64::MAX).year(), 9999);
    }
}
