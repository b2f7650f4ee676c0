//! One history: a market, a user, and syncs one after the other.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::Value;
use source_stock_ticker_api::clock::Clock;

use super::destination::{Rows, key_of};
use super::events::{Settings, World};
use super::faults::Disturbance;
use super::memory::{Claim, Memory, Series};
use super::run::{Run, states_of};
use super::scenario::{self, StreamCase};
use crate::support::clock::SimulatedClock;
use crate::support::connector::Connector;
use crate::support::days::{date_in, midnight, moment_at, zone_of};
use crate::support::fake_api::FakeApi;
use crate::support::market::Market;
use crate::support::output::Scrutiny;

/// How many things happen in a history; about half of them are syncs.
const EVENTS: std::ops::Range<usize> = 8..22;

pub struct History<'a> {
    pub(super) api: &'a FakeApi,
    rng: Rng,
    pub(super) stream: &'static StreamCase,
    pub(super) world: World,
    pub(super) settings: Settings,
    now: DateTime<Utc>,
    connector: Connector,
    /// The `state` of the STATE that is handed in next.
    pub(super) state: Option<Value>,
    /// The destination.
    pub(super) rows: Rows,
    pub(super) memories: BTreeMap<&'static str, Memory>,
    /// Whether the last sync failed.
    failed_before: bool,
    /// What happened, for a report.
    pub story: Vec<String>,
    pub syncs: u64,
    pub requests: u64,
}

impl<'a> History<'a> {
    pub fn new(api: &'a FakeApi, stream: &'static StreamCase, seed: u64) -> History<'a> {
        let mut rng = Rng::with_seed(seed);
        let first_day = scenario::beginning(&mut rng);
        let (market, hidden) = scenario::market(stream, first_day, &mut rng);
        *api.market() = market;
        let mut connector = Connector::new(api, "");
        connector.stream(stream.name, "incremental").scrutiny = Scrutiny::FirstRecord;
        let now =
            moment_at(midnight(zone_of(""), first_day)) + TimeDelta::seconds(rng.i64(0..86_400));
        let settings = Settings {
            tickers: stream.tickers.to_vec(),
            start: Some(first_day - Days::new(rng.u64(1..40))),
            end: None,
            adjusted: rng.u8(..4) > 0,
        };
        let (memories, world) = (BTreeMap::new(), World::new(stream, hidden));
        let (rows, state, story) = (Rows::new(), None, Vec::new());
        let mut history = History {
            api,
            rng,
            stream,
            world,
            settings,
            now,
            connector,
            state,
            rows,
            memories,
            failed_before: false,
            story,
            syncs: 0,
            requests: 0,
        };
        if history.rng.bool() {
            history.change_settings();
        }
        history
    }

    /// Plays the history to its end; an error says what should not be.
    pub fn play(&mut self) -> Result<(), String> {
        self.api.market().now = self.now;
        for _ in 0..self.rng.usize(EVENTS) {
            match self.rng.u8(..8) {
                0..4 => self.sync()?,
                4 | 5 => self.change_market(),
                6 => self.change_settings(),
                _ => {
                    self.change_market();
                    self.sync()?;
                }
            }
        }
        self.settings.tickers = self.stream.tickers.to_vec();
        self.sync_with(Disturbance::None, false)?;
        if self.failed_before {
            return Ok(());
        }
        self.sync_again()?;
        self.sync_ahead_of_the_clock()
    }

    fn change_market(&mut self) {
        let told = self.world.change(&mut self.api.market(), &mut self.rng);
        self.story.push(format!("- {told}"));
    }

    fn correct(&mut self) {
        let told = self.world.correct(&mut self.api.market(), &mut self.rng);
        self.story.push(format!("- {told}"));
    }

    fn take_correction_back(&mut self) {
        let told = self.world.take_correction_back(&mut self.api.market());
        self.story.push(format!("- {told}"));
    }

    fn change_settings(&mut self) {
        let told = self.settings.change(self.stream, self.now, &mut self.rng);
        self.story.push(format!("- {told}"));
    }

    /// The user clears the stream: its rows and its state are gone.
    fn clear(&mut self) {
        (self.state, self.rows, self.memories) = (None, Rows::new(), BTreeMap::new());
        self.story.push("- the stream is cleared".to_owned());
    }

    fn sync(&mut self) -> Result<(), String> {
        let disturbance = Disturbance::random(&mut self.rng);
        let is_killed = self.rng.u8(..4) == 0;
        if is_killed && self.rng.bool() {
            // So that it may be killed while it emits something again.
            self.correct();
        }
        self.sync_with(disturbance, is_killed)
    }

    fn sync_with(&mut self, disturbance: Disturbance, is_killed: bool) -> Result<(), String> {
        let before = self.now;
        if matches!(disturbance, Disturbance::Slow(_)) && self.rng.bool() {
            // A whole history takes so many pages that midnight passes between two of them.
            self.clear();
        }
        self.let_time_pass(disturbance);
        if matches!(disturbance, Disturbance::Slow(_)) && self.rng.bool() {
            // It takes effect while the sync goes on.
            let mut market = self.api.market();
            market.now = self.now;
            let told = self.world.split_at_midnight(&mut market, &mut self.rng);
            self.story.push(format!("- {told}"));
        }
        let mut run = self.run(disturbance);
        let full_exit_code = run.output.exit_code;
        self.failed_before = full_exit_code != Some(0);
        if is_killed {
            run.kill_after(self.line_of_the_kill(&run));
        }
        run.handed_on = run.states.len();
        if !run.succeeded() && self.rng.u8(..3) > 0 {
            run.handed_on = self.rng.usize(..=run.states.len());
        }
        self.story.push(run.tell(&self.settings, full_exit_code));
        let all_series = Series::of(self.stream, &self.settings.tickers);
        let market = Market {
            now: run.started,
            ..run.market.clone()
        };
        for series in &all_series {
            let memory = self.memories.entry(series.name()).or_default();
            memory.note_changes(self.stream, series, &market, run.number, before);
        }
        let rows_before = self.rows.clone();
        let kept = run.kept_records().into_iter();
        self.rows
            .extend(kept.map(|record| (key_of(record), record.clone())));
        for series in &all_series {
            self.check(&run, series, &rows_before)?;
        }
        for series in &all_series {
            self.remember(&run, series, &rows_before);
        }
        if run.handed_on > 0 {
            self.state = Some(run.states[run.handed_on - 1].0.clone());
        }
        if !run.succeeded() && self.rng.bool() {
            // What the next sync is shown is then as it was before the run, and the destination may not be.
            self.take_correction_back();
        }
        self.check_exit_code(&run, &all_series)
    }

    /// Any line; as often as not the one before a STATE, when what it would say is in the destination already.
    fn line_of_the_kill(&mut self, run: &Run) -> usize {
        let messages = &run.output.messages;
        let is_state = |line: &usize| messages[*line]["type"] == "STATE";
        let before_state = self
            .rng
            .choice((0..messages.len()).filter(is_state).collect::<Vec<_>>());
        before_state
            .filter(|_| self.rng.bool())
            .unwrap_or_else(|| self.rng.usize(..=messages.len()))
    }

    fn let_time_pass(&mut self, disturbance: Disturbance) {
        let longest = self.stream.max_pause * if self.rng.u8(..10) == 0 { 8 } else { 1 };
        let minutes = self.rng.u32(..longest * 60);
        // Now and then at once; never at the very moment at which a bar becomes final.
        if self.rng.u8(..10) > 0 {
            self.now += TimeDelta::seconds(
                i64::from(minutes * 60) + 17 - i64::from(self.now.timestamp() as u32 % 60),
            );
        }
        if matches!(disturbance, Disturbance::Slow(_)) {
            let zone = zone_of(self.stream.tickers[0]);
            let tomorrow = midnight(zone, date_in(zone, self.now) + Days::new(1));
            let late =
                moment_at(tomorrow) - TimeDelta::seconds(i64::from(self.rng.u32(1..15)) * 60 + 13);
            self.now = late.max(self.now);
        }
    }

    pub(super) fn run(&mut self, disturbance: Disturbance) -> Run {
        let clock = SimulatedClock::at(self.now);
        let cursors = self.known_cursors();
        self.api.take_requests();
        let number = self.rng.usize(..5);
        disturbance.inject(self.api, &clock, number, move |ticker| {
            cursors.get(ticker).copied()
        });
        self.connector
            .set("stock_ticker", self.settings.tickers.join(","))
            .set("start_date", self.settings.start.map(|day| day.to_string()))
            .set("end_date", self.settings.end.map(|day| day.to_string()))
            .set("adjusted", self.settings.adjusted);
        self.connector.state = self
            .state
            .as_ref()
            .map(|state| Value::Array(vec![state.clone()]));
        let output = self.connector.run_with_clock(&clock, "read");
        let requests = self.api.take_requests();
        self.syncs += 1;
        self.requests += requests.len() as u64;
        let (started, ended) = (self.now, clock.now());
        self.now = ended;
        let market = Market {
            now: ended,
            ..self.api.market().clone()
        };
        self.api.market().now = ended;
        let (states, handed_in) = (states_of(&output), self.state.clone());
        let number = self.syncs;
        Run {
            number,
            started,
            ended,
            disturbance,
            market,
            output,
            requests,
            handed_in,
            states,
            handed_on: 0,
            keeps_rest: self.rng.bool(),
            follows_failure: self.failed_before,
        }
    }

    /// The start of the last bar that the state names, of each series whose bars were there at the last sync.
    fn known_cursors(&self) -> BTreeMap<&'static str, i64> {
        let has_bars = |series: &Series| {
            let seen = self
                .memories
                .get(series.name())
                .and_then(|memory| memory.seen.as_ref());
            seen.is_some_and(|seen| !seen.is_empty())
        };
        let known = Series::of(self.stream, &self.stream.tickers)
            .into_iter()
            .filter(has_bars);
        let cursor = |series: &Series| Claim::of(self.state.as_ref(), self.stream, series)?.cursor;
        known
            .filter_map(|series| Some((series.name(), cursor(&series)?)))
            .collect()
    }
}
