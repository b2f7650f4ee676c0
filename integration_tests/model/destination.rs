//! Rows by the start of their bars, of the destination and of the truth.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::scenario::StreamCase;
use crate::support::days::{Date, midnight, zone_of};
use crate::support::market::Market;
use crate::support::truth::final_records;

/// Where a row stands: the start of its bar in epoch milliseconds, and its ticker.
pub type RowKey = (i64, String);

/// Records by their place.
pub type Rows = BTreeMap<RowKey, Value>;

/// The start of the bar that a date or a timestamp names, epoch milliseconds.
pub fn start_of(ticker: &str, cursor: &str) -> i64 {
    match cursor.parse::<Date>() {
        Ok(day) => midnight(zone_of(ticker), day),
        Err(_) => cursor
            .parse::<DateTime<Utc>>()
            .expect("a date or a moment")
            .timestamp_millis(),
    }
}

/// The place of a record.
pub fn key_of(record: &Value) -> RowKey {
    let ticker = record["stock_ticker"].as_str().expect("a ticker");
    let cursor = record
        .get("timestamp")
        .unwrap_or(&record["date"])
        .as_str()
        .expect("a text");
    (start_of(ticker, cursor), ticker.to_owned())
}

/// The records of the bars of some tickers that `market` shows at a moment, and that are final at another.
pub fn truth(
    stream: &StreamCase,
    tickers: &[&'static str],
    adjusted: bool,
    market: &Market,
    final_at: DateTime<Utc>,
) -> Rows {
    let mut rows = Rows::new();
    for ticker in tickers {
        let records = final_records(market, stream.size, ticker, adjusted, final_at);
        rows.extend(
            records
                .into_iter()
                .map(|(start, record)| ((start, (*ticker).to_owned()), record)),
        );
    }
    rows
}
