//! How bars lie in time: which day they belong to, in what order they come, and when they are final.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};

use crate::calendar::{Date, DateRange, Zone, day_before, utc_midnight};
use crate::timespan::Timespan;

/// How long after its end an intraday bar is taken for final: the fifteen minutes by which the cheapest intraday plan is
/// behind, and a margin. The exchange may still rebuild it overnight.
const INTRADAY_DELAY: TimeDelta = TimeDelta::minutes(20);

/// How the bars of a series lie in time. A bar's cursor (see [`Timespan::cursor`]) is in epoch milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BarCalendar {
    /// How long the bars are.
    pub(crate) timespan: Timespan,
    /// By whose days they are counted.
    pub(crate) zone: Zone,
}

impl BarCalendar {
    /// The day of a bar: its trading day, or the first day of a longer bar.
    pub(crate) fn date(self, cursor: i64) -> Date {
        self.cursor_zone().date_at_ms(cursor)
    }

    /// The cursors of the bars that touch these days, the last excluded.
    pub(crate) fn cursors(self, days: DateRange) -> Range<i64> {
        let from = self.timespan.first_day_of(days.from);
        DateRange { from, ..days }.moments(self.cursor_zone())
    }

    /// The greatest cursor that a bar can have that is final at `now`.
    pub(crate) fn last_final_cursor(self, now: DateTime<Utc>) -> i64 {
        let length = match self.timespan {
            Timespan::Minutes(number) => TimeDelta::minutes(number.into()),
            Timespan::Hour => TimeDelta::hours(1),
            Timespan::Day | Timespan::Week | Timespan::Month => {
                return self.last_cursor_on_or_before(day_before(self.zone.date_at(now)));
            }
        };
        now.timestamp_millis() - (length + INTRADAY_DELAY).num_milliseconds()
    }

    /// The greatest cursor of a bar that lies wholly on or before `day`.
    pub(crate) fn last_cursor_on_or_before(self, day: Date) -> i64 {
        if self.timespan.is_intraday() {
            self.cursors(DateRange::day(day)).end - 1
        } else {
            utc_midnight(self.timespan.last_whole_bar(day))
        }
    }

    /// The last day of the bar with this cursor.
    pub(crate) fn last_day(self, cursor: i64) -> Date {
        self.timespan.last_day_of(self.date(cursor))
    }

    /// The zone whose days cursors are in: those of days and longer bars are UTC midnights in every market.
    fn cursor_zone(self) -> Zone {
        if self.timespan.is_intraday() { self.zone } else { Zone::Utc }
    }
}
