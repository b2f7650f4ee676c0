//! An Airbyte source for stock prices: Polygon.io (Massive) aggregate bars as Airbyte records.
//!
//! Data flows one way. [`run`] parses the command line and calls one plain function per command in [`commands`]. `read`
//! takes the configuration ([`config`]), the catalog and the state, and [`sync`] decides what to ask for and what of it
//! to emit. [`polygon`] is the only room that knows HTTP, [`airbyte`] the only one that writes to stdout.

mod airbyte;
mod bar_calendar;
mod calendar;
mod cli;
pub mod clock;
mod commands;
mod config;
#[cfg(test)]
mod documented_texts;
mod environment;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod json_file;
mod market;
mod notices;
mod panics;
pub mod polygon;
mod progress;
mod secret;
mod streams;
mod sync;
mod text;
mod timespan;

pub use cli::run;
pub use environment::Environment;
pub use panics::install_panic_hook;
