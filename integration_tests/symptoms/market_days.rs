//! Days of a whole market that are empty, short, or have unusable rows.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde_json::{Value, json};

use crate::support::bar_size::BarSize;
use crate::support::days::{date, new_york_midnight};
use crate::support::fake_api::Fault;
use crate::support::market::{Market, weekdays};
use crate::support::scenario::Scenario;

const NOW: &str = "2026-03-11T12:00:00Z";
const NEXT_DAY: &str = "2026-03-12T12:00:00Z";

/// The faulty day.
const DAY: &str = "2026-03-05";

/// Thirty stocks and SPY from 2026-03-02 on.
fn market() -> Scenario {
    let mut market = Market::at(NOW);
    let mut tickers: Vec<String> = (0..30).map(|number| format!("T{number}")).collect();
    tickers.push("SPY".to_owned());
    for ticker in &tickers {
        for day in weekdays(date(2026, 3, 2), 30) {
            market.days(ticker, &[(day, 100.0)]);
        }
    }
    Scenario::new(market, "AAPL", "market_prices", "2026-03-02")
}

/// The next `times` responses for the day are cut to `rows` rows.
fn shorten(scenario: &Scenario, rows: usize, times: usize) {
    let came = AtomicUsize::new(0);
    scenario.api.inject_faults(move |_, request| {
        let is_due = request.path.contains("/grouped/") && request.path.ends_with(DAY);
        let is_due = is_due && came.fetch_add(1, Relaxed) < times;
        is_due.then(|| Fault::rows_changed(move |found| found.truncate(rows)))
    });
}

#[test]
fn trading_day_that_is_empty_or_short_once_is_requested_again() {
    for rows in [0, 2] {
        let mut scenario = market();
        shorten(&scenario, rows, 1);
        let output = scenario.sync(NOW);
        output.assert_no_warning(&format!("{rows} rows, once"));
        scenario.assert_true(&format!("{rows} rows, once"));
    }
}

#[test]
fn trading_day_that_stays_empty_or_short_is_warned_about_and_kept_in_the_backlog() {
    for (rows, words) in [(0, "although the market was open"), (2, "only 2 rows")] {
        let mut scenario = market();
        shorten(&scenario, rows, usize::MAX);
        let output = scenario.sync(NOW);
        output.assert_logs("WARN", &[&["market_prices", DAY, words]]);
        let state = output.last_state();
        assert_eq!(state["backlog"], json!([DAY]));
        assert_eq!(state["date"], "2026-03-10", "the other days are read");
        scenario.sync(NEXT_DAY).assert_logged("WARN", &[DAY]);
        scenario.api.heal();
        let output = scenario.sync(NEXT_DAY);
        output.assert_no_warning("it is complete");
        assert_eq!(output.last_state()["backlog"], Value::Null);
        scenario.assert_true(&format!("{rows} rows for a while"));
    }
}

#[test]
fn trading_day_that_has_not_changed_for_five_days_is_accepted() {
    for rows in [0, 2] {
        let mut scenario = market();
        shorten(&scenario, rows, usize::MAX);
        let outputs = scenario.sync_daily(date(2026, 3, 11), date(2026, 3, 17));
        let warnings: Vec<usize> = outputs.iter().map(|output| output.logs("WARN").len()).collect();
        assert_eq!(warnings, [1, 1, 1, 1, 1, 1, 0], "{rows} rows");
        outputs[5].assert_logged("WARN", &[DAY, "accepted"]);
        assert_eq!(outputs[6].last_state()["backlog"], Value::Null);
    }
}

#[test]
fn known_day_that_is_returned_with_fewer_rows_keeps_its_rows() {
    let mut scenario = market();
    scenario.sync(NOW);
    shorten(&scenario, 7, usize::MAX);
    let output = scenario.sync(NEXT_DAY);
    output.assert_logs("WARN", &[&["market_prices", DAY, "7 rows", "31"]]);
    scenario.assert_true("the rows are kept");
    assert_eq!(output.records().len(), 31, "the new day's");
}

#[test]
fn outage_in_which_all_days_are_empty_does_not_multiply_requests() {
    let mut scenario = market();
    scenario.api.inject_faults(|_, request| request.path.contains("/grouped/").then(Fault::no_bars));
    scenario.sync(NOW);
    assert_eq!(scenario.requests().len(), 7 + 1 + 3, "days, SPY, and a few retries");
    scenario.api.heal();
    scenario.sync(NOW);
    scenario.assert_true("after the outage");
}

#[test]
fn unusable_rows_of_a_market_are_skipped_and_counted_and_the_others_are_kept() {
    for (name, from, to) in [
        (
            "no price",
            r#""T":"T1","v":1000000,"vw":100,"n":5000,"o":99.5,"c":100"#,
            r#""T":"T1","v":1000000,"vw":100,"n":5000,"o":99.5,"c":null"#,
        ),
        ("no name", r#""T":"T1","#, ""),
        ("a name with a control character", r#""T":"T1","#, r#""T":"T\u0000","#),
        ("a name that was not decoded", r#""T":"T1","#, "\"T\":\"T\u{fffd}\","),
    ] {
        let mut scenario = market();
        scenario.set("start_date", "2026-03-10");
        scenario.api.inject_faults(move |_, _| Some(Fault::replaced(from, to)));
        let output = scenario.sync(NOW);
        assert_eq!(output.records().len(), 30, "{name}");
        println!("{name}");
        output.assert_logs("WARN", &[&["market_prices", "skipped 1 row", "2026-03-10"]]);
        scenario.api.heal();
        scenario.sync(NOW);
        scenario.assert_true(name);
    }
}

#[test]
fn rows_that_come_in_another_order_are_not_emitted_again() {
    let mut scenario = market();
    scenario.correct(BarSize::DAY, "T9", new_york_midnight(date(2026, 3, 10)), |bar| bar.close += 0.25);
    scenario.sync(NOW);
    scenario.api.inject_faults(|_, _| Some(Fault::rows_changed(|rows| rows.reverse())));
    assert_eq!(scenario.sync(NOW).records().len(), 0);
}

#[test]
fn row_that_is_gone_does_not_hide_the_corrections_of_its_day() {
    let mut scenario = market();
    scenario.sync(NOW);
    let start = new_york_midnight(date(2026, 3, 10));
    scenario.api.market().remove(BarSize::DAY, "T3", start);
    scenario.correct(BarSize::DAY, "T4", start, |bar| bar.close += 0.25);
    scenario.sync(NOW).assert_logs("WARN", &[&["30 rows", "31"]]);
    scenario.table.rows.remove(&("T3".to_owned(), "2026-03-10".to_owned()));
    scenario.assert_true("corrected");
    scenario.sync(NOW).assert_no_warning("known");
}

#[test]
fn day_that_is_empty_at_first_and_short_then_is_kept_in_the_backlog() {
    let mut scenario = market();
    scenario.sync("2026-03-05T12:00:00Z");
    // After midnight, even SPY has no bar of the day.
    scenario.api.inject_faults(|_, request| {
        let is_spy = request.path.contains("/SPY/");
        request.path.ends_with(DAY).then(|| Fault::rows_changed(move |rows| rows.truncate(if is_spy { 3 } else { 0 })))
    });
    assert_eq!(scenario.sync("2026-03-06T05:10:00Z").last_state()["backlog"], Value::Null);
    shorten(&scenario, 2, usize::MAX);
    let output = scenario.sync("2026-03-06T06:10:00Z");
    output.assert_logs("WARN", &[&[DAY, "only 2 rows"]]);
    assert_eq!(output.last_state()["backlog"], json!([DAY]));
}

#[test]
fn clock_that_was_ahead_leaves_no_day_in_the_backlog_and_no_unfinished_one_in_the_table() {
    let mut scenario = market();
    shorten(&scenario, 2, usize::MAX);
    // To the connector, the 11th is over.
    scenario.api.market().set_now("2026-03-11T17:00:00Z");
    let ahead = scenario.connector.run_at("2026-03-12T17:00:00Z", "read").succeeded();
    scenario.connector.resume_from(&ahead);
    let output = scenario.sync("2026-03-11T17:10:00Z");
    assert_eq!(output.last_state()["backlog"], Value::Null);
    scenario.correct(BarSize::DAY, "T3", new_york_midnight(date(2026, 3, 11)), |bar| bar.close += 0.25);
    assert_eq!(scenario.sync("2026-03-11T17:20:00Z").records().len(), 0);
}

#[test]
fn weekdays_before_the_first_data_are_requested_once() {
    let mut scenario = market();
    scenario.set("start_date", "2026-01-02").sync(NOW).assert_no_warning("the market's data begins later");
    scenario.sync(NOW);
    assert_eq!(scenario.requests().len(), 1);
}
