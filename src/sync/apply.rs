//! Applies a chunk of bars to the destination: compares it with the state, emits what is new or differs, and notes it.

use super::blocks::Block;
use super::checksum::VERSION;
use super::chunk::{Chunk, DayOfBars, runs};
use super::compare::{Comparison, blocks_of, compare, compared_days, merge_sessions};
use super::notices::Notice;
use super::plan_start::may_begin_within;
use super::reader::plan_start;
use super::state::TargetState;
use super::stream_run::{Result, Run};
use super::target::{Layout, Target};
use super::target_sync::TargetSync;
use crate::bars::{Bar, Page};
use crate::calendar::{Date, DateRange, days_before};
use crate::timespan::Timespan;

/// A first bar that is this many days later than requested is worth a warning; no holidays are as long.
const MAX_START_GAP_DAYS: i64 = 10;

/// A plan's history begins at most this many days before the first bar that it shows.
const PLAN_START_GAP_DAYS: u64 = 3;

/// A symbol without bars for longer than this may have been given to another company.
const MAX_GAP_DAYS: i64 = 30;

/// Applies a chunk; `more` of the same range follows. Returns the first bar of the chunk if history was restated: then
/// everything else is in the backlog.
pub(super) fn apply(
    run: &mut Run<'_, '_>,
    sync: &mut TargetSync<'_>,
    mut chunk: Chunk,
    more: bool,
) -> Result<Option<i64>> {
    let target = sync.target;
    let fragment = drop_fragment(target, &sync.state, &mut chunk);
    let fresh = chunk.by_day(target.calendar, sync.state.cursor, VERSION);
    let mut comparison = compare(target, &sync.state, &chunk, &fresh);
    comparison.changed.retain(|days| Some(days.from) != fragment);
    for &(days, bars) in &comparison.missing {
        run.notice(target, &Notice::Missing { bars, days })?;
    }
    let restated = chunk.bars().map(|bar| bar.cursor).min().filter(|_| comparison.is_restated);
    sync.emitted.is_restated |= restated.is_some();
    if let (Some(_), true, Some(next)) = (fragment, sync.emitted.is_restated, fresh.first()) {
        sync.emitted.is_restated = false;
        run.notice(target, &Notice::OldPrices { first: next.day })?;
    }
    warn_about_days(run, sync, chunk.days, &fresh)?;

    let mut blocks = blocks_of(target, chunk.days, &fresh);
    blocks.extend(sync.state.blocks.iter().filter(|block| Some(block.from) == fragment).copied());
    if target.layout() == Layout::Sessions {
        keep_hidden(target, &sync.state, &comparison, &mut blocks);
    }
    let is_earliest = |first: &Block| sync.state.blocks.first().is_none_or(|block| block.from >= first.from);
    if let Some(first) = blocks.first_mut().filter(|first| restated.is_some() || (more && is_earliest(first))) {
        // Until everything else was read, and this block compared again.
        first.verified = None;
    }
    let (before, after) = states(sync, &chunk, &comparison, blocks);
    if !comparison.changed.is_empty() {
        run.writer.hold(target, &before)?;
    }
    for (page, bars) in select(sync, &chunk, &comparison) {
        sync.emit(run, page, bars)?;
    }
    run.writer.set(target, &after)?;
    sync.state = after;
    Ok(restated)
}

/// The states before and after the bars of a chunk are emitted, which have these blocks then.
fn states(
    TargetSync { target, state, .. }: &TargetSync<'_>,
    chunk: &Chunk,
    comparison: &Comparison,
    blocks: Vec<Block>,
) -> (TargetState, TargetState) {
    let (mut before, mut after) = (state.clone(), state.clone());
    // Of days and longer bars, everything was compared already.
    if comparison.is_restated && target.layout() == Layout::Sessions {
        let everything = DateRange { from: state.since, to: target.last_day(state) };
        before.backlog.add(everything);
        after.backlog.add(everything);
    }
    before.forget(&comparison.changed);
    after.replace(compared_days(target, state, chunk.days), blocks);
    let growth = state.blocks.len().checked_sub(2).map(|place| state.blocks[place].from);
    merge_sessions(target, &mut after, chunk.days, growth);
    after.cursor = after.cursor.max(chunk.bars().map(|bar| bar.cursor).max());
    // Bars of an older block do not mean that the end of the history is back.
    after.is_missing &= state.cursor.is_some_and(|cursor| !chunk.days.contains(target.calendar.date(cursor)));
    (before, after)
}

/// Selects the bars of a chunk that are new, or in blocks that changed, as slices of its pages.
fn select<'a>(sync: &mut TargetSync<'_>, chunk: &'a Chunk, comparison: &Comparison) -> Vec<(&'a Page, &'a [Bar])> {
    let TargetSync { target, state, emitted } = sync;
    let mut batches: Vec<(&Page, &[Bar])> = Vec::new();
    for page in &chunk.pages {
        let bars = &page.rows;
        let mut selected = 0..0;
        for (day, days_bars) in runs(bars, target.calendar) {
            let known = bars[days_bars.clone()].partition_point(|bar| Some(bar.cursor) <= state.cursor);
            let is_known = known > 0 && comparison.known.iter().any(|days| days.contains(day));
            let is_changed = comparison.changed.iter().any(|days| days.contains(day));
            let begin = if is_known && !is_changed { days_bars.start + known } else { days_bars.start };
            if is_known && is_changed {
                emitted.correct(day, known);
            }
            if begin != selected.end {
                batches.push((page, &bars[selected]));
                selected = begin..begin;
            }
            selected.end = days_bars.end;
        }
        batches.push((page, &bars[selected]));
    }
    batches.retain(|(_, bars)| !bars.is_empty());
    batches
}

/// Keeps what is known of blocks whose beginning the plan hides: if history is restated, what is left of them is emitted.
fn keep_hidden(target: &Target, state: &TargetState, comparison: &Comparison, blocks: &mut Vec<Block>) {
    for days in &comparison.hidden {
        let visible = blocks.len();
        // No earlier block has visible bars, so all bars up to the end of this one are its own.
        blocks.retain(|block| block.from > days.to);
        let known = state.blocks.iter().find(|block| block.from == days.from);
        if let (true, Some(known)) = (blocks.len() < visible, known) {
            let verified = Some(target.window.today);
            blocks.push(Block { verified, ..*known });
        }
    }
}

/// Removes a week or month that was emitted, and in which the plan's history may begin: the API may have built it from only
/// some of its days, so it can neither be compared nor replace the complete bar. Returns its first day.
fn drop_fragment(target: &Target, state: &TargetState, chunk: &mut Chunk) -> Option<Date> {
    let timespan = target.stream.timespan;
    let first = chunk.bars().map(|bar| bar.cursor).min()?;
    let from = target.calendar.date(first);
    let days = DateRange { from, to: timespan.last_day_of(from) };
    let is_longer_than_a_day = !timespan.is_intraday() && timespan != Timespan::Day;
    // A bar that an earlier start adds is new; without any blocks, everything is read again on another price basis.
    let is_new = state.cursor.is_none() || (state.backlog.contains(from) && !state.blocks.is_empty());
    if !is_longer_than_a_day || is_new || !may_begin_within(days, target.window.today) {
        return None;
    }
    for page in &mut chunk.pages {
        page.rows.retain(|bar| bar.cursor != first);
    }
    Some(from)
}

/// Warns about a history that begins late or has a gap, and about rows whose prices can't be repaired.
fn warn_about_days(
    run: &mut Run<'_, '_>,
    sync: &mut TargetSync<'_>,
    days: DateRange,
    fresh: &[DayOfBars],
) -> Result<()> {
    let TargetSync { target, state, emitted } = sync;
    let Some(first) = fresh.first().map(|fresh| fresh.day) else {
        return Ok(());
    };
    let begins_late = (first - days.from).num_days() > MAX_START_GAP_DAYS && days.from <= state.since;
    let is_new_start = state.cursor.is_none() || state.backlog.contains(state.since);
    if begins_late && is_new_start && state.plan_start.is_none() {
        let requested = state.since;
        run.notice(target, &Notice::LateFirstBar { first, requested })?;
    }
    let is_beginning = days.from <= state.since || Some(days.from) == plan_start(run, target, state);
    if is_beginning && emitted.is_restated && state.cursor.is_some() {
        emitted.is_restated = false;
        // Otherwise it is the ticker's own history that begins there.
        let begin = DateRange { from: days_before(first, PLAN_START_GAP_DAYS), to: first };
        if state.since < begin.from && (state.plan_start.is_some() || may_begin_within(begin, target.window.today)) {
            run.notice(target, &Notice::OldPrices { first })?;
        }
    }
    let is_new = |day: Date| {
        let last = state.cursor.map(|cursor| target.calendar.date(cursor));
        state.block_of(day).is_none() || last.is_none_or(|last| day > last)
    };
    let last_known = state.cursor.map(|cursor| target.calendar.date(cursor)).filter(|day| *day < first);
    let all: Vec<Date> = last_known.into_iter().chain(fresh.iter().map(|fresh| fresh.day)).collect();
    for pair in all.windows(2) {
        let (from, to) = (target.stream.timespan.last_day_of(pair[0]), pair[1]);
        if (to - from).num_days() > MAX_GAP_DAYS && is_new(to) {
            emitted.gaps.push(DateRange { from, to }.to_string());
        }
    }
    Ok(())
}
