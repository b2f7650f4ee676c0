//! Which bars may be asked for and emitted: pure functions of now, the configuration and the market's calendar.

use chrono::{DateTime, Utc};

use crate::bar_calendar::BarCalendar;
use crate::calendar::{Date, MAX_DATE, day_after, days_before};

/// How many days are read where no `start_date` is given.
const DEFAULT_DAYS: u64 = 7;

/// What is to be synced of a series, at the moment of the sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyncWindow {
    /// The market's day at that moment.
    pub(crate) today: Date,
    /// The first day where no state says otherwise; a week or month that has begun belongs.
    pub(crate) first_day: Date,
    /// Whether that day follows from the configuration, so that it does not move on with the days.
    pub(crate) first_day_is_set: bool,
    /// The last day that is worth asking for: the user's, or that of the last final bar.
    pub(crate) last_day: Date,
    /// The greatest cursor of a bar that is final and on or before the user's last day.
    pub(crate) last_cursor: i64,
    /// The greatest cursor of a bar that is final, regardless of `end_date`.
    pub(crate) last_final_cursor: i64,
}

impl SyncWindow {
    /// Without `start_date`, the window begins seven days before now, or before the day after an `end_date` that passed.
    pub(crate) fn at(
        now: DateTime<Utc>,
        calendar: BarCalendar,
        start_date: Option<Date>,
        end_date: Option<Date>,
    ) -> SyncWindow {
        let today = calendar.zone.date_at(now);
        let last_final_cursor = calendar.last_final_cursor(now);
        let end_cursor = end_date.map_or(i64::MAX, |end| calendar.last_cursor_on_or_before(end));
        let last_cursor = last_final_cursor.min(end_cursor);
        let after_the_end = today.min(end_date.map_or(MAX_DATE, day_after));
        let first_day = start_date.unwrap_or_else(|| days_before(after_the_end, DEFAULT_DAYS));
        SyncWindow {
            today,
            first_day: calendar.timespan.first_day_of(first_day),
            first_day_is_set: start_date.is_some() || end_date.is_some_and(|end| end < today),
            last_day: calendar.last_day(last_cursor),
            last_cursor,
            last_final_cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{DateRange, MIN_DATE, Zone, moment, utc_date, utc_midnight};
    use crate::timespan::Timespan;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    const fn in_new_york(timespan: Timespan) -> BarCalendar {
        BarCalendar { timespan, zone: Zone::NewYork }
    }

    const DAYS: BarCalendar = in_new_york(Timespan::Day);
    const CRYPTO: BarCalendar = BarCalendar { zone: Zone::Utc, ..DAYS };
    const WEEKS: BarCalendar = in_new_york(Timespan::Week);
    const MONTHS: BarCalendar = in_new_york(Timespan::Month);
    const HOURS: BarCalendar = in_new_york(Timespan::Hour);
    const MINUTES: BarCalendar = in_new_york(Timespan::Minutes(1));

    #[test]
    fn bars_up_to_the_end_date_are_asked_for_once_they_are_final() {
        let end = Some(date("2026-11-18"));
        for (name, calendar, now, end_date, last_cursor, last_day) in [
            ("summer, still the 15th", DAYS, "2026-07-16T03:59:59Z", None, "2026-07-14T00:00:00Z", "2026-07-14"),
            ("summer, the 16th", DAYS, "2026-07-16T04:00:00Z", None, "2026-07-15T00:00:00Z", "2026-07-15"),
            ("winter, still the 15th", DAYS, "2026-01-16T04:59:59Z", None, "2026-01-14T00:00:00Z", "2026-01-14"),
            ("winter, the 16th", DAYS, "2026-01-16T05:00:00Z", None, "2026-01-15T00:00:00Z", "2026-01-15"),
            ("crypto, the 16th", CRYPTO, "2026-07-16T00:00:00Z", None, "2026-07-15T00:00:00Z", "2026-07-15"),
            ("20 minutes after an hour", HOURS, "2026-07-15T15:20:00Z", None, "2026-07-15T14:00:00Z", "2026-07-15"),
            ("a second earlier", HOURS, "2026-07-15T15:19:59Z", None, "2026-07-15T13:59:59Z", "2026-07-15"),
            ("20 minutes after a minute", MINUTES, "2026-07-15T15:21:00Z", None, "2026-07-15T15:00:00Z", "2026-07-15"),
            ("no minute of the new day", MINUTES, "2026-07-16T04:20:00Z", None, "2026-07-16T03:59:00Z", "2026-07-15"),
            ("its first minute", MINUTES, "2026-07-16T04:21:00Z", None, "2026-07-16T04:00:00Z", "2026-07-16"),
            ("Saturday", WEEKS, "2026-11-21T23:00:00Z", None, "2026-11-08T00:00:00Z", "2026-11-14"),
            ("Sunday", WEEKS, "2026-11-22T05:00:00Z", None, "2026-11-15T00:00:00Z", "2026-11-21"),
            ("the last day of a month", MONTHS, "2026-12-01T04:59:59Z", None, "2026-10-01T00:00:00Z", "2026-10-31"),
            ("the first of the next", MONTHS, "2026-12-01T05:00:00Z", None, "2026-11-01T00:00:00Z", "2026-11-30"),
            ("an end within a week", WEEKS, "2026-11-30T12:00:00Z", end, "2026-11-08T00:00:00Z", "2026-11-14"),
            ("an end of hours", HOURS, "2026-11-30T12:00:00Z", end, "2026-11-19T04:59:59.999Z", "2026-11-18"),
        ] {
            let window = SyncWindow::at(at(now), calendar, None, end_date);
            let expected = (at(last_cursor), date(last_day));
            assert_eq!((moment(window.last_cursor), window.last_day), expected, "{name}");
        }
    }

    #[test]
    fn without_a_start_date_seven_days_are_wanted() {
        for (now, end_date) in [
            ("2020-12-22T16:00:00Z", None),
            ("2026-11-20T16:00:00Z", Some(date("2020-12-21"))),
            ("2020-12-22T16:00:00Z", Some(date("2030-01-01"))),
        ] {
            let window = SyncWindow::at(at(now), DAYS, None, end_date);
            assert_eq!((window.first_day, window.last_day), (date("2020-12-15"), date("2020-12-21")));
        }
    }

    #[test]
    fn a_week_that_begins_before_the_first_day_belongs() {
        let days = DateRange { from: date("2026-11-18"), to: date("2026-11-21") };
        assert!(WEEKS.cursors(days).contains(&utc_midnight(date("2026-11-15"))));
    }

    #[test]
    fn the_ends_of_the_calendar_do_not_panic() {
        let all = DateRange { from: MIN_DATE, to: MAX_DATE };
        for calendar in [DAYS, HOURS, MONTHS] {
            assert!(!calendar.cursors(all).is_empty());
            SyncWindow::at(DateTime::<Utc>::MAX_UTC, calendar, Some(MIN_DATE), Some(MAX_DATE));
            SyncWindow::at(DateTime::<Utc>::MIN_UTC, calendar, Some(MIN_DATE), Some(MIN_DATE));
        }
        assert_eq!((utc_date(i64::MIN), utc_date(i64::MAX)), (MIN_DATE, MAX_DATE));
    }
}
