//! `spec`: what the configuration looks like. `spec.json` is the one place where it is described.

use std::io;

use serde_json::Value;

use crate::output::Output;

/// `spec.json` as it is embedded in the binary, an Airbyte ConnectorSpecification.
fn specification() -> Value {
    serde_json::from_str(include_str!("../spec.json")).expect("spec.json is JSON: a test reads it")
}

/// The JSON schema (draft-07) of the configuration.
pub fn connection_specification() -> Value {
    specification()["connectionSpecification"].take()
}

/// Writes the SPEC message.
pub fn spec(output: &mut Output<'_>) -> io::Result<()> {
    output.spec(specification())
}
