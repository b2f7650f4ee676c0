//! `cargo run --example demo`: the whole connector at work, without a key and without a network.
//!
//! It serves responses like Polygon.io's on loopback, runs the connector against them, shows the messages with
//! explanations, and fails if anything is wrong. `cargo run --example demo -- serve` only serves, for other clients.

use anyhow::{Result, bail};

mod connector;
mod figures;
mod screen;
mod serve;
mod steps;

#[allow(clippy::doc_markdown, dead_code, unused_imports, unreachable_pub, reason = "the tests use more of it")]
#[path = "../support/mod.rs"]
mod support;

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => steps::show(),
        Some("serve") => serve::serve(),
        Some(other) => bail!("unknown argument {other:?}; there is only: serve"),
    }
}
