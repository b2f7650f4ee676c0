//! The files that the platform hands over: JSON in a file of any name.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::error::Failure;

/// Reads the JSON file at `path`; `kind` names it in the failure. Of a key that is there twice in an object the last one
/// counts (`PyAirbyte` writes such states).
///
/// The content is never part of a failure: it may hold the key.
pub(crate) fn read_json(path: &Path, kind: &str) -> Result<Value, Failure> {
    let failure = |error: anyhow::Error| {
        let message = format!(
            "Can't read the {kind} file {}: {error:#}. Check the path and the file.",
            path.display()
        );
        Failure::config(message).caused_by(&error.context(format!("{kind} file")))
    };
    let bytes = fs::read(path).map_err(|error| failure(error.into()))?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice(text)
        .context("invalid JSON")
        .map_err(failure)
}
