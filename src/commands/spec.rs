//! `spec`: what the configuration looks like.

use std::io;

use crate::airbyte::Output;
use crate::config::SPECIFICATION;

/// Writes the SPEC message.
pub(crate) fn spec(output: &mut Output<'_>) -> io::Result<()> {
    output.spec(&SPECIFICATION)
}
