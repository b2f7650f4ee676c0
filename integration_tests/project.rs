//! The files around the code agree with each other.

use serde_json::Value;
use source_stock_ticker_api::streams::STREAMS;

use crate::support::connector::Connector;
use crate::support::fake_api::FakeApi;
use crate::support::market::{AAPL, Market};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The text behind `key` in a line of `file`.
fn value_of<'a>(file: &'a str, key: &str) -> &'a str {
    let found =
        file.lines().find_map(|line| line.trim_start().split_once(key).filter(|(before, _)| !before.contains('#')));
    found.unwrap_or_else(|| panic!("{key} is not there")).1.trim().trim_end_matches('\\').trim()
}

#[test]
fn the_version_is_the_same_everywhere() {
    let metadata = include_str!("../metadata.yaml");
    let dockerfile = include_str!("../Dockerfile");
    assert_eq!(value_of(metadata, "dockerImageTag:"), VERSION);
    assert_eq!(value_of(dockerfile, "io.airbyte.version="), VERSION);
    assert_eq!(value_of(dockerfile, "io.airbyte.name="), value_of(metadata, "dockerRepository:"));
    assert!(include_str!("../CHANGELOG.md").contains(VERSION), "the changelog does not name {VERSION}");
}

#[test]
fn the_entrypoint_is_the_same_for_docker_and_for_the_launcher() {
    let dockerfile = include_str!("../Dockerfile");
    let launcher = value_of(dockerfile, "AIRBYTE_ENTRYPOINT=");
    assert!(launcher.starts_with('/'), "the launcher runs it from any directory");
    assert_eq!(value_of(dockerfile, "ENTRYPOINT ["), format!("\"{launcher}\"]"));
}

#[test]
fn the_catalogs_and_states_beside_the_tests_fit_the_streams() {
    let names = |catalog: &str| -> Vec<Value> {
        let catalog: Value = serde_json::from_str(catalog).expect("JSON");
        catalog["streams"].as_array().expect("streams").iter().map(|stream| stream["stream"]["name"].clone()).collect()
    };
    let all = STREAMS.each_ref().map(|stream| stream.name);
    assert_eq!(names(include_str!("configured_catalog_all.json")), all);
    assert_eq!(names(include_str!("configured_catalog.json")), all[..1]);

    let api = FakeApi::start(Market::at("2026-11-20T15:00:00Z"));
    let mut connector = Connector::new(&api, "TSLA");
    connector.catalog = serde_json::from_str(include_str!("configured_catalog_all.json")).expect("JSON");
    connector.state = Some(serde_json::from_str(include_str!("future_state.json")).expect("JSON"));
    let output = connector.binary("read").succeeded();
    assert_eq!((output.records().len(), api.take_requests().len()), (0, 0), "the states are in the future");

    connector.catalog = serde_json::from_str(include_str!("configured_catalog.json")).expect("JSON");
    connector.state = Some(serde_json::from_str(include_str!("sample_state.json")).expect("JSON"));
    connector.set("end_date", "2024-01-02");
    assert_eq!(connector.binary("read").succeeded().last_state()["TSLA"]["price"], 633.25);
}

#[test]
fn the_expected_records_are_those_of_the_recorded_bars() {
    let api = FakeApi::start(Market::at("2023-01-11T12:00:00Z"));
    for (day, bar) in AAPL {
        api.market().day("AAPL", day, bar);
    }
    let mut connector = Connector::new(&api, "AAPL");
    connector.set("start_date", "2023-01-03").set("end_date", "2023-01-10");
    let output = connector.binary("read").succeeded();
    let expected: Vec<Value> =
        include_str!("expected_records.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(output.records(), expected.iter().map(|record| &record["data"]).collect::<Vec<_>>());
    assert!(expected.iter().all(|record| record["stream"] == "stock_prices"));
}
