//! Splits that the API enters late, when the last sessions are already on the new basis, and what else the first bar
//! of a history shows.

use crate::scenario::Scenario;
use crate::support::bar_size::BarSize;
use crate::support::days::{Date, date, moment, new_york_time};
use crate::support::fake_api::Fault;
use crate::support::market::{Market, PartialCoverage, PlanFloor, Split, TradedBar, weekdays};

/// Days and hours from 2024-11-20 to 2026-12-18, two hours a session.
fn market() -> Market {
    let mut market = Market::at("2026-11-20T12:00:00Z");
    for day in weekdays(date(2024, 11, 20), 759) {
        let bar = TradedBar::closing_at(f64::from((day - date(2024, 1, 1)).num_days() as i32));
        market.day("AAPL", day, bar);
        for hour in [10, 15] {
            market.bar(BarSize::HOUR, "AAPL", new_york_time(day, hour, 0), bar);
        }
    }
    market
}

fn enter_late(scenario: &Scenario) {
    enter_late_from(scenario, date(2026, 11, 30));
}

/// A split on `first_day` that the API knows from 2026-12-07 on.
fn enter_late_from(scenario: &Scenario, first_day: Date) {
    scenario.api.market().splits.push(Split {
        ticker: "AAPL".to_owned(),
        first_day,
        ratio: 2.0,
        known_from: moment("2026-12-07T05:00:00Z"),
    });
}

/// Asserts that what the table holds from a date or timestamp on is the truth.
fn assert_true_from(mut scenario: Scenario, first: &str, context: &str) {
    let mut truth = scenario.truth();
    for rows in [&mut scenario.table.rows, &mut truth.rows] {
        rows.retain(|key, _| key.1.as_str() >= first);
    }
    assert!(!truth.rows.is_empty(), "{context}");
    let differences = scenario.table.differences(&truth);
    assert_eq!(differences.first(), None, "{context}");
}

#[test]
fn split_that_is_entered_late_is_noticed_by_days_at_once_and_by_hours_within_a_week() {
    for (stream, days) in [("stock_prices", [7, 8]), ("stock_prices_by_hour", [7, 14])] {
        let mut scenario = Scenario::new(market(), "AAPL", stream, "2026-06-01");
        for day in [2, 4, 5] {
            scenario.sync(&format!("2026-12-{day:02}T12:00:00Z"));
        }
        enter_late(&scenario);
        for day in days[0]..=days[1] {
            scenario.sync(&format!("2026-12-{day:02}T12:00:00Z"));
        }
        scenario.assert_true(stream);
    }
}

#[test]
fn split_that_is_entered_late_is_noticed_after_the_first_bar_has_left_the_plans_history() {
    for stream in ["stock_prices", "stock_prices_by_hour"] {
        for coverage in [PartialCoverage::Shortened, PartialCoverage::Refused] {
            let mut market = market();
            market.plan(PlanFloor::YearsBack(2), coverage);
            let mut scenario = Scenario::new(market, "AAPL", stream, "2024-11-20");
            for day in (20..=30).step_by(2) {
                scenario.sync(&format!("2026-11-{day}T12:00:00Z"));
            }
            for day in [1, 2, 3, 4, 5] {
                scenario.sync(&format!("2026-12-{day:02}T12:00:00Z"));
            }
            enter_late(&scenario);
            for day in 7..=14 {
                scenario.sync(&format!("2026-12-{day:02}T12:00:00Z"));
            }
            // What the plan no longer shows can't be mended.
            assert_true_from(scenario, "2024-12-20", &format!("{stream} {coverage:?}"));
        }
    }
}

#[test]
fn corrected_session_is_no_restatement_after_the_first_bar_has_left_the_plans_history() {
    for coverage in [PartialCoverage::Shortened, PartialCoverage::Refused] {
        let mut market = market();
        market.plan(PlanFloor::YearsBack(2), coverage);
        let mut scenario = Scenario::new(market, "AAPL", "stock_prices_by_hour", "2024-11-20");
        for now in ["2026-11-20", "2026-11-28", "2026-12-05"] {
            scenario.sync(&format!("{now}T12:00:00Z"));
        }
        let corrected = new_york_time(date(2026, 12, 3), 15, 0);
        scenario.correct(BarSize::HOUR, "AAPL", corrected, |bar| bar.high += 0.25);
        let output = scenario.sync("2026-12-05T12:30:00Z");
        assert_eq!(output.logs("WARN"), [""; 0], "{coverage:?}");
        assert_eq!(output.records().len(), 2, "{coverage:?}: its session");
    }
}

#[test]
fn first_hour_that_is_gone_is_replaced_as_the_bar_that_shows_splits() {
    let mut scenario = Scenario::new(market(), "AAPL", "stock_prices_by_hour", "2026-11-02");
    scenario.sync("2026-11-20T12:00:00Z");
    let first = new_york_time(date(2026, 11, 2), 10, 0);
    scenario.api.market().remove(BarSize::HOUR, "AAPL", first);
    for day in [28, 30] {
        scenario.sync(&format!("2026-11-{day}T12:00:00Z"));
    }
    for day in [4, 5] {
        scenario.sync(&format!("2026-12-{day:02}T12:00:00Z"));
    }
    enter_late(&scenario);
    for day in 7..=14 {
        scenario.sync(&format!("2026-12-{day:02}T12:00:00Z"));
    }
    assert_true_from(scenario, "2026-11-02T17", "all but the bar that is gone");
}

#[test]
fn hour_that_is_corrected_overnight_is_no_restatement_on_a_plan_whose_history_moves_on() {
    for coverage in [PartialCoverage::Shortened, PartialCoverage::Refused] {
        let mut market = market();
        market.plan(PlanFloor::YearsBack(2), coverage);
        let mut scenario = Scenario::new(market, "AAPL", "stock_prices_by_hour", "2014-01-02");
        scenario.sync("2026-11-20T12:00:00Z");
        let corrected = new_york_time(date(2026, 11, 19), 15, 0);
        scenario.correct(BarSize::HOUR, "AAPL", corrected, |bar| bar.high += 0.25);
        let output = scenario.sync("2026-11-21T12:00:00Z");
        assert_eq!(output.logs("WARN"), [""; 0], "{coverage:?}");
        assert_eq!(
            output.records().len(),
            4,
            "{coverage:?}: its session, and the new one"
        );
    }
}

#[test]
fn split_is_noticed_in_hours_that_were_read_before_the_others() {
    let mut scenario = Scenario::new(market(), "AAPL", "stock_prices_by_hour", "2026-06-01");
    scenario.sync("2026-12-01T12:00:00Z");
    scenario
        .set("start_date", "2026-03-02")
        .sync("2026-12-02T12:00:00Z");
    enter_late_from(&scenario, date(2026, 4, 1));
    for day in 7..=14 {
        scenario.sync(&format!("2026-12-{day:02}T12:00:00Z"));
    }
    scenario.assert_true("the first of them is watched");
}

#[test]
fn split_of_early_last_year_is_noticed_although_the_first_bar_has_left_the_plans_history() {
    for page_size in [50_000, 30] {
        let mut market = market();
        market.page_size = page_size;
        market.plan(PlanFloor::YearsBack(2), PartialCoverage::Shortened);
        let mut scenario = Scenario::new(market, "AAPL", "stock_prices_by_hour", "2024-11-20");
        for now in ["11-20", "11-27", "12-04"] {
            scenario.sync(&format!("2026-{now}T12:00:00Z"));
        }
        enter_late_from(&scenario, date(2025, 3, 3));
        for day in 7..=14 {
            scenario.sync(&format!("2026-12-{day:02}T12:00:00Z"));
        }
        assert_true_from(scenario, "2024-12-20", &format!("{page_size} bars a page"));
    }
}

#[test]
fn sync_whose_request_for_the_first_hour_fails_is_a_failure() {
    let mut scenario = Scenario::new(market(), "AAPL", "stock_prices_by_hour", "2026-06-01");
    for day in [2, 4, 5] {
        scenario.sync(&format!("2026-12-{day:02}T12:00:00Z"));
    }
    enter_late(&scenario);
    for _ in 0..2 {
        scenario.api.inject_faults(|_, request| {
            let asks_for_first = request.path.contains("/2026-06-01/");
            asks_for_first.then(|| Fault::status(400, "", "{}"))
        });
        let output = scenario.try_sync("2026-12-14T12:00:00Z");
        assert_eq!(output.failure().0, "system_error");
    }
    scenario.api.heal();
    scenario.sync("2026-12-14T12:00:00Z");
    scenario.assert_true("the split is noticed once it is answered");
}
