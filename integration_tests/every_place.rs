//! Every place once: on a small market of two tickers and two streams, three pages or more for each series, whatever can
//! go wrong goes wrong at every place at which it can. A sync that fails says why, every record that it writes is true,
//! each of its STATEs is one to go on from, and the following sync succeeds and leaves the table as it must be. (Every
//! output is searched for the key where it is taken apart.)
//!
//! The suite tries a part of the places, evenly spread; `EVERY_PLACE=all cargo test every_place -- --nocapture` all.

mod faults;
mod held;
mod markets;
mod trial;
mod world;

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use faults::{FAULTS, REPRESENTATIVES};
use held::states_in;
use trial::{Planned, Rest, Trial};
use world::World;

/// How many failing places are told before the rest is given up.
const MAX_TOLD: usize = 5;

#[test]
fn any_fault_of_any_answer_ends_the_sync_as_it_should_and_is_made_up_for() {
    try_places("every request with every fault", 13, |world| {
        let lasts = |planned| [false, true].map(|lasts| Planned { lasts, ..planned });
        let planned = world.faults(&FAULTS).into_iter().flat_map(lasts);
        planned
            .map(|planned| Trial::Faults(vec![planned]))
            .collect()
    });
}

#[test]
fn two_faults_of_any_answers_end_the_sync_as_they_should_and_are_made_up_for() {
    try_places("every two requests with every two faults", 7, |world| {
        let planned = world.faults(&FAULTS[..REPRESENTATIVES]);
        let pairs = planned.iter().flat_map(|first| {
            let seconds = planned
                .iter()
                .filter(|second| first.request <= second.request);
            seconds.map(|second| Trial::Faults(vec![*first, *second]))
        });
        pairs.collect()
    });
}

#[test]
fn sync_that_is_killed_after_any_line_is_made_up_for() {
    try_places("every line with a kill", 13, |world| {
        let killed = |lines| [Rest::Kept, Rest::Lost].map(|rest| Trial::Killed { lines, rest });
        (0..=world.output.messages.len()).flat_map(killed).collect()
    });
}

#[test]
fn sync_goes_on_from_any_state_of_the_one_before() {
    try_places("every STATE with a sync from it", 13, |world| {
        let resumed = |state| [Rest::Kept, Rest::Lost].map(|rest| Trial::Resumed { state, rest });
        states_in(&world.output.messages)
            .flat_map(resumed)
            .collect()
    });
}

/// Tries what there is to try in each world, or in the suite so much of it.
fn try_places(kind: &str, in_suite: usize, trials_in: fn(&World) -> Vec<Trial>) {
    let is_all = std::env::var("EVERY_PLACE").is_ok_and(|value| value == "all");
    let threads = if is_all {
        thread::available_parallelism().map_or(2, NonZero::get)
    } else {
        1
    };
    let totals = Totals::default();
    let try_places = || try_until_none_is_left(trials_in, (!is_all).then_some(in_suite), &totals);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(try_places);
        }
    });
    let number = |total: &AtomicUsize| total.load(Ordering::Relaxed);
    let (tried, places) = (number(&totals.tried), number(&totals.places));
    println!("{kind}: {tried} of {places} places");
    let failures = totals.failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert_ne!(tried, 0, "{kind}");
}

#[derive(Default)]
struct Totals {
    /// The number of the place that is tried next.
    next: AtomicUsize,
    tried: AtomicUsize,
    places: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

/// Tries one place after the other, in worlds of its own; at most so many, evenly spread.
fn try_until_none_is_left(
    trials_in: fn(&World) -> Vec<Trial>,
    limit: Option<usize>,
    totals: &Totals,
) {
    let mut worlds = World::all();
    let trials = worlds.iter().map(trials_in).enumerate();
    let places: Vec<(usize, Trial)> = trials
        .flat_map(|(world, trials)| trials.into_iter().map(move |trial| (world, trial)))
        .collect();
    totals.places.store(places.len(), Ordering::Relaxed);
    let count = limit.unwrap_or(places.len()).min(places.len());
    loop {
        let number = totals.next.fetch_add(1, Ordering::Relaxed);
        if number >= count || totals.failures.lock().expect("no panic").len() >= MAX_TOLD {
            return;
        }
        let (world, trial) = &places[number * places.len() / count];
        let outcome = catch_unwind(AssertUnwindSafe(|| worlds[*world].try_out(trial)));
        totals.tried.fetch_add(1, Ordering::Relaxed);
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().cloned();
            let told = text.unwrap_or_else(|| format!("{trial:?}: a panic without a text"));
            totals.failures.lock().expect("no panic").push(told);
        }
    }
}
