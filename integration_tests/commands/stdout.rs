//! stdout that takes nothing is a failure with a word on stderr; a reader that leaves is a quiet end. Without any API.

use std::fs;
use std::process::{Command, Output as Ended, Stdio};

use crate::support::connector::{BINARY, Connector, binary_command};

/// Runs `spec` by a shell that redirects stdout.
fn spec_with(redirection: &str) -> Ended {
    let script = format!("exec \"$BINARY\" spec {redirection}");
    Command::new("sh").args(["-c", &script]).env("BINARY", BINARY).output().expect("sh runs")
}

fn assert_told_on_stderr(ended: &Ended) {
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("Can't write to stdout: ") && stderr.lines().count() == 1, "{stderr}");
}

/// Python's `subprocess.DEVNULL` opens /dev/null like this; Rust's runtime puts the same in place of a closed stdout.
#[test]
fn dev_null_opened_for_reading_and_writing_is_no_failure() {
    for redirection in ["1<>/dev/null", ">&-"] {
        let ended = spec_with(redirection);
        assert_eq!(ended.status.code(), Some(0), "{redirection}: {ended:?}");
    }
}

#[test]
fn stdout_that_is_open_for_reading_alone_is_told_on_stderr() {
    assert_told_on_stderr(&spec_with("1</dev/null"));
    let file = tempfile::NamedTempFile::new().expect("a file");
    assert_told_on_stderr(&spec_with(&format!("1<{}", file.path().display())));
}

#[test]
fn full_disk_behind_stdout_is_told_on_stderr() {
    assert_told_on_stderr(&spec_with("> /dev/full"));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    let arguments = Connector::with_url("http://127.0.0.1:9", "TSLA").arguments("discover");
    // The connector's folder is gone: that failure can't be written either.
    let ended = binary_command(&arguments).stdout(full).output().expect("it runs");
    assert_told_on_stderr(&ended);
}

#[test]
fn stdout_that_is_thrown_away_is_no_failure() {
    let ended = spec_with("> /dev/null");
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn reader_that_leaves_at_once_ends_it_quietly() {
    let mut command = binary_command(&["spec"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn stderr_that_is_closed_changes_nothing() {
    let ended = spec_with("2>&-");
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.stdout.starts_with(b"{\"type\":\"SPEC\""));
}
