//! Runs the connector: the built binary, or the library with a simulated clock.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};
use source_stock_ticker_api::clock::SharedClock;
use source_stock_ticker_api::polygon::{Exchange, RequestPolicy};
use source_stock_ticker_api::{Environment, Terminal, run};
use tempfile::TempDir;

use super::backend::{FakeApi, KEY};
use super::clock::SimulatedClock;
use super::days::moment;
pub use super::destination::Destination;
pub use super::output::Output;
use super::output::Scrutiny;

/// The built binary; only the tests know where it is.
pub const BINARY: &str = match option_env!("CARGO_BIN_EXE_source-stock-ticker-api") {
    Some(path) => path,
    None => "",
};

/// Variables that would send requests elsewhere.
const PROXY_VARIABLES: [&str; 8] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"];

/// A connector with its files.
pub struct Connector {
    pub config: Value,
    pub catalog: Value,
    pub state: Option<Value>,
    /// How long a run of the library waits for the next bytes; shorter in tests of silence.
    pub read_timeout: Duration,
    /// How many records of the library's output are validated.
    pub scrutiny: Scrutiny,
    /// Answers the library's requests instead of a server.
    pub exchange: Option<Arc<Mutex<dyn Exchange>>>,
    folder: TempDir,
}

impl Connector {
    /// Configured for a fake API and its key; reads `stock_prices` incrementally.
    pub fn new(api: &FakeApi, stock_ticker: &str) -> Connector {
        Connector::with_url(&api.url(), stock_ticker)
    }

    /// Configured for an `api_url` and the fake API's key; reads `stock_prices` incrementally.
    pub fn with_url(api_url: &str, stock_ticker: &str) -> Connector {
        Connector {
            config: json!({"stock_ticker": stock_ticker, "api_key": KEY, "api_url": api_url}),
            catalog: catalog("stock_prices", "incremental"),
            state: None,
            read_timeout: Duration::from_secs(4),
            scrutiny: Scrutiny::EveryRecord,
            exchange: None,
            // In memory, where there is such a file system.
            folder: tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder"),
        }
    }

    /// Sets a property of the configuration.
    pub fn set(&mut self, property: &str, value: impl Into<Value>) -> &mut Connector {
        self.config[property] = value.into();
        self
    }

    /// Selects only this stream.
    pub fn stream(&mut self, name: &str, sync_mode: &str) -> &mut Connector {
        self.catalog = catalog(name, sync_mode);
        self
    }

    /// Passes on the last state of an earlier output, as the platform does.
    pub fn resume_from(&mut self, output: &Output) -> &mut Connector {
        self.state = Some(json!(output.states().last().into_iter().collect::<Vec<_>>()));
        self
    }

    /// Writes the files of a command and returns its arguments.
    pub fn arguments(&self, command: &str) -> Vec<String> {
        let file = |name: &str, value: &Value| {
            let path = self.folder.path().join(name);
            fs::write(&path, value.to_string()).expect("a file");
            path.display().to_string()
        };
        let mut arguments = vec![command.to_owned()];
        let mut add = |flag: &str, path: String| arguments.extend([flag.to_owned(), path]);
        if command != "spec" {
            add("--config", file("config.json", &self.config));
        }
        if command == "read" {
            add("--catalog", file("catalog.json", &self.catalog));
            if let Some(state) = &self.state {
                add("--state", file("state.json", state));
            }
        }
        arguments
    }

    /// A path in the connector's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command of the built binary.
    pub fn run_binary(&self, command: &str) -> Output {
        run_binary(&self.arguments(command))
    }

    /// Runs a command of the library at a moment in RFC 3339; waits take no time.
    pub fn run_at(&self, now: &str, command: &str) -> Output {
        self.run_with_clock(&SimulatedClock::at(moment(now)), command)
    }

    /// Runs a command of the library on a simulated clock.
    pub fn run_with_clock(&self, clock: &Arc<SimulatedClock>, command: &str) -> Output {
        self.run_arguments(clock, self.arguments(command))
    }

    /// Runs a command line of the library on a simulated clock.
    pub fn run_arguments(&self, clock: &Arc<SimulatedClock>, arguments: Vec<String>) -> Output {
        let mut stdout = Vec::new();
        let exit_code = self.run_into(clock, arguments, &mut stdout);
        Output::checked(stdout, Some(i32::from(exit_code)), self.scrutiny)
    }

    /// Runs `read` of the library with a stdout that closes after `lines` lines; returns what was written by then.
    pub fn run_until_line(&self, now: &str, lines: usize) -> Output {
        let mut stdout = ClosingWriter { text: Vec::new(), remaining: lines };
        self.run_into(&SimulatedClock::at(moment(now)), self.arguments("read"), &mut stdout);
        Output::checked(stdout.text, None, self.scrutiny)
    }

    /// The catalog that `discover` writes.
    pub fn discovered() -> Value {
        let connector = Connector::with_url("http://127.0.0.1:9", "TSLA");
        let mut stdout = Vec::new();
        connector.run_into(&SimulatedClock::at(Utc::now()), connector.arguments("discover"), &mut stdout);
        let mut message: Value = serde_json::from_slice(&stdout).expect("a CATALOG");
        message["catalog"].take()
    }

    fn run_into(&self, clock: &Arc<SimulatedClock>, arguments: Vec<String>, stdout: &mut dyn Write) -> u8 {
        let clock: SharedClock = clock.clone();
        let quick = |policy| RequestPolicy { read_timeout: self.read_timeout, ..policy };
        let (check_policy, sync_policy) = (quick(RequestPolicy::CHECK), quick(RequestPolicy::SYNC));
        let exchange = self.exchange.clone();
        let environment = Environment { clock, check_policy, sync_policy, terminal: Terminal::default(), exchange };
        let arguments = std::iter::once("source-stock-ticker-api".to_owned()).chain(arguments);
        run(arguments, &environment, stdout)
    }
}

/// A stdout that closes after `remaining` lines.
struct ClosingWriter {
    text: Vec<u8>,
    remaining: usize,
}

impl Write for ClosingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.remaining == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let length = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        self.remaining -= usize::from(bytes[..length].ends_with(b"\n"));
        self.text.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A command line of the built binary in a clean environment.
pub fn binary_command<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).stdin(Stdio::null());
    for variable in PROXY_VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// Runs the built binary, which must never write to stderr.
pub fn run_binary<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    run_command(&mut binary_command(arguments))
}

/// Runs a command line of the built binary, which must never write to stderr.
pub fn run_command(command: &mut Command) -> Output {
    let ended = command.output().expect("the binary runs");
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "nothing goes to stderr");
    Output::new(ended.stdout, ended.status.code().expect("it is not killed"))
}

/// A catalog as the platform sends it, including the fields that a strict parser would reject.
pub fn catalog(stream: &str, sync_mode: &str) -> Value {
    json!({"streams": [configured(stream, sync_mode)]})
}

/// A configured stream as the platform sends it.
pub fn configured(stream: &str, sync_mode: &str) -> Value {
    json!({
        "stream": {
            "name": stream, "namespace": null, "json_schema": {"type": "object", "properties": {"date": {"type": "string"}}},
            "supported_sync_modes": ["full_refresh", "incremental"], "source_defined_cursor": null, "default_cursor_field": [],
            "source_defined_primary_key": [], "is_resumable": null, "is_file_based": null,
        },
        "sync_mode": sync_mode, "destination_sync_mode": "append", "cursor_field": [], "primary_key": [],
        "generation_id": 0, "minimum_generation_id": 0, "sync_id": 1, "include_files": null, "destination_object_name": null,
    })
}
