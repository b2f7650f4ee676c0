//! A run that is ended from outside: what was written stays true, and the next run brings the rest.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::civil::date;
use serde_json::{Value, json};

use crate::support::connector::{BINARY, Connector, Output, Table};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::{Market, TradedBar, new_york_time};

/// Two tickers with 700 minutes each on pages of 90.
fn set_up() -> (FakeApi, Connector) {
    let mut market = Market::at("2026-03-10T23:00:00Z");
    market.page_size = 90;
    for ticker in ["AAPL", "TSLA"] {
        for minute in 0..700 {
            let start = new_york_time(date(2026, 3, 10), 4, 0) + minute * 60_000;
            market.bar("minute", ticker, start, TradedBar::closing_at(100.0 + minute as f64));
        }
    }
    let api = FakeApi::start(market);
    let mut connector = Connector::new(&api, "AAPL,TSLA");
    connector
        .set("start_date", "2026-03-10")
        .set("end_date", "2026-03-10")
        .stream("stock_prices_by_minute", "incremental");
    (api, connector)
}

fn start(connector: &Connector) -> Child {
    let mut command = Command::new(BINARY);
    command.args(connector.arguments("read")).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary runs")
}

/// The records of complete lines, and the last complete STATE.
fn what_was_written(text: &[u8]) -> (Vec<Value>, Option<Value>) {
    let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let messages = String::from_utf8_lossy(&text[..complete]);
    let messages: Vec<Value> = messages.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let of_type = |kind: &'static str| messages.iter().filter(move |message| message["type"] == kind);
    (of_type("RECORD").cloned().collect(), of_type("STATE").next_back().map(|message| message["state"].clone()))
}

fn load(table: &mut Table, records: Vec<Value>) {
    let text: String = records.iter().map(|record| format!("{record}\n")).collect();
    for record in text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")) {
        let data = &record["record"]["data"];
        table.0.insert((data["stock_ticker"].to_string(), data["timestamp"].to_string()), data.clone());
    }
}

#[test]
fn a_run_that_is_killed_anywhere_and_resumed_misses_nothing() {
    let (_, mut connector) = set_up();
    let whole = connector.binary("read").succeeded();
    let mut truth = Table::default();
    assert_eq!((truth.load(&whole), truth.0.len()), (0, 1_400));
    for point in 0..100 {
        let after = whole.text.len() * point / 100 + point * 37 % 91;
        let mut child = start(&connector);
        let mut text = vec![0; after.min(whole.text.len() - 200)];
        child.stdout.as_mut().expect("a pipe").read_exact(&mut text).expect("so many bytes");
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        // What the pipe still holds was written before the end, too.
        child.stdout.take().expect("a pipe").read_to_end(&mut text).expect("the rest");

        let (records, state) = what_was_written(&text);
        let mut table = Table::default();
        load(&mut table, records);
        connector.state = state.map(|state| json!([state]));
        let rest = connector.binary("read").succeeded();
        table.load(&rest);
        assert_eq!(table, truth, "killed after {after} bytes");
        connector.state = None;
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let (_, connector) = set_up();
    for after in [0, 1, 5_000, 100_000, 200_000] {
        let mut child = start(&connector);
        let mut text = vec![0; after];
        child.stdout.take().expect("a pipe").read_exact(&mut text).expect("so many bytes");
        let ended = child.wait_with_output().expect("it ends");
        assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
    }
}

#[test]
fn sigterm_ends_it_at_once_even_while_it_waits_for_an_answer() {
    let (api, connector) = set_up();
    api.misbehave(|_, _| Some(Fault::Silent));
    for (signal, exit_code) in [("TERM", 143), ("INT", 130)] {
        let mut child = start(&connector);
        // Once it has said that it has started, it waits.
        let mut byte = [0];
        child.stdout.as_mut().expect("a pipe").read_exact(&mut byte).expect("a byte");
        let asked = Instant::now();
        let kill = format!("kill -s {signal} {}", child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("sh runs");
        assert!(sent.success());
        let ended = child.wait_with_output().expect("it ends");
        assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(exit_code), &b""[..]));
        assert!(asked.elapsed() < Duration::from_millis(1_500));
    }
}

#[test]
fn a_disk_that_is_full_in_the_middle_fails_the_run() {
    let (_, connector) = set_up();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    let ended = Command::new(BINARY).args(connector.arguments("read")).stdout(full).output().expect("it runs");
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("Can't write to stdout"));
}

#[test]
fn a_state_line_is_a_state_file() {
    let (_, mut connector) = set_up();
    let whole = connector.binary("read").succeeded();
    let line = whole.messages.iter().rfind(|message| message["type"] == "STATE").expect("a STATE");
    connector.state = Some(line.clone());
    let again: Output = connector.binary("read").succeeded();
    assert_eq!(again.records().len(), 0);
}
