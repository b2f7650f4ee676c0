//! `check`: how it looks for the tickers, and what that costs. On wiremock.

use std::time::Duration;

use source_stock_ticker_api::clock::Clock;

use crate::support::clock::SimulatedClock;
use crate::support::connector::Connector;
use crate::support::days::{date, moment};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::Market;

/// A Friday.
pub const NOW: &str = "2026-11-20T15:00:00Z";

const GROUPED: &str = "/v2/aggs/grouped/locale/us/market/stocks/";

pub fn market() -> Market {
    let mut market = Market::at(NOW);
    market.days("TSLA", &[(date(2026, 11, 18), 404.0), (date(2026, 11, 19), 405.5)]);
    market.days("AAPL", &[(date(2026, 11, 18), 270.0), (date(2026, 11, 19), 271.5)]);
    market.days("TWTR", &[(date(2022, 10, 26), 53.35), (date(2022, 10, 27), 53.7)]);
    market.days("X:BTCUSD", &[(date(2026, 11, 19), 91_000.0)]);
    market
}

pub fn api() -> FakeApi {
    FakeApi::start(market())
}

/// The paths that were asked for, shortened.
fn paths(api: &FakeApi) -> Vec<String> {
    let short =
        |path: &str| path.replace(GROUPED, "market ").replace("/v2/aggs/ticker/", "").replace("/range/1/day/", " ");
    api.take_requests().iter().map(|request| short(&request.path)).collect()
}

fn refuse_grouped(api: &FakeApi) {
    let body = r#"{"status":"NOT_AUTHORIZED","request_id":"0","message":"You are not entitled to this data."}"#;
    api.inject_faults(move |_, request| request.path.starts_with(GROUPED).then(|| Fault::status(403, "", body)));
}

#[test]
fn one_ticker_is_asked_about_by_itself() {
    let api = api();
    let output = Connector::new(&api, "TSLA").run_at(NOW, "check").succeeded();
    assert_eq!(output.connection_status(), ("SUCCEEDED", ""));
    assert_eq!(paths(&api), ["TSLA 2026-11-10/2026-11-19"], "the last ten days up to yesterday in New York");
}

#[test]
fn several_stocks_are_found_in_one_request_for_the_last_weekday() {
    for (now, day) in [(NOW, "2026-11-19"), ("2026-11-20T04:59:59Z", "2026-11-18")] {
        let api = api();
        api.market().set_now(now);
        let output = Connector::new(&api, "TSLA, AAPL").run_at(now, "check").succeeded();
        assert_eq!(output.connection_status(), ("SUCCEEDED", ""));
        assert_eq!(paths(&api), [format!("market {day}")]);
    }
    // On a Monday and on both days before it, that is the Friday.
    for now in ["2026-11-21T15:00:00Z", "2026-11-22T15:00:00Z", "2026-11-23T15:00:00Z"] {
        let api = api();
        api.market().set_now(now).days("TSLA", &[(date(2026, 11, 20), 1.0)]).days("AAPL", &[(date(2026, 11, 20), 1.0)]);
        Connector::new(&api, "TSLA, AAPL").run_at(now, "check").succeeded();
        assert_eq!(paths(&api), ["market 2026-11-20"]);
    }
}

#[test]
fn weekday_before_a_holiday_is_asked_for_when_the_holiday_answers_nothing() {
    let api = api();
    let now = "2026-11-23T15:00:00Z";
    api.market().set_now(now);
    let output = Connector::new(&api, "TSLA, AAPL").run_at(now, "check").succeeded();
    assert_eq!(output.connection_status().0, "SUCCEEDED");
    assert_eq!(paths(&api), ["market 2026-11-20", "market 2026-11-19"], "nobody traded on the Friday");
}

#[test]
fn stocks_are_asked_about_by_themselves_when_two_weekdays_answer_nothing() {
    let api = api();
    let now = "2026-11-25T15:00:00Z";
    api.market().set_now(now);
    let output = Connector::new(&api, "TSLA, AAPL").run_at(now, "check").succeeded();
    assert_eq!(output.connection_status().0, "SUCCEEDED");
    let own = ["TSLA", "AAPL"].map(|ticker| format!("{ticker} 2026-11-15/2026-11-24"));
    assert_eq!(paths(&api), [&["market 2026-11-24".to_owned(), "market 2026-11-23".to_owned()], &own[..]].concat());
}

#[test]
fn plan_without_the_whole_market_has_its_tickers_asked_about_by_themselves() {
    let api = api();
    refuse_grouped(&api);
    let output = Connector::new(&api, "TSLA, AAPL").run_at(NOW, "check").succeeded();
    assert_eq!(output.connection_status(), ("SUCCEEDED", ""));
    assert_eq!(paths(&api), ["market 2026-11-19", "TSLA 2026-11-10/2026-11-19", "AAPL 2026-11-10/2026-11-19"]);
}

#[test]
fn only_tickers_that_the_market_does_not_have_are_asked_about_by_themselves() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA, X:BTCUSD, TWTR, AAPL");
    connector.set("start_date", "2022-01-03");
    let output = connector.run_at(NOW, "check").succeeded();
    assert_eq!(output.connection_status(), ("SUCCEEDED", ""));
    assert_eq!(
        paths(&api),
        [
            "market 2026-11-19",
            "X%3ABTCUSD 2026-11-10/2026-11-19",
            "TWTR 2026-11-10/2026-11-19",
            "TWTR 2022-01-03/2026-11-19"
        ]
    );
    let output = Connector::new(&api, "X:BTCUSD, TSLA").run_at(NOW, "check").succeeded();
    assert_eq!(output.connection_status().0, "SUCCEEDED");
    assert_eq!(paths(&api).len(), 2, "one stock is no reason to ask for the whole market");
}

#[test]
fn five_hundred_tickers_of_which_one_is_unknown_cost_at_most_four_requests() {
    let api = api();
    let tickers: Vec<String> = (0..499).map(|number| format!("T{number}")).collect();
    for ticker in &tickers {
        api.market().days(ticker, &[(date(2026, 11, 19), 1.0)]);
    }
    let output = Connector::new(&api, &format!("{},TLSA", tickers.join(","))).run_at(NOW, "check").succeeded();
    let (status, message) = output.connection_status();
    assert_eq!((status, message.lines().count()), ("FAILED", 1));
    assert!(message.starts_with("TLSA: no prices found for this ticker"), "{message}");
    assert!(api.take_requests().len() <= 4);
}

#[test]
fn delisted_ticker_is_fine_if_its_bars_are_wanted() {
    let api = api();
    let mut connector = Connector::new(&api, "TWTR");
    assert_eq!(connector.run_at(NOW, "check").connection_status().0, "FAILED");
    connector.set("start_date", "2022-01-03");
    assert_eq!(connector.run_at(NOW, "check").connection_status().0, "SUCCEEDED");
    connector.set("end_date", "2022-03-03");
    assert_eq!(connector.run_at(NOW, "check").connection_status().0, "FAILED");
}

#[test]
fn used_up_quota_proves_the_key_and_names_what_was_not_checked() {
    let expected = |names: &str| format!("Rate limit reached. The API key is valid. Not checked: {names}.");
    for (quota, warning) in [(1, expected("MSFT, NVDA")), (0, expected("TSLA, AAPL, MSFT, NVDA"))] {
        let api = api();
        let clock = SimulatedClock::at(moment(NOW));
        api.set_quota(quota, clock.clone());
        let output = Connector::new(&api, "TSLA,AAPL,MSFT,NVDA").run_with_clock(&clock, "check").succeeded();
        assert_eq!(output.connection_status().0, "SUCCEEDED");
        assert_eq!(output.logs("WARN"), [warning]);
    }
}

#[test]
fn hundreds_of_tickers_take_a_few_requests() {
    let api = api();
    let tickers: Vec<String> = (0..500).map(|number| format!("T{number}")).collect();
    for ticker in &tickers {
        api.market().days(ticker, &[(date(2026, 11, 19), 1.0)]);
    }
    let clock = SimulatedClock::at(moment(NOW));
    let ticking = clock.clone();
    api.inject_faults(move |_, request| {
        // Every answer takes a second, and the plan lacks the whole market.
        ticking.advance(Duration::from_secs(1));
        request.path.starts_with(GROUPED).then(|| Fault::status(403, "", r#"{"status":"NOT_AUTHORIZED"}"#))
    });
    let output = Connector::new(&api, &tickers.join(",")).run_with_clock(&clock, "check").succeeded();
    assert_eq!(output.connection_status().0, "SUCCEEDED");
    let logs = output.logs("INFO");
    let warning = logs[0];
    let begin = "Not checked, to save requests: T4, T5, ";
    assert!(warning.starts_with(begin) && warning.contains("and 476 more"), "{warning}");
    assert!(clock.elapsed() < Duration::from_secs(10));
}
