//! What the tests assert of every output must be able to fail: each check with an output that it must not let pass.

use std::panic::catch_unwind;

use serde_json::{Value, json};

use crate::support::connector::run_command;
use crate::support::fake_api::KEY;
use crate::support::output::Output;

const NOW_MS: u64 = 1_795_186_800_000;

fn log(text: &str) -> Value {
    json!({"type": "LOG", "log": {"level": "INFO", "message": text}})
}

fn status(status: &str) -> Value {
    let stream_status = json!({"stream_descriptor": {"name": "stock_prices"}, "status": status});
    json!({"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": NOW_MS, "stream_status": stream_status}})
}

fn record() -> Value {
    let data = json!({
        "date": "2026-11-19", "stock_ticker": "TSLA", "price": 1, "open": 1, "high": 1, "low": 1, "volume": 1, "vwap": 1,
        "transactions": 1, "adjusted": true,
    });
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

/// The words with which the output is refused, if it is.
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

#[track_caller]
fn assert_refused(stdout: impl Into<Vec<u8>>, exit_code: Option<i32>, says: &str) {
    let words = refusal(stdout, exit_code).unwrap_or_else(|| panic!("it is let pass, and not refused with: {says}"));
    assert!(words.contains(says), "{words}");
}

/// A sync of one record.
fn sync() -> Vec<Value> {
    vec![status("STARTED"), status("RUNNING"), record(), state(1.0), status("COMPLETE")]
}

/// The same with another message in place of one.
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

#[test]
fn sound_output_is_let_pass() {
    assert_eq!(refusal(text(&sync()), Some(0)), None);
    assert_eq!(refusal(text(&[log("hello")]), Some(0)), None);
    let failed = [status("STARTED"), status("INCOMPLETE"), error()];
    assert_eq!(refusal(text(&failed), Some(1)), None);
    for length in 0..text(&sync()).len() {
        assert_eq!(refusal(&text(&sync()).as_bytes()[..length], None), None, "cut off after {length} bytes");
    }
}

#[test]
fn key_in_the_output_is_refused() {
    assert_refused(text(&[log(KEY)]), Some(0), "the key is in the output");
    assert_refused(text(&[log(KEY)]), None, "the key is in the output");
}

#[test]
fn text_that_is_no_utf8_is_refused() {
    assert_refused(b"{\"type\":\"LOG\",\"log\":{\"level\":\"INFO\",\"message\":\"\xff\"}}\n", Some(0), "UTF-8");
}

#[test]
fn line_that_is_not_whole_is_refused() {
    assert_refused(text(&[log("x")]).trim_end(), Some(0), "the last line is whole");
}

#[test]
fn line_that_is_no_json_is_refused() {
    for line in ["hello\n", "\n", "{\"type\":\n", "{} {}\n"] {
        let whole = format!("{}{line}", text(&[log("x")]));
        assert!(refusal(whole, Some(0)).is_some(), "{line:?}");
    }
    let long = format!("{}1e400\n", text(&[log("x")]));
    assert!(refusal(long, Some(0)).is_some(), "a number beyond a double");
}

#[test]
fn line_that_is_no_message_of_the_protocol_is_refused() {
    let mut nameless = record();
    nameless["record"]["stream"] = json!(null);
    let mut timeless = record();
    timeless["record"]["emitted_at"] = json!("now");
    let mut bare = state(1.0);
    bare["state"]["stream"]["stream_descriptor"] = json!({});
    for message in
        [json!({"type": "HELLO"}), json!([]), json!({"type": "LOG", "log": {"level": "LOUD", "message": ""}})]
    {
        assert_refused(text(&[message]), Some(0), "is no message of the protocol");
    }
    let mut textual = record();
    textual["record"]["data"]["price"] = json!("1");
    let mut priceless = record();
    priceless["record"]["data"].as_object_mut().expect("an object").remove("price");
    let mut chatty = record();
    chatty["record"]["data"]["note"] = json!("");
    let places =
        [(2, nameless), (2, timeless), (2, textual), (2, priceless), (2, chatty), (3, bare), (4, status("DONE"))];
    for (place, message) in places {
        assert_refused(sync_with(place, message), Some(0), "is no message of the protocol");
    }
}

#[test]
fn exit_code_that_contradicts_the_errors_is_refused() {
    let says = "a failure is one TRACE ERROR and exit 1";
    assert_refused(text(&[log("x")]), Some(1), says);
    assert_refused(text(&[error()]), Some(0), says);
    assert_refused(text(&[error(), error()]), Some(1), says);
}

#[test]
fn record_outside_running_is_refused() {
    let says = "records come while RUNNING";
    assert_refused(sync_without(1), Some(0), says);
    assert_refused(text(&[record(), state(1.0)]), Some(0), says);
    let late = [sync(), vec![record(), state(1.0)]].concat();
    assert_refused(text(&late), Some(0), says);
    assert_refused(sync_without(1), None, says);
}

#[test]
fn record_count_that_does_not_add_up_is_refused() {
    for count in [0.0, 2.0, 1.5] {
        assert_refused(sync_with(3, state(count)), Some(0), "recordCount");
    }
    let uncounted = json!({"type": "STATE", "state": {"type": "STREAM", "stream": state(1.0)["state"]["stream"]}});
    assert_refused(sync_with(3, uncounted), Some(0), "is no message of the protocol");
    let again = [sync()[..4].to_vec(), vec![state(1.0), status("COMPLETE")]].concat();
    assert_refused(text(&again), Some(0), "recordCount");
}

#[test]
fn record_without_a_state_behind_it_is_refused() {
    assert_refused(sync_without(3), Some(0), "a STATE covers every record");
}

#[test]
fn stream_that_does_not_start_or_end_as_it_should_is_refused() {
    assert_refused(sync_without(0), Some(0), "stock_prices");
    assert_refused(sync_without(4), Some(0), "stock_prices");
    assert_refused(sync_with(4, status("INCOMPLETE")), Some(0), "stock_prices");
    assert_refused(text(&[status("STARTED"), error()]), Some(1), "stock_prices");
    let twice = [sync(), vec![status("COMPLETE")]].concat();
    assert_refused(text(&twice), Some(0), "stock_prices");
    assert_refused(text(&twice), None, "stock_prices");
    let late = [sync(), vec![status("RUNNING")]].concat();
    assert_refused(text(&late), Some(0), "stock_prices");
}

#[test]
fn words_on_stderr_are_refused() {
    let run =
        |script: &'static str| catch_unwind(move || run_command(std::process::Command::new("sh").args(["-c", script])));
    assert!(run("exit 0").is_ok());
    assert!(run("echo warning >&2").is_err());
    assert!(run("kill -9 $$").is_err(), "a killed command has no exit code");
}

#[test]
fn failure_that_was_expected_to_be_a_success_is_refused() {
    let failed = || Output::new(text(&[error()]).into_bytes(), 1);
    assert!(catch_unwind(|| failed().succeeded()).is_err());
    let succeeded = Output::new(text(&[log("x")]).into_bytes(), 0);
    assert!(catch_unwind(|| succeeded.failure().0.to_owned()).is_err());
}
