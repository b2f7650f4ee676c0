//! Brings a whole market up to date, one request per day.
//!
//! A day without rows can be a holiday or a fault of the API. One ticker that always trades shows which.

use std::collections::{HashSet, VecDeque};

use super::holidays::resolve_empty_days;
use super::market_day::{Done, read_day, request};
use super::notices::Notice;
use super::reader::find_plan_start;
use super::state::TargetState;
use super::stream_run::{Result, Run, SyncError};
use super::target::Target;
use super::target_sync::TargetSync;
use crate::calendar::{Date, DateRange, day_before, utc_date, utc_midnight};

/// A line is logged after this many days.
const PROGRESS_DAYS: usize = 50;

/// Syncs a whole market.
pub(super) fn sync(run: &mut Run<'_, '_>, mut sync: TargetSync<'_>) -> Result<()> {
    let (target, sync) = (sync.target, &mut sync);
    let mut days = days_to_read(target, &sync.state);
    let last_day = target.last_day(&sync.state);
    let (all, mut done) = (days.len(), Done::default());
    while let Some(day) = days.pop_front() {
        run.set_left(target.stream.name, days.len() + 1, all, "day");
        run.prefetch(&request(target, day));
        let _ = days.iter().take_while(|day| run.prefetch(&request(target, **day))).count();
        match run.fetch(&request(target, day)) {
            Ok(page) => read_day(run, sync, &mut done, day, page)?,
            // To the API, the last day is still today.
            Err(SyncError::Api(error)) if error.is_before_end_of_day() && day == last_day => {
                sync.state.backlog.remove(DateRange::day(day));
            }
            Err(SyncError::Api(error)) if error.is_before_plan_history() => {
                let start = find_plan_start(run, target, DateRange { from: day, to: last_day })?;
                if start.is_none() && Some(utc_midnight(day)) > sync.state.cursor {
                    return Err(error.into());
                }
                skip_until(run, sync, &mut days, day, start)?;
            }
            Err(error) => return Err(error),
        }
        let read = run.totals.days;
        if read.is_multiple_of(PROGRESS_DAYS) && read > 0 {
            run.notice(target, &Notice::MarketProgress { read, all: read + days.len(), day })?;
        }
    }
    resolve_empty_days(run, sync, &mut done)?;
    let pending: Vec<Date> = sync.state.backlog.ranges().iter().flat_map(|range| range.days()).collect();
    for day in pending.into_iter().filter(|day| !target.market.trades_on(*day)) {
        sync.state.backlog.remove(DateRange::day(day));
    }
    run.writer.set(target, &sync.state)?;
    sync.report(run)
}

/// The backlog, then the last day and all that follow, then older days to verify.
fn days_to_read(target: &Target, state: &TargetState) -> VecDeque<Date> {
    let tail = target.tail(state, false);
    let to = target.last_day(state).min(target.calendar.date(target.window.last_final_cursor));
    let backlog = state.backlog.ranges().iter().flat_map(|range| DateRange { to: range.to.min(to), ..*range }.days());
    let due = target.due(state, target.was_verified_today(state));
    let (mut days, mut seen) = (VecDeque::new(), HashSet::new());
    for day in backlog.chain(tail.days()).chain(due) {
        if target.market.trades_on(day) && day <= to && seen.insert(day) {
            days.push_back(day);
        }
    }
    days
}

/// The first day that a sync requests.
pub(super) fn first_day(target: &Target, known: Option<TargetState>) -> Option<Date> {
    let (state, _) = target.begin(known);
    days_to_read(target, &state).front().copied()
}

/// The plan includes no days before `start`, or none of the known ones at all.
fn skip_until(
    run: &mut Run<'_, '_>,
    sync: &mut TargetSync<'_>,
    days: &mut VecDeque<Date>,
    day: Date,
    start: Option<Date>,
) -> Result<()> {
    let TargetSync { target, state, .. } = sync;
    let last_refused = start.map_or_else(|| state.cursor.map_or(day, utc_date), day_before);
    for skipped in days.iter().filter(|day| **day <= last_refused) {
        run.discard(&request(target, *skipped));
    }
    let refused = DateRange { from: day, to: last_refused };
    if Some(utc_midnight(day)) > state.cursor || state.backlog.contains(day) {
        run.notice(target, &Notice::OutsidePlan { days: refused, start })?;
    }
    days.retain(|day| *day > last_refused);
    state.backlog.remove(refused);
    if start.is_some() {
        // The plan's history has moved on past these days, so they can't be verified any more.
        state.blocks.retain(|block| !refused.contains(block.from));
    }
    Ok(())
}
