//! `check`: its messages about configurations that don't work. On wiremock, except for faults below HTTP.

use super::check::{NOW, api, market};
use crate::support::connector::Connector;
use crate::support::days::date;
use crate::support::fake_api::Fault;
use crate::support::market::{PartialCoverage, PlanFloor};
use crate::support::raw_api;

#[test]
fn unknown_key_fails_with_what_to_do() {
    for tickers in ["TSLA", "TSLA,AAPL"] {
        println!("{tickers}");
        let api = api();
        let mut connector = Connector::new(&api, tickers);
        let output = connector.set("api_key", "pk_wrong").run_at(NOW, "check");
        output.assert_check_fails(&["Unknown API Key", "Check api_key"]);
        assert!(!output.text.contains("pk_wrong"));
        assert_eq!(api.take_requests().len(), 1, "the key is the same for all tickers");
    }
}

#[test]
fn unknown_ticker_fails_and_is_named() {
    let output = Connector::new(&api(), "TSLA, aapl, TLSA").run_at(NOW, "check");
    let unknown = ["aapl", "TLSA"].map(|ticker| format!("{ticker}: no prices found for this ticker"));
    output.assert_check_fails(&[&unknown[0], &unknown[1], "case-sensitive"]);
    assert!(!output.connection_status().1.contains("TSLA:"));
}

#[test]
fn plan_that_does_not_cover_a_ticker_fails_and_does_not_blame_the_key() {
    let api = api();
    api.inject_faults(|_, _| Some(Fault::not_entitled()));
    let output = Connector::new(&api, "TSLA").run_at(NOW, "check");
    output.assert_check_fails(&["TSLA (stocks): your plan does not include this data", "not entitled"]);
    assert!(!output.text.contains("api_key"));
}

#[test]
fn delisted_ticker_before_the_plans_history_fails_and_does_not_blame_the_key() {
    let api = api();
    api.market().plan(PlanFloor::On(date(2024, 11, 20)), PartialCoverage::Shortened);
    let mut connector = Connector::new(&api, "TWTR");
    let output = connector.set("start_date", "2022-01-03").set("end_date", "2022-12-30").run_at(NOW, "check");
    output.assert_check_fails(&["your plan does not include these days"]);
}

#[test]
fn start_date_in_the_future_is_no_failure() {
    let api = api();
    for (start, is_future) in [("2026-11-20", false), ("2026-11-21", true), ("2030-01-01", true)] {
        let mut connector = Connector::new(&api, "TSLA, TLSA");
        let output = connector.set("start_date", start).run_at(NOW, "check");
        // The failure is about the unknown ticker.
        output.assert_check_fails(&["TLSA: no prices"]);
        let expected = format!("start_date {start} is in the future; nothing will be synced until then.");
        assert_eq!(output.logs("INFO").contains(&expected.as_str()), is_future, "{start}");
    }
}

#[test]
fn today_in_the_tickers_market_is_not_in_the_future() {
    // Crypto's days are UTC's, and in New York it is still the day before.
    let now = "2026-11-21T02:00:00Z";
    let api = api();
    api.market().set_now(now);
    let mut connector = Connector::new(&api, "X:BTCUSD");
    connector.set("start_date", "2026-11-21").run_at(now, "check").assert_check_succeeds();
}

#[test]
fn an_outage_is_an_error_and_not_a_failed_check() {
    for (tickers, subject) in [("TSLA", "TSLA (stocks)"), ("TSLA,AAPL", "The check")] {
        for fault in [Fault::status(502, "", "<html>Bad Gateway</html>"), Fault::Reset, Fault::TruncatedBody] {
            println!("{tickers}: {fault:?}");
            let api = raw_api::start(market());
            api.inject_faults(move |_, _| Some(fault.clone()));
            let output = Connector::new(&api, tickers).run_at(NOW, "check");
            let message = format!("{subject}: request to {} failed after 2 attempts (", api.url());
            output.assert_failure("transient_error", &[&message]);
            let statuses = output.messages.iter().filter(|message| message["type"] == "CONNECTION_STATUS");
            assert_eq!(statuses.count(), 0, "a FAILED one would stop the platform's retries");
        }
    }
}

#[test]
fn wrong_address_fails_with_what_to_do() {
    for tickers in ["TSLA", "TSLA,AAPL"] {
        println!("{tickers}");
        let api = api();
        api.inject_faults(|_, _| Some(Fault::status(404, "", "404 page not found\n")));
        Connector::new(&api, tickers).run_at(NOW, "check").assert_check_fails(&["Check api_url"]);
    }
}

#[test]
fn bad_row_of_another_ticker_in_the_market_does_not_fail_the_check() {
    let api = api();
    api.market().days("MSFT", &[(date(2026, 11, 19), 500.0)]);
    api.inject_faults(|_, request| {
        let is_grouped = request.path.contains("/grouped/");
        is_grouped.then(|| Fault::replaced(r#""c":500"#, r#""c":1e999"#))
    });
    Connector::new(&api, "TSLA,AAPL").run_at(NOW, "check").assert_check_succeeds();
}
