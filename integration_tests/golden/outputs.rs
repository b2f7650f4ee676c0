//! What commands write to stdout, kept as files: it does not change unnoticed.

use std::{env, fs};

use super::{LATER, folder, market};
use crate::scenario::Scenario;
use crate::support::connector::Connector;

/// What a command writes to stdout, against the file that is kept of it.
fn assert_as_kept(command: &str, written: &str) {
    let path = folder("outputs").join(format!("{command}.jsonl"));
    if env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
        fs::write(&path, written).expect("a file that can be written");
        panic!("UPDATE_GOLDEN is set: {} was written", path.display());
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let mut lines = (kept.split_inclusive('\n'), written.split_inclusive('\n'));
    for number in 1.. {
        let (kept, written) = match (lines.0.next(), lines.1.next()) {
            (None, None) => break,
            (kept, written) => (kept.unwrap_or(""), written.unwrap_or("")),
        };
        assert!(
            kept == written,
            "line {number} of {} is not what `{command}` writes\nkept:    {}\nwritten: {}\n\
             If the change is meant, UPDATE_GOLDEN=1 writes the file anew.",
            path.display(),
            from_difference(kept, written),
            from_difference(written, kept),
        );
    }
}

/// A line from shortly before its difference to another one; lines can be long.
fn from_difference(line: &str, other: &str) -> String {
    const SHOWN_BEFORE: usize = 60;
    const SHOWN: usize = 300;
    let is_same = |(one, other): &(char, char)| one == other;
    let same = line.chars().zip(other.chars()).take_while(is_same).count();
    let skipped = same.saturating_sub(SHOWN_BEFORE);
    let dots = if skipped == 0 { "" } else { "…" };
    let shown: String = line.trim_end().chars().skip(skipped).take(SHOWN).collect();
    format!("{dots}{shown}")
}

#[test]
fn spec_writes_what_is_kept() {
    let connector = Connector::with_url("http://127.0.0.1:9", "AAPL");
    let output = connector.run_at(LATER, "spec").succeeded();
    assert_as_kept("spec", &output.text);
}

#[test]
fn discover_writes_what_is_kept() {
    let connector = Connector::with_url("http://127.0.0.1:9", "AAPL");
    let output = connector.run_at(LATER, "discover").succeeded();
    assert_as_kept("discover", &output.text);
}

/// A sync of two tickers, of which one was split since the sync before.
#[test]
fn read_writes_what_is_kept() {
    let mut scenario = Scenario::new(market(), "AAPL,NVDA", "stock_prices", "2026-02-05");
    scenario.sync("2026-02-10T04:00:00Z");
    let output = scenario.sync("2026-02-12T12:00:00Z");
    for (kind, text) in [
        ("records", r#"{"type":"RECORD""#),
        ("states", r#"{"type":"STATE""#),
        ("statuses", r#""type":"STREAM_STATUS""#),
        ("information", r#""level":"INFO""#),
        ("warnings", r#""level":"WARN""#),
    ] {
        assert!(output.text.contains(text), "there are no {kind}");
    }
    assert_as_kept("read", &output.text);
}
