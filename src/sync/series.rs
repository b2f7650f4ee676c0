//! The sync of one series: carries out the steps that [`super::steps`] names, and emits what [`super::compare`] finds.

use super::digest::Digest;
use super::digests::Layout;
use super::plan_history::PlanStarts;
use super::reader::{PageReader, ReadPage};
use super::source::PageSource;
use super::steps::{Done, Plan, Restart, Step};
use super::stretch::Stretch;
use super::windows::Direction;
use super::writer::StreamWriter;
use crate::calendar::DateRange;
use crate::clock::SharedClock;
use crate::notices::Notice;
use crate::polygon::ApiError;
use crate::streams::{Endpoint, SeriesId};

/// Why a series was not synced.
#[derive(Debug)]
pub(crate) enum SyncError {
    /// The API did not give what was asked for.
    Api(ApiError),
    /// stdout can't be written to.
    Output(std::io::Error),
}

impl From<ApiError> for SyncError {
    fn from(error: ApiError) -> SyncError {
        SyncError::Api(error)
    }
}

impl From<std::io::Error> for SyncError {
    fn from(error: std::io::Error) -> SyncError {
        SyncError::Output(error)
    }
}

pub(super) type Result<T> = std::result::Result<T, SyncError>;

/// What was emitted of a series in this run.
#[derive(Debug, Default)]
pub(super) struct Emitted {
    /// The number of bars.
    pub(super) bars: usize,
    /// The cursors of the first and the last bar.
    pub(super) range: Option<(i64, i64)>,
}

/// Syncs one series.
pub(crate) struct SeriesSync<'a, 'b, 'o, 'w> {
    pub(super) plan: Plan,
    pub(super) series: &'a SeriesId,
    pub(super) stretch: Stretch,
    pub(super) done: Done,
    /// The first bar that was compared in this run, and its digest.
    pub(super) first_compared: Option<(i64, Digest)>,
    pub(super) emitted: Emitted,
    pub(super) source: &'a mut PageSource<'b>,
    pub(super) writer: &'a mut StreamWriter<'o, 'w>,
    pub(super) plan_starts: &'a mut PlanStarts,
    pub(super) clock: &'a SharedClock,
}

impl<'a, 'b, 'o, 'w> SeriesSync<'a, 'b, 'o, 'w> {
    /// Prepares the sync of a series from where `writer`'s state says that it is.
    pub(crate) fn new(
        plan: Plan,
        series: &'a SeriesId,
        source: &'a mut PageSource<'b>,
        writer: &'a mut StreamWriter<'o, 'w>,
        plan_starts: &'a mut PlanStarts,
        clock: &'a SharedClock,
    ) -> Self {
        let stretch = plan.begin(writer.stretch(series));
        let (done, emitted) = (Done::default(), Emitted::default());
        SeriesSync {
            plan,
            series,
            stretch,
            done,
            first_compared: None,
            emitted,
            source,
            writer,
            plan_starts,
            clock,
        }
    }

    /// Brings the destination up to date.
    pub(crate) fn run(mut self) -> Result<()> {
        loop {
            match self.plan.next_step(&self.stretch, self.done) {
                Step::KeepFuture(cursor) => return self.keep_future(cursor),
                Step::Restart(why) => self.restart(why)?,
                Step::Read(days) => self.read(days)?,
                Step::CheckAnchor => self.check_anchor()?,
                Step::Backfill(days) => self.backfill(days)?,
                Step::Done => break,
            }
        }
        self.writer.set(self.series, self.stretch.clone())?;
        self.summarize()
    }

    fn keep_future(&mut self, cursor: i64) -> Result<()> {
        let notice = if self.stretch.has_rows() || !self.plan.window.first_day_is_set {
            Notice::CursorInFuture {
                cursor: self.text(cursor),
            }
        } else {
            Notice::NotOverYet {
                day: self.stretch.since,
            }
        };
        self.notice(&notice)
    }

    /// The history is to be read again. The state says so before the first record.
    pub(super) fn restart(&mut self, why: Restart) -> Result<()> {
        let since = self.plan.wanted_since(&self.stretch);
        let notice = match why {
            Restart::BasisChanged => Notice::BasisChanged {
                adjusted: self.plan.basis.is_adjusted(),
                since,
            },
            Restart::DigestsUnknown => Notice::OlderState { since },
            Restart::PricesChanged(cursor) => Notice::PricesChanged {
                first: self.text(cursor),
                since,
            },
        };
        self.notice(&notice)?;
        self.stretch.restart(since, self.plan.basis);
        self.writer.void(self.series, self.stretch.clone())?;
        self.done = Done::default();
        Ok(())
    }

    /// Reads the stretch to its end: what was emitted is compared, and what follows is emitted.
    fn read(&mut self, days: DateRange) -> Result<()> {
        let Some((mut reader, first)) = self.open(days)? else {
            return Ok(());
        };
        if self.stretch.cursor.is_none() {
            // All of it is read from its first day on, wherever that is by now.
            let since = self.plan.wanted_since(&self.stretch);
            self.stretch.extend_back(since);
        }
        let mut pages = Vec::from_iter(first);
        self.read_beyond_cursor(&mut reader, &mut pages)?;
        if self.stretch.has_rows() && is_empty(&pages) && !self.stretch.told_missing {
            // Under load the API has been seen to answer without bars that it has: it is asked once more.
            let Some((second_reader, first)) = self.open(days)? else {
                return Ok(());
            };
            (reader, pages) = (second_reader, Vec::from_iter(first));
            self.read_beyond_cursor(&mut reader, &mut pages)?;
        }
        if !self.emit_changes(&pages, days)? {
            return Ok(());
        }
        let mut pages = pages.into_iter();
        while let Some(read) = match pages.next() {
            Some(read) => Some(read),
            None => reader.next(self.source, &mut |event| self.writer.event(event))?,
        } {
            self.emit_new(&read.page, reader.pages > 1)?;
        }
        self.end_read(&reader, days)
    }

    pub(super) fn reader(&self, days: DateRange, direction: Direction) -> PageReader {
        PageReader::new(
            self.plan,
            self.series,
            days,
            direction,
            self.plan.last_cursor(&self.stretch),
        )
    }

    /// Reads on until a page reaches beyond the cursor, so that all that is to be compared is there.
    fn read_beyond_cursor(
        &mut self,
        reader: &mut PageReader,
        pages: &mut Vec<ReadPage>,
    ) -> Result<()> {
        let Some(cursor) = self.stretch.cursor else {
            return Ok(());
        };
        let is_beyond = |read: &ReadPage| match self.plan.stream.endpoint {
            Endpoint::Range => read
                .page
                .bars()
                .last()
                .is_some_and(|bar| bar.cursor > cursor),
            // Each day of the market is one page.
            Endpoint::Grouped => true,
        };
        while !pages.last().is_some_and(is_beyond) {
            match reader.next(self.source, &mut |event| self.writer.event(event))? {
                Some(read) => pages.push(read),
                None => break,
            }
        }
        Ok(())
    }

    fn end_read(&mut self, reader: &PageReader, days: DateRange) -> Result<()> {
        self.tell_dropped(reader)?;
        if !self.stretch.has_rows() && !self.stretch.told_missing && !reader.filter.has_later {
            self.stretch.told_missing = true;
            self.notice(&Notice::NoBars { days })?;
        }
        self.stretch.finish_restart();
        let passed_midnight = reader.pages > 1 && self.note_midnight();
        // Days and longer bars are simply compared once more.
        self.done.read =
            !passed_midnight || self.done.passed_midnight || self.plan.layout() != Layout::Bars;
        self.done.passed_midnight |= passed_midnight;
        Ok(())
    }

    /// Whether a midnight of the market passed since the run began. Pages are asked for ahead, so a split may have taken
    /// effect between any two of them: the anchor is to be compared, by another run if this one is cut off.
    pub(super) fn note_midnight(&mut self) -> bool {
        let passed = self.plan.calendar.zone.date_at(self.clock.now()) != self.plan.window.today;
        if passed {
            self.done.anchor = false;
            if let Some(anchor) = &mut self.stretch.anchor {
                anchor.checked = None;
            }
        }
        passed
    }

    pub(super) fn text(&self, cursor: i64) -> String {
        self.plan.stream.timespan.cursor_text(cursor)
    }

    pub(super) fn notice(&mut self, notice: &Notice) -> Result<()> {
        Ok(self.writer.notice(Some(self.series), notice)?)
    }

    fn summarize(&mut self) -> Result<()> {
        let notice = match (self.emitted.range, self.stretch.last_row()) {
            (Some((from, to)), _) => Notice::Synced {
                bars: self.emitted.bars,
                from: self.text(from),
                to: self.text(to),
            },
            (None, _) if self.plan.window.first_day > self.plan.window.last_day => {
                Notice::NotOverYet {
                    day: self.plan.window.first_day,
                }
            }
            (None, Some(last)) => Notice::UpToDate {
                last: self.text(last),
            },
            (None, None) => Notice::NoBarsYet {
                since: self.stretch.since,
            },
        };
        self.notice(&notice)
    }
}

fn is_empty(pages: &[ReadPage]) -> bool {
    pages.iter().all(|read| read.page.bars().is_empty())
}
