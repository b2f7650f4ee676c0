//! The number of requests of a sync, and the size of a state.

use crate::history::history;
use crate::support::bar_size::BarSize;
use crate::support::days::{Date, date, new_york_midnight, new_york_time};
use crate::support::fake_api::Fault;
use crate::support::market::{Market, PartialCoverage, PlanFloor, TradedBar, weekdays};
use crate::support::scenario::Scenario;

/// The longest state of one ticker, in bytes.
const MAX_STATE_BYTES: usize = 600;

/// The longest state of one ticker with five years of minutes, in bytes.
const MAX_INTRADAY_STATE_BYTES: usize = 2_000;

fn close(day: Date) -> f64 {
    200.0 + f64::from((day - date(2024, 1, 1)).num_days() as i32) / 100.0
}

/// Two years of days up to 2026-11-20, and two weeks beyond.
fn two_years_of_days(tickers: &[&str]) -> Scenario {
    let mut market = Market::at("2026-11-20T12:00:00Z");
    for ticker in tickers {
        for day in weekdays(date(2024, 11, 20), 745) {
            market.days(ticker, &[(day, close(day))]);
        }
    }
    Scenario::new(market, &tickers.join(","), "stock_prices", "2024-11-20")
}

#[test]
fn ordinary_daily_sync_costs_one_request_a_ticker() {
    let mut scenario = two_years_of_days(&["AAPL", "MSFT", "TSLA"]);
    for day in 20..=27 {
        let output = scenario.sync(&format!("2026-11-{day}T12:00:00Z"));
        assert_eq!(scenario.requests().len(), 3, "{day}");
        if day > 20 {
            let new = if matches!(day, 22 | 23) { 0 } else { 3 };
            assert_eq!(output.records().len(), new, "{day}");
        }
    }
    scenario.assert_true("a week later");
}

#[test]
fn daily_sync_after_a_split_or_a_correction_costs_one_request() {
    let mut scenario = two_years_of_days(&["AAPL"]);
    scenario.api.market().split("AAPL", date(2026, 11, 23), 4.0);
    scenario.sync("2026-11-21T12:00:00Z");
    let rows = scenario.table.rows.len();
    let split = scenario.sync("2026-11-24T12:00:00Z");
    assert_eq!((scenario.requests().len(), split.records().len()), (1, rows + 1));
    scenario.assert_true("after the split");
    let corrected = new_york_midnight(date(2025, 6, 12));
    scenario.correct(BarSize::DAY, "AAPL", corrected, |bar| bar.volume = Some(5.0));
    let correction = scenario.sync("2026-11-24T12:00:00Z");
    assert_eq!(scenario.requests().len(), 1);
    let (first, last) = (date(2025, 1, 1), date(2025, 12, 31));
    let year = weekdays(first, 365).count();
    assert_eq!(correction.records().len(), year, "its calendar year, and no more");
    let dates = correction.dates();
    assert!(*dates[0] >= *first.to_string() && *dates[dates.len() - 1] <= *last.to_string());
    scenario.assert_true("after the correction");
}

/// Sixteen hours a session, on pages that hold as many sessions as those of minutes: a sixtieth of a page of minutes.
fn like_minutes(first: Date, days: u64, start_date: &str) -> Scenario {
    let mut market = Market::at("2026-11-20T12:00:00Z");
    market.page_size = 50_000 / 60;
    for day in weekdays(first, days) {
        for hour in 4..20 {
            let bar = TradedBar::closing_at(close(day) + f64::from(hour) / 10.0);
            market.bar(BarSize::HOUR, "AAPL", new_york_time(day, hour, 0), bar);
        }
    }
    Scenario::new(market, "AAPL", "stock_prices_by_hour", start_date)
}

/// Sixteen hours a session from 2026-11-02 on, all on one page.
fn hours() -> Scenario {
    let scenario = like_minutes(date(2026, 11, 2), 30, "2026-11-02");
    scenario.api.market().page_size = 50_000;
    scenario
}

#[test]
fn ordinary_sync_of_hours_costs_at_most_two_requests() {
    let mut scenario = hours();
    scenario.sync("2026-11-13T12:00:00Z");
    for day in 14..=28 {
        scenario.sync(&format!("2026-11-{day}T12:00:00Z"));
        // The last sessions, and an older block.
        assert!(scenario.requests().len() <= 2, "{day}");
        scenario.assert_true(&format!("{day}"));
    }
}

/// After a correction: `session_that_is_corrected_overnight_is_emitted_again_on_the_next_day`.
#[test]
fn sync_of_hours_after_a_split_costs_few_requests() {
    let mut scenario = hours();
    scenario.api.market().split("AAPL", date(2026, 11, 16), 4.0);
    scenario.sync("2026-11-14T12:00:00Z");
    scenario.sync("2026-11-17T12:00:00Z");
    assert!(scenario.requests().len() <= 4);
    scenario.assert_true("after the split");
}

#[test]
fn quiet_sync_of_the_market_costs_one_request_and_ten_on_a_new_day() {
    let mut scenario = two_years_of_days(&["AAPL"]);
    scenario.connector.stream("market_prices", "incremental");
    scenario.set("start_date", "2026-11-02").sync("2026-11-20T12:00:00Z");
    assert_eq!(scenario.requests().len(), 14);
    scenario.sync("2026-11-20T12:00:00Z");
    assert_eq!(scenario.requests().len(), 1, "the last day emitted");
    scenario.sync("2026-11-21T12:00:00Z");
    assert_eq!(scenario.requests().len(), 10, "and the new one, and eight older ones");
    scenario.sync("2026-11-21T13:00:00Z");
    assert_eq!(scenario.requests().len(), 1, "once a day");
}

#[test]
fn first_sync_of_minutes_costs_few_requests() {
    for (name, first, days, start_date, most) in [
        ("two years", date(2024, 11, 20), 740, "2024-11-20", 15),
        ("half a year, delisted", date(2011, 1, 3), 180, "2011-01-03", 20),
        ("half a year, listed late", date(2026, 5, 20), 190, "2011-01-03", 20),
        ("five years", date(2021, 11, 22), 1_830, "2021-11-22", 34),
    ] {
        let mut scenario = like_minutes(first, days, start_date);
        let output = scenario.sync("2026-11-20T12:00:00Z");
        let requests = scenario.requests().len();
        assert!(requests <= most, "{name}: {requests}");
        scenario.assert_true(name);
        let state = output.last_state()["AAPL"].to_string();
        assert!(state.len() <= MAX_INTRADAY_STATE_BYTES, "{name}: {state}");
        if name == "two years" {
            scenario.sync("2026-11-21T12:00:00Z");
            assert!(scenario.requests().len() <= 2, "first of the day");
            scenario.sync("2026-11-21T13:00:00Z");
            assert_eq!(scenario.requests().len(), 1, "later on the day");
        }
    }
}

#[test]
fn state_of_two_years_is_at_most_600_bytes() {
    let mut days = two_years_of_days(&["AAPL"]);
    days.api.market().plan(PlanFloor::YearsBack(2), PartialCoverage::Refused);
    days.set("start_date", "2014-01-02");
    let mut hours = hours();
    for scenario in [&mut days, &mut hours] {
        scenario.sync("2026-11-20T12:00:00Z");
        scenario.api.market().split("AAPL", date(2026, 11, 24), 2.0);
        let output = scenario.sync("2026-11-28T12:00:00Z");
        for state in output.states() {
            let entry = state["stream"]["stream_state"]["AAPL"].to_string();
            assert!(entry.len() <= MAX_STATE_BYTES, "{} bytes: {entry}", entry.len());
        }
    }
}

#[test]
fn next_url_behind_the_last_bar_costs_few_requests() {
    for (stream, unit, most) in [("stock_prices", "day", 3), ("stock_prices_by_hour", "hour", 6)] {
        let mut scenario = history(stream, date(2026, 3, 2), 263, "2026-03-02");
        scenario.api.inject_faults(move |_, request| {
            if request.query.contains("cursor") {
                return Some(Fault::no_bars());
            }
            let url = format!("https://x/v2/aggs/ticker/AAPL/range/1/{unit}/1994978000000/1995978000000?cursor=x");
            Some(Fault::changed(move |body| format!(r#"{},"next_url":"{url}"}}"#, &body[..body.len() - 1])))
        });
        for now in ["2026-11-18T12:00:00Z", "2026-11-19T12:00:00Z", "2026-11-19T12:10:00Z"] {
            scenario.sync(now);
            assert!(scenario.requests().len() <= most, "{stream} {now}: {}", scenario.requests().len());
        }
    }
}
