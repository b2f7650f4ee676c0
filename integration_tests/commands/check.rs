//! `check`: how it looks for the tickers, its requests, and its messages.

use std::time::Duration;

use source_stock_ticker_api::clock::Clock;

use crate::support::clock::SimulatedClock;
use crate::support::connector::Connector;
use crate::support::days::{date, moment};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::{Market, PartialCoverage, PlanFloor};

/// A Friday.
const NOW: &str = "2026-11-20T15:00:00Z";

const GROUPED: &str = "/v2/aggs/grouped/locale/us/market/stocks/";

fn market() -> Market {
    let mut market = Market::at(NOW);
    market.days("TSLA", &[(date(2026, 11, 18), 404.0), (date(2026, 11, 19), 405.5)]);
    market.days("AAPL", &[(date(2026, 11, 18), 270.0), (date(2026, 11, 19), 271.5)]);
    market.days("TWTR", &[(date(2022, 10, 26), 53.35), (date(2022, 10, 27), 53.7)]);
    market.days("X:BTCUSD", &[(date(2026, 11, 19), 91_000.0)]);
    market
}

fn api() -> FakeApi {
    FakeApi::start(market())
}

/// An API with bars of many tickers, and their names.
fn many_tickers(count: usize) -> (FakeApi, String) {
    let (api, tickers) = (api(), (0..count).map(|number| format!("T{number}")).collect::<Vec<_>>());
    for ticker in &tickers {
        api.market().days(ticker, &[(date(2026, 11, 19), 1.0)]);
    }
    (api, tickers.join(","))
}

fn paths(api: &FakeApi) -> Vec<String> {
    let short =
        |path: &str| path.replace(GROUPED, "market ").replace("/v2/aggs/ticker/", "").replace("/range/1/day/", " ");
    api.take_requests().iter().map(|request| short(&request.path)).collect()
}

#[test]
fn stocks_are_looked_for_in_the_last_weekday_of_the_market_and_then_individually() {
    let of_friday = ["market 2026-11-20", "market 2026-11-19"];
    for (tickers, now, expected) in [
        // One ticker: the last ten days up to yesterday in New York.
        ("TSLA", NOW, &["TSLA 2026-11-10/2026-11-19"][..]),
        ("TSLA, AAPL", NOW, &["market 2026-11-19"]),
        ("TSLA, AAPL", "2026-11-20T04:59:59Z", &["market 2026-11-18"]),
        // The last weekday before each of these days is the Friday, a holiday.
        ("TSLA, AAPL", "2026-11-21T15:00:00Z", &of_friday),
        ("TSLA, AAPL", "2026-11-22T15:00:00Z", &of_friday),
        ("TSLA, AAPL", "2026-11-23T15:00:00Z", &of_friday),
        // Nothing was traded on the last two weekdays.
        (
            "TSLA, AAPL",
            "2026-11-25T15:00:00Z",
            &["market 2026-11-24", "market 2026-11-23", "TSLA 2026-11-15/2026-11-24", "AAPL 2026-11-15/2026-11-24"],
        ),
        // The market does not have the delisted one.
        (
            "TSLA, X:BTCUSD, TWTR, AAPL",
            NOW,
            &[
                "market 2026-11-19",
                "X%3ABTCUSD 2026-11-10/2026-11-19",
                "TWTR 2026-11-10/2026-11-19",
                "TWTR 2022-01-03/2026-11-19",
            ],
        ),
        // One stock is no reason to request the whole market.
        ("X:BTCUSD, TSLA", NOW, &["X%3ABTCUSD 2026-11-10/2026-11-19", "TSLA 2026-11-10/2026-11-19"]),
    ] {
        println!("{tickers} at {now}");
        let api = api();
        api.market().set_now(now);
        let mut connector = Connector::new(&api, tickers);
        connector.set("start_date", "2022-01-03").run_at(now, "check").assert_check_succeeds();
        assert_eq!(paths(&api), expected, "{tickers} at {now}");
    }
}

#[test]
fn tickers_are_requested_individually_on_a_plan_without_the_whole_market() {
    let api = api();
    api.inject_faults(|_, request| request.path.starts_with(GROUPED).then(Fault::not_entitled));
    Connector::new(&api, "TSLA, AAPL").run_at(NOW, "check").assert_check_succeeds();
    assert_eq!(paths(&api), ["market 2026-11-19", "TSLA 2026-11-10/2026-11-19", "AAPL 2026-11-10/2026-11-19"]);
}

#[test]
fn unknown_ticker_among_five_hundred_takes_at_most_four_requests() {
    let (api, tickers) = many_tickers(499);
    let output = Connector::new(&api, &format!("{tickers},TLSA")).run_at(NOW, "check").succeeded();
    let (status, message) = output.connection_status();
    assert_eq!((status, message.lines().count()), ("FAILED", 1));
    assert!(message.starts_with("TLSA: no prices found for this ticker"), "{message}");
    assert!(api.take_requests().len() <= 4);
}

#[test]
fn delisted_ticker_is_fine_if_its_bars_are_wanted_and_the_plan_includes_them() {
    let api = api();
    let mut connector = Connector::new(&api, "TWTR");
    connector.run_at(NOW, "check").assert_check_fails(&["TWTR"]);
    connector.set("start_date", "2022-01-03").run_at(NOW, "check").assert_check_succeeds();
    connector.set("end_date", "2022-03-03").run_at(NOW, "check").assert_check_fails(&["TWTR"]);
    api.market().plan(PlanFloor::On(date(2024, 11, 20)), PartialCoverage::Shortened);
    let output = connector.set("end_date", "2022-12-30").run_at(NOW, "check");
    output.assert_check_fails(&["your plan does not include these days"]);
}

#[test]
fn used_up_quota_proves_the_key_and_names_what_was_not_checked() {
    for (quota, names) in [(1, "MSFT, NVDA"), (0, "TSLA, AAPL, MSFT, NVDA")] {
        let api = api();
        let clock = SimulatedClock::at(moment(NOW));
        api.set_quota(quota, clock.clone());
        let output = Connector::new(&api, "TSLA,AAPL,MSFT,NVDA").run_with_clock(&clock, "check").succeeded();
        assert_eq!(output.connection_status().0, "SUCCEEDED");
        let warning = format!("Rate limit reached. The API key is valid. Not checked: {names}.");
        assert_eq!(output.logs("WARN"), [warning]);
    }
}

#[test]
fn hundreds_of_tickers_take_a_few_requests() {
    let (api, tickers) = many_tickers(500);
    let clock = SimulatedClock::at(moment(NOW));
    let ticking = clock.clone();
    api.inject_faults(move |_, request| {
        // Every response takes a second, and the plan lacks the whole market.
        ticking.advance(Duration::from_secs(1));
        request.path.starts_with(GROUPED).then(Fault::not_entitled)
    });
    let output = Connector::new(&api, &tickers).run_with_clock(&clock, "check").succeeded();
    assert_eq!(output.connection_status().0, "SUCCEEDED");
    let log = output.logs("INFO")[0];
    assert!(log.starts_with("Not checked, to save requests: T4, T5, ") && log.contains("and 476 more"), "{log}");
    assert!(clock.elapsed() < Duration::from_secs(10));
}

#[test]
fn unknown_key_and_wrong_address_fail_with_what_to_do_after_one_request() {
    for tickers in ["TSLA", "TSLA,AAPL"] {
        println!("{tickers}");
        let api = api();
        let mut connector = Connector::new(&api, tickers);
        let output = connector.set("api_key", "pk_wrong").run_at(NOW, "check");
        output.assert_check_fails(&["Unknown API Key", "Check api_key"]);
        assert!(!output.text.contains("pk_wrong"));
        assert_eq!(api.take_requests().len(), 1, "the key is the same for all tickers");
        api.inject_faults(|_, _| Some(Fault::status(404, "", "404 page not found\n")));
        connector.run_at(NOW, "check").assert_check_fails(&["Check api_url"]);
        assert_eq!(api.take_requests().len(), 1, "and so is the address");
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
fn start_date_in_the_future_is_no_failure() {
    let api = api();
    for (ticker, now, start, is_future) in [
        ("TSLA", NOW, "2026-11-20", false),
        ("TSLA", NOW, "2026-11-21", true),
        ("TSLA", NOW, "2030-01-01", true),
        // Crypto's days are UTC's, and in New York it is still the day before.
        ("X:BTCUSD", "2026-11-21T02:00:00Z", "2026-11-21", false),
    ] {
        api.market().set_now(now);
        let mut connector = Connector::new(&api, &format!("{ticker}, TLSA"));
        let output = connector.set("start_date", start).run_at(now, "check");
        // The failure is about the unknown ticker.
        output.assert_check_fails(&["TLSA: no prices"]);
        let expected = format!("start_date {start} is in the future; nothing will be synced until then.");
        assert_eq!(output.logs("INFO").contains(&expected.as_str()), is_future, "{ticker}, {start}");
        assert!(!output.connection_status().1.contains(&format!("{ticker}: ")), "{ticker}, {start}");
    }
}

#[test]
fn an_outage_is_an_error_and_not_a_failed_check() {
    for (tickers, subject) in [("TSLA", "TSLA (stocks)"), ("TSLA,AAPL", "The check")] {
        let bad_gateway = Fault::status(502, "", "<html>Bad Gateway</html>");
        for (name, fault) in [("502", bad_gateway), ("reset", Fault::Reset), ("half a body", Fault::TruncatedBody)] {
            println!("{tickers}: {name}");
            let api = api();
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
fn bad_row_of_another_ticker_in_the_market_does_not_fail_the_check() {
    let api = api();
    api.market().days("MSFT", &[(date(2026, 11, 19), 500.0)]);
    api.inject_faults(|_, request| {
        let is_grouped = request.path.contains("/grouped/");
        is_grouped.then(|| Fault::replaced(r#""c":500"#, r#""c":1e999"#))
    });
    Connector::new(&api, "TSLA,AAPL").run_at(NOW, "check").assert_check_succeeds();
}

#[test]
fn debug_logs_say_how_the_tickers_were_looked_for() {
    let connector = Connector::new(&api(), "TSLA,AAPL,TLSA");
    let mut arguments = connector.arguments("check");
    arguments.push("--debug".to_owned());
    let output = connector.run_arguments(&SimulatedClock::at(moment(NOW)), arguments).succeeded();
    let logs = output.logs("DEBUG");
    assert_eq!(logs.len(), 3, "two requests, and what the first one found: {logs:?}");
    assert!(logs[0].starts_with("/v2/aggs/grouped/locale/us/market/stocks/2026-11-19?"), "{logs:?}");
    assert_eq!(logs[1], "2 of 3 tickers found in the market's day 2026-11-19");
}
