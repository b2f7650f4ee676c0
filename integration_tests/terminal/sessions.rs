//! Complete sessions, kept as files; `UPDATE_GOLDEN=1` rewrites them.

use std::collections::HashSet;

use serde_json::json;

use super::{Kind, Session};
use crate::support::connector::Connector;
use crate::support::days::date;
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::golden::assert_golden;
use crate::support::market::Market;
use crate::support::scenario::Scenario;

const NOW: &str = "2026-11-27T12:00:00Z";

fn api() -> FakeApi {
    let mut market = Market::at(NOW);
    for (ticker, close) in [("AAPL", 277.5), ("TSLA", 426.0)] {
        let days = [20, 23, 24, 25].map(|day| (date(2026, 11, day), close + f64::from(day)));
        market.days(ticker, &days);
    }
    FakeApi::start(market)
}

fn arguments(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

/// Runs a command and compares stdout and stderr with the kept files.
fn assert_as_kept(name: &str, arguments: &[String], exit_code: u8) {
    let session = Session::run(NOW, Kind::File, arguments);
    assert_eq!(session.exit_code, exit_code, "{name}");
    for (stream, written) in [("stdout", &session.stdout), ("stderr", &session.stderr)] {
        assert_golden(&format!("golden/sessions/{name}.{stream}"), written);
    }
    let codes = ["\\r", "\\e[2K", "\\e[1;31m", "\\e[1;33m", "\\e[0m"];
    let visible = codes.iter().fold(session.stderr, |text, code| text.replace(code, ""));
    // A word that is longer than a line, such as the path of a request, is not broken.
    let is_wide = |line: &&str| line.contains(' ') && line.chars().count() > 80;
    assert_eq!(visible.lines().find(is_wide), None, "{name}");
}

/// The second of two syncs: a 429, new bars, and a split since the first one.
#[test]
fn sync() {
    let mut scenario = Scenario::with_api(api(), "TSLA", "stock_prices", "2026-11-20");
    scenario.api.market().split("TSLA", date(2026, 11, 25), 3.0);
    let faults = |number, _: &_| (number == 1).then(|| Fault::status(429, "Retry-After: 40", "{}"));
    scenario.api.inject_faults(faults);
    let first = scenario.sync("2026-11-25T04:00:00Z");
    scenario.connector.resume_from(&first);
    scenario.api.market().set_now(NOW);
    assert_as_kept("sync", &scenario.connector.arguments("read"), 0);
}

/// Of the streams with the same fields, only the first.
#[test]
fn discover() {
    let mut catalog = Connector::discovered();
    let mut seen = HashSet::new();
    let streams = catalog["streams"].as_array_mut().expect("streams");
    streams.retain(|stream| seen.insert(stream["json_schema"].to_string()));
    assert_golden("golden/sessions/discover.json", &format!("{catalog:#}\n"));
}

#[test]
fn wrong_key() {
    let api = api();
    let refusal = r#"{"status":"ERROR","request_id":"abc","error":"Unknown API Key"}"#;
    api.inject_faults(|_, _| Some(Fault::status(401, "", refusal)));
    let connector = Connector::new(&api, "TSLA");
    assert_as_kept("wrong_key_check", &connector.arguments("check"), 0);
    assert_as_kept("wrong_key_read", &connector.arguments("read"), 1);
}

#[test]
fn command_lines_without_a_configuration() {
    for (name, words, exit_code) in [
        ("typo_argument", "read --confg c.json --catalog c.json", 1),
        ("typo_command", "chek --config c.json", 1),
        ("missing_file", "check --config no/such/config.json", 1),
        ("help", "", 0),
    ] {
        assert_as_kept(name, &arguments(words), exit_code);
    }
}

#[test]
fn typo_in_the_configuration() {
    let mut connector = Connector::with_url("http://127.0.0.1:9", "^GSPC, TSLA AAPL");
    connector.set("start_dat", "2024-01-02").set("api_key", "");
    assert_as_kept("typo_configuration", &connector.arguments("check"), 0);
}

#[test]
fn check_that_succeeds() {
    let session = Session::run(NOW, Kind::File, &Connector::new(&api(), "TSLA").arguments("check"));
    assert_eq!(session.exit_code, 0);
    assert_eq!(session.stderr.lines().last().map(|line| line.ends_with('.')), Some(true));
}

#[test]
fn pipe_gets_no_progress_line_and_no_color_is_honoured() {
    let connector = Connector::new(&api(), "TSLA");
    let session = Session::run(NOW, Kind::Pipe, &connector.arguments("read"));
    let summary = "stock_prices: 1 ticker, 4 records, 0 emitted again; 1 request in 0.0 s\n";
    assert_eq!((session.exit_code, session.stderr.as_str()), (0, summary));
    let missing = arguments("check --config no/such/config.json");
    let expected = "The configuration file no/such/config.json";
    let session = Session::run(NOW, Kind::Pipe, &missing);
    assert!(session.stderr.starts_with("\\e[1;31merror: \\e[0m"), "{}", session.stderr);
    let session = Session::run(NOW, Kind::FileWithoutColors, &missing);
    assert!(session.stderr.contains("\\r\\e[2Kerror: Can't read the configuration"), "{}", session.stderr);
    assert!(!session.stderr.contains("\\e[0m") && !session.stderr.contains(expected));
    let session = Session::run(NOW, Kind::None, &missing);
    assert_eq!(session.stderr, "");
}

#[test]
fn key_is_not_shown_in_the_terminal() {
    let api = api();
    let mut connector = Connector::new(&api, "TSLA");
    let key = connector.config["api_key"].as_str().expect("a key").to_owned();
    let refusal = json!({"error": format!("Unknown API Key {key}")}).to_string();
    api.inject_faults(move |_, _| Some(Fault::status(401, "", &refusal)));
    connector.set("adjusted", key.as_str());
    let invalid = Session::run(NOW, Kind::File, &connector.arguments("read"));
    connector.set("adjusted", true);
    let refused = Session::run(NOW, Kind::File, &connector.arguments("read"));
    for session in [invalid, refused] {
        assert!(session.stderr.contains("error: ") && !session.stderr.contains(&key));
    }
}
