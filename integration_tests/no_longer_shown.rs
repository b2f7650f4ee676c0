//! Findings 1, 11 and 15 of 0.1.0: rows that the API no longer shows, because the plan's history moved on or the ticker
//! was renamed.

use serde_json::Value;

use crate::regressions::{DAYS_AND_HOURS, history, warns_of};
use crate::support::days::date;
use crate::support::market::{PartialCoverage, PlanFloor};

const BOTH: [PartialCoverage; 2] = [PartialCoverage::Shortened, PartialCoverage::Refused];

#[test]
fn rows_older_than_the_plan_that_keep_the_old_basis_after_a_split_are_named() {
    for stream in DAYS_AND_HOURS {
        for coverage in BOTH {
            for is_split in [true, false] {
                let context = format!("{stream} {coverage:?} {is_split}");
                let mut scenario = history(stream, date(2024, 9, 2), 815, "2024-09-02");
                scenario
                    .api
                    .market()
                    .plan(PlanFloor::YearsBack(2), coverage);
                scenario.sync("2026-09-02T12:00:00Z");
                scenario.sync("2026-11-18T12:00:00Z");
                if is_split {
                    scenario.api.market().split("AAPL", date(2026, 11, 19), 2.0);
                } else {
                    scenario.set("adjusted", false);
                }
                let second = scenario.sync("2026-11-20T12:00:00Z");
                // Where the API refused before, the connector keeps a day's distance from the floor.
                let last_old_days = ["2024-11-19", "2024-11-20"].into_iter().filter(|day| {
                    let warning = format!("rows from 2024-09-02 to {day} keep their old prices");
                    warns_of(&second, &warning) == 1
                });
                let last_old_days: Vec<_> = last_old_days.collect();
                assert_eq!(
                    last_old_days.len(),
                    1,
                    "{context} {:?}",
                    second.logs("WARN")
                );
                // The rest is on the new one.
                let hidden = |key: &(String, String)| &key.1[..10] <= last_old_days[0];
                let old_rows = scenario.table.rows.keys().filter(|key| hidden(key)).count();
                assert!(old_rows > 50, "{context}: they stay");
                scenario.table.rows.retain(|key, _| !hidden(key));
                let mut truth = scenario.truth();
                truth.rows.retain(|key, _| !hidden(key));
                assert_eq!(scenario.table.differences(&truth), [""; 0], "{context}");
                let third = scenario.sync("2026-11-20T12:00:00Z");
                let counts = (third.records().len(), third.logs("WARN").len());
                assert_eq!(counts, (0, 0), "{context}: told once");
            }
        }
    }
}

#[test]
fn window_that_has_aged_out_of_the_plan_succeeds_quietly() {
    for stream in DAYS_AND_HOURS {
        for coverage in BOTH {
            let mut scenario = history(stream, date(2024, 1, 1), 200, "2024-01-01");
            scenario
                .api
                .market()
                .plan(PlanFloor::YearsBack(2), coverage);
            scenario
                .set("end_date", "2024-06-28")
                .sync("2025-12-31T12:00:00Z");
            let rows = scenario.table.clone();
            let (mut told, mut most_requests) = (0, 5);
            for now in [
                "2026-06-26",
                "2026-06-29",
                "2026-07-01",
                "2026-08-03",
                "2026-11-20",
            ] {
                let output = scenario.sync(&format!("{now}T12:00:00Z"));
                assert_eq!(output.records().len(), 0, "{stream} {coverage:?} {now}");
                told += output.logs("WARN").len();
                let requests = scenario.requests().len();
                assert!(
                    requests <= most_requests,
                    "{stream} {coverage:?} {now}: {requests}"
                );
                // Once the new floor is found, it is known.
                most_requests = 2;
            }
            assert!(told <= 1, "{stream} {coverage:?}: told {told} times");
            assert_eq!(scenario.table, rows);
        }
    }
}

#[test]
fn renamed_ticker_is_told_once_and_costs_one_request_a_sync() {
    for stream in DAYS_AND_HOURS {
        let mut scenario = history(stream, date(2026, 3, 2), 10, "2026-03-02");
        scenario.sync("2026-03-11T12:00:00Z");
        let (rows, state) = (scenario.table.clone(), scenario.connector.state.clone());
        scenario.api.market().bars.clear();
        for day in 12..=16 {
            let output = scenario.sync(&format!("2026-03-{day}T12:00:00Z"));
            let told = warns_of(&output, "Was the ticker renamed or delisted?");
            let expected = if day == 12 { (1, 2) } else { (0, 1) };
            assert_eq!(
                (told, scenario.requests().len()),
                expected,
                "{stream} {day}"
            );
            assert_eq!(output.logs("WARN").len(), told);
        }
        assert_eq!(scenario.table, rows, "its rows stay");
        let cursor = |state: &Option<Value>| {
            let state = &state.as_ref().unwrap()[0]["stream"]["stream_state"]["AAPL"];
            (
                state["date"].clone(),
                state["timestamp"].clone(),
                state["digests"].clone(),
            )
        };
        assert_eq!(cursor(&scenario.connector.state), cursor(&state));
    }
}
