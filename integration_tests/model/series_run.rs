//! One sync of one series: what was there before, what the API showed, what of it was to be looked at.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, TimeDelta, Utc};

use super::destination::{RowKey, Rows, truth};
use super::events::Settings;
use super::faults::Asked;
use super::memory::{Claim, Memory, Series};
use super::scenario::StreamCase;
use crate::support::bar_size::BarSize;
use crate::support::days::{Date, date_in, midnight, moment_at, zone_of};
use crate::support::market::{Market, PartialCoverage};
use crate::support::truth::ends_by;

/// A split that was entered late is noticed within seven days, by a sync that comes then; and a day for the margin.
const NOTICED_WITHIN: TimeDelta = TimeDelta::days(8);

/// A bar that is older than this will soon be hidden by a plan of two years: 24 months less 45 days.
const LEAVES_PLAN_WITHIN: TimeDelta = TimeDelta::days(730 - 45);

/// One sync of one series, and what was there before it.
pub struct SeriesRun<'a> {
    pub stream: &'static StreamCase,
    pub series: &'a Series,
    pub settings: &'a Settings,
    pub memory: &'a Memory,
    /// The market as it is after the sync.
    pub market: &'a Market,
    pub started: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    /// When the last request for the series came in.
    pub last_asked: DateTime<Utc>,
    /// What was asked for, apart from further pages.
    pub asked: Vec<Asked>,
    /// What the handed-in state claims.
    pub before: Option<Claim>,
    /// The destination before the sync.
    pub rows_before: &'a Rows,
}

impl SeriesRun<'_> {
    pub fn size(&self) -> BarSize {
        self.stream.size
    }

    /// The truth as the API showed it at a moment, of bars that were final at another.
    pub fn truth(&self, shown_at: DateTime<Utc>, final_at: DateTime<Utc>) -> Rows {
        let market = Market {
            now: shown_at,
            ..self.market.clone()
        };
        truth(
            self.stream,
            &self.series.tickers,
            self.is_adjusted(),
            &market,
            final_at,
        )
    }

    /// The basis of the prices; the whole market is as traded, whatever the setting.
    pub fn is_adjusted(&self) -> bool {
        self.settings.adjusted && !self.stream.is_market
    }

    /// The first day that the stretch has to reach back to.
    pub fn wanted_from(&self) -> i64 {
        let week_ago = date_in(zone_of(self.series.name()), self.started) - Days::new(7);
        let start = self
            .settings
            .start
            .or(self.before.is_none().then_some(week_ago));
        let start = start.map(|day| self.series.midnight(self.size().first_day(day)));
        // As long as no bar was emitted, a later start is as good as the first.
        let is_begun = start.is_none() || self.memory.reach.is_some();
        let since = self
            .before
            .as_ref()
            .map(|claim| claim.since)
            .filter(|_| is_begun);
        start
            .into_iter()
            .chain(since)
            .min()
            .expect("either is known")
    }

    /// Whether a bar belongs to what was asked for, or to what was there.
    pub fn is_wanted(&self, start: i64) -> bool {
        let is_asked_for = |end: Date| ends_by(self.size(), self.series.name(), start, end);
        self.wanted_from() <= start
            && (self.settings.end.is_none_or(is_asked_for)
                || self.memory.reach.is_some_and(|reach| start <= reach))
    }

    /// Whether the stretch reaches further back than before.
    pub fn grows_backward(&self) -> bool {
        self.before
            .as_ref()
            .is_some_and(|claim| self.wanted_from() < claim.since)
    }

    /// The days of the whole stretch, for bounds.
    pub fn stretch_days(&self) -> i64 {
        (self.ended.timestamp_millis() - self.wanted_from()) / 86_400_000 + 1
    }

    /// Whether the bars that are asked for at every sync are more than a page holds.
    pub fn overflows(&self) -> bool {
        let from = self.may_be_compared_from();
        self.truth(self.last_asked, self.ended)
            .keys()
            .filter(|key| key.0 >= from)
            .count()
            > self.market.page_size
    }

    /// Where the plan's history begins, epoch milliseconds.
    pub fn floor(&self) -> i64 {
        self.market
            .floor_day(self.series.name())
            .map_or(i64::MIN, |day| self.series.midnight(day))
    }

    /// Whether the plan refuses what is wanted because it shows nothing of it, or only a part. The market is asked for
    /// day by day.
    pub fn is_refused(&self) -> bool {
        let is_partly_refused = self.refuses_parts() || self.stream.is_market;
        self.wanted_from() < self.floor() && (is_partly_refused || self.is_wholly_below_floor())
    }

    /// Whether the plan refuses what begins before its history, instead of leaving it out.
    fn refuses_parts(&self) -> bool {
        let floor = self.market.floor;
        floor.is_some_and(|(_, coverage)| coverage == PartialCoverage::Refused)
    }

    /// Whether all that is wanted lies before the plan's history.
    pub fn is_wholly_below_floor(&self) -> bool {
        let is_past = |end: Date| self.series.midnight(end) < self.floor() + 86_400_000;
        self.settings.end.is_some_and(is_past)
    }

    /// Where the comparison with what was emitted begins: everything, from the last-but-one session, the last day.
    pub fn compared_from(&self) -> i64 {
        let Some(before) = self.before.as_ref() else {
            return i64::MIN;
        };
        let Some(cursor) = before.cursor else {
            return i64::MIN;
        };
        match self.size() {
            _ if self.stream.is_market => cursor,
            size if size.is_intraday() => self.last_but_one_session(before, cursor),
            _ => i64::MIN,
        }
    }

    /// The last but one of the sessions whose bars were there at the last successful sync, and were compared then; the
    /// last one, if that is not known.
    fn last_but_one_session(&self, before: &Claim, cursor: i64) -> i64 {
        let zone = zone_of(self.series.name());
        let session = |start: i64| date_in(zone, moment_at(start));
        let seen = self.memory.seen.iter().flat_map(Rows::keys);
        let compared =
            seen.filter(|key| before.covers(key.0) && key.0 >= self.memory.compared_from);
        let sessions: BTreeSet<Date> = compared.map(|key| session(key.0)).collect();
        let first = sessions.iter().nth_back(1).or(sessions.first());
        midnight(zone, first.copied().unwrap_or(session(cursor)))
    }

    /// Where the comparison may begin at the earliest: sessions whose bars have vanished may count or not.
    pub fn may_be_compared_from(&self) -> i64 {
        let Some(before) = self.before.as_ref().filter(|_| self.size().is_intraday()) else {
            return self.compared_from();
        };
        let zone = zone_of(self.series.name());
        let own = |key: &&RowKey| self.series.tickers.contains(&key.1.as_str());
        let emitted = self
            .rows_before
            .keys()
            .filter(own)
            .filter(|key| before.covers(key.0));
        let sessions: BTreeSet<Date> = emitted.map(|key| date_in(zone, moment_at(key.0))).collect();
        let first = sessions
            .iter()
            .nth_back(1)
            .map_or(i64::MIN, |day| midnight(zone, *day));
        first.min(self.compared_from())
    }

    /// What was asked for before the bars that are compared at every sync, and not together with them.
    pub fn asked_before(&self) -> impl Iterator<Item = &Asked> {
        let (from, cursor) = (
            self.compared_from(),
            self.before.as_ref().and_then(|claim| claim.cursor),
        );
        let is_before = move |asked: &&Asked| {
            asked.from < from && cursor.is_none_or(|cursor| !asked.covers(cursor))
        };
        self.asked.iter().filter(is_before)
    }

    /// The places within the claim, from a moment on, at which the API shows something else than at the last successful sync; `None` if it
    /// is not known what was shown then.
    fn differences_from(&self, from: i64) -> Option<BTreeSet<RowKey>> {
        let (seen, before) = (self.memory.seen.as_ref()?, self.before.as_ref()?);
        let truth = self.truth(self.last_asked, self.started);
        let floor = self.floor();
        let keys = seen
            .keys()
            .chain(truth.keys())
            .filter(|key| before.covers(key.0) && key.0 >= floor.max(from));
        Some(
            keys.filter(|key| seen.get(*key) != truth.get(*key))
                .cloned()
                .collect(),
        )
    }

    /// The differences that the sync may have found.
    pub fn differences(&self) -> Option<BTreeSet<RowKey>> {
        self.differences_from(self.may_be_compared_from())
    }

    /// Whether the sync must have noticed that history was restated, if it was.
    pub fn must_notice_a_split(&self, known_from: DateTime<Utc>) -> bool {
        if self.first_bar_is_gone() {
            return self.is_all_changed();
        }
        let differences = self.differences_from(self.compared_from());
        let is_suspicious = differences.is_some_and(|differences| !differences.is_empty());
        is_suspicious || self.last_asked - known_from > NOTICED_WITHIN
    }

    /// Whether the early bar that splits are noticed by was asked for, and is on the basis on which it was read: a split
    /// that is dated before it, or one that another makes up for, can't be told from corrections. It may be later than
    /// the first bar only where that one will leave the shortest plan before long.
    pub fn watched_bar_is_as_it_was(&self) -> bool {
        let far_from_floor = self.started - LEAVES_PLAN_WITHIN;
        let mut emitted = self
            .memory
            .covered_from(far_from_floor.timestamp_millis())
            .filter(|key| self.rows_before.contains_key(*key));
        let first = emitted.next();
        let is_same = |key: &RowKey| self.memory.rescaled_since(key).is_none();
        let Some(asked) = self.asked_before().next() else {
            // It may be among the bars that are compared at every sync.
            return first.is_some_and(|first| first.0 >= self.compared_from() && is_same(first));
        };
        let is_early = first.is_none_or(|first| asked.from <= first.0);
        let truth = self.truth(self.last_asked, self.started);
        let watched = truth.keys().find(|key| asked.covers(key.0));
        is_early && watched.is_some_and(is_same)
    }

    /// Whether all that was compared is another than at the last successful sync.
    pub fn is_all_changed(&self) -> bool {
        let compared = self.compared();
        let differences = self.differences_from(self.compared_from());
        let is_changed = |differences: BTreeSet<RowKey>| compared.is_subset(&differences);
        !compared.is_empty() && differences.is_some_and(is_changed)
    }

    /// Whether something of each session that was compared is another: bars that came late count.
    pub fn are_all_sessions_changed(&self) -> bool {
        let session = |key: &RowKey| date_in(zone_of(&key.1), moment_at(key.0));
        let sessions = |keys: &BTreeSet<RowKey>| keys.iter().map(session).collect::<BTreeSet<_>>();
        let differences = self.differences_from(self.compared_from());
        differences.is_some_and(|it| sessions(&self.compared()).is_subset(&sessions(&it)))
    }

    /// The places that were compared and that the API shows.
    fn compared(&self) -> BTreeSet<RowKey> {
        let Some(before) = self.before.as_ref() else {
            return BTreeSet::new();
        };
        let (from, truth) = (
            self.compared_from(),
            self.truth(self.last_asked, self.started),
        );
        let is_compared = |key: &RowKey| key.0 >= from && before.covers(key.0);
        truth.into_keys().filter(is_compared).collect()
    }

    /// Whether the rows are on another basis than the configuration's.
    pub fn is_other_basis(&self) -> bool {
        let differs =
            |claim: &Claim| claim.cursor.is_some() && claim.adjusted != Some(self.is_adjusted());
        !self.stream.is_market && self.before.as_ref().is_some_and(differs)
    }

    /// Whether the first bar that was known is no longer shown, so that it can't tell of a split.
    pub fn first_bar_is_gone(&self) -> bool {
        let first = self
            .memory
            .looked
            .as_ref()
            .and_then(|looked| looked.keys().next());
        first.is_none_or(|first| {
            !self
                .truth(self.last_asked, self.started)
                .contains_key(first)
        })
    }

    /// Where the plan refuses what begins before its history, the history's first day is left alone: a clock that
    /// differs a little would be refused.
    pub fn is_at_refused_edge(&self, key: &RowKey) -> bool {
        self.refuses_parts()
            && self.wanted_from() < self.floor()
            && key.0 < self.floor() + 90_000_000
    }
}
