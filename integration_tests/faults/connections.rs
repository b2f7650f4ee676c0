//! Connections that are silent, slow or endless.

use std::time::Duration;

use super::{NOW, REQUESTS, connector, three_pages};
use crate::support::connector::Connector;
use crate::support::days::date;
use crate::support::fake_api::Fault;
use crate::support::market::Market;
use crate::support::raw_api;

#[test]
fn silence_after_the_head_is_retried_and_told_if_it_stays() {
    for stays in [false, true] {
        let api = raw_api::start(three_pages());
        api.inject_faults(move |number, _| (number == 1 || stays && number > 1).then_some(Fault::Stall));
        let mut connector = connector(&api, "incremental");
        connector.read_timeout = Duration::from_millis(250);
        let output = connector.run_at(NOW, "read");
        assert_eq!(output.records().len(), if stays { 0 } else { 6 });
        let requests = if stays { 7 } else { REQUESTS + 1 };
        assert_eq!(api.take_requests().len(), requests);
        if stays {
            let words = ["failed after 6 attempts (HTTP 200: the response was cut off"];
            output.assert_failure("transient_error", &words);
        }
    }
}

#[test]
fn oversized_body_is_cut_off_and_not_asked_for_again() {
    let api = raw_api::start(three_pages());
    api.inject_faults(|_, _| Some(Fault::OversizedBody));
    let output = connector(&api, "incremental").run_at(NOW, "read");
    output.assert_failure("system_error", &["response exceeds 16 MiB"]);
    assert_eq!(api.take_requests().len(), 1);
}

#[test]
fn body_that_trickles_but_comes_is_read() {
    let api = raw_api::start(three_pages());
    api.inject_faults(|number, _| (number == 1).then_some(Fault::Trickle(Duration::from_micros(500))));
    let output = connector(&api, "incremental").run_at(NOW, "read").succeeded();
    let requests = api.take_requests().len();
    assert_eq!((output.records().len(), requests), (6, REQUESTS));
}

#[test]
fn no_network_is_a_transient_error() {
    for (url, says) in [
        ("http://127.0.0.1:1", "refused"),
        ("https://127.0.0.1:1", "refused"),
        ("https://no-such-host.invalid", "request to https://no-such-host.invalid failed"),
    ] {
        let output = Connector::with_url(url, "TSLA").run_at(NOW, "read");
        output.assert_failure("transient_error", &[says, "after 6 attempts"]);
    }
}

#[test]
fn slow_ticker_holds_up_no_request_of_the_others_and_records_stay_in_order() {
    let mut market = Market::at(NOW);
    let tickers: Vec<String> =
        std::iter::once("SLOW".to_owned()).chain((0..20).map(|number| format!("T{number}"))).collect();
    for ticker in &tickers {
        market.days(ticker, &[(date(2026, 11, 19), 10.0)]);
    }
    let api = raw_api::start(market);
    let server = api.clone();
    api.inject_faults(move |_, request| {
        let is_slow = request.path.contains("/SLOW/");
        is_slow.then(|| Fault::held_until(&server, 8))
    });
    let output = Connector::new(&api, &tickers.join(",")).run_at(NOW, "read").succeeded();
    let order: Vec<_> = output.prices().iter().map(|price| price.0).collect();
    assert_eq!(order, tickers);
    assert_eq!(api.take_requests().len(), 21, "seven others went out before the first response");
}
