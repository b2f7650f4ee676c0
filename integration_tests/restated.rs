//! History that changed: splits, corrections, another basis, and the limits of the user's plan.

use jiff::civil::{Date, date};
use serde_json::{Value, json};

use crate::support::connector::{Connector, Table};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::{Market, Straddling, TradedBar};

/// NVDA around its ten-for-one split of 2024-06-10, as traded.
const NVDA: [(Date, f64); 6] = [
    (date(2024, 6, 5), 1224.4),
    (date(2024, 6, 6), 1209.98),
    (date(2024, 6, 7), 1208.88),
    (date(2024, 6, 10), 121.79),
    (date(2024, 6, 11), 120.91),
    (date(2024, 6, 12), 125.2),
];

/// A market that shows NVDA up to the eve of its split, and a connector that has read it on Saturday.
fn before_the_split() -> (FakeApi, Connector, Table, crate::support::connector::Output) {
    let mut market = Market::at("2024-06-08T12:00:00Z");
    market.days("NVDA", &NVDA);
    let api = FakeApi::start(market);
    let mut connector = Connector::new(&api, "NVDA");
    connector.set("start_date", "2024-06-05");
    let first = connector.at("2024-06-08T12:00:00Z", "read").succeeded();
    assert_eq!(first.prices().last(), Some(&("NVDA", "2024-06-07", 1208.88)));
    assert_eq!(api.take_requests().len(), 1);
    let mut table = Table::default();
    table.load(&first);
    (api, connector, table, first)
}

const TUESDAY: &str = "2024-06-11T12:00:00Z";

fn split(api: &FakeApi) {
    let mut market = api.market();
    market.now = TUESDAY.parse().unwrap();
    market.splits.push(("NVDA".to_owned(), date(2024, 6, 10), 10.0));
}

fn full_refresh(connector: &Connector, now: &str) -> Table {
    let mut table = Table::default();
    table.load(&connector.afresh("stock_prices").at(now, "read").succeeded());
    table
}

#[test]
fn a_split_between_two_syncs_leaves_one_consistent_basis() {
    let (api, mut connector, mut table, first) = before_the_split();
    split(&api);
    let second = connector.go_on_from(&first).at(TUESDAY, "read").succeeded();
    assert_eq!(api.take_requests().len(), 2, "one to notice it, one to read again");
    assert_eq!(
        second.logs("WARN"),
        [
            "NVDA: the price of 2024-06-07 was 1208.88 and is now 120.888: history was restated, reading again from 2024-06-05"
        ]
    );
    table.load(&second);
    assert_eq!(table, full_refresh(&connector, TUESDAY));
    assert_eq!(
        second.last_state()["NVDA"],
        json!({"since": "2024-06-05", "date": "2024-06-10", "price": 121.79, "adjusted": true})
    );

    api.take_requests();
    let third = connector.go_on_from(&second).at(TUESDAY, "read").succeeded();
    assert_eq!((third.records().len(), api.take_requests().len()), (0, 1), "an ordinary sync again");
}

#[test]
fn a_split_is_read_again_from_the_first_day_ever_asked_for() {
    let (api, mut connector, _, first) = before_the_split();
    split(&api);
    for start_date in [Value::Null, json!("2024-06-07")] {
        connector.set("start_date", start_date).go_on_from(&first);
        let second = connector.at(TUESDAY, "read").succeeded();
        assert_eq!(second.prices().first(), Some(&("NVDA", "2024-06-05", 122.44)));
    }
}

#[test]
fn unadjusted_prices_know_no_splits() {
    let (api, mut connector, _, _) = before_the_split();
    connector.set("adjusted", false);
    connector.state = None;
    let first = connector.at("2024-06-08T12:00:00Z", "read").succeeded();
    split(&api);
    api.take_requests();
    let second = connector.go_on_from(&first).at(TUESDAY, "read").succeeded();
    assert_eq!(second.prices(), [("NVDA", "2024-06-10", 121.79)]);
    assert_eq!(second.records()[0]["adjusted"], false);
    assert!(api.take_requests().iter().all(|request| request.query.contains("adjusted=false")));
}

#[test]
fn another_basis_reads_everything_again() {
    let (_, mut connector, _, first) = before_the_split();
    connector.set("adjusted", false).go_on_from(&first);
    let second = connector.at("2024-06-08T12:00:00Z", "read").succeeded();
    assert_eq!(second.records().len(), 3);
    assert_eq!(second.logs("WARN"), ["NVDA: adjusted was true and is now false, reading again from 2024-06-05"]);
    assert_eq!(second.last_state()["NVDA"]["adjusted"], false);
    connector.go_on_from(&second);
    assert_eq!(connector.at("2024-06-08T12:00:00Z", "read").succeeded().records().len(), 0);
}

#[test]
fn a_corrected_bar_reads_everything_again() {
    let (api, mut connector, mut table, first) = before_the_split();
    api.market().day("NVDA", date(2024, 6, 7), TradedBar::closing_at(1208.9));
    let second = connector.go_on_from(&first).at("2024-06-08T12:00:00Z", "read").succeeded();
    table.load(&second);
    assert_eq!(table, full_refresh(&connector, "2024-06-08T12:00:00Z"));
}

#[test]
fn a_last_bar_that_is_gone_reads_everything_again() {
    let (api, mut connector, _, first) = before_the_split();
    api.market().bars.values_mut().next().unwrap().remove(&crate::support::market::new_york_midnight(date(2024, 6, 7)));
    let second = connector.go_on_from(&first).at("2024-06-08T12:00:00Z", "read").succeeded();
    assert_eq!(
        second.logs("WARN"),
        ["NVDA: the bar of 2024-06-07 is gone: history was restated, reading again from 2024-06-05"]
    );
    assert_eq!(second.records().len(), 2);
    assert_eq!(second.last_state()["NVDA"]["date"], "2024-06-06");
}

#[test]
fn an_answer_that_is_empty_all_at_once_moves_nothing() {
    let (api, mut connector, _, first) = before_the_split();
    let bars = std::mem::take(&mut api.market().bars);
    let second = connector.go_on_from(&first).at("2024-06-08T12:00:00Z", "read").succeeded();
    assert_eq!((second.records().len(), second.last_state()), (0, first.last_state()));
    assert_eq!(second.logs("WARN").len(), 2, "{:?}", second.logs("WARN"));
    api.market().bars = bars;
    let third = connector.go_on_from(&second).at("2024-06-08T12:00:00Z", "read").succeeded();
    assert_eq!((third.records().len(), third.logs("WARN").len()), (0, 0));
}

/// A sync that is broken off while it reads again, page by page, and taken up by the next.
#[test]
fn a_reread_that_is_broken_off_is_taken_up_again() {
    for good_pages in 0..5 {
        let (api, mut connector, mut table, first) = before_the_split();
        split(&api);
        api.market().page_size = 1;
        // The first request notices the split.
        let broken = Fault::status(400, "", "{}");
        api.misbehave(move |number, _| (number > good_pages).then(|| broken.clone()));
        let second = connector.go_on_from(&first).at(TUESDAY, "read");
        table.load(&second);
        assert_eq!((second.exit_code != 0, second.records().len()), (good_pages < 4, good_pages), "{good_pages}");
        if good_pages < 3 {
            let state = &second.last_state()["NVDA"];
            assert_eq!(
                (&state["date"], &state["price"]),
                (&json!("2024-06-07"), &json!(1208.88)),
                "rows on the old basis are left"
            );
            assert_eq!(state["reread"]["since"], "2024-06-05");
        }
        api.misbehave(|_, _| None);
        let third = connector.go_on_from(&second).at(TUESDAY, "read").succeeded();
        assert_eq!(second.records().len() + third.records().len(), 4, "nothing of it is read twice");
        table.load(&third);
        assert_eq!(table, full_refresh(&connector, TUESDAY));
        assert!(third.last_state()["NVDA"]["reread"].is_null());
    }
}

#[test]
fn a_reread_that_is_broken_off_and_overtaken_by_another_split_begins_anew() {
    let (api, mut connector, mut table, first) = before_the_split();
    split(&api);
    api.market().page_size = 1;
    api.misbehave(|number, _| (number > 2).then(|| Fault::status(400, "", "{}")));
    let second = connector.go_on_from(&first).at(TUESDAY, "read");
    table.load(&second);
    api.misbehave(|_, _| None);
    api.market().splits.push(("NVDA".to_owned(), date(2024, 6, 11), 2.0));
    let third = connector.go_on_from(&second).at(TUESDAY, "read").succeeded();
    table.load(&third);
    assert_eq!(table, full_refresh(&connector, TUESDAY));
}

#[test]
fn a_backfill_that_is_broken_off_is_taken_up_again_without_doubles() {
    let (api, mut connector, mut table, first) = before_the_split();
    let days: Vec<_> = (1..=9).map(|day| (date(2024, 5, day), 880.0 + f64::from(day))).collect();
    let mut market = api.market();
    market.days("NVDA", &days);
    market.page_size = 2;
    drop(market);
    connector.set("start_date", "2024-05-01");
    api.misbehave(|number, _| (number > 2).then(|| Fault::status(400, "", "{}")));
    let second = connector.go_on_from(&first).at("2024-06-08T12:00:00Z", "read");
    assert_eq!(table.load(&second), 0);
    assert_eq!(second.records().len(), 4);
    assert_eq!(second.last_state()["NVDA"]["since"], "2024-06-05", "until it has come through");
    api.misbehave(|_, _| None);
    let third = connector.go_on_from(&second).at("2024-06-08T12:00:00Z", "read").succeeded();
    assert_eq!(table.load(&third), 0);
    assert_eq!(third.last_state()["NVDA"]["since"], "2024-05-01");
    assert_eq!(table, full_refresh(&connector, "2024-06-08T12:00:00Z"));
}

#[test]
fn a_backfill_that_the_end_date_cuts_short_is_finished_when_it_is_moved() {
    let (api, mut connector, mut table, first) = before_the_split();
    api.market().days("NVDA", &[(date(2024, 5, 1), 830.0), (date(2024, 5, 20), 947.8)]);
    connector.set("start_date", "2024-05-01").set("end_date", "2024-05-10");
    let second = connector.go_on_from(&first).at("2024-06-08T12:00:00Z", "read").succeeded();
    assert_eq!(table.load(&second), 0);
    assert_eq!(second.prices(), [("NVDA", "2024-05-01", 830.0)]);
    connector.set("end_date", Value::Null);
    let third = connector.go_on_from(&second).at("2024-06-08T12:00:00Z", "read").succeeded();
    assert_eq!(third.prices(), [("NVDA", "2024-05-20", 947.8)]);
}

#[test]
fn a_page_on_the_other_basis_is_an_error_and_never_data() {
    for page in 0..3 {
        let (api, mut connector, _, _) = before_the_split();
        api.market().page_size = 1;
        api.misbehave(move |number, _| {
            (number == page).then_some(Fault::changed(|body| body.replace(r#""adjusted":true"#, r#""adjusted":false"#)))
        });
        connector.state = None;
        let output = connector.at("2024-06-08T12:00:00Z", "read");
        assert_eq!(output.records().len(), page);
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "system_error");
        assert!(message.contains("adjusted=true were asked for, and it has adjusted=false"), "{message}");
    }
}

#[test]
fn the_basis_is_asked_for_on_every_page() {
    let (api, mut connector, _, _) = before_the_split();
    split(&api);
    api.market().page_size = 1;
    connector.set("adjusted", false);
    let output = connector.at(TUESDAY, "read").succeeded();
    assert_eq!(output.prices()[0], ("NVDA", "2024-06-05", 1224.4));
    assert!(api.take_requests().iter().all(|request| request.query.contains("adjusted=false")));
}

#[test]
fn a_history_that_begins_late_is_a_warning_with_both_dates() {
    let (_, mut connector, _, _) = before_the_split();
    connector.set("start_date", "2015-01-02");
    let output = connector.at("2024-06-08T12:00:00Z", "read").succeeded();
    let warning = output.logs("WARN")[0];
    assert!(warning.contains("the first bar is of 2024-06-05, and 2015-01-02 was asked for"), "{warning}");
    connector.set("start_date", "2024-05-27");
    assert_eq!(connector.at("2024-06-08T12:00:00Z", "read").succeeded().logs("WARN").len(), 0, "a long holiday");
}

/// Two tickers, one bar a month since 2014, and a plan with two years of history.
fn two_years(straddling: Straddling) -> (FakeApi, Connector) {
    let mut market = Market::at("2026-11-20T15:00:00Z");
    for ticker in ["AAPL", "MSFT"] {
        for year in 2014..=2026 {
            for month in 1..=12 {
                market.days(ticker, &[(date(year, month, 20), f64::from(year) + f64::from(month))]);
            }
        }
    }
    market.floor = Some((date(2024, 11, 20), straddling));
    let api = FakeApi::start(market);
    let mut connector = Connector::new(&api, "AAPL,MSFT");
    connector.set("start_date", "2014-01-02");
    (api, connector)
}

#[test]
fn a_plan_that_refuses_what_lies_before_its_history_costs_only_that() {
    let (api, connector) = two_years(Straddling::Refused);
    let output = connector.at("2026-11-20T15:00:00Z", "read").succeeded();
    let (_, shortened) = two_years(Straddling::Shortened);
    let expected = shortened.at("2026-11-20T15:00:00Z", "read").succeeded();
    let table = |output| {
        let mut table = Table::default();
        table.load(output);
        table
    };
    assert_eq!(table(&output), table(&expected));
    assert_eq!(table(&output).0.len(), 48);
    for ticker in ["AAPL", "MSFT"] {
        let warning = format!(
            "{ticker}: the plan does not cover 2014-01-02 to 2024-11-19 (after an upgrade, reset the stream to have it); reading from 2024-11-20"
        );
        assert!(output.logs("WARN").iter().any(|text| text.starts_with(&warning)), "{:?}", output.logs("WARN"));
        assert_eq!(output.last_state()[ticker]["since"], "2014-01-02");
    }
    let requests = api.take_requests().len();
    assert!(requests <= 12, "{requests}");
}

#[test]
fn a_sync_after_a_refusal_does_not_ask_for_the_refused_part_again() {
    let (api, mut connector) = two_years(Straddling::Refused);
    let first = connector.at("2026-11-20T15:00:00Z", "read").succeeded();
    api.take_requests();
    let second = connector.go_on_from(&first).at("2026-11-20T15:00:00Z", "read").succeeded();
    assert_eq!((second.records().len(), second.logs("WARN").len(), api.take_requests().len()), (0, 0, 2));
}

#[test]
fn a_last_bar_that_the_plan_refuses_is_not_taken_for_gone() {
    let (api, mut connector) = two_years(Straddling::Refused);
    connector.set("stock_ticker", "AAPL");
    let state = json!({"AAPL": {"since": "2014-01-02", "date": "2024-09-20", "price": 2033, "adjusted": true}});
    connector.state = Some(json!({"stock_prices": state}));
    let output = connector.at("2026-11-20T15:00:00Z", "read").succeeded();
    assert_eq!(output.prices().first().map(|price| price.1), Some("2024-11-20"));
    assert_eq!((output.records().len(), output.logs("WARN").len()), (24, 1), "{:?}", output.logs("WARN"));
    assert!(api.take_requests().len() <= 8);
}

#[test]
fn a_start_date_that_is_moved_before_the_plans_history_is_a_warning_once() {
    let (_, mut connector) = two_years(Straddling::Shortened);
    connector.set("start_date", "2024-11-20").set("stock_ticker", "AAPL");
    let first = connector.at("2026-11-20T15:00:00Z", "read").succeeded();
    connector.set("start_date", "2014-01-02").go_on_from(&first);
    let second = connector.at("2026-11-20T15:00:00Z", "read").succeeded();
    assert_eq!(second.records().len(), 0);
    assert!(second.logs("WARN")[0].starts_with("AAPL: the plan does not cover 2014-01-02 to 2024-11-19"));
    let third = connector.go_on_from(&second).at("2026-11-20T15:00:00Z", "read").succeeded();
    assert_eq!(third.logs("WARN").len(), 0);
}

#[test]
fn a_range_wholly_before_the_plans_history_says_that_the_key_is_fine() {
    let (_, mut connector) = two_years(Straddling::Shortened);
    connector.set("end_date", "2020-12-31");
    let output = connector.at("2026-11-20T15:00:00Z", "read");
    let (failure_type, message) = output.failure();
    assert_eq!(failure_type, "config_error");
    assert!(message.contains("AAPL: the key is fine") && message.contains("MSFT: the key is fine"), "{message}");
}

#[test]
fn bars_that_do_not_belong_are_dropped_and_counted_and_the_rest_is_put_in_order() {
    let (api, mut connector, _, _) = before_the_split();
    connector.state = None;
    api.misbehave(|_, _| {
        Some(Fault::changed(|_| {
            let bar = |start: i64| format!(r#"{{"v":1,"o":1,"c":{start},"h":1,"l":1,"t":{start}}}"#);
            let days = [1717732800000, 1717560000000, 1717646400000, 1717646400000, 1717473600000_i64];
            format!(r#"{{"adjusted":true,"status":"DELAYED","results":[{}]}}"#, days.map(bar).join(","))
        }))
    });
    let output = connector.at("2024-06-08T12:00:00Z", "read").succeeded();
    let dates: Vec<_> = output.prices().iter().map(|price| price.1.to_owned()).collect();
    assert_eq!(dates, ["2024-06-05", "2024-06-06", "2024-06-07"]);
    assert_eq!(
        output.logs("WARN"),
        ["NVDA: dropped 1 bar outside the days that were asked for and 1 bar that came twice"]
    );
}

#[test]
fn a_bar_that_can_not_be_read_fails_its_ticker_and_is_quoted() {
    let (api, mut connector, _, first) = before_the_split();
    api.market().now = TUESDAY.parse().unwrap();
    api.misbehave(|_, _| Some(Fault::changed(|body| body.replace(r#""c":121.79"#, r#""c":null"#))));
    let second = connector.go_on_from(&first).at(TUESDAY, "read");
    let (failure_type, message) = second.failure();
    assert_eq!(failure_type, "system_error");
    assert!(message.contains(r#""c":null"#) && message.contains("can't be read"), "{message}");
    assert_eq!((second.records().len(), second.last_state()), (0, first.last_state()));
}

/// Figures that were recorded around the changes to and from summer time, holidays and the split of AAPL.
#[test]
fn day_bars_have_the_trading_day_in_new_york() {
    for (start, day) in [
        (1112331600000, "2005-04-01"),
        (1112587200000, "2005-04-04"),
        (1598587200000, "2020-08-28"),
        (1598846400000, "2020-08-31"),
        (1599537600000, "2020-09-08"),
        (1672722000000, "2023-01-03"),
        (1709874000000, "2024-03-08"),
        (1710129600000, "2024-03-11"),
        (1735794000000, "2025-01-02"),
        (1783915200000, "2026-07-13"),
    ] {
        assert_eq!(
            source_stock_ticker_api::streams::BarSize::Day
                .cursor_value(source_stock_ticker_api::streams::BarSize::Day.key(start)),
            day
        );
    }
}
