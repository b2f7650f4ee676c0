//! The state file that `read` is handed, in whatever form.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::state_json::{StreamState, quoted};
use crate::error::Failure;
use crate::notices::Notice;
use crate::streams::{PriceBasis, Stream};

/// The states that `read` was handed, by stream name.
#[derive(Debug, Default)]
pub(crate) struct StateFile {
    streams: BTreeMap<String, Value>,
    /// Names that no stream has.
    unknown: Vec<String>,
}

impl StateFile {
    /// Reads a state file in any form in which one is handed over: an array of STREAM, GLOBAL or LEGACY states, one of
    /// them alone, a whole STATE message, or an object with streams' names as keys. What has none of these forms is
    /// refused, never taken for "no state".
    pub(crate) fn parse(json: &Value) -> Result<StateFile, Failure> {
        let mut file = StateFile::default();
        let result = match json {
            Value::Null => Ok(()),
            Value::Array(states) => states
                .iter()
                .filter(|state| !state.is_null())
                .try_for_each(|state| file.add(state)),
            state => file.add(state),
        };
        result.map(|()| file).map_err(|error| {
            Failure::config(format!(
                "Invalid state file: {error:#}. Clear the stream's data to start over."
            ))
            .caused_by(&error)
        })
    }

    /// The state of a stream; empty if the file has none. A state that can't be understood is a failure, never a silent
    /// full read.
    pub(crate) fn stream(
        &self,
        stream: &Stream,
        basis: PriceBasis,
    ) -> Result<StreamState, Failure> {
        let json = self.streams.get(stream.name).unwrap_or(&Value::Null);
        StreamState::from_json(json, stream, basis).map_err(|error| {
            Failure::config(format!(
                "Invalid state for stream {}: {error:#}. Clear the stream's data to start over.",
                stream.name
            ))
            .caused_by(&error)
        })
    }

    /// What the user should know about the file.
    pub(crate) fn notices(&self) -> impl Iterator<Item = Notice> {
        self.unknown
            .iter()
            .map(|name| Notice::UnknownStateStream { name: name.clone() })
    }

    fn add(&mut self, json: &Value) -> Result<()> {
        let Some(state) = json.as_object() else {
            bail!("expected an object, got {}", quoted(json))
        };
        let part = |key: &str| state.get(key).filter(|part| !part.is_null());
        match state.get("type").and_then(Value::as_str) {
            Some("STATE") => {
                let inner = part("state").context("a STATE message without \"state\"")?;
                ensure!(
                    inner.get("type").is_none_or(|kind| kind != "STATE"),
                    "a STATE message in a STATE message"
                );
                return self.add(inner);
            }
            Some("GLOBAL") => {
                return self
                    .add_global(part("global").context("a GLOBAL state without \"global\"")?);
            }
            Some("LEGACY") => {
                return self.add_by_name(part("data").context("a LEGACY state without \"data\"")?);
            }
            Some("STREAM") => {
                return self
                    .add_stream(part("stream").context("a STREAM state without \"stream\"")?);
            }
            Some(other) => bail!("unknown state type {other:?}"),
            None => {}
        }
        match (part("stream"), part("global"), part("data")) {
            (Some(stream), _, _) => self.add_stream(stream),
            (None, Some(global), _) => self.add_global(global),
            (None, None, Some(data)) => self.add_by_name(data),
            (None, None, None) => self.add_by_name(json),
        }
    }

    fn add_global(&mut self, global: &Value) -> Result<()> {
        let states = global["stream_states"]
            .as_array()
            .context("a GLOBAL state without \"stream_states\"")?;
        states.iter().try_for_each(|state| self.add_stream(state))
    }

    fn add_stream(&mut self, stream: &Value) -> Result<()> {
        let name = stream["stream_descriptor"]["name"].as_str();
        let name =
            name.with_context(|| format!("expected a stream's state, got {}", quoted(stream)))?;
        if Stream::by_name(name).is_none() {
            self.unknown.push(name.to_owned());
        }
        self.streams
            .insert(name.to_owned(), stream["stream_state"].clone());
        Ok(())
    }

    fn add_by_name(&mut self, by_name: &Value) -> Result<()> {
        let Some(by_name) = by_name.as_object() else {
            bail!("expected an object, got {}", quoted(by_name))
        };
        for (name, state) in by_name {
            ensure!(Stream::by_name(name).is_some(), "unknown stream {name:?}");
            self.streams.insert(name.clone(), state.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::utc_midnight;
    use crate::streams::SeriesId;
    use serde_json::json;

    fn stock_prices() -> &'static Stream {
        Stream::by_name("stock_prices").unwrap()
    }

    fn ticker(name: &str) -> SeriesId {
        SeriesId::Ticker {
            name: name.to_owned(),
            market: crate::market::Market::Stocks,
        }
    }

    fn read(json: &Value) -> Result<StreamState, Failure> {
        StateFile::parse(json)?.stream(stock_prices(), PriceBasis::Adjusted)
    }

    fn tsla() -> Value {
        json!({"TSLA": {"since": "2024-01-02", "first": "2024-01-03", "date": "2026-11-19", "adjusted": true,
                        "digests": "2026-11-18=AAAAAAEA 2026-11-19=?"}})
    }

    fn as_stream(state: &Value) -> Value {
        json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": "stock_prices", "namespace": null}, "stream_state": state},
               "global": null, "data": null})
    }

    #[test]
    fn a_state_is_written_as_it_was_read() {
        let restarting = json!({"AAPL": {
            "since": "2024-01-02", "first": "2024-01-02", "until": "2026-11-19", "adjusted": false, "missing": true,
        }});
        let full = json!({"AAPL": {
            "since": "2014-01-02", "first": "2024-11-20", "date": "2026-11-19", "adjusted": true, "digests": "2026=9*AAAAAAEA",
            "anchor": "2024-11-20", "anchor_digest": "AAAAAAEA", "anchor_checked": "2026-11-18",
            "granted_from": "2024-11-20", "granted_on": "2026-11-20",
        }});
        for state in [tsla(), restarting, full, json!({})] {
            assert_eq!(
                read(&json!([as_stream(&state)]))
                    .unwrap()
                    .to_json(stock_prices()),
                state
            );
        }
    }

    #[test]
    fn a_state_is_found_in_every_form_in_which_it_is_handed_over() {
        let other = json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": "other"}, "stream_state": {"x": [1]}}});
        let by_name = json!({"stock_prices": tsla()});
        for file in [
            json!([other, as_stream(&tsla())]),
            json!([null, as_stream(&json!({})), as_stream(&tsla())]),
            as_stream(&tsla()),
            json!({"type": "STATE", "state": as_stream(&tsla())}),
            by_name.clone(),
            json!({"type": "STATE", "state": {"data": by_name}}),
            json!({"type": "STATE", "state": {"type": "LEGACY", "data": by_name}}),
            json!([{"type": "LEGACY", "data": by_name}]),
            json!({"data": by_name}),
            json!([{"type": "GLOBAL", "global": {"shared_state": null, "stream_states": [as_stream(&tsla())["stream"]]}}]),
        ] {
            assert_eq!(
                read(&file).unwrap().to_json(stock_prices()),
                tsla(),
                "{file}"
            );
        }
        for empty in [
            json!([]),
            json!({}),
            json!(null),
            json!([other]),
            json!([null]),
            json!([as_stream(&json!(null))]),
        ] {
            assert_eq!(read(&empty).unwrap(), StreamState::default(), "{empty}");
        }
        assert_eq!(
            StateFile::parse(&json!([other])).unwrap().notices().count(),
            1
        );
    }

    #[test]
    fn what_is_no_state_file_is_refused_and_never_taken_for_no_state() {
        for file in [
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
            json!({"type": "RECORD", "record": {}}),
            json!({"stock_price": tsla()}),
            json!({"data": {"stock_price": tsla()}}),
        ] {
            let failure = read(&file).unwrap_err();
            assert!(
                failure.message.starts_with("Invalid state file: "),
                "{file}: {}",
                failure.message
            );
            assert!(
                failure
                    .message
                    .ends_with("Clear the stream's data to start over."),
                "{}",
                failure.message
            );
        }
    }

    #[test]
    fn the_tutorials_state_is_a_start_for_every_ticker_at_once() {
        for file in [
            json!({"stock_prices": {"date": "2020-02-01"}}),
            json!([as_stream(&json!({"date": "2020-02-01"}))]),
        ] {
            let mut state = read(&file).unwrap();
            state.spread_tutorial_start(&[ticker("TSLA"), ticker("AAPL")], PriceBasis::Adjusted);
            let start = json!({"since": "2020-02-01", "adjusted": true});
            assert_eq!(
                state.to_json(stock_prices()),
                json!({"AAPL": start, "TSLA": start})
            );
        }
    }

    #[test]
    fn states_of_0_1_0_are_read_and_what_they_left_unfinished_is_read_again() {
        let state = read(&json!([as_stream(&json!({
            "TSLA": {"since": "2024-01-02", "date": "2026-11-19", "price": 633.25, "adjusted": true},
            "AAPL": {"since": "2024-01-02", "date": "2026-11-19", "price": 695, "adjusted": true,
                     "backfill": {"since": "2020-01-02", "date": "2022-02-02", "price": 1.5},
                     "reread": {"since": "2019-01-02", "adjusted": false}},
            "GONE": {"since": "2024-01-02", "adjusted": true},
        }))]))
        .unwrap();
        let stretch = |name| state.stretch(&ticker(name)).unwrap().clone();
        assert_eq!(
            stretch("TSLA").cursor,
            Some(utc_midnight("2026-11-19".parse().unwrap()))
        );
        assert!(
            stretch("TSLA").digests.is_empty(),
            "nothing is known of what was emitted"
        );
        assert_eq!(stretch("AAPL").since, "2019-01-02".parse().unwrap());
        assert!(!stretch("GONE").has_rows());
    }

    #[test]
    fn a_cursor_alone_is_enough_and_a_stretch_holds_its_first_bar() {
        let state = read(&json!({"stock_prices": {"TSLA": {"date": "2024-01-02"}}})).unwrap();
        assert_eq!(
            state.stretch(&ticker("TSLA")).unwrap().since,
            "2024-01-02".parse().unwrap()
        );
        let state =
            read(&json!({"stock_prices": {"TSLA": {"since": "2030-01-01", "date": "2024-01-02"}}}))
                .unwrap();
        assert_eq!(
            state.stretch(&ticker("TSLA")).unwrap().since,
            "2024-01-02".parse().unwrap()
        );
    }

    #[test]
    fn a_state_that_can_not_be_understood_says_what_is_wrong_and_what_to_do() {
        for (broken, says) in [
            (
                json!({"TSLA": "2024-01-02"}),
                "TSLA: expected an object, got \"2024-01-02\"",
            ),
            (
                json!({"TSLA": {"date": "yesterday"}}),
                "TSLA: \"date\" must be a date, got \"yesterday\"",
            ),
            (
                json!({"TSLA": {"date": "2024-1-2"}}),
                "\"date\" must be a date",
            ),
            (
                json!({"TSLA": {"date": 7}}),
                "\"date\" must be a date, got 7",
            ),
            (
                json!({"TSLA": {"since": "1st of May"}}),
                "\"since\" must be a date",
            ),
            (
                json!({"TSLA": {"date": "2024-01-02", "adjusted": "yes"}}),
                "\"adjusted\" must be true or false",
            ),
            (
                json!({"TSLA": {"date": "2024-01-02", "reread": 7}}),
                "\"reread\" must be an object",
            ),
            (
                json!({"TSLA": {"date": "2024-01-02", "digests": "x"}}),
                "\"digests\" must be a list of digests",
            ),
            (
                json!({"TSLA": {}}),
                "neither \"since\" nor \"date\" is there",
            ),
            (json!({"date": "yesterday"}), "\"date\" must be a date"),
            (json!([1]), "expected an object"),
            (json!("TSLA"), "expected an object"),
        ] {
            let message = read(&json!([as_stream(&broken)])).unwrap_err().message;
            assert!(
                message.starts_with("Invalid state for stream stock_prices: "),
                "{message}"
            );
            assert!(
                message.contains(says)
                    && message.ends_with("Clear the stream's data to start over."),
                "{message}"
            );
        }
    }
}
