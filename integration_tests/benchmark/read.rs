//! Command lines of the connector, and of curl for the same requests.

use std::process::Command;

use anyhow::Result;
use serde_json::json;

use crate::days::Date;
use crate::server::{Requests, Server};
use crate::{BINARY, Bench};

/// The stream, tickers and days to read.
pub(crate) struct Read<'a> {
    pub(crate) stream: &'a str,
    pub(crate) tickers: &'a [String],
    pub(crate) first_day: Date,
    pub(crate) last_day: Date,
    /// The last STATE line of an earlier run.
    pub(crate) state: Option<&'a str>,
}

impl<'a> Read<'a> {
    pub(crate) fn new(stream: &'a str, tickers: &'a [String], first_day: Date, last_day: Date) -> Read<'a> {
        Read { stream, tickers, first_day, last_day, state: None }
    }

    pub(crate) fn command(&self, bench: &Bench, server: &Server) -> Result<Command> {
        let config = json!({
            "stock_ticker": self.tickers.join(","), "api_key": "benchmark", "api_url": server.url(),
            "start_date": self.first_day.to_string(), "end_date": self.last_day.to_string(),
        });
        let catalog = json!({"streams": [{"stream": {"name": self.stream}, "sync_mode": "incremental"}]});
        let mut command = Command::new(BINARY);
        command.args(["read", "--config", &bench.file(&config.to_string())?]);
        command.args(["--catalog", &bench.file(&catalog.to_string())?]);
        if let Some(state) = self.state {
            let message: serde_json::Value = serde_json::from_str(state)?;
            let state = json!([message["state"]]).to_string();
            command.args(["--state", &bench.file(&state)?]);
        }
        Ok(command)
    }
}

/// The tickers S0, S1, …
pub(crate) fn tickers(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("S{number}")).collect()
}

/// curl, eight at a time, for the requests that a sync made.
pub(crate) fn curl_in_parallel(bench: &Bench, server: &Server, requests: &Requests) -> Result<Command> {
    let urls: Vec<String> = requests.targets.iter().map(|target| format!("{}{target}", server.url())).collect();
    let mut command = Command::new("xargs");
    command.args(["-a", &bench.file(&urls.join("\n"))?, "-P8", "-n1"]);
    command.args(CURL).args(["--output", "/dev/null"]);
    Ok(command)
}

/// One curl for the requests that a sync made, one after another.
pub(crate) fn curl_in_sequence(server: &Server, requests: &Requests) -> Command {
    let mut command = Command::new(CURL[0]);
    command.args(&CURL[1..]);
    for target in &requests.targets {
        command.args(["--output", "/dev/null", &format!("{}{target}", server.url())]);
    }
    command
}

const CURL: [&str; 5] = ["curl", "--silent", "--show-error", "--fail", "--compressed"];
