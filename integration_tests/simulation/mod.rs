//! The simulation: histories of markets, settings and syncs, played against an API in memory with a simulated clock. After
//! every successful sync the destination must match the API, with the exceptions listed in `docs/design.md`.

mod action_verdict;
mod actions;
mod aftermath;
mod api;
mod bars;
mod changes;
mod check;
mod days;
mod events;
pub mod exhaustive;
mod generator;
mod history;
mod market;
mod output;
pub mod play;
mod render;
mod series;
mod steps;
mod streams;
#[cfg(test)]
mod suite;
mod table;
mod verdict;
mod world;
