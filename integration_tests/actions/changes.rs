//! A change in the API is emitted again together with everything else of its ticker, and nothing more.

use serde_json::json;

use super::api::{Setup, ids, json_text};

#[test]
fn an_announced_event_emits_its_ticker_again_after_a_state_that_says_so() {
    let mut setup = Setup::with_dividends();
    setup.read_quietly();
    setup.api().dividend("E6", "KO", "2027-03-12", "0.26");
    let output = setup.read_quietly();
    assert_eq!(ids(&output), ["E3", "E4", "E6"]);
    let kinds: Vec<&str> = output
        .messages
        .iter()
        .filter_map(|message| message["type"].as_str())
        .filter(|kind| ["STATE", "RECORD"].contains(kind))
        .collect();
    assert_eq!(kinds, ["STATE", "RECORD", "RECORD", "RECORD", "STATE"]);
    let before = &output.states()[0]["stream"]["stream_state"];
    assert_eq!(before["KO"], json!("backlog"));
    assert_ne!(before["AAPL"], json!("backlog"));
    output.assert_logged("INFO", &["3 events of KO emitted again"]);
    assert_eq!(ids(&setup.read_quietly()), [""; 0]);
}

#[test]
fn a_corrected_amount_or_factor_emits_its_ticker_again_and_another_notation_does_not() {
    for (amount, factor, emitted) in
        [("0.26", "0.99", &["E5"][..]), ("0.25", "0.98", &["E5"]), ("2.50e-01", "0.990", &[])]
    {
        let mut setup = Setup::with_dividends();
        let put = |setup: &Setup, amount, factor| {
            let row = json_text(&[
                ("id", "\"E5\""),
                ("ticker", "\"MSFT\""),
                ("ex_dividend_date", "\"2026-05-21\""),
                ("cash_amount", amount),
                ("historical_adjustment_factor", factor),
            ]);
            setup.api().put("E5", "MSFT", "2026-05-21", row);
        };
        put(&setup, "0.25", "0.99");
        setup.read_quietly();
        put(&setup, amount, factor);
        assert_eq!(ids(&setup.read_quietly()), emitted, "{amount}, {factor}");
    }
}

#[test]
fn cancelled_events_are_warned_about_once_and_the_rest_of_their_ticker_is_emitted_again() {
    for (removed, rest) in [(&["E4"][..], &["E3"][..]), (&["E3", "E4"], &[])] {
        let mut setup = Setup::with_dividends();
        setup.read_quietly();
        for id in removed {
            setup.api().remove(id);
        }
        let output = setup.read().succeeded();
        assert_eq!(ids(&output), rest);
        output.assert_logs("WARN", &[&["no longer returns", &format!("KO ({})", removed.len())]]);
        assert_eq!(output.last_state().get("KO").is_some(), !rest.is_empty(), "{removed:?}");
        assert_eq!(ids(&setup.read_quietly()), [""; 0]);
    }
}

#[test]
fn one_warning_names_many_tickers() {
    let mut setup = Setup::of("market_dividends", "AAPL");
    for number in 0..12 {
        let (id, ticker) = (format!("E{number}"), format!("T{number:02}"));
        setup.api().dividend(&id, &ticker, "2026-05-11", "1");
    }
    setup.read_quietly();
    (0..5).for_each(|number| setup.api().remove(&format!("E{number}")));
    let output = setup.read().succeeded();
    output.assert_logs("WARN", &[&["T00 (1), T01 (1), T02 (1) and 2 more"]]);
}

#[test]
fn splits_are_synced_alike() {
    let mut setup = Setup::of("stock_splits", "TSLA");
    let split = |from: &str| {
        json_text(&[
            ("id", "\"S1\""),
            ("ticker", "\"TSLA\""),
            ("execution_date", "\"2026-08-25\""),
            ("split_from", from),
            ("split_to", "3.5"),
        ])
    };
    setup.api().put("S1", "TSLA", "2026-08-25", split("1"));
    let output = setup.read_quietly();
    assert_eq!(
        *output.records()[0],
        json!({
            "id": "S1", "stock_ticker": "TSLA", "execution_date": "2026-08-25", "split_from": 1, "split_to": 3.5,
            "adjustment_type": null, "historical_adjustment_factor": null,
        })
    );
    assert!(setup.api().requested[0].starts_with("/stocks/v1/splits?ticker.any_of=TSLA&"));
    assert_eq!(ids(&setup.read_quietly()), [""; 0]);
    setup.api().put("S1", "TSLA", "2026-08-25", split("2"));
    assert_eq!(ids(&setup.read_quietly()), ["S1"]);
}
