//! Runs the binary like Airbyte's launcher on Kubernetes: `sh` evaluates `AIRBYTE_ENTRYPOINT` with the arguments
//! appended, the output goes into named pipes, and the exit code into a file.

use std::fs::{self, File};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::state::interrupted::{connector, market};
use crate::support::connector::{BINARY, Connector, Output};
use crate::support::fake_api::FakeApi;

const SCRIPT: &str = r#"
    set -u
    cd /
    (eval "$AIRBYTE_ENTRYPOINT $ARGUMENTS" 2> "$ROOT/stderr" > "$ROOT/stdout"; echo $? > "$ROOT/exitCode.tmp")
    mv "$ROOT/exitCode.tmp" "$ROOT/exitCode.txt"
"#;

fn with_pipes() -> Connector {
    let connector = connector(&FakeApi::start(market()).url());
    for pipe in ["stdout", "stderr"] {
        assert!(Command::new("mkfifo").arg(connector.path(pipe)).status().expect("mkfifo runs").success());
    }
    connector
}

fn launch(connector: &Connector, command: &str) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", SCRIPT]).env_clear().env("PATH", "/usr/bin:/bin").env("AIRBYTE_ENTRYPOINT", BINARY);
    shell.env("ROOT", connector.path("")).env("ARGUMENTS", connector.arguments(command).join(" "));
    shell.stdin(Stdio::null()).spawn().expect("sh runs")
}

/// Reads a pipe to its end in a separate thread.
fn drain(connector: &Connector, pipe: &str) -> thread::JoinHandle<Vec<u8>> {
    let path = connector.path(pipe);
    thread::spawn(move || {
        let mut bytes = Vec::new();
        File::open(path).and_then(|mut pipe| pipe.read_to_end(&mut bytes)).expect("a pipe");
        bytes
    })
}

fn exit_code(connector: &Connector) -> i32 {
    fs::read_to_string(connector.path("exitCode.txt")).expect("a file").trim().parse().expect("a number")
}

fn run(connector: &Connector, command: &str) -> Output {
    let mut launcher = launch(connector, command);
    let (stdout, stderr) = (drain(connector, "stdout"), drain(connector, "stderr"));
    assert!(launcher.wait().expect("it ends").success());
    assert_eq!(stderr.join().expect("no panic"), b"", "stderr is shown to users as an error");
    Output::new(stdout.join().expect("no panic"), exit_code(connector))
}

#[test]
fn every_command_runs_as_the_launcher_runs_it() {
    let mut connector = with_pipes();
    assert_eq!(run(&connector, "spec").succeeded().messages[0]["type"], "SPEC");
    // The fake API has no day bars.
    run(&connector, "check").assert_check_fails(&["no prices found"]);
    assert_eq!(run(&connector, "discover").succeeded().messages[0]["type"], "CATALOG");
    assert_eq!(run(&connector, "read").succeeded().records().len(), 1_400);
    connector.set("stock_ticker", "AAPL,^");
    run(&connector, "read").assert_failure("config_error", &["stock_ticker"]);
}

#[test]
fn cancel_in_the_middle_ends_it_quietly() {
    let connector = with_pipes();
    let mut launcher = launch(&connector, "read");
    let stderr = drain(&connector, "stderr");
    let mut stdout = File::open(connector.path("stdout")).expect("a pipe");
    stdout.read_exact(&mut [0; 2_000]).expect("enough bytes");
    // The orchestrator closes its end of the pipe and sends no signal.
    drop(stdout);
    assert!(launcher.wait().expect("it ends").success());
    assert_eq!((exit_code(&connector), stderr.join().expect("no panic")), (0, Vec::new()));
}
