//! The anchor of intraday history: one early bar, by which a split is noticed that the last sessions
//! don't show.
//!
//! It is the first bar of the history. Where the plan's history begins there, it would be hidden
//! before long: then it is a later one, and moves on each time it was found unchanged.

use super::compare::ComparedBar;
use super::digest::Digest;
use super::digests::Layout;
use super::plan_history::is_near_start;
use super::series::{Result, SeriesSync};
use super::steps::Restart;
use super::stretch::Anchor;
use super::windows::Direction;
use crate::calendar::{DateRange, days_after};
use crate::polygon::response::{Bar, Page};

/// How many days are asked for to find an anchor that the plan will show for a while.
const MOVE_BY_DAYS: u64 = 50;

/// What the API has where the anchor was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnchorFound {
    /// The anchor with the prices that it had.
    Same,
    /// The anchor, at this cursor, with other prices.
    Changed(i64),
    /// Nothing, or there is no anchor.
    Gone,
}

impl SeriesSync<'_, '_, '_, '_> {
    /// Compares the anchor, which may show that history was restated.
    pub(super) fn check_anchor(&mut self) -> Result<()> {
        match self.compare_anchor()? {
            AnchorFound::Changed(cursor) => return self.restart(Restart::PricesChanged(cursor)),
            AnchorFound::Same => {}
            AnchorFound::Gone => self.anchor_at_compared(),
        }
        self.done.anchor = true;
        Ok(())
    }

    /// Asks for the anchor.
    pub(super) fn compare_anchor(&mut self) -> Result<AnchorFound> {
        let (Some(anchor), Some(last)) = (self.stretch.anchor.clone(), self.stretch.cursor) else {
            return Ok(AnchorFound::Gone);
        };
        let mut reader = self.reader(self.anchor_days(&anchor, last), Direction::Forward);
        let (mut found, mut next) = (AnchorFound::Gone, None);
        loop {
            let read = match reader.next(self.source, &mut |event| self.writer.event(event)) {
                Err(error) if error.is_before_plan_history() => {
                    return Ok(AnchorFound::Gone);
                }
                read => read?,
            };
            let Some(read) = read else { break };
            let bars = read.page.bars();
            if let Some(bar) = bars.iter().find(|bar| bar.cursor == anchor.cursor) {
                found = if Digest::of(&read.page, bar).has_prices_of(anchor.digest) {
                    AnchorFound::Same
                } else {
                    AnchorFound::Changed(bar.cursor)
                };
            }
            let emitted = &bars[..bars.partition_point(|bar| bar.cursor <= last)];
            next = self.anchor_in(&read.page, emitted).or(next);
            if next.is_some_and(|(cursor, _)| !self.is_near_start(cursor)) {
                break;
            }
        }
        if let (AnchorFound::Same, Some((cursor, digest))) = (found, next) {
            self.set_anchor(cursor, digest);
        }
        Ok(found)
    }

    /// The anchor's day, and those after it where the plan is about to hide it.
    fn anchor_days(&self, anchor: &Anchor, last: i64) -> DateRange {
        let day = self.plan.calendar.date(anchor.cursor);
        if self.is_near_start(anchor.cursor) {
            let to = days_after(day, MOVE_BY_DAYS).min(self.plan.calendar.date(last));
            DateRange { from: day, to }
        } else {
            DateRange::day(day)
        }
    }

    /// The anchor for a history that begins with these bars.
    pub(super) fn anchor_in(&self, page: &Page, bars: &[Bar]) -> Option<(i64, Digest)> {
        let far = bars.iter().find(|bar| !self.is_near_start(bar.cursor));
        far.or(bars.last())
            .map(|bar| (bar.cursor, Digest::of(page, bar)))
    }

    /// The first bar of a page that can be an anchor for long.
    pub(super) fn earliest_anchor(&self, page: &Page) -> Option<(i64, Digest)> {
        if self.plan.layout() != Layout::Sessions {
            return None;
        }
        let far = page
            .bars()
            .iter()
            .find(|bar| !self.is_near_start(bar.cursor));
        far.map(|bar| (bar.cursor, Digest::of(page, bar)))
    }

    fn is_near_start(&self, cursor: i64) -> bool {
        is_near_start(self.plan.calendar.date(cursor), self.plan.window.today)
    }

    pub(super) fn set_anchor(&mut self, cursor: i64, digest: Digest) {
        self.stretch.anchor = Some(Anchor {
            cursor,
            digest,
            checked: Some(self.plan.window.today),
        });
        self.done.anchor = true;
    }

    /// Notes the first bar that was compared: it stands in for an anchor that can't be had.
    pub(super) fn note_compared(&mut self, bars: &[ComparedBar]) {
        self.first_compared = bars.first().map(|bar| (bar.cursor, bar.digest));
    }

    /// Makes the first bar that was compared the anchor.
    pub(super) fn anchor_at_compared(&mut self) {
        self.stretch.anchor = None;
        if let Some((cursor, digest)) = self.first_compared {
            self.set_anchor(cursor, digest);
        }
    }
}
