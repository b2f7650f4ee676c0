//! Connections that are silent, slow or endless. Unit tests have every encoding of a body.

use std::time::Duration;

use super::{NOW, REQUESTS, connector, read_with, three_pages};
use crate::support::connector::Connector;
use crate::support::fake_api::{FakeApi, Fault};

#[test]
fn silence_after_the_head_is_retried_and_reported_if_it_lasts() {
    for lasts in [false, true] {
        let api = FakeApi::start(three_pages());
        api.inject_faults(move |number, _| (number == 1 || lasts && number > 1).then_some(Fault::Stall));
        let mut connector = connector(&api);
        connector.read_timeout = Duration::from_millis(500);
        let output = connector.run_at(NOW, "read");
        assert_eq!(output.records().len(), if lasts { 0 } else { 6 });
        let requests = if lasts { 7 } else { REQUESTS + 1 };
        assert_eq!(api.take_requests().len(), requests);
        if lasts {
            let words = ["failed after 6 attempts (HTTP 200: the response was cut off"];
            output.assert_failure("transient_error", &words);
        }
    }
}

#[test]
fn slow_body_is_read() {
    let api = FakeApi::start(three_pages());
    let trickle = Fault::Trickle(Duration::from_micros(500));
    let output = read_with(&api, move |number| (number == 1).then(|| trickle.clone())).succeeded();
    assert_eq!((output.records().len(), api.take_requests().len()), (6, REQUESTS));
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
