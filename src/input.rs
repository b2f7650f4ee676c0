//! The files that the platform hands over: JSON in a file of any name.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::Failure;

/// Reads the JSON file at `path`; `what` names it in the failure. Of a key that is there twice in an object the last
/// one counts (PyAirbyte writes such states).
///
/// The content is never part of a failure: it may hold the key.
pub fn read_json(path: &Path, what: &str) -> Result<Value, Failure> {
    let shown = path.display();
    let bytes = fs::read(path).map_err(|error| {
        Failure::config(format!(
            "Can't read the {what} file {shown}: {error}. Check the path and the file's permissions."
        ))
    })?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice(text)
        .map_err(|error| Failure::config(format!("The {what} file {shown} is not JSON: {error}.")))
}
