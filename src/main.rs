//! The program: see the library for what it does.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_shutdown;
use source_stock_ticker_api::error::silence_panics;
use source_stock_ticker_api::{Environment, run};

fn main() -> ExitCode {
    silence_panics();
    for signal in [SIGINT, SIGTERM] {
        // The kernel's own way of ending a process does not work for PID 1, which the connector is in its container. If
        // the signal can't be caught, that way is still there for every other PID.
        let _ = register_conditional_shutdown(signal, 128 + signal, Arc::new(AtomicBool::new(true)));
    }
    ExitCode::from(run(std::env::args_os(), &Environment::system(), &mut io::stdout().lock()))
}
