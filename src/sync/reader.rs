//! Reads the pages of a range of days of one ticker.

use super::chunk::Chunk;
use super::compare::compared_days;
use super::filter::{Filtered, PageFilter};
use super::notices::{Notice, list_names};
use super::plan_start::{PlanStart, first_included_day};
use super::state::TargetState;
use super::stream_run::{Result, Run, SyncError};
use super::target::Target;
use super::target_sync::TargetSync;
use crate::bars::Page;
use crate::calendar::{Date, DateRange, day_before, last_weekday, next_weekday};
use crate::polygon::{ApiError, Paging, Request};
use crate::streams::Endpoint;

/// The pages of a range of days, and how many have been read.
pub(super) struct Reading {
    pub(super) chunk: Chunk,
    filter: PageFilter,
    paging: Paging,
    next: Option<Request>,
    /// Whether an empty response is requested again: under load the API has been seen to answer without bars that it has.
    expects_bars: bool,
    /// The days of bars without a price.
    without_price: Vec<String>,
}

/// A range of days after its first request.
pub(super) enum Opened {
    /// Its first page was read.
    Page(Box<Reading>),
    /// The plan includes none of these days; with the API's refusal, if it was asked.
    Refused(Option<ApiError>),
}

impl Reading {
    /// Has read nothing yet. Bars later than what may be emitted are left out.
    pub(super) fn new(sync: &TargetSync<'_>, days: DateRange, expects_bars: bool) -> Reading {
        let target = sync.target;
        let request = target.request(days);
        Reading {
            chunk: Chunk { days, pages: Vec::new() },
            filter: PageFilter::new(target.calendar, days, target.last_cursor(&sync.state)),
            paging: Paging::new(&request),
            next: Some(request),
            expects_bars,
            without_price: Vec::new(),
        }
    }

    /// Whether another page follows.
    pub(super) fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// Whether the API has no bars of these days.
    pub(super) fn is_empty(&self) -> bool {
        self.chunk.is_empty() && !self.has_next() && !self.filter.has_later
    }

    /// Reads the next page.
    fn step(&mut self, run: &mut Run<'_, '_>, target: &Target) -> Result<()> {
        let Some(request) = self.next.take() else {
            return Ok(());
        };
        let is_first = self.chunk.pages.is_empty();
        let mut page: Page = match run.fetch(&request) {
            Err(SyncError::Api(error)) if error.is_past_the_end() && !is_first => return Ok(()),
            page => page?,
        };
        // A page after the first one was promised.
        if page.rows.is_empty() && page.unusable.is_empty() && (self.expects_bars || !is_first) {
            page = match run.fetch(&request) {
                Err(SyncError::Api(error)) if error.is_past_the_end() => return Ok(()),
                page => page?,
            };
        }
        let starts = page.unusable.iter().filter_map(|row| row.start);
        let days = starts.map(|start| target.calendar.date(target.stream.timespan.cursor(start)));
        self.without_price.extend(days.map(|day| day.to_string()));
        let previous = self.chunk.pages.iter().rev().find(|page| !page.rows.is_empty());
        match self.filter.apply(&mut page, previous) {
            Filtered::Outside if is_first => {
                let days = self.chunk.days;
                let text = format!("none of its bars is of the requested days {days}");
                return Err(ApiError::unexpected(&request, &text).into());
            }
            Filtered::Outside => return Ok(()),
            Filtered::Empty | Filtered::Inside => {}
        }
        // Progress is measured by the bars of the requested days.
        self.next = self.paging.next(&page)?;
        self.chunk.pages.push(page);
        Ok(())
    }

    /// Reads the pages that are left.
    pub(super) fn finish(mut self, run: &mut Run<'_, '_>, sync: &TargetSync<'_>) -> Result<Chunk> {
        while self.has_next() {
            self.step(run, sync.target)?;
        }
        self.stop(run, sync)
    }

    /// Ends with the pages that were read.
    pub(super) fn stop(mut self, run: &mut Run<'_, '_>, sync: &TargetSync<'_>) -> Result<Chunk> {
        let target = sync.target;
        self.resolve_conflicts(run, sync)?;
        let (outside, repeated) = (self.filter.outside, self.filter.repeated);
        if outside + repeated > 0 {
            run.notice(target, &Notice::Skipped { outside, repeated })?;
        }
        if !self.without_price.is_empty() {
            let (bars, days) = (self.without_price.len(), list_names(&self.without_price));
            run.notice(target, &Notice::WithoutPrice { bars, days })?;
        }
        Ok(self.chunk)
    }

    /// Requests each day again for which the API returned several versions: none of them can be trusted.
    fn resolve_conflicts(&mut self, run: &mut Run<'_, '_>, sync: &TargetSync<'_>) -> Result<()> {
        let target = sync.target;
        let days: Vec<Date> = std::mem::take(&mut self.filter.conflicts).into_iter().collect();
        for day in &days {
            // Its week or month; the plan may not include the days before the requested ones.
            let (from, to) = (self.chunk.days.from.max(*day), target.stream.timespan.last_day_of(*day));
            let mut reading = Reading::new(sync, DateRange { from, to }, true);
            while reading.has_next() {
                reading.step(run, target)?;
            }
            let cursors = target.calendar.cursors(DateRange::day(*day));
            for page in &mut self.chunk.pages {
                page.rows.retain(|bar| !cursors.contains(&bar.cursor));
            }
            self.chunk.pages.append(&mut reading.chunk.pages);
        }
        if !days.is_empty() {
            let names: Vec<_> = days.iter().map(Date::to_string).collect();
            run.notice(target, &Notice::Conflicts { days: names.join(", ") })?;
        }
        Ok(())
    }
}

/// Reads the first page of a range, beginning where the plan's history does.
pub(super) fn open(
    run: &mut Run<'_, '_>,
    sync: &mut TargetSync<'_>,
    days: DateRange,
    expects_bars: bool,
) -> Result<Opened> {
    let target = sync.target;
    let Some(mut days) = included(run, sync, days)? else {
        return Ok(Opened::Refused(None));
    };
    loop {
        let mut reading = Reading::new(sync, days, expects_bars);
        match reading.step(run, target) {
            Err(SyncError::Api(error)) if error.is_before_plan_history() => match find_plan_start(run, target, days)? {
                Some(start) if start > days.from => days = begin_at(run, sync, days, start)?,
                _ => return Ok(Opened::Refused(Some(error))),
            },
            result => return result.map(|()| Opened::Page(Box::new(reading))),
        }
    }
}

/// Where the plan's history is known to begin.
pub(super) fn plan_start(run: &Run<'_, '_>, target: &Target, state: &TargetState) -> Option<Date> {
    let known = state.plan_start.map(|start| start.at(target.window.today));
    run.plan_starts.get(&target.market).copied().or(known)
}

/// Leaves out days that are known to lie before the plan's history.
fn included(run: &mut Run<'_, '_>, sync: &mut TargetSync<'_>, days: DateRange) -> Result<Option<DateRange>> {
    match plan_start(run, sync.target, &sync.state) {
        Some(start) if start > days.to => Ok(None),
        Some(start) if start > days.from => Ok(Some(begin_at(run, sync, days, start)?)),
        _ => Ok(Some(days)),
    }
}

/// Clips a range to the plan's history; warns the first time.
fn begin_at(run: &mut Run<'_, '_>, sync: &mut TargetSync<'_>, days: DateRange, start: Date) -> Result<DateRange> {
    let TargetSync { target, state, .. } = sync;
    if state.plan_start.is_none() {
        let days = DateRange { to: day_before(start), ..days };
        let start = Some(start);
        run.notice(target, &Notice::OutsidePlan { days, start })?;
    }
    // Blocks that the plan no longer includes can't be verified; what is left of one is compared with it.
    state.blocks.drain(..state.block_of(start).unwrap_or(0));
    let included = DateRange { from: start, ..days };
    let first = compared_days(target, state, included).from;
    state.backlog.remove(DateRange { to: day_before(first), ..days });
    state.plan_start = Some(PlanStart { day: start, seen_on: target.window.today });
    Ok(included)
}

/// Finds the first of refused days that the plan includes, if it includes any.
pub(super) fn find_plan_start(run: &mut Run<'_, '_>, target: &Target, days: DateRange) -> Result<Option<Date>> {
    // A free plan refuses today, regardless of its history.
    let to = days.to.min(day_before(target.window.today));
    let days = DateRange { to, ..days };
    let is_included = |day: Date| {
        let is_closed = matches!(target.stream.endpoint, Endpoint::Grouped(market) if !market.trades_on(day));
        let day = if is_closed { nearest_weekday(day, to) } else { day };
        match run.fetch::<Page>(&target.request(DateRange::day(day))) {
            Ok(_) => Ok(true),
            // To the API, that day is still today.
            Err(SyncError::Api(error)) if error.is_before_end_of_day() => Ok(true),
            Err(SyncError::Api(error)) if error.is_before_plan_history() => Ok(false),
            Err(error) => Err(error),
        }
    };
    let start = first_included_day(days, target.window.today, is_included)?;
    if let Some(start) = start {
        run.plan_starts.insert(target.market, start);
    }
    Ok(start)
}

/// The weekday to request instead of `day`: the next one, or the last one up to `last`.
fn nearest_weekday(day: Date, last: Date) -> Date {
    let next = next_weekday(day);
    if next <= last { next } else { last_weekday(day) }
}
