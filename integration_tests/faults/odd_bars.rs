//! Bars with values that don't fit, and bars that don't belong: refused or dropped, and never a wrong row.

use serde_json::Value;

use super::{NOW, read_with, three_pages};
use crate::support::connector::{Connector, Output};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::two_days;

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
