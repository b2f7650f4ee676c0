//! What is broken below HTTP, one row a fault.

use std::time::Duration;

use crate::fault_rows::{
    FaultRow, NOW, assert_permanent_faults_fail, assert_transient_faults_are_retried, connector,
    three_pages, transient,
};
use crate::support::connector::Connector;
use crate::support::market::Market;
use crate::support::raw_api::{RawApi, RawFault};

const ROWS: &[FaultRow<RawFault>] = &[
    transient(
        "reset before the head",
        || RawFault::Reset,
        "failed after 6 attempts",
    ),
    transient(
        "truncated in mid-body",
        || RawFault::TruncatedBody,
        "the response broke off",
    ),
    transient(
        "no HTTP at all",
        || RawFault::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()),
        "failed after 6 attempts",
    ),
];

#[test]
fn transient_fault_is_retried_without_losing_records() {
    assert_transient_faults_are_retried(ROWS, RawApi::start);
}

#[test]
fn permanent_fault_fails_the_sync_with_its_class_and_cause() {
    assert_permanent_faults_fail(ROWS, RawApi::start);
}

#[test]
fn silence_after_the_head_is_retried_and_told_if_it_stays() {
    for stays in [false, true] {
        let api = RawApi::start(three_pages());
        api.inject_faults(move |number, _| {
            (number == 1 || stays && number > 1).then_some(RawFault::Stall)
        });
        let mut connector = connector(&api, "incremental");
        connector.read_timeout = Duration::from_millis(250);
        let output = connector.run_at(NOW, "read");
        assert_eq!(output.records().len(), if stays { 2 } else { 6 });
        assert_eq!(api.take_requests().len(), if stays { 7 } else { 4 });
        if stays {
            let (failure_type, message) = output.failure();
            assert_eq!(failure_type, "transient_error");
            assert!(
                message.contains("failed after 6 attempts: the response broke off"),
                "{message}"
            );
        }
    }
}

#[test]
fn oversized_body_is_cut_off_and_not_asked_for_again() {
    let api = RawApi::start(three_pages());
    api.inject_faults(|_, _| Some(RawFault::OversizedBody));
    let output = connector(&api, "incremental").run_at(NOW, "read");
    let (failure_type, message) = output.failure();
    assert_eq!(failure_type, "system_error");
    assert!(message.contains("response exceeds 64 MiB"), "{message}");
    assert_eq!(api.take_requests().len(), 1);
}

#[test]
fn body_that_trickles_but_comes_is_read() {
    let api = RawApi::start(three_pages());
    api.inject_faults(|number, _| {
        (number == 1).then_some(RawFault::Trickle(Duration::from_micros(500)))
    });
    let output = connector(&api, "incremental")
        .run_at(NOW, "read")
        .succeeded();
    assert_eq!((output.records().len(), api.take_requests().len()), (6, 3));
}

#[test]
fn no_network_is_a_transient_error() {
    for (url, says) in [
        ("http://127.0.0.1:1", "refused"),
        ("https://127.0.0.1:1", "refused"),
        (
            "https://no-such-host.invalid",
            "request to https://no-such-host.invalid failed",
        ),
    ] {
        let output = Connector::with_url(url, "TSLA").run_at(NOW, "read");
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "transient_error");
        assert!(
            message.contains(says) && message.contains("after 6 attempts"),
            "{message}"
        );
    }
}

#[test]
fn slow_ticker_holds_up_no_request_of_the_others_and_records_stay_in_order() {
    let mut market = Market::at(NOW);
    let tickers: Vec<String> = std::iter::once("SLOW".to_owned())
        .chain((0..20).map(|number| format!("T{number}")))
        .collect();
    for ticker in &tickers {
        market.days(ticker, &[(crate::support::days::date(2026, 11, 19), 10.0)]);
    }
    let api = RawApi::start(market);
    // Silent the first time, and an answer the second.
    api.inject_faults(|number, request| {
        (number < 4 && request.path.contains("/SLOW/")).then_some(RawFault::Stall)
    });
    let mut connector = Connector::new(&api, &tickers.join(","));
    connector.read_timeout = Duration::from_millis(700);
    let output = connector.run_at(NOW, "read").succeeded();
    let order: Vec<_> = output
        .prices()
        .iter()
        .map(|price| price.0.to_owned())
        .collect();
    assert_eq!(order, tickers);
    let asked: Vec<bool> = api
        .take_requests()
        .iter()
        .map(|request| request.path.contains("/SLOW/"))
        .collect();
    let again = asked
        .iter()
        .rposition(|is_slow| *is_slow)
        .expect("it was asked for");
    assert!(
        again >= 8,
        "seven others went out while it was silent: {asked:?}"
    );
}
