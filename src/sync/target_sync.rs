//! A target while it is synced: its state, and what was emitted.

use super::notices::Notice;
use super::state::TargetState;
use super::stream_run::{Result, Run};
use super::target::Target;
use crate::airbyte::RecordBatch;
use crate::bars::{Bar, Page};
use crate::calendar::{Date, DateRange};

/// A target while it is synced.
#[derive(Debug)]
pub(super) struct TargetSync<'t> {
    pub(super) target: &'t Target,
    /// What the destination holds once everything is written that was emitted.
    pub(super) state: TargetState,
    pub(super) emitted: Emitted,
}

/// What was emitted of a target in this run.
#[derive(Debug, Default)]
pub(super) struct Emitted {
    /// The cursors of the first and the last bar.
    range: Option<(i64, i64)>,
    bars: usize,
    /// How many of them were emitted before.
    pub(super) corrected: usize,
    corrected_days: Option<DateRange>,
    /// Long stretches without bars between emitted ones.
    pub(super) gaps: Vec<String>,
    /// Whether bars on another price basis may be in the destination.
    pub(super) is_restated: bool,
}

impl<'t> TargetSync<'t> {
    /// Begins with the state that `read` received.
    pub(super) fn begin(
        run: &mut Run<'_, '_>,
        target: &'t Target,
        known: Option<TargetState>,
    ) -> Result<TargetSync<'t>> {
        let (state, is_restated) = target.begin(known);
        if is_restated {
            let (adjusted, since) = (target.adjusted, state.since);
            run.notice(target, &Notice::BasisChanged { adjusted, since })?;
            run.writer.hold(target, &state)?;
        }
        if let Some(cursor) = state.cursor.filter(|cursor| *cursor > target.window.last_final_cursor) {
            let cursor = target.text(cursor);
            run.notice(target, &Notice::CursorInFuture { cursor })?;
        }
        let emitted = Emitted { is_restated, ..Emitted::default() };
        Ok(TargetSync { target, state, emitted })
    }

    /// Writes bars of a page.
    pub(super) fn emit(&mut self, run: &mut Run<'_, '_>, page: &Page, bars: &[Bar]) -> Result<()> {
        let target = self.target;
        let emitted = &mut self.emitted;
        emitted.bars += bars.len();
        if let (Some(first), Some(last)) = (bars.first(), bars.last()) {
            let (from, to) = emitted.range.unwrap_or((first.cursor, last.cursor));
            emitted.range = Some((from.min(first.cursor), to.max(last.cursor)));
        }
        let batch = RecordBatch {
            stream: target.stream,
            page,
            bars,
            ticker: Some(target.ticker.as_str()).filter(|ticker| !ticker.is_empty()),
            adjusted: target.adjusted,
            calendar: target.calendar,
        };
        run.totals.records += bars.len();
        Ok(run.writer.write(target, &batch)?)
    }

    /// Says what was emitted, or that nothing was.
    pub(super) fn report(&self, run: &mut Run<'_, '_>) -> Result<()> {
        let (target, state, emitted) = (self.target, &self.state, &self.emitted);
        run.totals.corrected += emitted.corrected;
        if let Some(days) = emitted.corrected_days {
            let bars = emitted.corrected;
            run.notice(target, &Notice::Corrected { bars, days })?;
        }
        let notice = match (emitted.range, state.cursor) {
            (Some((from, to)), _) => {
                Notice::Synced { bars: emitted.bars, from: target.text(from), to: target.text(to) }
            }
            (None, _) if state.since > target.calendar.last_day(target.window.last_final_cursor) => {
                Notice::NotOverYet { period: target.stream.timespan.period(), day: state.since }
            }
            // It was said that all are missing.
            (None, _) if state.is_missing => return Ok(()),
            (None, Some(last)) => Notice::UpToDate { last: target.text(last) },
            (None, None) => Notice::StillNoBars { since: state.since },
        };
        run.notice(target, &notice)
    }
}

impl Emitted {
    /// Notes that bars of a day are emitted again.
    pub(super) fn correct(&mut self, day: Date, bars: usize) {
        self.corrected += bars;
        let days = self.corrected_days.unwrap_or(DateRange::day(day));
        self.corrected_days = Some(DateRange { from: days.from.min(day), to: days.to.max(day) });
    }
}
