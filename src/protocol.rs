//! Airbyte's messages: those that we write, and the configured catalog that we are handed.
//!
//! Records are not here: [`crate::records`] writes them, by the hundred thousand.

use serde::Serialize;
use serde_json::Value;

use crate::error::{Failure, FailureType};
use crate::streams::Stream;

/// How important a LOG message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// What a person may want to follow.
    Info,
    /// What a person should know: something is not as asked.
    Warn,
    /// What failed.
    Error,
}

/// Where the reading of a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StreamStatus {
    /// Before anything else of the stream.
    Started,
    /// Records are coming, or the API makes us wait.
    Running,
    /// All is there.
    Complete,
    /// Something is missing; the TRACE ERROR says what.
    Incomplete,
}

/// A message to the platform: one JSON line on stdout.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Message<'a> {
    Spec {
        spec: Value,
    },
    ConnectionStatus {
        #[serde(rename = "connectionStatus")]
        connection_status: ConnectionStatus<'a>,
    },
    Catalog {
        catalog: Catalog,
    },
    Log {
        log: Log<'a>,
    },
    State {
        state: StateMessage<'a>,
    },
    Trace {
        trace: Trace<'a>,
    },
}

#[derive(Debug, Serialize)]
pub(crate) struct ConnectionStatus<'a> {
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Catalog {
    pub streams: Vec<Value>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Log<'a> {
    pub level: Level,
    pub message: &'a str,
}

#[derive(Debug, Serialize)]
pub(crate) struct StreamDescriptor<'a> {
    pub name: &'a str,
}

#[derive(Debug, Serialize)]
pub(crate) struct StateMessage<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub stream: StateOfStream<'a>,
    #[serde(rename = "sourceStats")]
    pub source_stats: SourceStats,
}

#[derive(Debug, Serialize)]
pub(crate) struct StateOfStream<'a> {
    pub stream_descriptor: StreamDescriptor<'a>,
    pub stream_state: &'a Value,
}

#[derive(Debug, Serialize)]
pub(crate) struct SourceStats {
    /// The stream's records since its previous STATE; the protocol wants a float.
    #[serde(rename = "recordCount")]
    pub record_count: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Trace<'a> {
    /// Epoch milliseconds.
    pub emitted_at: i64,
    #[serde(flatten)]
    pub event: TraceEvent<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum TraceEvent<'a> {
    Error { error: TraceError<'a> },
    StreamStatus { stream_status: StreamStatusTrace<'a> },
}

#[derive(Debug, Serialize)]
pub(crate) struct TraceError<'a> {
    pub message: &'a str,
    pub internal_message: &'a str,
    pub failure_type: FailureType,
}

#[derive(Debug, Serialize)]
pub(crate) struct StreamStatusTrace<'a> {
    pub stream_descriptor: StreamDescriptor<'a>,
    pub status: StreamStatus,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<StatusReason>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum StatusReason {
    RateLimited { rate_limited: RateLimited },
}

#[derive(Debug, Serialize)]
pub(crate) struct RateLimited {
    /// Epoch milliseconds at which requests go on.
    pub quota_reset: i64,
}

/// How a stream of the configured catalog is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// Everything, whatever the state says.
    FullRefresh,
    /// What the state does not say was read.
    Incremental,
}

/// A stream that the user selected.
#[derive(Debug, Clone, Copy)]
pub struct ConfiguredStream {
    /// Its row in the table of streams.
    pub stream: &'static Stream,
    /// How to read it.
    pub sync_mode: SyncMode,
}

/// The streams of a configured catalog, in its order. Keys that we don't need may hold anything.
pub fn configured_streams(catalog: &Value) -> Result<Vec<ConfiguredStream>, Failure> {
    let streams = catalog["streams"].as_array().ok_or_else(|| {
        Failure::config("The catalog has no list \"streams\"; it must be a ConfiguredAirbyteCatalog.")
    })?;
    let mut configured: Vec<ConfiguredStream> = Vec::with_capacity(streams.len());
    for entry in streams {
        let name = entry["stream"]["name"]
            .as_str()
            .ok_or_else(|| Failure::config("A stream of the catalog has no \"stream\": {\"name\": …}."))?;
        let stream = Stream::by_name(name).ok_or_else(|| {
            let known: Vec<_> = crate::streams::STREAMS.iter().map(|stream| stream.name).collect();
            Failure::config(format!(
                "The catalog asks for the stream \"{name}\", which this source does not have. It has: {}. Refresh the \
                 source's schema.",
                known.join(", ")
            ))
        })?;
        let sync_mode = match &entry["sync_mode"] {
            Value::String(mode) if mode == "full_refresh" => SyncMode::FullRefresh,
            Value::String(mode) if mode == "incremental" => SyncMode::Incremental,
            other => {
                return Err(Failure::config(format!(
                    "The catalog asks to read {name} with the sync mode {other}. Allowed: \"full_refresh\", \"incremental\"."
                )));
            }
        };
        if configured.iter().any(|other| other.stream.name == name) {
            return Err(Failure::config(format!("The catalog names the stream \"{name}\" more than once.")));
        }
        configured.push(ConfiguredStream { stream, sync_mode });
    }
    Ok(configured)
}
