//! The files around the code agree with each other. On wiremock.

use serde_json::Value;

use crate::support::connector::{Connector, run_binary};
use crate::support::days::date;
use crate::support::fake_api::FakeApi;
use crate::support::market::{AAPL, Market};

const VERSION: &str = env!("CARGO_PKG_VERSION");

const NOW: &str = "2023-01-11T12:00:00Z";

/// The text behind `key` in a line of `file`.
fn value_of<'a>(file: &'a str, key: &str) -> &'a str {
    let found = file.lines().find_map(|line| {
        line.trim_start()
            .split_once(key)
            .filter(|(before, _)| !before.contains('#'))
    });
    found
        .unwrap_or_else(|| panic!("{key} is not there"))
        .1
        .trim()
        .trim_end_matches('\\')
        .trim()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// An API that knows the recorded bars, and a connector that reads them.
fn set_up() -> (FakeApi, Connector) {
    let api = FakeApi::start(Market::at(NOW));
    for (day, bar) in AAPL {
        api.market().day("AAPL", day, bar);
    }
    let mut connector = Connector::new(&api, "AAPL");
    connector
        .set("start_date", "2023-01-03")
        .set("end_date", "2023-01-10");
    (api, connector)
}

fn stream_names(catalog: &Value) -> Vec<String> {
    let streams = catalog["streams"].as_array().expect("streams").iter();
    let name = |stream: &Value| {
        stream.get("stream").unwrap_or(stream)["name"]
            .as_str()
            .expect("a name")
            .to_owned()
    };
    streams.map(name).collect()
}

/// The names of the streams that `discover` finds.
fn discovered() -> Vec<String> {
    let output = Connector::with_url("http://127.0.0.1:9", "TSLA")
        .run_binary("discover")
        .succeeded();
    stream_names(&output.messages[0]["catalog"])
}

#[test]
fn the_version_is_the_same_everywhere() {
    let metadata = include_str!("../metadata.yaml");
    let dockerfile = include_str!("../Dockerfile");
    assert_eq!(value_of(metadata, "dockerImageTag:"), VERSION);
    assert_eq!(value_of(dockerfile, "io.airbyte.version="), VERSION);
    assert_eq!(
        value_of(dockerfile, "io.airbyte.name="),
        value_of(metadata, "dockerRepository:")
    );
    assert!(
        include_str!("../CHANGELOG.md").contains(VERSION),
        "the changelog does not name {VERSION}"
    );
}

#[test]
fn the_documentation_is_at_the_same_address_everywhere() {
    let spec = run_binary(&["spec"]).succeeded();
    let address = &spec.messages[0]["spec"]["documentationUrl"];
    assert_eq!(
        *address,
        value_of(include_str!("../metadata.yaml"), "documentationUrl:")
    );
    assert_eq!(
        json(include_str!("../spec.json"))["documentationUrl"],
        *address
    );
}

#[test]
fn the_entrypoint_is_the_same_for_docker_and_for_the_launcher() {
    let dockerfile = include_str!("../Dockerfile");
    let launcher = value_of(dockerfile, "AIRBYTE_ENTRYPOINT=");
    assert!(
        launcher.starts_with('/'),
        "the launcher runs it from any directory"
    );
    assert_eq!(
        value_of(dockerfile, "ENTRYPOINT ["),
        format!("\"{launcher}\"]")
    );
}

#[test]
fn the_catalogs_beside_the_tests_name_the_streams_that_are_discovered() {
    let all = discovered();
    assert_eq!(
        stream_names(&json(include_str!("configured_catalog_all.json"))),
        all
    );
    assert_eq!(
        stream_names(&json(include_str!("configured_catalog.json"))),
        all[..1]
    );
}

#[test]
fn nothing_is_read_from_the_future_state_of_any_stream() {
    let (api, mut connector) = set_up();
    connector.catalog = json(include_str!("configured_catalog_all.json"));
    connector.state = Some(json(include_str!("future_state.json")));
    let output = connector.run_at(NOW, "read").succeeded();
    assert_eq!((output.records().len(), api.take_requests().len()), (0, 0));
    let states: Vec<Value> = output
        .states()
        .into_iter()
        .map(|state| state["stream"].clone())
        .collect();
    let handed: Vec<Value> = connector
        .state
        .iter()
        .filter_map(|state| state.as_array())
        .flatten()
        .map(|state| state["stream"].clone())
        .collect();
    assert_eq!(states.len(), handed.len());
    for (state, handed) in states.iter().zip(&handed) {
        let cursor = |state: &Value| {
            state["stream_state"]
                .to_string()
                .split("2121")
                .nth(1)
                .map(str::to_owned)
        };
        assert!(
            cursor(state).is_some() && state["stream_descriptor"] == handed["stream_descriptor"],
            "{state}"
        );
    }
}

#[test]
fn the_sample_state_is_one_from_which_a_sync_goes_on() {
    let (api, mut connector) = set_up();
    connector.catalog = json(include_str!("configured_catalog.json"));
    connector.state = Some(json(include_str!("sample_state.json")));
    api.market()
        .days("AAPL", &[(date(2023, 1, 11), 133.49)])
        .set_now("2023-01-12T12:00:00Z");
    connector.set("end_date", "2023-01-11");
    let output = connector.run_at("2023-01-12T12:00:00Z", "read").succeeded();
    assert_eq!(output.last_state()["AAPL"]["date"], "2023-01-11");
    assert_eq!(
        output.prices().last(),
        Some(&("AAPL", "2023-01-11", 133.49))
    );
}

#[test]
fn the_invalid_configuration_is_one_that_check_refuses() {
    let (api, mut connector) = set_up();
    connector.config = json(include_str!("invalid_config.json"));
    connector.set("api_url", api.url());
    assert_eq!(
        connector
            .run_at(NOW, "check")
            .succeeded()
            .connection_status()
            .0,
        "FAILED"
    );
}

#[test]
fn the_expected_records_are_those_of_the_recorded_bars() {
    let (_, connector) = set_up();
    let output = connector.run_at(NOW, "read").succeeded();
    let expected: Vec<Value> = include_str!("expected_records.jsonl")
        .lines()
        .map(json)
        .collect();
    assert_eq!(
        output.records(),
        expected
            .iter()
            .map(|record| &record["data"])
            .collect::<Vec<_>>()
    );
    assert!(
        expected
            .iter()
            .all(|record| record["stream"] == "stock_prices")
    );
}

#[test]
fn the_acceptance_suite_at_high_strictness_accounts_for_every_stream() {
    let suite = include_str!("../acceptance-test-config.high.yml");
    let basic_read = suite
        .split("basic_read:")
        .nth(1)
        .and_then(|text| text.split("full_refresh:").next())
        .expect("it");
    assert!(
        !basic_read.contains("configured_catalog_path"),
        "none may be named at this level"
    );
    let expected = include_str!("expected_records.jsonl");
    for name in discovered() {
        let is_empty = basic_read.contains(&format!("- name: {name}\n"));
        let has_records = expected.contains(&format!(r#""stream": "{name}""#));
        assert!(
            is_empty != has_records,
            "{name}: either it has expected records, or a reason to have none"
        );
    }
    assert_eq!(
        basic_read.matches("- name: ").count(),
        basic_read.matches("bypass_reason: ").count()
    );
}
