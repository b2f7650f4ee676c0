//! States of other shapes, and answers that are not what was asked for: findings 10 and 12 of 0.1.0.

use serde_json::{Value, json};

use crate::scenario::Scenario;
use crate::support::days::{Date, date};
use crate::support::fake_api::{Fault, Request};
use crate::support::market::{Market, TradedBar, weekdays};

const NOW: &str = "2026-03-11T12:00:00Z";

/// The days of two tickers from 2026-01-05 on.
fn two_tickers(stream: &str) -> Scenario {
    let mut market = Market::at(NOW);
    for ticker in ["AAPL", "TSLA"] {
        for day in weekdays(date(2026, 1, 5), 70) {
            market.day(
                ticker,
                day,
                TradedBar::closing_at(f64::from(day_of_year(day))),
            );
        }
    }
    Scenario::new(market, "AAPL,TSLA", stream, "2026-01-05")
}

fn day_of_year(day: Date) -> u32 {
    chrono::Datelike::ordinal(&day)
}

// Finding 10

/// The tutorial's state from the first bar on, and no `start_date`.
fn from_the_tutorial() -> Scenario {
    let mut scenario = two_tickers("stock_prices");
    scenario.set("start_date", Value::Null);
    scenario.connector.state = Some(json!({"stock_prices": {"date": "2026-01-05"}}));
    scenario
}

#[test]
fn tutorials_state_survives_a_sync_that_fails() {
    let is_of = |request: &Request, ticker: &str| request.path.contains(ticker);
    for failing in ["/", "AAPL", "TSLA"] {
        let mut scenario = from_the_tutorial();
        scenario.api.inject_faults(move |_, request| {
            is_of(request, failing).then(|| Fault::status(500, "", ""))
        });
        assert_eq!(scenario.try_sync(NOW).failure().0, "transient_error");
        scenario.api.heal();
        scenario.sync(NOW);
        scenario
            .set("start_date", "2026-01-05")
            .assert_true(failing);
    }
}

#[test]
fn tutorials_state_survives_a_sync_that_is_cut_off_anywhere() {
    let lines = from_the_tutorial().sync(NOW).messages.len();
    for lines in (0..lines).filter(|line| *line < 4 || *line % 9 == 0 || line + 6 > lines) {
        let mut scenario = from_the_tutorial();
        scenario.sync_until_line(NOW, lines);
        scenario.sync(NOW);
        scenario.set("start_date", "2026-01-05");
        scenario.assert_true(&format!("cut off after {lines} lines"));
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
        assert_eq!(
            (output.records().len(), output.last_state()),
            (0, own.clone()),
            "{state}"
        );
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
        json!({"stock_prices": {"AAPL": {"date": "2026-02-03", "digests": "2026-02-03"}}}),
        json!({"stock_prices": {"AAPL": {"date": "2026-02-03", "digests": 7}}}),
    ] {
        let mut scenario = two_tickers("stock_prices");
        scenario.connector.state = Some(state.clone());
        let output = scenario.try_sync(NOW);
        assert_eq!(output.exit_code, Some(1), "{state}");
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "config_error", "{state}: {message}");
        assert!(message.contains("Clear the stream"), "{state}: {message}");
        assert_eq!(
            output.records().len() + scenario.requests().len(),
            0,
            "{state}"
        );
    }
}

// Finding 12

/// Answers of the fake API that were cut, or are about something else.
fn dishonest_answers() -> [(&'static str, Fault); 4] {
    let cut = |body: String| {
        let begin = body.find(r#""results":["#).map_or(0, |begin| begin + 11);
        let Some(end) = body[begin..].find("},{") else {
            return body;
        };
        let rest = body[begin..].find(']').unwrap_or(0);
        format!("{}{}", &body[..=begin + end], &body[begin + rest..])
    };
    let without_rows = |body: String| {
        let count = body
            .split(r#""resultsCount":"#)
            .nth(1)
            .and_then(|rest| rest.split(',').next());
        let count = count.unwrap_or("0").to_owned();
        format!(r#"{{"status":"OK","resultsCount":{count}}}"#)
    };
    let other = |body: String| {
        body.replace(r#""ticker":"AAPL""#, r#""ticker":"MSFT""#)
            .replace(r#""ticker":"TSLA""#, r#""ticker":"MSFT""#)
    };
    [
        ("fewer rows than it says", Fault::changed(cut)),
        ("a count and no rows", Fault::changed(without_rows)),
        ("another ticker", Fault::changed(other)),
        (
            "half a body",
            Fault::changed(|body| body[..body.len() / 2].to_owned()),
        ),
    ]
}

#[test]
fn answer_that_does_not_hold_what_it_says_is_asked_for_again() {
    for (name, fault) in dishonest_answers() {
        for place in 0..4 {
            let mut scenario = two_tickers("stock_prices");
            scenario.api.market().page_size = 20;
            scenario.set("start_date", "2026-03-02").sync(NOW);
            let fault = fault.clone();
            scenario
                .api
                .inject_faults(move |number, _| (number == place).then(|| fault.clone()));
            scenario.set("start_date", "2026-01-05").sync(NOW);
            scenario.assert_true(&format!("{name} in answer {place}"));
        }
    }
}

#[test]
fn answer_that_never_holds_what_it_says_moves_nothing() {
    for stream in ["stock_prices", "market_prices"] {
        for (name, fault) in dishonest_answers() {
            if (stream, name) == ("market_prices", "another ticker") {
                continue;
            }
            let mut scenario = two_tickers(stream);
            let first = scenario.set("start_date", "2026-03-02").sync(NOW);
            scenario.api.inject_faults(move |_, _| Some(fault.clone()));
            let second = scenario.try_sync("2026-03-12T12:00:00Z");
            assert_eq!(second.failure().0, "transient_error", "{stream} {name}");
            assert_eq!(
                (second.records().len(), second.last_state()),
                (0, first.last_state())
            );
            scenario.api.heal();
            scenario.sync("2026-03-12T12:00:00Z");
            scenario.assert_true(&format!("{stream} {name}"));
        }
    }
}
