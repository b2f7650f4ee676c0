//! Files as people pass them: outputs of other commands, and unusable files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::{Value, json};

use super::{Kind, Session};
use crate::support::bar_size::BarSize;
use crate::support::connector::{BINARY, Connector, configured, run_command};
use crate::support::days::{date, new_york_time};
use crate::support::fake_api::{FakeApi, KEY};
use crate::support::market::{Market, TradedBar};
use crate::support::output::{Output, assert_words};

const NOW: &str = "2026-11-27T12:00:00Z";

/// An API with two days, an hour and a dividend of a stock.
fn api() -> FakeApi {
    let mut market = Market::at(NOW);
    let day = date(2026, 11, 25);
    market.days("TSLA", &[(date(2026, 11, 24), 424.0), (day, 426.0)]);
    let bar = TradedBar::closing_at(426.0);
    market.bar(BarSize::HOUR, "TSLA", new_york_time(day, 10, 0), bar);
    market.dividend("TSLA", date(2026, 11, 24), 0.25);
    FakeApi::start(market)
}

fn run(arguments: &[String]) -> Output {
    let session = Session::run(NOW, Kind::None, arguments);
    Output::new(session.stdout.into_bytes(), session.exit_code.into())
}

/// `read` with a file as the state.
fn with_state(connector: &Connector, content: &str) -> Vec<String> {
    let path = connector.path("messages.jsonl");
    fs::write(&path, content).expect("a file");
    let mut arguments = connector.arguments("read");
    arguments.extend(["--state".to_owned(), path.display().to_string()]);
    arguments
}

#[test]
fn output_of_a_read_is_the_state_of_the_next_for_all_its_streams() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA");
    let streams = ["stock_prices", "stock_prices_by_week", "stock_prices_by_hour"];
    connector.catalog = json!({"streams": streams.map(|name| configured(name, "incremental"))});
    let first = run(&connector.arguments("read")).succeeded();
    assert_eq!(first.records().len(), 3);
    let second = run(&with_state(&connector, &first.text)).succeeded();
    assert_eq!(second.records(), [&Value::Null; 0]);
    let third = run(&with_state(&connector, &second.text)).succeeded();
    assert_eq!(third.records(), [&Value::Null; 0]);
}

#[test]
fn output_of_a_read_that_was_cut_off_is_a_state() {
    let connector = Connector::new(&api(), "TSLA");
    let whole = run(&connector.arguments("read")).succeeded().text;
    let end = whole.rfind("\"COMPLETE\"").expect("a status");
    let second = run(&with_state(&connector, &whole[..end])).succeeded();
    assert_eq!(second.records(), [&Value::Null; 0]);
    let warning = "The last line of the state file is incomplete and was ignored.";
    assert_eq!(second.logs("WARN"), [warning]);
}

#[test]
fn output_of_discover_is_a_catalog() {
    let mut connector = Connector::new(&api(), "TSLA");
    // The warning about this property is in the output of discover.
    connector.set("start_dat", "2024-01-02");
    let discovered = run(&connector.arguments("discover")).succeeded();
    assert_eq!(discovered.logs("WARN").len(), 1);
    let catalog: &Value = &discovered.messages.last().expect("a CATALOG")["catalog"];
    let arguments = connector.arguments("read");
    for content in [discovered.text.clone(), catalog.to_string()] {
        fs::write(&arguments[4], content).expect("a file");
        let output = run(&arguments).succeeded();
        let left_out = "Left out (whole markets): market_prices, crypto_market_prices, ";
        assert_words(output.logs("INFO")[0], &["stock_prices, stock_prices_by_week, ", left_out]);
        assert_eq!(output.records().len(), 4, "two days, an hour and a dividend");
        let completed = output.statuses().iter().filter(|status| **status == "COMPLETE").count();
        assert_eq!(completed, catalog["streams"].as_array().expect("streams").len() - 5);
    }
}

#[test]
fn files_that_can_not_be_used_say_why_without_quoting_them() {
    let mut connector = Connector::new(&api(), "TSLA");
    connector.state = Some(json!([]));
    let arguments = connector.arguments("read");
    let start_of_config = format!(r#"{{"api_key": "{KEY}""#);
    for (path, what, expected) in [
        (&arguments[2], "configuration", r#"{"stock_ticker": …}."#),
        (&arguments[4], "catalog", r#"{"streams": […]}."#),
        (&arguments[6], "state", "the STATE messages of an earlier read."),
    ] {
        let good = fs::read(path).expect("a file");
        for (content, problem) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("stock_ticker: TSLA\n", "is not JSON (it looks like YAML)"),
            ("# mine\n\nstock_ticker:\n  - TSLA\n", "is not JSON (it looks like YAML)"),
            ("not json", "is not JSON (expected ident at line 1 column 2)"),
            (&start_of_config, "is not JSON (EOF while parsing an object at line 1 column 32)"),
            ("\u{0}", "is not JSON (expected value at line 1 column 1)"),
            (r#""\ud800""#, "is not JSON (unexpected end of hex escape at line 1 column 8)"),
            ("{} {}", "goes on after the end of the JSON value"),
            ("{} {", "goes on after the end of the JSON value"),
        ] {
            if what != "configuration" && problem.starts_with("goes on") {
                // The output of an earlier command has several values.
                continue;
            }
            fs::write(path, content).expect("a file");
            let output = run(&arguments);
            let message = format!("The {what} file {path} {problem}; expected {expected}");
            output.assert_failure("config_error", &[&message]);
            assert!(!output.text.contains("api_key"), "{what}: {content}");
        }
        fs::remove_file(path).expect("a file");
        let message = format!("Can't read the {what} file {path}: no such file.");
        run(&arguments).assert_failure("config_error", &[&message]);
        fs::create_dir(path).expect("a folder");
        let message = format!("Can't read the {what} file {path}: it is a directory.");
        run(&arguments).assert_failure("config_error", &[&message]);
        fs::remove_dir(path).expect("a folder");
        fs::write(path, good).expect("a file");
    }
}

#[test]
fn file_that_may_not_be_read_is_refused_with_the_uid_of_the_process() {
    let connector = Connector::new(&api(), "TSLA");
    let arguments = connector.arguments("check");
    let binary = connector.path("binary");
    fs::copy(BINARY, &binary).expect("a copy that every user can reach");
    for (path, mode) in [(connector.path(""), 0o755), ((&arguments[2]).into(), 0o000)] {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(path, permissions).expect("permissions");
    }
    let mut command = Command::new(binary);
    command.args(&arguments);
    // root may read everything.
    let is_root = fs::read(&arguments[2]).is_ok();
    if is_root {
        command.uid(1000);
    }
    let output = run_command(&mut command);
    let message = output.failure().1;
    let uid = if is_root { "1000)." } else { "" };
    let expected = format!(": permission denied (running as uid {uid}");
    assert!(message.contains(&expected), "{message}");
}
