//! The command line, `spec` and `discover`, and what happens when they are used wrongly.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::connector::{BINARY, Connector, catalog, run_binary};
use crate::support::fake_api::{FakeApi, KEY};
use crate::support::market::Market;

fn connector() -> Connector {
    Connector::new(&FakeApi::start(Market::at("2020-12-22T12:00:00Z")), "TSLA")
}

#[test]
fn spec_is_spec_json() {
    let spec = &run_binary(&["spec"]).succeeded().messages[0]["spec"];
    let expected: Value = serde_json::from_str(include_str!("../spec.json")).unwrap();
    assert_eq!(*spec, expected);
    let properties = spec["connectionSpecification"]["properties"].as_object().unwrap();
    for (name, property) in properties {
        for key in ["title", "description", "type", "order"] {
            assert!(!property[key].is_null(), "{name} has no {key}");
        }
        assert_eq!(property["pattern"].is_null(), property["pattern_descriptor"].is_null(), "{name}");
        assert_eq!(property["airbyte_secret"].is_null(), name != "api_key", "its mere presence makes a field secret");
    }
}

#[test]
fn spec_tolerates_what_airbytes_own_tests_pass_to_it() {
    let plain = run_binary(&["spec"]).succeeded().messages;
    for extra in [&["spec", "--config", "no/such/file"][..], &["spec", "--catalog", "x", "--state", "y", "z"]] {
        assert_eq!(run_binary(extra).succeeded().messages, plain);
    }
}

#[test]
fn discover_describes_every_stream_and_needs_no_network() {
    let mut connector = connector();
    connector.set("api_url", "http://127.0.0.1:9");
    let output = connector.binary("discover").succeeded();
    for stream in output.messages[0]["catalog"]["streams"].as_array().unwrap() {
        let cursor = &stream["default_cursor_field"][0];
        assert_eq!(stream["supported_sync_modes"], json!(["full_refresh", "incremental"]));
        assert_eq!(stream["source_defined_cursor"], true);
        assert_eq!(stream["source_defined_primary_key"], json!([["stock_ticker"], [cursor]]));
        let properties = stream["json_schema"]["properties"].as_object().unwrap();
        for field in
            ["date", "stock_ticker", "price", "open", "high", "low", "volume", "vwap", "transactions", "adjusted"]
        {
            assert!(properties.contains_key(field), "{field}");
        }
        assert!(properties.contains_key(cursor.as_str().unwrap()));
    }
}

#[test]
fn help_and_version_are_for_people() {
    for (flag, expected) in
        [("--help", "Usage: source-stock-ticker-api <COMMAND>"), ("--version", "source-stock-ticker-api 0.")]
    {
        let ended = Command::new(BINARY).arg(flag).output().unwrap();
        assert!(ended.status.success());
        assert!(String::from_utf8_lossy(&ended.stdout).contains(expected), "{ended:?}");
    }
}

#[test]
fn a_wrong_command_line_is_a_trace_error() {
    let allowed = "Invalid command. Allowable commands: [spec, check, discover, read]";
    for (arguments, expected) in [
        (&["write"][..], allowed),
        (&[], allowed),
        (&["check"], "--config"),
        (&["read", "--config", "c.json"], "--catalog"),
        (&["discover", "--config"], "--config"),
        (&["check", "--config", "c.json", "--colour"], "--colour"),
    ] {
        let output = run_binary(arguments);
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "config_error");
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
}

#[test]
fn files_that_can_not_be_used_are_named() {
    let connector = connector();
    let mut arguments = connector.arguments("read");
    for (flag, what) in [(2, "configuration"), (4, "catalog")] {
        let good = std::mem::replace(&mut arguments[flag], "no/such/file".to_owned());
        let output = run_binary(&arguments);
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "config_error");
        assert!(message.contains(&format!("Can't read the {what} file no/such/file")), "{message}");

        for content in ["", "{\"api_key\": \"pk_0000testkey0000\"", "not json", "\u{0}"] {
            fs::write(&good, content).unwrap();
            arguments[flag].clone_from(&good);
            let output = run_binary(&arguments);
            assert!(output.failure().1.contains(&format!("The {what} file {good} is not JSON")));
        }
        arguments = connector.arguments("read");
    }
    let mut with_state = arguments;
    with_state.extend(["--state".to_owned(), connector.path("").display().to_string()]);
    assert!(run_binary(&with_state).failure().1.contains("Can't read the state file"));
}

#[test]
fn a_relative_path_is_taken_from_the_working_directory() {
    let connector = connector();
    connector.arguments("discover");
    let ended = Command::new(BINARY)
        .args(["discover", "--config", "config.txt"])
        .current_dir(connector.path(""))
        .output()
        .unwrap();
    assert!(ended.status.success());
}

#[test]
fn a_configuration_that_does_not_fit_is_refused_by_every_command() {
    let mut connector = connector();
    connector.set("stock_ticker", ",").set("start_date", "soon").set("api_key", json!([KEY]));
    for command in ["check", "discover", "read"] {
        let output = connector.binary(command);
        let (outcome, message) = if command == "check" { output.connection_status() } else { output.failure() };
        assert_eq!(outcome, if command == "check" { "FAILED" } else { "config_error" });
        for property in ["stock_ticker: ", "start_date: ", "api_key: "] {
            assert!(message.contains(property), "{message}");
        }
    }
}

#[test]
fn a_catalog_that_can_not_be_read_is_refused() {
    let mut connector = connector();
    let mut doubled = catalog("stock_prices", "incremental");
    let twice = doubled["streams"][0].clone();
    doubled["streams"].as_array_mut().unwrap().push(twice);
    for (catalog, expected) in [
        (catalog("stock_price", "incremental"), "the stream \"stock_price\", which this source does not have"),
        (catalog("stock_prices", "INVALID"), "the sync mode \"INVALID\""),
        (doubled, "more than once"),
        (json!({}), "no list \"streams\""),
        (json!({"streams": [{}]}), "\"name\""),
        (json!([]), "no list \"streams\""),
    ] {
        connector.catalog = catalog;
        let output = connector.binary("read");
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "config_error");
        assert!(message.contains(expected), "{message}");
        assert_eq!(output.messages.len(), 1, "nothing else is written");
    }
}

#[test]
fn a_closed_stdout_ends_quietly() {
    let mut child = Command::new(BINARY).arg("spec").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_full_disk_behind_stdout_is_told_on_stderr() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = Command::new(BINARY).arg("spec").stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("Can't write to stdout"));
}
