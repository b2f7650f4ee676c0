//! The requests, and the handling of faulty responses.

use serde_json::json;

use super::api::{Setup, ids};
use crate::support::connector::configured;

#[test]
fn a_hundred_tickers_take_one_request_and_only_stocks_are_requested() {
    for (tickers, requests) in [(100, 1), (101, 2), (250, 3)] {
        let stocks = (0..tickers).map(|number| format!("T{number:03}"));
        let list: Vec<String> = stocks.chain(["X:BTCUSD".to_owned(), "I:SPX".to_owned()]).collect();
        let mut setup = Setup::of("stock_dividends", &list.join(","));
        for number in 0..tickers {
            let (id, ticker) = (format!("E{number}"), format!("T{number:03}"));
            setup.api().dividend(&id, &ticker, "2026-05-11", "1");
        }
        let output = setup.read_quietly();
        assert_eq!(output.records().len(), tickers);
        let requested = setup.api().requested.clone();
        assert_eq!(requested.len(), requests, "{requested:?}");
        assert!(!requested.join(" ").contains("BTC") && !requested.join(" ").contains("SPX"));
    }
}

#[test]
fn a_ticker_that_spans_two_pages_is_one_and_is_emitted_once() {
    let mut setup = Setup::with_dividends();
    for (rows_per_page, emitted) in [(1, &["E1", "E2", "E3", "E4", "E5"][..]), (2, &[]), (3, &[]), (4, &[]), (5, &[])] {
        setup.api().rows_per_page = rows_per_page;
        assert_eq!(ids(&setup.read_quietly()), emitted, "{rows_per_page} rows per page");
        assert_eq!(setup.api().requested.len(), 5_usize.div_ceil(rows_per_page));
    }
}

#[test]
fn the_dates_of_the_configuration_do_not_matter() {
    let mut setup = Setup::with_dividends();
    setup.connector.set("start_date", "2026-11-01").set("end_date", "2026-11-02");
    assert_eq!(setup.read_quietly().records().len(), 5);
    let requested = setup.api().requested.join(" ");
    assert!(!requested.contains("2026"), "{requested}");
}

#[test]
fn without_stocks_there_is_nothing_to_sync() {
    for stream in ["stock_splits", "stock_dividends"] {
        let mut setup = Setup::of(stream, "X:BTCUSD, C:EURUSD, I:SPX, O:SPY251219C00650000");
        let output = setup.read_quietly();
        assert_eq!(output.statuses(), ["STARTED", "COMPLETE"]);
        output.assert_logged("INFO", &["only stocks have splits and dividends"]);
        assert_eq!(setup.api().requested, [""; 0]);
    }
}

#[test]
fn a_plan_that_refuses_fails_this_stream_and_no_other() {
    let mut setup = Setup::with_dividends();
    setup.connector.catalog = json!({"streams": [
        configured("market_dividends", "incremental"),
        configured("stock_dividends", "full_refresh"),
    ]});
    let refused = r#"{"status":"NOT_AUTHORIZED","request_id":"r","message":"You are not entitled to this data."}"#;
    setup.api().instead = [Some((403, refused.to_owned()))].into();
    let output = setup.read();
    output.assert_failure("config_error", &["market_dividends", "your plan does not include"]);
    assert_eq!(output.statuses(), ["STARTED", "INCOMPLETE", "STARTED", "RUNNING", "COMPLETE"]);
    assert_eq!(ids(&output), ["E1", "E2"]);
}

#[test]
fn an_outage_between_two_pages_loses_nothing_and_emits_nothing_again() {
    let mut setup = Setup::with_dividends();
    setup.read_quietly();
    setup.api().dividend("E0", "AAPL", "2026-08-10", "1");
    setup.api().dividend("E6", "AA", "2026-08-10", "1");
    setup.api().rows_per_page = 4;
    setup.api().instead = [vec![None], vec![Some((500, String::new())); 20]].concat().into();
    let output = setup.read();
    output.assert_failure("transient_error", &["market_dividends"]);
    // The unknown ticker was emitted; differences have to wait until all pages have been compared.
    assert_eq!(ids(&output), ["E6"]);
    setup.api().instead.clear();
    assert_eq!(ids(&setup.read_quietly()), ["E1", "E2", "E0"]);
}

#[test]
fn a_promised_page_that_is_empty_or_repeats_another_ticker_is_requested_again() {
    for row in ["", r#"{"id":"E2","ticker":"AAPL"}"#] {
        let mut setup = Setup::with_dividends();
        setup.api().rows_per_page = 3;
        let page = format!(r#"{{"status":"OK","results":[{row}]}}"#);
        setup.api().instead = [None, Some((200, page))].into();
        assert_eq!(ids(&setup.read_quietly()), ["E1", "E2", "E3", "E4", "E5"]);
    }
}

#[test]
fn fewer_than_half_of_the_tickers_are_not_believed() {
    let page = |tickers: &[&str]| {
        let row = |ticker: &&str| format!(r#"{{"id":"Z","ticker":"{ticker}","ex_dividend_date":"2026-05-11"}}"#);
        let rows: Vec<String> = tickers.iter().map(row).collect();
        Some((200, format!(r#"{{"status":"OK","results":[{}]}}"#, rows.join(","))))
    };
    let only_apple = || {
        let setup = Setup::of("stock_dividends", "AAPL");
        setup.api().dividend("E1", "AAPL", "2026-02-09", "0.25");
        setup.api().dividend("E2", "AAPL", "2026-05-11", "0.26");
        setup
    };
    for (mut setup, bad, says) in [
        (Setup::with_dividends(), page(&[]), "of only 0 of 3 tickers"),
        (Setup::with_dividends(), page(&["KO"]), "of only 1 of 3 tickers"),
        (only_apple(), page(&[]), "of only 0 of 1 ticker"),
    ] {
        println!("{says}");
        let known = setup.read_quietly().last_state();
        setup.api().instead = [bad.clone(), bad.clone()].into();
        let output = setup.read().succeeded();
        output.assert_logs("WARN", &[&[says, "twice"]]);
        assert_eq!(ids(&output), [""; 0]);
        assert_eq!(output.last_state(), known);
        // The second response is right.
        setup.api().instead = [bad].into();
        assert_eq!(ids(&setup.read_quietly()), [""; 0]);
        assert_eq!(setup.api().requested.len(), 2);
    }
    let mut setup = Setup::with_dividends();
    setup.read_quietly();
    setup.api().instead = [page(&["AAPL", "KO"])].into();
    let output = setup.read().succeeded();
    assert_eq!(setup.api().requested.len(), 1, "two of three are enough");
    output.assert_logs("WARN", &[&["MSFT (1), AAPL (1), KO (1)"]]);
}

#[test]
fn tickers_that_were_not_requested_are_skipped_and_those_not_configured_any_more_are_kept() {
    let mut setup = Setup::with_dividends();
    setup.connector.stream("stock_dividends", "incremental");
    setup.connector.set("stock_ticker", "AAPL,KO");
    assert_eq!(ids(&setup.read_quietly()), ["E1", "E2", "E3", "E4"]);
    setup.connector.set("stock_ticker", "KO,MSFT");
    assert_eq!(ids(&setup.read_quietly()), ["E5"]);
    setup.connector.set("stock_ticker", "AAPL,KO,MSFT");
    assert_eq!(ids(&setup.read_quietly()), [""; 0]);
    setup.connector.set("stock_ticker", "AAPL,KO");
    let all = setup.api().events.values().cloned().collect::<Vec<_>>().join(",");
    setup.api().instead = [Some((200, format!(r#"{{"results":[{all}]}}"#)))].into();
    let output = setup.read().succeeded();
    output.assert_logs("WARN", &[&["skipped 1 row", "not requested"]]);
    assert_eq!(ids(&output), [""; 0]);
}

#[test]
fn a_state_that_can_not_be_read_is_refused() {
    for state in [json!({"AAPL": "many"}), json!({"AAPL": {"date": "2026-11-26"}}), json!([])] {
        let mut setup = Setup::with_dividends();
        setup.connector.state = Some(json!([{"type": "STREAM", "stream": {
            "stream_descriptor": {"name": "market_dividends"}, "stream_state": state}}]));
        println!("{:?}", setup.connector.state);
        let output = setup.connector.run_at(setup.now, "read");
        output.assert_failure("config_error", &["state of stream market_dividends"]);
    }
}
