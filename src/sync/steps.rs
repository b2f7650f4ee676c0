//! What a sync does next with a stretch: a pure function of the stretch, the window and what this run has done.

use chrono::Days;

use super::digests::Layout;
use super::plan_history::still_included;
use super::stretch::{Granted, Stretch};
use super::window::SyncWindow;
use crate::bar_calendar::BarCalendar;
use crate::calendar::{Date, DateRange, day_before};
use crate::streams::{Endpoint, PriceBasis, Stream};

/// How often the anchor of intraday history is compared when nothing else asks for it.
const ANCHOR_CHECK_DAYS: u64 = 7;

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The cursor lies in the future: leave everything as it is.
    KeepFuture(i64),
    /// The history is to be read again; the reason.
    Restart(Restart),
    /// Ask for these days: compare what was emitted of them, and emit what is new.
    Read(DateRange),
    /// Ask for the anchor and compare it.
    CheckAnchor,
    /// Read these days before the stretch, the later ones first.
    Backfill(DateRange),
    /// Nothing is left to do.
    Done,
}

/// Why history is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    /// `adjusted` was set to another value than the one that the rows have.
    BasisChanged,
    /// The state does not say what was emitted: an earlier version wrote it.
    DigestsUnknown,
    /// The bar with this cursor has other prices, and all that are compared with it.
    PricesChanged(i64),
}

/// What this run has done with a series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// The stretch was read to its end.
    pub(crate) read: bool,
    /// A midnight of the market passed while it was read, so a split may have taken effect in between.
    pub(crate) passed_midnight: bool,
    /// The anchor was compared.
    pub(crate) anchor: bool,
}

/// What is fixed for a series in this run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Its stream.
    pub(crate) stream: &'static Stream,
    /// How its bars lie in time.
    pub(crate) calendar: BarCalendar,
    /// What is to be synced.
    pub(crate) window: SyncWindow,
    /// The price basis that the user wants.
    pub(crate) basis: PriceBasis,
}

impl Plan {
    /// What is kept of what was emitted, and compared.
    pub(crate) fn layout(&self) -> Layout {
        match self.stream.endpoint {
            Endpoint::Grouped => Layout::LastDay,
            Endpoint::Range if self.stream.timespan.is_intraday() => Layout::Sessions,
            Endpoint::Range => Layout::Bars,
        }
    }

    /// The stretch with which a sync begins: that of the state, if there is one. While it has no rows, it follows the
    /// configuration.
    pub(crate) fn begin(&self, known: Option<Stretch>) -> Stretch {
        let Some(mut stretch) = known else {
            return Stretch::starting(self.window.first_day, self.basis);
        };
        stretch.since = self.stream.timespan.first_day_of(stretch.since);
        if !stretch.has_rows() && self.cursor_in_future(&stretch).is_none() {
            stretch.basis = self.basis;
            if self.window.first_day_is_set {
                stretch.since = self.window.first_day;
            }
        }
        stretch
    }

    /// The range that the first request of a sync is about; `None` if there is none.
    pub(crate) fn first_read(&self, known: Option<Stretch>) -> Option<DateRange> {
        let mut stretch = self.begin(known);
        loop {
            match self.next_step(&stretch, Done::default()) {
                Step::Restart(_) => stretch.restart(self.wanted_since(&stretch), self.basis),
                Step::Read(days) => return Some(self.granted(&stretch, days)),
                Step::KeepFuture(_) | Step::CheckAnchor | Step::Backfill(_) | Step::Done => {
                    return None;
                }
            }
        }
    }

    /// Leaves out the days that the API refused before, as far as the plan's history has moved on since.
    pub(crate) fn granted(&self, stretch: &Stretch, days: DateRange) -> DateRange {
        let Some(Granted { from, on }) = stretch.granted else {
            return days;
        };
        let start = still_included(from, on, self.window.today);
        if days.from < start && start <= days.to {
            DateRange {
                from: start,
                ..days
            }
        } else {
            days
        }
    }

    /// The first day from which bars are to be in the destination.
    pub(crate) fn wanted_since(&self, stretch: &Stretch) -> Date {
        if self.window.first_day_is_set {
            stretch.since.min(self.window.first_day)
        } else {
            stretch.since
        }
    }

    /// The greatest cursor that may be emitted: what the user wants, and whatever the destination holds already.
    pub(crate) fn last_cursor(&self, stretch: &Stretch) -> i64 {
        stretch.last_row().map_or(self.window.last_cursor, |row| {
            row.max(self.window.last_cursor)
        })
    }

    fn cursor_in_future(&self, stretch: &Stretch) -> Option<i64> {
        match stretch.last_row() {
            Some(row) => (row > self.window.last_final_cursor).then_some(row),
            None => (stretch.since > self.window.today)
                .then(|| self.calendar.cursors(DateRange::day(stretch.since)).start),
        }
    }

    /// The days that a read asks for: whatever is compared, and whatever may be new.
    fn read_range(&self, stretch: &Stretch) -> DateRange {
        let from = match (stretch.cursor, self.layout()) {
            (Some(cursor), Layout::Sessions | Layout::LastDay) => stretch
                .digests
                .first_day()
                .unwrap_or_else(|| self.calendar.date(cursor)),
            (None, _) | (_, Layout::Bars) => self.wanted_since(stretch),
        };
        let row_day = stretch
            .last_row()
            .map(|row| self.stream.timespan.last_day_of(self.calendar.date(row)));
        let to = row_day.map_or(self.window.last_day, |day| day.max(self.window.last_day));
        DateRange { from, to }
    }

    /// What is to be done next with `stretch`.
    pub(crate) fn next_step(&self, stretch: &Stretch, done: Done) -> Step {
        if let Some(cursor) = self.cursor_in_future(stretch) {
            return Step::KeepFuture(cursor);
        }
        if stretch.has_rows()
            && stretch.basis != self.basis
            && self.stream.endpoint == Endpoint::Range
        {
            return Step::Restart(Restart::BasisChanged);
        }
        // Of the whole market, only the last day is compared in any case.
        let compares_all = self.layout() != Layout::LastDay;
        if compares_all && stretch.cursor.is_some() && stretch.digests.is_empty() {
            return Step::Restart(Restart::DigestsUnknown);
        }
        let range = self.read_range(stretch);
        if !done.read && !range.is_empty() {
            return Step::Read(range);
        }
        if self.anchor_is_due(stretch, done) {
            return Step::CheckAnchor;
        }
        let since = self.wanted_since(stretch);
        if since < stretch.since {
            return Step::Backfill(DateRange {
                from: since,
                to: day_before(stretch.since),
            });
        }
        Step::Done
    }

    /// Whether the anchor is to be compared.
    fn anchor_is_due(&self, stretch: &Stretch, done: Done) -> bool {
        let Some(anchor) = stretch.anchor.as_ref().filter(|_| !done.anchor) else {
            return false;
        };
        let next = anchor
            .checked
            .and_then(|day| day.checked_add_days(Days::new(ANCHOR_CHECK_DAYS)));
        // What is read before the stretch must be on the basis of what is there.
        let is_before_backfill = self.wanted_since(stretch) < stretch.since;
        is_before_backfill || next.is_none_or(|next| next <= self.window.today)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{Zone, utc_midnight};
    use crate::sync::digests::Digests;
    use crate::sync::stretch::Anchor;

    const TODAY: &str = "2026-11-20";

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn plan(stream: &str, start: Option<&str>, end: Option<&str>) -> Plan {
        let stream = Stream::by_name(stream).unwrap();
        let calendar = BarCalendar {
            timespan: stream.timespan,
            zone: Zone::NewYork,
        };
        let now = "2026-11-20T15:00:00Z".parse().unwrap();
        let window = SyncWindow::at(now, calendar, start.map(date), end.map(date));
        Plan {
            stream,
            calendar,
            window,
            basis: PriceBasis::Adjusted,
        }
    }

    /// A stretch with rows from `since` to `last`, of which the digests of the last two days are kept.
    fn stretch(since: &str, last: &str) -> Stretch {
        let mut stretch = Stretch::starting(date(since), PriceBasis::Adjusted);
        stretch.advance(
            utc_midnight(date(since)),
            utc_midnight(date(last)) + 15 * 3_600_000,
        );
        let text = format!("{}=? {last}=?", day_before(date(last)));
        stretch.digests = Digests::parse(&text).unwrap();
        stretch
    }

    fn days_stretch(since: &str, last: &str) -> Stretch {
        Stretch {
            cursor: Some(utc_midnight(date(last))),
            ..stretch(since, last)
        }
    }

    fn days(from: &str, to: &str) -> DateRange {
        DateRange {
            from: date(from),
            to: date(to),
        }
    }

    const READ: Done = Done {
        read: true,
        passed_midnight: false,
        anchor: false,
    };

    #[test]
    fn days_ask_for_the_whole_stretch_and_all_that_is_wanted() {
        let plan = |start, end| plan("stock_prices", start, end);
        let known = days_stretch("2024-01-02", "2026-11-18");
        for (start, end, expected) in [
            (None, None, days("2024-01-02", "2026-11-19")),
            (Some("2024-06-01"), None, days("2024-01-02", "2026-11-19")),
            (Some("2020-01-02"), None, days("2020-01-02", "2026-11-19")),
            (
                Some("2020-01-02"),
                Some("2022-01-03"),
                days("2020-01-02", "2026-11-18"),
            ),
            (None, Some("2030-01-01"), days("2024-01-02", "2026-11-19")),
        ] {
            let plan = plan(start, end);
            assert_eq!(
                plan.next_step(&known, Done::default()),
                Step::Read(expected),
                "{start:?} {end:?}"
            );
        }
        let known = days_stretch("2024-01-02", "2026-11-18");
        assert_eq!(plan(None, None).next_step(&known, READ), Step::Done);
    }

    #[test]
    fn hours_ask_from_the_last_but_one_session_that_was_emitted() {
        let plan = plan("stock_prices_by_hour", None, None);
        let known = stretch("2024-01-02", "2026-11-18");
        assert_eq!(
            plan.next_step(&known, Done::default()),
            Step::Read(days("2026-11-17", "2026-11-20"))
        );
    }

    #[test]
    fn what_lies_before_hours_is_read_after_the_anchor_was_compared() {
        let plan = plan("stock_prices_by_hour", Some("2023-01-03"), None);
        let mut known = stretch("2024-01-02", "2026-11-18");
        let digest = crate::sync::digest::Digest::default();
        known.anchor = Some(Anchor {
            cursor: utc_midnight(date("2024-01-03")),
            digest,
            checked: Some(date(TODAY)),
        });
        assert_eq!(plan.next_step(&known, READ), Step::CheckAnchor);
        let done = Done {
            anchor: true,
            ..READ
        };
        assert_eq!(
            plan.next_step(&known, done),
            Step::Backfill(days("2023-01-03", "2024-01-01"))
        );
        known.extend_back(date("2023-01-03"));
        assert_eq!(plan.next_step(&known, done), Step::Done);
    }

    #[test]
    fn the_anchor_is_compared_once_a_week_and_when_midnight_passed() {
        let plan = plan("stock_prices_by_hour", None, None);
        let mut known = stretch("2024-01-02", "2026-11-18");
        let digest = crate::sync::digest::Digest::default();
        for (checked, expected) in [
            (Some("2026-11-14"), Step::Done),
            (Some("2026-11-13"), Step::CheckAnchor),
            (None, Step::CheckAnchor),
        ] {
            known.anchor = Some(Anchor {
                cursor: utc_midnight(date("2024-01-03")),
                digest,
                checked: checked.map(date),
            });
            assert_eq!(plan.next_step(&known, READ), expected, "{checked:?}");
        }
    }

    #[test]
    fn a_read_that_begins_again_goes_at_least_as_far_as_the_old_rows() {
        let plan = plan("stock_prices_by_hour", None, Some("2025-01-02"));
        let mut known = stretch("2024-01-02", "2026-11-18");
        known.restart(date("2023-01-03"), PriceBasis::Adjusted);
        assert_eq!(
            plan.next_step(&known, Done::default()),
            Step::Read(days("2023-01-03", "2026-11-18"))
        );
        assert_eq!(plan.last_cursor(&known), known.until.unwrap());
        known.advance(
            utc_midnight(date("2023-01-03")),
            utc_midnight(date("2025-01-02")),
        );
        assert!(known.until.is_some(), "rows on the old basis are left");
        let until = known.until.unwrap();
        known.advance(utc_midnight(date("2023-01-03")), until);
        assert_eq!(known.until, None);
    }

    #[test]
    fn another_basis_or_unknown_digests_read_the_history_again() {
        let plan = plan("stock_prices", None, None);
        let mut known = days_stretch("2024-01-02", "2026-11-18");
        known.basis = PriceBasis::Unadjusted;
        assert_eq!(
            plan.next_step(&known, Done::default()),
            Step::Restart(Restart::BasisChanged)
        );
        let mut known = days_stretch("2024-01-02", "2026-11-18");
        known.digests = Digests::default();
        assert_eq!(
            plan.next_step(&known, Done::default()),
            Step::Restart(Restart::DigestsUnknown)
        );
    }

    #[test]
    fn a_cursor_in_the_future_is_kept_whatever_else_is_wanted() {
        let plan = plan("stock_prices", Some("2020-01-02"), None);
        let known = days_stretch("2024-01-02", "2121-01-01");
        assert_eq!(
            plan.next_step(&known, Done::default()),
            Step::KeepFuture(utc_midnight(date("2121-01-01")))
        );
        let without_rows = Stretch::starting(date("2121-01-01"), PriceBasis::Adjusted);
        assert_eq!(plan.begin(Some(without_rows.clone())), without_rows);
    }

    #[test]
    fn a_stretch_without_rows_follows_the_configuration() {
        let known = Stretch::starting(date("2024-01-02"), PriceBasis::Unadjusted);
        let begun = plan("stock_prices", Some("2025-06-02"), None).begin(Some(known.clone()));
        assert_eq!(
            (begun.since, begun.basis),
            (date("2025-06-02"), PriceBasis::Adjusted)
        );
        assert_eq!(
            plan("stock_prices", None, None).begin(Some(known)).since,
            date("2024-01-02")
        );
    }

    #[test]
    fn what_the_api_refused_before_is_not_asked_for_again() {
        let plan = plan("stock_prices", None, None);
        let mut known = days_stretch("2014-01-02", "2026-11-18");
        known.granted = Some(Granted {
            from: date("2024-11-19"),
            on: date("2026-11-19"),
        });
        assert_eq!(
            plan.first_read(Some(known)),
            Some(days("2024-11-21", "2026-11-19"))
        );
    }

    #[test]
    fn the_market_asks_for_its_last_day_again() {
        let plan = plan("market_prices", None, None);
        let mut known = days_stretch("2024-01-02", "2026-11-18");
        known.digests = Digests::parse("2026-11-18=12000*?").unwrap();
        assert_eq!(
            plan.next_step(&known, Done::default()),
            Step::Read(days("2026-11-18", "2026-11-19"))
        );
    }
}
