//! Finds out why days of a whole market have no rows: a ticker that always trades distinguishes holidays from faults of
//! the API.

use super::blocks::{Block, Contents};
use super::checksum::VERSION;
use super::market_day::{Done, MAX_VAIN_RETRIES, has_stayed_incomplete, keep_incomplete, read_day, request};
use super::notices::{Notice, list_names};
use super::state::TargetState;
use super::stream_run::{Result, Run, SyncError};
use super::target::Target;
use super::target_sync::TargetSync;
use crate::bars::Page;
use crate::calendar::{Date, DateRange, day_before, days_after, days_before};
use crate::polygon::Request;
use crate::timespan::Timespan;

/// The bars of the ticker that always trades count for an empty day only if there are some within this many days.
const NEAR_DAYS: u64 = 7;

/// Finds out which of the empty days were holidays, and retries the others once.
pub(super) fn resolve_empty_days(run: &mut Run<'_, '_>, sync: &mut TargetSync<'_>, done: &mut Done) -> Result<()> {
    let target = sync.target;
    let empty = std::mem::take(&mut done.empty);
    let (Some(first), Some(last)) = (empty.iter().min().copied(), empty.iter().max().copied()) else {
        return Ok(());
    };
    let to = days_after(last, NEAR_DAYS).min(day_before(target.window.today));
    let open_days = open_days(run, target, DateRange { from: days_before(first, NEAR_DAYS), to }, first)?;
    let mut unknown = Vec::new();
    for day in empty {
        note_empty(target, &mut sync.state, day);
        if open_days.contains(&day) {
            if done.vain_retries < MAX_VAIN_RETRIES {
                let page: Page = run.fetch(&request(target, day))?;
                if !page.rows.is_empty() {
                    done.vain_retries = 0;
                    read_day(run, sync, done, day, page)?;
                    continue;
                }
                done.vain_retries += 1;
            }
            keep_incomplete(run, sync, day, &Notice::EmptyDay { day })?;
            continue;
        }
        let near = DateRange { from: days_before(day, NEAR_DAYS), to: days_after(day, NEAR_DAYS) };
        // A holiday, or the market's data begins later.
        let was_closed = open_days.iter().any(|open| near.contains(*open)) || open_days.iter().min() > Some(&day);
        if was_closed || has_stayed_incomplete(target, &sync.state, day) {
            sync.state.backlog.remove(DateRange::day(day));
        } else {
            unknown.push(day.to_string());
        }
    }
    if !unknown.is_empty() {
        let days = list_names(&unknown);
        run.notice(target, &Notice::UnknownDays { days })?;
    }
    Ok(())
}

/// Gives an empty day a block, so that it is verified like any other.
fn note_empty(target: &Target, state: &mut TargetState, day: Date) {
    if state.blocks.iter().any(|block| block.from == day) {
        return;
    }
    let is_pending = state.backlog.contains(day);
    let block = Block { from: day, contents: Contents::empty(VERSION), verified: Some(target.window.today) };
    state.replace(DateRange::day(day), [block]);
    if is_pending {
        state.backlog.add(DateRange::day(day));
    }
}

/// The days on which a ticker that always trades has bars; none if the plan does not include it. Where the plan refuses
/// earlier days, they are those from `first` on.
fn open_days(run: &mut Run<'_, '_>, target: &Target, days: DateRange, first: Date) -> Result<Vec<Date>> {
    let Some(ticker) = target.market.always_traded() else {
        return Ok(Vec::new());
    };
    let request = Request::range(ticker, target.market, Timespan::Day, days, false);
    match run.fetch::<Page>(&request) {
        Ok(page) => Ok(page.rows.iter().map(|bar| target.calendar.date(Timespan::Day.cursor(bar.cursor))).collect()),
        Err(SyncError::Api(error)) if error.is_before_plan_history() && days.from < first => {
            open_days(run, target, DateRange { from: first, ..days }, first)
        }
        Err(SyncError::Api(error)) if !error.is_fatal() && !error.is_unavailable() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
