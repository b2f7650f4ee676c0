//! `discover`: the catalog. It is the same for every configuration and needs no network.

use std::io;

use crate::airbyte::Output;
use crate::streams::{STREAMS, Stream};

/// Writes the CATALOG message.
pub(crate) fn discover(output: &mut Output<'_>) -> io::Result<()> {
    output.catalog(&STREAMS.each_ref().map(Stream::describe))
}
