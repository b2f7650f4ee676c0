//! A plan's history that moves on: hidden rows stay in the table, with a warning where it matters.

use super::BOTH;
use crate::history::{DAYS_AND_HOURS, history};
use crate::support::days::date;
use crate::support::destination::PrimaryKey;
use crate::support::fake_api::Fault;
use crate::support::market::PlanFloor;

#[test]
fn rows_older_than_the_plan_that_keep_the_old_basis_after_a_split_are_named() {
    for stream in DAYS_AND_HOURS {
        for coverage in BOTH {
            for is_split in [true, false] {
                let context = format!("{stream} {coverage:?} {is_split}");
                let mut scenario = history(stream, date(2024, 9, 2), 815, "2024-09-02");
                scenario.api.market().plan(PlanFloor::YearsBack(2), coverage);
                scenario.sync("2026-09-02T12:00:00Z");
                scenario.sync("2026-11-18T12:00:00Z");
                if is_split {
                    scenario.api.market().split("AAPL", date(2026, 11, 19), 2.0);
                } else {
                    scenario.set("adjusted", false);
                }
                let second = scenario.sync("2026-11-20T12:00:00Z");
                // Where the API refused before, the connector keeps a day's distance from the floor.
                let warnings = second.logs("WARN").join("\n");
                let names = |day: &&str| {
                    let has_words = |line: &&str| line.contains(day) && line.contains("old prices");
                    warnings.lines().filter(has_words).count() == 1
                };
                let named: Vec<_> = ["2024-11-20", "2024-11-21"].into_iter().filter(names).collect();
                assert_eq!(named.len(), 1, "{context} {warnings}");
                // The rest is on the new basis.
                let hidden = |key: &PrimaryKey| &key.1[..10] < named[0];
                let old_rows = scenario.table.rows.keys().filter(|key| hidden(key)).count();
                assert!(old_rows > 50, "{context}: they stay");
                scenario.table.rows.retain(|key, _| !hidden(key));
                let mut truth = scenario.truth();
                truth.rows.retain(|key, _| !hidden(key));
                assert_eq!(scenario.table.differences(&truth), [""; 0], "{context}");
                let third = scenario.sync("2026-11-20T12:00:00Z");
                third.assert_no_warning(&context);
                assert_eq!(third.records().len(), 0, "{context}");
            }
        }
    }
}

#[test]
fn range_that_has_aged_out_of_the_plan_succeeds_quietly() {
    for stream in ["stock_prices", "stock_prices_by_hour", "market_prices"] {
        for coverage in BOTH {
            let context = format!("{stream} {coverage:?}");
            let mut scenario = history(stream, date(2024, 1, 1), 200, "2024-01-01");
            scenario.api.market().plan(PlanFloor::YearsBack(2), coverage);
            scenario.set("end_date", "2024-06-28").sync("2025-12-31T12:00:00Z");
            let rows = scenario.table.clone();
            let mut warned = 0;
            for day in ["06-26", "06-29", "07-01", "08-03", "11-20"] {
                let output = scenario.sync(&format!("2026-{day}T12:00:00Z"));
                warned += output.logs("WARN").len();
                let requests = scenario.requests().len();
                let most = if stream == "market_prices" { 12 } else { 5 };
                assert!(requests <= most, "{context} {day}: {requests}");
            }
            assert!(warned <= 1, "{context}: warned {warned} times");
            scenario.set("adjusted", false).sync("2026-11-20T13:00:00Z");
            assert_eq!(scenario.table, rows);
        }
    }
}

#[test]
fn plan_that_moves_on_every_day_costs_one_request_a_sync_and_no_warning() {
    for coverage in BOTH {
        let mut scenario = history("stock_prices", date(2024, 11, 1), 790, "2014-01-02");
        scenario.api.market().plan(PlanFloor::YearsBack(2), coverage);
        scenario.sync("2026-11-20T15:00:00Z");
        for day in 21..=30 {
            let context = format!("{coverage:?} {day}");
            let output = scenario.sync(&format!("2026-11-{day}T15:00:00Z"));
            assert!(output.dates().iter().all(|day| *day >= "2026-11-20"), "{context}");
            output.assert_no_warning(&context);
            assert!(output.records().len() <= 1, "{context}");
            assert_eq!(scenario.requests().len(), 1, "{context}");
        }
        // After a pause, bars that have left the plan can't be compared.
        let output = scenario.sync("2026-12-22T15:00:00Z");
        output.assert_no_warning("a pause of three weeks");
        assert_eq!(output.records().len(), 16, "{coverage:?}");
        assert!(!output.text.contains("again, because"), "{coverage:?}");
        assert_eq!(scenario.requests().len(), 1);
        assert_eq!(scenario.sync("2026-12-22T15:00:00Z").records().len(), 0);
    }
}

#[test]
fn unchanged_block_at_the_plans_limit_is_not_emitted_again_when_later_prices_change() {
    for coverage in BOTH {
        // The plan's first days have no bars, so that leaving them out changes nothing.
        let mut scenario = history("stock_prices_by_hour", date(2024, 11, 25), 730, "2024-09-02");
        let now = "2026-11-20T12:00:00Z";
        scenario.api.market().plan(PlanFloor::YearsBack(2), coverage).split("AAPL", date(2026, 11, 19), 2.0);
        scenario.sync(now);
        scenario.api.market().splits[0].first_day = date(2026, 11, 10);
        let output = scenario.sync(now);
        output.assert_logged("WARN", &["AAPL", "prices changed"]);
        scenario.assert_true("another date of the split");
        let first = output.dates().into_iter().min();
        assert!(first.is_some_and(|first| first > "2026-08-31"), "{coverage:?}: emitted again from {first:?} on");
    }
}

#[test]
fn earlier_start_before_a_block_that_the_plan_has_cut_emits_nothing_again() {
    for coverage in BOTH {
        let mut scenario = history("stock_prices_by_hour", date(2024, 11, 20), 740, "2024-11-21");
        scenario.api.market().plan(PlanFloor::YearsBack(2), coverage);
        scenario.sync("2026-11-20T12:00:00Z");
        for start_date in ["2024-11-18", "2024-11-15"] {
            let output = scenario.set("start_date", start_date).sync("2026-11-26T12:00:00Z");
            assert!(output.dates().iter().all(|day| *day >= "2026-11-20"), "{coverage:?}: {:?}", output.dates());
            assert!(!output.text.contains("no longer returns"), "{coverage:?}");
        }
    }
}

#[test]
fn plan_that_refuses_everything_over_a_weekend_loses_nothing() {
    for stream in ["market_prices", "stock_prices", "stock_prices_by_hour"] {
        let mut scenario = history(stream, date(2025, 11, 3), 130, "2025-11-03");
        scenario.sync("2026-03-07T12:00:00Z");
        let known = scenario.sync("2026-03-08T12:00:00Z").last_state();
        scenario.api.inject_faults(|_, _| Some(Fault::outside_the_plan()));
        for now in ["2026-03-08T13:00:00Z", "2026-03-09T03:00:00Z"] {
            scenario.sync(now);
            assert!(scenario.requests().len() <= 4, "{stream}: {:?}", scenario.requests().len());
        }
        scenario.api.heal();
        let output = scenario.sync("2026-03-09T03:30:00Z");
        assert_eq!((output.records().len(), output.last_state()["blocks"] == known["blocks"]), (0, true), "{stream}");
    }
}

#[test]
fn rows_that_keep_the_old_basis_are_named_where_the_plan_hides_some_and_not_where_the_ticker_is_new() {
    for (first, start_date, expected) in [((2026, 6), "2015-01-02", 0), ((2024, 11), "2024-11-20", 1)] {
        for stream in DAYS_AND_HOURS {
            let mut scenario = history(stream, date(first.0, first.1, 1), 800, start_date);
            scenario.api.market().plan(PlanFloor::YearsBack(2), BOTH[0]);
            scenario.sync("2026-11-20T12:00:00Z");
            scenario.api.market().split("AAPL", date(2026, 11, 27), 2.0);
            let output = scenario.sync("2026-11-27T12:00:00Z");
            let named = output.logs("WARN").iter().filter(|text| text.contains("keep their old prices")).count();
            assert_eq!(named, expected, "{stream} {start_date}");
        }
    }
}
