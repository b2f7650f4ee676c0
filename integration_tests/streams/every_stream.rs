//! The state and the configuration of every stream.

use serde_json::{Value, json};

use crate::support::bar_size::BarSize;
use crate::support::connector::configured;
use crate::support::days::{Date, date, midnight, new_york_time, zone_of};
use crate::support::market::{Market, TradedBar};
use crate::support::scenario::Scenario;
use crate::support::streams::{STREAMS, Stream, stream_named};

/// Friday, Monday (summer time has begun), Tuesday.
pub const DAYS: [Date; 3] = [date(2026, 3, 6), date(2026, 3, 9), date(2026, 3, 10)];
/// Before the first bar of the day.
pub const TUESDAY: &str = "2026-03-10T07:00:00Z";
pub const WEDNESDAY: &str = "2026-03-11T07:00:00Z";

/// The starts of a ticker's bars on a day.
pub fn starts(size: BarSize, ticker: &str, day: Date) -> Vec<i64> {
    match size {
        BarSize::HOUR => (4..20).map(|hour| new_york_time(day, hour, 0)).collect(),
        BarSize::MINUTE => (30..45).map(|minute| new_york_time(day, 9, minute)).collect(),
        size if size.is_intraday() => {
            [(9, 30), (10, 0), (10, 30), (11, 0)].map(|(hour, minute)| new_york_time(day, hour, minute)).to_vec()
        }
        _ => vec![midnight(zone_of(ticker), day)],
    }
}

/// Three days of two tickers, or three weeks, or three months, on pages of twelve bars.
pub fn scenario(stream: &str) -> Scenario {
    let Stream { size, market, .. } = stream_named(stream);
    let (size, prefix) = (*size, market.unwrap_or(""));
    let days = match size {
        BarSize::WEEK => [date(2026, 2, 15), date(2026, 2, 22), date(2026, 3, 1)],
        BarSize::MONTH => [date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)],
        _ => DAYS,
    };
    let mut market = Market::at(TUESDAY);
    market.page_size = 12;
    for ticker in ["AAPL", "TSLA"].map(|ticker| format!("{prefix}{ticker}")) {
        for day in days {
            for (number, start) in starts(size, &ticker, day).into_iter().enumerate() {
                let close = 100.0 + f64::from(chrono::Datelike::day(&day)) + number as f64 / 100.0;
                market.bar(size, &ticker, start, TradedBar::closing_at(close));
            }
        }
    }
    let start_date = days[0].to_string();
    Scenario::new(market, "AAPL,TSLA", stream, &start_date)
}

fn state_of(stream: &str, entry: &Value) -> Value {
    let state = match stream_named(stream).market {
        Some(_) => entry.clone(),
        None => json!({"AAPL": entry, "TSLA": entry}),
    };
    let stream = json!({"stream_descriptor": {"name": stream}, "stream_state": state});
    json!([{"type": "STREAM", "stream": stream}])
}

#[test]
fn state_that_cannot_be_understood_is_refused_by_every_stream_in_both_sync_modes() {
    for stream in STREAMS.iter().map(|stream| stream.name) {
        let mut scenario = scenario(stream);
        for entry in [
            json!({"since": "2026-01-01", "date": "soon", "timestamp": "soon"}),
            json!({"since": "2026-01-01", "date": 7, "timestamp": 7}),
            json!({"since": false}),
            json!({"since": "2026-01-01", "adjusted": "yes"}),
            json!({"since": "2026-01-01", "blocks": 7}),
        ] {
            for sync_mode in ["incremental", "full_refresh"] {
                println!("{stream}, {sync_mode}: {entry}");
                scenario.connector.stream(stream, sync_mode);
                scenario.connector.state = Some(state_of(stream, &entry));
                scenario.try_sync(TUESDAY).assert_failure("config_error", &[stream, "To start over, omit --state"]);
                assert_eq!(scenario.requests().len(), 0);
            }
        }
    }
}

#[test]
fn streams_are_read_in_the_catalogs_order_each_with_its_own_state() {
    let scenario = scenario("stock_prices");
    let mut connector = scenario.connector;
    connector.catalog = json!({"streams": [
        configured("market_prices", "incremental"), configured("stock_prices", "full_refresh"),
    ]});
    let output = connector.run_at(TUESDAY, "read").succeeded();
    let states = output.states();
    let streams = states.iter().map(|state| state["stream"]["stream_descriptor"]["name"].clone());
    let mut streams: Vec<_> = streams.collect();
    streams.dedup();
    assert_eq!(streams, ["market_prices", "stock_prices"]);
    let statuses = ["STARTED", "RUNNING", "COMPLETE", "STARTED", "RUNNING", "COMPLETE"];
    assert_eq!(output.statuses(), statuses);
    assert_eq!(output.records().len(), 8);
    assert!(output.records()[..4].iter().all(|record| record["adjusted"] == false));
}
