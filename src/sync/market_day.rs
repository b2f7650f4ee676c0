//! Reads one day of a whole market: compares it with the state, and emits its rows if they are new or differ.

use super::blocks::{Block, Contents};
use super::checksum::VERSION;
use super::chunk::Chunk;
use super::filter::filter_market;
use super::notices::{Notice, list_names};
use super::state::TargetState;
use super::stream_run::{Result, Run};
use super::target::Target;
use super::target_sync::TargetSync;
use crate::bars::Page;
use crate::calendar::{Date, DateRange, utc_midnight};
use crate::market::Market;
use crate::polygon::Request;

/// An incomplete day that has not changed for this many days is accepted as it is.
pub(super) const ACCEPTED_AFTER_DAYS: i64 = 5;

/// After this many failed retries in a row, the API is in trouble, and no more days are retried.
pub(super) const MAX_VAIN_RETRIES: usize = 3;

/// What this run has done with a market.
#[derive(Default)]
pub(super) struct Done {
    /// Weekdays without rows.
    pub(super) empty: Vec<Date>,
    pub(super) vain_retries: usize,
}

pub(super) fn request(target: &Target, day: Date) -> Request {
    target.request(DateRange::day(day))
}

/// Compares a day with the state, and emits its rows if they are new or differ.
pub(super) fn read_day(
    run: &mut Run<'_, '_>,
    sync: &mut TargetSync<'_>,
    done: &mut Done,
    day: Date,
    page: Page,
) -> Result<()> {
    let TargetSync { target, state, .. } = &mut *sync;
    run.totals.days += 1;
    let known = state.blocks.iter().find(|block| block.from == day).copied();
    let known_rows = known.map_or(0, |block| block.contents.bars);
    // A short day that was accepted is as complete as it will be.
    let is_accepted = known.is_some() && !state.backlog.contains(day);
    let is_settled = is_accepted && known_rows > 0;
    let expected = if is_settled { known_rows } else { known_rows.max(expected_rows(target, state, day)) };
    let mut day_chunk = prepare(run, target, day, page)?;
    let rows = |chunk: &Chunk| chunk.bars().count() as u32;
    if rows(&day_chunk) == 0 && known_rows == 0 {
        if is_accepted {
            return verified(run, sync, day);
        }
        // Nothing is known yet: whether it was a holiday is found out for all such days at once.
        state.backlog.add(DateRange::day(day));
        done.empty.push(day);
        return Ok(());
    }
    if rows(&day_chunk) * 2 < expected && done.vain_retries < MAX_VAIN_RETRIES {
        let again = run.fetch(&request(target, day))?;
        let again = prepare(run, target, day, again)?;
        if rows(&again) > rows(&day_chunk) {
            day_chunk = again;
            done.vain_retries = 0;
        } else {
            done.vain_retries += 1;
        }
    }
    let rows = rows(&day_chunk);
    if rows < known_rows {
        let notice = Notice::FewerRows { day, rows, known: known_rows };
        if !is_accepted {
            return keep_incomplete(run, sync, day, &notice);
        }
        run.notice(target, &notice)?;
        if rows * 2 < known_rows {
            return verified(run, sync, day);
        }
    }
    let is_short = rows * 2 < expected;
    let fresh = day_chunk.by_day(target.calendar, None, VERSION);
    let contents = fresh.first().map_or(Contents::empty(VERSION), |fresh| fresh.all);
    if known.is_none_or(|known| known.contents != contents) {
        emit(run, sync, &day_chunk, contents, is_short)?;
    }
    if is_short {
        return keep_incomplete(run, sync, day, &Notice::ShortDay { day, rows, expected });
    }
    sync.state.backlog.remove(DateRange::day(day));
    verified(run, sync, day)
}

/// Reports the unusable rows of a day, and makes a chunk of the others.
fn prepare(run: &mut Run<'_, '_>, target: &Target, day: Date, mut page: Page) -> Result<Chunk> {
    let unusable: Vec<String> = page
        .unusable
        .iter()
        .map(|row| row.ticker.clone().unwrap_or_else(|| "a row without a ticker".to_owned()))
        .collect();
    if !unusable.is_empty() {
        let (rows, names) = (unusable.len(), list_names(&unusable));
        run.notice(target, &Notice::Unusable { day, rows, names })?;
    }
    let (ambiguous, repeated) = filter_market(&mut page, day);
    if !ambiguous.is_empty() {
        let names = list_names(&ambiguous);
        run.notice(target, &Notice::Ambiguous { day, names })?;
    } else if repeated > 0 {
        run.notice(target, &Notice::Skipped { outside: 0, repeated })?;
    }
    Ok(Chunk { days: DateRange::day(day), pages: vec![page] })
}

/// How many rows a day is expected to have: as many as the last complete day, or, where weekdays differ, as many as the
/// same weekday.
fn expected_rows(target: &Target, state: &TargetState, day: Date) -> u32 {
    let is_comparable = |block: &&Block| {
        block.from < day
            && block.contents.bars > 0
            && !state.backlog.contains(block.from)
            && (target.market != Market::Forex || (day - block.from).num_days() % 7 == 0)
    };
    state.blocks.iter().rev().find(is_comparable).map_or(0, |block| block.contents.bars)
}

/// Emits the rows of a day.
fn emit(
    run: &mut Run<'_, '_>,
    sync: &mut TargetSync<'_>,
    chunk: &Chunk,
    contents: Contents,
    is_short: bool,
) -> Result<()> {
    let TargetSync { target, state, emitted } = &mut *sync;
    let days = chunk.days;
    let day = days.from;
    if state.blocks.iter().any(|block| block.from == day && block.contents.bars > 0) {
        let mut before = state.clone();
        before.forget(&[days]);
        run.writer.hold(target, &before)?;
        emitted.correct(day, contents.bars as usize);
    }
    let block = Block { from: day, contents, verified: Some(target.window.today) };
    state.replace(days, [block]);
    if is_short {
        state.backlog.add(days);
    }
    state.cursor = state.cursor.max(Some(utc_midnight(day)));
    for page in &chunk.pages {
        sync.emit(run, page, &page.rows)?;
    }
    Ok(run.writer.set(sync.target, &sync.state)?)
}

/// Notes that a day was compared today.
fn verified(run: &mut Run<'_, '_>, sync: &mut TargetSync<'_>, day: Date) -> Result<()> {
    let TargetSync { target, state, .. } = sync;
    for block in state.blocks.iter_mut().filter(|block| block.from == day) {
        block.verified = Some(target.window.today);
    }
    Ok(run.writer.set(target, state)?)
}

/// Whether an incomplete day has not changed for so long that it is accepted as it is.
pub(super) fn has_stayed_incomplete(target: &Target, state: &TargetState, day: Date) -> bool {
    let today = target.window.today;
    let block = state.blocks.iter().find(|block| block.from == day);
    let unchanged_since = block.and_then(|block| block.verified).unwrap_or(today);
    // A clock that was ahead can have left a day behind that is still to come.
    !(0..ACCEPTED_AFTER_DAYS).contains(&(today - unchanged_since).num_days())
}

/// Keeps an incomplete day in the backlog, until it has not changed for some days. Its block holds the day on which it
/// was seen like this first.
pub(super) fn keep_incomplete(
    run: &mut Run<'_, '_>,
    sync: &mut TargetSync<'_>,
    day: Date,
    notice: &Notice,
) -> Result<()> {
    let TargetSync { target, state, .. } = sync;
    if has_stayed_incomplete(target, state, day) {
        state.backlog.remove(DateRange::day(day));
        run.notice(target, &Notice::Accepted { day })?;
    } else {
        state.backlog.add(DateRange::day(day));
        run.notice(target, notice)?;
    }
    Ok(run.writer.set(target, state)?)
}
