//! `check`: what a person is told who fills in the form.

use std::time::Duration;

use jiff::civil::date;

use crate::support::clock::SimulatedClock;
use crate::support::connector::Connector;
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::{Market, Straddling};

const NOW: &str = "2026-11-20T15:00:00Z";

fn api() -> FakeApi {
    let mut market = Market::at(NOW);
    market.days("TSLA", &[(date(2026, 11, 18), 404.0), (date(2026, 11, 19), 405.5)]);
    market.days("AAPL", &[(date(2026, 11, 18), 270.0), (date(2026, 11, 19), 271.5)]);
    market.days("TWTR", &[(date(2022, 10, 26), 53.35), (date(2022, 10, 27), 53.7)]);
    FakeApi::start(market)
}

#[test]
fn succeeds_with_a_request_a_ticker() {
    let api = api();
    let output = Connector::new(&api, "TSLA, AAPL").at(NOW, "check").succeeded();
    assert_eq!(output.connection_status(), ("SUCCEEDED", ""));
    let paths: Vec<_> = api.take_requests().into_iter().map(|request| request.path).collect();
    let expected = ["TSLA", "AAPL"].map(|ticker| format!("/v2/aggs/ticker/{ticker}/range/1/day/2026-11-10/2026-11-19"));
    assert_eq!(paths, expected, "the last ten days up to yesterday in New York");
}

#[test]
fn an_unknown_key_fails_with_what_to_do() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA,AAPL");
    connector.set("api_key", "pk_wrong");
    let output = connector.at(NOW, "check").succeeded();
    let (status, message) = output.connection_status();
    assert_eq!(status, "FAILED");
    assert!(message.contains("Unknown API Key") && message.contains("Check api_key"), "{message}");
    assert!(!output.text.contains("pk_wrong"));
    assert_eq!(api.take_requests().len(), 1, "the key is the same for all tickers");
}

#[test]
fn an_unknown_ticker_fails_and_is_named() {
    let output = Connector::new(&api(), "TSLA, aapl, TLSA").at(NOW, "check").succeeded();
    let (status, message) = output.connection_status();
    assert_eq!(status, "FAILED");
    for ticker in ["aapl", "TLSA"] {
        assert!(message.contains(&format!("{ticker}: the API has no prices for this ticker")), "{message}");
    }
    assert!(message.contains("case-sensitive"));
    assert!(!message.contains("TSLA:"));
}

#[test]
fn a_delisted_ticker_is_fine_if_its_bars_are_wanted() {
    let api = api();
    let mut connector = Connector::new(&api, "TWTR");
    assert_eq!(connector.at(NOW, "check").connection_status().0, "FAILED");
    connector.set("start_date", "2022-01-03");
    assert_eq!(connector.at(NOW, "check").connection_status().0, "SUCCEEDED");
    connector.set("end_date", "2022-03-03");
    assert_eq!(connector.at(NOW, "check").connection_status().0, "FAILED");
}

#[test]
fn a_plan_that_does_not_cover_it_fails_and_says_that_the_key_is_fine() {
    let api = api();
    api.misbehave(|_, _| {
        let body = r#"{"status":"NOT_AUTHORIZED","request_id":"0","message":"You are not entitled to this data."}"#;
        Some(Fault::status(403, "", body))
    });
    let output = Connector::new(&api, "TSLA").at(NOW, "check").succeeded();
    let (status, message) = output.connection_status();
    assert_eq!(status, "FAILED");
    assert!(message.contains("the key is fine") && message.contains("not entitled"), "{message}");
}

#[test]
fn a_delisted_ticker_before_the_plans_history_says_that_the_key_is_fine() {
    let api = api();
    api.market().floor = Some((date(2024, 11, 20), Straddling::Shortened));
    let mut connector = Connector::new(&api, "TWTR");
    connector.set("start_date", "2022-01-03").set("end_date", "2022-12-30");
    let output = connector.at(NOW, "check").succeeded();
    let (status, message) = output.connection_status();
    assert_eq!(status, "FAILED");
    assert!(message.contains("the key is fine"), "{message}");
}

#[test]
fn a_used_up_quota_proves_the_key() {
    let api = api();
    let clock = SimulatedClock::at(NOW.parse().unwrap());
    api.set_quota(1, clock.clone());
    let output = Connector::new(&api, "TSLA,AAPL,MSFT").on(&clock, "check").succeeded();
    assert_eq!(output.connection_status().0, "SUCCEEDED");
    assert_eq!(
        output.logs("WARN"),
        ["2 tickers were not looked at because the API's quota is used up (the key is fine): AAPL, MSFT."]
    );
}

#[test]
fn hundreds_of_tickers_end_within_a_minute() {
    let api = api();
    let tickers = vec!["TSLA".to_owned()].into_iter().chain((0..500).map(|number| format!("T{number}")));
    let list = tickers.collect::<Vec<_>>().join(",");
    let clock = SimulatedClock::at(NOW.parse().unwrap());
    let ticking = clock.clone();
    let mut market = api.market();
    for number in 0..500 {
        market.days(&format!("T{number}"), &[(date(2026, 11, 19), 1.0)]);
    }
    drop(market);
    api.misbehave(move |_, _| {
        // Every answer takes a second.
        let moment = source_stock_ticker_api::clock::Clock::elapsed(&*ticking) + Duration::from_secs(1);
        source_stock_ticker_api::clock::Clock::sleep_until(&*ticking, moment);
        None
    });
    let output = Connector::new(&api, &list).on(&clock, "check").succeeded();
    assert_eq!(output.connection_status().0, "SUCCEEDED");
    let warning = output.logs("WARN")[0];
    assert!(
        warning.starts_with("460 tickers were not looked at to end in time: T40, ") && warning.contains("and 440 more")
    );
    assert!(source_stock_ticker_api::clock::Clock::elapsed(&*clock) < Duration::from_secs(60));
}

#[test]
fn an_outage_is_an_error_and_not_a_failed_check() {
    let api = api();
    for fault in [Fault::status(502, "", "<html>Bad Gateway</html>"), Fault::Reset, Fault::CutInHalf] {
        api.misbehave(move |_, _| Some(fault.clone()));
        let output = Connector::new(&api, "TSLA").at(NOW, "check");
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "transient_error", "{message}");
        assert!(message.starts_with(&format!("TSLA: no usable answer from {} after 2 tries", api.url())), "{message}");
        assert_eq!(output.messages.len(), 1, "no CONNECTION_STATUS: a FAILED one would stop the platform's retries");
    }
}

#[test]
fn a_wrong_address_fails_with_what_to_do() {
    let api = api();
    api.misbehave(|_, _| Some(Fault::status(404, "", "404 page not found\n")));
    let output = Connector::new(&api, "TSLA").at(NOW, "check").succeeded();
    assert!(output.connection_status().1.contains("Check api_url"));
}
