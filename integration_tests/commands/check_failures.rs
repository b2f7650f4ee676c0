//! `check`: what a person is told whose configuration does not work. On wiremock, but for what is broken below HTTP.

use serde_json::json;

use super::check::{NOW, api, market};
use crate::support::connector::Connector;
use crate::support::days::date;
use crate::support::fake_api::Fault;
use crate::support::market::{PartialCoverage, PlanFloor};
use crate::support::raw_api;

#[test]
fn unknown_key_fails_with_what_to_do() {
    for tickers in ["TSLA", "TSLA,AAPL"] {
        let api = api();
        let mut connector = Connector::new(&api, tickers);
        connector.set("api_key", "pk_wrong");
        let output = connector.run_at(NOW, "check").succeeded();
        let (status, message) = output.connection_status();
        assert_eq!(status, "FAILED");
        assert!(message.contains("Unknown API Key") && message.contains("Check api_key"), "{message}");
        assert!(!output.text.contains("pk_wrong"));
        assert_eq!(api.take_requests().len(), 1, "the key is the same for all tickers");
    }
}

#[test]
fn unknown_ticker_fails_and_is_named() {
    let output = Connector::new(&api(), "TSLA, aapl, TLSA").run_at(NOW, "check").succeeded();
    let (status, message) = output.connection_status();
    assert_eq!(status, "FAILED");
    for ticker in ["aapl", "TLSA"] {
        assert!(message.contains(&format!("{ticker}: no prices found for this ticker")), "{message}");
    }
    assert!(message.contains("case-sensitive"));
    assert!(!message.contains("TSLA:"));
}

#[test]
fn plan_that_does_not_cover_a_ticker_fails_and_does_not_blame_the_key() {
    let api = api();
    let body = r#"{"status":"NOT_AUTHORIZED","request_id":"0","message":"You are not entitled to this data."}"#;
    api.inject_faults(move |_, _| Some(Fault::status(403, "", body)));
    let output = Connector::new(&api, "TSLA").run_at(NOW, "check").succeeded();
    let (status, message) = output.connection_status();
    assert_eq!(status, "FAILED");
    assert!(message.starts_with("TSLA (stocks): your plan does not include this data"), "{message}");
    assert!(message.contains("not entitled") && !message.contains("api_key"), "{message}");
}

#[test]
fn delisted_ticker_before_the_plans_history_fails_and_does_not_blame_the_key() {
    let api = api();
    api.market().plan(PlanFloor::On(date(2024, 11, 20)), PartialCoverage::Shortened);
    let mut connector = Connector::new(&api, "TWTR");
    connector.set("start_date", "2022-01-03").set("end_date", "2022-12-30");
    let output = connector.run_at(NOW, "check").succeeded();
    let (status, message) = output.connection_status();
    assert_eq!(status, "FAILED");
    assert!(message.contains("your plan does not include these days"), "{message}");
}

#[test]
fn start_date_in_the_future_is_no_failure() {
    let api = api();
    for (start, is_fine) in [("2026-11-20", true), ("2026-11-21", false), ("2030-01-01", false)] {
        let mut connector = Connector::new(&api, "TSLA, TLSA");
        connector.set("start_date", start);
        let output = connector.run_at(NOW, "check").succeeded();
        let (status, message) = output.connection_status();
        assert_eq!(status, "FAILED", "there is an unknown ticker, too");
        let expected = format!("start_date {start} is in the future; nothing will be synced until then.");
        assert_eq!(output.logs("INFO").contains(&expected.as_str()), !is_fine, "{message}");
        assert!(message.contains("TLSA: no prices"), "{message}");
    }
}

#[test]
fn today_in_the_tickers_market_is_not_in_the_future() {
    // Crypto lives by UTC's days, and New York is still on the day before.
    let now = "2026-11-21T02:00:00Z";
    let api = api();
    api.market().set_now(now);
    let mut connector = Connector::new(&api, "X:BTCUSD");
    connector.set("start_date", "2026-11-21");
    assert_eq!(connector.run_at(now, "check").connection_status(), ("SUCCEEDED", ""));
}

#[test]
fn an_outage_is_an_error_and_not_a_failed_check() {
    for (tickers, subject) in [("TSLA", "TSLA (stocks)"), ("TSLA,AAPL", "The check")] {
        let api = api();
        api.inject_faults(|_, _| Some(Fault::status(502, "", "<html>Bad Gateway</html>")));
        assert_outage(&Connector::new(&api, tickers), subject);
        for fault in [Fault::Reset, Fault::TruncatedBody] {
            let api = raw_api::start(market());
            api.inject_faults(move |_, _| Some(fault.clone()));
            assert_outage(&Connector::new(&api, tickers), subject);
        }
    }
}

fn assert_outage(connector: &Connector, subject: &str) {
    let output = connector.run_at(NOW, "check");
    let (failure_type, message) = output.failure();
    assert_eq!(failure_type, "transient_error", "{message}");
    let url = connector.config["api_url"].as_str().expect("a text");
    assert!(message.starts_with(&format!("{subject}: request to {url} failed after 2 attempts (")), "{message}");
    let statuses = output.messages.iter().filter(|message| message["type"] == "CONNECTION_STATUS");
    assert_eq!(statuses.count(), 0, "a FAILED one would stop the platform's retries");
}

#[test]
fn wrong_address_fails_with_what_to_do() {
    for tickers in ["TSLA", "TSLA,AAPL"] {
        let api = api();
        api.inject_faults(|_, _| Some(Fault::status(404, "", "404 page not found\n")));
        let output = Connector::new(&api, tickers).run_at(NOW, "check");
        assert_eq!(output.exit_code, Some(0), "{tickers}: {:?}", output.messages);
        let (status, message) = output.connection_status();
        assert_eq!(status, "FAILED");
        assert!(message.contains("Check api_url"), "{message}");
    }
}

#[test]
fn problems_are_told_one_a_property_in_the_order_of_the_form() {
    let mut connector = Connector::new(&api(), "TSLA,^AAPL");
    connector.set("api_url", "ftp://x").set("adjusted", "yes").set("end_date", "soon").set("start_date", json!(7));
    connector.set("api_key", "two words");
    let output = connector.run_at(NOW, "check").succeeded();
    let (status, message) = output.connection_status();
    assert_eq!(status, "FAILED");
    let properties: Vec<_> = message.lines().skip(1).filter_map(|line| line.split(':').next()).collect();
    assert_eq!(properties, ["stock_ticker", "api_key", "start_date", "end_date", "adjusted", "api_url"]);
}

#[test]
fn bad_row_of_another_ticker_in_the_market_does_not_fail_the_check() {
    let api = api();
    api.market().days("MSFT", &[(date(2026, 11, 19), 500.0)]);
    api.inject_faults(|_, request| {
        let is_grouped = request.path.contains("/grouped/");
        is_grouped.then(|| Fault::changed(|body| body.replace(r#""c":500"#, r#""c":1e999"#)))
    });
    let output = Connector::new(&api, "TSLA,AAPL").run_at(NOW, "check");
    assert_eq!(output.exit_code, Some(0), "{:?}", output.messages);
    assert_eq!(output.connection_status(), ("SUCCEEDED", ""));
}
