//! Runs the built connector like Airbyte: with files for the configuration, the catalog and the state.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::screen;
use crate::support::days::Date;
use crate::support::fake_api::KEY;
use crate::support::output::Output;

/// Prefixes of the variables that `cargo run` sets for the demo.
const OF_CARGO_RUN: [&[u8]; 3] = [b"CARGO_MANIFEST_", b"CARGO_PKG_", b"CARGO_CRATE_"];

/// The binary, and a folder for its files.
pub(crate) struct Connector {
    binary: PathBuf,
    folder: TempDir,
    api_url: String,
}

impl Connector {
    /// Builds the connector with the same dependencies as the demo.
    pub(crate) fn build(api_url: String) -> Result<Connector> {
        let example = std::env::current_exe()?;
        let folder = example.parent().and_then(Path::parent);
        let folder = folder.context("the demo is not where Cargo puts examples")?;
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--bins", "--example", "demo"]);
        build.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
        build.arg("--target-dir").arg(folder.parent().unwrap_or(folder));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        // With these variables, the build scripts of dependencies would run again.
        for (name, _) in std::env::vars_os() {
            if OF_CARGO_RUN.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix)) {
                build.env_remove(name);
            }
        }
        ensure!(build.status()?.success(), "the connector can't be built");
        let binary = folder.join(env!("CARGO_PKG_NAME"));
        Ok(Connector { binary, folder: tempfile::tempdir()?, api_url })
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
        let config = json!({
            "stock_ticker": "AAPL", "api_key": "not-a-key", "api_url": self.api_url,
        });
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

    /// Runs a command, shows its output, and returns it. The output is checked like every output in the tests.
    pub(crate) fn run(&self, command: &str, files: &[[String; 2]]) -> Result<Output> {
        let arguments: Vec<String> = [command.to_owned()].into_iter().chain(files.iter().flatten().cloned()).collect();
        screen::command(&arguments)?;
        let ended = Command::new(&self.binary).args(&arguments).output()?;
        let errors = String::from_utf8_lossy(&ended.stderr);
        ensure!(errors.is_empty(), "{command} wrote to stderr: {errors}");
        let code = ended.status.code().context("the connector was killed")?;
        let output = Output::new(ended.stdout, code);
        for message in &output.messages {
            screen::message(message);
        }
        ensure!(code == 0, "{command} ended with exit code {code}");
        Ok(output)
    }
}
