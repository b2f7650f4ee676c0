//! The command line: one function per command, and one exit code for its result.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::error::{ContextKind, ErrorKind};
use clap::{Args, Parser, Subcommand};
use serde_json::Value;

use crate::airbyte::Output;
use crate::commands::{check, discover, read, spec};
use crate::config::{Config, api_key_of, unknown_properties};
use crate::environment::Environment;
use crate::error::{Error, Failure};
use crate::json_file::InputFile;
use crate::log_level::LogLevel;
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
        /// Airbyte's own tests pass more arguments
        #[arg(hide = true, allow_hyphen_values = true, trailing_var_arg = true)]
        _extra_args: Vec<OsString>,
    },
    /// Check the API key and the tickers
    Check(ConfigFile),
    /// Print the catalog
    Discover(ConfigFile),
    /// Read the selected streams
    Read {
        #[command(flatten)]
        config: ConfigFile,
        /// Path to the catalog (JSON): a configured catalog, or the output of discover
        #[arg(long, value_name = "FILE")]
        catalog: PathBuf,
        /// Path to the output of an earlier read, or to its STATE messages (JSON)
        #[arg(long, value_name = "FILE")]
        state: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// Path to the configuration (JSON)
    #[arg(long = "config", value_name = "FILE")]
    path: PathBuf,
}

/// Runs the command line `arguments`, the program's name first, and returns the exit code: 0, or 1 after a TRACE ERROR.
/// Without arguments it prints its help and returns 0.
pub fn run<A>(arguments: impl IntoIterator<Item = A>, environment: &Environment, stdout: &mut dyn Write) -> u8
where
    A: Into<OsString> + Clone,
{
    let cli = Cli::try_parse_from(arguments);
    if let Err(help) = &cli
        && let ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =
            help.kind()
    {
        let help = help.to_string();
        return exit_code(stdout.write_all(help.as_bytes()).map(|()| 0));
    }
    let writes_debug = cli.as_ref().is_ok_and(|cli| cli.debug);
    let (clock, terminal) = (environment.clock.clone(), environment.terminal.clone());
    let mut output = Output::new(stdout, clock, writes_debug, terminal);
    let result = match cli {
        Ok(cli) => catch_panic(|| execute(cli.command, environment, &mut output)),
        Err(error) => Err(usage_error(&error)),
    };
    exit_code(match result.unwrap_or_else(|bug| Err(bug.into())) {
        Ok(()) => Ok(0),
        Err(Error::Failure(failure)) => output.trace_error(&failure).map(|()| 1),
        Err(Error::Output(error)) => Err(error),
    })
}

fn execute(command: Command, environment: &Environment, output: &mut Output<'_>) -> Result<(), Error> {
    match command {
        Command::Spec { .. } => Ok(spec(output)?),
        Command::Check(config) => match Config::from_value(read_config(&config, output)?) {
            Ok(config) => check(&config, environment, output),
            // The form shows a FAILED check where it was filled in; to the platform, an error would be an outage.
            Err(invalid) => Ok(output.connection_status(Some(&invalid.message))?),
        },
        Command::Discover(config) => {
            Config::from_value(read_config(&config, output)?)?;
            Ok(discover(output)?)
        }
        Command::Read { config, catalog, state } => {
            let config = Config::from_value(read_config(&config, output)?)?;
            read(&config, &catalog, state.as_deref(), environment, output)
        }
    }
}

/// Reads the configuration. From here on, its key is kept out of all messages, regardless of what else is wrong.
fn read_config(file: &ConfigFile, output: &mut Output<'_>) -> Result<Value, Error> {
    let config = InputFile::CONFIG.read(&file.path)?;
    if let Some(api_key) = api_key_of(&config) {
        output.redact(api_key);
    }
    for warning in unknown_properties(&config) {
        output.show(LogLevel::Warn, &warning)?;
    }
    Ok(config)
}

/// clap's own text, without the usage, on one line.
fn usage_error(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let problem = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = problem.trim_start_matches("error:").split_whitespace().collect();
    let suggestion = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
        .into_iter()
        .find_map(|kind| error.get(kind))
        .map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
    let message = format!("Invalid command line: {}{suggestion} See --help.", words.join(" "));
    Failure::config(message)
}

/// Anything already written to stdout stays valid. A reader that went away is not a failure; any other error of writing
/// can only be reported on stderr.
fn exit_code(written: io::Result<u8>) -> u8 {
    match written {
        Ok(code) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            let _ = writeln!(io::stderr(), "Can't write to stdout: {error}");
            1
        }
    }
}
