//! The program: see the library for what it does.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_shutdown;
use source_stock_ticker_api::{Environment, install_panic_hook, run};

fn main() -> ExitCode {
    install_panic_hook();
    handle_signals_as_pid_1();
    let stdout = match stdout() {
        Ok(stdout) => stdout,
        Err(error) => {
            let _ = writeln!(io::stderr(), "Can't write to stdout: {error}");
            return ExitCode::FAILURE;
        }
    };
    ExitCode::from(run(std::env::args_os(), &Environment::system(), &mut &stdout))
}

/// The kernel ends a process that gets a signal, but not PID 1, which the connector is in its container.
fn handle_signals_as_pid_1() {
    if process::id() != 1 {
        return;
    }
    for signal in [SIGINT, SIGTERM] {
        // If the signal can't be caught, the engine kills the container when its patience ends.
        let _ = register_conditional_shutdown(signal, 128 + signal, Arc::new(AtomicBool::new(true)));
    }
}

/// stdout as a file: unlike [`io::stdout`], it does not swallow the error of a descriptor that can't be written to.
fn stdout() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}
