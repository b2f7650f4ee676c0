//! `--debug`: LOG DEBUG for each request, on every command. On wiremock.

use crate::support::clock::SimulatedClock;
use crate::support::connector::{Connector, Output};
use crate::support::days::moment;
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::two_days;

const NOW: &str = "2026-11-20T15:00:00Z";

fn api() -> FakeApi {
    FakeApi::start(two_days(&["AAPL", "TSLA"]))
}

/// Runs a command with `--debug` before or after it.
fn run_with_debug(connector: &Connector, command: &str, is_in_front: bool) -> Output {
    let mut arguments = connector.arguments(command);
    arguments.insert(if is_in_front { 0 } else { arguments.len() }, "--debug".to_owned());
    connector.run_arguments(&SimulatedClock::at(moment(NOW)), arguments)
}

#[test]
fn every_request_of_a_read_is_logged_with_status_size_and_duration() {
    let api = api();
    api.inject_faults(|number, _| (number == 0).then(|| Fault::status(500, "", "oops!")));
    let connector = Connector::new(&api, "TSLA");
    for is_in_front in [true, false] {
        let output = run_with_debug(&connector, "read", is_in_front).succeeded();
        let logs = output.logs("DEBUG");
        assert_eq!(logs.len(), api.take_requests().len(), "{logs:?}");
        let request =
            "/v2/aggs/ticker/TSLA/range/1/day/2026-11-13/2026-11-19?adjusted=true&sort=asc&limit=50000: HTTP ";
        assert!(logs.iter().all(|text| text.starts_with(request) && text.ends_with(" ms")), "{logs:?}");
        assert!(logs.last().is_some_and(|text| text.contains("HTTP 200, ")), "{logs:?}");
        if is_in_front {
            assert!(logs[0].contains("HTTP 500, 5 bytes in "), "{logs:?}");
        }
    }
}

#[test]
fn check_logs_how_it_looked_for_the_tickers() {
    let api = api();
    let output = run_with_debug(&Connector::new(&api, "TSLA,AAPL,TLSA"), "check", false).succeeded();
    let logs = output.logs("DEBUG");
    assert_eq!(logs.len(), 3, "two requests, and what the first one found: {logs:?}");
    assert!(logs[0].starts_with("/v2/aggs/grouped/locale/us/market/stocks/2026-11-19?"), "{logs:?}");
    assert_eq!(logs[1], "2 of 3 tickers found in the market's day 2026-11-19");
}
