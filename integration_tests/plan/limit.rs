//! A start date before the plan's history: the read begins with the plan, with one warning.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::BOTH;
use crate::history::history;
use crate::support::bar_size::BarSize;
use crate::support::connector::configured;
use crate::support::days::{date, new_york_time};
use crate::support::fake_api::Fault;
use crate::support::market::{Market, PartialCoverage, PlanFloor, TradedBar, weekdays};
use crate::support::scenario::Scenario;

const NOW: &str = "2026-11-20T15:00:00Z";

/// The number of bars per ticker that the plan shows.
const WEEKS: usize = 105;

/// Two tickers, one bar a week since 2014, and a plan with two years of history.
fn two_years(tickers: &str, coverage: PartialCoverage) -> Scenario {
    let mut market = Market::at(NOW);
    for ticker in ["AAPL", "MSFT"] {
        let wednesdays = date(2014, 1, 8).iter_days().step_by(7);
        for (week, day) in wednesdays.enumerate().take_while(|(_, day)| *day < date(2026, 11, 20)) {
            market.days(ticker, &[(day, 200.0 + week as f64)]);
        }
    }
    market.plan(PlanFloor::On(date(2024, 11, 20)), coverage);
    Scenario::new(market, tickers, "stock_prices", "2014-01-02")
}

/// Two hours a day since 2024-11-01, and a plan with two years of history.
fn hours(coverage: PartialCoverage, start_date: &str) -> Scenario {
    let scenario = history("stock_prices_by_hour", date(2024, 11, 1), 750, start_date);
    scenario.api.market().plan(PlanFloor::YearsBack(2), coverage);
    scenario
}

#[test]
fn range_that_begins_before_the_plans_history_is_read_from_there_with_a_warning() {
    let tables = BOTH.map(|coverage| {
        let mut scenario = two_years("AAPL,MSFT", coverage);
        let output = scenario.sync(NOW);
        scenario.assert_true("what the plan shows");
        assert_eq!(scenario.table.rows.len(), 2 * WEEKS);
        let words = |ticker| [ticker, "2014-01-02", "2024-11-20"];
        output.assert_logs("WARN", &[&words("AAPL"), &words("MSFT")]);
        if coverage == PartialCoverage::Refused {
            assert!(output.logs("WARN")[0].contains("plan"), "{:?}", output.logs("WARN"));
        }
        assert!(scenario.requests().len() <= 12);
        let second = scenario.sync(NOW);
        second.assert_no_warning("once");
        assert_eq!((second.records().len(), scenario.requests().len()), (0, 2));
        scenario.table
    });
    assert_eq!(tables[0], tables[1]);
}

#[test]
fn bars_that_the_plan_no_longer_shows_are_not_considered_missing() {
    for coverage in BOTH {
        let mut scenario = two_years("AAPL", coverage);
        scenario.api.market().plan(PlanFloor::On(date(2014, 1, 1)), coverage);
        scenario.set("end_date", "2024-09-30").sync(NOW);
        scenario.api.market().plan(PlanFloor::On(date(2024, 11, 20)), coverage);
        let output = scenario.set("end_date", Value::Null).sync(NOW);
        assert_eq!(output.dates()[0], "2024-11-20");
        assert_eq!(output.records().len(), WEEKS);
        let warnings = output.logs("WARN");
        assert!(warnings.len() <= 2, "{warnings:?}");
        assert!(!output.text.contains("no longer returns"), "{warnings:?}");
        assert!(scenario.requests().len() <= 8);
    }
}

#[test]
fn start_date_that_is_moved_before_the_plans_history_is_warned_about_once() {
    for coverage in BOTH {
        let days = |start_date| {
            let mut scenario = two_years("AAPL", coverage);
            scenario.set("start_date", start_date);
            scenario
        };
        let hours = hours(coverage, "2026-10-01");
        for mut scenario in [days("2024-11-20"), days("2026-01-01"), hours] {
            scenario.sync(NOW);
            let second = scenario.set("start_date", "2014-01-02").sync(NOW);
            scenario.assert_true(&format!("{coverage:?}"));
            let requests = scenario.requests().len();
            assert!(requests <= 25, "{coverage:?}: {requests}");
            second.assert_logs("WARN", &[&["AAPL", "2014-01-02"]]);
            let third = scenario.sync(NOW);
            third.assert_no_warning("once");
            assert_eq!((third.records().len(), scenario.requests().len()), (0, 1));
        }
    }
}

#[test]
fn range_wholly_before_the_plans_history_is_a_config_error_about_the_plan() {
    for coverage in BOTH {
        let mut scenario = two_years("AAPL,MSFT", coverage);
        let output = scenario.set("end_date", "2020-12-31").try_sync(NOW);
        output.assert_failure("config_error", &["AAPL", "MSFT", "plan"]);
    }
}

#[test]
fn history_that_begins_late_is_warned_about_with_both_dates_once() {
    let mut scenario = history("stock_prices", date(2026, 6, 12), 4, "2015-01-02");
    let output = scenario.sync(NOW);
    output.assert_logged("WARN", &["AAPL", "2026-06-12", "2015-01-02"]);
    let late = |text: &&str| text.contains("2015-01-02");
    assert!(!scenario.sync(NOW).logs("WARN").iter().any(late), "once");
    scenario.connector.state = None;
    let output = scenario.set("start_date", "2026-06-03").sync(NOW);
    assert!(!output.text.contains("was requested"), "nine days can be holidays");
}

#[test]
fn market_before_the_plans_history_is_read_from_there() {
    let now = "2026-03-11T07:00:00Z";
    let mut market = Market::at(now);
    for ticker in ["AAPL", "TSLA"] {
        market.days(ticker, &[6, 9, 10].map(|day| (date(2026, 3, day), 100.0 + f64::from(day))));
    }
    market.plan(PlanFloor::On(date(2026, 3, 9)), PartialCoverage::Shortened);
    let mut scenario = Scenario::new(market, "AAPL", "market_prices", "2025-12-01");
    let output = scenario.sync(now);
    assert_eq!(output.records().len(), 4);
    output.assert_logs("WARN", &[&["market_prices", "plan", "2025-12-01", "2026-03-0"]]);
    assert!(scenario.requests().len() <= 22);
    let second = scenario.sync(now);
    assert_eq!((second.records().len(), scenario.requests().len()), (0, 1));
}

#[test]
fn limit_found_by_one_ticker_is_used_by_the_next() {
    let mut scenario = two_years("AAPL,MSFT", PartialCoverage::Refused);
    scenario.sync(NOW);
    let requests = scenario.requests().into_iter();
    let asked: BTreeSet<String> =
        requests.filter(|request| request.path.contains("/MSFT/")).map(|request| request.path).collect();
    let range = |from: &str| format!("/v2/aggs/ticker/MSFT/range/1/day/{from}/2026-11-19");
    // The first one was prefetched.
    let expected = BTreeSet::from([range("2014-01-02"), range("2024-11-20")]);
    assert_eq!(asked, expected);
}

#[test]
fn tickers_are_still_requested_ahead_after_the_limit_was_found() {
    static OPEN: AtomicUsize = AtomicUsize::new(0);
    static ALONE: AtomicUsize = AtomicUsize::new(0);
    let tickers: Vec<String> = ('A'..='Z').map(String::from).collect();
    let mut market = Market::at(NOW);
    for ticker in &tickers {
        market.days(ticker, &[(date(2026, 11, 19), 200.0)]);
    }
    market.plan(PlanFloor::On(date(2024, 11, 20)), PartialCoverage::Refused);
    let mut scenario = Scenario::new(market, &tickers.join(","), "stock_prices", "2014-01-02");
    scenario.api.inject_faults(|_, request| {
        let slow = Fault::changed(|body| {
            ALONE.fetch_add(usize::from(OPEN.fetch_add(1, Ordering::Relaxed) == 0), Ordering::Relaxed);
            thread::sleep(Duration::from_millis(20));
            OPEN.fetch_sub(1, Ordering::Relaxed);
            body
        });
        request.path.contains("/2024-11-20/").then_some(slow)
    });
    scenario.sync(NOW);
    assert_eq!(scenario.table.rows.len(), tickers.len());
    // Those that were sent before it was found are of no use, and must not take the places of others.
    assert!(ALONE.load(Ordering::Relaxed) < tickers.len() / 2, "one after another");
}

#[test]
fn limit_found_for_crypto_costs_stocks_no_day() {
    // Crypto's days are UTC's, where it is already the next day, so that its history begins a day later.
    let evening = "2026-11-21T03:00:00Z";
    let mut market = Market::at(evening);
    for ticker in ["X:BTCUSD", "AAPL"] {
        market.days(ticker, &[20, 21, 22].map(|day| (date(2024, 11, day), f64::from(day))));
    }
    market.plan(PlanFloor::YearsBack(2), PartialCoverage::Refused);
    let mut scenario = Scenario::new(market, "X:BTCUSD,AAPL", "stock_prices", "2024-11-20");
    let output = scenario.sync(evening);
    scenario.assert_true("both markets");
    assert_eq!(scenario.table.rows.len(), 5);
    let warnings = output.logs("WARN");
    assert!(warnings.iter().all(|text| text.contains("X:BTCUSD")), "{warnings:?}");
}

#[test]
fn limit_found_by_one_stream_does_not_affect_another_that_begins_later() {
    let mut scenario = two_years("AAPL", PartialCoverage::Refused);
    for day in weekdays(date(2026, 11, 2), 18) {
        let bar = TradedBar::closing_at(200.0);
        scenario.api.market().bar(BarSize::HOUR, "AAPL", new_york_time(day, 15, 0), bar);
    }
    let streams = ["stock_prices", "stock_prices_by_hour"];
    scenario.connector.stream(streams[1], "incremental");
    scenario.set("start_date", "2026-11-02").sync(NOW);
    // Now the days are read first, and find the limit.
    let streams = streams.map(|stream| configured(stream, "incremental"));
    scenario.connector.catalog["streams"] = json!(streams);
    let output = scenario.set("start_date", "2014-01-02").sync(NOW);
    let of_hours = output.records().into_iter();
    let of_hours = of_hours.filter(|record| record["timestamp"].is_string());
    assert_eq!(of_hours.count(), 0, "they exist already");
    assert!(output.logs("WARN").len() <= 2, "{:?}", output.logs("WARN"));
}

#[test]
fn limit_is_found_although_the_plan_does_not_show_today() {
    let mut scenario = hours(PartialCoverage::Refused, "2014-01-02");
    scenario.api.market().shows_today = false;
    scenario.sync(NOW);
    scenario.assert_true("up to yesterday");
}

#[test]
fn search_for_the_limit_that_fails_is_a_failure() {
    let mut scenario = two_years("AAPL", PartialCoverage::Refused);
    scenario.api.inject_faults(|number, _| (number == 2).then(|| Fault::status(400, "", "{}")));
    scenario.try_sync(NOW).assert_failure("system_error", &["AAPL"]);
    scenario.api.heal();
    scenario.sync(NOW);
    scenario.assert_true("after a successful sync");
}

#[test]
fn limit_of_a_market_is_found_while_the_last_day_is_still_today_to_the_api() {
    let scenario = history("market_prices", date(2026, 3, 2), 9, "2026-03-02");
    scenario.api.market().plan(PlanFloor::On(date(2026, 3, 4)), PartialCoverage::Shortened).shows_today = false;
    scenario.api.market().set_now("2026-03-10T12:00:00Z");
    assert_eq!(scenario.connector.run_at("2026-03-11T07:00:00Z", "read").succeeded().records().len(), 4);
}

#[test]
fn limit_of_a_market_that_trades_on_weekends_is_found_at_once() {
    for day in [6, 9] {
        let mut market = Market::at("2026-03-20T12:00:00Z");
        for day in date(2026, 2, 1).iter_days().take(60) {
            market.day("X:BTCUSD", day, TradedBar::closing_at(1.0));
        }
        market.plan(PlanFloor::On(date(2026, 3, day)), PartialCoverage::Shortened);
        let mut scenario = Scenario::new(market, "AAPL", "crypto_market_prices", "2026-02-02");
        scenario.sync("2026-03-20T12:00:00Z").assert_logs("WARN", &[&[&*format!("starting at 2026-03-0{day}")]]);
    }
}

#[test]
fn holiday_at_the_limit_is_recognized() {
    for coverage in BOTH {
        let mut market = Market::at("2026-03-11T12:00:00Z");
        market.days("SPY", &[3, 4, 5, 6, 9, 10].map(|day| (date(2026, 3, day), 100.0)));
        market.plan(PlanFloor::On(date(2026, 3, 2)), coverage);
        let mut scenario = Scenario::new(market, "AAPL", "market_prices", "2026-03-02");
        let output = scenario.sync("2026-03-11T12:00:00Z");
        output.assert_no_warning(&format!("{coverage:?}"));
        assert_eq!(output.last_state()["backlog"], Value::Null);
    }
}
