//! The files around the code agree with each other.

use serde_json::{Value, json};

use crate::support::connector::Connector;
use crate::support::days::date;
use crate::support::fake_api::FakeApi;
use crate::support::golden::assert_golden;
use crate::support::market::{AAPL, Market};

const VERSION: &str = env!("CARGO_PKG_VERSION");

const NOW: &str = "2023-01-11T12:00:00Z";

/// The text after `key` in a line of `file`.
fn value_of<'a>(file: &'a str, key: &str) -> &'a str {
    let found =
        file.lines().find_map(|line| line.trim_start().split_once(key).filter(|(before, _)| !before.contains('#')));
    found.unwrap_or_else(|| panic!("{key} is not there")).1.trim().trim_end_matches('\\').trim()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// An API that knows the recorded bars, and a connector that reads them.
fn set_up() -> (FakeApi, Connector) {
    let api = FakeApi::start(Market::at(NOW));
    for (day, bar) in AAPL {
        api.market().day("AAPL", day, bar);
    }
    let mut connector = Connector::new(&api, "AAPL");
    connector.set("start_date", "2023-01-03").set("end_date", "2023-01-10");
    (api, connector)
}

fn stream_names(catalog: &Value) -> Vec<String> {
    let streams = catalog["streams"].as_array().expect("streams").iter();
    let name = |stream: &Value| stream.get("stream").unwrap_or(stream)["name"].as_str().expect("a name").to_owned();
    streams.map(name).collect()
}

#[test]
fn the_version_is_the_same_everywhere() {
    let metadata = include_str!("../../metadata.yaml");
    let dockerfile = include_str!("../../Dockerfile");
    assert_eq!(value_of(metadata, "dockerImageTag:"), VERSION);
    for label in ["io.airbyte.version=", "org.opencontainers.image.version="] {
        assert_eq!(value_of(dockerfile, label), VERSION);
    }
    assert_eq!(value_of(dockerfile, "io.airbyte.name="), value_of(metadata, "dockerRepository:"));
    assert!(include_str!("../../CHANGELOG.md").contains(VERSION), "the changelog does not name {VERSION}");
}

#[test]
fn the_documentation_is_at_the_same_address_everywhere() {
    let address = value_of(include_str!("../../metadata.yaml"), "documentationUrl:");
    assert_eq!(parse(include_str!("../../spec.json"))["documentationUrl"], address);
}

#[test]
fn the_tables_in_the_documentation_name_every_stream_field_and_property() {
    let page = include_str!("../../docs/stock-ticker-api.md");
    let readme = include_str!("../../README.md");
    let spec = parse(include_str!("../../spec.json"));
    let properties = |schema: &Value| -> Vec<String> {
        let properties = schema["properties"].as_object().expect("properties");
        properties.keys().cloned().collect()
    };
    let mut missing = Vec::new();
    // In the first two cells of a row.
    let mut expect = |file: &str, text: &str, name: &str| {
        let mut rows = text.lines().filter(|line| line.starts_with('|'));
        let quoted = format!("`{name}`");
        if !rows.any(|row| row.split('|').take(3).any(|cell| cell.contains(&quoted))) {
            missing.push(format!("{file}: {name}"));
        }
    };
    let catalog = Connector::discovered();
    for name in stream_names(&catalog) {
        expect("docs/stock-ticker-api.md", page, &name);
    }
    for stream in catalog["streams"].as_array().expect("streams") {
        for field in properties(&stream["json_schema"]) {
            expect("docs/stock-ticker-api.md", page, &field);
        }
    }
    for property in properties(&spec["connectionSpecification"]) {
        expect("docs/stock-ticker-api.md", page, &property);
        expect("README.md", readme, &property);
    }
    assert!(missing.is_empty(), "add these names to the tables in the documentation: {missing:#?}");
}

#[test]
fn the_entrypoint_is_the_same_for_docker_and_for_the_launcher() {
    let dockerfile = include_str!("../../Dockerfile");
    let launcher = value_of(dockerfile, "AIRBYTE_ENTRYPOINT=");
    assert!(launcher.starts_with('/'), "the launcher runs it from any directory");
    assert_eq!(value_of(dockerfile, "ENTRYPOINT ["), format!("\"{launcher}\"]"));
}

#[test]
fn the_configured_catalogs_contain_the_discovered_streams() {
    let configured = |stream: &Value| {
        let mut stream = stream.clone();
        stream["json_schema"] = json!({});
        json!({"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append_dedup"})
    };
    let catalog = Connector::discovered();
    let streams = catalog["streams"].as_array().expect("streams").iter();
    let streams: Vec<Value> = streams.map(configured).collect();
    assert_golden("configured_catalog.json", &format!("{:#}\n", json!({"streams": streams[..1]})));
    assert_golden("configured_catalog_all.json", &format!("{:#}\n", json!({"streams": streams})));
}

#[test]
fn the_future_state_covers_the_discovered_streams_and_the_example_configuration() {
    // The first day of a week and of a month.
    const FUTURE: &str = "2121-06-01";
    let example = parse(include_str!("../../secrets.example/config.json"));
    let ticker = example["stock_ticker"].as_str().expect("a ticker");
    let future_state = |stream: &Value| {
        let cursor = stream["default_cursor_field"][0].as_str().expect("a cursor");
        let future = match cursor {
            "timestamp" => format!("{FUTURE}T00:00:00Z"),
            _ => FUTURE.to_owned(),
        };
        let name = stream["name"].as_str().expect("a name");
        let state = if name.contains("market_") {
            json!({"since": FUTURE, cursor: future})
        } else {
            json!({ticker: {"since": FUTURE, cursor: future, "adjusted": true}})
        };
        json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": state}})
    };
    let catalog = Connector::discovered();
    let streams = catalog["streams"].as_array().expect("streams").iter();
    // Splits and dividends are compared with the emitted ones, regardless of their dates.
    let of_bars = streams.filter(|stream| stream["json_schema"]["properties"]["price"].is_object());
    let states: Value = of_bars.map(future_state).collect();
    assert_golden("future_state.json", &format!("{states:#}\n"));
    let expected = include_str!("../expected_records.jsonl").lines();
    for record in expected.map(parse) {
        assert_eq!(record["data"]["stock_ticker"], ticker);
    }
}

#[test]
fn nothing_is_read_from_the_future_state_of_any_stream() {
    let (api, mut connector) = set_up();
    connector.catalog = parse(include_str!("../configured_catalog_all.json"));
    connector.state = Some(parse(include_str!("../future_state.json")));
    let streams = connector.catalog["streams"].as_array_mut().expect("streams");
    streams.retain(|stream| stream["stream"]["source_defined_primary_key"][0] != json!(["id"]));
    let output = connector.run_at(NOW, "read").succeeded();
    assert_eq!((output.records().len(), api.take_requests().len()), (0, 0));
    let given = connector.state.as_ref().and_then(Value::as_array).expect("states");
    let states = output.states();
    assert_eq!(states.len(), given.len());
    for (state, given) in states.iter().zip(given) {
        assert!(state["stream"]["stream_state"].to_string().contains("2121"), "{state}");
        assert_eq!(state["stream"]["stream_descriptor"], given["stream"]["stream_descriptor"]);
    }
}

#[test]
fn the_sample_state_can_be_resumed_from() {
    let (api, mut connector) = set_up();
    connector.catalog = parse(include_str!("../configured_catalog.json"));
    connector.state = Some(parse(include_str!("../sample_state.json")));
    api.market().days("AAPL", &[(date(2023, 1, 11), 133.49)]).set_now("2023-01-12T12:00:00Z");
    connector.set("end_date", "2023-01-11");
    let output = connector.run_at("2023-01-12T12:00:00Z", "read").succeeded();
    assert_eq!(output.last_state()["AAPL"]["date"], "2023-01-11");
    assert_eq!(output.prices().last(), Some(&("AAPL", "2023-01-11", 133.49)));
}

#[test]
fn check_refuses_the_invalid_configuration() {
    let (api, mut connector) = set_up();
    connector.config = parse(include_str!("../invalid_config.json"));
    connector.set("api_url", api.url());
    connector.run_at(NOW, "check").assert_check_fails(&[]);
}

#[test]
fn the_expected_records_are_those_of_the_recorded_bars() {
    let (_, connector) = set_up();
    let output = connector.run_at(NOW, "read").succeeded();
    let expected: Vec<Value> = include_str!("../expected_records.jsonl").lines().map(parse).collect();
    assert_eq!(output.records(), expected.iter().map(|record| &record["data"]).collect::<Vec<_>>());
    assert!(expected.iter().all(|record| record["stream"] == "stock_prices"));
}

#[test]
fn the_acceptance_suite_at_high_strictness_accounts_for_every_stream() {
    let suite = include_str!("../../acceptance-test-config.high.yml");
    let basic_read =
        suite.split("basic_read:").nth(1).and_then(|text| text.split("full_refresh:").next()).expect("the section");
    assert!(!basic_read.contains("configured_catalog_path"), "none may be named at this level");
    let expected = include_str!("../expected_records.jsonl");
    for name in stream_names(&Connector::discovered()) {
        let is_empty = basic_read.contains(&format!("- name: {name}\n"));
        let has_records = expected.contains(&format!(r#""stream": "{name}""#));
        assert!(
            is_empty != has_records,
            "{name}: add it to empty_streams in acceptance-test-config.high.yml, with a reason why it has no expected \
             records"
        );
    }
    assert_eq!(basic_read.matches("- name: ").count(), basic_read.matches("bypass_reason: ").count());
    let incremental = suite.split("  incremental:").nth(1).expect("the section");
    for entry in incremental.split("- config_path").skip(1) {
        // Otherwise each of the catalog's streams needs a future state, which splits and dividends can't have.
        let file = |key| std::fs::read_to_string(value_of(entry, key)).expect("a file");
        let has_states = || {
            let (catalog, states) = (parse(&file("configured_catalog_path: ")), file("future_state_path: "));
            stream_names(&catalog).iter().all(|name| states.contains(&format!("\"{name}\"")))
        };
        assert!(entry.contains("bypass_reason: ") || has_states(), "{entry}");
    }
}
