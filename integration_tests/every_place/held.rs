//! What is kept between two syncs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::destination::Destination;

/// The rows in the destination, and the last STATE of each stream. Rows of days and of hours have other keys, so one
/// table holds both.
#[derive(Debug, Default, Clone)]
pub struct Held {
    pub table: Destination,
    states: BTreeMap<String, Value>,
}

impl Held {
    /// Takes records and STATEs over.
    pub fn take(&mut self, messages: &[Value]) {
        self.take_records(messages);
        for message in of_type(messages, "STATE") {
            let state = &message["state"];
            let stream = state["stream"]["stream_descriptor"]["name"].as_str();
            let stream = stream.expect("a stream").to_owned();
            self.states.insert(stream, state.clone());
        }
    }

    /// Takes records over, and no STATE.
    pub fn take_records(&mut self, messages: &[Value]) {
        for message in of_type(messages, "RECORD") {
            self.table.insert(&message["record"]["data"]);
        }
    }

    /// The state as the platform hands it over.
    pub fn state(&self) -> Option<Value> {
        let states: Vec<&Value> = self.states.values().collect();
        (!states.is_empty()).then(|| json!(states))
    }
}

fn of_type<'a>(messages: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    messages
        .iter()
        .filter(move |message| message["type"] == kind)
}

/// Up to where each STATE reaches: how many messages there are up to it, itself included.
pub fn states_in(messages: &[Value]) -> impl Iterator<Item = usize> {
    let numbered = messages.iter().enumerate();
    numbered
        .filter(|(_, message)| message["type"] == "STATE")
        .map(|(number, _)| number + 1)
}
