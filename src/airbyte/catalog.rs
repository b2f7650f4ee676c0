//! The configured catalog that `read` is handed.

use serde_json::Value;

use crate::error::Failure;
use crate::streams::{STREAMS, Stream};

/// The sync modes that a catalog may ask for. Both are read alike: a state that is handed over is honoured in both, and in
/// a new full refresh the platform hands over none.
const SYNC_MODES: [&str; 2] = ["full_refresh", "incremental"];

/// Why a configured catalog can't be used. The texts stand here and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CatalogProblem {
    /// There is no list of streams.
    NoStreams,
    /// An entry does not name its stream.
    NoName,
    /// A stream that the connector does not have.
    UnknownStream(String),
    /// A sync mode that no stream has: the stream and the mode, as JSON.
    UnknownSyncMode(String, String),
    /// The same stream twice.
    DuplicateStream(String),
}

impl std::fmt::Display for CatalogProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Invalid catalog: ")?;
        match self {
            CatalogProblem::NoStreams => {
                f.write_str("no list \"streams\"; expected a ConfiguredAirbyteCatalog.")
            }
            CatalogProblem::NoName => f.write_str("a stream without \"stream\": {\"name\": …}."),
            CatalogProblem::UnknownStream(name) => {
                let known = STREAMS.each_ref().map(|stream| stream.name).join(", ");
                write!(
                    f,
                    "unknown stream \"{name}\". Refresh the source's schema; known are {known}."
                )
            }
            CatalogProblem::UnknownSyncMode(name, mode) => {
                write!(
                    f,
                    "unknown sync mode {mode} for {name}; known are {}.",
                    SYNC_MODES.join(", ")
                )
            }
            CatalogProblem::DuplicateStream(name) => write!(f, "duplicate stream \"{name}\"."),
        }
    }
}

/// The streams of a configured catalog, in its order. Keys that are of no interest may hold anything.
pub(crate) fn configured_streams(catalog: &Value) -> Result<Vec<&'static Stream>, Failure> {
    let failure = |problem: CatalogProblem| Failure::config(problem.to_string());
    let entries = catalog["streams"]
        .as_array()
        .ok_or_else(|| failure(CatalogProblem::NoStreams))?;
    let mut streams: Vec<&'static Stream> = Vec::with_capacity(entries.len());
    for entry in entries {
        let name = entry["stream"]["name"]
            .as_str()
            .ok_or_else(|| failure(CatalogProblem::NoName))?;
        let unknown = || failure(CatalogProblem::UnknownStream(name.to_owned()));
        let stream = Stream::by_name(name).ok_or_else(unknown)?;
        let mode = &entry["sync_mode"];
        if !SYNC_MODES.iter().any(|known| mode == known) {
            return Err(failure(CatalogProblem::UnknownSyncMode(
                name.to_owned(),
                mode.to_string(),
            )));
        }
        if streams.iter().any(|other| other.name == name) {
            return Err(failure(CatalogProblem::DuplicateStream(name.to_owned())));
        }
        streams.push(stream);
    }
    Ok(streams)
}
