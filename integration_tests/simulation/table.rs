//! The destination's table of a stream, and the STATEs that were written while it grew.

use std::collections::BTreeMap;

use serde_json::Value;

use super::market::{Key, Row};
use super::series::Known;

/// A STATE, and what the table and the simulation knew then.
#[derive(Clone)]
pub struct Checkpoint {
    pub state: Value,
    /// How long the journal was.
    journal: usize,
    /// What is certain of each ticker at the last success before it.
    pub known: Vec<Known>,
}

/// A table that keeps the last record of a key, with the order in which it came to be.
#[derive(Clone, Default)]
pub struct Table {
    pub rows: BTreeMap<Key, Row>,
    /// What was at a key before it was written.
    journal: Vec<(Key, Option<Row>)>,
    pub checkpoints: Vec<Checkpoint>,
    /// Which of them the platform hands over next.
    pub current: Option<usize>,
}

impl Table {
    pub fn write(&mut self, key: Key, row: Row) {
        let old = self.rows.insert(key, row);
        self.journal.push((key, old));
    }

    /// A STATE was written.
    pub fn commit(&mut self, state: Value, known: Vec<Known>) {
        self.checkpoints.push(Checkpoint { state, journal: self.journal.len(), known });
        self.current = Some(self.checkpoints.len() - 1);
    }

    /// How many writes there were.
    pub fn writes(&self) -> usize {
        self.journal.len()
    }

    /// The STATE that the platform hands over.
    pub fn state(&self) -> Option<&Value> {
        self.current.map(|current| &self.checkpoints[current].state)
    }

    /// The destination forgets what a run wrote after its last STATE; `began` is how many writes there were before.
    pub fn forget_after_last_state(&mut self, began: usize) {
        let writes = self.current.map_or(0, |current| self.checkpoints[current].journal).max(began);
        for (key, old) in self.values_at(writes) {
            let new = match old {
                Some(old) => self.rows.insert(key, old),
                None => self.rows.remove(&key),
            };
            self.journal.push((key, new));
        }
    }

    /// The platform hands over an earlier STATE, and the destination keeps its rows. Returns the keys written since, with
    /// what was there then.
    pub fn hand_back(&mut self, checkpoint: Option<usize>) -> BTreeMap<Key, Option<Row>> {
        self.current = checkpoint;
        let writes = checkpoint.map_or(0, |checkpoint| self.checkpoints[checkpoint].journal);
        self.values_at(writes)
    }

    /// The keys that a run wrote between the STATE before a checkpoint and that one.
    pub fn written_before(&self, checkpoint: Option<usize>, began: usize) -> Vec<Key> {
        let journal = |place: usize| self.checkpoints[place].journal;
        let to = checkpoint.map_or(0, journal);
        let from = checkpoint.and_then(|place| place.checked_sub(1)).map_or(0, journal).max(began);
        self.journal[from.min(to)..to].iter().map(|(key, _)| *key).collect()
    }

    /// The keys written after the first `writes` writes, with their rows before.
    pub fn values_at(&self, writes: usize) -> BTreeMap<Key, Option<Row>> {
        // The earliest write of a key has what was there before.
        self.journal[writes..].iter().rev().copied().collect()
    }
}
