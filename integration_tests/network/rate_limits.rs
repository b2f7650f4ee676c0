//! The pace on a key with a quota, on a simulated clock; unit tests of the gate have more cases.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
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

/// The requests that a free key allows per minute.
const FREE: usize = 5;

struct Run {
    api: FakeApi,
    clock: Arc<SimulatedClock>,
    connector: Connector,
}

/// `count` tickers with a bar each.
fn tickers(count: usize) -> Run {
    let tickers: Vec<String> = (0..count).map(|number| format!("T{number}")).collect();
    let mut market = Market::at(NOW);
    for ticker in &tickers {
        market.days(ticker, &[(date(2026, 11, 19), 10.0)]);
    }
    let api = FakeApi::start(market);
    let connector = Connector::new(&api, &tickers.join(","));
    Run { api, clock: SimulatedClock::for_threads_at(moment(NOW)), connector }
}

impl Run {
    fn read(&self) -> (Output, Duration) {
        let before = self.clock.elapsed();
        let output = self.connector.run_with_clock(&self.clock, "read").succeeded();
        (output, self.clock.elapsed().checked_sub(before).unwrap())
    }
}

#[test]
fn free_key_syncs_a_hundred_tickers_at_its_own_pace() {
    let run = tickers(100);
    run.api.set_quota(FREE, run.clock.clone());
    let (output, duration) = run.read();
    assert_eq!(output.records().len(), 100);
    let refused = run.api.take_requests().len() - 100;
    // Those in flight at the first refusal, and then one a minute.
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

/// The numbers in the announcements of waits: tickers left, all tickers, and minutes left.
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
fn waits_say_how_much_is_left_and_how_long_it_takes_at_the_current_rate() {
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
fn short_wait_is_announced_too() {
    // After some seconds of retries, so that the wait ends long after the start.
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
    assert_ne!(resets.len(), 0);
    let is_another = |pair: &[i64]| pair[0] + 5_000 <= pair[1];
    assert!(resets.windows(2).all(is_another), "{resets:?}");
}
