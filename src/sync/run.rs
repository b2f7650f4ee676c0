//! A run: all series of all streams, one after another, with one pool of requests for all of them.

use super::plan_history::PlanStarts;
use super::reader::first_request;
use super::series::{SeriesSync, SyncError};
use super::source::{FirstRequest, PageSource};
use super::state_json::StreamState;
use super::steps::Plan;
use super::window::SyncWindow;
use super::writer::StreamWriter;
use crate::airbyte::{Output, StreamStatus};
use crate::bar_calendar::BarCalendar;
use crate::calendar::{DateRange, day_after};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::error::{Error, Failure};
use crate::notices::Remaining;
use crate::panics::catch_panic;
use crate::polygon::{ApiError, Client, Fetcher, Request};
use crate::progress::Progress;
use crate::streams::{Endpoint, SeriesId, Stream};

/// After so many series in a row without any usable answer, the API is down, and the run ends.
const MAX_UNAVAILABLE_IN_A_ROW: usize = 3;

/// A stream that is to be synced, with what its series start from.
struct StreamPlan {
    stream: &'static Stream,
    state: StreamState,
    series: Vec<(Plan, SeriesId)>,
}

impl StreamPlan {
    fn new(
        stream: &'static Stream,
        mut state: StreamState,
        config: &Config,
        clock: &SharedClock,
    ) -> StreamPlan {
        let basis = stream.price_basis(config);
        let series = stream.series(config);
        state.spread_tutorial_start(&series, basis);
        let now = clock.now();
        let plan = |series: SeriesId| {
            let calendar = BarCalendar {
                timespan: stream.timespan,
                zone: series.market().zone(),
            };
            let window = SyncWindow::at(now, calendar, config.start_date, config.end_date);
            (
                Plan {
                    stream,
                    calendar,
                    window,
                    basis,
                },
                series,
            )
        };
        StreamPlan {
            stream,
            state,
            series: series.into_iter().map(plan).collect(),
        }
    }

    /// The first request of each series that has one.
    fn first_requests(&self) -> impl Iterator<Item = (usize, Request)> {
        let request = |(number, (plan, series)): (usize, &(Plan, SeriesId))| {
            let days = plan.first_read(self.state.stretch(series).cloned())?;
            Some((number, first_request(plan, series, days)?))
        };
        self.series.iter().enumerate().filter_map(request)
    }
}

/// How the sync of a stream or of the run went so far.
#[derive(Default)]
struct Outcome {
    failures: Vec<Failure>,
    unavailable_in_a_row: usize,
    /// Every further request would fail the same way.
    is_fatal: bool,
}

impl Outcome {
    fn add(&mut self, error: ApiError, subject: &str) {
        let is_unavailable = matches!(error, ApiError::Unavailable { .. });
        self.unavailable_in_a_row = if is_unavailable {
            self.unavailable_in_a_row + 1
        } else {
            0
        };
        self.is_fatal |= matches!(error, ApiError::Unauthorized(_) | ApiError::RateLimited(_))
            || self.unavailable_in_a_row >= MAX_UNAVAILABLE_IN_A_ROW;
        self.failures.push(error.into_failure(subject));
    }
}

/// Syncs the streams in their order, from the states that they were handed.
pub(crate) fn sync(
    config: &Config,
    streams: Vec<(&'static Stream, StreamState)>,
    client: Client,
    clock: &SharedClock,
    output: &mut Output<'_>,
    progress: &mut Progress,
) -> Result<(), Error> {
    let plans: Vec<_> = streams
        .into_iter()
        .map(|(stream, state)| StreamPlan::new(stream, state, config, clock))
        .collect();
    let mut offset = 0;
    let offsets: Vec<usize> = plans
        .iter()
        .map(|plan| {
            offset += plan.series.len();
            offset - plan.series.len()
        })
        .collect();
    let mut ahead = plans.iter().zip(&offsets).flat_map(|(plan, offset)| {
        plan.first_requests()
            .map(move |(number, request)| -> FirstRequest { (offset + number, request) })
    });
    let mut source = PageSource::new(Fetcher::new(client), &mut ahead);
    let (mut plan_starts, mut outcome) = (PlanStarts::new(), Outcome::default());
    for (plan, offset) in plans.iter().zip(&offsets) {
        let writer = StreamWriter::start(
            plan.stream,
            plan.state.clone(),
            output,
            progress,
            clock.clone(),
        )?;
        sync_stream(
            plan,
            *offset,
            writer,
            &mut source,
            &mut plan_starts,
            &mut outcome,
            clock,
        )?;
        if outcome.is_fatal {
            break;
        }
    }
    if outcome.failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::merge(&outcome.failures).into())
    }
}

fn sync_stream(
    plan: &StreamPlan,
    offset: usize,
    mut writer: StreamWriter<'_, '_>,
    source: &mut PageSource<'_>,
    plan_starts: &mut PlanStarts,
    outcome: &mut Outcome,
    clock: &SharedClock,
) -> Result<(), Error> {
    let failures_before = outcome.failures.len();
    writer
        .progress
        .start_stream(plan.stream.name, plan.series.len());
    for (number, (series_plan, series)) in plan.series.iter().enumerate() {
        source.begin_series(offset + number);
        writer.remaining = Some(remaining(plan, number, &writer, source));
        let sync = SeriesSync::new(
            *series_plan,
            series,
            source,
            &mut writer,
            plan_starts,
            clock,
        );
        match catch_panic(|| sync.run()) {
            Ok(Ok(())) => outcome.unavailable_in_a_row = 0,
            Ok(Err(SyncError::Output(error))) => return Err(error.into()),
            Ok(Err(SyncError::Api(error))) => {
                outcome.add(error, plan.stream.display_name(series));
                log_last_failure(outcome, &mut writer)?;
            }
            Err(bug) => {
                outcome.failures.push(bug);
                log_last_failure(outcome, &mut writer)?;
            }
        }
        writer.progress.finish_ticker();
        if outcome.is_fatal {
            break;
        }
    }
    let is_complete = outcome.failures.len() == failures_before && !outcome.is_fatal;
    writer.finish(if is_complete {
        StreamStatus::Complete
    } else {
        StreamStatus::Incomplete
    })?;
    Ok(())
}

fn log_last_failure(outcome: &Outcome, writer: &mut StreamWriter<'_, '_>) -> std::io::Result<()> {
    outcome
        .failures
        .last()
        .map_or(Ok(()), |failure| writer.log_error(&failure.message))
}

/// What is left of a stream, and about how long it will take at the pace that the API allows.
fn remaining(
    plan: &StreamPlan,
    done: usize,
    writer: &StreamWriter<'_, '_>,
    source: &PageSource<'_>,
) -> Remaining {
    /// What the cheapest plan lets through.
    const MIN_LIMIT: usize = 5;
    let (left, all, are_days) = match (plan.stream.endpoint, plan.series.first()) {
        (Endpoint::Grouped, Some((series_plan, series))) => {
            let window = series_plan.window;
            let read_to = writer.stretch(series).and_then(|stretch| stretch.cursor);
            let next = read_to.map_or(window.first_day, |cursor| {
                day_after(series_plan.calendar.date(cursor))
            });
            let days = |from| {
                DateRange {
                    from,
                    to: window.last_day,
                }
                .weekdays()
                .count()
            };
            (days(next), days(window.first_day), true)
        }
        _ => (plan.series.len() - done, plan.series.len(), false),
    };
    let minutes = left.div_ceil(source.limit().unwrap_or(MIN_LIMIT).max(1));
    Remaining {
        left,
        all,
        are_days,
        minutes,
    }
}
