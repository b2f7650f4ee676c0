//! What the simulation remembers about a ticker's rows from sync to sync. It never reads this from a STATE.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::days::{Day, Zone, month_of};
use super::market::{Row, Rows};

/// What a successful sync makes certain, and a STATE keeps.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The first moment from which everything is in the table.
    pub since: Option<i64>,
    /// The start of the last bar.
    pub reach: Option<i64>,
    /// Whether prices are adjusted for splits.
    pub adjusted: Option<bool>,
    /// Whether `adjusted` was changed and not every row has been read again since.
    pub is_changing: bool,
    /// The splits or dividends that were compared.
    pub events: Arc<Rows>,
    /// Whether they may be in the backlog.
    pub in_backlog: bool,
}

impl Known {
    /// Whether events are known and will be compared.
    pub fn is_compared(&self) -> bool {
        !self.in_backlog && !self.events.is_empty()
    }

    /// What is certain by a STATE in the middle of a run: rows may be on either basis while `adjusted` is changing.
    pub fn within_run(self, adjusted: bool) -> Known {
        let is_changing = self.is_changing || self.adjusted.is_some_and(|known| known != adjusted);
        Known { adjusted: self.adjusted.filter(|known| *known == adjusted), is_changing, ..self }
    }
}

/// Until when a difference must be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Within {
    /// With the next sync.
    NextSync,
    /// With the next day's sync.
    NextDay,
    /// Once every block has been verified.
    EveryBlock,
}

/// A change of what the API shows.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// How many days had been synced before.
    pub days: u32,
    pub within: Within,
}

/// A ticker's rows in a stream.
#[derive(Clone, Default)]
pub struct Series {
    pub known: Known,
    /// The same, of all STATEs that ever were.
    pub ever: Known,
    /// On how many days there was a successful sync.
    pub days: u32,
    counted: Option<(Day, Day)>,
    /// What the API showed at the last sync.
    pub shown: Option<Arc<Rows>>,
    pub changes: BTreeMap<i64, Change>,
    /// Rows that came after the STATE that was handed back, with what was there before: if the API shows that again, no
    /// source can notice that the destination holds something else.
    pub suspects: BTreeMap<i64, Vec<Row>>,
    /// Rows that changed in a block whose beginning the plan no longer shows.
    pub cut_off: BTreeSet<i64>,
    /// Whether something else than a split happened since the last successful sync.
    pub is_touched: bool,
    /// Whether the last run that had a consequence failed: its STATE can cover days behind the last row.
    pub is_interrupted: bool,
}

impl Series {
    /// Notes a change of a row.
    pub fn change(&mut self, start: i64, within: Within) {
        let days = self.days;
        self.changes.insert(start, Change { days, within });
    }

    /// An earlier STATE was handed back: what was verified since counts no longer.
    pub fn begin_again(&mut self, known: Known) {
        self.known = known;
        (self.is_touched, self.is_interrupted) = (true, true);
        let days = self.days;
        for change in self.changes.values_mut() {
            *change = Change { days, within: Within::EveryBlock };
        }
    }

    /// Whether a day began in both zones since something was last verified.
    pub fn is_new_day(&self, now: i64) -> bool {
        let today = days_at(now);
        self.counted.is_none_or(|counted| counted.0 != today.0 && counted.1 != today.1)
    }

    /// Whether a day began in either zone.
    pub fn may_be_new_day(&self, now: i64) -> bool {
        self.counted != Some(days_at(now))
    }

    /// Counts a sync that succeeded on a new day.
    pub fn count(&mut self, now: i64, succeeded: bool) {
        self.days += u32::from(succeeded && self.is_new_day(now));
        // Fetched bars count as verified on that day, even if the run failed.
        self.counted = Some(days_at(now));
        (self.is_touched, self.is_interrupted) = (!succeeded, !succeeded);
    }
}

fn days_at(now: i64) -> (Day, Day) {
    (Zone::Utc.day_at(now), Zone::NewYork.day_at(now))
}

/// The first moment of the last two sessions among some starts.
pub fn last_two_sessions(zone: Zone, starts: impl DoubleEndedIterator<Item = i64>) -> i64 {
    let (mut days, mut first) = (BTreeSet::new(), i64::MIN);
    for start in starts.rev() {
        days.insert(zone.day_at(start));
        if days.len() > 2 {
            return first;
        }
        first = zone.midnight(zone.day_at(start));
    }
    i64::MIN
}

/// How many blocks of two months (one, where markets never close) some starts make, wherever they begin.
pub fn blocks(zone: Zone, starts: impl Iterator<Item = i64>) -> usize {
    let (mut even, mut odd) = (BTreeSet::new(), BTreeSet::new());
    for start in starts {
        let month = month_of(zone.day_at(start));
        let months = if zone == Zone::Utc { 1 } else { 2 };
        even.insert(month / months);
        odd.insert((month + 1) / months);
    }
    even.len().max(odd.len())
}
