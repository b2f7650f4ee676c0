//! The bars of consecutive days, complete: filtered, each once.

use std::ops::Range;

use super::blocks::{Contents, minute_of};
use super::checksum::BarChecksum;
use crate::bar_calendar::BarCalendar;
use crate::bars::{Bar, Page};
use crate::calendar::{Date, DateRange};

/// The bars of consecutive days.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The days that were requested.
    pub(crate) days: DateRange,
    /// Their bars, each with its cursor; those of days that were requested again come last.
    pub(crate) pages: Vec<Page>,
}

/// The bars of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DayOfBars {
    /// The day.
    pub(crate) day: Date,
    /// All of its bars.
    pub(crate) all: Contents,
    /// Those up to the state's cursor.
    pub(crate) known: Contents,
}

impl Chunk {
    /// Whether it has no bars.
    pub(crate) fn is_empty(&self) -> bool {
        self.pages.iter().all(|page| page.rows.is_empty())
    }

    /// All bars.
    pub(crate) fn bars(&self) -> impl DoubleEndedIterator<Item = &Bar> {
        self.pages.iter().flat_map(|page| &page.rows)
    }

    /// Removes the bars from `day` on.
    pub(crate) fn truncate(&mut self, day: Date, calendar: BarCalendar) {
        let begin = calendar.cursors(DateRange::day(day)).start;
        for page in &mut self.pages {
            page.rows.retain(|bar| bar.cursor < begin);
        }
    }

    /// The checksum of the prices of the first bar in `days` that begins in `minute`.
    pub(crate) fn prices_at(&self, calendar: BarCalendar, days: DateRange, minute: u16, version: u8) -> Option<u16> {
        let cursors = calendar.cursors(days);
        self.pages.iter().find_map(|page| {
            let mut bars = page.rows.iter().filter(|bar| cursors.contains(&bar.cursor));
            let bar = bars.find(|bar| minute_of(bar.cursor) == minute)?;
            Some(BarChecksum::of(page, bar, version).prices)
        })
    }

    /// The bars by days, in order, with checksums of `version`; `cursor` is the state's.
    pub(crate) fn by_day(&self, calendar: BarCalendar, cursor: Option<i64>, version: u8) -> Vec<DayOfBars> {
        let mut days: Vec<DayOfBars> = Vec::new();
        for page in &self.pages {
            for (day, range) in runs(&page.rows, calendar) {
                // A day can continue on the next page.
                let begun = days.pop_if(|last| last.day == day);
                let empty = Contents::empty(version);
                let mut contents = begun.unwrap_or(DayOfBars { day, all: empty, known: empty });
                for bar in &page.rows[range] {
                    let checksum = BarChecksum::of(page, bar, version);
                    contents.all.add(bar.cursor, checksum);
                    if Some(bar.cursor) <= cursor {
                        contents.known.add(bar.cursor, checksum);
                    }
                }
                days.push(contents);
            }
        }
        // A day that was requested again can come behind later ones.
        days.sort_by_key(|day| day.day);
        days
    }
}

/// Divides bars, which are in order, by days: each day with the places of its bars.
pub(crate) fn runs(bars: &[Bar], calendar: BarCalendar) -> impl Iterator<Item = (Date, Range<usize>)> {
    let mut begin = 0;
    std::iter::from_fn(move || {
        let first = bars.get(begin)?;
        let day = calendar.date(first.cursor);
        let end_of_day = calendar.cursors(DateRange::day(day)).end;
        let length = bars[begin..].partition_point(|bar| bar.cursor < end_of_day);
        let run = begin..begin + length.max(1);
        begin = run.end;
        Some((day, run))
    })
}
