//! States of other shapes: the tutorial's, those that hosts and people hand over, and those that make no sense.

use serde_json::{Value, json};

use crate::support::days::{Date, date};
use crate::support::fake_api::{Fault, Request};
use crate::support::market::{Market, TradedBar, weekdays};
use crate::support::scenario::Scenario;

const NOW: &str = "2026-03-11T12:00:00Z";

/// The days of two tickers from 2026-01-05 on.
fn two_tickers(stream: &str) -> Scenario {
    let mut market = Market::at(NOW);
    for ticker in ["AAPL", "TSLA"] {
        for day in weekdays(date(2026, 1, 5), 70) {
            market.day(ticker, day, TradedBar::closing_at(f64::from(day_of_year(day))));
        }
    }
    Scenario::new(market, "AAPL,TSLA", stream, "2026-01-05")
}

fn day_of_year(day: Date) -> u32 {
    chrono::Datelike::ordinal(&day)
}

/// The tutorial's state of the day before the first bar, and no `start_date`.
fn from_the_tutorial() -> Scenario {
    let mut scenario = two_tickers("stock_prices");
    scenario.set("start_date", Value::Null);
    scenario.connector.state = Some(json!({"stock_prices": {"date": "2026-01-04"}}));
    scenario
}

#[test]
fn tutorials_state_survives_a_sync_that_fails() {
    let is_of = |request: &Request, ticker: &str| request.path.contains(ticker);
    for failing in ["/", "AAPL", "TSLA"] {
        let mut scenario = from_the_tutorial();
        scenario.api.inject_faults(move |_, request| is_of(request, failing).then(|| Fault::status(500, "", "")));
        assert_eq!(scenario.try_sync(NOW).failure().0, "transient_error");
        scenario.api.heal();
        scenario.sync(NOW);
        scenario.set("start_date", "2026-01-05").assert_true(failing);
    }
}

#[test]
fn state_of_any_known_shape_is_read() {
    let mut scenario = two_tickers("stock_prices");
    let first = scenario.sync(NOW);
    let own = first.last_state();
    let by_name = json!({"stock_prices": own});
    let descriptor = json!({"stream_descriptor": {"name": "stock_prices"}, "stream_state": own});
    let stream = json!({"type": "STREAM", "stream": descriptor});
    for state in [
        by_name.clone(),
        json!([stream]),
        stream.clone(),
        json!({"type": "STATE", "state": stream}),
        json!({"type": "STATE", "state": {"data": by_name}}),
        json!([{"type": "LEGACY", "data": by_name}]),
        json!({"data": by_name}),
        json!([{"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": [descriptor]}}]),
    ] {
        scenario.connector.state = Some(state.clone());
        let output = scenario.sync(NOW);
        assert_eq!((output.records().len(), output.last_state()), (0, own.clone()), "{state}");
    }
}

#[test]
fn state_of_any_other_shape_is_refused_without_a_request() {
    for state in [
        json!({"type": "STATE"}),
        json!({"type": "STATE", "state": null}),
        json!({"type": "STATE", "state": 7}),
        json!({"type": "GLOBAL"}),
        json!({"type": "LEGACY"}),
        json!({"type": "STREAM"}),
        json!({"type": "OTHER", "data": {}}),
        json!({"stock_price": {"date": "2026-01-05"}}),
        json!([7]),
        json!("2026-01-05"),
        json!({"stream": 7}),
        json!({"data": 7}),
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
        let mut scenario = two_tickers("stock_prices");
        scenario.connector.state = Some(state.clone());
        let output = scenario.try_sync(NOW);
        assert_eq!(output.exit_code, Some(1), "{state}");
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "config_error", "{state}: {message}");
        assert!(message.contains("To start over, omit --state"), "{state}: {message}");
        assert_eq!(output.records().len() + scenario.requests().len(), 0, "{state}");
    }
}
