//! How important a LOG message is.

use serde::Serialize;

/// The level of a LOG message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum LogLevel {
    /// Technical detail, written with `--debug` only.
    Debug,
    /// Progress that a person may want to follow.
    Info,
    /// Something that a person should know.
    Warn,
    /// A failure.
    Error,
}
