//! What a series emits: corrections of what was emitted before, and new bars.

use super::anchor::AnchorFound;
use super::compare::{ComparedBar, Comparison, compare};
use super::digest::Digest;
use super::digests::{Layout, Period};
use super::reader::{PageReader, ReadPage};
use super::series::{Result, SeriesSync};
use super::steps::Restart;
use crate::airbyte::RecordBatch;
use crate::calendar::{Date, DateRange, day_before};
use crate::notices::Notice;
use crate::polygon::response::{Bar, Page};

/// A first bar that comes so many days later than asked for is worth a warning; no holidays are as long.
const MAX_START_GAP_DAYS: i64 = 10;

impl SeriesSync<'_, '_, '_, '_> {
    /// Compares what was emitted with what is there now, and emits again what differs. `false` if nothing else is to be
    /// read of these days.
    pub(super) fn emit_changes(&mut self, pages: &[ReadPage], days: DateRange) -> Result<bool> {
        if self.stretch.has_rows() && pages.iter().all(|read| read.page.bars().is_empty()) {
            return self.tell_all_gone().map(|()| true);
        }
        let Some(cursor) = self.stretch.cursor else {
            return Ok(true);
        };
        self.stretch.told_missing = false;
        let bars = self.compared_bars(pages, cursor);
        self.note_compared(&bars);
        let comparison = compare(
            &self.stretch,
            self.plan.layout(),
            &bars,
            self.plan.window.today,
        );
        if let Some(why) = self.restatement(&comparison, &bars)? {
            // Days and longer bars are all in hand, unless the plan may show a little more of them.
            let are_in_hand = self.plan.layout() == Layout::Bars && self.stretch.granted.is_none();
            self.restart(why)?;
            return Ok(are_in_hand);
        }
        if self.plan.layout() == Layout::Sessions && self.stretch.anchor.is_none() {
            self.anchor_at_compared();
        }
        self.tell_gone(&comparison)?;
        self.emit_corrections(pages, &bars, comparison, days)?;
        Ok(true)
    }

    fn compared_bars(&self, pages: &[ReadPage], cursor: i64) -> Vec<ComparedBar> {
        let bars = pages
            .iter()
            .flat_map(|read| read.page.bars().iter().map(|bar| (&read.page, bar)));
        let compared = bars
            .filter(|(_, bar)| bar.cursor <= cursor)
            .map(|(page, bar)| ComparedBar {
                cursor: bar.cursor,
                day: self.plan.calendar.date(bar.cursor),
                digest: Digest::of(page, bar),
            });
        compared.collect()
    }

    /// Whether history was restated, and by what it was noticed. Of days and longer bars the first ones are in hand; of
    /// intraday bars the anchor is asked for; where the API no longer shows it, all sessions that are compared stand for it.
    fn restatement(
        &mut self,
        comparison: &Comparison,
        bars: &[ComparedBar],
    ) -> Result<Option<Restart>> {
        let of_day = |day: Date| bars.iter().find(|bar| bar.day == day).map(|bar| bar.cursor);
        let changed = match self.plan.layout() {
            Layout::Bars => comparison.first_prices_changed.and_then(of_day),
            Layout::LastDay => None,
            Layout::Sessions if comparison.changed.is_empty() && comparison.gone.is_empty() => None,
            Layout::Sessions => match self.compare_anchor()? {
                AnchorFound::Changed(cursor) => Some(cursor),
                AnchorFound::Same => None,
                AnchorFound::Gone => {
                    self.anchor_at_compared();
                    let first = bars.first().map(|bar| bar.cursor);
                    first.filter(|_| comparison.all_prices_changed)
                }
            },
        };
        Ok(changed.map(Restart::PricesChanged))
    }

    /// Emits the bars of the periods that changed, and those before the stretch.
    fn emit_corrections(
        &mut self,
        pages: &[ReadPage],
        bars: &[ComparedBar],
        comparison: Comparison,
        days: DateRange,
    ) -> Result<()> {
        let before = self.stretch.clone();
        let is_changed = |day: Date| {
            day >= before.since && comparison.changed.contains(&before.digests.period_of(day))
        };
        let changed: Vec<_> = bars.iter().filter(|bar| is_changed(bar.day)).collect();
        let mut interim = before.clone();
        if let (Some(first), Some(last)) = (changed.first(), changed.last()) {
            let (from, to) = (first.day, last.day);
            self.notice(&Notice::Corrected {
                bars: changed.len(),
                from,
                to,
            })?;
            interim.digests.void(&comparison.changed);
            self.writer.void(self.series, interim.clone())?;
        }
        let last_compared = bars.last().map_or(i64::MIN, |bar| bar.cursor);
        let selections = pages.iter().map(|read| {
            let is_to_emit = |bar: &&Bar| {
                let day = self.plan.calendar.date(bar.cursor);
                bar.cursor <= last_compared && (day < before.since || is_changed(day))
            };
            (
                &read.page,
                read.page
                    .bars()
                    .iter()
                    .filter(is_to_emit)
                    .copied()
                    .collect::<Vec<_>>(),
            )
        });
        let mut selections: Vec<_> = selections.filter(|(_, bars)| !bars.is_empty()).collect();
        let last = selections.pop();
        // Until the last of them is written, the state is the one from which all of them would be emitted again.
        self.stretch = interim;
        for (page, bars) in &selections {
            self.emit(page, bars)?;
        }
        self.take_over(bars, comparison, days)?;
        if let Some((page, bars)) = last {
            self.emit(page, &bars)?;
        }
        Ok(())
    }

    /// Notes what is in the destination once the corrections are written.
    fn take_over(
        &mut self,
        bars: &[ComparedBar],
        comparison: Comparison,
        days: DateRange,
    ) -> Result<()> {
        self.stretch.digests = comparison.digests;
        let (Some(first), Some(last)) = (bars.first(), bars.last()) else {
            return Ok(());
        };
        self.stretch.advance(first.cursor, last.cursor);
        if self.plan.layout() == Layout::Bars {
            let since = self.plan.wanted_since(&self.stretch);
            if since < self.stretch.since {
                self.tell_late_first_bar(first.day, since)?;
            }
            self.stretch.extend_back(days.from.min(since));
        }
        Ok(())
    }

    /// Emits the bars after the cursor. `is_among_several` says that more than one page was read so far, so that a
    /// midnight may lie between them.
    pub(super) fn emit_new(&mut self, page: &Page, is_among_several: bool) -> Result<()> {
        let bars = page.bars();
        let begin = self
            .stretch
            .cursor
            .map_or(0, |cursor| bars.partition_point(|bar| bar.cursor <= cursor));
        let new = &bars[begin..];
        let (Some(first), Some(last)) = (new.first(), new.last()) else {
            return Ok(());
        };
        if self.stretch.cursor.is_none() {
            self.tell_first_bar(first.cursor)?;
            let anchor = self.anchor_in(page, new);
            if let (Some((cursor, digest)), Layout::Sessions) = (anchor, self.plan.layout()) {
                self.set_anchor(cursor, digest);
            }
        }
        if is_among_several {
            self.note_midnight();
        }
        self.append_digests(page, new);
        self.stretch.advance(first.cursor, last.cursor);
        self.emit(page, new)
    }

    fn append_digests(&mut self, page: &Page, bars: &[Bar]) {
        let (layout, calendar) = (self.plan.layout(), self.plan.calendar);
        // Of a long page only the last two sessions are kept; the others need not be looked at.
        let begin = match layout {
            Layout::Bars => 0,
            Layout::LastDay | Layout::Sessions => {
                begin_of_last_days(bars, 2, |bar| calendar.date(bar.cursor))
            }
        };
        for bar in &bars[begin..] {
            self.stretch
                .digests
                .append(calendar.date(bar.cursor), Digest::of(page, bar), layout);
        }
    }

    pub(super) fn emit(&mut self, page: &Page, bars: &[Bar]) -> Result<()> {
        if let (Some(first), Some(last)) = (bars.first(), bars.last()) {
            self.emitted.bars += bars.len();
            let (from, to) = self.emitted.range.unwrap_or((first.cursor, last.cursor));
            self.emitted.range = Some((from.min(first.cursor), to.max(last.cursor)));
        }
        let batch = RecordBatch {
            stream: self.plan.stream,
            page,
            bars,
            ticker: self.series.ticker(),
            adjusted: self.plan.basis.is_adjusted(),
            calendar: self.plan.calendar,
        };
        Ok(self
            .writer
            .write(self.series, &batch, self.stretch.clone())?)
    }

    /// Warns once that nothing is there any more of what was emitted.
    fn tell_all_gone(&mut self) -> Result<()> {
        if let (false, Some(last)) = (self.stretch.told_missing, self.stretch.last_row()) {
            self.notice(&Notice::AllBarsGone {
                last: self.text(last),
            })?;
        }
        self.stretch.told_missing = true;
        Ok(())
    }

    fn tell_gone(&mut self, comparison: &Comparison) -> Result<()> {
        for gone in &comparison.gone {
            let (from, to) = match gone.period {
                Period::Day(day) => (day, day),
                Period::Year(year) => {
                    let day = |month, day| {
                        Date::from_ymd_opt(year, month, day).unwrap_or(self.stretch.since)
                    };
                    (day(1, 1), day(12, 31))
                }
            };
            self.notice(&Notice::BarsGone {
                bars: gone.bars,
                from,
                to,
            })?;
        }
        Ok(())
    }

    /// Warns where the first bar of a history shows that something before it can't be had.
    fn tell_first_bar(&mut self, cursor: i64) -> Result<()> {
        let first_day = self.plan.calendar.date(cursor);
        match self
            .stretch
            .first
            .map(|first| self.plan.calendar.date(first))
        {
            None => self.tell_late_first_bar(first_day, self.stretch.since),
            Some(old_first) if old_first < first_day => {
                let days = DateRange {
                    from: old_first,
                    to: day_before(first_day),
                };
                self.notice(&Notice::OldBasisRows { days })
            }
            Some(_) => Ok(()),
        }
    }

    fn tell_late_first_bar(&mut self, first: Date, asked: Date) -> Result<()> {
        // That the plan begins later was told already.
        let asked = self
            .stretch
            .granted
            .map_or(asked, |granted| asked.max(granted.from));
        if (first - asked).num_days() <= MAX_START_GAP_DAYS {
            return Ok(());
        }
        self.notice(&Notice::LateFirstBar { first, asked })
    }

    pub(super) fn tell_dropped(&mut self, reader: &PageReader) -> Result<()> {
        let dropped = reader.filter.dropped;
        if dropped.out_of_range + dropped.duplicates == 0 {
            return Ok(());
        }
        self.notice(&Notice::Dropped {
            outside: dropped.out_of_range,
            duplicates: dropped.duplicates,
        })
    }
}

/// Where the last `count` days begin in bars that are in order.
fn begin_of_last_days(bars: &[Bar], count: usize, day_of: impl Fn(&Bar) -> Date) -> usize {
    let mut begin = bars.len();
    for _ in 0..count {
        let Some(last) = begin.checked_sub(1).map(|place| day_of(&bars[place])) else {
            break;
        };
        begin = bars[..begin].partition_point(|bar| day_of(bar) < last);
    }
    begin
}
