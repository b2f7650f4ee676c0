//! Reads a range of days of one ticker: finds out where the data is, and fetches it chunk by chunk.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::apply::apply;
use super::reader::{Opened, Reading, open};
use super::stream_run::{Result, Run, SyncError};
use super::target_sync::TargetSync;
use crate::calendar::{Date, DateRange, day_before};
use crate::polygon::{ApiError, Request};

/// How a range was read.
#[derive(Debug)]
pub(super) enum Read {
    /// To its end. Between several requests a split can have taken effect.
    Whole { by_several_requests: bool },
    /// History was restated, first seen at this cursor: the rest of the range is in the backlog.
    Restated { first: i64 },
    /// The plan includes none of these days; with the API's refusal, if it was asked.
    Refused(Option<ApiError>),
    /// The API returned none of the bars that were emitted, twice.
    Missing,
    /// There are no bars, and none were emitted.
    Empty,
}

/// Reads a range to its end.
pub(super) fn read_range(run: &mut Run<'_, '_>, sync: &mut TargetSync<'_>, days: DateRange) -> Result<Read> {
    let target = sync.target;
    let mut rest = days;
    let mut by_several_requests = false;
    loop {
        // One request for everything that is left: its first page shows where the data begins.
        let is_known = sync.state.cursor.is_some();
        let reading = match open(run, sync, rest, is_known || by_several_requests)? {
            Opened::Page(reading) => reading,
            Opened::Refused(error) => return Ok(Read::Refused(error)),
        };
        if reading.is_empty() && !by_several_requests {
            if !is_known {
                return Ok(Read::Empty);
            } else if expects_bars(sync, reading.chunk.days) {
                return Ok(Read::Missing);
            }
        }
        rest = reading.chunk.days;
        let boundaries = target.boundaries(&sync.state, rest);
        let last_day = reading.chunk.bars().next_back().map(|bar| target.calendar.date(bar.cursor));
        if !reading.has_next() || boundaries.last().is_none_or(|begin| Some(*begin) <= last_day) {
            let chunk = reading.finish(run, sync)?;
            // A last page can be empty.
            by_several_requests |= chunk.pages.iter().filter(|page| !page.rows.is_empty()).count() > 1;
            return Ok(match apply(run, sync, chunk, false)? {
                Some(first) => Read::Restated { first },
                None => Read::Whole { by_several_requests },
            });
        }
        by_several_requests = true;
        // The page's last day may be incomplete.
        let complete = boundaries.iter().rev().find(|day| Some(**day) <= last_day);
        if let Some(boundary) = complete {
            let mut chunk = reading.stop(run, sync)?;
            chunk.truncate(*boundary, target.calendar);
            chunk.days.to = day_before(*boundary);
            if let Some(first) = apply(run, sync, chunk, true)? {
                return Ok(Read::Restated { first });
            }
            rest.from = *boundary;
        }
        match read_chunks(run, sync, rest, complete.is_none())? {
            ControlFlow::Break(read) => return Ok(read),
            ControlFlow::Continue(day) => rest.from = day,
        }
    }
}

/// Reads a range in chunks, several of which are requested at the same time. Continues where a chunk has no bars: later
/// ones are found by a request for all that is left.
fn read_chunks(
    run: &mut Run<'_, '_>,
    sync: &mut TargetSync<'_>,
    range: DateRange,
    is_first_known_to_have_bars: bool,
) -> Result<ControlFlow<Read, Date>> {
    let target = sync.target;
    let mut waiting: VecDeque<(DateRange, Request)> =
        divide(range, &target.boundaries(&sync.state, range)).map(|days| (days, target.request(days))).collect();
    let mut is_first = is_first_known_to_have_bars;
    let mut outcome = ControlFlow::Break(Read::Whole { by_several_requests: true });
    while let Some((days, request)) = waiting.pop_front() {
        let is_last = waiting.is_empty();
        run.prefetch(&request);
        let _ = waiting.iter().take_while(|(_, request)| run.prefetch(request)).count();
        let chunk = match Reading::new(sync, days, is_first || is_last).finish(run, sync) {
            // A plan without today refuses a chunk that begins with it.
            Err(SyncError::Api(error)) if days.from >= target.window.today && error.is_before_plan_history() => {
                sync.state.backlog.remove(days);
                break;
            }
            chunk => chunk?,
        };
        if chunk.is_empty() && !is_first && !is_last {
            outcome = ControlFlow::Continue(days.from);
            break;
        }
        is_first = false;
        if let Some(first) = apply(run, sync, chunk, !is_last)? {
            outcome = ControlFlow::Break(Read::Restated { first });
            break;
        }
    }
    for (_, request) in &waiting {
        run.discard(request);
    }
    Ok(outcome)
}

fn divide(range: DateRange, boundaries: &[Date]) -> impl Iterator<Item = DateRange> {
    let begins = std::iter::once(range.from).chain(boundaries.iter().copied());
    let ends = boundaries.iter().map(|day| day_before(*day)).chain([range.to]);
    begins.zip(ends).map(|(from, to)| DateRange { from, to })
}

/// Whether bars of these days were emitted.
fn expects_bars(sync: &TargetSync<'_>, days: DateRange) -> bool {
    let is_known = sync.state.blocks.iter().any(|block| days.contains(block.from));
    let last = sync.state.cursor.map(|cursor| sync.target.calendar.date(cursor));
    is_known || last.is_some_and(|last| days.contains(last))
}
