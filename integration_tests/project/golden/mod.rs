//! Outputs of commands, kept as files so that no change goes unnoticed.

use crate::support::connector::Connector;
use crate::support::days::date;
use crate::support::golden::assert_golden;
use crate::support::market::{Market, TradedBar, weekdays};
use crate::support::scenario::Scenario;

const NOW: &str = "2026-03-03T12:00:00Z";

/// Days of two tickers; NVDA was split on 2026-02-10.
fn market() -> Market {
    let mut market = Market::at(NOW);
    market.page_size = 4;
    for day in weekdays(date(2026, 1, 5), 70) {
        let nvda = if day >= date(2026, 2, 10) { 100.0 } else { 1000.0 };
        for (ticker, close) in [("AAPL", 200.0), ("NVDA", nvda)] {
            let close = close + f64::from(chrono::Datelike::ordinal(&day));
            market.day(ticker, day, TradedBar::closing_at(close));
        }
    }
    market.split("NVDA", date(2026, 2, 10), 10.0);
    market
}

/// Of the streams with the same fields, only the first.
#[test]
fn output_of_discover_is_unchanged() {
    let connector = Connector::with_url("http://127.0.0.1:9", "AAPL");
    let output = connector.run_at(NOW, "discover").succeeded();
    let mut message = output.messages[0].clone();
    let streams = message["catalog"]["streams"].as_array_mut();
    let mut seen = Vec::new();
    streams.expect("streams").retain(|stream| {
        let is_new = !seen.contains(&stream["json_schema"]);
        seen.push(stream["json_schema"].clone());
        is_new
    });
    assert_golden("project/golden/outputs/discover.jsonl", &format!("{message}\n"));
}

/// A sync of two tickers; one was split since the sync before.
#[test]
fn output_of_read_is_unchanged() {
    let mut scenario = Scenario::new(market(), "AAPL,NVDA", "stock_prices", "2026-02-05");
    scenario.sync("2026-02-10T04:00:00Z");
    let output = scenario.sync("2026-02-12T12:00:00Z");
    assert_golden("project/golden/outputs/read.jsonl", &output.text);
}
