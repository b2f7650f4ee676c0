//! The output of a command, complete or cut off, and the checks that every output must pass.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::backend::KEY;
use super::connector::Connector;

/// What a command wrote, and its exit code.
#[derive(Debug, Clone)]
pub struct Output {
    /// stdout as it is.
    pub text: String,
    pub messages: Vec<Value>,
    /// `None` if the command was killed.
    pub exit_code: Option<i32>,
}

/// How many records are validated against the protocol's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scrutiny {
    EveryRecord,
    /// Only the first, in tests with many runs.
    FirstRecord,
}

impl Output {
    /// Checks the output of a command that ended normally.
    pub fn new(stdout: Vec<u8>, exit_code: i32) -> Output {
        Output::checked(stdout, Some(exit_code), Scrutiny::EveryRecord)
    }

    /// Checks the output of a killed command, without its incomplete last line.
    pub fn cut_off(stdout: Vec<u8>) -> Output {
        Output::checked(stdout, None, Scrutiny::EveryRecord)
    }

    /// Parses the lines: every complete one must be a message of the protocol, and none may contain the key.
    pub fn checked(stdout: Vec<u8>, exit_code: Option<i32>, scrutiny: Scrutiny) -> Output {
        let mut text = String::from_utf8(stdout).expect("UTF-8");
        assert!(!text.contains(KEY), "the key is in the output");
        match exit_code {
            None => text.truncate(text.rfind('\n').map_or(0, |end| end + 1)),
            Some(_) => assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole"),
        }
        let messages: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        check_schema(&messages, scrutiny);
        let output = Output { text, messages, exit_code };
        output.check_order();
        output
    }

    /// The output of a run that was killed after `count` lines.
    pub fn first_lines(&self, count: usize) -> Output {
        let text: String = self.text.split_inclusive('\n').take(count).collect();
        Output { text, messages: self.messages.iter().take(count).cloned().collect(), exit_code: None }
    }

    /// Checks the order of messages and the record counts.
    fn check_order(&self) {
        let errors = self.errors();
        if let Some(exit_code) = self.exit_code {
            assert_eq!(
                errors.len(),
                usize::from(exit_code != 0),
                "a failure is one TRACE ERROR and exit 1: {errors:?}"
            );
        }
        let mut statuses: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut records_since_state: HashMap<&str, f64> = HashMap::new();
        for message in &self.messages {
            match message["type"].as_str() {
                Some("RECORD") => {
                    let stream = text(&message["record"]["stream"]);
                    let status = statuses.get(stream).and_then(|statuses| statuses.last());
                    assert_eq!(status, Some(&"RUNNING"), "records come while RUNNING");
                    *records_since_state.entry(stream).or_default() += 1.0;
                }
                Some("STATE") => {
                    let stream = text(&message["state"]["stream"]["stream_descriptor"]["name"]);
                    let counted = message["state"]["sourceStats"]["recordCount"].as_f64();
                    assert_eq!(counted, Some(records_since_state.insert(stream, 0.0).unwrap_or(0.0)), "recordCount");
                }
                Some("TRACE") if message["trace"]["type"] == "STREAM_STATUS" => {
                    let status = &message["trace"]["stream_status"];
                    let stream = text(&status["stream_descriptor"]["name"]);
                    statuses.entry(stream).or_default().push(text(&status["status"]));
                }
                _ => {}
            }
        }
        self.check_ends(&statuses, &records_since_state);
    }

    fn check_ends(&self, statuses: &HashMap<&str, Vec<&str>>, records_since_state: &HashMap<&str, f64>) {
        for (stream, statuses) in statuses {
            assert_eq!(statuses[0], "STARTED", "{stream}");
            let ends = statuses.iter().filter(|status| ["COMPLETE", "INCOMPLETE"].contains(*status)).count();
            let last = statuses[statuses.len() - 1];
            match self.exit_code {
                None => assert!(ends <= 1, "{stream}: {statuses:?}"),
                Some(0) => assert!(ends == 1 && last == "COMPLETE", "{stream}: {statuses:?}"),
                Some(_) => assert!(ends == 1 && last.ends_with("COMPLETE"), "{stream}: {statuses:?}"),
            }
        }
        let is_covered = records_since_state.values().all(|count| *count == 0.0);
        assert!(is_covered || self.exit_code.is_none(), "a STATE covers every record");
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
        let price = |record: &Value| record["price"].as_f64().expect("a price");
        let records = self.of_type("RECORD").map(|message| &message["record"]["data"]);
        records.map(|record| (text(&record["stock_ticker"]), text(&record["date"]), price(record))).collect()
    }

    /// The dates of the records.
    pub fn dates(&self) -> Vec<&str> {
        self.prices().iter().map(|price| price.1).collect()
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
        assert_eq!(self.exit_code, Some(1));
        let error = self.errors()[0];
        (text(&error["failure_type"]), text(&error["message"]))
    }

    /// The text of the logs of a level.
    pub fn logs(&self, level: &str) -> Vec<&str> {
        let logs = self.of_type("LOG").filter(|message| message["log"]["level"] == level);
        logs.map(|message| text(&message["log"]["message"])).collect()
    }

    /// Asserts the failure's type and the words of its message.
    #[track_caller]
    pub fn assert_failure(&self, failure_type: &str, words: &[&str]) {
        assert_eq!(self.exit_code, Some(1), "it did not fail with {words:?}");
        let (found, message) = self.failure();
        assert_eq!(found, failure_type, "{message}");
        assert_words(message, words);
    }

    /// Asserts the number of logs of a level and the words of each.
    #[track_caller]
    pub fn assert_logs(&self, level: &str, words: &[&[&str]]) {
        let logs = self.logs(level);
        assert_eq!(logs.len(), words.len(), "{level}: {logs:#?}");
        for (log, words) in logs.iter().zip(words) {
            assert_words(log, words);
        }
    }

    /// Asserts that a log of a level has certain words.
    #[track_caller]
    pub fn assert_logged(&self, level: &str, words: &[&str]) {
        let logs = self.logs(level);
        let has_words = |log: &&&str| words.iter().all(|word| log.contains(word));
        assert!(logs.iter().any(|log| has_words(&log)), "{level}, {words:?}: {logs:#?}");
    }

    /// Asserts that no warning was logged.
    #[track_caller]
    pub fn assert_no_warning(&self, context: &str) {
        assert_eq!(self.logs("WARN"), [""; 0], "{context}");
    }

    /// Status and message of the `CONNECTION_STATUS`.
    pub fn connection_status(&self) -> (&str, &str) {
        let status = &self.of_type("CONNECTION_STATUS").next().expect("a CONNECTION_STATUS")["connectionStatus"];
        (text(&status["status"]), status["message"].as_str().unwrap_or(""))
    }

    /// Asserts that a check failed with these words in its message, and that the command itself succeeded.
    #[track_caller]
    pub fn assert_check_fails(&self, words: &[&str]) {
        assert_eq!(self.exit_code, Some(0), "the check did not fail with {words:?}: {:?}", self.errors());
        let (status, message) = self.connection_status();
        assert_eq!(status, "FAILED", "the check did not fail with {words:?}");
        assert_words(message, words);
    }

    /// Asserts that a check succeeded.
    #[track_caller]
    pub fn assert_check_succeeds(&self) {
        assert_eq!(self.exit_code, Some(0), "{:?}", self.errors());
        assert_eq!(self.connection_status(), ("SUCCEEDED", ""));
    }

    /// The stream statuses, in their order.
    pub fn statuses(&self) -> Vec<&str> {
        let statuses = self.of_type("TRACE").filter(|message| message["trace"]["type"] == "STREAM_STATUS");
        statuses.map(|message| text(&message["trace"]["stream_status"]["status"])).collect()
    }

    /// Asserts that the command succeeded.
    #[track_caller]
    pub fn succeeded(self) -> Output {
        assert_eq!(self.exit_code, Some(0), "{:?}", self.errors());
        self
    }
}

/// Asserts that a message has the words that matter, regardless of the rest of its text.
#[track_caller]
pub fn assert_words(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn check_schema(messages: &[Value], scrutiny: Scrutiny) {
    let mut records = 0;
    for message in messages {
        records += usize::from(message["type"] == "RECORD");
        if message["type"] == "RECORD" && records > 1 && scrutiny == Scrutiny::FirstRecord {
            continue;
        }
        let problems: Vec<String> = PROTOCOL.iter_errors(message).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{message} is no message of the protocol: {problems:?}");
        if let Some(record) = message.get("record") {
            let schema = RECORDS.get(text(&record["stream"])).expect("a discovered stream");
            let problems: Vec<String> = schema.iter_errors(&record["data"]).map(|error| error.to_string()).collect();
            assert!(problems.is_empty(), "{message} is no record of its stream: {problems:?}");
        }
    }
}

static PROTOCOL: LazyLock<Validator> =
    LazyLock::new(|| validator(&serde_json::from_str(include_str!("airbyte_message.json")).expect("JSON")));

/// What the records of each stream must be: they have exactly the fields that `discover` says.
static RECORDS: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    let catalog = Connector::discovered();
    let streams = catalog["streams"].as_array().expect("streams").iter();
    let schema = |stream: &Value| {
        let properties = &stream["json_schema"]["properties"];
        let required: Vec<&String> = properties.as_object().expect("properties").keys().collect();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    };
    streams.map(|stream| (text(&stream["name"]).to_owned(), validator(&schema(stream)))).collect()
});

fn validator(schema: &Value) -> Validator {
    jsonschema::draft7::new(schema).expect("a schema")
}
