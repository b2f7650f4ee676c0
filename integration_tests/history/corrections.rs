//! Bars that are corrected, late, or gone: only changes are emitted again.

use super::{DAYS_AND_HOURS, history};
use crate::support::bar_size::BarSize;
use crate::support::days::{date, moment, new_york_midnight, new_york_time};
use crate::support::market::{AAPL, Market, TradedBar};
use crate::support::scenario::Scenario;

const NOW: &str = "2023-01-10T12:00:00Z";

/// The recorded bars of AAPL from January 2023, read on the 10th.
fn aapl() -> Scenario {
    let mut market = Market::at(NOW);
    for (day, bar) in AAPL {
        market.day("AAPL", day, bar);
    }
    let mut aapl = Scenario::new(market, "AAPL", "stock_prices", "2023-01-01");
    assert_eq!(aapl.sync(NOW).records().len(), 5);
    aapl
}

#[test]
fn only_the_corrected_bar_is_emitted_again_regardless_of_the_field() {
    let changes: [fn(&mut TradedBar); 6] = [
        |bar| bar.open += 0.01,
        |bar| bar.high += 0.01,
        |bar| bar.low -= 0.01,
        |bar| bar.close += 0.01,
        |bar| bar.volume = Some(70_790_900.0),
        |bar| bar.traded = Some((131.6292, 645_366)),
    ];
    for day in ["2023-01-03", "2023-01-05"] {
        for (number, change) in changes.into_iter().enumerate() {
            let mut aapl = aapl();
            let corrected = new_york_midnight(day.parse().expect("a date"));
            aapl.correct(BarSize::DAY, "AAPL", corrected, change);
            let second = aapl.sync(NOW);
            assert_eq!(second.dates(), [day], "field {number}");
            second.assert_no_warning(day);
            second.assert_logged("INFO", &["stock_prices, AAPL: 1 bar", day, "emitted again"]);
            aapl.assert_true("after the correction");
            assert!(second.states()[0].to_string().contains("backlog"), "a STATE says so before");
            assert_eq!(aapl.sync(NOW).records().len(), 0);
        }
    }
}

#[test]
fn vanished_bar_is_warned_about_once_and_its_row_stays() {
    let mut aapl = aapl();
    let (day, bar) = AAPL[2];
    let start = new_york_midnight(day);
    aapl.api.market().remove(BarSize::DAY, "AAPL", start);
    let second = aapl.sync(NOW);
    second.assert_logs("WARN", &[&["AAPL", "no longer returns", "1 bar", "2023-01-05"]]);
    assert_eq!(second.records().len(), 0);
    let third = aapl.sync(NOW);
    third.assert_no_warning("once");
    assert_eq!(third.records().len(), 0);
    aapl.api.market().day("AAPL", day, bar);
    aapl.sync(NOW);
    aapl.assert_true("it is back");
}

#[test]
fn hours_of_an_api_with_a_delay_of_fifteen_minutes_and_five_seconds_are_emitted_when_finished() {
    let day = date(2026, 3, 10);
    let starts: Vec<i64> = (9..16).map(|hour| new_york_time(day, hour, 0)).collect();
    let mut market = Market::at("2026-03-10T15:15:02Z");
    market.bar(BarSize::HOUR, "AAPL", starts[0], TradedBar::closing_at(170.0));
    let mut scenario = Scenario::new(market, "AAPL", "stock_prices_by_hour", "2026-03-10");
    let mut emitted = 0;
    for hour in 15..=21 {
        let now = format!("2026-03-10T{hour}:15:02Z");
        for (number, start) in starts.iter().enumerate() {
            let is_finished = start + 3_600_000 + 905_000 <= moment(&now).timestamp_millis();
            let close = 170.0 + number as f64 + if is_finished { 0.5 } else { 0.0 };
            let bar = TradedBar::closing_at(close);
            scenario.api.market().bar(BarSize::HOUR, "AAPL", *start, bar);
        }
        let output = scenario.sync(&now);
        output.assert_no_warning(&now);
        emitted += output.records().len();
        assert_eq!(scenario.requests().len(), 1, "{now}");
    }
    scenario.assert_true("at the end of the session");
    assert_eq!(emitted, 7, "each hour once");
}

#[test]
fn older_blocks_of_a_missing_ticker_have_their_turn_once_a_day() {
    let mut scenario = history("stock_prices_by_hour", date(2025, 9, 1), 190, "2025-09-01");
    scenario.sync("2026-03-11T12:00:00Z");
    scenario.api.market().bars.clear();
    let mut verified = Vec::new();
    for (hour, requests) in [("12T12", 4), ("12T13", 2), ("13T12", 4)] {
        scenario.sync(&format!("2026-03-{hour}:00:00Z"));
        let paths: Vec<String> = scenario.requests().into_iter().map(|request| request.path).collect();
        assert_eq!(paths.len(), requests, "{hour}: {paths:?}");
        verified.extend(paths.get(2).cloned());
    }
    assert_ne!(verified[0], verified[1]);
}

#[test]
fn ticker_whose_bars_are_all_gone_is_warned_about_once_and_costs_two_requests_a_sync() {
    for stream in DAYS_AND_HOURS {
        let mut scenario = history(stream, date(2026, 3, 2), 10, "2026-03-02");
        scenario.sync("2026-03-11T12:00:00Z");
        let table = scenario.table.clone();
        let bars = std::mem::take(&mut scenario.api.market().bars);
        for day in 12..=16 {
            let output = scenario.sync(&format!("2026-03-{day}T12:00:00Z"));
            let words: &[&[&str]] = &[&["AAPL", "no longer returns any bars", "2026-03-10", "renamed or delisted"]];
            output.assert_logs("WARN", if day == 12 { words } else { &[] });
            assert_eq!(scenario.requests().len(), 2, "{stream} {day}: an empty response is not believed at once");
            assert!(!output.text.contains("up to date"), "{stream} {day}");
        }
        assert_eq!(scenario.table, table, "its rows stay");
        scenario.api.market().bars = bars;
        let output = scenario.sync("2026-03-16T12:00:00Z");
        let mut dates = output.dates();
        dates.dedup();
        assert_eq!(dates, ["2026-03-11"], "nothing is emitted again");
    }
}

#[test]
fn hour_that_appears_months_before_the_first_one_is_emitted_within_two_weeks() {
    let mut scenario = history("stock_prices_by_hour", date(2026, 6, 1), 120, "2026-01-05");
    scenario.sync_daily(date(2026, 11, 16), date(2026, 11, 17));
    let start = new_york_time(date(2026, 2, 10), 10, 0);
    scenario.api.market().bar(BarSize::HOUR, "AAPL", start, TradedBar::closing_at(5.0));
    scenario.sync_daily(date(2026, 11, 18), date(2026, 12, 1));
    scenario.assert_true("with the late bar");
}

#[test]
fn bar_that_is_gone_does_not_hide_the_corrections_of_an_old_block() {
    let mut scenario = history("stock_prices_by_hour", date(2023, 1, 2), 600, "2023-01-02");
    scenario.sync("2026-09-01T12:00:00Z");
    // The first bar of its block, where a plan might have begun.
    let gone = new_york_time(date(2023, 7, 3), 10, 0);
    scenario.api.market().remove(BarSize::HOUR, "AAPL", gone);
    scenario.correct(BarSize::HOUR, "AAPL", new_york_time(date(2023, 8, 9), 15, 0), |bar| bar.high += 5.0);
    let outputs = scenario.sync_daily(date(2026, 9, 2), date(2026, 9, 16));
    assert_eq!(outputs.iter().filter(|output| output.text.contains("no longer returns 1 bar")).count(), 1);
    scenario.table.rows.remove(&("AAPL".to_owned(), "2023-07-03T14:00:00Z".to_owned()));
    scenario.assert_true("corrected");
}

#[test]
fn bar_that_is_not_final_is_no_reason_to_doubt_the_ticker() {
    let mut market = Market::at("2026-11-20T15:10:00Z");
    market.bar(BarSize::HOUR, "AAPL", new_york_time(date(2026, 11, 20), 9, 0), TradedBar::closing_at(5.0));
    let mut scenario = Scenario::new(market, "AAPL", "stock_prices_by_hour", "2026-11-20");
    scenario.sync("2026-11-20T15:10:00Z").assert_no_warning("ten minutes after its end");
    assert_eq!(scenario.sync("2026-11-20T15:20:00Z").records().len(), 1);
}
