//! What is checked after each sync of a history, and what is remembered of it for the next.

use std::collections::BTreeSet;

use super::destination::{RowKey, Rows, key_of};
use super::faults::Disturbance;
use super::history::History;
use super::memory::{Claim, Series};
use super::requests;
use super::run::Run;
use super::series_run::SeriesRun;
use crate::support::market::Market;

impl History<'_> {
    fn series_run<'b>(
        &'b self,
        run: &'b Run,
        series: &'b Series,
        rows_before: &'b Rows,
    ) -> SeriesRun<'b> {
        let asked = requests::of_series(&run.requests, series.ticker).into_iter();
        SeriesRun {
            stream: self.stream,
            series,
            settings: &self.settings,
            memory: &self.memories[series.name()],
            market: &run.market,
            started: run.started,
            ended: run.ended,
            last_asked: run.last_asked(series),
            asked: asked.map(|(asked, _)| asked).collect(),
            before: Claim::of(run.handed_in.as_ref(), self.stream, series),
            rows_before,
        }
    }

    /// Checks what a sync did for a series.
    pub fn check(&self, run: &Run, series: &Series, rows_before: &Rows) -> Result<(), String> {
        let series_run = self.series_run(run, series, rows_before);
        let records = run.records(series);
        series_run.check_records(&records)?;
        if !matches!(run.disturbance, Disturbance::Slow(_)) {
            series_run.check_doubles(&records)?;
        }
        if !run.succeeded() {
            return Ok(());
        }
        let claims = run.claims(self.stream, series);
        let after = claims
            .last()
            .cloned()
            .unwrap_or_else(|| series_run.before.clone());
        series_run.check_destination(&self.rows, after.as_ref())?;
        if run.disturbance == Disturbance::None && !run.follows_failure {
            requests::check(
                &series_run,
                &requests::of_series(&run.requests, series.ticker),
                &claims,
            )?;
        }
        Ok(())
    }

    /// A sync succeeds, unless what went wrong excuses it, or the plan shows nothing of what was never read.
    pub fn check_exit_code(&self, run: &Run, all_series: &[Series]) -> Result<(), String> {
        let is_excused =
            run.output.exit_code.is_none_or(|code| code == 0) || run.disturbance.excuses_failure();
        let is_below = |series: &Series| {
            let series_run = self.series_run(run, series, &self.rows);
            let has_cursor = series_run
                .before
                .as_ref()
                .is_some_and(|claim| claim.cursor.is_some());
            series_run.is_wholly_below_floor() && !has_cursor
        };
        if is_excused || all_series.iter().any(is_below) {
            return Ok(());
        }
        Err(format!("the sync failed: {:?}", run.output.errors()))
    }

    /// Remembers of a series what the next sync is held against.
    pub fn remember(&mut self, run: &Run, series: &Series, rows_before: &Rows) {
        let claims = run.claims(self.stream, series);
        let handed_on = &claims[..run.handed_on];
        let handed_in = Claim::of(run.handed_in.as_ref(), self.stream, series);
        let claim = handed_on.last().cloned().unwrap_or(handed_in);
        let covers = |key: &RowKey| claim.as_ref().is_some_and(|claim| claim.covers(key.0));
        let series_run = self.series_run(run, series, rows_before);
        let mut seen = series_run.truth(series_run.last_asked, run.started);
        seen.retain(|key, _| covers(key));
        let compared_from = series_run.compared_from();
        let lost_its_first_bar = series_run.first_bar_is_gone() && !series_run.is_all_changed();
        let looked = looked_at(&series_run, &seen);
        let is_first_asked = series_run.asked_before().next().is_some()
            || series_run
                .before
                .as_ref()
                .is_none_or(|claim| claim.cursor.is_none());
        // The plan's history moves on while a sync goes on: what was refused at first was refused throughout.
        let market_at_first = Market {
            now: run.started,
            ..run.market.clone()
        };
        let at_first = SeriesRun {
            market: &market_at_first,
            ..series_run
        };
        let plan_start_is_known = at_first.is_refused() && !at_first.is_wholly_below_floor();
        let keys = self.known_keys(series);
        let memory = self
            .memories
            .get_mut(series.name())
            .expect("it was entered");
        memory.plan_start_is_known = run.succeeded() && plan_start_is_known;
        // A split that became known meanwhile is in what was read last.
        let market = Market {
            now: run.last_asked(series),
            ..run.market.clone()
        };
        memory.note_changes(self.stream, series, &market, run.number, run.started);
        memory.follow(&keys, handed_on.iter(), run.number);
        let kept = run.kept_records();
        for record in kept.into_iter().filter(|record| series.owns(record)) {
            memory.suspect.remove(&key_of(record));
        }
        if !run.succeeded() {
            if run.keeps_rest {
                memory.suspect.extend(
                    run.emitted_after_a_lost_state(series)
                        .into_iter()
                        .filter(covers),
                );
            }
            (memory.seen, memory.looked, memory.first_bar_asked) = (None, None, None);
            return;
        }
        if lost_its_first_bar {
            memory.give_up_splits();
        }
        if is_first_asked {
            memory.first_bar_asked = Some(run.started);
        }
        memory.reach = claim
            .as_ref()
            .and_then(|claim| claim.cursor)
            .or(memory.reach);
        memory.compared_from = compared_from;
        memory.looked = looked.or(memory.looked.take());
        memory.seen = Some(seen);
    }

    /// Every place at which there can be a row of a series.
    fn known_keys(&self, series: &Series) -> BTreeSet<RowKey> {
        let market = self.api.market();
        let mut keys = BTreeSet::new();
        for ticker in &series.tickers {
            let bars = market.bars.get(&(self.stream.size, (*ticker).to_owned()));
            keys.extend(
                bars.into_iter()
                    .flatten()
                    .map(|(start, _)| (*start, (*ticker).to_owned())),
            );
        }
        let hidden = self
            .world
            .hidden
            .iter()
            .filter(|hidden| series.tickers.contains(&hidden.ticker));
        keys.extend(hidden.map(|hidden| (hidden.start, hidden.ticker.to_owned())));
        keys
    }
}

/// The rows of the truth from the first bar on that a sync asked for; `None` if it only asked for the bars that are
/// compared at every sync, and there are others before them.
fn looked_at(run: &SeriesRun, seen: &Rows) -> Option<Rows> {
    let is_asked = |key: &RowKey| run.asked.iter().any(|asked| asked.covers(key.0));
    let first = seen.keys().find(|key| is_asked(key))?;
    let is_first = seen.keys().next() == Some(first);
    let rows = seen.range(first.clone()..);
    (is_first || first.0 < run.may_be_compared_from())
        .then(|| rows.map(|(key, row)| (key.clone(), row.clone())).collect())
}
