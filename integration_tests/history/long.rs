//! Long intraday histories, which are read in concurrent blocks.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::support::bar_size::BarSize;
use crate::support::connector::Connector;
use crate::support::days::{Date, date, midnight, new_york_time, zone_of};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::{Market, TradedBar, weekdays};
use crate::support::scenario::Scenario;

const NOW: &str = "2026-11-20T12:00:00Z";
const STREAM: &str = "stock_prices_by_hour";

/// A stock with two hours a session, or a coin with a bar at midnight and one at noon.
fn market(ticker: &str, first: Date, page_size: usize) -> Market {
    let mut market = Market::at(NOW);
    market.page_size = page_size;
    let days = usize::try_from((date(2026, 11, 20) - first).num_days()).expect("a first day before");
    let bar = TradedBar::closing_at(200.0);
    let (days, hours): (Vec<Date>, _) = if ticker.starts_with("X:") {
        (first.iter_days().take(days).collect(), [0, 12])
    } else {
        (weekdays(first, days as u64).collect(), [10, 15])
    };
    for (day, hour) in days.into_iter().flat_map(|day| hours.map(|hour| (day, hour))) {
        let start = midnight(zone_of(ticker), day) + hour * 3_600_000;
        market.bar(BarSize::HOUR, ticker, start, bar);
    }
    market
}

fn scenario(page_size: usize, start_date: &str) -> Scenario {
    let market = market("AAPL", date(2026, 3, 2), page_size);
    Scenario::new(market, "AAPL", STREAM, start_date)
}

#[test]
fn long_history_is_read_once_in_order_and_without_a_warning() {
    for (ticker, page_size) in [("AAPL", 20), ("AAPL", 26), ("AAPL", 10), ("X:BTCUSD", 21), ("X:BTCUSD", 16)] {
        let context = format!("{ticker}, {page_size} bars a page");
        let market = market(ticker, date(2026, 3, 2), page_size);
        let mut scenario = Scenario::new(market, ticker, STREAM, "2026-03-02");
        let output = scenario.sync(NOW);
        scenario.assert_true(&context);
        let rows = scenario.table.rows.len();
        assert_eq!(output.records().len(), rows, "{context}");
        assert!(output.dates().is_sorted(), "{context}");
        output.assert_no_warning(&context);
        // Twice the number of pages, because blocks don't fill them.
        let (pages, requests) = (rows.div_ceil(page_size), scenario.requests().len());
        assert!(requests <= 2 * pages + 2, "{context}: {requests} for {pages} pages");
    }
}

#[test]
fn range_without_bars_is_requested_again() {
    // What follows empty months is found by a request for all the rest.
    let summer = new_york_time(date(2026, 5, 1), 0, 0)..new_york_time(date(2026, 9, 1), 0, 0);
    for (start_date, has_gap) in [("2026-03-02", false), ("2026-11-02", false), ("2026-03-02", true)] {
        let scenario = || {
            let scenario = scenario(20, start_date);
            if has_gap {
                scenario.api.market().bars_of(BarSize::HOUR, "AAPL").retain(|start, _| !summer.contains(start));
            }
            scenario
        };
        let mut undisturbed = scenario();
        undisturbed.sync(NOW);
        let mut requests = undisturbed.requests();
        undisturbed.set("start_date", "2026-03-02").sync(NOW);
        requests.extend(undisturbed.requests());
        requests.truncate(12);
        for (number, path) in requests.into_iter().map(|request| request.path).enumerate() {
            let mut scenario = scenario();
            let (is_first, empty) = (AtomicBool::new(true), path.clone());
            scenario.api.inject_faults(move |_, request| {
                let is_empty = request.path == empty && is_first.swap(false, Relaxed);
                is_empty.then(Fault::no_bars)
            });
            scenario.sync(NOW);
            if number > 0 {
                scenario.assert_true(&path);
            }
            // An empty response about a ticker that is new is believed until the next sync.
            scenario.set("start_date", "2026-03-02").sync(NOW);
            scenario.assert_true(&path);
        }
    }
}

#[test]
fn blocks_are_requested_while_an_earlier_one_is_pending() {
    let api = FakeApi::start(market("AAPL", date(2026, 3, 2), 20));
    let server = api.clone();
    api.inject_faults(move |number, _| (number == 1).then(|| Fault::held_until(&server, 6)));
    let mut connector = Connector::new(&api, "AAPL");
    connector.set("start_date", "2026-03-02").stream(STREAM, "incremental");
    let output = connector.run_at(NOW, "read").succeeded();
    let logs = output.logs("INFO");
    let is_retry = |text: &&&str| text.contains("attempt");
    assert_eq!(logs.iter().find(is_retry), None, "no attempt failed");
}

#[test]
fn years_before_the_first_bar_cost_few_requests() {
    let mut scenario = scenario(50_000, "2026-11-16");
    scenario.sync(NOW);
    scenario.set("start_date", "1996-01-02").sync(NOW);
    scenario.assert_true("the whole history");
    let requests = scenario.requests().len();
    assert!(requests <= 10, "{requests} requests");
}

#[test]
fn failed_read_of_earlier_hours_is_not_mistaken_for_the_plans_limit() {
    let mut scenario = scenario(50_000, "2026-11-02");
    scenario.sync(NOW);
    let is_first = AtomicBool::new(true);
    scenario.api.inject_faults(move |_, request| {
        let is_before = request.path.contains("/2026-03-02/");
        (is_before && is_first.swap(false, Relaxed)).then(|| Fault::status(400, "", "{}"))
    });
    let output = scenario.set("start_date", "2026-03-02").try_sync(NOW);
    output.assert_failure("system_error", &["AAPL"]);
    scenario.api.heal();
    scenario.sync(NOW);
    scenario.assert_true("after a successful sync");
}

#[test]
fn today_may_be_refused_by_a_free_plan() {
    let mut scenario = scenario(20, "2026-03-02");
    scenario.api.market().shows_today = false;
    let output = scenario.sync(NOW);
    scenario.assert_true("all but today");
    output.assert_no_warning("today is not over");
    scenario.connector.state = None;
    let output = scenario.set("start_date", "2026-11-20").sync(NOW);
    assert_eq!(output.records().len(), 0);
    output.assert_no_warning("nothing but today was requested");
}
