//! Values that JSON's readers don't agree on, or that do not fit the schema: refused, and quoted in short. On wiremock.

use serde_json::Value;

use super::{NOW, connector, three_pages};
use crate::support::connector::{Connector, Output};
use crate::support::days::date;
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::Market;

/// Reads a page whose first bar closes at 400, with a text in it replaced.
fn read_with(from: &str, to: &str) -> Output {
    let api = FakeApi::start(three_pages());
    let (from, to) = (from.to_owned(), to.to_owned());
    api.inject_faults(move |_, _| {
        let (from, to) = (from.clone(), to.clone());
        Some(Fault::changed(move |body| body.replacen(&from, &to, 1)))
    });
    connector(&api, "incremental").run_at(NOW, "read")
}

fn assert_refused(output: &Output, says: &str) {
    let (failure_type, message) = output.failure();
    assert_eq!(failure_type, "system_error", "{message}");
    assert!(message.contains(says), "{message}");
    assert!(message.len() < 1_000, "{} bytes", message.len());
    assert_eq!(output.records().len(), 0, "nothing of the page is emitted");
}

#[test]
fn number_beyond_a_double_is_refused_wherever_it_stands() {
    for field in ["o", "h", "l", "c", "v", "vw"] {
        for number in ["1e400", "-1e400", "1E+999"] {
            let output = read_with(&format!(r#""{field}":"#), &format!(r#""{field}":{number},"was":"#));
            assert_refused(&output, &format!("the number {number} is out of range"));
        }
    }
}

#[test]
fn number_of_hundreds_of_digits_is_quoted_in_short() {
    let number = "9".repeat(400);
    assert_refused(&read_with(r#""c":"#, &format!(r#""c":{number},"was":"#)), "99999");
}

#[test]
fn fraction_where_the_schema_says_integer_is_refused() {
    for number in ["1.5", "5000.25", "1e-3"] {
        let output = read_with(r#""n":5000"#, &format!(r#""n":{number}"#));
        assert_refused(&output, &format!("{number} is not a whole number"));
    }
}

#[test]
fn whole_number_in_another_notation_is_kept() {
    let output = read_with(r#""n":5000"#, r#""n":5e3"#).succeeded();
    assert_eq!(output.records()[0]["transactions"].as_u64(), Some(5_000));
}

#[test]
fn time_that_is_no_whole_millisecond_is_refused() {
    for time in ["1e300", "1.5", "\"now\"", "null", "true"] {
        assert_refused(&read_with(r#""t":"#, &format!(r#""t":{time},"was":"#)), "unexpected API response (HTTP 200: ");
    }
}

/// Reads one day of the market with a text in its answer replaced.
fn read_market_with(from: &str, to: &str) -> Output {
    let mut market = Market::at(NOW);
    for ticker in ["A", "B"] {
        market.days(ticker, &[(date(2026, 11, 19), 10.0)]);
    }
    let api = FakeApi::start(market);
    let (from, to) = (from.to_owned(), to.to_owned());
    api.inject_faults(move |_, _| {
        let (from, to) = (from.clone(), to.clone());
        Some(Fault::changed(move |body| body.replace(&from, &to)))
    });
    let mut connector = Connector::new(&api, "TSLA");
    connector.set("start_date", "2026-11-19").stream("market_prices", "incremental");
    connector.run_at(NOW, "read")
}

#[test]
fn market_row_without_a_usable_ticker_is_left_out() {
    let unusable = [r#""T":"\ud83d","#, r#""T":"A\u0000","#, r#""T":"","#, r#""T":null,"#, ""];
    for ticker in unusable {
        let output = read_market_with(r#""T":"A","#, ticker).succeeded();
        assert_eq!(output.records().len(), 1, "{ticker}");
    }
}

#[test]
fn market_ticker_that_is_no_text_is_refused() {
    for ticker in ["7", "[]", "{}"] {
        assert_refused(&read_market_with(r#""T":"A""#, &format!(r#""T":{ticker}"#)), "is not a text");
    }
}

#[test]
fn two_spellings_of_one_ticker_are_one_row() {
    let output = read_market_with(r#""T":"B""#, r#""T":"\u0041""#).succeeded();
    assert_eq!(output.records().len(), 1);
    output.assert_told("WARN", &["market_prices", "1 repeated"]);
}

#[test]
fn ticker_that_needs_escapes_is_emitted_as_it_is() {
    let output = read_market_with(r#""T":"B""#, r#""T":"B\"\\\u00e9\ud83d\ude00""#).succeeded();
    let tickers: Vec<&Value> = output.records().iter().map(|record| &record["stock_ticker"]).collect();
    assert_eq!(tickers, ["A", "B\"\\é😀"]);
}
