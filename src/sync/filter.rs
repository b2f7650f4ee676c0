//! Selects the bars of a response to use: those of the requested days, final, in order, once.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::checksum::{BarChecksum, VERSION};
use crate::bar_calendar::BarCalendar;
use crate::bars::{Bar, Page};
use crate::calendar::{Date, DateRange, utc_midnight};

/// Filters the pages of one range of one ticker, one after another.
#[derive(Debug)]
pub(crate) struct PageFilter {
    calendar: BarCalendar,
    cursors: Range<i64>,
    /// The greatest cursor that may be emitted: later bars are not final, or not wanted.
    last_cursor: i64,
    latest: i64,
    /// How many bars lay outside the requested days.
    pub(crate) outside: usize,
    /// How many bars were repeated.
    pub(crate) repeated: usize,
    /// Days on which the API returned different values for the same time, or a bar too late.
    pub(crate) conflicts: BTreeSet<Date>,
    /// Whether bars were left out because they are not final, or not wanted.
    pub(crate) has_later: bool,
}

/// What a page was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filtered {
    /// A page without bars.
    Empty,
    /// A page whose bars all lie outside the requested days.
    Outside,
    /// A page with bars of the requested days.
    Inside,
}

impl PageFilter {
    /// Filters the bars of `days` up to `last_cursor`.
    pub(crate) fn new(calendar: BarCalendar, days: DateRange, last_cursor: i64) -> PageFilter {
        PageFilter {
            calendar,
            cursors: calendar.cursors(days),
            last_cursor,
            latest: i64::MIN,
            outside: 0,
            repeated: 0,
            conflicts: BTreeSet::new(),
            has_later: false,
        }
    }

    /// Keeps the bars to use, with their cursors, in order. The bars of the `previous` page can be repeated.
    pub(crate) fn apply(&mut self, page: &mut Page, previous: Option<&Page>) -> Filtered {
        let (received, timespan) = (page.rows.len(), self.calendar.timespan);
        let mut is_clean = true;
        let mut latest = self.latest;
        for bar in &mut page.rows {
            bar.cursor = timespan.cursor(bar.cursor);
            is_clean &= bar.cursor > latest && bar.cursor <= self.last_cursor && self.cursors.contains(&bar.cursor);
            latest = bar.cursor;
        }
        let mut outside = 0;
        if !is_clean {
            page.rows.retain(|bar| self.cursors.contains(&bar.cursor));
            outside = received - page.rows.len();
            let inside = page.rows.len();
            page.rows.retain(|bar| bar.cursor <= self.last_cursor);
            self.has_later |= page.rows.len() < inside;
            page.rows.sort_by_key(|bar| bar.cursor);
            self.remove_repeated(page, previous);
        }
        self.outside += outside;
        if let Some(last) = page.rows.last() {
            self.latest = self.latest.max(last.cursor);
        }
        match received {
            0 => Filtered::Empty,
            _ if outside == received => Filtered::Outside,
            _ => Filtered::Inside,
        }
    }

    fn remove_repeated(&mut self, page: &mut Page, previous: Option<&Page>) {
        let values_of = |page: &Page, bar: &Bar| BarChecksum::of(page, bar, VERSION).values;
        let known = previous.iter().flat_map(|page| page.rows.iter().map(|bar| (bar.cursor, values_of(page, bar))));
        let mut seen: HashMap<i64, u32> = known.collect();
        let mut kept: Vec<Bar> = Vec::with_capacity(page.rows.len());
        for bar in &page.rows {
            let values = values_of(page, bar);
            match seen.insert(bar.cursor, values) {
                Some(known) => {
                    self.repeated += 1;
                    if known != values {
                        self.conflicts.insert(self.calendar.date(bar.cursor));
                    }
                }
                None if bar.cursor <= self.latest => {
                    self.conflicts.insert(self.calendar.date(bar.cursor));
                }
                None => kept.push(*bar),
            }
        }
        page.rows = kept;
    }
}

/// Sorts the rows of a whole market's day, which come in any order, by ticker, keeps each ticker once, and gives its bar the
/// day's cursor: the rows' own time is 16:00 in New York, or arbitrary. Returns the names that occurred twice with different
/// values, and how many rows were repeated.
pub(crate) fn filter_market(page: &mut Page, day: Date) -> (Vec<String>, usize) {
    let rows = page.rows.iter().map(|bar| {
        let bar = Bar { cursor: utc_midnight(day), ..*bar };
        let ticker = page.ticker_of(&bar).unwrap_or_default().into_owned();
        (ticker, BarChecksum::of(page, &bar, VERSION).values, bar)
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|(ticker, values, _), (other, other_values, _)| (ticker, values).cmp(&(other, other_values)));
    let (mut differing, mut repeated) = (Vec::new(), 0);
    rows.dedup_by(|(ticker, values, _), (kept, kept_values, _)| {
        let is_repeated = ticker == kept;
        repeated += usize::from(is_repeated);
        differing.extend((is_repeated && values != kept_values).then(|| kept.clone()));
        is_repeated
    });
    page.rows = rows.into_iter().map(|(_, _, bar)| bar).collect();
    (differing, repeated)
}
