//! The next run continues from its own states and from the tutorial's.

use serde_json::{Value, json};

use crate::commands::read::{NOW, api};
use crate::support::connector::Connector;
use crate::support::days::date;

#[test]
fn second_run_emits_only_what_is_new() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA");
    let first = connector.run_at(NOW, "read").succeeded();
    let second = connector.resume_from(&first).run_at(NOW, "read").succeeded();
    assert_eq!(second.records().len(), 0);
    assert_eq!(second.last_state(), first.last_state());
    assert_eq!(second.statuses(), ["STARTED", "COMPLETE"]);
    second.assert_logged("INFO", &["TSLA", "up to date", "2020-12-21"]);

    api.market().days("TSLA", &[(date(2020, 12, 22), 640.34), (date(2020, 12, 23), 645.98)]);
    let third = connector.resume_from(&second).run_at("2020-12-24T12:00:00Z", "read").succeeded();
    assert_eq!(third.prices(), [("TSLA", "2020-12-22", 640.34)], "the API's clock still shows the 22nd");
}

#[test]
fn state_in_the_future_is_kept_regardless_of_the_start_date() {
    let own = json!({"TSLA": {"since": "2020-01-02", "date": "2121-01-01", "adjusted": true}});
    for given in [own, json!({"date": "2121-01-01"})] {
        for start_date in [json!("2019-01-02"), Value::Null] {
            let mut connector = Connector::new(&api(), "TSLA");
            connector.set("start_date", start_date);
            connector.state = Some(json!({"stock_prices": given}));
            for _ in 0..2 {
                let output = connector.run_at(NOW, "read").succeeded();
                // The tutorial's date is that of the last row, so the read would continue on the day after.
                assert!(output.last_state().to_string().contains("2121-01-0"), "{given}: {}", output.text);
                assert!(output.logs("INFO").iter().any(|text| text.contains("2121-01-0")), "{given}: {}", output.text);
                assert_eq!(output.records().len(), 0, "{given}, {:?}", connector.config);
                connector.resume_from(&output);
            }
        }
    }
}

#[test]
fn read_continues_after_the_date_of_the_tutorials_state() {
    let mut connector = Connector::new(&api(), "TSLA");
    connector.state = Some(json!({"stock_prices": {"date": "2020-12-17"}}));
    let output = connector.run_at(NOW, "read").succeeded();
    // Rows up to that date are assumed to have been emitted.
    assert_eq!(output.dates(), ["2020-12-18", "2020-12-21"]);
}

#[test]
fn each_ticker_resumes_from_its_own_state() {
    let api = api();
    let aapl = [(date(2020, 12, 17), 128.7)];
    api.market().days("AAPL", &aapl).days("GONE", &aapl);
    let mut connector = Connector::new(&api, "AAPL,TSLA,GONE");
    connector.set("end_date", "2020-12-18");
    let first = connector.run_at(NOW, "read").succeeded();
    api.market().days("AAPL", &[(date(2020, 12, 18), 126.66), (date(2020, 12, 21), 128.23)]);
    connector.set("stock_ticker", "AAPL,TSLA").set("end_date", Value::Null);
    let output = connector.resume_from(&first).run_at(NOW, "read").succeeded();
    let expected = [("AAPL", "2020-12-18", 126.66), ("AAPL", "2020-12-21", 128.23), ("TSLA", "2020-12-21", 649.86)];
    assert_eq!(output.prices(), expected);
    let gone = &output.last_state()["GONE"];
    assert_eq!(*gone, first.last_state()["GONE"], "a removed ticker keeps its state");
}

#[test]
fn added_ticker_is_read_from_the_start() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA");
    let first = connector.run_at(NOW, "read").succeeded();
    api.market().days("AAPL", &[(date(2020, 12, 15), 127.88), (date(2020, 12, 21), 128.23)]);
    connector.set("stock_ticker", "TSLA,AAPL").resume_from(&first);
    let second = connector.run_at(NOW, "read").succeeded();
    assert_eq!(second.prices(), [("AAPL", "2020-12-15", 127.88), ("AAPL", "2020-12-21", 128.23)]);
}

#[test]
fn ticker_without_bars_is_warned_about_once() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA,TLSA");
    let output = connector.run_at(NOW, "read").succeeded();
    assert_eq!(output.records().len(), 5);
    output.assert_logs("WARN", &[&["TLSA", "2020-12-15", "2020-12-21"]]);
    assert!(output.last_state()["TLSA"]["date"].is_null(), "no cursor");
    let second = connector.resume_from(&output).run_at(NOW, "read").succeeded();
    second.assert_no_warning("once");
}

#[test]
fn ticker_that_is_listed_later_misses_no_bar_however_long_the_pause() {
    let api = api();
    let mut connector = Connector::new(&api, "NEW");
    let first = connector.run_at(NOW, "read").succeeded();
    let later = "2021-03-01T12:00:00Z";
    let listed = [(date(2020, 12, 23), 10.0), (date(2021, 2, 26), 11.0)];
    api.market().set_now(later).days("NEW", &listed);
    let second = connector.resume_from(&first).run_at(later, "read").succeeded();
    assert_eq!(second.prices(), [("NEW", "2020-12-23", 10.0), ("NEW", "2021-02-26", 11.0)]);
}
