//! The model test: random histories of everything that can change, and after every successful sync the destination
//! holds the truth, as far as `design.md` says that it can be had.
//!
//! A history is a market, a user who changes the configuration, and syncs at any hour, some of them killed or disturbed.
//! It ends with one that has nothing to do, and one whose state is ahead of the clock ([`ending`]).
//! The truth is told from the market alone ([`memory`] and [`expectations`]); of the connector it knows only what it
//! wrote: records, and in each STATE the stretch that it claims.
//!
//! `MODEL_HISTORIES=20000 MODEL_SEED=1 cargo test model -- --nocapture` runs more, or one again:
//! history N of a run is the first one of a run with `MODEL_SEED` N, and its stream is `N % 5`.

mod destination;
mod ending;
mod events;
mod expectations;
mod faults;
mod history;
mod memory;
mod requests;
mod run;
mod scenario;
mod series_run;
mod verdict;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::support::fake_api::FakeApi;
use crate::support::market::Market;
use history::History;
use scenario::STREAMS;

/// How many histories a run of the suite plays: about half a minute on two cores, without optimization.
const HISTORIES: u64 = 100;

/// Where the seeds begin, unless `MODEL_SEED` says otherwise.
const FIRST_SEED: u64 = 0;

/// How many failing histories are told before the rest is given up.
const MAX_TOLD: usize = 5;

#[derive(Default)]
struct Totals {
    histories: AtomicU64,
    syncs: AtomicU64,
    requests: AtomicU64,
    failures: Mutex<Vec<String>>,
}

#[test]
fn after_every_successful_sync_of_any_history_the_destination_holds_the_truth() {
    let (first, count) = (
        setting("MODEL_SEED", FIRST_SEED),
        setting("MODEL_HISTORIES", HISTORIES),
    );
    let (next, totals) = (AtomicU64::new(first), Totals::default());
    let threads = thread::available_parallelism().map_or(2, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| play_until(first + count, &next, &totals));
        }
    });
    let number = |total: &AtomicU64| total.load(Ordering::Relaxed);
    println!(
        "model: {} histories from seed {first}, {} syncs, {} requests",
        number(&totals.histories),
        number(&totals.syncs),
        number(&totals.requests)
    );
    let failures = totals.failures.into_inner().expect("no panic");
    assert!(
        failures.is_empty(),
        "{} histories went wrong\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn setting(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

/// Plays one history after the other on a server of its own.
fn play_until(end: u64, next: &AtomicU64, totals: &Totals) {
    let api = FakeApi::start(Market::at("2026-01-01T00:00:00Z"));
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end || totals.failures.lock().expect("no panic").len() >= MAX_TOLD {
            return;
        }
        let stream = &STREAMS[usize::try_from(seed).expect("a number") % STREAMS.len()];
        let mut history = History::new(&api, stream, seed);
        let outcome = catch_unwind(AssertUnwindSafe(|| history.play()));
        totals.histories.fetch_add(1, Ordering::Relaxed);
        totals.syncs.fetch_add(history.syncs, Ordering::Relaxed);
        totals
            .requests
            .fetch_add(history.requests, Ordering::Relaxed);
        let problem = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(problem)) => problem,
            Err(panic) => panic
                .downcast_ref::<String>()
                .cloned()
                .unwrap_or_else(|| "a panic without a text".to_owned()),
        };
        let told = format!(
            "\nseed {seed}, {}:\n{}\n=> {problem}",
            stream.name,
            history.story.join("\n")
        );
        totals.failures.lock().expect("no panic").push(told);
    }
}
