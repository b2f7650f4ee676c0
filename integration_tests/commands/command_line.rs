//! The command line, `spec` and `discover`, and errors in their use.

use std::fs;

use serde_json::{Value, json};

use crate::support::connector::{Connector, binary_command, catalog, run_binary, run_command};
use crate::support::fake_api::KEY;

/// Without an API, which none of these tests needs.
fn connector() -> Connector {
    Connector::with_url("http://127.0.0.1:9", "TSLA")
}

#[test]
fn spec_is_spec_json() {
    let spec = &run_binary(&["spec"]).succeeded().messages[0]["spec"];
    let expected: Value = serde_json::from_str(include_str!("../../spec.json")).expect("JSON");
    assert_eq!(*spec, expected);
    let properties = spec["connectionSpecification"]["properties"].as_object().expect("properties");
    for (place, (name, property)) in properties.iter().enumerate() {
        for key in ["title", "description", "type"] {
            assert!(property[key].is_string(), "{name} has no {key}");
        }
        assert_eq!(property["order"], place, "{name}: the file is in the order of the form");
        assert_eq!(property["pattern"].is_null(), property["pattern_descriptor"].is_null(), "{name}");
        assert_eq!(
            property["airbyte_secret"].is_null(),
            name != "api_key",
            "its mere presence makes a property secret"
        );
    }
    assert_eq!(properties["start_date"]["always_show"], true);
}

#[test]
fn spec_tolerates_what_airbytes_own_tests_pass_to_it() {
    let plain = run_binary(&["spec"]).succeeded().messages;
    for extra in [
        &["spec", "--config", "no/such/file"][..],
        &["spec", "--catalog", "x", "--state", "y", "z"],
        &["spec", "--debug"],
        &["--debug", "spec"],
    ] {
        assert_eq!(run_binary(extra).succeeded().messages, plain);
    }
}

#[test]
fn help_and_version_print_plain_text() {
    for (arguments, expected) in [
        (&["--help"][..], "Usage: source-stock-ticker-api"),
        (&["read", "--help"], "--catalog <FILE>"),
        (&["--version"], "source-stock-ticker-api 0."),
    ] {
        let ended = binary_command(arguments).output().expect("it runs");
        assert!(ended.status.success());
        assert!(String::from_utf8_lossy(&ended.stdout).contains(expected), "{ended:?}");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    }
}

#[test]
fn wrong_command_line_is_a_trace_error() {
    for (arguments, expected) in [
        (&["write"][..], "unrecognized subcommand 'write'"),
        (&["chek"], "did you mean check?"),
        (&["--debug"], "[subcommands: spec, check, discover, read, help]"),
        (&["check", "--confg", "c.json"], "did you mean --config?"),
        (&["check"], "--config"),
        (&["read", "--config", "c.json"], "--catalog"),
        (&["discover", "--config"], "--config"),
        (&["check", "--config", "c.json", "--colour"], "--colour"),
        (&["discover", "--config", "c.json", "--config", "d.json"], "--config"),
    ] {
        println!("{arguments:?}");
        let output = run_binary(arguments);
        output.assert_failure("config_error", &["Invalid command line: ", expected]);
        assert!(output.failure().1.ends_with("See --help."));
        assert_eq!(output.messages.len(), 1);
    }
}

#[test]
fn arguments_are_accepted_in_every_notation_and_paths_are_taken_from_the_working_directory() {
    let connector = connector();
    let file = &connector.arguments("discover")[2];
    let text = fs::read_to_string(file).expect("a file");
    for byte_order_mark in ["", "\u{feff}"] {
        fs::write(file, format!("{byte_order_mark}{text}")).expect("a file");
        for arguments in [
            &["discover", "--config", "config.json"][..],
            &["discover", "--config=config.json"],
            &["--debug", "discover", "--config", "config.json"],
            &["discover", "--config", "config.json", "--debug"],
        ] {
            println!("{arguments:?}, {byte_order_mark:?}");
            let output = run_command(binary_command(arguments).current_dir(connector.path(""))).succeeded();
            assert_eq!(output.messages.len(), 1);
        }
    }
}

#[test]
fn invalid_configuration_is_refused_by_every_command() {
    let mut connector = connector();
    connector.set("stock_ticker", ",").set("start_date", "soon").set("api_key", json!([KEY]));
    for command in ["check", "discover", "read"] {
        let output = connector.run_binary(command);
        let (outcome, message) = if command == "check" { output.connection_status() } else { output.failure() };
        assert_eq!(outcome, if command == "check" { "FAILED" } else { "config_error" });
        let properties: Vec<_> = message.lines().skip(1).filter_map(|line| line.split([':', ' ']).next()).collect();
        assert_eq!(properties, ["stock_ticker", "api_key", "start_date"], "{message}");
        assert_eq!(output.messages.len(), 1);
    }
}

#[test]
fn catalog_that_can_not_be_understood_is_refused() {
    let mut connector = connector();
    let mut doubled = catalog("stock_prices", "incremental");
    let twice = doubled["streams"][0].clone();
    doubled["streams"].as_array_mut().expect("streams").push(twice);
    for (catalog, expected) in [
        (catalog("stock_price", "incremental"), "unknown stream \"stock_price\""),
        (catalog("stock_prices", "INVALID"), "unknown sync mode \"INVALID\" for stock_prices"),
        (doubled, "duplicate stream \"stock_prices\""),
        (json!({}), "no list \"streams\""),
        (json!({"streams": [{}]}), "\"name\""),
        (json!({"streams": [{"stream": {"name": "stock_prices"}}]}), "unknown sync mode null"),
        (json!([]), "no list \"streams\""),
    ] {
        connector.catalog = catalog;
        let output = connector.run_binary("read");
        output.assert_failure("config_error", &[expected]);
        assert_eq!(output.messages.len(), 1, "nothing else is written");
    }
}
