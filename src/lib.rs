//! An Airbyte source for stock prices: Polygon.io (Massive) aggregate bars as Airbyte records.
//!
//! Data flows one way. [`run`] parses the command line and calls one plain function per command in [`commands`]. `read`
//! takes the configuration ([`config`]), the catalog and the state, and [`sync`] decides what to request and which records
//! to emit. [`polygon`] is the only module that knows HTTP, [`airbyte`] the only one that writes to stdout.

mod airbyte;
mod bar_calendar;
mod bars;
mod calendar;
mod cli;
pub mod clock;
mod commands;
mod config;
mod environment;
mod error;
mod events;
mod fields;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod json_file;
mod log_level;
mod market;
mod panics;
pub mod polygon;
mod secret;
mod streams;
mod sync;
mod terminal;
mod text;
mod ticker_hint;
mod timespan;

pub use cli::run;
pub use environment::Environment;
pub use panics::install_panic_hook;
pub use terminal::{Screen, Terminal};
