//! A run that ends anywhere continues from its last STATE.

use std::collections::BTreeMap;

use serde_json::Value;

use super::api::{Setup, ids};
use crate::support::connector::Output;

/// The rows of a table whose primary key is `id`.
fn table(outputs: &[&Output]) -> BTreeMap<String, Value> {
    let records = outputs.iter().flat_map(|output| output.records());
    records.map(|record| (record["id"].to_string(), record.clone())).collect()
}

/// Ends a run after each of its lines in turn; the next run completes the table.
fn assert_resumes(prepare: impl Fn() -> Setup, emitted: &[&str]) {
    let setup = prepare();
    let whole = setup.connector.run_at(setup.now, "read").succeeded();
    assert_eq!(ids(&whole), emitted);
    let lines = whole.messages.len();
    for line in 1..lines {
        let mut setup = prepare();
        let cut_off = setup.connector.run_until_line(setup.now, line);
        if !cut_off.states().is_empty() {
            setup.connector.resume_from(&cut_off);
        }
        let rest = setup.read_quietly();
        assert_eq!(table(&[&cut_off, &rest]), table(&[&whole]), "after {line} of {lines} lines");
        assert_eq!(rest.last_state(), whole.last_state(), "after {line} of {lines} lines");
        let next = setup.read_quietly();
        assert_eq!((ids(&next), next.last_state()), (Vec::new(), whole.last_state()));
    }
}

#[test]
fn first_sync_of_many_pages_is_resumed() {
    let prepare = || {
        let setup = Setup::with_dividends();
        setup.api().rows_per_page = 2;
        setup
    };
    assert_resumes(prepare, &["E1", "E2", "E3", "E4", "E5"]);
}

#[test]
fn sync_with_unknown_corrected_and_announced_events_is_resumed() {
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
    let whole = setup.connector.run_at(setup.now, "read");
    let first_record = whole.messages.iter().position(|message| message["type"] == "RECORD");
    let cut_off = setup.connector.run_until_line(setup.now, first_record.expect("a record") + 1);
    assert_eq!(ids(&cut_off), ["E3"]);
    setup.connector.resume_from(&cut_off);
    setup.api().dividend("E3", "KO", "2026-03-13", "0.25");
    assert_eq!(ids(&setup.read_quietly()), ["E3", "E4"]);
}
