//! What must hold of one series after a sync.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::api::Asked;
use super::days::{Day, Zone, is_weekday, month_of, year_of};
use super::history::{Run, Settings};
use super::market::{Key, Row, Rows};
use super::series::{Known, Series, blocks};
use super::steps::Setup;
use super::streams::{Size, Stream};
use super::table::Table;

/// One series in one sync.
pub struct Check<'a> {
    pub stream: &'static Stream,
    pub ticker: usize,
    pub zone: Zone,
    pub setup: &'a Setup,
    pub settings: &'a Settings,
    pub table: &'a Table,
    /// What was at the keys that the sync wrote.
    pub before: &'a BTreeMap<Key, Option<Row>>,
    /// What it emitted of this series, in order.
    pub emitted: Vec<(i64, Row)>,
    pub asked: Vec<&'a Asked>,
    pub run: &'a Run,
    pub shown_first: Arc<Rows>,
    pub shown: Arc<Rows>,
    /// Where the plan's history began, at the start and at the last request.
    pub floor: i64,
    /// When a split became known while the sync was running.
    pub split_at: Option<i64>,
    /// Whether a STATE was handed in.
    pub has_state: bool,
    /// Days of the whole market that come back with fewer rows than there were: their rows are kept as they are.
    pub withheld: &'a BTreeSet<i64>,
}

impl Check<'_> {
    /// Checks everything, and notes what is known of the series after the sync.
    pub fn all(&self, series: &mut Series, succeeded: bool) -> Result<(), String> {
        self.note_changes(series);
        self.check_emitted(series)?;
        self.check_doubles(series)?;
        if succeeded {
            self.check_table(series)?;
            self.check_requests(series)?;
        }
        self.learn(series, succeeded);
        Ok(())
    }

    pub fn name(&self) -> &'static str {
        self.setup.tickers[self.ticker]
    }

    pub fn size(&self) -> Size {
        self.stream.size
    }

    /// The row of a start before the sync.
    pub fn row_before(&self, start: i64) -> Option<Row> {
        let key = (self.ticker, start);
        match self.before.get(&key) {
            Some(before) => *before,
            None => self.table.rows.get(&key).copied(),
        }
    }

    pub fn rows(&self) -> impl DoubleEndedIterator<Item = (i64, &Row)> {
        let rows = self.table.rows.range((self.ticker, i64::MIN)..=(self.ticker, i64::MAX));
        rows.map(|((_, start), row)| (*start, row))
    }

    pub fn starts_before(&self) -> impl DoubleEndedIterator<Item = i64> {
        self.rows().map(|(start, _)| start).filter(|start| self.row_before(*start).is_some())
    }

    /// The first moment that a configuration without a state asks for; of the rolling default, a day later or earlier.
    pub fn configured_since(&self, slack: Day) -> i64 {
        let today = self.zone.day_at(self.run.started);
        let after_end = today.min(self.settings.end.map_or(today, |end| end + 1));
        let first = self.settings.start.unwrap_or(after_end - 7 + slack);
        self.zone.midnight(self.size().days(first).start)
    }

    /// From when on the table must hold everything.
    pub fn required_since(&self, series: &Series) -> i64 {
        let known = series.known.since;
        match (self.settings.start, known) {
            (None, Some(known)) => known,
            // Only the STATE of the failed run has the first day.
            (None, None) if self.has_state => i64::MAX,
            _ => self.configured_since(1).min(known.unwrap_or(i64::MAX)),
        }
    }

    pub fn is_wanted(&self, start: i64, since: i64, known: &Known) -> bool {
        let ends_by = |end| self.size().days(self.zone.day_at(start)).end <= end + 1;
        let is_known =
            known.reach.is_some_and(|reach| start <= reach) || known.since.is_some_and(|since| start < since);
        since <= start && (self.settings.end.is_none_or(ends_by) || is_known)
    }

    /// Whether a week or month began before the plan's history, or may have.
    pub fn is_fragment(&self, start: i64) -> bool {
        let is_first = |asked: &&Asked| {
            let from = self.size().start(self.zone, asked.from);
            self.shown.range(from..).next().is_some_and(|(first, _)| *first == start)
        };
        self.size().is_long() && (start < self.floor || self.asked.iter().any(is_first))
    }

    /// Whether `adjusted` is another than at the last success.
    pub fn is_toggled(&self, series: &Series) -> bool {
        !self.stream.is_market() && series.known.adjusted.is_some_and(|known| known != self.settings.adjusted)
    }

    /// Whether two bars may share a block: where blocks of two months begin is the connector's business.
    pub fn is_same_block(&self, one: i64, other: i64) -> bool {
        let day = |start: i64| self.zone.day_at(start.max(0));
        match self.size() {
            size if size.is_intraday() => (month_of(day(one)) - month_of(day(other))).abs() <= 1,
            _ if self.stream.is_market() => one == other,
            _ => {
                let (first, last) = (one.min(other), one.max(other));
                let is_between = |start: i64| first < start && start < last;
                year_of(day(one)) == year_of(day(other)) || !self.starts_before().any(is_between)
            }
        }
    }

    pub fn blocks(&self, series: &Series) -> usize {
        match self.size() {
            _ if self.stream.is_market() => {
                // Empty days, also those before the first row, are verified like others.
                let since = self.configured_since(-1).min(series.ever.since.unwrap_or(i64::MAX));
                self.market_days(since).div_ceil(6) + 1
            }
            size if size.is_intraday() => {
                blocks(self.zone, self.rows().map(|(start, _)| start).chain(self.shown.keys().copied()))
            }
            _ => 1,
        }
    }

    /// How many weekdays of the whole market there are after one.
    pub fn market_days(&self, start: i64) -> usize {
        let last = self.table.rows.keys().map(|key| key.1).max().unwrap_or(start);
        let days = self.zone.day_at(start) + 1..=self.zone.day_at(last);
        days.filter(|day| is_weekday(*day)).count()
    }

    /// What is known of the series after the sync.
    fn learn(&self, series: &mut Series, succeeded: bool) {
        let since = self.required_since(series);
        let widest = self.configured_since(-1).min(since);
        series.ever.since = Some(series.ever.since.map_or(widest, |ever| ever.min(widest)));
        series.ever.reach = series.ever.reach.max(self.rows().map(|(start, _)| start).next_back());
        series.shown = Some(self.shown.clone());
        series.count(self.run.started, succeeded);
        if !succeeded {
            return;
        }
        for (start, _) in &self.emitted {
            series.suspects.remove(start);
            series.cut_off.remove(start);
        }
        let wanted = self.shown.keys().rev().find(|start| {
            self.is_wanted(**start, since, &series.known)
                && self.table.rows.contains_key(&(self.ticker, **start))
                && !series.suspects.contains_key(start)
                && self.size().is_final(self.zone, **start, self.run.started)
        });
        if since < i64::MAX && (wanted.is_some() || series.known.reach.is_some()) {
            series.known.since = Some(series.known.since.map_or(since, |known| known.min(since)));
        }
        series.known.reach = series.known.reach.max(wanted.copied());
        (series.known.adjusted, series.known.is_changing) = (Some(self.settings.adjusted), false);
    }
}
