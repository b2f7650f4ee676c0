//! What holds for every stream, from one table; and what is special to hours, minutes and the whole market.

use jiff::civil::{Date, date};
use serde_json::{Value, json};
use source_stock_ticker_api::streams::STREAMS;

use crate::support::connector::{Connector, Output, Table, catalog, configured};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::{Market, Straddling, TradedBar, new_york_time};

/// A stream, its bars in the fake API, and whether it asks for tickers.
struct Case {
    stream: &'static str,
    timespan: &'static str,
    by_ticker: bool,
}

const CASES: [Case; 4] = [
    Case { stream: "stock_prices", timespan: "day", by_ticker: true },
    Case { stream: "stock_prices_by_hour", timespan: "hour", by_ticker: true },
    Case { stream: "stock_prices_by_minute", timespan: "minute", by_ticker: true },
    Case { stream: "market_prices", timespan: "day", by_ticker: false },
];

/// Friday, Monday (summer time has begun), Tuesday.
const DAYS: [Date; 3] = [date(2026, 3, 6), date(2026, 3, 9), date(2026, 3, 10)];
/// Before the first bar of the day.
const TUESDAY: &str = "2026-03-10T07:00:00Z";
const WEDNESDAY: &str = "2026-03-11T07:00:00Z";
const TICKERS: [&str; 2] = ["AAPL", "TSLA"];

impl Case {
    fn starts(&self, day: Date) -> Vec<i64> {
        match self.timespan {
            "day" => vec![new_york_time(day, 0, 0)],
            "hour" => (4..20).map(|hour| new_york_time(day, hour, 0)).collect(),
            _ => (30..45).map(|minute| new_york_time(day, 9, minute)).collect(),
        }
    }

    /// The API with three days of two tickers, and a connector for the stream.
    fn set_up(&self) -> (FakeApi, Connector) {
        let mut market = Market::at(TUESDAY);
        market.page_size = 12;
        for ticker in TICKERS {
            for day in DAYS {
                for (number, start) in self.starts(day).into_iter().enumerate() {
                    let close = 100.0 + f64::from(day.day()) + number as f64 / 100.0;
                    market.bar(self.timespan, ticker, start, TradedBar::closing_at(close));
                }
            }
        }
        let api = FakeApi::start(market);
        let mut connector = Connector::new(&api, "AAPL,TSLA");
        connector.set("start_date", "2026-03-05").stream(self.stream, "incremental");
        (api, connector)
    }

    fn bars(&self, days: usize) -> usize {
        TICKERS.len() * days * self.starts(DAYS[0]).len()
    }

    fn go_on_at(&self, now: &str, api: &FakeApi, connector: &mut Connector, output: &Output) -> Output {
        api.market().now = now.parse().unwrap();
        connector.go_on_from(output).at(now, "read").succeeded()
    }
}

#[test]
fn the_table_of_cases_has_every_stream() {
    assert_eq!(CASES.map(|case| case.stream), STREAMS.each_ref().map(|stream| stream.name));
}

#[test]
fn every_bar_comes_once_and_in_order() {
    for case in CASES {
        let (api, mut connector) = case.set_up();
        let first = connector.at(TUESDAY, "read").succeeded();
        assert_eq!(first.records().len(), case.bars(2), "{}", case.stream);
        for ticker in TICKERS {
            let cursors: Vec<_> = first
                .records()
                .iter()
                .filter(|record| record["stock_ticker"] == ticker)
                .map(|record| record.get("timestamp").unwrap_or(&record["date"]).to_string())
                .collect();
            assert!(cursors.is_sorted(), "{cursors:?}");
        }
        let again = case.go_on_at(TUESDAY, &api, &mut connector, &first);
        assert_eq!((again.records().len(), again.last_state()), (0, first.last_state()), "{}", case.stream);
        let next_day = case.go_on_at(WEDNESDAY, &api, &mut connector, &again);
        assert_eq!(next_day.records().len(), case.bars(1), "{}", case.stream);
        assert!(next_day.records().iter().all(|record| record["date"] == "2026-03-10"));

        let mut table = Table::default();
        assert_eq!([&first, &again, &next_day].map(|output| table.load(output)), [0; 3]);
        let mut fresh = Table::default();
        fresh.load(&connector.afresh(case.stream).at(WEDNESDAY, "read").succeeded());
        assert_eq!(table, fresh, "{}", case.stream);
        for output in [&first, &again, &next_day] {
            assert!(output.logs("WARN").is_empty(), "{:?}", output.logs("WARN"));
        }
    }
}

#[test]
fn a_state_in_the_future_is_kept_by_every_stream() {
    for case in CASES {
        let (_, mut connector) = case.set_up();
        let cursor = json!({"since": "2026-01-01", "date": "2121-01-01", "timestamp": "2121-01-01T00:00:00Z"});
        let state = if case.by_ticker { json!({"AAPL": cursor, "TSLA": cursor}) } else { cursor };
        connector.state = Some(json!([
            {"type": "STREAM", "stream": {"stream_descriptor": {"name": case.stream}, "stream_state": state}}
        ]));
        let output = connector.at(TUESDAY, "read").succeeded();
        assert_eq!(output.records().len(), 0);
        assert!(output.last_state().to_string().contains("2121-01-01"));
    }
}

#[test]
fn a_start_date_that_is_moved_back_reads_the_missing_part_of_every_stream() {
    for case in CASES {
        let (api, mut connector) = case.set_up();
        connector.set("start_date", "2026-03-09");
        let first = connector.at(TUESDAY, "read").succeeded();
        assert_eq!(first.records().len(), case.bars(1));
        connector.set("start_date", "2026-03-05");
        let second = case.go_on_at(TUESDAY, &api, &mut connector, &first);
        assert_eq!(second.records().len(), case.bars(1), "{}", case.stream);
        assert!(second.records().iter().all(|record| record["date"] == "2026-03-06"));
        assert!(second.last_state().to_string().contains(r#""since":"2026-03-05""#));
        assert_eq!(case.go_on_at(TUESDAY, &api, &mut connector, &second).records().len(), 0);
    }
}

#[test]
fn a_state_that_can_not_be_understood_is_refused_by_every_stream() {
    for case in CASES {
        let (api, mut connector) = case.set_up();
        let cursor = json!({"since": "2026-01-01", "date": "soon", "timestamp": "soon"});
        let state = if case.by_ticker { json!({"AAPL": cursor}) } else { cursor };
        connector.state = Some(json!({case.stream: state}));
        assert!(connector.at(TUESDAY, "read").failure().1.contains("Reset the stream"));
        assert_eq!(api.take_requests().len(), 0);
    }
}

#[test]
fn a_restated_history_of_hours_or_minutes_is_read_again() {
    for case in CASES.iter().filter(|case| case.by_ticker) {
        let (api, mut connector) = case.set_up();
        let first = connector.at(TUESDAY, "read").succeeded();
        api.market().splits.push(("TSLA".to_owned(), date(2026, 3, 10), 4.0));
        let second = case.go_on_at(WEDNESDAY, &api, &mut connector, &first);
        let mut table = Table::default();
        table.load(&first);
        table.load(&second);
        let mut fresh = Table::default();
        fresh.load(&connector.afresh(case.stream).at(WEDNESDAY, "read").succeeded());
        assert_eq!(table, fresh, "{}", case.stream);
        assert!(second.logs("WARN")[0].contains("history was restated, reading again from 2026-03-05"));
    }
}

#[test]
fn streams_are_read_in_the_catalogs_order_each_with_its_own_state() {
    let (api, mut connector) = CASES[0].set_up();
    connector.catalog =
        json!({"streams": [configured("market_prices", "incremental"), configured("stock_prices", "full_refresh")]});
    let output = connector.at(TUESDAY, "read").succeeded();
    let streams: Vec<_> =
        output.states().iter().map(|state| state["stream"]["stream_descriptor"]["name"].clone()).collect();
    assert_eq!(
        streams,
        ["market_prices", "market_prices", "market_prices", "stock_prices", "stock_prices", "stock_prices"]
    );
    assert_eq!(output.statuses(), ["STARTED", "RUNNING", "COMPLETE", "STARTED", "RUNNING", "COMPLETE"]);
    assert!(api.take_requests()[..3].iter().all(|request| request.path.contains("/grouped/")));
    assert_eq!(output.records().len(), 8);
}

#[test]
fn an_intraday_bar_has_the_start_in_utc_and_the_trading_day_in_new_york() {
    let (_, connector) = CASES[1].set_up();
    let output = connector.at(TUESDAY, "read").succeeded();
    let of_aapl: Vec<_> = output.records().into_iter().filter(|record| record["stock_ticker"] == "AAPL").collect();
    let shown =
        |place: usize| (of_aapl[place]["timestamp"].as_str().unwrap(), of_aapl[place]["date"].as_str().unwrap());
    assert_eq!(shown(0), ("2026-03-06T09:00:00Z", "2026-03-06"), "04:00 in New York, winter time");
    assert_eq!(shown(15), ("2026-03-07T00:00:00Z", "2026-03-06"), "19:00 in New York is the next day in UTC");
    assert_eq!(shown(16), ("2026-03-09T08:00:00Z", "2026-03-09"), "04:00 in New York, summer time");
    let state = &output.last_state()["AAPL"];
    assert_eq!(
        *state,
        json!({"since": "2026-03-05", "timestamp": "2026-03-09T23:00:00Z", "price": 109.15, "adjusted": true})
    );
}

#[test]
fn two_syncs_in_the_middle_of_a_session_emit_each_bar_once_it_is_final() {
    let (api, mut connector) = CASES[2].set_up();
    connector.set("start_date", "2026-03-10").set("stock_ticker", "AAPL");
    let minutes = |output: &Output| -> Vec<String> {
        output.records().iter().map(|record| record["timestamp"].as_str().unwrap()[11..16].to_owned()).collect()
    };
    // 09:30 in New York is 13:30 UTC; the minute of 13:35 is over at 13:36 and final a quarter of an hour later.
    let now = "2026-03-10T13:51:00Z";
    api.market().now = now.parse().unwrap();
    let first = connector.at(now, "read").succeeded();
    assert_eq!(minutes(&first), ["13:30", "13:31", "13:32", "13:33", "13:34", "13:35"]);
    let now = "2026-03-10T13:53:59Z";
    let second = CASES[2].go_on_at(now, &api, &mut connector, &first);
    assert_eq!(minutes(&second), ["13:36", "13:37"]);
    assert!(second.logs("WARN").is_empty());
}

#[test]
fn half_days_and_days_without_a_minute_are_nothing_special() {
    let (api, mut connector) = CASES[2].set_up();
    api.market().bars.clear();
    for day in [date(2026, 11, 25), date(2026, 11, 27), date(2026, 11, 30)] {
        let last_hour = if day.day() == 27 { 13 } else { 16 };
        for hour in 10..last_hour {
            api.market().bar("minute", "AAPL", new_york_time(day, hour, 0), TradedBar::closing_at(f64::from(hour)));
        }
    }
    connector.set("start_date", "2026-11-23").set("stock_ticker", "AAPL");
    let mut emitted = 0;
    let mut output = None;
    for day in 24..=30 {
        let now = format!("2026-11-{day}T23:00:00Z");
        api.market().now = now.parse().unwrap();
        if let Some(output) = &output {
            connector.go_on_from(output);
        }
        let synced = connector.at(&now, "read").succeeded();
        emitted += synced.records().len();
        output = Some(synced);
    }
    assert_eq!(emitted, 6 + 3 + 6);
}

#[test]
fn a_last_bar_that_is_not_on_the_first_page_is_not_taken_for_gone() {
    let (api, mut connector) = CASES[2].set_up();
    let first = connector.at(TUESDAY, "read").succeeded();
    api.market().page_size = 4;
    let second = CASES[2].go_on_at(WEDNESDAY, &api, &mut connector, &first);
    assert_eq!(second.records().len(), CASES[2].bars(1));
    assert!(second.logs("WARN").is_empty());
}

#[test]
fn a_state_follows_every_page_of_minutes() {
    let (api, mut connector) = CASES[2].set_up();
    connector.set("stock_ticker", "AAPL");
    let output = connector.at(TUESDAY, "read").succeeded();
    let cursors: Vec<_> =
        output.states().iter().map(|state| state["stream"]["stream_state"]["AAPL"]["timestamp"].clone()).collect();
    assert_eq!(
        cursors,
        ["2026-03-06T14:41:00Z", "2026-03-09T13:38:00Z", "2026-03-09T13:44:00Z", "2026-03-09T13:44:00Z"]
    );
    let requests = api.take_requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].path, "/v2/aggs/ticker/AAPL/range/1/minute/2026-03-05/2026-03-10");
}

#[test]
fn just_after_midnight_a_free_plan_is_not_asked_for_the_new_day_alone() {
    let (api, mut connector) = CASES[2].set_up();
    let first = connector.at(TUESDAY, "read").succeeded();
    api.market().shows_today = false;
    let second = CASES[2].go_on_at("2026-03-11T04:10:00Z", &api, &mut connector, &first);
    assert_eq!(second.records().len(), CASES[2].bars(1));
}

#[test]
fn the_market_is_asked_for_weekdays_as_traded_one_request_a_day() {
    let (api, mut connector) = CASES[3].set_up();
    api.market().splits.push(("TSLA".to_owned(), date(2026, 3, 10), 4.0));
    api.market().now = WEDNESDAY.parse().unwrap();
    connector.set("adjusted", true);
    let output = connector.at(WEDNESDAY, "read").succeeded();
    let asked: Vec<_> = api.take_requests().into_iter().map(|request| (request.path, request.query)).collect();
    let day =
        |day: u8| (format!("/v2/aggs/grouped/locale/us/market/stocks/2026-03-{day:02}"), "adjusted=false".to_owned());
    assert_eq!(asked, [5, 6, 9, 10].map(day));
    assert_eq!(output.records().len(), 6);
    assert!(output.records().iter().all(|record| record["adjusted"] == false));
    assert_eq!(output.prices()[1], ("TSLA", "2026-03-06", 106.0));
}

#[test]
fn an_empty_weekday_is_asked_for_again_until_a_later_day_has_bars() {
    let (api, mut connector) = CASES[3].set_up();
    let days = |requests: Vec<crate::support::fake_api::Request>| -> Vec<String> {
        requests.iter().map(|request| request.path.rsplit('/').next().unwrap().to_owned()).collect()
    };
    let first = connector.at(TUESDAY, "read").succeeded();
    assert_eq!(first.last_state(), json!({"since": "2026-03-05", "date": "2026-03-09"}));
    api.take_requests();
    // Wednesday and Thursday are not published yet on Friday.
    let friday = CASES[3].go_on_at("2026-03-13T12:00:00Z", &api, &mut connector, &first);
    assert_eq!(days(api.take_requests()), ["2026-03-10", "2026-03-11", "2026-03-12"]);
    assert_eq!(friday.last_state()["date"], "2026-03-10");
    api.market().days("AAPL", &[(date(2026, 3, 12), 250.0)]);
    let saturday = CASES[3].go_on_at("2026-03-14T12:00:00Z", &api, &mut connector, &friday);
    assert_eq!(days(api.take_requests()), ["2026-03-11", "2026-03-12", "2026-03-13"]);
    assert_eq!(saturday.prices(), [("AAPL", "2026-03-12", 250.0)]);
    let monday = CASES[3].go_on_at("2026-03-16T12:00:00Z", &api, &mut connector, &saturday);
    assert_eq!(days(api.take_requests()), ["2026-03-13"], "the 11th was a holiday");
    assert_eq!(monday.records().len(), 0);
}

#[test]
fn the_market_before_the_plans_history_costs_only_that() {
    let (api, mut connector) = CASES[3].set_up();
    api.market().floor = Some((date(2026, 3, 9), Straddling::Shortened));
    connector.set("start_date", "2025-12-01");
    let output = connector.at(WEDNESDAY, "read").succeeded();
    assert_eq!(output.records().len(), 2);
    let warning = "market_prices: the plan does not cover 2025-12-01 to 2026-03-0";
    assert!(output.logs("WARN")[0].starts_with(warning), "{:?}", output.logs("WARN"));
    assert!(api.take_requests().len() <= 14);
}

#[test]
fn a_day_that_the_api_takes_for_today_is_asked_for_again() {
    let (_, mut connector) = CASES[3].set_up();
    let first = connector.at(WEDNESDAY, "read").succeeded();
    assert_eq!(first.last_state()["date"], "2026-03-09", "the API's clock says that the 10th is not over");
    assert_eq!(connector.go_on_from(&first).at(WEDNESDAY, "read").succeeded().records().len(), 0);
}

#[test]
fn a_bar_of_the_market_without_a_ticker_is_an_error_and_no_record() {
    for nameless in ["", r#""T":null,"#, r#""T":"","#, r#""T":7,"#] {
        let (api, connector) = CASES[3].set_up();
        api.misbehave(move |_, _| Some(Fault::changed(move |body| body.replace(r#""T":"TSLA","#, nameless))));
        let output = connector.at(TUESDAY, "read");
        assert_eq!((output.failure().0, output.records().len()), ("system_error", 0), "{nameless}");
    }
}

#[test]
fn the_market_needs_no_ticker_of_its_own() {
    let (_, mut connector) = CASES[3].set_up();
    connector.set("stock_ticker", "NOSUCH");
    connector.catalog = catalog("market_prices", "full_refresh");
    let output = connector.at(TUESDAY, "read").succeeded();
    assert_eq!(output.records().len(), 4);
    assert!(output.records().iter().all(|record: &&Value| record["stock_ticker"] != "NOSUCH"));
}
