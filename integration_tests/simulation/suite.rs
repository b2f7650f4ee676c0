//! A few histories in the test suite; `cargo run --release --example simulate` plays many.

use super::exhaustive::all;
use super::play::{Totals, random, streams_named};

/// With the other test, about half a minute on two cores without optimization.
const HISTORIES: u64 = 1_000;

fn assert_none_wrong(totals: &Totals) {
    println!("{}", totals.tell());
    assert!(totals.failure.is_none(), "{}", totals.failure.as_deref().unwrap_or_default());
}

#[test]
fn after_every_successful_sync_of_a_random_history_the_destination_holds_what_the_api_shows() {
    let streams = streams_named(&[]).expect("all of them");
    assert_none_wrong(&random(1, HISTORIES, &streams, 2));
}

#[test]
fn every_history_of_one_event_can_be_cut_off_after_any_line() {
    let streams = streams_named(&["days", "hours", "market-dividends"].map(str::to_owned)).expect("all three");
    assert_none_wrong(&all(1, true, &streams, 2));
}
