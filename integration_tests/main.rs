//! The tests: the built binary, or the library with a simulated clock, against a fake API on loopback.

mod check;
mod commands;
mod faults;
mod fuzz;
mod interrupted;
mod launcher;
mod project;
mod read;
mod restated;
mod simulation;
mod streams;
mod support;
