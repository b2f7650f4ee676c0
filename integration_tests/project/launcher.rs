//! Runs the binary like Airbyte's launcher on Kubernetes: `sh` evaluates `AIRBYTE_ENTRYPOINT` with the arguments
//! appended, the output goes into named pipes, and the exit code into a file. On wiremock.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::json;
use tempfile::TempDir;

use crate::support::bar_size::BarSize;
use crate::support::connector::{BINARY, Output, catalog};
use crate::support::days::{date, new_york_time};
use crate::support::fake_api::{FakeApi, KEY};
use crate::support::market::{Market, TradedBar};

const SCRIPT: &str = r#"
    set -u
    cd "$ROOT/source"
    (eval "$AIRBYTE_ENTRYPOINT $ARGUMENTS" 2> "$ROOT/stderr" > "$ROOT/stdout"; echo $? > "$ROOT/exitCode.tmp")
    mv "$ROOT/exitCode.tmp" "$ROOT/exitCode.txt"
"#;

struct Pod {
    root: TempDir,
    _api: FakeApi,
}

impl Pod {
    fn new(ticker: &str) -> Pod {
        let mut market = Market::at("2026-03-10T23:00:00Z");
        for minute in 0..900 {
            let start = new_york_time(date(2026, 3, 10), 4, 0) + minute * 60_000;
            market.bar(BarSize::MINUTE, "AAPL", start, TradedBar::closing_at(100.0 + minute as f64));
        }
        let api = FakeApi::start(market);
        let root = tempfile::tempdir().expect("a folder");
        for folder in ["source", "config"] {
            fs::create_dir(root.path().join(folder)).expect("a folder");
        }
        let config = json!({"stock_ticker": ticker, "api_key": KEY, "api_url": api.url(), "start_date": "2026-03-10", "end_date": "2026-03-10"});
        for (file, content) in [
            ("source/connectorConfig.json", &config),
            ("config/connectionConfiguration.json", &config),
            ("source/catalog.json", &catalog("stock_prices_by_minute", "incremental")),
            ("source/inputState.json", &json!([])),
        ] {
            fs::write(root.path().join(file), content.to_string()).expect("a file");
        }
        for pipe in ["stdout", "stderr"] {
            assert!(Command::new("mkfifo").arg(root.path().join(pipe)).status().expect("mkfifo runs").success());
        }
        Pod { root, _api: api }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Starts the launcher's script; `$ROOT` in the arguments is the root of the pod's files.
    fn launch(&self, arguments: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).env_clear().env("PATH", "/usr/bin:/bin").env("AIRBYTE_ENTRYPOINT", BINARY);
        command
            .env("ROOT", self.root.path())
            .env("ARGUMENTS", arguments.replace("$ROOT", &self.path("").display().to_string()));
        command.stdin(Stdio::null()).spawn().expect("sh runs")
    }

    /// Reads a pipe to its end in a separate thread.
    fn drain(&self, pipe: &str) -> thread::JoinHandle<Vec<u8>> {
        let path = self.path(pipe);
        thread::spawn(move || {
            let mut bytes = Vec::new();
            File::open(path).and_then(|mut pipe| pipe.read_to_end(&mut bytes)).expect("a pipe");
            bytes
        })
    }

    fn exit_code(&self) -> i32 {
        fs::read_to_string(self.path("exitCode.txt")).expect("a file").trim().parse().expect("a number")
    }

    /// Runs a command to its end.
    fn run(&self, arguments: &str) -> Output {
        let mut launcher = self.launch(arguments);
        let (stdout, stderr) = (self.drain("stdout"), self.drain("stderr"));
        assert!(launcher.wait().expect("it ends").success());
        assert_eq!(stderr.join().expect("no panic"), b"", "stderr is shown to users as an error");
        Output::new(stdout.join().expect("no panic"), self.exit_code())
    }
}

const READ: &str = "read --config $ROOT/source/connectorConfig.json --catalog $ROOT/source/catalog.json --state $ROOT/source/inputState.json";

#[test]
fn every_command_runs_as_the_launcher_runs_it() {
    let pod = Pod::new("AAPL");
    assert_eq!(pod.run("spec").succeeded().messages[0]["type"], "SPEC");
    let check = pod.run("check --config $ROOT/config/connectionConfiguration.json").succeeded();
    assert_eq!(check.connection_status().0, "FAILED", "the fake API has no day bars");
    let catalog = pod.run("discover --config $ROOT/config/connectionConfiguration.json").succeeded();
    assert_eq!(catalog.messages[0]["type"], "CATALOG");
    assert_eq!(pod.run(READ).succeeded().records().len(), 900);
    // The exit code shows a failure, too.
    Pod::new("AAPL,^").run(READ).assert_failure("config_error", &["stock_ticker"]);
}

#[test]
fn cancel_in_the_middle_ends_it_quietly() {
    let pod = Pod::new("AAPL");
    let mut launcher = pod.launch(READ);
    let stderr = pod.drain("stderr");
    let mut stdout = File::open(pod.path("stdout")).expect("a pipe");
    stdout.read_exact(&mut [0; 2_000]).expect("enough bytes");
    // The orchestrator closes its end of the pipe and sends no signal.
    drop(stdout);
    assert!(launcher.wait().expect("it ends").success());
    assert_eq!((pod.exit_code(), stderr.join().expect("no panic")), (0, Vec::new()));
}
