//! Simulates histories of markets, settings and syncs; says whether the destination was ever wrong.
//!
//! `cargo run --release --example simulate -- --histories 20000 --seed 7`
#![allow(unreachable_pub, reason = "what is public here is public for the modules of the simulation")]

mod simulation;
#[allow(dead_code, unused_imports, clippy::float_cmp, reason = "the tests use more of it")]
mod support;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use simulation::exhaustive::all;
use simulation::play::{random, streams_named};

/// Plays simulated histories; after every successful sync the destination must hold what the API shows.
#[derive(Debug, Parser)]
struct Options {
    /// How many random histories
    #[arg(long, default_value_t = 1_000)]
    histories: u64,
    /// The seed of the first one; the next one has the next seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plays every history of this many events in a small world instead; up to two events, with a kill after every line
    #[arg(long, value_name = "EVENTS")]
    all_of_length: Option<u32>,
    /// Streams, such as days,hours; actions are all splits and dividends; all by default
    #[arg(long, value_delimiter = ',')]
    streams: Vec<String>,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let streams = match streams_named(&options.streams) {
        Ok(streams) => streams,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    // A panic is reported as a failure of its history.
    std::panic::set_hook(Box::new(|_| {}));
    let started = Instant::now();
    let totals = match options.all_of_length {
        Some(length) => all(length, length < 3, &streams, options.threads),
        None => random(options.seed, options.histories, &streams, options.threads),
    };
    let seconds = started.elapsed().as_secs_f64();
    if let Some(failure) = &totals.failure {
        println!("{failure}");
        return ExitCode::FAILURE;
    }
    println!("{}: none wrong ({seconds:.0} s)", totals.tell());
    ExitCode::SUCCESS
}
