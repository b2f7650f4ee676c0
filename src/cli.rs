//! The command line: one function per command, and one exit code for its result.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ErrorKind};
use clap::{Parser, Subcommand};
use serde_json::Value;

use crate::airbyte::Output;
use crate::commands::{check, discover, read, spec};
use crate::config::{Config, api_key_of};
use crate::environment::Environment;
use crate::error::{Error, Failure};
use crate::json_file::read_json;
use crate::panics::catch_panic;

/// An Airbyte source for stock prices. Writes Airbyte messages to stdout, one JSON object per line.
#[derive(Debug, Parser)]
#[command(name = env!("CARGO_PKG_NAME"), version)]
struct Cli {
    /// Log every request
    #[arg(long, global = true)]
    debug: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the connector specification
    Spec {
        /// Whatever else is passed: Airbyte's own tests do so
        #[arg(hide = true, allow_hyphen_values = true, trailing_var_arg = true)]
        _extra_args: Vec<OsString>,
    },
    /// Check the API key and the tickers
    Check {
        /// Path to the configuration (JSON)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Print the catalog
    Discover {
        /// Path to the configuration (JSON)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Read the selected streams
    Read {
        /// Path to the configuration (JSON)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Path to the configured catalog (JSON)
        #[arg(long, value_name = "FILE")]
        catalog: PathBuf,
        /// Path to the state of an earlier run (JSON)
        #[arg(long, value_name = "FILE")]
        state: Option<PathBuf>,
    },
}

/// Runs the command line `arguments`, the program's name first, and returns the exit code: 0, or 1 after a TRACE ERROR.
pub fn run<A>(
    arguments: impl IntoIterator<Item = A>,
    environment: &Environment,
    stdout: &mut dyn Write,
) -> u8
where
    A: Into<OsString> + Clone,
{
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => Ok(cli),
        Err(help)
            if matches!(
                help.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            return exit_code(
                stdout
                    .write_all(help.to_string().as_bytes())
                    .map_err(Error::from),
            );
        }
        Err(error) => Err(usage_error(&error)),
    };
    let writes_debug = cli.as_ref().is_ok_and(|cli| cli.debug);
    let mut output = Output::new(stdout, environment.clock.clone(), writes_debug);
    let result = match cli {
        Ok(cli) => catch_panic(|| execute(cli.command, environment, &mut output)),
        Err(failure) => Err(failure),
    };
    let result = match result.unwrap_or_else(|failure| Err(failure.into())) {
        Err(Error::Failure(failure)) => match output.trace_error(&failure) {
            Ok(()) => return 1,
            Err(error) => Err(error.into()),
        },
        result => result,
    };
    exit_code(result)
}

fn execute(
    command: Command,
    environment: &Environment,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let Environment { clock, .. } = environment;
    match command {
        Command::Spec { .. } => Ok(spec(output)?),
        Command::Check { config } => match Config::from_value(read_config(&config, output)?) {
            Ok(config) => check(&config, environment.check_policy, clock, output),
            // The form shows a FAILED check where it was filled in; to the platform, an error would be an outage.
            Err(invalid) => Ok(output.connection_status(Some(&invalid.message))?),
        },
        Command::Discover { config } => {
            Config::from_value(read_config(&config, output)?)?;
            Ok(discover(output)?)
        }
        Command::Read {
            config,
            catalog,
            state,
        } => {
            let config = Config::from_value(read_config(&config, output)?)?;
            let catalog = read_json(&catalog, "catalog")?;
            let states = state.map_or(Ok(Value::Null), |state| read_json(&state, "state"))?;
            read(&config, &catalog, &states, environment, output)
        }
    }
}

/// Reads the configuration; its key, if it has one, is kept out of all messages from here on, whatever else is wrong.
fn read_config(path: &Path, output: &mut Output<'_>) -> Result<Value, Failure> {
    let config = read_json(path, "configuration")?;
    if let Some(api_key) = api_key_of(&config) {
        output.redact(api_key);
    }
    Ok(config)
}

fn usage_error(error: &clap::Error) -> Failure {
    let invalid = error.get(ContextKind::InvalidArg);
    let message = match (error.kind(), invalid) {
        (
            ErrorKind::InvalidSubcommand
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
            _,
        ) => "Invalid command. Allowable commands: [spec, check, discover, read]".to_owned(),
        (ErrorKind::MissingRequiredArgument, Some(names)) => {
            format!("Missing argument: {names}. See --help.")
        }
        (ErrorKind::UnknownArgument, Some(name)) => {
            format!("Unexpected argument: {name}. See --help.")
        }
        (ErrorKind::InvalidValue, Some(name)) => format!("Missing value for {name}. See --help."),
        _ => {
            let text = error.render().to_string();
            let first_line = text
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error:")
                .trim()
                .to_owned();
            format!("{first_line}. See --help.")
        }
    };
    Failure::config(message).caused_by(&anyhow::anyhow!("{:?}", error.kind()))
}

/// Anything already written to stdout stays valid. A reader that went away is not a failure; any other error of writing
/// can only be told on stderr.
fn exit_code(result: Result<(), Error>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(Error::Output(error)) => {
            let _ = writeln!(io::stderr(), "Can't write to stdout: {error}");
            1
        }
        Err(Error::Failure(_)) => 1,
    }
}
