//! One run of the real `read` command, and the lines that it wrote.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use source_stock_ticker_api::clock::SharedClock;
use source_stock_ticker_api::polygon::RequestPolicy;
use source_stock_ticker_api::{Environment, Terminal, run};
use tempfile::TempDir;

use super::api::Api;
use super::clock::SimulatedClock;
use super::days::{Day, tell_day};
use super::market::Market;
use super::output::{Output, parse};
use super::streams::{STREAMS, Stream};

const KEY: &str = "not_a_real_key_0123456789";

/// What a user sets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Places in the market's list of tickers.
    pub tickers: Vec<usize>,
    pub start: Option<Day>,
    pub end: Option<Day>,
    pub adjusted: bool,
    pub is_full_refresh: bool,
}

/// A bar's place: its ticker's place, and its start.
pub type Key = (usize, i64);

/// Runs the connector against an API in memory.
pub struct Runner {
    pub api: Arc<Mutex<Api>>,
    pub clock: Arc<SimulatedClock>,
    environment: Environment,
    folder: TempDir,
}

impl Runner {
    pub fn new() -> Runner {
        let clock = SimulatedClock::new();
        let market = Market::empty();
        let api = Arc::new(Mutex::new(Api::new(market, clock.clone())));
        let shared: SharedClock = clock.clone();
        let environment = Environment {
            clock: shared,
            check_policy: RequestPolicy::CHECK,
            sync_policy: RequestPolicy::SYNC,
            terminal: Terminal::default(),
            exchange: Some(api.clone()),
        };
        // A file system in memory, where there is one.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
        Runner { api, clock, environment, folder }
    }

    pub fn api(&self) -> MutexGuard<'_, Api> {
        self.api.lock().expect("no panic")
    }

    /// Runs `read` with settings, streams, and the states that the platform hands over.
    pub fn read(&self, settings: &Settings, streams: &[usize], states: &[&str]) -> Result<Output, String> {
        let names: Vec<&str> = {
            let api = self.api();
            settings.tickers.iter().map(|ticker| api.market.tickers[*ticker].name).collect()
        };
        let mut config = json!({"stock_ticker": names.join(","), "api_key": KEY, "adjusted": settings.adjusted});
        let days = [("start_date", settings.start), ("end_date", settings.end)];
        for (name, day) in days {
            if let Some(day) = day {
                config[name] = tell_day(day).into();
            }
        }
        let configured: Vec<Value> = streams.iter().map(|stream| configured(&STREAMS[*stream], settings)).collect();
        let mut arguments = vec!["source-stock-ticker-api".into(), "read".into()];
        let mut add = |flag: &str, text: String| {
            let path: PathBuf = self.folder.path().join(&flag[2..]);
            fs::write(&path, text).expect("a file");
            arguments.extend([flag.into(), path.into_os_string()]);
        };
        add("--config", config.to_string());
        add("--catalog", json!({"streams": configured}).to_string());
        if !states.is_empty() {
            add("--state", format!("[{}]", states.join(",")));
        }
        let mut stdout = Vec::new();
        // Waits before retries are random; a history is played the same way every time.
        fastrand::seed(0);
        let exit_code = run(arguments, &self.environment, &mut stdout);
        let text = String::from_utf8(stdout).map_err(|_| "the output is not UTF-8".to_owned())?;
        if text.contains(KEY) {
            return Err("the API key is in the output".to_owned());
        }
        let api = self.api();
        let lines =
            text.lines().map(|line| parse(line, &api.market).ok_or_else(|| format!("a line makes no sense: {line}")));
        let output = Output { lines: lines.collect::<Result<_, _>>()?, exit_code };
        output.check_order(streams)?;
        Ok(output)
    }
}

fn configured(stream: &Stream, settings: &Settings) -> Value {
    let modes = if settings.is_full_refresh { ("full_refresh", "overwrite") } else { ("incremental", "append_dedup") };
    json!({
        "stream": {"name": stream.name, "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
        "sync_mode": modes.0, "destination_sync_mode": modes.1,
    })
}
