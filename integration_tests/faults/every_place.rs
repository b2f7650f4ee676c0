//! Every fault of the table at every request of a small market. A sync that fails says why, every record that it writes
//! is true, the next sync can resume from each of its STATEs, and after that sync the table is correct. (Every output is
//! searched for the key when it is parsed.)
//!
//! The suite tries every fault at a few places; `EVERY_PLACE=all cargo test every_place -- --nocapture` tries all places.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::table::{Outcome, Row, rows};
use crate::support::answers::answer;
use crate::support::connector::Output;
use crate::support::days::{date, midnight, new_york_time, zone_of};
use crate::support::destination::primary_key;
use crate::support::fake_api::{FakeApi, KEY, Request};
use crate::support::market::{Market, TradedBar, weekdays};
use crate::support::output::Scrutiny;
use crate::support::sampled;
use crate::support::scenario::Scenario;
use crate::support::streams::stream_named;

/// The times of the two syncs. No midnight is near, so that the waits of a sync pass none.
const SATURDAY: &str = "2026-11-14T12:00:00Z";
const TUESDAY: &str = "2026-11-17T12:00:00Z";

/// How many places the suite tries for each fault.
const PLACES_IN_SUITE: usize = 3;

/// The sync with the fault.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sync {
    First,
    AfterCorrections,
    AfterSplit,
}

/// A request of a sync, and whether its fault persists.
struct Place {
    stream: &'static str,
    sync: Sync,
    request: Request,
    body: String,
    lasts: bool,
}

fn target(request: &Request) -> String {
    format!("{}?{}", request.path, request.query)
}

/// Eleven days of two tickers on three pages or more each, and some hours of the last of them.
fn market(stream: &str) -> Market {
    let size = stream_named(stream).size;
    let mut market = Market::at(SATURDAY);
    // The hours of two months are one block, which fits into a page.
    market.page_size = if size.is_intraday() { 50_000 } else { 4 };
    for (place, ticker) in ["AAPL", "TSLA"].into_iter().enumerate() {
        let base = 200.0 + 100.0 * place as f64;
        for (number, day) in weekdays(date(2026, 10, 30), 18).enumerate() {
            let bar = TradedBar::closing_at(base + number as f64);
            if size.is_intraday() {
                let hours = if number < 8 { 0..0 } else { 10..13 + number as u32 % 3 };
                for hour in hours {
                    market.bar(size, ticker, new_york_time(day, hour, 0), bar);
                }
            } else {
                market.day(ticker, day, bar);
            }
        }
    }
    market
}

impl Sync {
    /// The scenario before the sync, and the time of the sync.
    fn scenario(self, stream: &'static str) -> (Scenario, &'static str) {
        let size = stream_named(stream).size;
        let mut market = market(stream);
        let at = |day, hour| {
            let hour = if size.is_intraday() { hour } else { 0 };
            midnight(zone_of("AAPL"), date(2026, 11, day)) + hour * 3_600_000
        };
        let late = at(13, 11);
        let late_bar = market.bars_of(size, "TSLA")[&late];
        if self != Sync::First {
            market.remove(size, "TSLA", late);
        }
        let api = FakeApi::start(market);
        let mut scenario = Scenario::with_api(api, "AAPL,TSLA", stream, "2026-10-30");
        scenario.connector.scrutiny = Scrutiny::FirstRecord;
        if self == Sync::First {
            return (scenario, SATURDAY);
        }
        scenario.sync(SATURDAY);
        scenario.api.market().bar(size, "TSLA", late, late_bar);
        scenario.correct(size, "AAPL", at(13, 12), |bar| bar.close += 0.25);
        if self == Sync::AfterSplit {
            scenario.api.market().split("AAPL", date(2026, 11, 16), 2.0);
        }
        (scenario, TUESDAY)
    }

    /// The requests that it makes without a fault.
    fn places(self, stream: &'static str) -> Vec<Place> {
        let (mut scenario, now) = self.scenario(stream);
        scenario.sync(now);
        scenario.assert_true("undisturbed");
        let mut known = BTreeSet::new();
        let requests = scenario.requests().into_iter();
        let mut requests: Vec<_> = requests.filter(|request| known.insert(target(request))).collect();
        requests.sort_unstable_by_key(target);
        let places = requests.into_iter().flat_map(|request| {
            let body = answer(&scenario.api.market(), &request.path, &request.query).1;
            [false, true].map(|lasts| Place { stream, sync: self, request: request.clone(), body: body.clone(), lasts })
        });
        places.collect()
    }
}

impl Place {
    /// Whether a fault is tried here.
    fn takes(&self, row: &Row) -> bool {
        // For a weekday without bars, a market looks for the plan's limit, or requests the day again on the next sync.
        let is_odd = self.stream == "market_prices" && row.outcome == Outcome::Unnoticed;
        // For older sessions, a response without bars is believed.
        let is_believed = row.outcome == Outcome::Unnoticed && self.request.path.ends_with("/2026-11-12");
        // Today has no final bars, so a sync does not need them.
        let is_needed = !self.request.path.contains("/2026-11-17/");
        row.applies_to(&self.body) && is_needed && !is_odd && !is_believed
    }

    fn try_out(&self, row: &Row) {
        let target = target(&self.request);
        let context = format!(
            "{} in {:?} of {}, {} {target}",
            row.name,
            self.sync,
            self.stream,
            if self.lasts { "always" } else { "once" },
        );
        let (mut scenario, now) = self.sync.scenario(self.stream);
        let (before, state_before) = (scenario.table.clone(), scenario.connector.state.clone());
        let (fault, lasts, path) = (row.fault.clone(), self.lasts, target.clone());
        let came = AtomicUsize::new(0);
        scenario.api.inject_faults(move |_, request| {
            let is_due = path == self::target(request) && (came.fetch_add(1, Ordering::Relaxed) == 0 || lasts);
            is_due.then(|| fault.clone())
        });
        let output = scenario.try_sync(now);
        let requests = scenario.requests();
        assert!(requests.iter().all(|request| !request.query.contains(KEY)), "{context}");
        let attempts = requests.iter().filter(|request| self::target(request) == target);
        self.assert_ends_as_it_should(row, &output, attempts.count(), &context);
        let truth = scenario.truth();
        for record in output.records() {
            let true_row = truth.rows.get(&primary_key(record));
            assert_eq!(Some(record), true_row, "{context}");
        }
        scenario.api.heal();
        let (after, state_after) = (scenario.table.clone(), scenario.connector.state.clone());
        // Resume from each STATE, with the records before it; and from the last one, with all records.
        let is_state = |lines: &usize| output.messages[lines - 1]["type"] == "STATE";
        let states: Vec<usize> = (1..=output.messages.len()).filter(is_state).collect();
        for lines in states.into_iter().step_by(sampled(5)) {
            let kept = output.first_lines(lines);
            scenario.table = before.clone();
            scenario.table.load(&kept);
            scenario.connector.resume_from(&kept);
            scenario.sync(now);
            scenario.assert_true(&format!("{context}, from the STATE in line {lines}"));
        }
        scenario.table = after;
        scenario.connector.state = state_after.or(state_before);
        scenario.sync(now);
        scenario.assert_true(&context);
    }

    fn assert_ends_as_it_should(&self, row: &Row, output: &Output, attempts: usize, context: &str) {
        let failure_type = match row.outcome {
            Outcome::Fails(failure_type) => failure_type,
            Outcome::Retried(_) if self.lasts => "transient_error",
            Outcome::Retried(_) | Outcome::Harmless | Outcome::Unnoticed => {
                assert_eq!(output.exit_code, Some(0), "{context}: {:?}", output.errors());
                assert_eq!(output.logs("ERROR"), [""; 0], "{context}");
                return;
            }
        };
        assert_eq!(output.exit_code, Some(1), "{context}: it succeeded");
        let (found, message) = output.failure();
        let context = format!("{context}: {message}");
        assert_eq!(found, failure_type, "{context}");
        assert!(message.contains(row.says) && message.len() < 1_000, "{context}");
        let ticker = self.request.path.split('/').nth(4).expect("a segment");
        let subject =
            if self.stream == "market_prices" { self.stream.to_owned() } else { format!("{}, {ticker}", self.stream) };
        assert!(message.starts_with(&format!("{subject}: ")), "{context}");
        assert_eq!(output.logs("ERROR"), [message], "{context}");
        assert_eq!(output.statuses().last(), Some(&"INCOMPLETE"), "{context}");
        let expected = match row.outcome {
            Outcome::Retried(attempts) => attempts,
            _ => Some(1),
        };
        assert_eq!(expected.unwrap_or(attempts), attempts, "{context}: attempts");
    }
}

#[test]
fn any_fault_in_any_response_ends_the_sync_as_it_should_and_is_repaired_by_the_next() {
    let syncs = [Sync::First, Sync::AfterCorrections, Sync::AfterSplit];
    let streams = ["stock_prices", "stock_prices_by_hour"].iter();
    let mut places: Vec<Place> = streams.flat_map(|stream| syncs.map(|sync| sync.places(stream))).flatten().collect();
    places.extend(Sync::First.places("market_prices"));
    let rows = rows();
    let mut trials = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let possible: Vec<&Place> = places.iter().filter(|place| place.takes(row)).collect();
        assert!(!possible.is_empty(), "{}", row.name);
        let step = sampled(possible.len().div_ceil(PLACES_IN_SUITE) | 1);
        // Evenly spread, and different for each fault. (An odd step tries single and persistent faults.)
        let chosen = possible.iter().skip(number % step).step_by(step);
        trials.extend(chosen.map(|place| (*place, row)));
    }
    println!("{} faults at {} places: {} trials", rows.len(), places.len(), trials.len());
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((place, row)) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
                    place.try_out(row);
                }
            });
        }
    });
}
