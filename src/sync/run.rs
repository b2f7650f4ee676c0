//! A run: all targets of all streams, one after another, with one source of pages for all of them.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use super::notices::{Notice, list_names};
use super::plan_start::PlanStarts;
use super::state::StreamState;
use super::stream_run::{Result, Run, SyncError, Totals, Waiting};
use super::target::{Layout, Target};
use super::target_sync::TargetSync;
use super::writer::StreamWriter;
use super::{corporate_actions, history, market_days};
use crate::airbyte::{Output, StreamStatus};
use crate::calendar::DateRange;
use crate::clock::SharedClock;
use crate::config::Config;
use crate::error::{Error, Failure};
use crate::log_level::LogLevel;
use crate::panics::catch_panic;
use crate::polygon::{ApiError, PageSource, Request};
use crate::streams::{Endpoint, Stream};
use crate::terminal::Progress;

/// After this many targets in a row without any response, the API is down, and the run ends.
const MAX_UNAVAILABLE_IN_A_ROW: usize = 3;

/// How the run went so far.
#[derive(Debug, Default)]
struct Outcome {
    failures: Vec<Failure>,
    unavailable_in_a_row: usize,
    /// Every further request would fail alike.
    is_fatal: bool,
}

impl Outcome {
    /// Notes how a target went. Returns an error if nothing can be written any more.
    fn note(
        &mut self,
        output: &mut Output<'_>,
        subject: &str,
        result: std::result::Result<Result<()>, Failure>,
    ) -> io::Result<()> {
        let failures = self.failures.len();
        match result {
            Ok(Ok(())) => self.unavailable_in_a_row = 0,
            Ok(Err(SyncError::Output(error))) => return Err(error),
            Ok(Err(SyncError::Api(error))) => self.add(error, subject),
            Err(bug) => self.failures.push(bug),
        }
        match self.failures.get(failures) {
            Some(failure) => output.log(LogLevel::Error, &failure.message),
            None => Ok(()),
        }
    }

    fn add(&mut self, error: ApiError, subject: &str) {
        self.unavailable_in_a_row = if error.is_unavailable() { self.unavailable_in_a_row + 1 } else { 0 };
        self.is_fatal |= error.is_fatal() || self.unavailable_in_a_row >= MAX_UNAVAILABLE_IN_A_ROW;
        self.failures.push(error.into_failure(subject));
    }
}

/// Syncs the streams in their order, from the states that `read` received.
pub(crate) fn sync(
    config: &Config,
    streams: Vec<(&'static Stream, StreamState)>,
    mut pages: PageSource,
    clock: &SharedClock,
    output: &mut Output<'_>,
    progress: &mut Progress,
) -> std::result::Result<(), Error> {
    let mut outcome = Outcome::default();
    let mut plan_starts = PlanStarts::new();
    for (stream, mut state) in streams {
        let targets = Target::all(stream, config, clock.now());
        let tickers = targets.iter().map(|target| target.ticker.as_str());
        state.spread_tutorial_date(tickers, stream.is_adjusted(config.adjusted));
        let mut run = Run {
            progress,
            pages: &mut pages,
            clock: clock.clone(),
            writer: StreamWriter::start(stream, state, output, clock.clone())?,
            plan_starts: std::mem::take(&mut plan_starts),
            totals: Totals::default(),
            waiting: Waiting::default(),
        };
        let failures = outcome.failures.len();
        if !outcome.is_fatal {
            sync_stream(&mut run, stream, &targets, &mut outcome)?;
        }
        plan_starts = run.plan_starts;
        let is_complete = outcome.failures.len() == failures && !outcome.is_fatal;
        run.writer.finish(if is_complete { StreamStatus::Complete } else { StreamStatus::Incomplete })?;
    }
    if outcome.failures.is_empty() { Ok(()) } else { Err(Failure::merge(&outcome.failures).into()) }
}

fn sync_stream(
    run: &mut Run<'_, '_>,
    stream: &'static Stream,
    targets: &[Target],
    outcome: &mut Outcome,
) -> std::result::Result<(), Error> {
    let started = run.clock.elapsed();
    if let Endpoint::Actions { kind, .. } = stream.endpoint {
        let result = catch_panic(|| corporate_actions::sync(run, stream, kind, targets));
        outcome.note(run.writer.output, stream.name, result)?;
    } else {
        sync_targets(run, targets, outcome)?;
    }
    report(run, stream, targets, started).map_err(|error| match error {
        SyncError::Output(error) => Error::Output(error),
        SyncError::Api(error) => Error::Failure(error.into_failure(stream.name)),
    })
}

/// Syncs the tickers of a stream of bars, or its market.
fn sync_targets(run: &mut Run<'_, '_>, targets: &[Target], outcome: &mut Outcome) -> io::Result<()> {
    // The first requests of this target and of those that follow, as they were sent.
    let mut sent = VecDeque::new();
    for (number, target) in targets.iter().enumerate() {
        send_ahead(run, &targets[number + sent.len()..], &mut sent);
        if !target.ticker.is_empty() {
            run.set_left(target.stream.name, targets.len() - number, targets.len(), "ticker");
        }
        let known = run.writer.state(target);
        let result = catch_panic(|| {
            let sync = TargetSync::begin(run, target, known)?;
            match target.layout() {
                Layout::Days => market_days::sync(run, sync),
                Layout::Bars | Layout::Sessions => history::sync(run, sync),
            }
        });
        outcome.note(run.writer.output, &target.name(), result)?;
        if let Some(Some(request)) = sent.pop_front() {
            run.discard(&request);
        }
        if outcome.is_fatal {
            break;
        }
    }
    Ok(())
}

/// Sends the first requests of targets, while there is capacity.
fn send_ahead(run: &mut Run<'_, '_>, targets: &[Target], sent: &mut VecDeque<Option<Request>>) {
    for target in targets {
        let request = first_request(run, target);
        if request.as_ref().is_some_and(|request| !run.prefetch(request)) {
            break;
        }
        sent.push_back(request);
    }
}

/// The first request of a target, which can be sent while others are synced.
fn first_request(run: &Run<'_, '_>, target: &Target) -> Option<Request> {
    let known = run.writer.state(target);
    let days = match target.layout() {
        Layout::Days => market_days::first_day(target, known).map(DateRange::day),
        Layout::Bars | Layout::Sessions => history::first_days(run, target, known),
    };
    Some(target.request(days?))
}

/// Ends the log of a stream: what concerns several of its tickers, and a summary.
fn report(run: &mut Run<'_, '_>, stream: &Stream, targets: &[Target], started: Duration) -> Result<()> {
    let name = stream.name;
    let totals = std::mem::take(&mut run.totals);
    if !totals.silent.is_empty() {
        let names = list_names(&totals.silent);
        run.log(name, &Notice::Silent { names })?;
    }
    let tickers = totals.empty.len();
    if tickers == targets.len() && tickers > 1 {
        run.log(name, &Notice::AllEmpty { tickers })?;
    } else {
        for (target, notice) in &totals.empty {
            run.log(target, notice)?;
        }
    }
    let (targets, unit) = match stream.endpoint {
        Endpoint::Range => (targets.len(), "ticker"),
        Endpoint::Grouped(_) => (totals.days, "day"),
        Endpoint::Actions { .. } => (totals.tickers, "ticker"),
    };
    let summary = Notice::Summary {
        targets,
        unit,
        records: totals.records,
        corrected: totals.corrected,
        requests: totals.requests,
        seconds: run.clock.elapsed().saturating_sub(started).as_secs_f64(),
    };
    Ok(run.writer.output.show(LogLevel::Info, &format!("{name}: {summary}"))?)
}
