//! What must hold of a series after a sync.

use std::collections::BTreeMap;

use super::api::Asked;
use super::check::Check;
use super::days::{DAY, HOUR, tell};
use super::market::Row;
use super::series::{Series, Within, last_two_sessions};
use super::steps::Fault;
use super::streams::Size;
use super::world::ALWAYS_TRADED;

impl Check<'_> {
    /// A bar, for people.
    fn at(&self, start: i64) -> String {
        format!("{} at {}", self.name(), tell(start))
    }

    /// Bars before this may not be requested: where the plan refuses earlier days, the connector keeps a day away from them.
    pub fn edge(&self) -> i64 {
        if self.setup.plan.refuses_earlier { self.floor.saturating_add(DAY + HOUR) } else { self.floor }
    }

    /// Every record is a final bar within the configured days, as the API returned it during the sync.
    pub fn check_emitted(&self, series: &Series) -> Result<(), String> {
        let since = self.configured_since(-1).min(series.ever.since.unwrap_or(i64::MAX));
        for (start, row) in &self.emitted {
            let versions = self.run.traffic.served.get(&(self.size(), self.ticker, *start));
            if !versions.is_some_and(|versions| versions.contains(row)) {
                return Err(format!("emitted a row of {} that the API did not show: {row:?}", self.at(*start)));
            }
            if !self.size().is_final(self.zone, *start, self.run.finished) {
                return Err(format!("emitted a bar of {} that is not final", self.at(*start)));
            }
            if !self.is_wanted(*start, since, &series.ever) {
                return Err(format!("emitted a bar of {} that nobody wants", self.at(*start)));
            }
        }
        Ok(())
    }

    /// In append mode, only blocks in which something changed are emitted twice.
    pub fn check_doubles(&self, series: &Series) -> Result<(), String> {
        // A day of a whole market is one block.
        let is_read_again = self.is_toggled(series) || series.known.is_changing;
        if series.shown.is_none() || is_read_again || self.stream.is_market() {
            return Ok(());
        }
        let mut seen: BTreeMap<i64, Row> = BTreeMap::new();
        for (start, row) in &self.emitted {
            let old = seen.insert(*start, *row).or_else(|| self.row_before(*start));
            let is_recent = |days: u32| series.days.saturating_sub(days) <= self.blocks(series) as u32 + 1;
            // If history is restated, what is left of the block is emitted again.
            let is_cut_by_plan = || {
                let mut hidden = self.starts_before().take_while(|other| *other < self.edge());
                !series.changes.is_empty() && hidden.any(|other| self.is_same_block(*start, other))
            };
            let is_justified = || {
                let (mut lost, mut changes) = (series.suspects.keys(), series.changes.iter());
                series.cut_off.contains(start)
                    || is_cut_by_plan()
                    || lost.any(|other| self.is_same_block(*start, *other))
                    || changes.any(|(other, change)| self.is_same_block(*start, *other) && is_recent(change.days))
            };
            if old == Some(*row) && !is_justified() {
                return Err(format!("emitted {} again although nothing in its block changed", self.at(*start)));
            }
            // Without a STATE that has the bar, it is new.
            let is_known = old.is_some() && series.known.since.is_some_and(|since| since <= *start);
            if is_known && self.is_fragment(*start) && *start < self.floor && !series.changes.contains_key(start) {
                return Err(format!("emitted what the plan still shows of the bar of {}", self.at(*start)));
            }
        }
        Ok(())
    }

    /// After a successful sync the table matches the API, except where the design says that it can't.
    pub fn check_table(&self, series: &Series) -> Result<(), String> {
        let since = self.required_since(series);
        let sessions = match self.size() {
            _ if self.stream.is_market() => i64::MAX,
            size if size.is_intraday() => {
                let shown = self.shown.keys().copied().filter(|start| self.row_before(*start).is_some());
                last_two_sessions(self.zone, self.starts_before()).max(last_two_sessions(self.zone, shown))
            }
            _ => i64::MIN,
        };
        for (start, row) in self.shown.iter() {
            let is_final = self.size().is_final(self.zone, *start, self.run.started);
            let is_steady = self.shown_first.contains_key(start);
            if !is_final || !is_steady || !self.is_wanted(*start, since, &series.known) {
                continue;
            }
            let held = self.table.rows.get(&(self.ticker, *start));
            if held == Some(row) || self.is_excused(series, *start, row, sessions) {
                continue;
            }
            let held = held.map_or("is missing".to_owned(), |held| format!("is {held:?}"));
            return Err(format!("the row of {} {held}, the API shows {row:?}", self.at(*start)));
        }
        Ok(())
    }

    /// Whether the design says that a difference is not mended, or not yet.
    fn is_excused(&self, series: &Series, start: i64, row: &Row, sessions: i64) -> bool {
        let is_suspect = series.suspects.get(&start).is_some_and(|values| values.contains(row));
        let is_at_edge =
            self.setup.plan.refuses_earlier && self.required_since(series) < self.floor && start < self.edge();
        if is_suspect
            || is_at_edge
            || self.is_tainted(start, &series.known)
            || self.is_fragment(start)
            || self.withheld.contains(&start)
            || series.cut_off.contains(&start)
        {
            return true;
        }
        if self.shown_first.get(&start) != Some(row) {
            return !self.must_notice_split(series);
        }
        let Some(change) = series.changes.get(&start).filter(|_| start < sessions && !self.is_requested(start)) else {
            return false;
        };
        let days = (series.days + u32::from(series.is_new_day(self.run.started))).saturating_sub(change.days);
        match change.within {
            Within::NextSync => false,
            Within::NextDay => days < 1,
            Within::EveryBlock => (days as usize) < self.blocks_to_verify(series, start),
        }
    }

    /// Whether a bar is one of the requested ones. What was requested was compared.
    fn is_requested(&self, start: i64) -> bool {
        self.asked.iter().any(|asked| (asked.from..=asked.to).contains(&start))
    }

    /// Whether a split that took effect during the sync must have been noticed: everything was requested, and something was
    /// requested from its first page on afterwards, or should have been.
    fn must_notice_split(&self, series: &Series) -> bool {
        let is_split = |(_, fault): &(usize, Fault)| matches!(fault, Fault::SplitMeanwhile { .. });
        let is_first_page = |asked: &&&Asked| !asked.is_next_page;
        let last = match self.asked.iter().filter(is_first_page).count() {
            // Days and longer bars that are read for the first time, in several pages.
            1 if series.known.reach.is_none() => self.asked.last(),
            _ => self.asked.iter().rfind(is_first_page),
        };
        let is_seen = |split| last.is_some_and(|last| last.time >= split) && !self.may_be_asked_by_market();
        let since = self.required_since(series);
        let mut wanted = self.shown.keys().filter(|start| self.is_wanted(**start, since, &series.known));
        self.split_at.is_some_and(is_seen)
            && self.run.faults.iter().all(is_split)
            && wanted.all(|start| self.is_requested(*start))
    }

    /// Whether requests may be those of the whole market's stream, which recognizes holidays by this ticker's days.
    fn may_be_asked_by_market(&self) -> bool {
        self.name() == ALWAYS_TRADED && self.size() == Size::Day
    }

    /// After how many days' syncs a change must have been found.
    fn blocks_to_verify(&self, series: &Series, start: i64) -> usize {
        match self.market_days(start) {
            _ if !self.stream.is_market() => self.blocks(series),
            days @ 0..=2 => days.min(1),
            _ => self.blocks(series),
        }
    }

    /// Where nothing happened, a sync makes as many requests as the design says.
    pub fn check_requests(&self, series: &Series) -> Result<(), String> {
        let asked = self.asked.iter().filter(|asked| !asked.is_next_page).count();
        let limit = match self.size() {
            _ if self.stream.is_market() => return Ok(()),
            size if size.is_intraday() => 1 + usize::from(series.may_be_new_day(self.run.started)),
            _ => 1,
        };
        // An empty response is requested again, also that of a missing ticker's backlog, which stays there.
        let empty = self.asked.iter().filter(|asked| asked.rows == 0).count();
        let limit = limit + empty.saturating_sub(1) + usize::from(self.may_be_asked_by_market());
        // Requests for the rest of a page may stand for further pages.
        let fits = self.shown.len() <= self.setup.page_size;
        let is_quiet = fits && !series.is_touched && self.run.faults.is_empty() && series.shown.is_some();
        // The block that was verified today may have left the plan since then.
        let limit = limit + usize::from(self.starts_before().any(|start| start < self.floor));
        let is_settled =
            series.changes.values().all(|change| series.days.saturating_sub(change.days) > self.blocks(series) as u32);
        if is_quiet && is_settled && asked > limit && !self.setup.plan.refuses_earlier {
            return Err(format!(
                "{asked} requests for {}, where nothing changed; at most {limit} are due",
                self.name()
            ));
        }
        Ok(())
    }
}
