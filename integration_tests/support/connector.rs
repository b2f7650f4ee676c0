//! Runs the connector, the built binary or the library with a simulated clock, and checks all that it writes.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::{Value, json};
use source_stock_ticker_api::clock::SharedClock;
use source_stock_ticker_api::polygon::Patience;
use source_stock_ticker_api::{Environment, run};
use tempfile::TempDir;

use super::clock::SimulatedClock;
use super::fake_api::{FakeApi, KEY};

/// The built binary.
pub const BINARY: &str = env!("CARGO_BIN_EXE_source-stock-ticker-api");

/// A connector with its files.
pub struct Connector {
    pub config: Value,
    pub catalog: Value,
    pub state: Option<Value>,
    folder: TempDir,
}

impl Connector {
    /// Configured for the fake API and its key; reads `stock_prices` incrementally.
    pub fn new(api: &FakeApi, stock_ticker: &str) -> Connector {
        Connector {
            config: json!({"stock_ticker": stock_ticker, "api_key": KEY, "api_url": api.url()}),
            catalog: catalog("stock_prices", "incremental"),
            state: None,
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// The same configuration without a state, reading `stream` from the start.
    pub fn afresh(&self, stream: &str) -> Connector {
        Connector {
            config: self.config.clone(),
            catalog: catalog(stream, "full_refresh"),
            state: None,
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    pub fn set(&mut self, property: &str, value: impl Into<Value>) -> &mut Connector {
        self.config[property] = value.into();
        self
    }

    pub fn stream(&mut self, name: &str, sync_mode: &str) -> &mut Connector {
        self.catalog = catalog(name, sync_mode);
        self
    }

    /// Goes on from the last state of an earlier output, as the platform does.
    pub fn go_on_from(&mut self, output: &Output) -> &mut Connector {
        self.state = Some(json!(output.states().last().into_iter().collect::<Vec<_>>()));
        self
    }

    /// The arguments of a command, with the files that it names written.
    pub fn arguments(&self, command: &str) -> Vec<String> {
        let file = |name: &str, value: &Value| {
            let path = self.folder.path().join(name);
            fs::write(&path, value.to_string()).expect("a file");
            path.display().to_string()
        };
        let mut arguments = vec![command.to_owned()];
        let mut add = |flag: &str, path: String| arguments.extend([flag.to_owned(), path]);
        if command != "spec" {
            add("--config", file("config.txt", &self.config));
        }
        if command == "read" {
            add("--catalog", file("catalog.txt", &self.catalog));
            if let Some(state) = &self.state {
                add("--state", file("state.txt", state));
            }
        }
        arguments
    }

    /// A path in the connector's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command of the built binary.
    pub fn binary(&self, command: &str) -> Output {
        run_binary(&self.arguments(command))
    }

    /// Runs a command of the library at a moment; waits take no time.
    pub fn at(&self, now: &str, command: &str) -> Output {
        self.on(&SimulatedClock::at(now.parse().expect("a timestamp")), command)
    }

    /// Runs a command of the library on a simulated clock.
    pub fn on(&self, clock: &Arc<SimulatedClock>, command: &str) -> Output {
        let quick = |patience| Patience { silence: Duration::from_millis(300), ..patience };
        let clock: SharedClock = clock.clone();
        let environment = Environment { clock, check: quick(Patience::CHECK), read: quick(Patience::SYNC) };
        let mut stdout = Vec::new();
        let arguments = std::iter::once("source-stock-ticker-api".to_owned()).chain(self.arguments(command));
        let exit_code = run(arguments, &environment, &mut stdout);
        Output::new(stdout, i32::from(exit_code))
    }
}

/// Runs the built binary; whatever it does, it writes nothing to stderr.
pub fn run_binary<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    let ended = Command::new(BINARY).args(arguments).stdin(Stdio::null()).output().expect("the binary runs");
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "nothing goes to stderr");
    Output::new(ended.stdout, ended.status.code().expect("it is not killed"))
}

/// A catalog as the platform hands it over, with all that a strict parser would choke on.
pub fn catalog(stream: &str, sync_mode: &str) -> Value {
    json!({"streams": [configured(stream, sync_mode)]})
}

pub fn configured(stream: &str, sync_mode: &str) -> Value {
    json!({
        "stream": {
            "name": stream, "namespace": null, "json_schema": {"type": "object", "properties": {"date": {"type": "string"}}},
            "supported_sync_modes": ["full_refresh", "incremental"], "source_defined_cursor": null, "default_cursor_field": [],
            "source_defined_primary_key": [], "is_resumable": null, "is_file_based": null,
        },
        "sync_mode": sync_mode, "destination_sync_mode": "append", "cursor_field": [], "primary_key": [],
        "generation_id": 0, "minimum_generation_id": 0, "sync_id": 1, "include_files": null, "destination_object_name": null,
    })
}

/// What a command wrote, and its exit code.
#[derive(Debug)]
pub struct Output {
    /// stdout as it is.
    pub text: String,
    pub messages: Vec<Value>,
    pub exit_code: i32,
}

impl Output {
    /// Takes the lines apart; every one must be a message of the protocol, and none may hold the key.
    pub fn new(stdout: Vec<u8>, exit_code: i32) -> Output {
        let text = String::from_utf8(stdout).expect("UTF-8");
        assert!(!text.contains(KEY), "the key is in the output");
        let messages: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        for message in &messages {
            let problems: Vec<String> = PROTOCOL.iter_errors(message).map(|error| error.to_string()).collect();
            assert!(problems.is_empty(), "{message} is no message of the protocol: {problems:?}");
        }
        let output = Output { text, messages, exit_code };
        output.check_order();
        output
    }

    /// What the protocol says of the order of messages, and that the records add up.
    fn check_order(&self) {
        let errors = self.errors().len();
        assert_eq!(
            errors,
            usize::from(self.exit_code != 0),
            "a failure is one TRACE ERROR and exit 1: {:?}",
            self.errors()
        );
        let mut statuses: HashMap<String, Vec<String>> = HashMap::new();
        let mut unstated: HashMap<String, f64> = HashMap::new();
        for message in &self.messages {
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            match message["type"].as_str() {
                Some("RECORD") => {
                    let stream = text(&message["record"]["stream"]);
                    let status = statuses.get(&stream).and_then(|statuses| statuses.last());
                    assert_eq!(status.map(String::as_str), Some("RUNNING"), "records come while RUNNING");
                    *unstated.entry(stream).or_default() += 1.0;
                }
                Some("STATE") => {
                    let stream = text(&message["state"]["stream"]["stream_descriptor"]["name"]);
                    let counted = message["state"]["sourceStats"]["recordCount"].as_f64();
                    assert_eq!(counted, Some(unstated.insert(stream, 0.0).unwrap_or(0.0)), "recordCount");
                }
                Some("TRACE") if message["trace"]["type"] == "STREAM_STATUS" => {
                    let status = &message["trace"]["stream_status"];
                    statuses
                        .entry(text(&status["stream_descriptor"]["name"]))
                        .or_default()
                        .push(text(&status["status"]));
                }
                _ => {}
            }
        }
        assert!(unstated.values().all(|count| *count == 0.0), "a STATE covers every record");
        for (stream, statuses) in &statuses {
            assert_eq!(statuses[0], "STARTED", "{stream}");
            let last = statuses.last().expect("one");
            assert!(["COMPLETE", "INCOMPLETE"].contains(&last.as_str()), "{stream}: {statuses:?}");
            assert!(self.exit_code != 0 || last == "COMPLETE", "{stream}: {statuses:?}");
        }
    }

    fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.messages.iter().filter(move |message| message["type"] == kind)
    }

    /// The `data` of the records.
    pub fn records(&self) -> Vec<&Value> {
        self.of_type("RECORD").map(|message| &message["record"]["data"]).collect()
    }

    /// Ticker, date and price of the records.
    pub fn prices(&self) -> Vec<(&str, &str, f64)> {
        self.records()
            .iter()
            .map(|record| {
                let ticker = record["stock_ticker"].as_str().expect("a ticker");
                let date = record["date"].as_str().expect("a date");
                (ticker, date, record["price"].as_f64().expect("a price"))
            })
            .collect()
    }

    /// The `state` of the STATE messages.
    pub fn states(&self) -> Vec<Value> {
        self.of_type("STATE").map(|message| message["state"].clone()).collect()
    }

    /// The last `stream_state`.
    pub fn last_state(&self) -> Value {
        self.states().last().expect("a STATE")["stream"]["stream_state"].clone()
    }

    /// The `error` of the TRACE ERROR messages.
    pub fn errors(&self) -> Vec<&Value> {
        let errors = self.of_type("TRACE").filter(|message| message["trace"]["type"] == "ERROR");
        errors.map(|message| &message["trace"]["error"]).collect()
    }

    /// The failure's type and message.
    pub fn failure(&self) -> (&str, &str) {
        assert_eq!(self.exit_code, 1);
        let error = self.errors()[0];
        (error["failure_type"].as_str().expect("a type"), error["message"].as_str().expect("a message"))
    }

    /// The text of the logs of a level.
    pub fn logs(&self, level: &str) -> Vec<&str> {
        let logs = self.of_type("LOG").filter(|message| message["log"]["level"] == level);
        logs.map(|message| message["log"]["message"].as_str().expect("a text")).collect()
    }

    /// Status and message of the CONNECTION_STATUS.
    pub fn connection_status(&self) -> (&str, &str) {
        let status = &self.of_type("CONNECTION_STATUS").next().expect("a CONNECTION_STATUS")["connectionStatus"];
        (status["status"].as_str().expect("a status"), status["message"].as_str().unwrap_or(""))
    }

    /// The stream statuses, in their order.
    pub fn statuses(&self) -> Vec<&str> {
        let statuses = self.of_type("TRACE").filter(|message| message["trace"]["type"] == "STREAM_STATUS");
        statuses.map(|message| message["trace"]["stream_status"]["status"].as_str().expect("a status")).collect()
    }

    /// Asserts that all went well.
    pub fn succeeded(self) -> Output {
        assert_eq!(self.exit_code, 0, "{:?}", self.errors());
        self
    }
}

/// A table in a destination that keeps the last record of a primary key.
#[derive(Debug, Default, PartialEq)]
pub struct Table(pub BTreeMap<(String, String), Value>);

impl Table {
    /// Takes the records over; returns how many were there already.
    pub fn load(&mut self, output: &Output) -> usize {
        let mut doubles = 0;
        for record in output.records() {
            let cursor = record.get("timestamp").unwrap_or(&record["date"]);
            let key = (record["stock_ticker"].to_string(), cursor.to_string());
            doubles += usize::from(self.0.insert(key, record.clone()).is_some());
        }
        doubles
    }
}

static PROTOCOL: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("airbyte_message.json")).expect("JSON");
    jsonschema::draft7::new(&schema).expect("a schema")
});
