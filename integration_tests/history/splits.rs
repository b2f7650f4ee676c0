//! Splits and other changes of the price basis: all rows end up on the same one.

use std::time::Duration;

use super::{DAYS_AND_HOURS, history};
use crate::support::bar_size::BarSize;
use crate::support::clock::SimulatedClock;
use crate::support::connector::Destination;
use crate::support::days::{Date, date, moment, new_york_time};
use crate::support::fake_api::Fault;
use crate::support::market::{Market, PartialCoverage, PlanFloor};
use crate::support::scenario::Scenario;

/// NVDA around its ten-for-one split of 2024-06-10, as traded.
const NVDA: [(Date, f64); 6] = [
    (date(2024, 6, 5), 1224.4),
    (date(2024, 6, 6), 1209.98),
    (date(2024, 6, 7), 1208.88),
    (date(2024, 6, 10), 121.79),
    (date(2024, 6, 11), 120.91),
    (date(2024, 6, 12), 125.2),
];

const SATURDAY: &str = "2024-06-08T12:00:00Z";
const TUESDAY: &str = "2024-06-11T12:00:00Z";

#[test]
fn split_between_two_syncs_leaves_one_consistent_basis() {
    let mut market = Market::at(SATURDAY);
    market.days("NVDA", &NVDA);
    let mut nvda = Scenario::new(market, "NVDA", "stock_prices", "2024-06-05");
    assert_eq!(nvda.sync(SATURDAY).records().len(), 3);
    nvda.api.market().split("NVDA", date(2024, 6, 10), 10.0);
    let second = nvda.sync(TUESDAY);
    assert_eq!(nvda.requests().len(), 1, "the response that shows the split");
    second.assert_logs("WARN", &[&["NVDA", "split", "2024-06-05"]]);
    nvda.assert_true("after the split");
    assert_eq!(second.records().len(), 4);
    let third = nvda.sync(TUESDAY);
    third.assert_no_warning("an ordinary sync again");
    assert_eq!((third.records().len(), nvda.requests().len()), (0, 1));
}

/// A split on `first_day` that the API shows from 2026-12-07 on, when the last sessions are on the new basis.
fn enter_late(scenario: &Scenario, first_day: Date) {
    scenario.api.market().late_split(first_day, 2.0, moment("2026-12-07T05:00:00Z"));
}

/// Asserts that the rows from a date or timestamp on are correct.
fn assert_true_from(mut scenario: Scenario, first: &str, context: &str) {
    let mut truth = scenario.truth();
    for rows in [&mut scenario.table.rows, &mut truth.rows] {
        rows.retain(|key, _| key.1.as_str() >= first);
    }
    assert!(!truth.rows.is_empty(), "{context}");
    assert_eq!(scenario.table.differences(&truth).first(), None, "{context}");
}

/// The history of a table before a split that is entered late.
struct LateSplit {
    name: &'static str,
    start_date: &'static str,
    first_day: Date,
    /// Where the plan's history begins, two years ago.
    plan: Option<PartialCoverage>,
    page_size: usize,
    before: fn(&mut Scenario),
    /// The first row to compare: rows that the plan no longer shows can't be repaired.
    true_from: &'static str,
}

const LATE_SPLIT: LateSplit = LateSplit {
    name: "",
    start_date: "2026-06-01",
    first_day: date(2026, 11, 30),
    plan: None,
    page_size: 50_000,
    before: |_| {},
    true_from: "2026-06-01",
};

#[test]
fn split_that_is_entered_late_is_noticed_within_two_weeks() {
    let behind_the_plan = LateSplit {
        start_date: "2024-11-20",
        plan: Some(PartialCoverage::Shortened),
        before: |scenario| {
            for day in [20, 24, 28] {
                scenario.sync(&format!("2026-11-{day}T12:00:00Z"));
            }
        },
        true_from: "2024-12-24",
        ..LATE_SPLIT
    };
    for case in [
        LateSplit { name: "plain", ..LATE_SPLIT },
        LateSplit { name: "the first bar has left the plan", ..behind_the_plan },
        LateSplit {
            name: "the first bar has left the plan, which refuses it",
            plan: Some(PartialCoverage::Refused),
            ..behind_the_plan
        },
        LateSplit { name: "early last year", first_day: date(2025, 3, 3), ..behind_the_plan },
        LateSplit {
            name: "early last year, small pages",
            first_day: date(2025, 3, 3),
            page_size: 30,
            ..behind_the_plan
        },
        LateSplit {
            name: "in hours that were read before the others",
            first_day: date(2026, 4, 1),
            before: |scenario| {
                scenario.sync("2026-12-01T12:00:00Z");
                scenario.set("start_date", "2026-03-02");
            },
            true_from: "2026-03-02",
            ..LATE_SPLIT
        },
        LateSplit {
            name: "the first bar is gone",
            before: |scenario| {
                scenario.sync("2026-11-20T12:00:00Z");
                for bars in scenario.api.market().bars.values_mut() {
                    bars.retain(|start, _| *start >= new_york_time(date(2026, 6, 1), 12, 0));
                }
            },
            true_from: "2026-06-02",
            ..LATE_SPLIT
        },
    ] {
        for stream in DAYS_AND_HOURS {
            let context = format!("{}: {stream}", case.name);
            let mut scenario = history(stream, date(2024, 11, 20), 780, case.start_date);
            scenario.api.market().page_size = case.page_size;
            if let Some(coverage) = case.plan {
                scenario.api.market().plan(PlanFloor::YearsBack(2), coverage);
            }
            (case.before)(&mut scenario);
            scenario.sync_daily(date(2026, 12, 2), date(2026, 12, 5));
            enter_late(&scenario, case.first_day);
            scenario.sync("2026-12-07T12:00:00Z");
            if stream == "stock_prices" {
                scenario.sync("2026-12-08T12:00:00Z");
            } else {
                scenario.sync_daily(date(2026, 12, 8), date(2026, 12, 21));
            }
            assert_true_from(scenario, case.true_from, &context);
        }
    }
}

#[test]
fn earlier_start_after_a_split_that_no_sync_has_noticed_leaves_one_basis() {
    let mut scenario = history("stock_prices_by_hour", date(2026, 1, 5), 500, "2026-06-01");
    scenario.sync("2026-12-07T12:00:00Z");
    scenario.api.market().late_split(date(2026, 11, 30), 2.0, moment("2026-12-07T13:00:00Z"));
    // Today's verification is over, and the last two sessions are on the new basis.
    scenario.set("start_date", "2026-03-02").sync("2026-12-07T14:00:00Z");
    scenario.assert_true("one basis");
}

#[test]
fn sync_that_can_not_verify_old_blocks_fails() {
    let mut scenario = history("stock_prices_by_hour", date(2026, 6, 1), 220, "2026-06-01");
    scenario.sync_daily(date(2026, 12, 2), date(2026, 12, 5));
    enter_late(&scenario, date(2026, 11, 30));
    scenario.api.inject_faults(|_, request| {
        let is_about_old_days = !request.path.contains("/2026-12-");
        is_about_old_days.then(|| Fault::status(400, "", "{}"))
    });
    let outputs = [12, 13, 14].map(|day| scenario.try_sync(&format!("2026-12-{day}T12:00:00Z")));
    for output in outputs.iter().filter(|output| output.exit_code != Some(0)) {
        output.assert_failure("system_error", &["AAPL"]);
    }
    assert!(outputs.iter().any(|output| output.exit_code == Some(1)));
    scenario.api.heal();
    scenario.sync_daily(date(2026, 12, 14), date(2026, 12, 21));
    scenario.assert_true("the split is noticed after a successful sync");
}

#[test]
fn split_between_two_pages_of_a_run_that_is_cut_off_leaves_one_basis() {
    let mut scenario = history("stock_prices_by_hour", date(2025, 1, 6), 430, "2025-01-06");
    scenario.api.market().page_size = 90;
    scenario.api.market().late_split(date(2026, 3, 9), 2.0, moment("2026-03-11T15:00:30Z"));
    let clock = SimulatedClock::for_threads_at(moment("2026-03-11T15:00:00Z"));
    scenario.api.follow(clock.clone());
    let time = clock.clone();
    scenario.api.inject_faults(move |_, _| {
        time.advance(Duration::from_secs(10));
        None
    });
    let output = scenario.connector.run_with_clock(&clock, "read");
    // On the same day, no older block would have its turn.
    let later = "2026-03-11T16:00:00Z";
    scenario.api.heal();
    scenario.api.follow(SimulatedClock::at(moment(later)));
    scenario.api.market().page_size = 50_000;
    let is_state = |line: &usize| output.messages[*line]["type"] == "STATE";
    let states: Vec<usize> = (0..output.messages.len()).filter(is_state).collect();
    assert!(states.len() > 2, "{} STATEs", states.len());
    for line in states {
        let cut_off = output.first_lines(line + 1);
        scenario.table = Destination::default();
        scenario.table.load(&cut_off);
        scenario.connector.resume_from(&cut_off);
        scenario.sync(later);
        scenario.assert_true(&format!("cut off after line {line}"));
    }
}

#[test]
fn second_split_after_a_sync_that_failed_while_it_read_the_history_for_the_first_leaves_one_basis() {
    // Both leave the last sessions as they are, so an older block shows the first one.
    let split = |scenario: &Scenario, day| {
        scenario.api.market().late_split(date(2026, 3, day), 2.0, moment("2026-03-10T05:00:00Z"));
    };
    let mut scenario = history("stock_prices_by_hour", date(2025, 1, 6), 430, "2025-01-06");
    scenario.sync("2026-03-09T12:00:00Z");
    split(&scenario, 2);
    scenario.break_after(2);
    let failed = scenario.try_sync("2026-03-10T12:00:00Z");
    failed.assert_logged("WARN", &["AAPL", "prices changed", "split"]);
    assert_eq!(failed.exit_code, Some(1));
    scenario.api.heal();
    split(&scenario, 3);
    scenario.sync("2026-03-10T12:00:00Z");
    scenario.assert_true("one basis");
}

#[test]
fn second_split_between_two_pages_that_are_read_for_the_first_leaves_one_basis() {
    // If the block in which the first one is seen has one bar, that bar alone does not show the second one.
    // The second one may be dated before that block, so that only earlier ones show it.
    let cases = [(false, date(2026, 3, 11)), (true, date(2026, 3, 11)), (false, date(2026, 2, 20))];
    for ((has_single_bar, day), requests) in cases.into_iter().flat_map(|case| (1..5).map(move |n| (case, n))) {
        let mut scenario = history("stock_prices_by_hour", date(2025, 1, 6), 430, "2025-01-06");
        if has_single_bar {
            let gone = new_york_time(date(2026, 2, 27), 15, 0)..new_york_time(date(2026, 3, 6), 0, 0);
            scenario.api.market().bars_of(BarSize::HOUR, "AAPL").retain(|start, _| !gone.contains(start));
        }
        scenario.sync("2026-03-09T12:00:00Z");
        let eve = "2026-03-11T03:59:30Z";
        let midnight = moment("2026-03-11T04:00:00Z");
        let mut market = scenario.api.market();
        market.split("AAPL", date(2026, 3, 10), 2.0).set_now(eve);
        market.late_split(day, 5.0, midnight);
        drop(market);
        let clock = SimulatedClock::for_threads_at(moment(eve));
        scenario.api.follow(clock.clone());
        let time = clock.clone();
        scenario.api.inject_faults(move |number, _| {
            if number == requests {
                time.advance(Duration::from_secs(60));
            }
            None
        });
        let output = scenario.connector.run_with_clock(&clock, "read").succeeded();
        scenario.table.load(&output);
        output.assert_logged("WARN", &["AAPL", "prices changed", "split"]);
        scenario.set("end_date", "2026-03-09");
        scenario.table.rows.retain(|key, _| key.1.as_str() < "2026-03-10");
        scenario.assert_true(&format!("after {requests} requests; a single bar: {has_single_bar}, {day}"));
    }
}

#[test]
fn midnight_that_passes_while_a_single_page_is_pending_costs_no_request() {
    for stream in DAYS_AND_HOURS {
        let scenario = history(stream, date(2026, 1, 5), 66, "2026-03-02");
        let clock = SimulatedClock::for_threads_at(moment("2026-03-11T03:59:30Z"));
        scenario.api.follow(clock.clone());
        scenario.api.inject_faults(|number, _| (number == 0).then(|| Fault::status(429, "", "{}")));
        let output = scenario.connector.run_with_clock(&clock, "read");
        output.succeeded();
        assert_eq!(scenario.requests().len(), 2, "{stream}");
    }
}
