//! What commands write to stdout, kept as files: it does not change unnoticed.

use std::path::Path;
use std::{env, fs};

use crate::support::connector::Connector;
use crate::support::days::date;
use crate::support::market::{Market, TradedBar, weekdays};
use crate::support::scenario::Scenario;

const NOW: &str = "2026-03-03T12:00:00Z";

/// Days of two tickers, of which NVDA was split on 2026-02-10.
fn market() -> Market {
    let mut market = Market::at(NOW);
    market.page_size = 4;
    for day in weekdays(date(2026, 1, 5), 70) {
        let nvda = if day >= date(2026, 2, 10) { 100.0 } else { 1000.0 };
        for (ticker, close) in [("AAPL", 200.0), ("NVDA", nvda)] {
            let close = close + f64::from(chrono::Datelike::ordinal(&day));
            market.day(ticker, day, TradedBar::closing_at(close));
        }
    }
    market.split("NVDA", date(2026, 2, 10), 10.0);
    market
}

/// What a command writes to stdout, against the file that is kept of it.
fn assert_as_kept(command: &str, written: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration_tests/project/golden");
    let path = folder.join(format!("outputs/{command}.jsonl"));
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

/// Of the streams with the same fields, only the first.
#[test]
fn discover_writes_what_is_kept() {
    let connector = Connector::with_url("http://127.0.0.1:9", "AAPL");
    let output = connector.run_at(NOW, "discover").succeeded();
    let mut message = output.messages[0].clone();
    let streams = message["catalog"]["streams"].as_array_mut();
    let mut seen = Vec::new();
    streams.expect("streams").retain(|stream| {
        let is_new = !seen.contains(&stream["json_schema"]);
        seen.push(stream["json_schema"].clone());
        is_new
    });
    assert_as_kept("discover", &format!("{message}\n"));
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
