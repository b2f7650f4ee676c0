//! The reach of a failure: one ticker's stops no other, nor does a slow one; a wrong key or an outage ends the run.

use std::time::Duration;

use serde_json::json;
use source_stock_ticker_api::clock::Clock;

use super::{NOW, three_pages};
use crate::support::clock::SimulatedClock;
use crate::support::connector::{Connector, Output, configured};
use crate::support::days::moment;
use crate::support::fake_api::{FakeApi, Fault, Request};
use crate::support::market::{Market, two_days};

fn is_about(request: &Request, tickers: &[&str]) -> bool {
    tickers.iter().any(|ticker| request.path.contains(&format!("/ticker/{ticker}/")))
}

fn read(api: &FakeApi, tickers: &[&str]) -> Output {
    Connector::new(api, &tickers.join(",")).run_at(NOW, "read")
}

fn tickers_read(output: &Output) -> Vec<String> {
    let mut tickers: Vec<String> = output.prices().into_iter().map(|price| price.0.to_owned()).collect();
    tickers.dedup();
    tickers
}

#[test]
fn one_tickers_failure_leaves_the_others_alone() {
    let tickers = ["AAPL", "BAD", "MSFT", "TSLA", "WORSE"];
    let api = FakeApi::start(two_days(&tickers));
    api.inject_faults(|_, request| match () {
        () if is_about(request, &["BAD"]) => Some(Fault::status(500, "", "")),
        () if is_about(request, &["WORSE"]) => Some(Fault::changed(|_| "[]".to_owned())),
        () => None,
    });
    let output = read(&api, &tickers);
    assert_eq!(tickers_read(&output), ["AAPL", "MSFT", "TSLA"]);
    assert_eq!(output.last_state().as_object().map(|state| state.len()), Some(3), "those that failed have no state");
    // A retry helps one of them.
    output.assert_failure("transient_error", &["BAD: ", "WORSE: "]);
    assert!(!output.failure().1.contains("MSFT"));
    assert_eq!(output.logs("ERROR").len(), 2);
}

#[test]
fn slow_ticker_holds_up_no_request_of_the_others_and_records_stay_in_order() {
    let tickers: Vec<&str> = "SLOW A B C D E F G H I J K L M N O P Q R S T".split(' ').collect();
    let api = FakeApi::start(two_days(&tickers));
    let server = api.clone();
    api.inject_faults(move |_, request| is_about(request, &["SLOW"]).then(|| Fault::held_until(&server, 8)));
    let output = read(&api, &tickers).succeeded();
    assert_eq!(tickers_read(&output), tickers);
    assert_eq!(api.take_requests().len(), 21, "seven others went out before the first response");
}

#[test]
fn three_unavailable_tickers_in_a_row_end_the_run_and_others_do_not() {
    let tickers = ["A", "B", "C", "D", "E", "F"];
    for (broken, are_read) in [
        (&["A", "B", "C"][..], &[][..]),
        (&["C", "D", "E"], &["A", "B"]),
        // With a response in between.
        (&["A", "B", "D", "E"], &["C", "F"]),
    ] {
        let api = FakeApi::start(two_days(&tickers));
        api.inject_faults(move |_, request| is_about(request, broken).then(|| Fault::status(503, "", "")));
        let output = read(&api, &tickers);
        assert_eq!(tickers_read(&output), are_read);
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "transient_error");
        let named: Vec<_> =
            message.lines().filter_map(|line| line.strip_prefix("stock_prices, ")?.split(':').next()).collect();
        assert_eq!(named, broken);
        assert_eq!(output.statuses().last(), Some(&"INCOMPLETE"));
        assert_eq!(output.last_state().as_object().map(|state| state.len()), Some(are_read.len()));
    }
}

#[test]
fn sixty_tickers_with_nothing_but_502_fail_within_ninety_seconds() {
    let tickers: Vec<String> = (0..60).map(|number| format!("TICKER{number}")).collect();
    let api = FakeApi::start(Market::at(NOW));
    api.inject_faults(|_, _| Some(Fault::status(502, "", "<html><body>Bad Gateway</body></html>")));
    let clock = SimulatedClock::for_threads_at(moment(NOW));
    let output = Connector::new(&api, &tickers.join(",")).run_with_clock(&clock, "read");
    let (failure_type, message) = output.failure();
    assert_eq!(failure_type, "transient_error");
    assert!(message.len() <= 4_000 && message.contains("HTTP 502: an HTML page"), "{message}");
    assert_eq!(output.statuses(), ["STARTED", "INCOMPLETE"]);
    assert!(clock.elapsed() <= Duration::from_secs(90), "{:?}", clock.elapsed());
}

#[test]
fn outage_or_unknown_key_in_one_stream_ends_the_streams_that_follow() {
    let unknown_key = r#"{"status":"ERROR","error":"Unknown API Key"}"#;
    for (tickers, fault, failure_type, says, most_requests) in [
        (3, Fault::status(503, "", ""), "transient_error", "HTTP 503", 18),
        // The pending ones, and a few that took their places.
        (500, Fault::status(401, "", unknown_key), "config_error", "Unknown API Key", 16),
    ] {
        let api = FakeApi::start(three_pages());
        api.inject_faults(move |_, request| request.path.contains("/ticker/").then(|| fault.clone()));
        let tickers: Vec<String> = (0..tickers).map(|number| format!("T{number}")).collect();
        let mut connector = Connector::new(&api, &tickers.join(","));
        connector.catalog =
            json!({"streams": [configured("stock_prices", "incremental"), configured("market_prices", "incremental")]});
        let output = connector.run_at(NOW, "read");
        output.assert_failure(failure_type, &[says]);
        assert_eq!(output.statuses(), ["STARTED", "INCOMPLETE"].repeat(2), "each stream has a status");
        assert_eq!(output.records().len(), 0);
        assert!(api.take_requests().len() <= most_requests);
    }
}
