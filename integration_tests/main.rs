//! The tests: the built binary, or the library with a simulated clock, against a fake API on loopback.
#![allow(unreachable_pub, reason = "what is public here is public for the modules of the tests")]
#![allow(clippy::float_cmp, reason = "prices are compared with what the fake API answered, digit by digit")]

mod actions;
mod commands;
mod costs;
mod faults;
mod history;
mod network;
mod plan;
mod project;
mod simulation;
mod state;
mod streams;
mod support;
mod symptoms;
mod terminal;
