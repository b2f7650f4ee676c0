//! Shared by the tests: a model of the market, fake servers that answer from it, and a connector to run against them.

pub mod answers;
pub mod backend;
pub mod bar_size;
pub mod clock;
pub mod connector;
pub mod days;
pub mod destination;
pub mod fake_api;
pub mod fault;
pub mod golden;
pub mod market;
pub mod output;
#[cfg(test)]
mod output_checks;
pub mod scenario;
pub mod streams;
pub mod tls_server;
pub mod truth;

/// The suite only tries every `step`-th place; `EVERY_PLACE=all` tries all of them.
pub fn sampled(step: usize) -> usize {
    let is_all = std::env::var("EVERY_PLACE").is_ok_and(|value| value == "all");
    if is_all { 1 } else { step }
}
