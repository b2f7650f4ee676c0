//! A table in a destination, as Append + Deduped leaves it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::output::Output;

/// The primary key of a row: `stock_ticker`, and `timestamp` or `date`.
pub type PrimaryKey = (String, String);

/// A table that keeps the last record of a primary key.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Destination {
    pub rows: BTreeMap<PrimaryKey, Value>,
}

impl Destination {
    /// Inserts the records; returns how many rows existed already.
    pub fn load(&mut self, output: &Output) -> usize {
        output.records().into_iter().filter(|record| self.insert(record).is_some()).count()
    }

    /// Inserts a record; returns the row that it replaces.
    pub fn insert(&mut self, record: &Value) -> Option<Value> {
        self.rows.insert(primary_key(record), record.clone())
    }

    /// The differences between the table and the truth, one a line.
    pub fn differences(&self, truth: &Destination) -> Vec<String> {
        let mut keys: Vec<_> = self.rows.keys().chain(truth.rows.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let difference = |key: &PrimaryKey| match (self.rows.get(key), truth.rows.get(key)) {
            (Some(row), Some(true_row)) if row == true_row => None,
            (Some(row), Some(true_row)) => Some(format!("wrong: {row}, and not {true_row}")),
            (Some(row), None) => Some(format!("too much: {row}")),
            (None, Some(true_row)) => Some(format!("missing: {true_row}")),
            (None, None) => None,
        };
        keys.into_iter().filter_map(difference).collect()
    }
}

/// The primary key of a record.
pub fn primary_key(record: &Value) -> PrimaryKey {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&record["stock_ticker"]), text(record.get("timestamp").unwrap_or(&record["date"])))
}
