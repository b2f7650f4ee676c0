//! What changed between syncs, and until when the destination must have followed.

use super::api::Asked;
use super::check::Check;
use super::days::{Day, month_of, years_before};
use super::market::{Row, Rows};
use super::series::{Known, Series, Within, last_two_sessions};

impl Check<'_> {
    /// Notes what the API shows otherwise than at the last sync, and what it showed in two ways.
    pub fn note_changes(&self, series: &mut Series) {
        if self.is_toggled(series) {
            // Every row is to be read again: no change that is pending excuses anything.
            series.changes.clear();
            series.shown = None;
            // The first week or month keeps its old prices while the plan's history may begin in it.
            series.cut_off.extend(self.starts_before().filter(|start| self.is_fragment(*start)));
        }
        // What lies behind the last row of an interrupted run may have been read as empty before.
        let is_read = self.stream.is_market() || series.is_interrupted;
        let reach = if is_read { series.ever.reach } else { self.starts_before().next_back() };
        let is_only_split = !series.is_touched && self.run.faults.is_empty() && !self.stream.is_market();
        if let (Some(before), Some(reach)) = (series.shown.clone(), reach) {
            let split_day = self.first_day_after_split(&before);
            let within = match split_day {
                Some(day) if is_only_split && self.is_recent(day, &before) => Within::NextDay,
                _ => Within::EveryBlock,
            };
            let keys = before.keys().chain(self.shown.keys()).filter(|start| **start <= reach && **start >= self.floor);
            for start in keys {
                if before.get(start) != self.shown.get(start) {
                    series.change(*start, within);
                }
            }
        }
        for (start, row) in self.shown.iter() {
            let is_stable = self.shown_first.get(start).is_none_or(|first| first == row);
            if !is_stable || self.is_tainted(*start, &series.known) || self.withheld.contains(start) {
                let within = self.within(*start);
                series.change(*start, within);
                // What this sync was shown wrongly, it cannot have verified.
                let is_new_day = series.is_new_day(self.run.started);
                series.changes.entry(*start).and_modify(|change| change.days += u32::from(is_new_day));
            }
        }
        self.note_cut_off(series);
    }

    /// The day after the last bar that changed, if all bars up to one changed and none after it.
    fn first_day_after_split(&self, before: &Rows) -> Option<Day> {
        let visible = before.range(self.floor..);
        let differs = |(start, row): &(&i64, &Row)| self.shown.get(*start) != Some(row);
        let last = visible.clone().rev().find(differs)?.0;
        let is_rescaled = visible.take_while(|(start, _)| *start <= last).all(|bar| differs(&bar));
        is_rescaled.then(|| self.zone.day_at(*last) + 1)
    }

    /// Whether a split of a day is noticed by whichever block is verified next: all blocks begin before it.
    fn is_recent(&self, day: Day, before: &Rows) -> bool {
        if !self.size().is_intraday() {
            return true;
        }
        // Of a ticker whose last sessions are gone, only older blocks show the split.
        if before.range(last_two_sessions(self.zone, self.starts_before())..).next().is_none() {
            return false;
        }
        // A block that is gone can have its turn, and shows nothing.
        if self.starts_before().any(|start| start >= self.floor && !before.contains_key(&start)) {
            return false;
        }
        let starts: Vec<i64> = self.starts_before().filter(|start| before.contains_key(start)).collect();
        let sessions = last_two_sessions(self.zone, starts.iter().copied());
        let Some(last_older) = starts.iter().rev().find(|start| **start < sessions) else {
            return starts.get(1).is_some_and(|second| self.zone.day_at(*second) < day);
        };
        let month = month_of(self.zone.day_at(*last_older));
        let mut newest = starts.iter().filter(|start| month_of(self.zone.day_at(**start)) == month);
        // A block that may be cut off by the plan may have its turn, and is not verified.
        let day_of = |start| month_of(self.zone.day_at(start));
        let is_cut =
            self.floor > 0 && self.starts_before().next().is_some_and(|first| day_of(first) <= day_of(self.floor) + 1);
        !is_cut && newest.nth(1).is_some_and(|second| self.zone.day_at(*second) < day)
    }

    /// Until when a row must be right that was not shown as it is: a day of the whole market that came back without rows
    /// is requested again by the next sync, unless it is some days old.
    fn within(&self, start: i64) -> Within {
        let before = |day: i64| self.table.rows.keys().filter(move |key| key.1 == day);
        let is_known = |day: i64| before(day).any(|key| self.before.get(key).is_none_or(Option::is_some));
        if !self.stream.is_market() || is_known(start) {
            return Within::EveryBlock;
        }
        // Too few rows are noticed by comparison with the day before.
        let rows = self.asked.iter().rev().find(|asked| asked.from == start).map_or(0, |asked| asked.rows);
        let last = self.table.rows.keys().map(|key| key.1).filter(|day| *day < start).max();
        let is_noticed = rows == 0 || last.is_some_and(|last| 2 * rows < before(last).count());
        let is_recent = self.zone.day_at(self.run.started) < self.zone.day_at(start) + 5;
        if is_noticed && is_recent { Within::NextSync } else { Within::EveryBlock }
    }

    /// Whether a response that had the row was wrong in a way that cannot be told from a right one.
    pub fn is_tainted(&self, start: i64, known: &Known) -> bool {
        let in_range = |asked: &&&Asked| (asked.from..=asked.to).contains(&start);
        if self.stream.is_market() {
            return self.asked.iter().rev().find(in_range).is_some_and(|asked| asked.was_empty);
        }
        let wrong = |asked: &&&Asked| asked.was_cached || asked.was_empty;
        self.asked.iter().filter(wrong).filter(in_range).any(|asked| {
            // With a STATE that has no bars of the range, a wrong response goes unnoticed.
            let is_known = |start: &i64| {
                (asked.from..=asked.to).contains(start) && known.reach.is_some_and(|reach| *start <= reach)
            };
            let is_believed = || !asked.is_next_page && !self.starts_before().any(|start| is_known(&start));
            asked.was_cached || (asked.was_empty && is_believed())
        })
    }

    /// Blocks whose beginning the plan no longer shows are not verified: what changes in them stays as it is.
    fn note_cut_off(&self, series: &mut Series) {
        // First bars that are gone look like it, if the smallest plan may hide the beginning of their block.
        let two_years_ago = self.zone.midnight(years_before(self.zone.day_at(self.run.started), 2));
        let is_gone = |start: &i64| !self.shown.contains_key(start) && self.is_same_block(*start, two_years_ago);
        let is_below = |start: &i64| *start < self.edge() || is_gone(start);
        let Some(last_below) = self.starts_before().take_while(is_below).last() else {
            return;
        };
        let strict = if self.size().is_intraday() {
            last_two_sessions(self.zone, self.starts_before())
        } else {
            self.starts_before().rev().nth(9).unwrap_or(i64::MIN)
        };
        for start in series.changes.keys().copied().collect::<Vec<_>>() {
            let is_stale = self.row_before(start).as_ref() != self.shown.get(&start);
            let is_near = self.is_same_block(start, last_below) || self.is_same_block(start, self.edge());
            if is_stale && start < strict && is_near {
                series.cut_off.insert(start);
            }
        }
    }
}
