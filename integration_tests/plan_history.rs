//! What the user's plan does not show: history before its floor, whether the API shortens such ranges or refuses them.

use chrono::{Datelike, Weekday};
use serde_json::{Value, json};

use crate::scenario::Scenario;
use crate::support::bar_size::BarSize;
use crate::support::connector::{Destination, configured};
use crate::support::days::{Date, date, new_york_time};
use crate::support::fake_api::{Fault, Request};
use crate::support::market::{Market, PartialCoverage, PlanFloor, TradedBar, weekdays};

const NOW: &str = "2026-11-20T15:00:00Z";
const BOTH: [PartialCoverage; 2] = [PartialCoverage::Shortened, PartialCoverage::Refused];

/// Two tickers, one bar a month since 2014, and a plan with two years of history.
fn two_years(tickers: &str, coverage: PartialCoverage) -> Scenario {
    let mut market = Market::at(NOW);
    for ticker in ["AAPL", "MSFT"] {
        for year in 2014..=2026 {
            for month in 1..=12 {
                let close = f64::from(year) + f64::from(month);
                market.days(ticker, &[(date(year, month, 20), close)]);
            }
        }
    }
    market.plan(PlanFloor::On(date(2024, 11, 20)), coverage);
    Scenario::new(market, tickers, "stock_prices", "2014-01-02")
}

#[test]
fn range_that_begins_before_the_plans_history_is_read_from_there_with_a_warning() {
    let tables = BOTH.map(|coverage| {
        let mut scenario = two_years("AAPL,MSFT", coverage);
        let output = scenario.sync(NOW);
        scenario.assert_true("what the plan shows");
        assert_eq!(scenario.table.rows.len(), 48);
        for ticker in ["AAPL", "MSFT"] {
            let warnings = output.logs("WARN");
            let of_ticker = warnings.iter().filter(|text| text.starts_with(ticker));
            assert_eq!(of_ticker.count(), 1, "{warnings:?}");
            assert_eq!(output.last_state()[ticker]["since"], "2014-01-02");
        }
        let start = match coverage {
            PartialCoverage::Shortened => {
                "AAPL: first available bar is 2024-11-20 (requested from 2014-01-02)"
            }
            PartialCoverage::Refused => {
                "AAPL: your plan has no data for 2014-01-02 to 2024-11-19; starting at 2024-11-20."
            }
        };
        assert!(
            output.logs("WARN")[0].starts_with(start),
            "{:?}",
            output.logs("WARN")
        );
        assert!(scenario.requests().len() <= 12);
        scenario.table
    });
    assert_eq!(tables[0], tables[1]);
}

#[test]
fn sync_after_a_refusal_does_not_ask_for_the_refused_part_again() {
    let mut scenario = two_years("AAPL,MSFT", PartialCoverage::Refused);
    scenario.sync(NOW);
    let second = scenario.sync(NOW);
    let counts = (
        second.records().len(),
        second.logs("WARN").len(),
        scenario.requests().len(),
    );
    assert_eq!(counts, (0, 0, 2));
}

#[test]
fn bars_that_the_plan_no_longer_shows_are_not_taken_for_gone() {
    for coverage in BOTH {
        let mut scenario = two_years("AAPL", coverage);
        scenario
            .api
            .market()
            .plan(PlanFloor::On(date(2014, 1, 1)), coverage);
        scenario.set("end_date", "2024-09-30").sync(NOW);
        scenario
            .api
            .market()
            .plan(PlanFloor::On(date(2024, 11, 20)), coverage);
        let output = scenario.set("end_date", Value::Null).sync(NOW);
        assert_eq!(
            output.prices().first().map(|price| price.1),
            Some("2024-11-20")
        );
        assert_eq!(output.records().len(), 24);
        assert!(output.logs("WARN").len() <= 1, "{:?}", output.logs("WARN"));
        assert!(
            !output.text.contains("no longer has"),
            "{:?}",
            output.logs("WARN")
        );
        assert!(scenario.requests().len() <= 8);
    }
}

#[test]
fn start_date_that_is_moved_before_the_plans_history_is_warned_about_once() {
    for coverage in BOTH {
        let mut scenario = two_years("AAPL", coverage);
        scenario.set("start_date", "2024-11-20").sync(NOW);
        let second = scenario.set("start_date", "2014-01-02").sync(NOW);
        let warnings = second.logs("WARN");
        assert_eq!(
            (second.records().len(), warnings.len()),
            (0, 1),
            "{warnings:?}"
        );
        assert!(warnings[0].contains("2014-01-02") && warnings[0].contains("2024-11-"));
        assert_eq!(scenario.sync(NOW).logs("WARN"), [""; 0]);
    }
}

#[test]
fn range_wholly_before_the_plans_history_is_a_config_error_about_the_plan() {
    for coverage in BOTH {
        let mut scenario = two_years("AAPL,MSFT", coverage);
        let output = scenario.set("end_date", "2020-12-31").try_sync(NOW);
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "config_error");
        for ticker in ["AAPL", "MSFT"] {
            assert!(message.contains(ticker), "{message}");
        }
        assert!(message.contains("plan"), "{message}");
    }
}

#[test]
fn history_that_begins_late_is_warned_about_with_both_dates_once() {
    let mut market = Market::at(NOW);
    market.days(
        "NEW",
        &[(date(2026, 6, 12), 40.0), (date(2026, 6, 15), 41.0)],
    );
    let mut scenario = Scenario::new(market, "NEW", "stock_prices", "2015-01-02");
    let output = scenario.sync(NOW);
    let warning = "NEW: first available bar is 2026-06-12 (requested from 2015-01-02)";
    assert!(
        output.logs("WARN")[0].starts_with(warning),
        "{:?}",
        output.logs("WARN")
    );
    assert_eq!(scenario.sync(NOW).logs("WARN"), [""; 0]);
    scenario.connector.state = None;
    let output = scenario.set("start_date", "2026-06-03").sync(NOW);
    assert_eq!(output.logs("WARN"), [""; 0], "nine days can be holidays");
}

#[test]
fn floor_that_moves_on_every_day_costs_one_request_a_sync_and_tells_nothing() {
    for coverage in BOTH {
        let mut market = Market::at(NOW);
        for day in weekdays(date(2024, 11, 1), 760) {
            market.days("AAPL", &[(day, 200.0)]);
        }
        market.plan(PlanFloor::YearsBack(2), coverage);
        let mut scenario = Scenario::new(market, "AAPL", "stock_prices", "2014-01-02");
        scenario.sync(NOW);
        for day in 21..=30 {
            let output = scenario.sync(&format!("2026-11-{day}T15:00:00Z"));
            let days = [
                "2026-11-20",
                "2026-11-23",
                "2026-11-24",
                "2026-11-25",
                "2026-11-26",
                "2026-11-27",
            ];
            let emitted: Vec<_> = output
                .prices()
                .iter()
                .map(|price| price.1.to_owned())
                .collect();
            assert!(emitted.len() <= 1 && emitted.iter().all(|day| days.contains(&day.as_str())));
            assert_eq!(output.logs("WARN"), [""; 0], "{coverage:?} {day}");
            assert_eq!(scenario.requests().len(), 1, "{coverage:?} {day}");
        }
    }
}

#[test]
fn market_before_the_plans_history_is_read_from_there() {
    let mut market = Market::at("2026-03-11T07:00:00Z");
    for ticker in ["AAPL", "TSLA"] {
        market.days(
            ticker,
            &[
                (date(2026, 3, 6), 106.0),
                (date(2026, 3, 9), 109.0),
                (date(2026, 3, 10), 110.0),
            ],
        );
    }
    market.plan(PlanFloor::On(date(2026, 3, 9)), PartialCoverage::Shortened);
    let mut scenario = Scenario::new(market, "AAPL", "market_prices", "2025-12-01");
    let output = scenario.sync("2026-03-11T07:00:00Z");
    assert_eq!(output.records().len(), 4);
    let warning = "market_prices: your plan has no data for 2025-12-01 to 2026-03-0";
    assert!(
        output.logs("WARN")[0].starts_with(warning),
        "{:?}",
        output.logs("WARN")
    );
    assert_eq!(output.logs("WARN").len(), 1, "{:?}", output.logs("WARN"));
    let requests = scenario.requests();
    assert!(requests.len() <= 22);
    for request in requests {
        let day: Date = request
            .path
            .rsplit('/')
            .next()
            .and_then(|day| day.parse().ok())
            .expect("a date");
        assert!(
            !matches!(day.weekday(), Weekday::Sat | Weekday::Sun),
            "{day}"
        );
    }
    let second = scenario.sync("2026-03-11T07:00:00Z");
    assert_eq!((second.records().len(), scenario.requests().len()), (0, 1));
}

#[test]
fn tables_of_shortened_and_refused_ranges_are_the_same_after_a_later_backfill() {
    let tables = BOTH.map(|coverage| {
        let mut scenario = two_years("AAPL", coverage);
        scenario.connector.stream("stock_prices", "incremental");
        scenario.set("start_date", "2026-01-01").sync(NOW);
        scenario.set("start_date", "2014-01-02").sync(NOW);
        scenario.assert_true("what the plan shows");
        scenario.table
    });
    assert_eq!(tables[0], tables[1]);
    assert_ne!(tables[0], Destination::default());
    assert_eq!(json!(tables[0].rows.len()), 24);
}

#[test]
fn start_date_of_hours_that_is_moved_before_the_plans_history_is_warned_about_once() {
    for coverage in BOTH {
        let mut market = Market::at(NOW);
        for day in weekdays(date(2024, 11, 1), 750) {
            let start = new_york_time(day, 15, 0);
            let bar = TradedBar::closing_at(200.0);
            market.bar(BarSize::HOUR, "AAPL", start, bar);
        }
        market.plan(PlanFloor::YearsBack(2), coverage);
        let mut scenario = Scenario::new(market, "AAPL", "stock_prices_by_hour", "2026-10-01");
        scenario.sync(NOW);
        let second = scenario.set("start_date", "2014-01-02").sync(NOW);
        let requests = scenario.requests().len();
        scenario.assert_true(&format!("{coverage:?}"));
        if coverage == PartialCoverage::Refused {
            let warning =
                "AAPL: your plan has no data for 2014-01-02 to 2024-11-19; starting at 2024-11-20.";
            assert!(
                second.logs("WARN")[0].starts_with(warning),
                "{:?}",
                second.logs("WARN")
            );
        }
        assert_eq!(
            second.logs("WARN").len(),
            1,
            "{coverage:?} {:?}",
            second.logs("WARN")
        );
        assert!(requests <= 25, "{coverage:?}: {requests}");
        let third = scenario.sync(NOW);
        let counts = (
            third.records().len(),
            third.logs("WARN").len(),
            scenario.requests().len(),
        );
        assert_eq!(counts, (0, 0, 1), "{coverage:?}");
    }
}

#[test]
fn pause_of_three_weeks_on_a_plan_whose_history_moves_on_re_emits_at_most_the_year_that_is_cut() {
    for coverage in BOTH {
        let mut market = Market::at(NOW);
        for day in weekdays(date(2024, 11, 1), 790) {
            market.days("AAPL", &[(day, 200.0)]);
        }
        market.plan(PlanFloor::YearsBack(2), coverage);
        let mut scenario = Scenario::new(market, "AAPL", "stock_prices", "2014-01-02");
        scenario.sync(NOW);
        let output = scenario.sync("2026-12-12T15:00:00Z");
        assert_eq!(output.logs("WARN"), [""; 0], "{coverage:?}");
        // More days left the plan than stand alone in the state, so the rest of 2024 can't be compared.
        let days: Vec<_> = output
            .prices()
            .iter()
            .map(|price| price.1.to_owned())
            .collect();
        let new = days
            .iter()
            .filter(|day| day.as_str() >= "2026-11-20")
            .count();
        assert_eq!(new, 16, "2026-11-20 to 2026-12-11");
        let old = days
            .iter()
            .filter(|day| day.as_str() < "2025-01-01")
            .count();
        assert_eq!(days.len(), old + new, "{coverage:?}");
        assert_eq!(scenario.requests().len(), 1);
        assert_eq!(scenario.sync("2026-12-12T15:00:00Z").records().len(), 0);
    }
}

#[test]
fn plans_limit_that_one_ticker_has_found_is_used_by_the_next() {
    let mut scenario = two_years("AAPL,MSFT", PartialCoverage::Refused);
    scenario.sync(NOW);
    let of_second = |requests: &[Request]| -> Vec<String> {
        let paths = requests
            .iter()
            .filter(|request| request.path.contains("/MSFT/"));
        paths.map(|request| request.path.clone()).collect()
    };
    let range = |from: &str| format!("/v2/aggs/ticker/MSFT/range/1/day/{from}/2026-11-19");
    let asked = of_second(&scenario.requests());
    let expected = [range("2014-01-02"), range("2024-11-20")];
    assert_eq!(asked, expected, "the first was sent ahead");
    // A ticker that begins where the plan does lacks nothing.
    let first_format = json!({"since": "2014-01-02", "date": "2026-10-20", "adjusted": true});
    let state = json!({"stock_prices": {"AAPL": first_format}});
    scenario.connector.state = Some(state);
    let output = scenario.set("start_date", "2024-11-20").sync(NOW);
    assert!(
        output
            .logs("WARN")
            .iter()
            .all(|text| text.starts_with("AAPL")),
        "{:?}",
        output.logs("WARN")
    );
}

#[test]
fn plans_limit_that_was_found_for_crypto_cost_stocks_a_day() {
    // By UTC, which crypto lives by, it is the next day already, and its history begins a day later.
    let evening = "2026-11-21T03:00:00Z";
    let mut market = Market::at(evening);
    for ticker in ["X:BTCUSD", "AAPL"] {
        let days = [20, 21, 22].map(|day| (date(2024, 11, day), f64::from(day)));
        market.days(ticker, &days);
    }
    market.plan(PlanFloor::YearsBack(2), PartialCoverage::Refused);
    let mut scenario = Scenario::new(market, "X:BTCUSD,AAPL", "stock_prices", "2024-11-20");
    let output = scenario.sync(evening);
    let warnings = output.logs("WARN");
    scenario.assert_true("both markets");
    assert_eq!(scenario.table.rows.len(), 5);
    assert!(
        warnings.iter().all(|text| text.starts_with("X:BTCUSD")),
        "{warnings:?}"
    );
}

#[test]
fn plans_limit_that_one_stream_has_found_leaves_another_alone_that_begins_later() {
    let mut scenario = two_years("AAPL", PartialCoverage::Refused);
    for day in weekdays(date(2026, 11, 2), 18) {
        let start = new_york_time(day, 15, 0);
        scenario
            .api
            .market()
            .bar(BarSize::HOUR, "AAPL", start, TradedBar::closing_at(200.0));
    }
    scenario
        .connector
        .stream("stock_prices_by_hour", "incremental");
    scenario.set("start_date", "2026-11-02").sync(NOW);
    let hours = scenario.connector.state.take().expect("a state");
    // Now days come first, and find the limit.
    let streams = ["stock_prices", "stock_prices_by_hour"];
    let streams = streams.map(|stream| configured(stream, "incremental"));
    scenario.connector.catalog["streams"] = json!(streams);
    scenario.connector.state = Some(hours);
    scenario.set("start_date", "2014-01-02");
    let output = scenario.try_sync(NOW).succeeded();
    let paths: Vec<String> = scenario
        .requests()
        .iter()
        .map(|request| request.path.clone())
        .collect();
    assert!(
        paths
            .iter()
            .any(|path| path.ends_with("/hour/2026-11-18/2026-11-20")),
        "{paths:?}"
    );
    assert!(
        !paths
            .iter()
            .any(|path| path.contains("/hour/2024-11-20/2026")),
        "{paths:?}"
    );
    assert!(output.logs("WARN").len() <= 2, "{:?}", output.logs("WARN"));
}

#[test]
fn plans_limit_is_found_although_the_plan_does_not_show_today() {
    let mut market = Market::at(NOW);
    for day in weekdays(date(2024, 11, 1), 740) {
        let start = new_york_time(day, 15, 0);
        market.bar(BarSize::HOUR, "AAPL", start, TradedBar::closing_at(200.0));
    }
    market.plan(PlanFloor::YearsBack(2), PartialCoverage::Refused);
    let mut scenario = Scenario::new(market, "AAPL", "stock_prices_by_hour", "2014-01-02");
    scenario.api.inject_faults(|_, request| {
        let is_today = request.path.ends_with("/2026-11-20/2026-11-20");
        is_today.then(Fault::outside_the_plan)
    });
    scenario.sync(NOW);
    scenario.assert_true("up to yesterday");
}

#[test]
fn search_for_the_plans_limit_that_fails_is_a_failure() {
    let mut scenario = two_years("AAPL", PartialCoverage::Refused);
    scenario
        .api
        .inject_faults(|number, _| (number == 2).then(|| Fault::status(400, "", "{}")));
    assert_eq!(scenario.try_sync(NOW).failure().0, "system_error");
    scenario.api.heal();
    scenario.sync(NOW);
    scenario.assert_true("once it is answered");
}

#[test]
fn read_of_earlier_hours_that_is_cut_off_at_the_plans_limit_misses_nothing() {
    for lines in (0..60).step_by(3) {
        let mut market = Market::at(NOW);
        market.page_size = 4;
        for day in weekdays(date(2024, 11, 1), 60) {
            let start = new_york_time(day, 15, 0);
            market.bar(BarSize::HOUR, "AAPL", start, TradedBar::closing_at(200.0));
        }
        let last = new_york_time(date(2026, 11, 18), 15, 0);
        market.bar(BarSize::HOUR, "AAPL", last, TradedBar::closing_at(200.0));
        market.plan(PlanFloor::YearsBack(2), PartialCoverage::Refused);
        let mut scenario = Scenario::new(market, "AAPL", "stock_prices_by_hour", "2026-11-16");
        scenario.sync(NOW);
        scenario.set("start_date", "2014-01-02");
        scenario.sync_until_line(NOW, lines);
        scenario.sync(NOW);
        scenario.assert_true(&format!("cut off after {lines} lines"));
    }
}
