//! The pace on a key with a quota, on a simulated clock. On wiremock.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use source_stock_ticker_api::clock::Clock;

use crate::support::clock::SimulatedClock;
use crate::support::connector::{Connector, Output};
use crate::support::days::{date, moment};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::Market;
use crate::support::output::assert_words;

const NOW: &str = "2026-11-20T15:00:00Z";

/// What a free key lets through in a minute.
const FREE: usize = 5;

struct Run {
    api: FakeApi,
    clock: Arc<SimulatedClock>,
    connector: Connector,
}

/// So many tickers with a bar each.
fn tickers(number: usize) -> Run {
    let tickers: Vec<String> = (0..number).map(|number| format!("T{number}")).collect();
    let mut market = Market::at(NOW);
    for ticker in &tickers {
        market.days(ticker, &[(date(2026, 11, 19), 10.0)]);
    }
    let api = FakeApi::start(market);
    let connector = Connector::new(&api, &tickers.join(","));
    Run { api, clock: SimulatedClock::for_threads_at(moment(NOW)), connector }
}

impl Run {
    /// A check that uses up the quota.
    fn check_uses_the_minute(&self) {
        self.api.inject_faults(|_, request| {
            request.path.contains("/grouped/").then(|| Fault::status(403, "", r#"{"status":"NOT_AUTHORIZED"}"#))
        });
        let output = self.connector.run_with_clock(&self.clock, "check").succeeded();
        assert_eq!(output.connection_status().0, "SUCCEEDED");
        assert!(output.logs("INFO")[0].starts_with("Not checked, to save requests"), "the quota is used up");
        self.api.heal();
        self.api.take_requests();
    }

    /// The output, and how long it took.
    fn read(&self) -> (Output, Duration) {
        let before = self.clock.elapsed();
        let output = self.connector.run_with_clock(&self.clock, "read").succeeded();
        (output, self.clock.elapsed().checked_sub(before).unwrap())
    }
}

#[test]
fn free_key_runs_through_a_hundred_tickers_at_its_own_pace() {
    let run = tickers(100);
    run.api.set_quota(FREE, run.clock.clone());
    let (output, duration) = run.read();
    assert_eq!(output.records().len(), 100);
    let refused = run.api.take_requests().len() - 100;
    // Those under way at the first one, and then one a minute.
    assert!(refused <= 30, "{refused} requests were refused");
    let minutes = duration.as_secs() / 60;
    assert!((19..=22).contains(&minutes), "{minutes} minutes");

    let waits: Vec<_> =
        output.messages.iter().filter(|message| message["trace"]["stream_status"]["reasons"].is_array()).collect();
    assert!((17..=23).contains(&waits.len()), "{} waits were announced", waits.len());
    let reset = &waits[0]["trace"]["stream_status"]["reasons"][0]["rate_limited"]["quota_reset"];
    assert_eq!(reset.as_i64(), Some(moment("2026-11-20T15:01:00Z").timestamp_millis()));
    let waits: Vec<_> = output.logs("INFO").into_iter().filter(|text| text.starts_with("Rate limit reached")).collect();
    let words = ["Rate limit reached; resuming in 60 s", " of 100 tickers left, about "];
    assert_words(waits[0], &words);
}

#[test]
fn free_key_runs_through_a_hundred_tickers_in_22_minutes_after_a_check_that_used_the_minute() {
    let run = tickers(100);
    run.api.set_quota(FREE, run.clock.clone());
    run.check_uses_the_minute();
    let (output, duration) = run.read();
    assert_eq!(output.records().len(), 100);
    assert!(duration <= Duration::from_secs(22 * 60), "{duration:?}");
}

#[test]
fn free_key_runs_through_seven_tickers_in_150_seconds_after_a_check_that_used_the_minute() {
    let run = tickers(7);
    run.api.set_quota(FREE, run.clock.clone());
    run.check_uses_the_minute();
    let (output, duration) = run.read();
    assert_eq!(output.records().len(), 7);
    assert!(duration <= Duration::from_secs(150), "{duration:?}");
}

#[test]
fn stray_refusal_on_an_unlimited_key_costs_no_more_than_its_wait() {
    for refused in [0, 2, 30] {
        let run = tickers(200);
        run.api.inject_faults(move |number, _| (number == refused).then(|| Fault::status(429, "Retry-After: 1", "")));
        let (output, duration) = run.read();
        assert_eq!(output.records().len(), 200);
        assert!(duration <= Duration::from_secs(60), "{duration:?} after a refusal of request {refused}");
    }
}

#[test]
fn two_runs_on_one_free_key_both_come_through() {
    let run = tickers(6);
    run.api.set_quota(FREE, run.clock.clone());
    let (clock, other) = (run.clock.clone(), Connector::new(&run.api, "T0,T1,T2,T3,T4,T5"));
    let second = thread::spawn(move || other.run_with_clock(&clock, "read").succeeded().records().len());
    assert_eq!(run.read().0.records().len(), 6);
    assert_eq!(second.join().expect("no panic"), 6);
    assert!(run.clock.elapsed() <= Duration::from_secs(210), "{:?}", run.clock.elapsed());
}

#[test]
fn nothing_but_refusals_end_the_run_after_a_quarter_of_an_hour() {
    let run = tickers(500);
    run.api.set_quota(0, run.clock.clone());
    let output = run.connector.run_with_clock(&run.clock, "read");
    let (failure_type, message) = output.failure();
    assert_eq!(failure_type, "transient_error");
    assert!(message.contains("still rate-limited after 15 minutes (HTTP 429: You've exceeded"), "{message}");
    assert_eq!(output.statuses().last(), Some(&"INCOMPLETE"));
    let minutes = run.clock.elapsed().as_secs() / 60;
    assert!((15..=16).contains(&minutes), "{minutes} minutes");
}

/// What the waits say is left: so many of so many, and minutes.
fn left(output: &Output) -> Vec<(usize, usize, usize)> {
    let logs = output.logs("INFO").into_iter();
    let waits = logs.filter(|text| text.starts_with("Rate limit reached"));
    let numbers = |text: &str| -> Vec<usize> {
        let words = text.split(|c: char| !c.is_ascii_digit());
        words.filter_map(|word| word.parse().ok()).collect()
    };
    waits
        .map(|text| match numbers(text)[..] {
            [_seconds, left, all, minutes] => (left, all, minutes),
            _ => panic!("{text}"),
        })
        .collect()
}

#[test]
fn waits_say_how_much_is_left_and_how_long_it_takes_at_the_present_rate() {
    let run = tickers(100);
    run.api.set_quota(20, run.clock.clone());
    let waits = left(&run.read().0);
    let (first_left, all, minutes) = waits[0];
    assert!((75..=90).contains(&first_left), "{first_left}");
    assert_eq!(all, 100);
    assert!((4..=first_left.div_ceil(FREE)).contains(&minutes), "{minutes} minutes");
    let last = *waits.last().expect("a wait");
    assert!(last.0 <= 40 && last.2 == last.0.div_ceil(20), "{waits:?}");
}

#[test]
fn waits_of_the_market_count_its_days() {
    let mut run = tickers(1);
    run.connector.set("start_date", "2026-11-02").stream("market_prices", "incremental");
    run.api.set_quota(FREE, run.clock.clone());
    let (output, _) = run.read();
    output.assert_logged("INFO", &[" of 14 days left, about "]);
}

#[test]
fn wait_of_a_moment_is_announced_too() {
    // After some seconds of retries, so that the wait's end is no short time after the start.
    let run = tickers(1);
    run.api.inject_faults(|number, _| match number {
        0..4 => Some(Fault::status(503, "", "")),
        4 => Some(Fault::status(429, "Retry-After: 2", "")),
        _ => None,
    });
    let (output, duration) = run.read();
    assert!(duration > Duration::from_secs(8), "{duration:?}");
    assert_eq!(left(&output), [(1, 1, 1)]);
}

#[test]
fn wait_of_several_requests_is_announced_once() {
    let run = tickers(8);
    let refused = Mutex::new(BTreeSet::new());
    run.api.inject_faults(move |_, request| {
        let is_new = refused.lock().expect("no panic").insert(request.path.clone());
        is_new.then(|| Fault::status(429, "Retry-After: 20", ""))
    });
    let output = run.read().0;
    let reset = |message: &Value| {
        let reasons = &message["trace"]["stream_status"]["reasons"];
        reasons[0]["rate_limited"]["quota_reset"].as_i64()
    };
    let resets: Vec<i64> = output.messages.iter().filter_map(reset).collect();
    assert!(!resets.is_empty());
    let is_another = |pair: &[i64]| pair[0] + 5_000 <= pair[1];
    assert!(resets.windows(2).all(is_another), "{resets:?}");
}
