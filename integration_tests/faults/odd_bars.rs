//! Bars with values that don't fit, and bars that don't belong: refused or dropped, and never a wrong row. On wiremock.

use serde_json::Value;

use super::{NOW, connector, three_pages};
use crate::support::bar_size::BarSize;
use crate::support::connector::{Connector, Output};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::{Market, TradedBar, two_days};
use crate::support::scenario::Scenario;

#[test]
fn page_with_a_value_that_does_not_fit_is_refused_and_quoted_in_short() {
    let long = "9".repeat(400);
    let mut rows = vec![
        ("c", long.as_str(), "the number 99999"),
        ("n", "1.5", "1.5 is not a whole number"),
        ("t", "1.5", "1.5 is not a whole number of milliseconds"),
    ];
    rows.extend(["o", "h", "l", "c", "v", "vw"].map(|field| (field, "-1e400", "the number -1e400 is out of range")));
    for (field, value, says) in rows {
        println!("{field}: {value}");
        let api = FakeApi::start(three_pages());
        let (from, to) = (format!(r#""{field}":"#), format!(r#""{field}":{value},"was":"#));
        api.inject_faults(move |_, _| Some(Fault::first_replaced(&from, &to)));
        let output = connector(&api, "incremental").run_at(NOW, "read");
        output.assert_failure("system_error", &[says]);
        assert!(output.failure().1.len() < 1_000, "{}", output.failure().1);
        assert_eq!(output.records().len(), 0, "nothing of the page is emitted");
    }
}

/// Reads one day of a market of A and B; `ticker` replaces the latter's name in the response.
fn read_market_with(ticker: &'static str) -> Output {
    let api = FakeApi::start(two_days(&["A", "B"]));
    api.inject_faults(move |_, _| Some(Fault::replaced(r#""B""#, ticker)));
    let mut connector = Connector::new(&api, "TSLA");
    connector.set("start_date", "2026-11-19").stream("market_prices", "incremental");
    connector.run_at(NOW, "read").succeeded()
}

#[test]
fn ticker_with_escapes_is_decoded() {
    let output = read_market_with(r#""\u0041""#);
    assert_eq!(output.records().len(), 1, "two spellings of one ticker are one row");
    output.assert_logged("WARN", &["market_prices", "1 repeated"]);
    let output = read_market_with(r#""B\"\\\u00e9\ud83d\ude00""#);
    let tickers: Vec<&Value> = output.records().iter().map(|record| &record["stock_ticker"]).collect();
    assert_eq!(tickers, ["A", "B\"\\é😀"]);
}

#[test]
fn bars_that_do_not_belong_are_dropped_and_counted_and_the_rest_is_put_in_order() {
    let api = FakeApi::start(three_pages());
    let bar = |start: i64| format!(r#"{{"v":1,"o":1,"c":{start},"h":1,"l":1,"t":{start}}}"#);
    // The 18th, the 16th, the 17th twice, the 11th.
    let starts = [1_794_978_000_000, 1_794_805_200_000, 1_794_891_600_000, 1_794_891_600_000, 1_794_373_200_000];
    let body = format!(r#"{{"adjusted":true,"status":"DELAYED","results":[{}]}}"#, starts.map(bar).join(","));
    api.inject_faults(move |_, _| Some(Fault::body(&body)));
    let output = connector(&api, "incremental").run_at(NOW, "read").succeeded();
    assert_eq!(output.dates(), ["2026-11-16", "2026-11-17", "2026-11-18"]);
    output.assert_logs("WARN", &[&["stock_prices, TSLA", "1 bar", "outside", "1 repeated"]]);
}

#[test]
fn bar_that_is_far_too_late_does_not_look_like_a_pagination_loop() {
    let mut market = three_pages();
    market.page_size = 1;
    let api = FakeApi::start(market);
    api.inject_faults(|number, _| {
        (number == 0).then(|| {
            Fault::rows_changed(|rows| {
                let mut late = rows[0].clone();
                late["t"] = 1_900_000_000_000_i64.into();
                rows.push(late);
            })
        })
    });
    let output = connector(&api, "incremental").run_at(NOW, "read").succeeded();
    assert_eq!(output.records().len(), 6);
    output.assert_logs("WARN", &[&["stock_prices, TSLA", "1 bar", "outside"]]);
}

/// Starts that were recorded around the changes to and from summer time, holidays and the split of AAPL.
#[test]
fn recorded_day_bars_get_the_trading_day_in_new_york() {
    let recorded = [
        (1_112_331_600_000_i64, "2005-04-01"),
        (1_112_587_200_000, "2005-04-04"),
        (1_598_587_200_000, "2020-08-28"),
        (1_598_846_400_000, "2020-08-31"),
        (1_599_537_600_000, "2020-09-08"),
        (1_672_722_000_000, "2023-01-03"),
        (1_709_874_000_000, "2024-03-08"),
        (1_710_129_600_000, "2024-03-11"),
        (1_735_794_000_000, "2025-01-02"),
        (1_783_915_200_000, "2026-07-13"),
    ];
    let mut market = Market::at(NOW);
    for (start, _) in recorded {
        market.bar(BarSize::DAY, "AAPL", start, TradedBar::closing_at(7.0));
    }
    let output = Scenario::new(market, "AAPL", "stock_prices", "2005-01-03").sync(NOW);
    assert_eq!(output.dates(), recorded.map(|(_, day)| day));
}
