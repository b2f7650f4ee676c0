//! Long intraday histories, which are asked for in windows of about a page each, several at a time.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use chrono::Days;

use crate::scenario::Scenario;
use crate::support::bar_size::BarSize;
use crate::support::connector::Connector;
use crate::support::days::{Date, date, midnight, moment_at, new_york_time, zone_of};
use crate::support::fake_api::{Fault, Request};
use crate::support::market::{Market, TradedBar, weekdays};
use crate::support::raw_api::{RawApi, RawFault};

const NOW: &str = "2026-11-20T12:00:00Z";

/// Two hours a session of a stock; a bar at midnight and one at noon of a coin.
fn market(ticker: &str, first: Date, page_size: usize) -> Market {
    let mut market = Market::at(NOW);
    market.page_size = page_size;
    let days = u64::try_from((date(2026, 11, 20) - first).num_days()).expect("a first day before");
    let bar = TradedBar::closing_at(200.0);
    if ticker.starts_with("X:") {
        for day in (0..days).map(|number| first + Days::new(number)) {
            for hour in [0, 12] {
                let start = midnight(zone_of(ticker), day) + hour * 3_600_000;
                market.bar(BarSize::HOUR, ticker, start, bar);
            }
        }
    } else {
        for day in weekdays(first, days) {
            for hour in [10, 15] {
                market.bar(BarSize::HOUR, ticker, new_york_time(day, hour, 0), bar);
            }
        }
    }
    market
}

/// The days that requests asked for, in their order, apart from further pages.
fn windows(requests: &[Request]) -> Vec<(Date, Date)> {
    // Stocks are asked for by dates, coins by moments.
    let day = |text: &str| -> Date {
        let of_moment = |ms: i64| moment_at(ms).date_naive();
        let moment = text.parse().ok().map(of_moment);
        moment.unwrap_or_else(|| text.parse().expect("a date"))
    };
    let window = |request: &Request| {
        let mut segments = request.path.rsplit('/');
        let (to, from) = (segments.next().map(day), segments.next().map(day));
        from.zip(to).expect("a range")
    };
    let asked = requests.iter().filter(|request| request.is_first_page());
    let mut windows: Vec<_> = asked.map(window).collect();
    windows.sort();
    // One without bars is asked for twice.
    windows.dedup();
    windows
}

#[test]
fn long_history_is_read_in_windows_that_follow_its_first_page() {
    // How many bars a page holds, the last day of the first one, and how many days a window has.
    for (ticker, page_size, last_day, length) in [
        ("AAPL", 20, date(2026, 3, 13), 7),
        ("AAPL", 26, date(2026, 3, 18), 14),
        ("AAPL", 10, date(2026, 3, 6), 4),
        ("X:BTCUSD", 21, date(2026, 3, 12), 7),
        ("X:BTCUSD", 16, date(2026, 3, 9), 7),
    ] {
        let context = format!("{ticker}, {page_size} bars a page");
        let market = market(ticker, date(2026, 3, 2), page_size);
        let mut scenario = Scenario::new(market, ticker, "stock_prices_by_hour", "2026-03-02");
        let output = scenario.sync(NOW);
        scenario.assert_true(&context);
        assert_eq!(
            output.records().len(),
            scenario.table.rows.len(),
            "{context}"
        );
        assert_eq!(output.logs("WARN"), [""; 0], "{context}");
        let requests = scenario.requests();
        assert!(requests.iter().all(Request::is_first_page), "{context}");
        let windows = windows(&requests);
        assert_eq!(windows[0].0, date(2026, 3, 2), "{context}");
        assert_eq!(windows[1].0, last_day, "{context}");
        for pair in windows[1..].windows(2) {
            assert_eq!(pair[0].1 + Days::new(1), pair[1].0, "{context}");
            assert_eq!((pair[0].1 - pair[0].0).num_days() + 1, length, "{context}");
        }
    }
}

#[test]
fn rest_that_is_no_longer_than_its_first_page_is_not_cut() {
    // A page holds five days; the last of them and what follows are four, or six.
    for (days, requests) in [(7, 2), (9, 3)] {
        let first = date(2026, 11, 20) - Days::new(days);
        let mut scenario = Scenario::new(
            market("X:BTCUSD", first, 10),
            "X:BTCUSD",
            "stock_prices_by_hour",
            &first.to_string(),
        );
        scenario.sync(NOW);
        scenario.assert_true("all of it");
        let asked = scenario.requests();
        let first_pages = asked
            .iter()
            .filter(|request| request.is_first_page())
            .count();
        let is_cut = days == 9;
        assert_eq!(
            (asked.len(), first_pages),
            (requests, if is_cut { requests } else { 1 }),
            "{days} days"
        );
    }
}

#[test]
fn window_that_is_answered_without_bars_is_asked_for_once_more() {
    const EMPTY: &str =
        r#"{"ticker":"AAPL","queryCount":0,"resultsCount":0,"adjusted":true,"status":"OK"}"#;
    for (start_date, path) in [
        ("2026-03-02", "/2026-03-20/"),
        ("2026-11-02", "/2026-08-24/"),
    ] {
        let mut scenario = Scenario::new(
            market("AAPL", date(2026, 3, 2), 20),
            "AAPL",
            "stock_prices_by_hour",
            start_date,
        );
        let is_first = AtomicBool::new(true);
        scenario.api.inject_faults(move |_, request| {
            let is_empty = request.path.contains(path) && is_first.swap(false, Relaxed);
            is_empty.then(|| Fault::changed(|_| EMPTY.to_owned()))
        });
        scenario.sync(NOW);
        scenario.set("start_date", "2026-03-02").sync(NOW);
        scenario.assert_true(path);
        let asked = scenario.requests();
        let asked = asked.iter().filter(|request| request.path.contains(path));
        assert!(asked.count() <= 2, "{path}");
    }
}

#[test]
fn pages_are_not_cut_into_windows_where_the_rate_is_limited() {
    let mut scenario = Scenario::new(
        market("AAPL", date(2026, 3, 2), 20),
        "AAPL",
        "stock_prices_by_hour",
        "2026-03-02",
    );
    scenario
        .api
        .inject_faults(|number, _| (number == 0).then(|| Fault::status(429, "", "{}")));
    scenario.sync(NOW);
    scenario.assert_true("all of it");
    let windows = windows(&scenario.requests());
    assert_eq!(windows.len(), 1, "all of it in one range");
}

#[test]
fn windows_are_asked_for_while_an_earlier_one_is_silent() {
    let api = RawApi::start(market("AAPL", date(2026, 3, 2), 20));
    // The first window is silent the first time.
    let is_first = AtomicBool::new(true);
    api.inject_faults(move |_, request| {
        let is_silent = request.path.contains("/2026-03-13/") && is_first.swap(false, Relaxed);
        is_silent.then_some(RawFault::Stall)
    });
    let mut connector = Connector::new(&api, "AAPL");
    connector
        .set("start_date", "2026-03-02")
        .stream("stock_prices_by_hour", "incremental");
    connector.read_timeout = Duration::from_millis(700);
    connector.run_at(NOW, "read").succeeded();
    let requests = api.take_requests();
    let again = requests
        .iter()
        .rposition(|request| request.path.contains("/2026-03-13/"));
    assert!(
        again.is_some_and(|place| place >= 8),
        "others went out while it was silent: {again:?}"
    );
}

#[test]
fn windows_before_the_history_hold_a_page_and_grow_where_they_are_nearly_empty() {
    // Sixteen hours a session fill a page's minutes, one doesn't.
    for (hours, start, lengths) in [
        (4..20, "2024-11-18", [70; 10].as_slice()),
        (10..11, "1996-01-02", &[70; 8]),
    ] {
        let mut market = Market::at(NOW);
        for day in weekdays(date(2024, 11, 18), 732) {
            for hour in hours.clone() {
                let bar = TradedBar::closing_at(200.0);
                market.bar(BarSize::HOUR, "AAPL", new_york_time(day, hour, 0), bar);
            }
        }
        let mut scenario = Scenario::new(market, "AAPL", "stock_prices_by_hour", "2026-11-16");
        scenario.sync(NOW);
        scenario.set("start_date", start).sync(NOW);
        scenario.assert_true(start);
        let mut windows = windows(&scenario.requests());
        windows.retain(|window| window.1 < date(2026, 11, 16));
        let length = |(from, to): &(Date, Date)| (*to - *from).num_days() + 1;
        let found: Vec<_> = windows.iter().rev().map(length).collect();
        let first = scenario.connector.state.as_ref().expect("a state")[0]["stream"]["stream_state"]
            ["AAPL"]["first"]
            .to_string();
        assert!(first.starts_with("\"2024-11-18"), "{first}");
        // Eight are sent ahead before the first answer tells.
        assert_eq!(&found[..lengths.len()], lengths, "{start}");
        let is_grown = found.iter().any(|length| *length > 70);
        assert_eq!(is_grown, hours.len() == 1, "{found:?}");
    }
}

#[test]
fn read_of_earlier_hours_that_fails_is_not_taken_for_the_plans_limit() {
    let mut scenario = Scenario::new(
        market("AAPL", date(2026, 3, 2), 50_000),
        "AAPL",
        "stock_prices_by_hour",
        "2026-11-02",
    );
    scenario.sync(NOW);
    let is_first = AtomicBool::new(true);
    scenario.api.inject_faults(move |_, request| {
        let is_before = !request.path.contains("/2026-11-");
        (is_before && is_first.swap(false, Relaxed)).then(|| Fault::status(400, "", "{}"))
    });
    let output = scenario.set("start_date", "2026-03-02").try_sync(NOW);
    assert_eq!(output.failure().0, "system_error");
    scenario.api.heal();
    scenario.sync(NOW);
    scenario.assert_true("once it is answered");
}

#[test]
fn window_of_nothing_but_today_may_be_refused_by_a_free_plan() {
    let refuse_today = |scenario: &Scenario| {
        scenario.api.inject_faults(|_, request| {
            let is_today = request.path.ends_with("/2026-11-20/2026-11-20");
            is_today.then(Fault::outside_the_plan)
        });
    };
    // The windows that follow the first page are of whole weeks, so that the last one begins today.
    let mut scenario = Scenario::new(
        market("AAPL", date(2026, 3, 2), 20),
        "AAPL",
        "stock_prices_by_hour",
        "2026-03-02",
    );
    refuse_today(&scenario);
    let output = scenario.sync(NOW);
    scenario.assert_true("all but today");
    assert_eq!(output.logs("WARN"), [""; 0]);
    // Who asks for nothing but today is told.
    scenario.connector.state = None;
    let output = scenario.set("start_date", "2026-11-20").try_sync(NOW);
    assert_eq!(output.failure().0, "config_error");
}
