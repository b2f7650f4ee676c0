//! One sync, as it went: what it was given, what it wrote and asked, what was handed on of it.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::destination::{RowKey, key_of};
use super::events::Settings;
use super::faults::{Asked, Disturbance};
use super::memory::{Claim, Series};
use super::scenario::StreamCase;
use crate::support::connector::Output;
use crate::support::fake_api::Request;
use crate::support::market::Market;

/// How many requests of a sync are told.
const MAX_TOLD_REQUESTS: usize = 8;

/// A sync, as it went.
pub struct Run {
    pub number: u64,
    pub started: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    pub disturbance: Disturbance,
    /// The market as it was at the end.
    pub market: Market,
    pub output: Output,
    pub requests: Vec<Request>,
    /// The `state` of the STATE that was handed in.
    pub handed_in: Option<Value>,
    /// The `state` of its STATEs, and after how many records each came.
    pub states: Vec<(Value, usize)>,
    /// How many of its STATEs were handed on: the last of them is the one to go on from.
    pub handed_on: usize,
    /// Whether the destination keeps what came after that STATE.
    pub keeps_rest: bool,
    /// Whether the run before it failed: requests that were under way then may still come in.
    pub follows_failure: bool,
}

impl Run {
    /// Lets the run be killed after so many lines.
    pub fn kill_after(&mut self, lines: usize) {
        self.output = self.output.first_lines(lines);
        self.states = states_of(&self.output);
    }

    pub fn succeeded(&self) -> bool {
        self.output.exit_code == Some(0)
    }

    /// What its STATEs claim of a series.
    pub fn claims(&self, stream: &StreamCase, series: &Series) -> Vec<Option<Claim>> {
        self.states
            .iter()
            .map(|(state, _)| Claim::of(Some(state), stream, series))
            .collect()
    }

    /// The records of a series.
    pub fn records(&self, series: &Series) -> Vec<&Value> {
        self.output
            .records()
            .into_iter()
            .filter(|record| series.owns(record))
            .collect()
    }

    /// Those of its records that the destination has in the end.
    pub fn kept_records(&self) -> Vec<&Value> {
        let mut records = self.output.records();
        if !self.keeps_rest && !self.succeeded() {
            let last = self.handed_on.checked_sub(1);
            records.truncate(last.map_or(0, |last| self.states[last].1));
        }
        records
    }

    /// The places of the records that came after a STATE which itself came after the one that is handed on.
    pub fn emitted_after_a_lost_state(&self, series: &Series) -> Vec<RowKey> {
        let Some((_, first)) = self.states.get(self.handed_on) else {
            return Vec::new();
        };
        let records = self.output.records().into_iter().skip(*first);
        records
            .filter(|record| series.owns(record))
            .map(key_of)
            .collect()
    }

    /// When the last request about a series came in.
    pub fn last_asked(&self, series: &Series) -> DateTime<Utc> {
        let is_own = |request: &&Request| {
            Asked::parse(&request.path)
                .is_some_and(|asked| asked.ticker.as_deref() == series.ticker)
        };
        let times = self
            .requests
            .iter()
            .filter(is_own)
            .map(|request| request.time);
        times.max().unwrap_or(self.started)
    }

    /// What happened, for a report; `full_exit_code` is what a killed run would have ended with.
    pub fn tell(&self, settings: &Settings, full_exit_code: Option<i32>) -> String {
        let mut told = format!(
            "- sync {} at {} ({:?}) of {:?} {:?}..{:?} adjusted {}: ",
            self.number,
            self.started,
            self.disturbance,
            settings.tickers,
            settings.start,
            settings.end,
            settings.adjusted
        );
        let mut add = |text: &str| told.push_str(text);
        if let Some(code) = self.output.exit_code {
            add(&format!("exit {code}"));
        } else {
            let lines = self.output.messages.len();
            add(&format!(
                "killed after {lines} lines, would have been {full_exit_code:?}"
            ));
        }
        if !self.succeeded() {
            let (handed_on, states) = (self.handed_on, self.states.len());
            let fate = if self.keeps_rest { "kept" } else { "lost" };
            add(&format!(
                ", {handed_on} of {states} STATEs handed on, what came after is {fate}"
            ));
        }
        let (records, requests) = (self.output.records().len(), self.requests.len());
        add(&format!("; {records} records, {requests} requests"));
        for text in self.output.logs("WARN") {
            write!(told, "\n    WARN {text}").expect("writes to a string");
        }
        for error in self.output.errors() {
            write!(told, "\n    ERROR {error}").expect("writes to a string");
        }
        for request in self.requests.iter().take(MAX_TOLD_REQUESTS) {
            write!(told, "\n    {} {}", request.time, request.path).expect("writes to a string");
        }
        told
    }
}

/// The `state` of the STATEs, and after how many records each came.
pub fn states_of(output: &Output) -> Vec<(Value, usize)> {
    let (mut states, mut records) = (Vec::new(), 0);
    for message in &output.messages {
        match message["type"].as_str() {
            Some("RECORD") => records += 1,
            Some("STATE") => states.push((message["state"].clone(), records)),
            _ => {}
        }
    }
    states
}
