//! Airbyte's protocol: the catalog and the states that are passed in, and the messages that are written to stdout.

mod catalog;
mod output;
mod records;
mod state;

pub(crate) use catalog::Selection;
pub(crate) use output::{Output, StreamStatus};
pub(crate) use records::{RecordBatch, render_event};
pub(crate) use state::StateFile;
