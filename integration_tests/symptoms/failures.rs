//! Syncs that failed, or misled, for no good reason.

use serde_json::Value;

use crate::history::history;
use crate::support::connector::Connector;
use crate::support::days::{date, new_york_midnight};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::{Market, weekdays};
use crate::support::scenario::Scenario;

const NOW: &str = "2026-11-20T12:00:00Z";

#[test]
fn bar_without_a_price_is_skipped_until_the_api_has_one() {
    for stream in crate::history::DAYS_AND_HOURS {
        let mut scenario = history(stream, date(2026, 11, 2), 18, "2026-11-02");
        // The close of 2026-11-18.
        scenario.api.inject_faults(|_, _| Some(Fault::replaced(r#""c":2713,"#, r#""c":null,"#)));
        let output = scenario.sync(NOW);
        output.assert_logs("WARN", &[&[stream, "AAPL", "without a price", "2026-11-18"]]);
        assert!(!output.dates().contains(&"2026-11-18"));
        scenario.api.heal();
        scenario.sync(NOW).assert_no_warning(stream);
        scenario.assert_true(stream);
    }
}

#[test]
fn gaps_of_a_ticker_are_reported_in_one_line() {
    let mut market = Market::at(NOW);
    for month in 0..40 {
        let first = date(2014 + month / 4, 1 + 3 * (month as u32 % 4), 2);
        for day in weekdays(first, 6) {
            market.days("AAPL", &[(day, 100.0)]);
        }
    }
    let mut scenario = Scenario::new(market, "AAPL", "stock_prices", "2014-01-02");
    let output = scenario.sync(NOW);
    output.assert_logs(
        "WARN",
        &[&["stock_prices, AAPL", "no bars for more than a month", "36 more"], &["stock_prices", "renamed"]],
    );
}

#[test]
fn chain_of_next_urls_that_leads_beyond_the_range_ends() {
    let scenario = history("stock_prices", date(2026, 11, 2), 18, "2026-11-02");
    let mut connector = scenario.connector;
    connector.set("end_date", "2026-11-06");
    scenario.api.inject_faults(|number, _| {
        // One newer bar a page.
        let start = new_york_midnight(date(2026, 11, 2)) + 86_400_000 * number as i64;
        let bar = format!(r#"{{"v":1,"o":1,"c":7,"h":1,"l":1,"t":{start}}}"#);
        let next = format!("https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/day/{start}/2026-11-06?cursor={number}");
        Some(Fault::body(&format!(r#"{{"adjusted":true,"status":"OK","results":[{bar}],"next_url":"{next}"}}"#)))
    });
    connector.run_at(NOW, "read");
    let requests = scenario.api.request_count();
    assert!(requests < 30, "{requests}");
}

#[test]
fn page_whose_bars_are_all_outside_the_requested_days_is_an_error() {
    let mut scenario = history("stock_prices", date(2026, 11, 2), 18, "2026-11-02");
    scenario.api.inject_faults(|_, _| {
        Some(Fault::rows_changed(|bars| {
            for bar in bars {
                bar["t"] = (bar["t"].as_i64().expect("a time") / 1_000).into();
            }
        }))
    });
    let output = scenario.try_sync(NOW);
    output.assert_failure("system_error", &["stock_prices, AAPL", "none of its bars is of the requested days"]);
    assert_eq!(output.records().len(), 0);
}

#[test]
fn end_date_before_the_existing_rows_adds_the_seven_days_before_it() {
    let mut scenario = history("stock_prices", date(2026, 9, 1), 80, "2026-11-02");
    scenario.sync(NOW);
    scenario.set("start_date", Value::Null).set("end_date", "2026-10-16");
    let output = scenario.sync(NOW);
    assert_eq!(output.dates().first(), Some(&"2026-10-12"));
    // And all days between, so that there is no gap.
    scenario.set("start_date", "2026-10-10").set("end_date", Value::Null);
    scenario.assert_true("without a gap");
}

#[test]
fn tickers_of_a_stream_that_are_all_empty_at_once_are_one_event() {
    let api = FakeApi::start(Market::at(NOW));
    let mut connector = Connector::new(&api, "AAPL,MSFT,TSLA");
    let empty = connector.run_at(NOW, "read").succeeded();
    for ticker in ["AAPL", "MSFT", "TSLA"] {
        api.market().days(ticker, &[(date(2026, 11, 19), 7.0)]);
    }
    let first = connector.run_at(NOW, "read").succeeded();
    api.market().bars.clear();
    let empty_later = connector.resume_from(&first).run_at(NOW, "read").succeeded();
    for output in [empty, empty_later] {
        output.assert_logs("ERROR", &[&["stock_prices", "any of the 3 tickers"]]);
        output.assert_no_warning("they are in that line");
    }
}
