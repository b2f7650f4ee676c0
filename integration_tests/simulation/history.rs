//! Plays a history: the market and the settings change, days pass, and syncs are checked one after the other.

use std::sync::Arc;

use super::actions::Read;
use super::api::{MAX_REQUESTS, Served};
use super::asked::Asked;
use super::days::{Zone, tell};
use super::faults::Fault;
use super::market::{Bar, Rows};
use super::output::{Line, Output};
use super::series::{Known, Series};
use super::steps::{Kill, Setup, Step};
use super::streams::STREAMS;
use super::sync::{Runner, Settings};
use super::table::Table;
use super::world;

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
    pub runner: &'a Runner,
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
    pub output: Output,
    pub faults: Vec<(usize, Fault)>,
    pub started: i64,
    pub finished: i64,
    /// How many lines reached the platform.
    pub lines: usize,
    pub shown_first: Vec<Vec<Arc<Rows>>>,
    pub asked: Vec<Asked>,
    pub served: Arc<Served>,
    pub reads: Arc<Vec<Read>>,
    /// Of each stream, whether a STATE was handed in.
    pub has_state: Vec<bool>,
}

impl<'a> Player<'a> {
    pub fn new(runner: &'a Runner, setup: &'a Setup, tells: bool) -> Player<'a> {
        let mut api = runner.api();
        api.market = world::market(setup);
        api.has_unusable_rows = setup.has_unusable_rows;
        api.bad_days.clear();
        let today = Zone::NewYork.day_at(setup.now);
        let settings = Settings {
            tickers: (0..setup.selected).collect(),
            start: setup.start.map(|days| today - days),
            end: None,
            adjusted: true,
            is_full_refresh: setup.is_full_refresh,
        };
        let world = World {
            settings,
            now: setup.now,
            series: vec![vec![Series::default(); setup.tickers.len()]; setup.streams.len()],
            tables: vec![Table::default(); setup.streams.len()],
            corrections: Vec::new(),
        };
        Player { runner, setup, world, story: tells.then(Vec::new), syncs: 0, requests: 0 }
    }

    /// Plays a step; an error says what is wrong after it.
    pub fn play(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Sync { faults, kill } => {
                let run = self.run(faults.clone())?;
                self.settle(run, *kill)
            }
            step => {
                let told = self.happen(step);
                self.tell(|_| told);
                Ok(())
            }
        }
    }

    pub fn tell(&mut self, text: impl FnOnce(&Player) -> String) {
        let text = self.story.is_some().then(|| format!("{} {}", tell(self.world.now), text(self)));
        self.story.iter_mut().for_each(|story| story.extend(text.clone()));
    }

    fn shown(&self, now: i64) -> Vec<Vec<Arc<Rows>>> {
        let mut api = self.runner.api();
        let tickers = 0..self.setup.tickers.len();
        let of_stream = |stream: &usize| {
            let stream = &STREAMS[*stream];
            if stream.is_events() {
                return Vec::new();
            }
            let adjusted = self.world.settings.adjusted && !stream.is_market();
            tickers.clone().map(|ticker| api.shown(ticker, stream.size, adjusted, now)).collect()
        };
        self.setup.streams.iter().map(of_stream).collect()
    }

    /// Runs a sync, without any consequence for the world.
    pub fn run(&mut self, faults: Vec<(usize, Fault)>) -> Result<Run, String> {
        let started = self.world.now;
        self.runner.clock.set(started);
        self.runner.api().begin(faults.clone());
        let shown_first = self.shown(started);
        let has_state = self.world.tables.iter().map(|table| table.current.is_some()).collect();
        let states: Vec<&str> = self.world.tables.iter().filter_map(Table::state).collect();
        let output = self.runner.read(&self.world.settings, &self.setup.streams, &states);
        self.syncs += 1;
        let asked = std::mem::take(&mut self.runner.api().asked);
        let served = Arc::new(std::mem::take(&mut self.runner.api().served));
        let reads = Arc::new(std::mem::take(&mut self.runner.api().reads));
        self.requests += asked.len() as u64;
        let output = output.inspect_err(|_| self.tell(|_| "a sync".to_owned()))?;
        let is_endless = asked.len() >= MAX_REQUESTS;
        let (lines, finished) = (output.lines.len(), self.runner.clock.moment());
        let run = Run { output, faults, started, finished, lines, shown_first, asked, served, reads, has_state };
        if is_endless {
            self.tell(|player| player.told(&run, None));
            return Err(format!("the run does not end: {MAX_REQUESTS} requests"));
        }
        Ok(run)
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
            let slot = |stream: &usize| self.setup.streams.iter().position(|of| of == stream);
            match line {
                Line::Record { stream, key, row } => {
                    let slot = slot(stream).ok_or("a record of a stream that was not selected")?;
                    self.world.tables[slot].write(*key, *row);
                }
                Line::State { stream, text } => {
                    let slot = slot(stream).ok_or("a STATE of a stream that was not selected")?;
                    let series = self.world.series[slot].iter();
                    let known: Vec<Known> = if STREAMS[*stream].is_events() {
                        self.known_events(&run, slot, place)
                    } else {
                        series.map(|series| series.known.clone().within_run(self.world.settings.adjusted)).collect()
                    };
                    self.world.tables[slot].commit(text.clone(), known);
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
