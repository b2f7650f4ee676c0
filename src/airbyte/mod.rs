//! The platform's words: the messages that the connector writes, the catalog that it is handed, and the one writer to
//! stdout.

mod catalog;
mod messages;
mod output;
mod records;

#[cfg(test)]
pub(crate) use catalog::CatalogProblem;
pub(crate) use catalog::configured_streams;
pub(crate) use messages::StreamStatus;
pub(crate) use output::Output;
pub(crate) use records::RecordBatch;
