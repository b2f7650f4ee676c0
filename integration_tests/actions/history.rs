//! On a free plan, events disappear when they are two years old. That is no warning.

use super::api::{NOW, Setup, ids};

/// Two years before the moment of the tests, and the days around it.
const DAY_BEFORE: &str = "2024-11-26";
const FIRST_DAY: &str = "2024-11-27";

fn setup(days: &[(&str, &str)]) -> Setup {
    let mut setup = Setup::of("market_dividends", "AAPL");
    for (number, (ticker, day)) in days.iter().enumerate() {
        setup.api().dividend(&format!("E{number}"), ticker, day, &format!("0.{}", number + 1));
    }
    setup.api().first_day = DAY_BEFORE.into();
    setup.read_quietly();
    setup.api().first_day = FIRST_DAY.into();
    setup
}

#[test]
fn events_of_a_day_age_out_without_records_and_several_days_at_once_emit_the_ticker_again() {
    let mut setup = setup(&[
        ("AAPL", DAY_BEFORE),
        ("AAPL", DAY_BEFORE),
        ("AAPL", "2025-02-10"),
        ("AAPL", "2025-05-12"),
        ("AAPL", "2025-08-11"),
        ("AAPL", "2025-11-10"),
        ("KO", FIRST_DAY),
        ("KO", "2026-03-14"),
    ]);
    for (first_day, now, emitted) in [
        (FIRST_DAY, NOW, &[][..]),
        // Its next event is now the oldest.
        ("2025-02-11", "2027-02-11T12:00:00Z", &[]),
        ("2025-09-01", "2027-09-01T12:00:00Z", &["E5"]),
        ("2025-09-01", "2027-09-01T12:00:00Z", &[]),
    ] {
        setup.api().first_day = first_day.to_owned();
        setup.now = now;
        assert_eq!(ids(&setup.read_quietly()), emitted, "{first_day}");
    }
}

#[test]
fn one_event_ages_out_while_another_one_is_announced() {
    let mut setup = setup(&[("AAPL", DAY_BEFORE), ("AAPL", "2025-02-10"), ("KO", FIRST_DAY)]);
    setup.api().dividend("E9", "AAPL", "2026-12-01", "1");
    assert_eq!(ids(&setup.read_quietly()), ["E1", "E9"]);
}

#[test]
fn events_of_the_first_day_that_age_out_between_two_pages_are_not_cancelled() {
    let mut setup = setup(&[("AAPL", DAY_BEFORE), ("KO", DAY_BEFORE), ("KO", "2025-03-14")]);
    // AAPL was on the first page; KO is on the second, after midnight.
    setup.api().first_day = DAY_BEFORE.to_owned();
    setup.api().remove("E1");
    assert_eq!(ids(&setup.read_quietly()), [""; 0]);
}

#[test]
fn the_last_event_of_the_only_ticker_ages_out() {
    let mut setup = setup(&[("AAPL", DAY_BEFORE)]);
    let output = setup.read_quietly();
    assert_eq!(ids(&output), [""; 0]);
    assert_eq!(output.last_state(), serde_json::json!({}));
}

#[test]
fn a_plan_that_shrinks_to_two_years_loses_most_tickers_and_is_believed() {
    // The event that is left is young, or has no date.
    for date in [r#""ex_dividend_date":"2026-05-11","#, ""] {
        let mut setup = Setup::of("market_dividends", "AAPL");
        let row = format!(r#"{{"id":"E0",{date}"ticker":"AAPL"}}"#);
        setup.api().put("E0", "AAPL", "2026-05-11", row);
        setup.api().dividend("E8", "KO", "2010-03-11", "1");
        setup.api().dividend("E9", "MSFT", "2015-08-18", "1");
        assert_eq!(ids(&setup.read_quietly()), ["E0", "E8", "E9"]);
        setup.api().remove("E8");
        setup.api().remove("E9");
        println!("{date}");
        assert_eq!(ids(&setup.read_quietly()), [""; 0]);
        setup.api().dividend("E1", "AAPL", "2026-12-11", "1");
        assert_eq!(ids(&setup.read_quietly()), ["E0", "E1"]);
    }
}

#[test]
fn an_event_that_is_cancelled_before_it_can_age_out_is_a_warning() {
    // The plan still has an older event, or the oldest one is too young.
    for days in [["2024-12-31", "2025-02-10", FIRST_DAY], ["2025-06-02", "2025-09-01", "2025-09-01"]] {
        let mut setup = setup(&[("AAPL", days[0]), ("AAPL", days[1]), ("KO", days[2])]);
        setup.api().remove("E0");
        let output = setup.read().succeeded();
        println!("{days:?}");
        output.assert_logs("WARN", &[&["AAPL (1)"]]);
        assert_eq!(ids(&output), ["E1"]);
    }
}

#[test]
fn plan_that_becomes_one_of_five_years_does_not_stop_the_sync() {
    let mut setup = Setup::of("stock_dividends", "A,B,C,D,E,F");
    for ticker in ["A", "B", "C", "D"] {
        setup.api().dividend(ticker, ticker, "2016-06-09", "1");
    }
    setup.api().dividend("E", "E", "2022-06-06", "1");
    setup.api().dividend("F", "F", "2025-06-06", "1");
    setup.read_quietly();
    setup.api().first_day = "2021-11-27".to_owned();
    setup.api().dividend("N3", "F", "2026-12-07", "1");
    assert_eq!(ids(&setup.read_quietly()), ["F", "N3"]);
}
