//! What must hold after a sync: of what it emitted, and of the destination.

use std::collections::BTreeSet;

use chrono::Datelike;
use serde_json::Value;

use super::destination::{RowKey, Rows, key_of};
use super::memory::Claim;
use super::series_run::SeriesRun;
use crate::support::days::{Date, date_in, moment_at, zone_of};

impl SeriesRun<'_> {
    /// Every record is a final bar as the API showed it during the sync, and one that was asked for.
    pub fn check_records(&self, records: &[&Value]) -> Result<(), String> {
        let versions = [self.started, self.last_asked, self.ended]
            .map(|shown_at| self.truth(shown_at, self.ended));
        for record in records {
            let key = key_of(record);
            if !versions.iter().any(|truth| truth.get(&key) == Some(record)) {
                return Err(format!(
                    "emitted {record}, the API has {:?}",
                    versions[0].get(&key)
                ));
            }
            if !self.is_wanted(key.0) {
                return Err(format!("nobody asked for {record}"));
            }
        }
        Ok(())
    }

    /// After a successful sync the destination holds all that is wanted, as the API shows it.
    pub fn check_destination(&self, rows: &Rows, after: Option<&Claim>) -> Result<(), String> {
        let truth = self.truth(self.last_asked, self.started);
        // What the plan shows only since midnight may have been asked for before.
        let at_first = self.truth(self.started, self.started);
        let is_wanted = |key: &RowKey| self.is_wanted(key.0) && at_first.contains_key(key);
        let wanted: Vec<_> = truth.iter().filter(|(key, _)| is_wanted(key)).collect();
        for (key, record) in &wanted {
            let row = rows.get(*key);
            if row != Some(*record) && !self.is_excused(key) {
                let row = row.map_or("is missing".to_owned(), |row| format!("is {row}"));
                return Err(format!(
                    "the row of {} at {} {row}, the API has {record}; compared from {}, differences {:?}",
                    key.1,
                    moment_at(key.0),
                    moment_at(self.compared_from().max(0)),
                    self.differences()
                ));
            }
        }
        self.check_claim(rows, after, wanted.last().map(|(key, _)| key.0))
    }

    fn check_claim(
        &self,
        rows: &Rows,
        after: Option<&Claim>,
        last_wanted: Option<i64>,
    ) -> Result<(), String> {
        let Some(last_wanted) = last_wanted else {
            return Ok(());
        };
        let after = after.ok_or_else(|| format!("no state for {:?}", self.series.ticker))?;
        let is_emitted = |cursor| {
            self.series
                .tickers
                .iter()
                .any(|ticker| rows.contains_key(&(cursor, (*ticker).to_owned())))
        };
        if after.since > self.wanted_from() {
            return Err(format!(
                "since is {}, and should be {}",
                moment_at(after.since),
                moment_at(self.wanted_from())
            ));
        }
        match after.cursor {
            Some(cursor) if cursor < last_wanted => Err(format!(
                "the cursor {} is before the last bar",
                moment_at(cursor)
            )),
            Some(cursor) if !is_emitted(cursor) => {
                Err(format!("the cursor {} names no bar", moment_at(cursor)))
            }
            Some(_) => Ok(()),
            None => Err(format!("no cursor for {:?}", self.series.ticker)),
        }
    }

    /// Whether the design says that the difference at a place is not mended, or not yet.
    fn is_excused(&self, key: &RowKey) -> bool {
        if self.memory.suspect.contains(key) || self.is_at_refused_edge(key) {
            return true;
        }
        if key.0 >= self.compared_from() || self.is_other_basis() {
            return false;
        }
        match self
            .memory
            .rescaled_since(key)
            .filter(|_| self.is_adjusted())
        {
            Some(known_from) => {
                !self.must_notice_a_split(known_from) || self.watched_bar_is_as_it_was()
            }
            None => self.memory.was_corrected(key),
        }
    }

    /// In append mode nothing is doubled but for a difference; `records` are what was emitted.
    pub fn check_doubles(&self, records: &[&Value]) -> Result<(), String> {
        let Some(differences) = self.differences() else {
            return Ok(());
        };
        let Some(before) = self.before.as_ref() else {
            return Ok(());
        };
        if self.may_be_restated() {
            return Ok(());
        }
        for record in records {
            let key = key_of(record);
            let is_double = before.covers(key.0) && self.rows_before.get(&key) == Some(*record);
            if is_double && !self.is_in_changed_piece(&key, &differences) {
                return Err(format!(
                    "emitted again without a difference: {record}; differences: {differences:?}"
                ));
            }
        }
        Ok(())
    }

    /// Whether history may have to be read again.
    pub fn may_be_restated(&self) -> bool {
        self.is_other_basis() || self.first_bars_changed()
    }

    /// Whether what the connector may take for the first bars has other prices than when it was last asked for: the
    /// anchor, or two in a row of the first three, as the plan may show one less than it says.
    fn first_bars_changed(&self) -> bool {
        let Some(looked) = &self.memory.looked else {
            return true;
        };
        let truth = self.truth(self.last_asked, self.started);
        let differs = |(key, row): (&RowKey, &Value)| truth.get(key) != Some(row);
        if self.size().is_intraday() {
            // The first bar may be among those that are compared; where it has left, all of them stand for it.
            let first = looked.keys().next();
            let is_asked = |key: &RowKey| {
                Some(key) == first || self.asked_before().any(|asked| asked.covers(key.0))
            };
            let mut asked = looked.iter().filter(|(key, _)| is_asked(key));
            return asked.any(differs) || self.are_all_sessions_changed();
        }
        let shown = looked.iter().filter(|(key, _)| key.0 >= self.floor());
        let changes: Vec<bool> = shown.take(3).map(differs).collect();
        changes.len() < 2 || changes.windows(2).any(|two| two == [true, true])
    }

    /// Whether a place is in a piece of the stretch that is compared, and emitted again, as a whole.
    fn is_in_changed_piece(&self, key: &RowKey, differences: &BTreeSet<RowKey>) -> bool {
        let day = |key: &RowKey| date_in(zone_of(&key.1), moment_at(key.0));
        match self.size() {
            size if size.is_intraday() => differences.iter().any(|other| day(other) == day(key)),
            _ if self.stream.is_market => differences.iter().any(|other| other.0 == key.0),
            _ => {
                differences
                    .iter()
                    .any(|other| day(other).year() == day(key).year())
                    || self.is_in_cut_year(day(key))
            }
        }
    }

    /// Whether a day is in the year that the plan's history begins in, and all ten first bars have left it.
    fn is_in_cut_year(&self, day: Date) -> bool {
        let Some(seen) = self.memory.seen.as_ref() else {
            return true;
        };
        let floor = self.floor();
        let first = seen
            .keys()
            .find(|key| key.0 >= floor)
            .map(|key| date_in(zone_of(&key.1), moment_at(key.0)));
        seen.keys().nth(9).is_none_or(|tenth| tenth.0 < floor)
            && first.is_none_or(|first| first.year() == day.year())
    }
}
