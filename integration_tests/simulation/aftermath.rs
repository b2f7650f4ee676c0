//! What happens after a run: it is checked and described, and after a failure the platform chooses a STATE to resume from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::api::Asked;
use super::check::Check;
use super::days::Zone;
use super::history::{Player, Run};
use super::market::{Key, Row};
use super::output::Line;
use super::series::{Known, Series, Within};
use super::steps::Kill;

/// The most requests of a sync, and log messages of a level, in a description.
const MAX_TOLD: usize = 12;

impl Player<'_> {
    /// Checks a stream after a run, and updates what is known about it.
    pub fn check_stream(&mut self, run: &Run, slot: usize, began: usize, succeeded: bool) -> Result<(), String> {
        let stream = self.setup.streams[slot];
        let told = |problem| format!("{}: {problem}", stream.name);
        if stream.is_events() {
            return self.check_events(run, slot, succeeded).map_err(told);
        }
        let before = self.world.tables[slot].values_at(began);
        let withheld = if stream.is_market() { self.withheld(run, slot) } else { BTreeSet::new() };
        for ticker in 0..self.setup.tickers.len() {
            if stream.reads_all || self.world.settings.tickers.contains(&ticker) {
                let mut series = std::mem::take(&mut self.world.series[slot][ticker]);
                let result = self.check(run, slot, ticker, &before, &withheld).all(&mut series, succeeded);
                self.world.series[slot][ticker] = series;
                result.map_err(told)?;
            }
        }
        if stream.is_market() {
            // A day is known of all tickers, or of none.
            let reach = |reach: fn(&Series) -> Option<i64>| self.world.series[slot].iter().filter_map(reach).max();
            let (known, ever) = (reach(|series| series.known.reach), reach(|series| series.ever.reach));
            for series in &mut self.world.series[slot] {
                (series.known.reach, series.ever.reach) = (known, ever);
            }
        }
        if succeeded && let Some(last) = self.world.tables[slot].checkpoints.last_mut() {
            last.known = self.world.series[slot].iter().map(|series| series.known.clone()).collect();
        }
        Ok(())
    }

    /// The days of the whole market of which the API shows fewer rows than there are in the table.
    fn withheld(&self, run: &Run, slot: usize) -> BTreeSet<i64> {
        let mut missing: BTreeMap<i64, i64> = BTreeMap::new();
        for (_, start) in self.world.tables[slot].rows.keys() {
            *missing.entry(*start).or_default() += 1;
        }
        for start in run.shown_first[slot].iter().flat_map(|rows| rows.keys()) {
            *missing.entry(*start).or_default() -= 1;
        }
        missing.retain(|_, missing| *missing > 0);
        missing.into_keys().collect()
    }

    fn check<'b>(
        &'b self,
        run: &'b Run,
        slot: usize,
        ticker: usize,
        before: &'b BTreeMap<Key, Option<Row>>,
        withheld: &'b BTreeSet<i64>,
    ) -> Check<'b> {
        let stream = self.setup.streams[slot];
        let mut api = self.api();
        let zone = if stream.is_market() { Zone::NewYork } else { api.market.tickers[ticker].zone };
        let of_series = |asked: &&Asked| match asked.ticker {
            Some(of) => !stream.is_market() && of == ticker && asked.size == stream.size,
            None => stream.is_market() && asked.size == stream.size,
        };
        let asked: Vec<&Asked> = run.traffic.asked.iter().filter(of_series).collect();
        let ended = asked.last().map_or(run.started, |asked| asked.time);
        let adjusted = self.world.settings.adjusted && !stream.is_market();
        let known_from = api.market.tickers[ticker].splits.iter().map(|split| split.known_from);
        let split_at = known_from.filter(|known| (run.started + 1..=ended).contains(known)).max();
        let emitted = run.output.lines[..run.lines].iter().filter_map(|line| match line {
            Line::Record { slot: of, key, row } if *of == slot && key.0 == ticker => Some((key.1, *row)),
            _ => None,
        });
        Check {
            stream,
            ticker,
            zone,
            setup: self.setup,
            settings: &self.world.settings,
            table: &self.world.tables[slot],
            before,
            emitted: emitted.collect(),
            asked,
            run,
            shown_first: run.shown_first[slot][ticker].clone(),
            shown: api.shown(ticker, stream.size, adjusted, ended, ended),
            floor: api.market.floor(zone, ended),
            split_at,
            has_state: run.has_state[slot],
            withheld,
        }
    }

    /// A sync fails only for what went wrong with the responses, or if the plan shows nothing of what is wanted.
    pub fn check_failure(&self, run: &Run) -> Result<(), String> {
        let api = self.api();
        // The last whole month can end this much earlier.
        let days = if self.setup.streams.iter().any(|stream| stream.size.is_long()) { 31 } else { 0 };
        let is_below = |ticker: &usize| {
            let zone = api.market.tickers[*ticker].zone;
            let end = self.world.settings.end.map_or(i64::MAX, |end| zone.midnight(end - days));
            end <= api.market.floor(zone, run.finished)
        };
        let is_excused = run.faults.iter().any(|(_, fault)| fault.excuses_failure());
        if is_excused || self.world.settings.tickers.iter().any(is_below) {
            return Ok(());
        }
        Err(format!("the sync failed: {:?}", run.output.written.errors()))
    }

    /// After a failed run the platform goes on from a STATE of its choice.
    pub fn go_back(&mut self, slot: usize, kill: Kill, began: usize, checkpoints: usize, handed_in: Option<usize>) {
        let table = &mut self.world.tables[slot];
        if !kill.keeps_rest {
            table.forget_after_last_state(began);
        }
        // The STATEs of this run from the last one on, then the one that was handed in.
        let checkpoint = match table.checkpoints.len().checked_sub(1 + kill.back) {
            Some(place) if place >= checkpoints => Some(place),
            _ => handed_in,
        };
        // The block around a STATE may come twice.
        for (ticker, start) in table.written_before(checkpoint, began) {
            self.world.series[slot][ticker].suspects.entry(start).or_default();
        }
        for ((ticker, start), old) in table.hand_back(checkpoint) {
            let series = &mut self.world.series[slot][ticker];
            if checkpoint.is_some_and(|place| table.checkpoints[place].known[ticker].in_backlog) {
                continue;
            }
            let values = series.suspects.entry(start).or_default();
            values.extend(old.filter(|old| table.rows.get(&(ticker, start)) != Some(old)));
            series.change(start, Within::EveryBlock);
        }
        for ticker in 0..self.setup.tickers.len() {
            let known = checkpoint.map_or(Known::default(), |place| table.checkpoints[place].known[ticker].clone());
            self.world.series[slot][ticker].begin_again(known);
        }
    }

    /// What a run was, for people.
    pub fn told(&self, run: &Run, kill: Option<Kill>) -> String {
        let Run { output, faults, lines, .. } = run;
        let mut told = format!("sync {}: {}", self.syncs, output.sequence(*lines));
        write!(told, "; {} lines in all; kill: {kill:?}; faults: {faults:?}", output.lines.len()).expect("a string");
        let api = self.api();
        for asked in run.traffic.asked.iter().take(MAX_TOLD) {
            write!(told, "\n    request {}", asked.tell(&api.market)).expect("a string");
        }
        for error in output.written.errors() {
            write!(told, "\n    {error}").expect("a string");
        }
        for level in ["WARN", "INFO"] {
            for text in output.written.logs(level).iter().take(MAX_TOLD) {
                write!(told, "\n    {level} {text}").expect("a string");
            }
        }
        told
    }
}
