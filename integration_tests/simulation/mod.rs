//! The simulation: histories of markets, settings and syncs, played against an API in memory with a simulated clock. After
//! every successful sync the destination must match the API, with the exceptions listed in `docs/design.md`.

mod action_verdict;
mod actions;
mod aftermath;
mod api;
mod asked;
mod changes;
mod check;
mod clock;
mod days;
mod events;
pub mod exhaustive;
mod faults;
mod generator;
mod grouped;
mod history;
mod market;
mod output;
pub mod play;
mod ranges;
mod render;
mod series;
mod steps;
mod streams;
#[cfg(test)]
mod suite;
mod sync;
mod table;
mod verdict;
mod world;
