//! What a destination must hold: the records of a market's final bars, derived from the market itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Number, Value, json};

use super::bar_size::BarSize;
use super::days::{Date, date_in, midnight, moment_at, zone_of};
use super::market::{Market, TradedBar};

/// How long an intraday bar has to be over, in milliseconds.
const INTRADAY_DELAY_MS: i64 = 20 * 60_000;

/// The records of a ticker's bars that the plan shows and that are final at `now`, by start in epoch milliseconds.
pub fn final_records(
    market: &Market,
    size: BarSize,
    ticker: &str,
    adjusted: bool,
    now: DateTime<Utc>,
) -> BTreeMap<i64, Value> {
    let shown = market.shown(size, ticker, adjusted);
    let bars = shown.iter().filter(|(start, _)| is_final(size, ticker, **start, now));
    bars.map(|(start, bar)| (*start, record(size, ticker, *start, bar, adjusted))).collect()
}

/// Whether a bar can be emitted: a day (week, month) is over in its market, a shorter bar for twenty minutes.
pub fn is_final(size: BarSize, ticker: &str, start: i64, now: DateTime<Utc>) -> bool {
    let zone = zone_of(ticker);
    let end = size.end(zone, start);
    if size.is_intraday() {
        end + INTRADAY_DELAY_MS <= now.timestamp_millis()
    } else {
        end <= midnight(zone, date_in(zone, now))
    }
}

/// Whether a bar is within the days up to `last`, whole.
pub fn ends_by(size: BarSize, ticker: &str, start: i64, last: Date) -> bool {
    size.last_day(date_in(zone_of(ticker), moment_at(start))) <= last
}

/// The record of a bar as the API shows it.
pub fn record(size: BarSize, ticker: &str, start: i64, bar: &TradedBar, adjusted: bool) -> Value {
    let mut record = json!({
        "date": date_in(zone_of(ticker), moment_at(start)).to_string(),
        "stock_ticker": ticker,
        "price": number(bar.close),
        "open": number(bar.open),
        "high": number(bar.high),
        "low": number(bar.low),
        "volume": bar.volume.map(number),
        "vwap": bar.traded.map(|(vwap, _)| number(vwap)),
        "transactions": bar.traded.map(|(_, trades)| trades),
        "adjusted": adjusted,
    });
    if size.is_intraday() {
        record["timestamp"] = moment_at(start).format("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    }
    record
}

/// The number as the fake API writes it, which the connector passes on unchanged.
fn number(value: f64) -> Number {
    value.to_string().parse().expect("a number")
}
