//! Verifies that the checks of every output can fail.

use std::panic::catch_unwind;

use serde_json::{Value, json};

use crate::support::bar_size::BarSize;
use crate::support::connector::run_command;
use crate::support::days::{date, new_york_time};
use crate::support::fake_api::KEY;
use crate::support::market::TradedBar;
use crate::support::output::Output;
use crate::support::truth;

const NOW_MS: u64 = 1_795_186_800_000;

fn log(text: &str) -> Value {
    json!({"type": "LOG", "log": {"level": "INFO", "message": text}})
}

fn status(status: &str) -> Value {
    let stream_status = json!({"stream_descriptor": {"name": "stock_prices"}, "status": status});
    json!({"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": NOW_MS, "stream_status": stream_status}})
}

fn record() -> Value {
    let start = new_york_time(date(2026, 11, 19), 0, 0);
    let data = truth::record(BarSize::DAY, "TSLA", start, &TradedBar::closing_at(1.0), true);
    json!({"type": "RECORD", "record": {"stream": "stock_prices", "emitted_at": NOW_MS, "data": data}})
}

fn state(count: f64) -> Value {
    let stream = json!({"stream_descriptor": {"name": "stock_prices"}, "stream_state": {}});
    json!({"type": "STATE", "state": {"type": "STREAM", "stream": stream, "sourceStats": {"recordCount": count}}})
}

fn error() -> Value {
    let error = json!({"message": "m", "internal_message": "i", "failure_type": "config_error"});
    json!({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": NOW_MS, "error": error}})
}

fn text(messages: &[Value]) -> String {
    messages.iter().map(|message| format!("{message}\n")).collect()
}

/// The panic with which the output is refused, if it is.
fn refusal(stdout: impl Into<Vec<u8>>, exit_code: Option<i32>) -> Option<String> {
    let stdout = stdout.into();
    let refused = catch_unwind(|| match exit_code {
        Some(exit_code) => Output::new(stdout, exit_code),
        None => Output::cut_off(stdout),
    });
    let panic = refused.err()?;
    let words = panic.downcast_ref::<String>().cloned();
    words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()))
}

/// A sync of one record.
fn sync() -> Vec<Value> {
    vec![status("STARTED"), status("RUNNING"), record(), state(1.0), status("COMPLETE")]
}

/// The same, followed by other messages.
fn sync_and(others: &[Value]) -> String {
    text(&[&sync(), others].concat())
}

/// The same with one message replaced.
fn sync_with(place: usize, message: Value) -> String {
    let mut messages = sync();
    messages[place] = message;
    text(&messages)
}

fn sync_without(place: usize) -> String {
    let mut messages = sync();
    messages.remove(place);
    text(&messages)
}

/// A message with the value at a JSON pointer replaced.
fn changed(mut message: Value, pointer: &str, value: Value) -> Value {
    *message.pointer_mut(pointer).expect("a value") = value;
    message
}

#[test]
fn correct_output_is_accepted() {
    assert_eq!(refusal(text(&sync()), Some(0)), None);
    assert_eq!(refusal(text(&[log("hello")]), Some(0)), None);
    let failed = [status("STARTED"), status("INCOMPLETE"), error()];
    assert_eq!(refusal(text(&failed), Some(1)), None);
    for length in 0..text(&sync()).len() {
        assert_eq!(refusal(&text(&sync()).as_bytes()[..length], None), None, "cut off after {length} bytes");
    }
}

#[test]
fn incorrect_output_is_refused() {
    let (key, code) = ("the key is in the output", "a failure is one TRACE ERROR and exit 1");
    let (running, ends) = ("records come while RUNNING", "stock_prices");
    let uncounted = json!({"type": "STATE", "state": {"type": "STREAM", "stream": state(1.0)["state"]["stream"]}});
    for (name, stdout, exit_code, says) in [
        ("the key", text(&[log(KEY)]), Some(0), key),
        ("the key, killed", text(&[log(KEY)]), None, key),
        ("an incomplete line", text(&[log("x")]).trim_end().to_owned(), Some(0), "the last line is whole"),
        ("exit 1 without an error", text(&[log("x")]), Some(1), code),
        ("exit 0 with an error", text(&[error()]), Some(0), code),
        ("two errors", text(&[error(), error()]), Some(1), code),
        ("a record before RUNNING", sync_without(1), Some(0), running),
        ("a record before RUNNING, killed", sync_without(1), None, running),
        ("a record without any status", text(&[record(), state(1.0)]), Some(0), running),
        ("a record after COMPLETE", sync_and(&[record(), state(1.0)]), Some(0), running),
        ("a count of 0", sync_with(3, state(0.0)), Some(0), "recordCount"),
        ("a count of 2", sync_with(3, state(2.0)), Some(0), "recordCount"),
        ("a count of 1.5", sync_with(3, state(1.5)), Some(0), "recordCount"),
        ("no count", sync_with(3, uncounted), Some(0), "is no message of the protocol"),
        ("a record that is counted twice", sync_with(4, state(1.0)), Some(0), "recordCount"),
        ("no STATE", sync_without(3), Some(0), "a STATE covers every record"),
        ("no STARTED", sync_without(0), Some(0), ends),
        ("no COMPLETE", sync_without(4), Some(0), ends),
        ("INCOMPLETE and exit 0", sync_with(4, status("INCOMPLETE")), Some(0), ends),
        ("no INCOMPLETE", text(&[status("STARTED"), error()]), Some(1), ends),
        ("COMPLETE twice", sync_and(&[status("COMPLETE")]), Some(0), ends),
        ("COMPLETE twice, killed", sync_and(&[status("COMPLETE")]), None, ends),
        ("RUNNING after COMPLETE", sync_and(&[status("RUNNING")]), Some(0), ends),
    ] {
        let words = refusal(stdout, exit_code).unwrap_or_else(|| panic!("{name} is accepted"));
        assert!(words.contains(says), "{name}: {words}");
    }
}

#[test]
fn line_that_is_no_json_is_refused() {
    for line in ["hello\n", "\n", "{\"type\":\n", "{} {}\n", "1e400\n"] {
        let whole = format!("{}{line}", text(&[log("x")]));
        assert!(refusal(whole, Some(0)).is_some(), "{line:?}");
    }
    let invalid = b"{\"type\":\"LOG\",\"log\":{\"level\":\"INFO\",\"message\":\"\xff\"}}\n";
    assert!(refusal(invalid, Some(0)).expect("a refusal").contains("UTF-8"));
}

#[test]
fn line_that_is_no_message_of_the_protocol_is_refused() {
    let mut priceless = record();
    priceless["record"]["data"].as_object_mut().expect("an object").remove("price");
    let mut chatty = record();
    chatty["record"]["data"]["note"] = json!("");
    for (place, message) in [
        (0, json!({"type": "HELLO"})),
        (0, json!([])),
        (0, json!({"type": "LOG", "log": {"level": "LOUD", "message": ""}})),
        (2, changed(record(), "/record/stream", json!(null))),
        (2, changed(record(), "/record/emitted_at", json!("now"))),
        (3, changed(state(1.0), "/state/stream/stream_descriptor", json!({}))),
        (4, status("DONE")),
    ] {
        let words = refusal(sync_with(place, message.clone()), Some(0)).expect("a refusal");
        assert!(words.contains("is no message of the protocol"), "{message}: {words}");
    }
    for record in [changed(record(), "/record/data/price", json!("1")), priceless, chatty] {
        let words = refusal(sync_with(2, record.clone()), Some(0)).expect("a refusal");
        assert!(words.contains("is no record of its stream"), "{record}: {words}");
    }
}

#[test]
fn text_on_stderr_is_refused() {
    let run =
        |script: &'static str| catch_unwind(move || run_command(std::process::Command::new("sh").args(["-c", script])));
    assert!(run("exit 0").is_ok());
    assert!(run("echo warning >&2").is_err());
    assert!(run("kill -9 $$").is_err(), "a killed command has no exit code");
}

#[test]
fn unexpected_success_and_failure_are_refused() {
    let failed = || Output::new(text(&[error()]).into_bytes(), 1);
    assert!(catch_unwind(|| failed().succeeded()).is_err());
    let succeeded = Output::new(text(&[log("x")]).into_bytes(), 0);
    assert!(catch_unwind(|| succeeded.failure().0.to_owned()).is_err());
}
