//! Runs the connector like Airbyte, with files for the configuration, the catalog and the state.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use source_stock_ticker_api::{Environment, Terminal};
use tempfile::TempDir;

use crate::screen;
use crate::support::days::Date;
use crate::support::fake_api::KEY;
use crate::support::output::Output;

pub(crate) struct Files {
    folder: TempDir,
    api_url: String,
}

impl Files {
    pub(crate) fn new(api_url: String) -> Result<Files> {
        Ok(Files { folder: tempfile::tempdir()?, api_url })
    }

    /// The arguments for a configuration with an end date, in a file.
    pub(crate) fn config(&self, end_date: Date) -> Result<[String; 2]> {
        let config = json!({
            "stock_ticker": "AAPL, X:BTCUSD", "start_date": "2023-01-03", "end_date": end_date.to_string(),
            "api_key": KEY, "api_url": self.api_url,
        });
        self.argument("--config", "config.json", &config)
    }

    /// The arguments for a configuration with a key that the API does not know.
    pub(crate) fn config_with_wrong_key(&self) -> Result<[String; 2]> {
        let config = json!({"stock_ticker": "AAPL", "api_key": "not-a-key", "api_url": self.api_url});
        self.argument("--config", "wrong_key.json", &config)
    }

    /// The arguments for a catalog of streams, in a file.
    pub(crate) fn catalog(&self, streams: &[&str]) -> Result<[String; 2]> {
        let stream = |name| json!({"stream": {"name": name}, "sync_mode": "incremental"});
        let streams: Vec<Value> = streams.iter().map(stream).collect();
        self.argument("--catalog", "catalog.json", &json!({"streams": streams}))
    }

    /// Writes a file and returns the arguments that name it.
    pub(crate) fn argument(&self, flag: &str, name: &str, value: &Value) -> Result<[String; 2]> {
        let path = self.folder.path().join(name);
        fs::write(&path, value.to_string())?;
        Ok([flag.to_owned(), path.display().to_string()])
    }
}

/// Runs a command, shows its output, and returns it. The output is checked like every output in the tests.
pub(crate) fn run(command: &str, files: &[[String; 2]]) -> Result<Output> {
    let arguments: Vec<String> = [command.to_owned()].into_iter().chain(files.iter().flatten().cloned()).collect();
    screen::command(&arguments)?;
    // The messages on stdout are shown below, so stderr is not needed.
    let environment = Environment { terminal: Terminal::default(), ..Environment::system() };
    let program = env!("CARGO_PKG_NAME").to_owned();
    let mut stdout = Vec::new();
    let code = source_stock_ticker_api::run([program].into_iter().chain(arguments), &environment, &mut stdout);
    let output = Output::new(stdout, code.into());
    for message in &output.messages {
        screen::message(message);
    }
    ensure!(code == 0, "{command} ended with exit code {code}");
    Ok(output)
}
