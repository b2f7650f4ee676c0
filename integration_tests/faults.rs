//! Bad weather, one row a fault: what comes out, how it is classed, and how many requests it costs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde_json::json;
use source_stock_ticker_api::clock::Clock;

use crate::support::clock::SimulatedClock;
use crate::support::connector::{Connector, Output, Table};
use crate::support::fake_api::{FakeApi, Fault, KEY};
use crate::support::market::Market;

const NOW: &str = "2026-11-20T15:00:00Z";

/// Six days of one ticker, on three pages.
fn api() -> FakeApi {
    let mut market = Market::at(NOW);
    market.page_size = 2;
    for number in 0..6 {
        market.days("TSLA", &[(date(2026, 11, 12).saturating_add(number.days()), 400.0 + f64::from(number))]);
    }
    FakeApi::start(market)
}

/// What becomes of a sync in which one request fails this way once, and of one in which it always does.
struct Row {
    name: &'static str,
    fault: fn() -> Fault,
    /// Whether the next try may succeed.
    passes: bool,
    /// The failure's type where it does not pass.
    failure_type: &'static str,
    /// Tries of the failing request where it does not pass.
    tries: usize,
    /// Part of the message.
    says: &'static str,
}

const LIMITED: &str =
    r#"{"status":"ERROR","request_id":"0","error":"You've exceeded the maximum requests per minute"}"#;

/// Until 15 minutes have passed with nothing but refusals, at one a minute.
const REFUSALS: usize = 16;

const fn passing(name: &'static str, fault: fn() -> Fault, says: &'static str) -> Row {
    Row { name, fault, passes: true, failure_type: "transient_error", tries: 6, says }
}

const fn lasting(name: &'static str, fault: fn() -> Fault, says: &'static str) -> Row {
    Row { name, fault, passes: false, failure_type: "system_error", tries: 1, says }
}

const ROWS: &[Row] = &[
    Row {
        tries: REFUSALS,
        ..passing("429", || Fault::status(429, "", LIMITED), "no more requests at present (You've exceeded")
    },
    Row {
        tries: REFUSALS,
        ..passing("429 without a body", || Fault::status(429, "", ""), "no more requests at present (no text)")
    },
    Row {
        tries: 33,
        ..passing(
            "429 with seconds",
            || Fault::status(429, "Retry-After: 10\r\n", LIMITED),
            "no more requests at present",
        )
    },
    Row {
        // In an hour: capped at five minutes.
        tries: 4,
        ..passing(
            "429 with a date",
            || Fault::status(429, "Retry-After: Fri, 20 Nov 2026 16:00:00 GMT\r\n", LIMITED),
            "no more requests",
        )
    },
    passing("408", || Fault::status(408, "", ""), "status 408"),
    passing("500", || Fault::status(500, "", r#"{"status":"ERROR","error":"boom"}"#), "status 500: boom"),
    passing("502 in HTML", || Fault::status(502, "", "<html>Bad Gateway</html>"), "status 502: an HTML page"),
    passing("503 without a body", || Fault::status(503, "", ""), "status 503: no text"),
    passing("reset before the headers", || Fault::Reset, "after 6 tries"),
    passing("cut in mid-body", || Fault::CutInHalf, "the answer broke off"),
    passing("silence", || Fault::Silent, "the answer broke off"),
    passing("truncated JSON", || Fault::changed(|body| body[..body.len() - 9].to_owned()), "the answer is not JSON"),
    passing("HTML with 200", || Fault::changed(|_| "<html>please log in</html>".to_owned()), "the answer is not JSON"),
    passing("nothing with 200", || Fault::changed(|_| String::new()), "the answer is not JSON"),
    passing(
        "a number with 200",
        || Fault::changed(|body| body.replace("400", "4.0.0").replace("402", "4.0.2").replace("404", "4.0.4")),
        "the answer is not JSON",
    ),
    lasting(
        "status ERROR with 200",
        || Fault::changed(|_| r#"{"status":"ERROR","error":"odd"}"#.to_owned()),
        r#"its status is "ERROR" (odd)"#,
    ),
    lasting("an array", || Fault::changed(|_| "[]".to_owned()), "can't be used"),
    lasting(
        "results of the wrong type",
        || Fault::changed(|_| r#"{"status":"OK","results":{"a":1}}"#.to_owned()),
        "can't be used",
    ),
    lasting("a textual close", || Fault::changed(|body| body.replace(r#""c":40"#, r#""c":"x","z":40"#)), r#""c":"x""#),
    lasting("a bar without a time", || Fault::changed(|body| body.replace(r#""t":"#, r#""tt":"#)), "missing field `t`"),
    lasting(
        "a time out of range",
        || Fault::changed(|body| body.replace(r#""t":"#, r#""t":1e300,"tt":"#)),
        "can't be read",
    ),
    lasting(
        "a price out of range",
        || Fault::changed(|body| body.replace(r#","h":"#, r#"e999,"h":"#)),
        "e999 can't be kept",
    ),
    lasting(
        "a next_url about another ticker",
        || {
            Fault::changed(|body| {
                with_next_url(body, "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/day/1/2026-11-19")
            })
        },
        "is not about TSLA",
    ),
    lasting("a next_url that is none", || Fault::changed(|body| with_next_url(body, "::")), "is not about TSLA"),
    lasting(
        "a redirect",
        || Fault::status(302, "Location: https://evil.example/\r\n", ""),
        "the key goes nowhere else",
    ),
    lasting(
        "a permanent redirect",
        || Fault::status(308, "Location: /v2/aggs/elsewhere\r\n", ""),
        "the key goes nowhere else",
    ),
    lasting(
        "400",
        || Fault::status(400, "", r#"{"status":"ERROR","error":"Ticker was incorrectly formatted"}"#),
        "Ticker was incorrectly formatted",
    ),
    lasting("404", || Fault::status(404, "", "404 page not found\n"), "Check api_url"),
    lasting("418", || Fault::status(418, "", "teapot"), "refused the request (418: teapot)"),
    Row {
        failure_type: "config_error",
        ..lasting(
            "401",
            || Fault::status(401, "", r#"{"status":"ERROR","error":"Unknown API Key"}"#),
            "Unknown API Key",
        )
    },
    Row {
        failure_type: "config_error",
        ..lasting(
            "403",
            || Fault::status(403, "", r#"{"status":"NOT_AUTHORIZED","message":"You are not entitled to this data."}"#),
            "the key is fine",
        )
    },
    Row {
        failure_type: "config_error",
        ..lasting(
            "NOT_AUTHORIZED with 200",
            || Fault::changed(|_| r#"{"status":"NOT_AUTHORIZED","message":"no"}"#.to_owned()),
            "the key is fine",
        )
    },
];

fn with_next_url(body: String, next_url: &str) -> String {
    let end = body.find(r#","next_url""#).unwrap_or(body.len() - 1);
    format!(r#"{},"next_url":"{next_url}"}}"#, &body[..end])
}

/// The first page, the middle one, the last.
const PAGES: [usize; 3] = [0, 1, 2];

fn connector(api: &FakeApi, sync_mode: &str) -> Connector {
    let mut connector = Connector::new(api, "TSLA");
    connector.set("start_date", "2026-11-12").stream("stock_prices", sync_mode);
    connector
}

#[test]
fn a_fault_that_passes_costs_a_request_and_nothing_else() {
    for (row, sync_mode) in
        ROWS.iter().filter(|row| row.passes).flat_map(|row| [(row, "full_refresh"), (row, "incremental")])
    {
        for page in PAGES {
            let api = api();
            api.misbehave(move |number, _| (number == page).then(row.fault));
            let output = connector(&api, sync_mode).at(NOW, "read").succeeded();
            assert_eq!(output.records().len(), 6, "{} on page {page}", row.name);
            assert_eq!(output.states().len(), 4);
            assert_eq!(api.take_requests().len(), 4, "{} on page {page}", row.name);
        }
    }
}

#[test]
fn a_fault_that_lasts_ends_with_the_truth() {
    for (row, sync_mode) in ROWS.iter().flat_map(|row| [(row, "full_refresh"), (row, "incremental")]) {
        for page in PAGES {
            let api = api();
            let broken = if row.passes { page..usize::MAX } else { page..page + 1 };
            api.misbehave(move |number, _| broken.contains(&number).then(row.fault));
            let mut connector = connector(&api, sync_mode);
            let output = connector.at(NOW, "read");
            let (failure_type, message) = output.failure();
            let context = format!("{} on page {page}: {message}", row.name);
            assert_eq!(failure_type, row.failure_type, "{context}");
            assert!(message.contains(row.says), "{context}");
            // An answer with a bad next_url still has good bars; nothing of it is emitted, and it will come again.
            assert_eq!(output.records().len(), 2 * page, "{context}");
            let cursor = &output.last_state()["TSLA"]["date"];
            let expected = if page == 0 { json!(null) } else { json!(format!("2026-11-{}", 11 + 2 * page)) };
            assert_eq!(*cursor, expected, "{context}");
            assert_eq!(output.statuses().last(), Some(&"INCOMPLETE"), "{context}");
            let requests = api.take_requests().len() - page;
            // A page that went through before the refusals shifts them against the quarter of an hour.
            let allowed = if row.tries > 6 { 2 } else { 0 };
            assert!(requests.abs_diff(row.tries) <= allowed, "{context}: {requests} requests");

            if sync_mode == "incremental" {
                api.misbehave(|_, _| None);
                let mut table = Table::default();
                table.load(&output);
                let rest = connector.go_on_from(&output).at(NOW, "read").succeeded();
                assert_eq!(table.load(&rest), 0, "{context}");
                assert_eq!(table.0.len(), 6, "{context}");
            }
        }
    }
}

#[test]
fn a_gigantic_answer_is_cut_off() {
    let api = api();
    api.misbehave(|_, _| Some(Fault::Gigantic));
    let output = connector(&api, "incremental").at(NOW, "read");
    let (failure_type, message) = output.failure();
    assert_eq!(failure_type, "system_error");
    assert!(message.contains("larger than"), "{message}");
    assert_eq!(api.take_requests().len(), 1);
}

#[test]
fn a_next_url_that_repeats_or_never_ends_is_an_error() {
    let api = api();
    let next_url = "https://api.polygon.io/v2/aggs/ticker/TSLA/range/1/day/2026-11-12/2026-11-19?cursor=";
    // The same address again and again, or ever another one, and ever the same bars.
    for repeats in [true, false] {
        api.misbehave(move |number, _| {
            let number = if repeats { 0 } else { number };
            Some(Fault::changed(move |body| with_next_url(body, &format!("{next_url}{number}"))))
        });
        let output = connector(&api, "incremental").at(NOW, "read");
        assert!(output.failure().1.contains("leads round in a circle"), "{:?}", output.failure());
        assert!(api.take_requests().len() < 8);
    }
}

#[test]
fn a_trailing_next_url_leads_to_the_end() {
    for past_the_end in [
        || Fault::changed(|_| r#"{"adjusted":true,"status":"OK","queryCount":0,"resultsCount":0}"#.to_owned()),
        || {
            Fault::status(
                400,
                "",
                r#"{"status":"ERROR","error":"The parameter 'to' cannot be a time that occurs before 'from'"}"#,
            )
        },
    ] {
        let api = api();
        api.misbehave(move |number, _| match number {
            2 => Some(Fault::changed(|body| {
                with_next_url(
                    body,
                    "https://api.polygon.io/v2/aggs/ticker/TSLA/range/1/day/1794978000000/2026-11-19?cursor=x",
                )
            })),
            3 => Some(past_the_end()),
            _ => None,
        });
        let output = connector(&api, "incremental").at(NOW, "read").succeeded();
        assert_eq!((output.records().len(), api.take_requests().len()), (6, 4));
    }
}

#[test]
fn a_foreign_next_url_with_a_planted_key_stays_at_the_configured_origin() {
    let api = api();
    api.misbehave(|number, _| {
        (number == 0).then(|| {
            Fault::changed(|body| {
                let body = body.replace("https://api.massive.com", "https://evil.example");
                body.replace("?cursor=", "?apiKey=planted&cursor=")
            })
        })
    });
    let output = connector(&api, "incremental").at(NOW, "read").succeeded();
    assert_eq!(output.records().len(), 6);
    let requests = api.take_requests();
    assert_eq!(requests.len(), 3, "all came here");
    assert!(requests.iter().all(|request| !request.query.contains("planted")));
}

#[test]
fn a_key_that_the_api_quotes_is_not_passed_on() {
    let api = api();
    let body = format!(r#"{{"status":"ERROR","error":"Unknown API Key {KEY}"}}"#);
    api.misbehave(move |_, _| Some(Fault::status(401, "", &body)));
    // The output is searched for the key wherever it is taken apart.
    assert!(connector(&api, "incremental").at(NOW, "read").failure().1.contains("Unknown API Key (api_key)"));
    assert!(
        connector(&api, "incremental").at(NOW, "check").connection_status().1.contains("Unknown API Key (api_key)")
    );
}

#[test]
fn no_network_is_a_transient_error() {
    for (url, says) in [
        ("http://127.0.0.1:1", "refused"),
        ("https://127.0.0.1:1", "refused"),
        ("https://no-such-host.invalid", "no usable answer"),
    ] {
        let api = api();
        let mut connector = connector(&api, "incremental");
        connector.set("api_url", url);
        let output = connector.at(NOW, "read");
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "transient_error");
        assert!(message.contains(says) && message.contains("after 6 tries"), "{message}");
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_named() {
    let address = crate::support::untrusted::serve();
    let mut connector = Connector::new(&api(), "TSLA");
    connector.set("api_url", format!("https://localhost:{}", address.port()));
    let output = connector.at(NOW, "read");
    let (failure_type, message) = output.failure();
    assert_eq!(failure_type, "transient_error");
    assert!(message.contains("certificate"), "{message}");
}

/// A hundred tickers, and an API that lets five requests a minute through.
#[test]
fn a_free_key_runs_through_a_hundred_tickers_at_its_own_pace() {
    let tickers: Vec<String> = (0..100).map(|number| format!("T{number}")).collect();
    let mut market = Market::at(NOW);
    for ticker in &tickers {
        market.days(ticker, &[(date(2026, 11, 19), 10.0)]);
    }
    let api = FakeApi::start(market);
    let clock = SimulatedClock::for_threads_at(NOW.parse().unwrap());
    api.set_quota(5, clock.clone());
    let output = Connector::new(&api, &tickers.join(",")).on(&clock, "read").succeeded();
    assert_eq!(output.records().len(), 100);
    let refused = api.take_requests().len() - 100;
    // Those under way at the first refusal, and one for each careful try to go faster.
    assert!(refused <= 8, "{refused} requests were refused");
    let minutes = clock.elapsed().as_secs() / 60;
    assert!((19..=24).contains(&minutes), "{minutes} minutes");

    let waits: Vec<_> =
        output.messages.iter().filter(|message| message["trace"]["stream_status"]["reasons"].is_array()).collect();
    assert!((17..=23).contains(&waits.len()), "{} waits were announced", waits.len());
    let reset = &waits[0]["trace"]["stream_status"]["reasons"][0]["rate_limited"]["quota_reset"];
    assert_eq!(reset.as_i64(), Some("2026-11-20T15:01:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond()));
    let told = output.logs("INFO");
    assert!(told.iter().any(|text| text.contains("tickers left, about") && text.contains("minutes")), "{told:?}");
}

#[test]
fn one_tickers_failure_leaves_the_others_alone() {
    let mut market = Market::at(NOW);
    let tickers = ["AAPL", "BAD", "MSFT", "TSLA", "WORSE"];
    for ticker in tickers {
        market.days(ticker, &[(date(2026, 11, 18), 9.0), (date(2026, 11, 19), 10.0)]);
    }
    let api = FakeApi::start(market);
    api.misbehave(|_, request| match () {
        () if request.path.contains("/BAD/") => Some(Fault::status(500, "", "")),
        () if request.path.contains("/WORSE/") => Some(Fault::changed(|_| "[]".to_owned())),
        () => None,
    });
    let output = Connector::new(&api, &tickers.join(",")).at(NOW, "read");
    let read: HashSet<_> = output.prices().into_iter().map(|price| price.0.to_owned()).collect();
    assert_eq!(read, ["AAPL", "MSFT", "TSLA"].map(str::to_owned).into());
    assert_eq!(output.last_state().as_object().unwrap().len(), 3, "those that failed have no state");
    let (failure_type, message) = output.failure();
    assert_eq!(failure_type, "transient_error", "a retry helps one of them");
    assert!(message.contains("BAD: ") && message.contains("WORSE: ") && !message.contains("MSFT"), "{message}");
    assert_eq!(output.logs("ERROR").len(), 2);
}

#[test]
fn an_unknown_key_ends_everything_at_once() {
    let api = api();
    let mut connector =
        Connector::new(&api, &(0..500).map(|number| format!("T{number}")).collect::<Vec<_>>().join(","));
    connector.set("api_key", "pk_wrong");
    connector.catalog = json!({"streams": [
        crate::support::connector::configured("stock_prices", "incremental"),
        crate::support::connector::configured("market_prices", "incremental"),
    ]});
    let output = connector.at(NOW, "read");
    assert_eq!(output.failure().0, "config_error");
    assert!(output.failure().1.contains("Unknown API Key"));
    assert_eq!(output.statuses(), ["STARTED", "INCOMPLETE"]);
    assert!(api.take_requests().len() <= 8, "the tickers that were under way");
}

#[test]
fn a_slow_ticker_holds_up_no_other() {
    let mut market = Market::at(NOW);
    let days: Vec<(Date, f64)> = vec![(date(2026, 11, 19), 10.0)];
    let tickers: Vec<String> = (0..20).map(|number| format!("T{number}")).chain(["SLOW".to_owned()]).collect();
    for ticker in &tickers {
        market.days(ticker, &days);
    }
    let api = FakeApi::start(market);
    api.misbehave(|number, request| {
        // Silent the first time, and an answer the second.
        (request.path.contains("/SLOW/") && number < 15).then_some(Fault::Silent)
    });
    let mut listed = tickers.clone();
    listed.rotate_right(1);
    let output = Connector::new(&api, &listed.join(",")).at(NOW, "read").succeeded();
    let order: Vec<_> = output.prices().iter().map(|price| price.0.to_owned()).collect();
    let place = order.iter().position(|ticker| ticker == "SLOW");
    assert_eq!(order.len(), 21);
    assert!(place.is_some_and(|place| place >= 10), "it was begun first: {order:?}");
}

#[test]
fn a_large_state_does_not_follow_every_page() {
    let tickers: Vec<String> = (0..2_000).map(|number| format!("TICKER{number}")).collect();
    let mut market = Market::at(NOW);
    for ticker in &tickers {
        market.days(ticker, &[(date(2026, 11, 19), 10.0)]);
    }
    let api = FakeApi::start(market);
    let output = Connector::new(&api, &tickers.join(",")).at(NOW, "read").succeeded();
    assert_eq!(output.records().len(), 2_000);
    let bytes = |kind: &str| -> usize { output.text.lines().filter(|line| line.contains(kind)).map(str::len).sum() };
    let (records, states) = (bytes(r#""type":"RECORD""#), bytes(r#""type":"STATE""#));
    assert!(states < 100 * records, "{states} bytes of states for {records} bytes of records");
    assert_eq!(output.last_state().as_object().unwrap().len(), 2_000);
}

#[test]
fn a_run_takes_no_longer_than_its_waits() {
    // Six tries with waits of about 1, 2, 4, 8 and 16 seconds between them.
    let api = api();
    api.misbehave(|_, _| Some(Fault::status(500, "", "")));
    let clock: Arc<SimulatedClock> = SimulatedClock::at(NOW.parse().unwrap());
    let output: Output = connector(&api, "incremental").on(&clock, "read");
    assert_eq!(output.failure().0, "transient_error");
    assert!((Duration::from_secs(15)..Duration::from_secs(47)).contains(&clock.elapsed()), "{:?}", clock.elapsed());
}
