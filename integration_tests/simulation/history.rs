//! Plays a history: the market and the settings change, days pass, and syncs are checked one after the other.

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::support::clock::SimulatedClock;
use crate::support::connector::{Connector, configured};
use crate::support::days::moment_at;
use crate::support::output::Scrutiny;

use super::api::{Api, MAX_REQUESTS, Traffic};
use super::days::{Day, Zone, tell, tell_day};
use super::market::{Bar, Rows};
use super::output::{Line, Output};
use super::play::without_panic;
use super::series::{Known, Series};
use super::steps::{Fault, Kill, Setup, Step};
use super::streams::Stream;
use super::table::Table;

/// What a user sets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Places in the market's list of tickers.
    pub tickers: Vec<usize>,
    pub start: Option<Day>,
    pub end: Option<Day>,
    pub adjusted: bool,
}

/// What a history has come to.
#[derive(Clone)]
pub struct World {
    pub settings: Settings,
    pub now: i64,
    /// Of each stream, of each ticker.
    pub series: Vec<Vec<Series>>,
    pub tables: Vec<Table>,
    /// Corrected bars as they were before.
    pub corrections: Vec<(usize, i64, Bar)>,
}

/// A history that is being played.
pub struct Player<'a> {
    pub api: Arc<Mutex<Api>>,
    pub setup: &'a Setup,
    pub world: World,
    /// A log for people; `None` unless it will be printed.
    pub story: Option<Vec<String>>,
    pub syncs: u64,
    pub requests: u64,
}

/// A run, and what the API looked like around it.
#[derive(Clone)]
pub struct Run {
    pub output: Arc<Output>,
    pub faults: Vec<(usize, Fault)>,
    pub started: i64,
    pub finished: i64,
    /// How many lines reached the platform.
    pub lines: usize,
    pub shown_first: Vec<Vec<Arc<Rows>>>,
    pub traffic: Arc<Traffic>,
    /// Of each stream, whether a STATE was handed in.
    pub has_state: Vec<bool>,
}

impl<'a> Player<'a> {
    pub fn new(setup: &'a Setup, tells: bool) -> Player<'a> {
        let today = Zone::NewYork.day_at(setup.now);
        let settings = Settings {
            tickers: (0..setup.selected).collect(),
            start: setup.start.map(|days| today - days),
            end: None,
            adjusted: true,
        };
        let world = World {
            settings,
            now: setup.now,
            series: vec![vec![Series::default(); setup.tickers.len()]; setup.streams.len()],
            tables: vec![Table::default(); setup.streams.len()],
            corrections: Vec::new(),
        };
        let api = Arc::new(Mutex::new(Api::new(setup)));
        Player { api, setup, world, story: tells.then(Vec::new), syncs: 0, requests: 0 }
    }

    pub fn api(&self) -> MutexGuard<'_, Api> {
        self.api.lock().expect("no panic")
    }

    /// Plays a step; an error says what is wrong after it.
    pub fn play(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Sync { faults, kill } => {
                let run = self.run(faults.clone())?;
                self.settle(run, *kill)
            }
            step => {
                let changed: Vec<String> = self.happen(step).into_iter().map(tell).collect();
                self.tell(|_| format!("{step:?} {}", changed.join(", ")));
                Ok(())
            }
        }
    }

    pub fn tell(&mut self, text: impl FnOnce(&Player) -> String) {
        let text = self.story.is_some().then(|| format!("{} {}", tell(self.world.now), text(self)));
        self.story.iter_mut().for_each(|story| story.extend(text.clone()));
    }

    fn shown(&self, now: i64) -> Vec<Vec<Arc<Rows>>> {
        let mut api = self.api();
        let tickers = 0..self.setup.tickers.len();
        let of_stream = |stream: &&Stream| {
            if stream.is_events() {
                return Vec::new();
            }
            let adjusted = self.world.settings.adjusted && !stream.is_market();
            tickers.clone().map(|ticker| api.shown(ticker, stream.size, adjusted, now, now)).collect()
        };
        self.setup.streams.iter().map(of_stream).collect()
    }

    /// Runs a sync, without any consequence for the world.
    pub fn run(&mut self, faults: Vec<(usize, Fault)>) -> Result<Run, String> {
        let started = self.world.now;
        let clock = SimulatedClock::at(moment_at(started));
        self.api().begin(clock.clone(), faults.clone());
        let shown_first = self.shown(started);
        let has_state = self.world.tables.iter().map(|table| table.current.is_some()).collect();
        let output = self.read(&clock);
        self.syncs += 1;
        let traffic = Arc::new(std::mem::take(&mut self.api().traffic));
        self.requests += traffic.asked.len() as u64;
        let output = Arc::new(output.inspect_err(|_| self.tell(|_| "a sync".to_owned()))?);
        let (lines, finished) = (output.lines.len(), self.api().now());
        let is_endless = traffic.asked.len() >= MAX_REQUESTS;
        let run = Run { output, faults, started, finished, lines, shown_first, traffic, has_state };
        if is_endless {
            self.tell(|player| player.told(&run, None));
            return Err(format!("the run does not end: {MAX_REQUESTS} requests"));
        }
        Ok(run)
    }

    /// Runs `read` with the settings, the streams, and the states that the platform hands over.
    fn read(&self, clock: &Arc<SimulatedClock>) -> Result<Output, String> {
        let settings = &self.world.settings;
        let tickers: Vec<&str> = settings.tickers.iter().map(|ticker| self.setup.tickers[*ticker]).collect();
        let mut connector = Connector::with_url("http://127.0.0.1:9", &tickers.join(","));
        connector.set("adjusted", settings.adjusted);
        for (name, day) in [("start_date", settings.start), ("end_date", settings.end)] {
            if let Some(day) = day {
                connector.set(name, tell_day(day));
            }
        }
        let mode = if self.setup.is_full_refresh { "full_refresh" } else { "incremental" };
        let streams = self.setup.streams.iter().map(|stream| configured(stream.name, mode));
        connector.catalog = json!({"streams": streams.collect::<Vec<_>>()});
        let states: Vec<&Value> = self.world.tables.iter().filter_map(Table::state).collect();
        connector.state = (!states.is_empty()).then(|| json!(states));
        connector.exchange = Some(self.api.clone());
        connector.scrutiny = Scrutiny::FirstRecord;
        // Waits before retries are random; a history is played the same way every time.
        fastrand::seed(0);
        let written = without_panic(|| Ok(connector.run_with_clock(clock, "read")))?;
        Output::new(written, &self.api().market, &self.setup.streams)
    }

    /// Lets a run have its consequences, and checks them.
    pub fn settle(&mut self, mut run: Run, kill: Option<Kill>) -> Result<(), String> {
        if let Some(kill) = kill {
            run.lines = run.lines * kill.after / 1000;
        }
        self.world.now = run.finished;
        self.tell(|player| player.told(&run, kill));
        let began: Vec<usize> = self.world.tables.iter().map(Table::writes).collect();
        let checkpoints: Vec<usize> = self.world.tables.iter().map(|table| table.checkpoints.len()).collect();
        let handed_in: Vec<Option<usize>> = self.world.tables.iter().map(|table| table.current).collect();
        for (place, line) in run.output.lines[..run.lines].iter().enumerate() {
            match line {
                Line::Record { slot, key, row } => self.world.tables[*slot].write(*key, *row),
                Line::State { slot, state } => {
                    let series = self.world.series[*slot].iter();
                    let known: Vec<Known> = if self.setup.streams[*slot].is_events() {
                        self.known_events(&run, *slot, place)
                    } else {
                        series.map(|series| series.known.clone().within_run(self.world.settings.adjusted)).collect()
                    };
                    self.world.tables[*slot].commit(state.clone(), known);
                }
                _ => {}
            }
        }
        let succeeded = run.output.succeeded() && kill.is_none();
        for (slot, began) in began.iter().enumerate() {
            self.check_stream(&run, slot, *began, succeeded)?;
        }
        if succeeded && self.setup.is_full_refresh {
            self.world.tables.fill(Table::default());
            self.world.series.iter_mut().for_each(|series| series.fill(Series::default()));
        }
        if !run.output.succeeded() {
            self.check_failure(&run)?;
        }
        if !succeeded {
            for slot in 0..self.setup.streams.len() {
                let kill = kill.unwrap_or(Kill { after: 1000, back: 0, keeps_rest: true });
                self.go_back(slot, kill, began[slot], checkpoints[slot], handed_in[slot]);
            }
        }
        Ok(())
    }
}
