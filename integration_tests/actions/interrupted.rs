//! A run that ends at any place continues from its last STATE.

use std::collections::BTreeMap;

use serde_json::Value;

use super::api::{Setup, ids};
use crate::support::connector::Output;

/// The rows of a table whose primary key is `id`.
type Table = BTreeMap<String, Value>;

fn load(table: &mut Table, output: &Output) {
    for record in output.records() {
        let id = record["id"].as_str().expect("an id").to_owned();
        table.insert(id, record.clone());
    }
}

/// Ends a run after each of its lines in turn; the run that follows it completes the table.
fn assert_resumes(prepare: impl Fn() -> Setup, emitted: &[&str]) {
    let whole = prepare().read_until_line(usize::MAX).succeeded();
    assert_eq!(ids(&whole), emitted);
    let lines = whole.messages.len();
    for line in 1..lines {
        let mut setup = prepare();
        let mut table = Table::new();
        let known = setup.connector.state.clone();
        let cut_off = setup.read_until_line(line);
        load(&mut table, &cut_off);
        if !cut_off.states().is_empty() {
            setup.connector.resume_from(&cut_off);
        }
        let rest = setup.read_quietly();
        load(&mut table, &rest);
        let mut complete = Table::new();
        load(&mut complete, &whole);
        assert_eq!(table, complete, "after {line} of {lines} lines");
        let last = rest.last_state();
        assert_eq!(last, whole.last_state(), "after {line} of {lines} lines, from {known:?}");
        assert_eq!(ids(&setup.read_quietly()), [""; 0]);
    }
}

#[test]
fn first_sync_of_many_pages() {
    let prepare = || {
        let setup = Setup::with_dividends();
        setup.api().rows_per_page = 2;
        setup
    };
    assert_resumes(prepare, &["E1", "E2", "E3", "E4", "E5"]);
}

#[test]
fn sync_with_unknown_corrected_and_announced_events() {
    let prepare = || {
        let mut setup = Setup::with_dividends();
        setup.api().rows_per_page = 2;
        setup.read_quietly();
        setup.api().dividend("E0", "AA", "2026-08-10", "0.1");
        setup.api().dividend("E3", "KO", "2026-03-13", "0.3");
        setup.api().dividend("E6", "MSFT", "2026-12-20", "0.4");
        setup
    };
    assert_resumes(prepare, &["E0", "E3", "E4", "E5", "E6"]);
}

#[test]
fn an_interrupted_ticker_is_emitted_again_even_if_the_correction_is_taken_back() {
    let mut setup = Setup::with_dividends();
    setup.read_quietly();
    setup.api().dividend("E3", "KO", "2026-03-13", "0.3");
    let whole = setup.read_until_line(usize::MAX);
    let place = |kind: &str| whole.messages.iter().position(|message| message["type"] == kind);
    let lines = place("RECORD").expect("a record") + 1;
    let cut_off = setup.read_until_line(lines);
    assert_eq!(ids(&cut_off), ["E3"]);
    setup.connector.resume_from(&cut_off);
    setup.api().dividend("E3", "KO", "2026-03-13", "0.25");
    assert_eq!(ids(&setup.read_quietly()), ["E3", "E4"]);
}
