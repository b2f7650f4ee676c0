//! `read`: what comes out, in which order, and where the next run goes on.

use jiff::civil::{Date, date};
use serde_json::{Value, json};

use crate::support::connector::{Connector, Table, catalog};
use crate::support::fake_api::{FakeApi, KEY};
use crate::support::market::{Market, TradedBar};

/// The closes of the tutorial's transcripts.
const TSLA: [(Date, f64); 5] = [
    (date(2020, 12, 15), 633.25),
    (date(2020, 12, 16), 622.77),
    (date(2020, 12, 17), 655.9),
    (date(2020, 12, 18), 695.0),
    (date(2020, 12, 21), 649.86),
];

const NOW: &str = "2020-12-22T12:00:00Z";

fn api() -> FakeApi {
    let mut market = Market::at(NOW);
    market.days("TSLA", &TSLA);
    FakeApi::start(market)
}

#[test]
fn the_tutorials_transcript_comes_out() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA");
    connector.set("start_date", "2020-12-15").set("end_date", "2020-12-21");
    for sync_mode in ["full_refresh", "incremental"] {
        connector.stream("stock_prices", sync_mode);
        let output = connector.binary("read").succeeded();
        let expected: Vec<_> = TSLA.iter().map(|(day, close)| ("TSLA", day.to_string(), *close)).collect();
        let prices: Vec<_> =
            output.prices().into_iter().map(|(ticker, day, close)| (ticker, day.to_owned(), close)).collect();
        assert_eq!(prices, expected);
        assert!(output.text.contains(r#""data":{"date":"2020-12-18","stock_ticker":"TSLA","price":695,"open":694.5,"#));
        assert_eq!(output.statuses(), ["STARTED", "RUNNING", "COMPLETE"]);
        assert_eq!(output.logs("INFO"), ["TSLA: 5 bars, 2020-12-15 to 2020-12-21"]);
        let state = json!({"TSLA": {"since": "2020-12-15", "date": "2020-12-21", "price": 649.86, "adjusted": true}});
        assert_eq!(output.last_state(), state);
        assert_eq!(output.states().len(), 2, "one after the page, one at the end");
    }
}

#[test]
fn a_record_holds_the_whole_bar() {
    let api = api();
    let bar =
        TradedBar { open: 133.65, high: 136.45, low: 131.29, close: 136.24, volume: 41_120_042.153782, traded: None };
    api.market().day("BRK.B", date(2020, 12, 21), bar);
    let output = Connector::new(&api, "BRK.B").at(NOW, "read").succeeded();
    assert_eq!(
        *output.records()[0],
        json!({
            "date": "2020-12-21", "stock_ticker": "BRK.B", "price": 136.24, "open": 133.65, "high": 136.45, "low": 131.29,
            "volume": 41_120_042.153782, "vwap": null, "transactions": null, "adjusted": true,
        })
    );
}

#[test]
fn records_are_stamped_in_milliseconds() {
    let output = Connector::new(&api(), "TSLA").at(NOW, "read").succeeded();
    let stamps: Vec<_> =
        output.messages.iter().filter_map(|message| message["record"]["emitted_at"].as_i64()).collect();
    assert_eq!(stamps, [1_608_638_400_000; 5]);
}

#[test]
fn without_dates_the_last_seven_days_are_read() {
    let api = api();
    let output = Connector::new(&api, "TSLA").at(NOW, "read").succeeded();
    assert_eq!(output.records().len(), 5);
    let requests = api.take_requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, "/v2/aggs/ticker/TSLA/range/1/day/2020-12-15/2020-12-21");
    assert_eq!(requests[0].query, "adjusted=true&sort=asc&limit=50000");
}

#[test]
fn todays_bar_is_not_final_and_not_emitted() {
    let api = api();
    api.market().day("TSLA", date(2020, 12, 22), TradedBar::closing_at(640.34));
    let output = Connector::new(&api, "TSLA").at("2020-12-23T04:59:59Z", "read").succeeded();
    assert_eq!(output.prices().last().unwrap().1, "2020-12-21", "it is still the 22nd in New York");
    let output = Connector::new(&api, "TSLA").at("2020-12-23T05:00:00Z", "read").succeeded();
    assert_eq!(output.prices().last().unwrap().1, "2020-12-22");
}

#[test]
fn the_key_goes_into_the_authorization_header_alone() {
    let api = api();
    Connector::new(&api, "TSLA").binary("check");
    Connector::new(&api, "TSLA").binary("read").succeeded();
    for request in api.take_requests() {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert!(!request.path.contains(KEY) && !request.query.contains(KEY));
        assert!(request.headers.iter().all(|(name, value)| name == "authorization" || !value.contains(KEY)));
    }
}

#[test]
fn a_second_run_emits_nothing_twice() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA");
    let first = connector.at(NOW, "read").succeeded();
    let second = connector.go_on_from(&first).at(NOW, "read").succeeded();
    assert_eq!(second.records().len(), 0);
    assert_eq!(second.last_state(), first.last_state());
    assert_eq!(second.statuses(), ["STARTED", "COMPLETE"]);
    assert_eq!(second.logs("INFO"), ["TSLA: no new bars; the last one is of 2020-12-21"]);

    api.market().days("TSLA", &[(date(2020, 12, 22), 640.34), (date(2020, 12, 23), 645.98)]);
    let third = connector.go_on_from(&second).at("2020-12-24T12:00:00Z", "read").succeeded();
    assert_eq!(third.prices(), [("TSLA", "2020-12-22", 640.34)], "the market's clock still says the 22nd");
}

#[test]
fn a_full_refresh_reads_everything_whatever_the_state() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA");
    let first = connector.at(NOW, "read").succeeded();
    connector.stream("stock_prices", "full_refresh").go_on_from(&first);
    assert_eq!(connector.at(NOW, "read").succeeded().records().len(), 5);
}

#[test]
fn a_state_in_the_future_is_kept() {
    let api = api();
    let ours = json!({"TSLA": {"since": "2020-01-02", "date": "2121-01-01", "price": 1, "adjusted": true}});
    let of_tutorial = json!({"TSLA": {"since": "2121-01-01", "adjusted": true}});
    for (given, kept) in [(ours.clone(), ours), (json!({"date": "2121-01-01"}), of_tutorial)] {
        let mut connector = Connector::new(&api, "TSLA");
        connector.set("start_date", "2019-01-02");
        connector.state = Some(state_of("stock_prices", given));
        // The state that comes out must be as far in the future as the one that went in.
        for _ in 0..2 {
            let output = connector.at(NOW, "read").succeeded();
            assert_eq!((output.records().len(), &output.last_state()), (0, &kept));
            assert_eq!(output.statuses(), ["STARTED", "COMPLETE"]);
            connector.go_on_from(&output);
        }
    }
    assert_eq!(api.take_requests().len(), 0);
}

fn state_of(stream: &str, state: Value) -> Value {
    json!([{"type": "STREAM", "stream": {"stream_descriptor": {"name": stream}, "stream_state": state}}])
}

#[test]
fn the_tutorials_state_is_a_start() {
    let mut connector = Connector::new(&api(), "TSLA");
    connector.state = Some(json!({"stock_prices": {"date": "2020-12-17"}}));
    let output = connector.at(NOW, "read").succeeded();
    assert_eq!(output.prices().first().unwrap().1, "2020-12-17", "the tutorial may have emitted it unfinished");
    assert_eq!(output.records().len(), 3);
}

#[test]
fn a_state_file_with_doubled_keys_and_nulls_is_read() {
    let api = api();
    let connector = Connector::new(&api, "TSLA");
    let mut arguments = connector.arguments("read");
    let state = r#"[{"type":"STREAM","stream":{"stream_descriptor":{"name":"stock_prices","namespace":null},
        "stream_state":{"TSLA":{"since":"2020-12-15","date":"2020-12-18","price":695.0,"adjusted":true}}},
        "global":null,"global_":null,"global_":null,"data":null},
        {"type":"STREAM","stream":{"stream_descriptor":{"name":"not_selected"},"stream_state":{"x":{"y":"z"}}}}]"#;
    std::fs::write(connector.path("state.txt"), state).unwrap();
    arguments.extend(["--state".to_owned(), connector.path("state.txt").display().to_string()]);
    let output = crate::support::connector::run_binary(&arguments).succeeded();
    assert_eq!(output.prices(), [("TSLA", "2020-12-21", 649.86)], "695 and 695.0 are the same price");
}

#[test]
fn a_state_that_can_not_be_understood_is_never_a_silent_full_read() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA");
    connector.state = Some(state_of("stock_prices", json!({"TSLA": {"date": "the day before yesterday"}})));
    let output = connector.at(NOW, "read");
    let (failure_type, message) = output.failure();
    assert_eq!(failure_type, "config_error");
    assert!(message.contains("TSLA") && message.contains("Reset the stream"), "{message}");
    assert_eq!(output.records().len() + api.take_requests().len(), 0);

    connector.stream("stock_prices", "full_refresh");
    assert_eq!(connector.at(NOW, "read").succeeded().records().len(), 5, "a full refresh does not need it");
}

#[test]
fn each_ticker_has_a_state_of_its_own() {
    let api = api();
    api.market()
        .days("AAPL", &[(date(2020, 12, 17), 128.7), (date(2020, 12, 18), 126.66), (date(2020, 12, 21), 128.23)]);
    let mut connector = Connector::new(&api, "AAPL,TSLA");
    connector.state = Some(state_of(
        "stock_prices",
        json!({
            "TSLA": {"since": "2020-12-15", "date": "2020-12-18", "price": 695, "adjusted": true},
            "AAPL": {"since": "2020-12-15", "date": "2020-12-17", "price": 128.7, "adjusted": true},
            "GONE": {"since": "2020-12-15", "date": "2020-12-17", "price": 1.5, "adjusted": true},
        }),
    ));
    let output = connector.at(NOW, "read").succeeded();
    let mut prices = output.prices();
    prices.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
    assert_eq!(
        prices,
        [("AAPL", "2020-12-18", 126.66), ("AAPL", "2020-12-21", 128.23), ("TSLA", "2020-12-21", 649.86)]
    );
    assert_eq!(output.last_state()["GONE"]["date"], "2020-12-17", "a ticker that is not configured keeps its state");
}

#[test]
fn a_ticker_that_is_added_is_read_from_the_start() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA");
    let first = connector.at(NOW, "read").succeeded();
    api.market().days("AAPL", &[(date(2020, 12, 15), 127.88), (date(2020, 12, 21), 128.23)]);
    connector.set("stock_ticker", "TSLA,AAPL").go_on_from(&first);
    let second = connector.at(NOW, "read").succeeded();
    assert_eq!(second.prices(), [("AAPL", "2020-12-15", 127.88), ("AAPL", "2020-12-21", 128.23)]);
}

#[test]
fn a_ticker_without_bars_is_a_warning() {
    let api = api();
    let output = Connector::new(&api, "TSLA,TLSA").at(NOW, "read").succeeded();
    assert_eq!(output.records().len(), 5);
    assert_eq!(output.logs("WARN").len(), 1);
    assert!(output.logs("WARN")[0].starts_with("TLSA: no bars from 2020-12-15 to 2020-12-21."));
    assert_eq!(output.last_state()["TLSA"], json!({"since": "2020-12-15", "adjusted": true}), "no cursor");
}

#[test]
fn a_ticker_that_is_listed_later_misses_no_bar_however_long_the_pause() {
    let api = api();
    let mut connector = Connector::new(&api, "NEW");
    let first = connector.at(NOW, "read").succeeded();
    let mut market = api.market();
    market.now = "2021-03-01T12:00:00Z".parse().unwrap();
    market.days("NEW", &[(date(2020, 12, 23), 10.0), (date(2021, 2, 26), 11.0)]);
    drop(market);
    let second = connector.go_on_from(&first).at("2021-03-01T12:00:00Z", "read").succeeded();
    assert_eq!(second.prices(), [("NEW", "2020-12-23", 10.0), ("NEW", "2021-02-26", 11.0)]);
}

#[test]
fn an_end_date_is_the_last_day_read_and_can_be_moved() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA");
    connector.set("start_date", "2020-12-15").set("end_date", "2020-12-16");
    let first = connector.at(NOW, "read").succeeded();
    assert_eq!(first.records().len(), 2);
    connector.set("end_date", "2020-12-17").go_on_from(&first);
    let second = connector.at(NOW, "read").succeeded();
    assert_eq!(second.prices(), [("TSLA", "2020-12-17", 655.9)]);
    connector.set("end_date", "2020-12-15").go_on_from(&second);
    let third = connector.at(NOW, "read").succeeded();
    assert_eq!((third.records().len(), third.last_state()), (0, second.last_state()));
}

#[test]
fn a_start_date_in_the_future_reads_nothing_and_can_be_taken_back() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA");
    connector.set("start_date", "2021-06-01");
    let first = connector.at(NOW, "read").succeeded();
    assert_eq!(first.logs("INFO"), ["TSLA: nothing to read: 2021-06-01 is not over yet"]);
    connector.set("start_date", "2020-12-15").go_on_from(&first);
    assert_eq!(connector.at(NOW, "read").succeeded().records().len(), 5);
}

#[test]
fn a_start_date_that_is_moved_back_reads_the_missing_part_alone() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA");
    connector.set("start_date", "2020-12-17");
    let mut table = Table::default();
    let first = connector.at(NOW, "read").succeeded();
    table.load(&first);
    connector.set("start_date", "2020-12-15").go_on_from(&first);
    let second = connector.at(NOW, "read").succeeded();
    assert_eq!(second.prices(), [("TSLA", "2020-12-15", 633.25), ("TSLA", "2020-12-16", 622.77)]);
    assert_eq!(second.last_state()["TSLA"]["since"], "2020-12-15");
    assert_eq!(second.last_state()["TSLA"]["date"], "2020-12-21");
    for start_date in [json!("2020-12-18"), Value::Null] {
        connector.set("start_date", start_date).go_on_from(&second);
        let third = connector.at(NOW, "read").succeeded();
        assert_eq!((third.records().len(), third.last_state()), (0, second.last_state()), "moved later or taken away");
    }
}

#[test]
fn an_empty_catalog_reads_nothing() {
    let mut connector = Connector::new(&api(), "TSLA");
    connector.catalog = json!({"streams": []});
    assert_eq!(connector.at(NOW, "read").succeeded().messages.len(), 0);
}

#[test]
fn a_page_that_is_followed_by_another_has_a_state_of_its_own() {
    let api = api();
    api.market().page_size = 2;
    let mut connector = Connector::new(&api, "TSLA");
    let output = connector.at(NOW, "read").succeeded();
    assert_eq!(output.records().len(), 5);
    let dates: Vec<_> =
        output.states().iter().map(|state| state["stream"]["stream_state"]["TSLA"]["date"].clone()).collect();
    assert_eq!(dates, ["2020-12-16", "2020-12-18", "2020-12-21", "2020-12-21"]);
    let requests = api.take_requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.query.contains("adjusted=true")));
    connector.catalog = catalog("stock_prices", "full_refresh");
    assert_eq!(connector.at(NOW, "read").succeeded().states().len(), 4, "in full refresh too");
}
