//! The command line: one function a command, and one exit code for what came of it.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use serde_json::Value;

use crate::check::check;
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
use crate::discover::discover;
use crate::error::{Error, Failure, catching_panics};
use crate::input::read_json;
use crate::output::Output;
use crate::polygon::Patience;
use crate::read::read;
use crate::spec::spec;

/// An Airbyte source for stock prices. Writes Airbyte messages to stdout, one JSON object a line.
#[derive(Debug, Parser)]
#[command(name = env!("CARGO_PKG_NAME"), version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what the configuration looks like
    Spec {
        /// Whatever else is passed: Airbyte's own tests do so
        #[arg(hide = true, allow_hyphen_values = true, trailing_var_arg = true)]
        ignored: Vec<OsString>,
    },
    /// Ask the API whether the key and the tickers work
    Check {
        /// The configuration, a JSON file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Show the streams
    Discover {
        /// The configuration, a JSON file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Read the selected streams
    Read {
        /// The configuration, a JSON file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The streams to read, a JSON file with a ConfiguredAirbyteCatalog
        #[arg(long, value_name = "FILE")]
        catalog: PathBuf,
        /// Where the last run ended, a JSON file with its states
        #[arg(long, value_name = "FILE")]
        state: Option<PathBuf>,
    },
}

/// What a run takes from its surroundings, so that tests can put something else in its place.
pub struct Environment {
    /// What time it is.
    pub clock: SharedClock,
    /// How much trouble a check puts up with.
    pub check: Patience,
    /// How much trouble a sync puts up with.
    pub read: Patience,
}

impl Environment {
    /// The real one.
    pub fn system() -> Environment {
        Environment { clock: SystemClock::start(), check: Patience::CHECK, read: Patience::SYNC }
    }
}

/// Runs the command line `arguments`, the program's name first, and returns the exit code: 0, or 1 after a TRACE ERROR.
pub fn run<A>(arguments: impl IntoIterator<Item = A>, environment: &Environment, stdout: &mut dyn Write) -> u8
where
    A: Into<OsString> + Clone,
{
    let command = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => Ok(arguments.command),
        Err(help) if matches!(help.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return exit_code(stdout.write_all(help.to_string().as_bytes()).map_err(Error::from));
        }
        Err(error) => Err(misused(&error)),
    };
    let mut output = Output::new(stdout, environment.clock.clone());
    let ended = match command {
        Ok(command) => catching_panics(|| execute(command, environment, &mut output)),
        Err(failure) => Err(failure),
    };
    let ended = match ended.unwrap_or_else(|failure| Err(failure.into())) {
        Err(Error::Failure(failure)) => match output.trace_error(&failure) {
            Ok(()) => return 1,
            Err(error) => Err(error.into()),
        },
        ended => ended,
    };
    exit_code(ended)
}

fn execute(command: Command, environment: &Environment, output: &mut Output<'_>) -> Result<(), Error> {
    let Environment { clock, .. } = environment;
    match command {
        Command::Spec { .. } => Ok(spec(output)?),
        Command::Check { config } => match load(&config, output)? {
            Ok(config) => check(&config, environment.check, clock, output),
            // The form shows a FAILED check where it was filled in; to the platform, an error would be an outage.
            Err(unfit) => Ok(output.connection_status(Some(&unfit.message))?),
        },
        Command::Discover { config } => {
            load(&config, output)??;
            Ok(discover(output)?)
        }
        Command::Read { config, catalog, state } => {
            let config = load(&config, output)??;
            let catalog = read_json(&catalog, "catalog")?;
            let states = state.map_or(Ok(Value::Null), |state| read_json(&state, "state"))?;
            read(&config, &catalog, &states, environment.read, clock, output)
        }
    }
}

/// Loads the configuration, which may turn out not to fit; if it does, its key is kept out of all messages from here on.
fn load(path: &Path, output: &mut Output<'_>) -> Result<Result<Config, Failure>, Failure> {
    let config = Config::from_value(read_json(path, "configuration")?);
    if let Ok(config) = &config {
        output.keep_secret(&config.api_key);
    }
    Ok(config)
}

fn misused(error: &clap::Error) -> Failure {
    let message = match error.kind() {
        ErrorKind::InvalidSubcommand
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "Invalid command. Allowable commands: [spec, check, discover, read]".to_owned()
        }
        _ => error
            .render()
            .to_string()
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join(" "),
    };
    Failure::config(message).caused_by(format!("{:?}", error.kind()))
}

/// What stdout has taken is true; what it has not is lost with it. A reader that went away is not our failure, and is
/// told nothing; anything else can only be told on stderr.
fn exit_code(ended: Result<(), Error>) -> u8 {
    match ended {
        Ok(()) => 0,
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(Error::Output(error)) => {
            let _ = writeln!(io::stderr(), "Can't write to stdout: {error}");
            1
        }
        Err(Error::Failure(_)) => 1,
    }
}
