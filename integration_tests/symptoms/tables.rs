//! Tables that were wrong or stayed empty, without any message.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde_json::json;

use crate::history::{DAYS_AND_HOURS, history};
use crate::support::answers::answer;
use crate::support::bar_size::BarSize;
use crate::support::days::{Date, date, moment, new_york_midnight, new_york_time};
use crate::support::fake_api::{Fault, Request};
use crate::support::market::{Market, TradedBar, weekdays};
use crate::support::scenario::Scenario;

const NOW: &str = "2026-11-20T12:00:00Z";
const HOURS: &str = "stock_prices_by_hour";

/// Fourteen months of two hours a session, on pages with room for two months: eight blocks.
fn months_of_hours() -> Scenario {
    let scenario = history(HOURS, date(2025, 9, 22), 440, "2025-09-22");
    scenario.api.market().page_size = 90;
    scenario
}

/// Shows weeks or months, of which the one in which the plan's history begins has its later days only.
fn show_from(scenario: &Scenario, size: BarSize, limit: Date) {
    let days = date(2024, 11, 17).iter_days().take_while(|day| *day < date(2027, 1, 10));
    let starts: BTreeSet<Date> = days.map(|day| size.first_day(day)).collect();
    let mut market = scenario.api.market();
    market.bars.clear();
    for (number, start) in starts.iter().enumerate() {
        let days = weekdays(*start, (size.last_day(*start) - *start).num_days() as u64 + 1);
        let days = days.filter(|day| *day >= limit).count();
        if days > 0 {
            let mut bar = TradedBar::closing_at(200.0 + number as f64);
            bar.volume = Some(1_000.0 * days as f64);
            market.bar(size, "AAPL", new_york_midnight(*start), bar);
        }
    }
}

const WEEKS_AND_MONTHS: [(BarSize, &str); 2] =
    [(BarSize::WEEK, "stock_prices_by_week"), (BarSize::MONTH, "stock_prices_by_month")];

#[test]
fn weeks_and_months_at_the_plans_limit_are_not_replaced_by_fragments() {
    for (size, stream) in WEEKS_AND_MONTHS {
        let mut scenario = Scenario::new(Market::at(NOW), "AAPL", stream, "2014-01-02");
        show_from(&scenario, size, date(2024, 11, 20));
        scenario.sync(NOW);
        let known = scenario.table.clone();
        for days in 1..=45 {
            let now = date(2026, 11, 20) + chrono::Days::new(days);
            show_from(&scenario, size, date(2024, 11, 20) + chrono::Days::new(days));
            let output = scenario.sync(&format!("{now}T12:00:00Z"));
            output.assert_no_warning(&format!("{stream} {now}"));
            for (key, row) in &known.rows {
                assert_eq!(scenario.table.rows.get(key), Some(row), "{stream} {now}");
            }
            assert!(output.records().len() <= 1, "{stream} {now}");
        }
    }
}

#[test]
fn week_or_month_at_the_plans_limit_is_not_replaced_after_a_split_whose_sync_was_cut_off() {
    for (size, stream) in WEEKS_AND_MONTHS {
        for lines in 2..10 {
            let mut scenario = Scenario::new(Market::at(NOW), "AAPL", stream, "2014-01-02");
            show_from(&scenario, size, date(2024, 11, 20));
            scenario.sync(NOW);
            let (key, row) = scenario.table.rows.first_key_value().expect("a row");
            let (key, row) = (key.clone(), row.clone());
            show_from(&scenario, size, date(2024, 11, 21));
            scenario.api.market().split("AAPL", date(2026, 11, 1), 2.0);
            scenario.sync_until_line("2026-11-21T12:00:00Z", lines);
            scenario.sync("2026-11-21T12:00:00Z");
            assert_eq!(scenario.table.rows.get(&key), Some(&row), "{stream}, cut off after {lines} lines");
        }
    }
}

#[test]
fn split_that_takes_effect_during_a_backfill_in_the_evening_or_at_night_is_repaired_the_next_day() {
    // Splits are applied between 20:00 and 04:00.
    for known_from in ["2026-11-20T02:00:00Z", "2026-11-20T07:00:00Z"] {
        for requests_before in [1, 2, 5, 9] {
            let mut scenario = months_of_hours();
            let known_from = moment(known_from);
            scenario.api.market().late_split(date(2026, 11, 20), 10.0, known_from);
            let before_split = Market { splits: Vec::new(), ..scenario.api.market().clone() };
            scenario.api.inject_faults(move |number, request| {
                (number < requests_before).then(|| answered_by(&before_split, request))
            });
            let now = (known_from + chrono::TimeDelta::minutes(1)).format("%FT%TZ");
            scenario.sync(&now.to_string());
            scenario.api.heal();
            scenario.sync_daily(date(2026, 11, 20), date(2026, 11, 21));
            scenario.assert_true(&format!("{known_from}, {requests_before} requests before"));
        }
    }
}

fn answered_by(market: &Market, request: &Request) -> Fault {
    let body = answer(market, &request.path, &request.query).1;
    Fault::body(&body)
}

#[test]
fn inconsistent_caches_on_the_night_of_a_split_heal_within_as_many_days_as_there_are_blocks() {
    for seed in 0..4 {
        let mut scenario = months_of_hours();
        scenario.api.market().split("AAPL", date(2026, 11, 20), 4.0);
        let cached = Market { splits: Vec::new(), ..scenario.api.market().clone() };
        scenario.api.inject_faults(move |_, request| {
            let bytes = request.path.bytes().chain(request.query.bytes());
            let hash = bytes.fold(seed, |hash: u32, byte| hash.wrapping_mul(31) + u32::from(byte));
            (hash / 7 % 2 == 0).then(|| answered_by(&cached, request))
        });
        scenario.sync("2026-11-20T06:00:00Z");
        scenario.api.heal();
        scenario.sync_daily(date(2026, 11, 21), date(2026, 11, 28));
        scenario.assert_true(&format!("seed {seed}"));
    }
}

#[test]
fn empty_page_that_another_one_promised_is_requested_again() {
    for number in [0, 1, 2, 7] {
        let mut scenario = months_of_hours();
        scenario.api.market().page_size = 30;
        let came = AtomicUsize::new(0);
        scenario.api.inject_faults(move |_, request| {
            let is_due = request.query.contains("cursor=") && came.fetch_add(1, Relaxed) == number;
            is_due.then(Fault::no_bars)
        });
        scenario.sync(NOW);
        scenario.assert_true(&format!("next page number {number}"));
    }
}

#[test]
fn plan_that_refuses_all_days_after_the_last_row_is_a_failure() {
    for stream in ["stock_prices", HOURS, "market_prices"] {
        let source = if stream == "market_prices" { "stock_prices" } else { stream };
        let mut scenario = history(source, date(2026, 10, 1), 70, "2026-10-01");
        scenario.connector.stream(stream, "incremental");
        scenario.sync("2026-11-10T12:00:00Z");
        let rows = scenario.table.clone();
        scenario.api.inject_faults(|_, request| {
            let to = request.path.rsplit('/').next().unwrap_or("");
            (to >= "2026-11-10").then(Fault::outside_the_plan)
        });
        let output = scenario.try_sync(NOW);
        output.assert_failure("config_error", &[stream, "plan"]);
        assert_eq!(scenario.table, rows);
        scenario.api.heal();
        scenario.sync(NOW);
        scenario.assert_true(stream);
    }
}

#[test]
fn split_is_noticed_although_a_clock_that_was_ahead_left_a_cursor_in_the_future() {
    for stream in DAYS_AND_HOURS {
        let mut scenario = history(stream, date(2026, 8, 3), 130, "2026-08-03");
        let first = scenario.sync(NOW);
        let mut state = first.last_state();
        let cursor = if stream == HOURS { "timestamp" } else { "date" };
        let future = if stream == HOURS { "2027-03-01T15:00:00Z" } else { "2027-03-01" };
        state["AAPL"][cursor] = json!(future);
        scenario.connector.state = Some(json!({stream: state}));
        scenario.api.market().split("AAPL", date(2026, 11, 23), 2.0);
        let output = scenario.sync("2026-11-24T12:00:00Z");
        output.assert_logged("WARN", &["AAPL", "future", &future[..10]]);
        output.assert_logged("WARN", &["AAPL", "split"]);
        let mut truth = scenario.truth();
        truth.rows.retain(|key, _| scenario.table.rows.contains_key(key));
        assert!(truth.rows.len() > 70);
        assert_eq!(scenario.table.differences(&truth), [""; 0], "{stream}");
    }
}

#[test]
fn late_bars_and_corrections_in_old_hours_are_noticed_within_as_many_days_as_there_are_blocks() {
    type Change = fn(&mut Market, i64);
    let old = |month: u32, day: u32, hour: u32| new_york_time(date(2026, month, day), hour, 0);
    let correct: Change = |market, start| {
        let bar = market.bars_of(BarSize::HOUR, "AAPL").get_mut(&start);
        bar.expect("a bar").volume = Some(7.0);
    };
    let appear: Change = |market, start| {
        let bar = TradedBar::closing_at(210.0);
        market.bar(BarSize::HOUR, "AAPL", start + 3_600_000, bar);
    };
    for (name, change) in [("a correction", correct), ("a late bar", appear)] {
        for start in [old(1, 5, 10), old(3, 2, 15), old(9, 30, 15)] {
            let mut scenario = months_of_hours();
            scenario.sync(NOW);
            change(&mut scenario.api.market(), start);
            for output in scenario.sync_daily(date(2026, 11, 21), date(2026, 11, 28)) {
                output.assert_no_warning(name);
                assert!(output.records().len() <= 100, "its block, and new bars");
            }
            scenario.assert_true(&format!("{name} at {start}"));
        }
    }
}

#[test]
fn bar_that_is_repeated_with_other_values_on_the_next_page_is_requested_again() {
    let mut scenario = history("stock_prices", date(2026, 3, 2), 250, "2026-03-02");
    scenario.api.market().page_size = 50;
    let came = AtomicUsize::new(0);
    scenario.api.inject_faults(move |_, request| {
        let is_due = request.query.contains("cursor=") && came.fetch_add(1, Relaxed) == 0;
        is_due.then(|| {
            Fault::rows_changed(|bars| {
                let mut fragment = bars[0].clone();
                fragment["t"] = new_york_midnight(date(2026, 5, 8)).into();
                bars.insert(0, fragment);
            })
        })
    });
    let output = scenario.sync(NOW);
    output.assert_logged("WARN", &["AAPL", "different values", "2026-05-08"]);
    scenario.assert_true("the whole bar is kept");
}

#[test]
fn renamed_ticker_and_reused_symbol_are_named() {
    for stream in DAYS_AND_HOURS {
        let mut scenario = history(stream, date(2026, 8, 3), 100, "2026-08-03");
        scenario.sync("2026-11-10T12:00:00Z").assert_no_warning(stream);
        // The ticker has no bars from the 11th on.
        scenario.sync("2026-11-24T12:00:00Z").assert_no_warning("nine weekdays");
        let output = scenario.sync("2026-11-25T12:00:00Z");
        output.assert_logs("WARN", &[&[stream, "AAPL (2026-11-10)", "renamed"]]);
        // Months later, another company has its symbol.
        for day in weekdays(date(2027, 3, 1), 10) {
            let bar = TradedBar::closing_at(9.0);
            let mut market = scenario.api.market();
            match stream {
                HOURS => market.bar(BarSize::HOUR, "AAPL", new_york_time(day, 10, 0), bar),
                _ => market.day("AAPL", day, bar),
            };
        }
        let output = scenario.sync("2027-03-11T12:00:00Z");
        output.assert_logs("WARN", &[&[stream, "AAPL", "2026-11-10 to 2027-03-01"]]);
        scenario.sync("2027-03-11T13:00:00Z").assert_no_warning("once");
    }
}
