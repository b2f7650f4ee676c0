//! An Airbyte source for stock prices: Polygon.io (Massive) aggregate bars as Airbyte records.
//!
//! The way of the data: [`run`] parses the command line and calls one function a command. [`read`] takes configuration
//! ([`config`]), catalog ([`protocol`]) and state ([`state`]); each ticker's [`series`] works out what to ask
//! ([`window`]); a [`pass`] asks the API ([`polygon`]), sifts the answer ([`sift`]) and hands it on as batches
//! ([`records`]), which [`output`] writes to stdout.

pub mod check;
mod cli;
pub mod clock;
pub mod config;
pub mod discover;
pub mod error;
mod input;
pub mod output;
pub mod pass;
pub mod plan;
pub mod polygon;
pub mod protocol;
pub mod read;
pub mod records;
pub mod series;
pub mod sift;
pub mod spec;
pub mod state;
pub mod streams;
pub mod window;

pub use cli::{Environment, run};
