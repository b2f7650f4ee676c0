//! How rows become records.

use serde_json::json;

use super::api::{Setup, ids, json_text};

const WHOLE: [(&str, &str); 12] = [
    ("id", "\"E1\""),
    ("ticker", "\"GSpB\""),
    ("ex_dividend_date", "\"2026-05-11\""),
    ("declaration_date", "\"2026-04-30\""),
    ("record_date", "\"2026-05-12\""),
    ("pay_date", "\"2026-05-15\""),
    ("cash_amount", "0.2600"),
    ("split_adjusted_cash_amount", "2.6e-1"),
    ("currency", "\"U\\u0053D\""),
    ("frequency", "4.0"),
    ("distribution_type", "\"recurring\""),
    ("historical_adjustment_factor", "0.99861234567890123456"),
];

fn setup_with(row: &str) -> Setup {
    let setup = Setup::of("market_dividends", "AAPL");
    setup.api().put("E1", "GSpB", "2026-05-11", row.to_owned());
    setup
}

#[test]
fn values_are_passed_through_and_unknown_fields_are_not() {
    let mut fields = [&WHOLE[..], &[("new_field", "{\"a\":[1]}"), ("price", "1")]].concat();
    // In any order.
    fields.reverse();
    let mut setup = setup_with(&json_text(&fields));
    let output = setup.read_quietly();
    let data = r#"{"id":"E1","stock_ticker":"GSpB","ex_dividend_date":"2026-05-11","declaration_date":"2026-04-30","record_date":"2026-05-12","pay_date":"2026-05-15","cash_amount":0.2600,"split_adjusted_cash_amount":2.6e-1,"currency":"U\u0053D","frequency":4,"distribution_type":"recurring","historical_adjustment_factor":0.99861234567890123456}"#;
    assert!(output.text.contains(&format!("\"data\":{data},")), "{}", output.text);
}

#[test]
fn fields_that_are_missing_or_null_are_null() {
    for (place, (name, _)) in WHOLE.iter().enumerate().skip(2) {
        for is_null in [false, true] {
            let mut row = WHOLE.to_vec();
            if is_null {
                row[place].1 = "null";
            } else {
                row.remove(place);
            }
            let mut setup = setup_with(&json_text(&row));
            let output = setup.read_quietly();
            assert_eq!(output.records()[0][*name], json!(null), "{name}");
            assert_eq!(output.records()[0].as_object().expect("an object").len(), 12);
            // Adding the field is a correction.
            setup.api().put("E1", "GSpB", "2026-05-11", json_text(&WHOLE));
            assert_eq!(ids(&setup.read_quietly()), ["E1"], "{name}");
        }
    }
}

#[test]
fn rows_without_an_id_or_a_ticker_are_skipped_and_counted() {
    let mut setup = Setup::with_dividends();
    for row in [
        r#"{"id":"","ticker":"AAPL"}"#,
        r#"{"ticker":"AAPL"}"#,
        r#"{"id":"E8"}"#,
        r#"{"id":"E8","ticker":null}"#,
        r#"{"id":"E8","ticker":"A\u0000"}"#,
    ] {
        setup.api().put(row, "ZZ", "2026-05-11", row.to_owned());
    }
    let output = setup.read().succeeded();
    assert_eq!(ids(&output), ["E1", "E2", "E3", "E4", "E5"]);
    output.assert_logs("WARN", &[&["skipped 5 rows", "without an id"]]);
}

#[test]
fn a_repeated_row_is_emitted_once() {
    let mut setup = Setup::with_dividends();
    let key = |id: &str| ["KO", "2026-06-15", id].map(str::to_owned).into();
    let row = setup.api().events[&key("E4")].clone();
    setup.api().events.insert(key("E4 again"), row);
    assert_eq!(ids(&setup.read_quietly()), ["E1", "E2", "E3", "E4", "E5"]);
    setup.api().remove("E4 again");
    assert_eq!(ids(&setup.read_quietly()), [""; 0]);
}

#[test]
fn tickers_that_are_not_next_to_each_other_are_an_error() {
    let mut setup = Setup::with_dividends();
    setup.api().put("E6", "ZZ", "2026-05-11", r#"{"id":"E6","ticker":"AAPL"}"#.to_owned());
    setup.read().assert_failure("system_error", &["AAPL", "next to each other"]);
}
