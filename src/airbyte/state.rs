//! The states that `read` continues from, in every form in which they are passed.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::error::Failure;
use crate::json_file::InputFile;
use crate::streams::Stream;

/// The other messages in the output of a read.
const OTHER_MESSAGES: [&str; 4] = ["RECORD", "LOG", "TRACE", "CONTROL"];

/// In the state of a stream, the Python CDK's marks for "no state". Another image of the same source may have left them.
const NO_STATE_MARKS: [&str; 2] = ["__ab_full_refresh_sync_complete", "__ab_no_cursor_state_message"];

/// The state of each stream; of several the last one counts.
#[derive(Debug, Default)]
pub(crate) struct StateFile {
    streams: BTreeMap<String, Value>,
    has_other_messages: bool,
    /// What the user should know about the file.
    pub(crate) warnings: Vec<String>,
}

impl StateFile {
    /// Reads the state file at `path`: what the platform passes, or the output of an earlier read.
    pub(crate) fn read(path: &Path) -> Result<StateFile, Failure> {
        let mut file = StateFile::default();
        let is_whole = InputFile::STATE
            .read_each(path, |value| file.add(&value).map_err(|error| invalid("state file", &error)))?;
        if !is_whole {
            let text = "The last line of the state file is incomplete and was ignored.";
            file.warnings.push(text.to_owned());
        }
        file.checked()
    }

    /// Takes an array of STREAM, GLOBAL or LEGACY states, one of them alone, a STATE message, or an object with stream
    /// names as keys. Anything else is refused, never mistaken for "no state".
    #[cfg(any(test, fuzzing))]
    pub(crate) fn parse(json: &Value) -> Result<StateFile, Failure> {
        let mut file = StateFile::default();
        let added = file.add(json);
        added.map_err(|error| invalid("state file", &error))?;
        file.checked()
    }

    /// The state of a stream, if it has one.
    pub(crate) fn stream(&self, name: &str) -> Option<&Value> {
        let has_mark = |state: &Value| NO_STATE_MARKS.iter().any(|mark| state.get(mark).is_some());
        let state = self.streams.get(name)?;
        (!state.is_null() && !has_mark(state)).then_some(state)
    }

    /// The failure for a stream's state that can't be parsed.
    pub(crate) fn invalid_stream(name: &str, error: &anyhow::Error) -> Failure {
        invalid(&format!("state of stream {name}"), error)
    }

    fn add(&mut self, json: &Value) -> Result<()> {
        match json {
            Value::Null => Ok(()),
            Value::Array(states) => states.iter().try_for_each(|state| {
                ensure!(!state.is_array(), "an array in an array");
                self.add(state)
            }),
            _ => self.add_state(json),
        }
    }

    /// The platform sets the parts that a state does not have to null.
    fn add_state(&mut self, json: &Value) -> Result<()> {
        ensure!(json.is_object(), "not an object");
        let (stream, states, data) = (&json["stream"], &json["global"]["stream_states"], &json["data"]);
        match json["type"].as_str() {
            Some("STATE") => {
                let state = &json["state"];
                ensure!(state["type"] != "STATE", "a STATE message in a STATE message");
                return self.add_state(state).context("a STATE message");
            }
            Some(other) if OTHER_MESSAGES.contains(&other) => self.has_other_messages = true,
            Some("STREAM" | "GLOBAL" | "LEGACY") | None if !stream.is_null() => self.add_stream(stream)?,
            Some("GLOBAL") | None if !states.is_null() => {
                let states = states.as_array().context("\"stream_states\" is not an array")?;
                states.iter().try_for_each(|state| self.add_stream(state))?;
            }
            Some("LEGACY") | None if !data.is_null() => self.add_by_name(data)?,
            None => self.add_by_name(json)?,
            Some(kind) => bail!("a message of type {kind:?} without a state"),
        }
        Ok(())
    }

    fn add_stream(&mut self, stream: &Value) -> Result<()> {
        let name = stream["stream_descriptor"]["name"].as_str();
        let name = name.context("a stream's state without \"stream_descriptor\"")?;
        if Stream::by_name(name).is_none() {
            let text = format!("The state has an unknown stream, {name:?}; it is ignored.");
            self.warnings.push(text);
        }
        self.streams.insert(name.to_owned(), stream["stream_state"].clone());
        Ok(())
    }

    fn add_by_name(&mut self, by_name: &Value) -> Result<()> {
        for (name, state) in by_name.as_object().context("not an object")? {
            ensure!(Stream::by_name(name).is_some(), "unknown stream {name:?}");
            self.streams.insert(name.clone(), state.clone());
        }
        Ok(())
    }

    fn checked(self) -> Result<StateFile, Failure> {
        if self.has_other_messages && self.streams.is_empty() {
            let error = anyhow::anyhow!("the output of a read without a STATE message");
            return Err(invalid("state file", &error));
        }
        Ok(self)
    }
}

fn invalid(what: &str, error: &anyhow::Error) -> Failure {
    Failure::config(format!(
        "Invalid {what}: {error:#}. Expected the STATE messages of an earlier read. To start over, omit --state (in Airbyte: \
         clear the stream's data)."
    ))
    .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FailureType;
    use serde_json::json;
    use std::io::Write;

    fn tsla() -> Value {
        json!({"TSLA": {"since": "2024-01-02", "date": "2026-11-19", "adjusted": true}})
    }

    fn as_stream(name: &str, state: &Value) -> Value {
        json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": name, "namespace": null}, "stream_state": state},
               "global": null, "data": null})
    }

    fn as_message(name: &str, state: &Value) -> Value {
        json!({"type": "STATE", "state": as_stream(name, state)})
    }

    fn parse_lines(lines: &str) -> Result<StateFile, Failure> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(lines.as_bytes()).unwrap();
        StateFile::read(file.path())
    }

    #[test]
    fn state_is_found_in_every_form_in_which_it_is_passed() {
        let own = as_stream("stock_prices", &tsla());
        let other = as_stream("other", &json!({"x": [1]}));
        let by_name = json!({"stock_prices": tsla()});
        for json in [
            json!([other, own]),
            json!([null, as_stream("stock_prices", &json!({})), own]),
            own.clone(),
            json!({"type": "STATE", "state": own}),
            by_name.clone(),
            json!({"type": "STATE", "state": {"data": by_name}}),
            json!({"type": "STATE", "state": {"type": "LEGACY", "data": by_name}}),
            json!([{"type": "LEGACY", "data": by_name}]),
            json!({"data": by_name}),
            json!([{"type": "GLOBAL", "global": {"shared_state": null, "stream_states": [own["stream"]]}}]),
        ] {
            let file = StateFile::parse(&json).unwrap();
            assert_eq!(file.stream("stock_prices"), Some(&tsla()), "{json}");
        }
        for json in [
            json!([]),
            json!({}),
            json!(null),
            json!([other]),
            json!([null]),
            json!([as_stream("stock_prices", &json!(null))]),
            json!([as_stream("stock_prices", &json!({"__ab_full_refresh_sync_complete": true}))]),
            json!([as_stream("stock_prices", &json!({"__ab_no_cursor_state_message": true}))]),
        ] {
            let file = StateFile::parse(&json).unwrap();
            assert_eq!(file.stream("stock_prices"), None, "{json}");
        }
        assert_eq!(
            StateFile::parse(&json!([other])).unwrap().warnings,
            ["The state has an unknown stream, \"other\"; it is ignored."]
        );
    }

    #[test]
    fn last_state_of_each_stream_counts_in_the_output_of_a_read() {
        let lines = [
            json!({"type": "LOG", "log": {"level": "INFO", "message": "…"}}),
            as_message("stock_prices", &json!({"AAPL": 1})),
            json!({"type": "RECORD", "record": {"stream": "stock_prices", "data": {}, "emitted_at": 1}}),
            as_message("stock_prices_by_hour", &json!({"AAPL": 2})),
            as_message("stock_prices", &tsla()),
            json!({"type": "TRACE", "trace": {"type": "STREAM_STATUS"}}),
        ]
        .map(|line| line.to_string())
        .join("\n");
        let file = parse_lines(&lines).unwrap();
        assert_eq!(file.stream("stock_prices"), Some(&tsla()));
        assert_eq!(file.stream("stock_prices_by_hour"), Some(&json!({"AAPL": 2})));
        assert_eq!(file.stream("stock_prices_by_week"), None);
        assert_eq!(file.warnings, [""; 0]);
    }

    #[test]
    fn output_that_is_not_json_or_has_no_state_is_refused_with_the_reason() {
        let state = as_message("stock_prices", &tsla());
        for (lines, expected) in [
            (format!("{state}\nwarning: odd\n{state}"), "is not JSON (expected value at line 2 column 1)"),
            (r#"{"type": "TRACE"}"#.to_owned(), "the output of a read without a STATE message"),
        ] {
            let message = parse_lines(&lines).unwrap_err().message;
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_never_mistaken_for_no_state() {
        for json in [
            json!("TSLA"),
            json!(7),
            json!([7]),
            json!([[]]),
            json!({"stream": 7}),
            json!([{"stream": {"stream_state": {}}}]),
            json!({"type": "STATE"}),
            json!({"type": "STATE", "state": 7}),
            json!({"type": "STATE", "state": {"type": "STATE", "state": {}}}),
            json!({"type": "GLOBAL", "global": {}}),
            json!({"type": "LEGACY"}),
            json!({"type": "STREAM"}),
            json!({"type": "OTHER", "data": {}}),
            json!({"type": "RECORD", "record": {}}),
            json!({"stock_price": tsla()}),
            json!({"TSLA": {"date": "2024-01-02"}}),
            json!({"data": {"stock_price": tsla()}}),
        ] {
            let message = StateFile::parse(&json).unwrap_err().message;
            assert!(message.starts_with("Invalid state file: "), "{json}: {message}");
            let remedy = "Expected the STATE messages of an earlier read. To start over, omit --state (in Airbyte: clear \
                          the stream's data).";
            assert!(message.ends_with(remedy), "{message}");
        }
        let of_ticker = StateFile::parse(&json!({"TSLA": {}})).unwrap_err();
        let is_config_error = of_ticker.failure_type == FailureType::ConfigError;
        let begin = r#"Invalid state file: unknown stream "TSLA". Expected "#;
        assert!(is_config_error && of_ticker.message.starts_with(begin), "{of_ticker:?}");
    }
}
