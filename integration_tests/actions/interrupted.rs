//! A run that ends anywhere continues from its last STATE.

use super::api::{Setup, ids};

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
