//! Brings the bars of one ticker up to date: first the backlog, then the end of the history, then the verification of an
//! older block. Whatever is missing or differs goes through the backlog.

use super::notices::{Notice, list_names};
use super::plan_start::may_be_hidden;
use super::range::{Read, read_range};
use super::reader::plan_start;
use super::state::TargetState;
use super::stream_run::{Result, Run};
use super::target::{Layout, Target};
use super::target_sync::TargetSync;
use crate::calendar::{Date, DateRange};
use crate::polygon::ApiError;
use crate::ticker_hint::hint;

/// How often a history is read again in one run because its prices changed.
const MAX_RESTATEMENTS: u32 = 2;

/// A ticker without a bar for this many trading days may have been renamed, delisted or halted.
const SILENT_AFTER_DAYS: usize = 10;

/// What to read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    days: DateRange,
    why: Why,
}

/// Why these days are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// They are in the backlog.
    Backlog,
    /// They are the end of the history: what is verified on every sync, and all that follows.
    Tail,
    /// They are an older block, which is to be verified.
    Verify,
}

/// What this run has done with a history.
#[derive(Debug, Default)]
struct Done {
    /// Whether the end of the history was read.
    tail: bool,
    /// Whether an earlier sync has verified older blocks today; taken when this one chooses what to verify.
    was_verified_today: Option<bool>,
    /// The blocks that are still to be verified, by their first days.
    due: Vec<Date>,
    /// Whether what was read first is or was due, because a split can have taken effect between two requests.
    is_confirmed: bool,
    restatements: u32,
    /// Ranges that stay in the backlog until the next sync.
    postponed: Vec<DateRange>,
}

impl Done {
    fn starting(target: &Target, state: &TargetState) -> Done {
        Done { was_verified_today: Some(target.was_verified_today(state)), ..Done::default() }
    }

    /// The next step; `None` if nothing is left to do.
    fn next(&mut self, target: &Target, state: &TargetState) -> Option<Step> {
        let last_day = target.last_day(state);
        if target.layout() == Layout::Bars {
            let is_due = !self.tail || !self.due.is_empty();
            self.due.clear();
            let days = target.tail(state, false);
            return (is_due && !days.is_empty()).then_some(Step { days, why: Why::Tail });
        }
        let pending = state.backlog.ranges().iter().map(|range| DateRange { to: range.to.min(last_day), ..*range });
        let mut pending = pending.filter(|range| {
            !range.is_empty() && !self.postponed.iter().any(|postponed| postponed.contains(range.from))
        });
        if let Some(days) = pending.next() {
            // One request returns it together with the end of the history, if it is part of that.
            let tail = target.tail(state, false);
            let is_part = tail.contains(days.from);
            return Some(if is_part { Step { days: tail, why: Why::Tail } } else { Step { days, why: Why::Backlog } });
        }
        // Not before: what is in the backlog has no blocks, so others would count as the last two sessions.
        if let Some(was_verified_today) = self.was_verified_today.take() {
            self.due.extend(target.due(state, was_verified_today));
        }
        let newest = target.newest_older(state).map(|block| block.from);
        let is_newest_due = newest.is_some_and(|newest| self.due.contains(&newest));
        let tail = target.tail(state, is_newest_due);
        if !self.tail && !tail.is_empty() {
            self.due.retain(|from| Some(*from) != newest);
            return Some(Step { days: tail, why: Why::Tail });
        }
        while let Some(day) = self.due.pop() {
            if let Some(place) = state.block_of(day) {
                let days = block_days(target, state, place, last_day);
                self.due.retain(|other| !days.contains(*other));
                return Some(Step { days, why: Why::Verify });
            }
        }
        None
    }
}

/// The days of an older block, with its neighbours of the same months, which one request returns together, and with those
/// before the first one, in which late bars can appear. A single bar does not distinguish a split from a correction: its
/// block is compared with those that follow.
fn block_days(target: &Target, state: &TargetState, place: usize, last_day: Date) -> DateRange {
    let months = |place: usize| target.block_start(state.blocks[place].from);
    let bars = |last: usize| state.blocks[place..=last].iter().map(|block| block.contents.bars).sum::<u32>();
    let older = state.blocks.len().saturating_sub(2).max(place + 1);
    let earlier = (0..place).rev().take_while(|other| months(*other) == months(place));
    let first = earlier.last().filter(|_| bars(place) > 1).unwrap_or(place);
    let last = (place..older).take_while(|other| months(*other) == months(place)).last().unwrap_or(place);
    let last = (last..state.blocks.len()).find(|last| bars(*last) > 1).unwrap_or(last);
    let from = if first == 0 { state.since } else { state.blocks[first].from };
    DateRange { from, to: state.days_of(last, last_day).to }
}

/// The days of the first request of a sync, if it has one.
pub(super) fn first_days(run: &Run<'_, '_>, target: &Target, known: Option<TargetState>) -> Option<DateRange> {
    let (state, _) = target.begin(known);
    let days = Done::starting(target, &state).next(target, &state)?.days;
    let start = plan_start(run, target, &state);
    Some(DateRange { from: start.map_or(days.from, |start| start.max(days.from)), ..days })
        .filter(|days| !days.is_empty())
}

/// Syncs one ticker.
pub(super) fn sync(run: &mut Run<'_, '_>, mut sync: TargetSync<'_>) -> Result<()> {
    let mut done = Done::starting(sync.target, &sync.state);
    while let Some(step) = done.next(sync.target, &sync.state) {
        take(run, &mut sync, &mut done, step)?;
    }
    run.writer.set(sync.target, &sync.state)?;
    report_gaps(run, &sync)?;
    sync.report(run)
}

/// Takes a step.
fn take(run: &mut Run<'_, '_>, sync: &mut TargetSync<'_>, done: &mut Done, step: Step) -> Result<()> {
    let (target, days) = (sync.target, step.days);
    let read = read_range(run, sync, days)?;
    let state = &mut sync.state;
    let reads_tail = days.to >= target.last_day(state);
    match read {
        Read::Whole { by_several_requests } => {
            done.tail |= reads_tail;
            let is_intraday = target.layout() == Layout::Sessions;
            let first = state.blocks.first().filter(|_| state.blocks.len() > 2 || !is_intraday);
            let is_in_parts = by_several_requests || (is_intraday && done.restatements > 0);
            if let (true, false, Some(first)) = (is_in_parts, done.is_confirmed, first)
                && step.why != Why::Verify
            {
                done.is_confirmed = true;
                // It is the last one, and shows a split of any later date.
                done.due.insert(0, first.from);
            }
        }
        Read::Restated { first } => {
            done.tail |= reads_tail;
            restate(run, sync, done, first)?;
        }
        Read::Refused(refusal) => refused(run, sync, done, step, refusal)?,
        Read::Missing => missing(run, sync, done, step)?,
        Read::Empty => {
            done.tail = true;
            done.postponed.extend(state.backlog.ranges());
            let since = state.since;
            let hint = hint(&target.ticker);
            note_missing(run, sync, since, Notice::NoBars { days, hint })?;
        }
    }
    Ok(())
}

/// Prices changed, so everything else is in the backlog now. It is read again, unless that was done twice.
fn restate(run: &mut Run<'_, '_>, sync: &TargetSync<'_>, done: &mut Done, first: i64) -> Result<()> {
    let (target, state) = (sync.target, &sync.state);
    done.restatements += 1;
    if target.layout() == Layout::Sessions {
        // Later requests read the rest, whose first block is compared again, too.
        done.is_confirmed = false;
        done.due = vec![target.calendar.date(first)];
    }
    let (first, since) = (target.text(first), state.since);
    if done.restatements <= MAX_RESTATEMENTS {
        return run.notice(target, &Notice::Restated { first, since });
    }
    done.postponed.extend(state.backlog.ranges());
    done.due = Vec::new();
    match state.backlog.ranges() {
        [] => Ok(()),
        [days, ..] => run.notice(target, &Notice::StillRestated { days: *days }),
    }
}

/// The plan includes none of the days.
fn refused(
    run: &mut Run<'_, '_>,
    sync: &mut TargetSync<'_>,
    done: &mut Done,
    Step { days, why }: Step,
    refusal: Option<ApiError>,
) -> Result<()> {
    let TargetSync { target, state, .. } = sync;
    let is_over = days.from < target.window.today;
    match (why, refusal) {
        // The plan's history has moved on past the block.
        (Why::Verify, _) => state.blocks.retain(|block| !days.contains(block.from)),
        // A plan without intraday data refuses today.
        _ if !is_over => {
            done.tail = true;
            done.postponed.push(days);
        }
        (_, Some(refusal)) if state.cursor.is_none() => return Err(refusal.into()),
        (_, refusal) => {
            if state.backlog.ranges().iter().any(|range| days.contains(range.from)) {
                state.backlog.remove(days);
                run.notice(target, &Notice::OutsidePlan { days, start: None })?;
            }
            done.tail |= why == Why::Tail;
            // While the plan includes not even the last days, whether it includes older ones can't be told.
            done.due.retain(|_| why != Why::Tail);
            let last = state.cursor.map_or(state.since, |cursor| target.calendar.last_day(cursor));
            if let (Why::Tail, true, Some(refusal)) = (why, target.trading_days_after(last) > 0, refusal) {
                // Otherwise the table would stop growing without any error.
                return Err(refusal.into());
            }
        }
    }
    Ok(())
}

/// The API returned none of the bars of these days, twice.
fn missing(run: &mut Run<'_, '_>, sync: &mut TargetSync<'_>, done: &mut Done, step: Step) -> Result<()> {
    let TargetSync { target, state, .. } = &mut *sync;
    let Step { days, why } = step;
    let last = state.cursor.filter(|cursor| days.contains(target.calendar.date(*cursor)));
    match (why, last) {
        // Whether the ticker has bars at all is seen at the end of the history.
        (Why::Backlog, Some(_)) if days.to < target.last_day(state) => done.postponed.push(days),
        (_, Some(cursor)) => {
            done.tail = true;
            done.postponed.extend(state.backlog.ranges());
            let (since, last) = (target.calendar.last_day(cursor), target.text(cursor));
            note_missing(run, sync, since, Notice::AllMissing { last })?;
        }
        // Nothing more is known than that the ticker's bars are missing; the next day, it is another block's turn.
        (Why::Verify, None) if state.is_missing => {
            let blocks = state.blocks.iter_mut().filter(|block| days.contains(block.from));
            blocks.for_each(|block| block.verified = block.verified.map(|_| target.window.today));
        }
        _ => {
            let gone = state.blocks.iter().filter(|block| days.contains(block.from));
            let bars = gone.map(|block| block.contents.bars).sum();
            state.backlog.remove(days);
            if !may_be_hidden(days.to, target.window.today) {
                run.notice(target, &Notice::Missing { bars, days })?;
            }
            state.blocks.retain(|block| !days.contains(block.from));
        }
    }
    Ok(())
}

/// Reports, once, that a ticker has no bars since a day.
fn note_missing(run: &mut Run<'_, '_>, sync: &mut TargetSync<'_>, since: Date, notice: Notice) -> Result<()> {
    if sync.state.is_missing {
        return run.notice(sync.target, &Notice::StillNoBars { since });
    }
    sync.state.is_missing = true;
    run.report_empty(sync.target, notice);
    Ok(())
}

/// Warns about long stretches without bars.
fn report_gaps(run: &mut Run<'_, '_>, TargetSync { target, state, emitted }: &TargetSync<'_>) -> Result<()> {
    if let (Some(cursor), false) = (state.cursor, state.is_missing) {
        let last = target.calendar.last_day(cursor);
        if target.trading_days_after(last) >= SILENT_AFTER_DAYS {
            run.totals.silent.push(format!("{} ({last})", target.ticker));
        }
    }
    if emitted.gaps.is_empty() {
        return Ok(());
    }
    let gaps = list_names(&emitted.gaps);
    run.notice(target, &Notice::Gaps { gaps })
}
