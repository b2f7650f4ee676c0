//! Writes one stream: its records, states, statuses and logs.
//!
//! A STATE never covers records that were not written before it. Bars are emitted a second time only after a STATE in
//! which their blocks are in the backlog. With thousands of tickers such records are held back until one STATE covers
//! many of them, so that states don't outweigh records.

use std::collections::BTreeMap;
use std::io;

use super::emitted_events::EmittedEvents;
use super::state::{StreamState, TargetState};
use super::state_pace::StatePace;
use super::target::Target;
use crate::airbyte::{Output, RecordBatch, StreamStatus};
use crate::clock::SharedClock;
use crate::streams::Stream;

/// Batches of more bars than this are not held back.
const MAX_HELD_BARS: usize = 2_000;

/// Records that are held back until a STATE has put what they replace into the backlog.
#[derive(Default)]
struct Held {
    lines: Vec<u8>,
    records: u64,
    /// The states before and after the records, by ticker.
    states: BTreeMap<String, (TargetState, TargetState)>,
}

/// Writes one stream.
pub(super) struct StreamWriter<'a, 'w> {
    /// Where everything is written.
    pub(super) output: &'a mut Output<'w>,
    stream: &'static Stream,
    state: StreamState,
    clock: SharedClock,
    is_running: bool,
    held: Held,
    records_since_state: u64,
    pace: StatePace,
}

impl<'a, 'w> StreamWriter<'a, 'w> {
    /// Begins the stream with the state that `read` received.
    pub(super) fn start(
        stream: &'static Stream,
        state: StreamState,
        output: &'a mut Output<'w>,
        clock: SharedClock,
    ) -> io::Result<StreamWriter<'a, 'w>> {
        output.stream_status(stream, StreamStatus::Started)?;
        let state_size = state.to_json(stream).to_string().len();
        Ok(StreamWriter {
            output,
            stream,
            state,
            pace: StatePace::starting(state_size, clock.elapsed()),
            clock,
            is_running: false,
            held: Held::default(),
            records_since_state: 0,
        })
    }

    /// The state of a target as `read` received it.
    pub(super) fn state(&self, target: &Target) -> Option<TargetState> {
        self.state.target(&target.ticker).cloned()
    }

    /// Prepares to emit bars again: a STATE with `before` will precede them.
    pub(super) fn hold(&mut self, target: &Target, before: &TargetState) -> io::Result<()> {
        if self.held.states.contains_key(&target.ticker) {
            self.release()?;
        }
        self.held.states.insert(target.ticker.clone(), (before.clone(), before.clone()));
        Ok(())
    }

    /// Writes bars of a target; its state stays the same until [`StreamWriter::set`].
    pub(super) fn write(&mut self, target: &Target, batch: &RecordBatch<'_>) -> io::Result<()> {
        if self.held.states.contains_key(&target.ticker) {
            if batch.bars.len() <= MAX_HELD_BARS {
                batch.render(self.clock.now().timestamp_millis(), &mut self.held.lines);
                self.held.records += batch.bars.len() as u64;
                return Ok(());
            }
            self.release()?;
        }
        self.start_running()?;
        self.pace.wrote_records(self.output.records(batch)?);
        self.records_since_state += batch.bars.len() as u64;
        Ok(())
    }

    /// Notes the state of a target, and writes a STATE if one is due.
    pub(super) fn set(&mut self, target: &Target, state: &TargetState) -> io::Result<()> {
        if let Some((_, after)) = self.held.states.get_mut(&target.ticker) {
            after.clone_from(state);
            // Two states accompany the records.
            if self.pace.allows(2, self.held.lines.len()) {
                self.release()?;
            }
            return Ok(());
        }
        self.state.set(&target.ticker, state.clone());
        self.state_if_due()
    }

    /// The splits or dividends that were emitted.
    pub(super) fn events(&mut self) -> &mut EmittedEvents {
        &mut self.state.events
    }

    /// Writes records that were rendered before.
    pub(super) fn write_rendered(&mut self, lines: &[u8], records: u64) -> io::Result<()> {
        if records > 0 {
            self.start_running()?;
            self.output.rendered_records(lines)?;
            self.pace.wrote_records(lines.len());
            self.records_since_state += records;
        }
        Ok(())
    }

    /// Says that the API accepts no requests until `quota_reset`, in epoch milliseconds.
    pub(super) fn rate_limited(&mut self, quota_reset: i64) -> io::Result<()> {
        self.output.rate_limited(self.stream, quota_reset)
    }

    /// Ends the stream with its last STATE and status.
    pub(super) fn finish(mut self, status: StreamStatus) -> io::Result<()> {
        self.release()?;
        self.write_state()?;
        self.output.stream_status(self.stream, status)
    }

    fn start_running(&mut self) -> io::Result<()> {
        if !self.is_running {
            self.output.stream_status(self.stream, StreamStatus::Running)?;
            self.is_running = true;
        }
        Ok(())
    }

    /// Writes the records that are held back, between the STATE in which their blocks are in the backlog and the one in
    /// which they are not.
    fn release(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        if held.states.is_empty() {
            return Ok(());
        }
        for (ticker, (before, _)) in &held.states {
            self.state.set(ticker, before.clone());
        }
        self.write_state()?;
        self.write_rendered(&held.lines, held.records)?;
        for (ticker, (_, after)) in held.states {
            self.state.set(&ticker, after);
        }
        self.state_if_due()
    }

    /// Writes a STATE if one is due.
    pub(super) fn state_if_due(&mut self) -> io::Result<()> {
        if self.records_since_state > 0 && self.pace.is_due(self.clock.elapsed()) { self.write_state() } else { Ok(()) }
    }

    /// Writes a STATE.
    pub(super) fn write_state(&mut self) -> io::Result<()> {
        let state = self.state.to_json(self.stream);
        let size = self.output.state(self.stream, state, self.records_since_state)?;
        self.pace.wrote_state(size, self.clock.elapsed());
        self.records_since_state = 0;
        Ok(())
    }
}
