//! A stdout that can't be written to is a failure with a message on stderr; a closed pipe is none. Without an API.

use std::process::{Command, Output as Ended};

use crate::support::connector::BINARY;

/// Runs `spec` from a shell that redirects stdout.
fn spec_with(redirection: &str) -> Ended {
    let script = format!("exec \"$BINARY\" spec {redirection}");
    Command::new("sh").args(["-c", &script]).env("BINARY", BINARY).output().expect("sh runs")
}

/// Python's `subprocess.DEVNULL` opens /dev/null for reading and writing, and so does Rust's runtime for a closed stdout.
#[test]
fn discarded_output_and_a_closed_stderr_are_no_failure() {
    for (redirection, is_read) in [("> /dev/null", false), ("1<>/dev/null", false), (">&-", false), ("2>&-", true)] {
        let ended = spec_with(redirection);
        assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]), "{redirection}");
        assert_eq!(ended.stdout.starts_with(b"{\"type\":\"SPEC\""), is_read, "{redirection}");
    }
}

#[test]
fn stdout_that_can_not_be_written_to_is_reported_on_stderr() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    // The last one fails for another reason, and can't write that failure either.
    for redirection in
        ["1</dev/null", &format!("1<{}", file.path().display()), "> /dev/full", "--no-such-argument > /dev/full"]
    {
        let ended = spec_with(redirection);
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{redirection}: {stderr}");
        let is_one_line = stderr.starts_with("Can't write to stdout: ") && stderr.lines().count() == 1;
        assert!(is_one_line, "{redirection}: {stderr}");
    }
}
