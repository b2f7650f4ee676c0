//! Bars with values that don't fit, and bars that don't belong: refused or dropped, and never a wrong row.

use serde_json::Value;

use super::{NOW, read_with, three_pages};
use crate::history::history;
use crate::support::bar_size::BarSize;
use crate::support::connector::{Connector, Output};
use crate::support::days::{date, new_york_midnight};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::{Market, TradedBar, two_days};
use crate::support::scenario::Scenario;

/// Reads one day of a market of A and B; `ticker` replaces the latter's name in the response.
fn read_market_with(ticker: &'static str) -> Output {
    let api = FakeApi::start(two_days(&["A", "B"]));
    api.inject_faults(move |_, _| Some(Fault::replaced(r#""B""#, ticker)));
    let mut connector = Connector::new(&api, "TSLA");
    connector.set("start_date", "2026-11-19").stream("market_prices", "incremental");
    connector.run_at(NOW, "read").succeeded()
}

#[test]
fn ticker_with_escapes_is_decoded() {
    let output = read_market_with(r#""\u0041""#);
    assert_eq!(output.records().len(), 1, "two spellings of one ticker are one row");
    output.assert_logged("WARN", &["market_prices", "1 repeated"]);
    let output = read_market_with(r#""B\"\\\u00e9\ud83d\ude00""#);
    let tickers: Vec<&Value> = output.records().iter().map(|record| &record["stock_ticker"]).collect();
    assert_eq!(tickers, ["A", "B\"\\é😀"]);
}

#[test]
fn bars_that_do_not_belong_are_dropped_and_counted_and_the_rest_is_put_in_order() {
    let api = FakeApi::start(three_pages());
    let bar = |start: i64| format!(r#"{{"v":1,"o":1,"c":{start},"h":1,"l":1,"t":{start}}}"#);
    // The 18th, the 16th, the 17th twice, the 11th.
    let starts = [1_794_978_000_000, 1_794_805_200_000, 1_794_891_600_000, 1_794_891_600_000, 1_794_373_200_000];
    let body = format!(r#"{{"adjusted":true,"status":"DELAYED","results":[{}]}}"#, starts.map(bar).join(","));
    let output = read_with(&api, move |_| Some(Fault::body(&body))).succeeded();
    assert_eq!(output.dates(), ["2026-11-16", "2026-11-17", "2026-11-18"]);
    output.assert_logs("WARN", &[&["stock_prices, TSLA", "1 bar", "outside", "1 repeated"]]);
}

#[test]
fn bar_that_is_far_too_late_does_not_look_like_a_pagination_loop() {
    let mut market = three_pages();
    market.page_size = 1;
    let api = FakeApi::start(market);
    let with_late_bar = Fault::rows_changed(|rows| {
        let mut late = rows[0].clone();
        late["t"] = 1_900_000_000_000_i64.into();
        rows.push(late);
    });
    let output = read_with(&api, move |number| (number == 0).then(|| with_late_bar.clone())).succeeded();
    assert_eq!(output.records().len(), 6);
    output.assert_logs("WARN", &[&["stock_prices, TSLA", "1 bar", "outside"]]);
}

/// Of the first response, one bar comes twice with different values; the second response is `then`.
fn with_conflict(scenario: &Scenario, then: Option<Fault>) {
    let twice = Fault::rows_changed(|rows| {
        let mut other = rows[8].clone();
        other["v"] = 7.into();
        rows.insert(9, other);
    });
    scenario.api.inject_faults(move |number, _| match number {
        0 => Some(twice.clone()),
        1 => then.clone(),
        _ => None,
    });
}

#[test]
fn bar_that_comes_twice_on_a_page_that_ends_within_a_session_leaves_a_state_that_can_be_read() {
    let mut scenario = history("stock_prices_by_hour", date(2026, 11, 2), 18, "2026-11-02");
    scenario.api.market().page_size = 27;
    with_conflict(&scenario, None);
    scenario.sync("2026-11-20T12:00:00Z");
    scenario.assert_true("the first sync");
    assert_eq!(scenario.sync("2026-11-20T13:00:00Z").records().len(), 0);
}

#[test]
fn empty_response_about_a_day_with_a_conflict_loses_no_bar() {
    for stream in ["stock_prices", "stock_prices_by_hour"] {
        let mut scenario = history(stream, date(2026, 6, 1), 200, "2026-06-01");
        with_conflict(&scenario, Some(Fault::no_bars()));
        let output = scenario.sync("2026-11-20T12:00:00Z");
        assert_eq!(output.records().len(), scenario.truth().rows.len(), "{stream}");
    }
}

#[test]
fn month_that_comes_twice_is_requested_as_a_whole() {
    let mut market = Market::at("2026-11-20T15:00:00Z");
    for month in 1..=12 {
        market.bar(BarSize::MONTH, "AAPL", new_york_midnight(date(2026, month, 1)), TradedBar::closing_at(1.0));
    }
    let mut scenario = Scenario::new(market, "AAPL", "stock_prices_by_month", "2026-01-01");
    with_conflict(&scenario, None);
    scenario.sync("2026-11-20T12:00:00Z");
    scenario.assert_true("both versions are of September");
    assert!(scenario.requests()[1].path.ends_with("/2026-09-01/2026-09-30"));
}
