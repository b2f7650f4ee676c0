//! `read`: its records, their order, and the dates of the configuration.

use serde_json::{Value, json};

use crate::support::clock::SimulatedClock;
use crate::support::connector::Connector;
use crate::support::days::{Date, date, moment};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::Market;
use crate::support::scenario::Scenario;

/// The closes of the tutorial's transcripts.
pub const TSLA: [(Date, f64); 5] = [
    (date(2020, 12, 15), 633.25),
    (date(2020, 12, 16), 622.77),
    (date(2020, 12, 17), 655.9),
    (date(2020, 12, 18), 695.0),
    (date(2020, 12, 21), 649.86),
];

pub const NOW: &str = "2020-12-22T12:00:00Z";

pub fn api() -> FakeApi {
    let mut market = Market::at(NOW);
    market.days("TSLA", &TSLA);
    FakeApi::start(market)
}

fn scenario(start_date: &str) -> Scenario {
    Scenario::with_api(api(), "TSLA", "stock_prices", start_date)
}

#[test]
fn tutorials_transcript_is_reproduced_in_both_sync_modes() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA");
    connector.set("start_date", "2020-12-15").set("end_date", "2020-12-21");
    for sync_mode in ["full_refresh", "incremental"] {
        connector.stream("stock_prices", sync_mode);
        let output = connector.run_binary("read").succeeded();
        let days = TSLA.map(|(day, close)| (day.to_string(), close));
        assert_eq!(output.prices(), days.each_ref().map(|(day, close)| ("TSLA", day.as_str(), *close)));
        let begin = r#""data":{"date":"2020-12-18","stock_ticker":"TSLA","price":695,"open":694.5,"#;
        assert!(output.text.contains(begin), "a close of 695 is not written as 695.0");
        assert_eq!(output.statuses(), ["STARTED", "RUNNING", "COMPLETE"]);
        output.assert_logs(
            "INFO",
            &[
                &["stock_prices, TSLA: 5 bars", "2020-12-15", "2020-12-21"],
                &["stock_prices: 1 ticker, 5 records", "1 request"],
            ],
        );
        let state = &output.last_state()["TSLA"];
        let known = json!({"since": "2020-12-15", "date": "2020-12-21",
                           "adjusted": true, "blocks": state["blocks"], "checksum": state["checksum"]});
        assert_eq!(*state, known);
        assert_eq!(state["blocks"].as_str().unwrap().split(' ').count(), 5, "one per bar");
        assert_eq!(output.states().len(), 2, "one after the page, one at the end");
    }
}

#[test]
fn last_seven_days_are_read_without_dates_and_stamped_in_milliseconds() {
    let api = api();
    let output = Connector::new(&api, "TSLA").run_at(NOW, "read").succeeded();
    let stamps = output.messages.iter().filter_map(|message| message["record"]["emitted_at"].as_i64());
    assert_eq!(stamps.collect::<Vec<_>>(), [1_608_638_400_000; 5]);
    let requests = api.take_requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, "/v2/aggs/ticker/TSLA/range/1/day/2020-12-15/2020-12-21");
    assert_eq!(requests[0].query, "adjusted=true&sort=asc&limit=50000");
}

#[test]
fn end_date_is_the_last_day_read_and_can_be_moved() {
    let mut tsla = scenario("2020-12-15");
    assert_eq!(tsla.set("end_date", "2020-12-16").sync(NOW).records().len(), 2);
    let second = tsla.set("end_date", "2020-12-17").sync(NOW);
    assert_eq!(second.prices(), [("TSLA", "2020-12-17", 655.9)]);
    let third = tsla.set("end_date", "2020-12-15").sync(NOW);
    assert_eq!((third.records().len(), third.last_state()), (0, second.last_state()));
}

#[test]
fn start_date_of_today_or_in_the_future_reads_nothing_and_can_be_moved_back() {
    let mut tsla = scenario("2020-12-22");
    for start_date in ["2020-12-22", "2021-06-01"] {
        let output = tsla.set("start_date", start_date).sync(NOW);
        output.assert_logged("INFO", &["stock_prices, TSLA", start_date, "not over"]);
        assert_eq!((output.records().len(), tsla.requests().len()), (0, 0), "{start_date}");
    }
    assert_eq!(tsla.set("start_date", "2020-12-15").sync(NOW).records().len(), 5);
}

#[test]
fn second_sync_of_a_single_day_says_that_it_is_up_to_date() {
    let mut tsla = scenario("2020-12-21");
    tsla.sync(NOW);
    tsla.sync(NOW).assert_logged("INFO", &["stock_prices, TSLA: up to date", "2020-12-21"]);
}

#[test]
fn pages_of_days_before_one_that_fails_are_not_emitted() {
    let mut tsla = scenario("2020-12-15");
    tsla.api.market().page_size = 1;
    let first = tsla.set("end_date", "2020-12-16").sync(NOW);
    tsla.break_after(4);
    let second = tsla.set("end_date", Value::Null).try_sync(NOW);
    assert_eq!(second.exit_code, Some(1));
    assert_eq!((second.records().len(), second.last_state()), (0, first.last_state()), "pages are compared as a whole");
}

#[test]
fn empty_catalog_reads_nothing() {
    let mut connector = Connector::new(&api(), "TSLA");
    connector.catalog = json!({"streams": []});
    assert_eq!(connector.run_at(NOW, "read").succeeded().messages.len(), 0);
}

#[test]
fn days_on_several_pages_are_one_block() {
    let mut tsla = scenario("2020-12-15");
    tsla.api.market().page_size = 2;
    let output = tsla.sync(NOW);
    assert_eq!((output.records().len(), &output.last_state()["TSLA"]["date"]), (5, &json!("2020-12-21")));
    let requests = tsla.requests();
    assert_eq!(requests.len(), 6, "three pages, requested again because a split may have come in between");
    assert!(requests.iter().all(|request| request.query.contains("adjusted=true")));
}

#[test]
fn debug_logs_have_every_request_with_status_size_and_duration() {
    let api = api();
    api.inject_faults(|number, _| (number == 0).then(|| Fault::status(500, "", "oops!")));
    let connector = Connector::new(&api, "TSLA");
    let mut arguments = connector.arguments("read");
    arguments.insert(0, "--debug".to_owned());
    let output = connector.run_arguments(&SimulatedClock::at(moment(NOW)), arguments).succeeded();
    let logs = output.logs("DEBUG");
    assert_eq!(logs.len(), api.take_requests().len(), "{logs:?}");
    let request = "/v2/aggs/ticker/TSLA/range/1/day/2020-12-15/2020-12-21?adjusted=true&sort=asc&limit=50000: HTTP ";
    assert!(logs.iter().all(|text| text.starts_with(request) && text.ends_with(" ms")), "{logs:?}");
    assert!(logs[0].contains("HTTP 500, 5 bytes in ") && logs[1].contains("HTTP 200, "), "{logs:?}");
}
