//! States of other shapes: the tutorial's, and invalid ones. Unit tests have all shapes in which hosts pass a state.

use chrono::Datelike;
use serde_json::{Value, json};

use crate::support::days::date;
use crate::support::fake_api::Fault;
use crate::support::market::{Market, TradedBar, weekdays};
use crate::support::scenario::Scenario;

const NOW: &str = "2026-03-11T12:00:00Z";

/// The days of two tickers from 2026-01-05 on.
fn two_tickers() -> Scenario {
    let mut market = Market::at(NOW);
    for ticker in ["AAPL", "TSLA"] {
        for day in weekdays(date(2026, 1, 5), 70) {
            market.day(ticker, day, TradedBar::closing_at(f64::from(day.ordinal())));
        }
    }
    Scenario::new(market, "AAPL,TSLA", "stock_prices", "2026-01-05")
}

#[test]
fn tutorials_state_survives_a_sync_that_fails() {
    for failing in ["/", "AAPL", "TSLA"] {
        let mut scenario = two_tickers();
        scenario.set("start_date", Value::Null);
        // The day before the first bar.
        scenario.connector.state = Some(json!({"stock_prices": {"date": "2026-01-04"}}));
        scenario
            .api
            .inject_faults(move |_, request| request.path.contains(failing).then(|| Fault::status(500, "", "")));
        scenario.try_sync(NOW).assert_failure("transient_error", &["stock_prices"]);
        scenario.api.heal();
        scenario.sync(NOW);
        scenario.set("start_date", "2026-01-05").assert_true(failing);
    }
}

#[test]
fn invalid_state_is_refused_without_a_request() {
    for state in [
        json!({"stock_price": {"date": "2026-01-05"}}),
        json!("2026-01-05"),
        json!({"stock_prices": 7}),
        json!({"stock_prices": {"date": 7}}),
        json!({"stock_prices": {"date": "soon"}}),
        json!({"stock_prices": {"AAPL": 7}}),
        json!({"stock_prices": {"AAPL": {}}}),
        json!({"stock_prices": {"AAPL": {"date": "2026-02-30"}}}),
        json!({"stock_prices": {"AAPL": {"date": "2026-02-03", "since": false}}}),
        json!({"stock_prices": {"AAPL": {"date": "2026-02-03", "adjusted": "yes"}}}),
        json!({"stock_prices": {"AAPL": {"date": "2026-02-03", "blocks": "20260203"}}}),
        json!({"stock_prices": {"AAPL": {"date": "2026-02-03", "blocks": 7}}}),
        json!({"stock_prices": {"AAPL": {"date": "2026-02-03", "backlog": ["soon"]}}}),
    ] {
        println!("{state}");
        let mut scenario = two_tickers();
        scenario.connector.state = Some(state);
        let output = scenario.try_sync(NOW);
        output.assert_failure("config_error", &["To start over, omit --state"]);
        assert_eq!(output.records().len() + scenario.requests().len(), 0);
    }
}
