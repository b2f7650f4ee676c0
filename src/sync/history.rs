//! How a series reaches back: to the start of the plan's history, and to what lies before it.

use super::plan_history::first_included_day;
use super::reader::{PageReader, ReadPage, day_request};
use super::series::{Result, SeriesSync, SyncError};
use super::stretch::Granted;
use super::windows::Direction;
use crate::calendar::{Date, DateRange, day_before, is_weekend, next_weekday};
use crate::notices::Notice;
use crate::polygon::ApiError;
use crate::streams::Endpoint;

impl SeriesSync<'_, '_, '_, '_> {
    /// Opens a range of days with its first page; `None` if the plan includes none of them, which is told. Without a
    /// page, there are no bars.
    pub(super) fn open(
        &mut self,
        days: DateRange,
    ) -> Result<Option<(PageReader, Option<ReadPage>)>> {
        let mut days = self.included(days)?;
        loop {
            let mut reader = self.reader(days, Direction::Forward);
            match reader.next(self.source, &mut |event| self.writer.event(event)) {
                Ok(first) => return Ok(Some((reader, first))),
                Err(error) if error.is_before_plan_history() => match self.find_plan_start(days)? {
                    Some(start) => days = self.begin_at_plan_start(days, start)?,
                    None => return self.nothing_included(error).map(|()| None),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads what lies before the stretch, the later windows first; each is whole before the stretch grows.
    pub(super) fn backfill(&mut self, days: DateRange) -> Result<()> {
        let mut reader = self.reader(days, Direction::Backward);
        let (mut first, mut anchor, mut bars_of_window) = (None, None, 0);
        let mut is_cut = false;
        loop {
            let read = match reader.next(self.source, &mut |event| self.writer.event(event)) {
                Err(error) if error.is_before_plan_history() && !is_cut => {
                    let Some(included) = self.included_before_stretch(days)? else {
                        break;
                    };
                    self.tell_dropped(&reader)?;
                    reader = self.reader(included, Direction::Backward);
                    is_cut = true;
                    continue;
                }
                read => read?,
            };
            let Some(ReadPage {
                page,
                window,
                ends_window,
            }) = read
            else {
                break;
            };
            let bars = page.bars();
            first = earlier(first, bars.first().map(|bar| bar.cursor));
            anchor = self
                .earliest_anchor(&page)
                .into_iter()
                .chain(anchor)
                .min_by_key(|it| it.0);
            bars_of_window += bars.len();
            if ends_window {
                self.stretch.extend_back(window.from);
                self.stretch.first = earlier(self.stretch.first, first);
                reader.grow_windows_if_sparse(std::mem::take(&mut bars_of_window));
            }
            self.note_midnight();
            self.emit(&page, bars)?;
        }
        self.tell_dropped(&reader)?;
        self.stretch.extend_back(days.from);
        if let (false, Some((cursor, digest))) = (self.note_midnight(), anchor) {
            self.set_anchor(cursor, digest);
        }
        Ok(())
    }

    /// The part that the plan includes of the days before the stretch, of which some were refused; the rest can't be
    /// had, which is told.
    fn included_before_stretch(&mut self, days: DateRange) -> Result<Option<DateRange>> {
        let refused = DateRange {
            from: days.from,
            to: day_before(self.stretch.since),
        };
        let start = self.find_plan_start(refused)?;
        let lacking = start.map_or(refused, |start| DateRange {
            to: day_before(start),
            ..refused
        });
        self.notice(&Notice::OutsidePlan {
            days: lacking,
            start,
        })?;
        Ok(start.map(|from| DateRange { from, ..refused }))
    }

    /// Leaves out days that are known to lie before the plan's history.
    fn included(&mut self, days: DateRange) -> Result<DateRange> {
        let days = self.plan.granted(&self.stretch, days);
        match self.plan_starts.get(&self.series.market()).copied() {
            Some(start) if days.from < start && start <= days.to => {
                self.begin_at_plan_start(days, start)
            }
            _ => Ok(days),
        }
    }

    /// Begins refused days where the plan's history does, and tells so the first time.
    fn begin_at_plan_start(&mut self, days: DateRange, start: Date) -> Result<DateRange> {
        if self.stretch.granted.is_none() {
            let lacking = DateRange {
                from: days.from,
                to: day_before(start),
            };
            self.notice(&Notice::OutsidePlan {
                days: lacking,
                start: Some(start),
            })?;
        }
        self.stretch.granted = Some(Granted {
            from: start,
            on: self.plan.window.today,
        });
        Ok(DateRange {
            from: start,
            ..days
        })
    }

    /// Finds the first of refused days that the plan includes, if it includes any.
    fn find_plan_start(&mut self, days: DateRange) -> Result<Option<Date>> {
        let (plan, series) = (self.plan, self.series);
        // A free plan refuses today by itself, whatever its history.
        let to = days.to.min(day_before(plan.window.today));
        let days = DateRange { to, ..days };
        let is_included = |day: Date| {
            let day = if plan.stream.endpoint == Endpoint::Grouped {
                nearest_weekday(day, to)
            } else {
                day
            };
            let request = day_request(&plan, series, day);
            match self
                .source
                .fetch(&request, &mut |event| self.writer.event(event))
            {
                Ok(_) => Ok(true),
                Err(error) if error.is_before_plan_history() => Ok(false),
                Err(error) => Err(SyncError::Api(error)),
            }
        };
        let start = first_included_day(days, plan.window.today, is_included)?;
        if let Some(start) = start {
            self.plan_starts.insert(series.market(), start);
        }
        Ok(start)
    }

    /// The plan includes nothing of the stretch. What was emitted of it is complete; without rows, that is an error.
    fn nothing_included(&mut self, refusal: ApiError) -> Result<()> {
        if !self.stretch.has_rows() {
            return Err(refusal.into());
        }
        (self.done.read, self.done.anchor) = (true, true);
        match (
            self.stretch.first.zip(self.stretch.until),
            self.stretch.told_missing,
        ) {
            (Some((first, until)), false) => {
                let days = DateRange {
                    from: self.plan.calendar.date(first),
                    to: self.plan.calendar.date(until),
                };
                self.stretch.told_missing = true;
                self.notice(&Notice::OldBasisRows { days })
            }
            (Some(_), true) => Ok(()),
            (None, _) => self.notice(&Notice::BeyondPlanHistory),
        }
    }
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

/// The weekday that answers for `day`, on which the market is not asked about weekends: the next one,
/// or the last one that is not after `last`.
fn nearest_weekday(day: Date, last: Date) -> Date {
    let next = next_weekday(day);
    if next <= last {
        return next;
    }
    let mut before = day;
    while is_weekend(before) {
        before = day_before(before);
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weekend_is_answered_for_by_monday_or_by_friday_where_that_is_too_late() {
        let date = |text: &str| -> Date { text.parse().unwrap() };
        for (day, last, expected) in [
            ("2026-11-18", "2026-11-20", "2026-11-18"),
            ("2026-11-14", "2026-11-20", "2026-11-16"),
            ("2026-11-15", "2026-11-16", "2026-11-16"),
            ("2026-11-14", "2026-11-15", "2026-11-13"),
            ("2026-11-15", "2026-11-15", "2026-11-13"),
        ] {
            assert_eq!(
                nearest_weekday(date(day), date(last)),
                date(expected),
                "{day}"
            );
        }
    }
}
