//! Airbyte's messages as this connector writes them. Records are written by [`super::records`].

use serde::Serialize;
use serde_json::Value;

use crate::error::FailureType;
use crate::notices::LogLevel;

/// How far the sync of a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum StreamStatus {
    /// Before anything else of the stream.
    Started,
    /// Records follow, or the API rate-limits the sync.
    Running,
    /// Everything was emitted.
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
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Catalog {
    pub(crate) streams: Vec<Value>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Log<'a> {
    pub(crate) level: LogLevel,
    pub(crate) message: &'a str,
}

#[derive(Debug, Serialize)]
pub(crate) struct StreamDescriptor<'a> {
    pub(crate) name: &'a str,
}

#[derive(Debug, Serialize)]
pub(crate) struct StateMessage<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) stream: StreamStateMessage<'a>,
    #[serde(rename = "sourceStats")]
    pub(crate) source_stats: SourceStats,
}

#[derive(Debug, Serialize)]
pub(crate) struct StreamStateMessage<'a> {
    pub(crate) stream_descriptor: StreamDescriptor<'a>,
    pub(crate) stream_state: &'a Value,
}

#[derive(Debug, Serialize)]
pub(crate) struct SourceStats {
    /// The stream's records since its previous STATE; the protocol wants a float.
    #[serde(rename = "recordCount")]
    pub(crate) record_count: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Trace<'a> {
    /// Epoch milliseconds.
    pub(crate) emitted_at: i64,
    #[serde(flatten)]
    pub(crate) event: TraceEvent<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum TraceEvent<'a> {
    Error {
        error: TraceError<'a>,
    },
    StreamStatus {
        stream_status: StreamStatusTrace<'a>,
    },
}

#[derive(Debug, Serialize)]
pub(crate) struct TraceError<'a> {
    pub(crate) message: &'a str,
    pub(crate) internal_message: &'a str,
    pub(crate) failure_type: FailureType,
}

#[derive(Debug, Serialize)]
pub(crate) struct StreamStatusTrace<'a> {
    pub(crate) stream_descriptor: StreamDescriptor<'a>,
    pub(crate) status: StreamStatus,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reasons: Vec<StatusReason>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum StatusReason {
    RateLimited { rate_limited: RateLimited },
}

#[derive(Debug, Serialize)]
pub(crate) struct RateLimited {
    /// Epoch milliseconds at which requests resume.
    pub(crate) quota_reset: i64,
}
