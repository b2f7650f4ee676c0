//! A run that is ended from outside: its output stays valid, and the next run adds the rest.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output as Ended, Stdio};
use std::time::{Duration, Instant};

use crate::support::bar_size::BarSize;
use crate::support::connector::{BINARY, Connector, Destination, Output, binary_command};
use crate::support::days::{date, new_york_time};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::{Market, TradedBar};

/// Two tickers with 700 minutes each on pages of 90.
pub fn market() -> Market {
    let mut market = Market::at("2026-03-10T23:00:00Z");
    market.page_size = 90;
    for ticker in ["AAPL", "TSLA"] {
        for minute in 0..700 {
            let start = new_york_time(date(2026, 3, 10), 4, 0) + minute * 60_000;
            market.bar(BarSize::MINUTE, ticker, start, TradedBar::closing_at(100.0 + minute as f64));
        }
    }
    market
}

pub fn connector(url: &str) -> Connector {
    let mut connector = Connector::with_url(url, "AAPL,TSLA");
    connector
        .set("start_date", "2026-03-10")
        .set("end_date", "2026-03-10")
        .stream("stock_prices_by_minute", "incremental");
    connector
}

fn start(connector: &Connector) -> Child {
    let mut command = binary_command(&connector.arguments("read"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

/// Kills a run after `bytes` bytes of output; returns everything that it wrote.
fn killed_after(connector: &Connector, bytes: usize) -> Output {
    let mut child = start(connector);
    let mut text = vec![0; bytes];
    child.stdout.as_mut().expect("a pipe").read_exact(&mut text).expect("enough bytes");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    // The rest of the pipe was also written before the end.
    child.stdout.take().expect("a pipe").read_to_end(&mut text).expect("the rest");
    Output::cut_off(text)
}

#[test]
fn run_that_is_killed_anywhere_is_resumed_with_nothing_missing() {
    for (sync_mode, points) in [("incremental", 10), ("full_refresh", 5)] {
        let api = FakeApi::start(market());
        let mut connector = connector(&api.url());
        connector.stream("stock_prices_by_minute", sync_mode);
        let whole = connector.run_binary("read").succeeded();
        let mut truth = Destination::default();
        assert_eq!((truth.load(&whole), truth.rows.len()), (0, 1_400));
        for point in 0..points {
            let after = whole.text.len() * point / points + point * 37 % 91;
            let killed = killed_after(&connector, after.min(whole.text.len() - 200));
            let mut destination = Destination::default();
            destination.load(&killed);
            if !killed.states().is_empty() {
                connector.resume_from(&killed);
            }
            destination.load(&connector.run_binary("read").succeeded());
            assert_eq!(destination.differences(&truth), [""; 0], "{sync_mode}, killed after {after} bytes");
            connector.state = None;
        }
    }
}

#[test]
fn closed_pipe_ends_the_run_quietly() {
    let api = FakeApi::start(market());
    let connector = connector(&api.url());
    for after in [0, 1, 5_000, 100_000, 200_000] {
        let mut child = start(&connector);
        let mut text = vec![0; after];
        child.stdout.take().expect("a pipe").read_exact(&mut text).expect("enough bytes");
        let ended = child.wait_with_output().expect("it ends");
        let outcome = (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned());
        assert_eq!(outcome, (Some(0), String::new()), "after {after} bytes");
    }
}

const NAMESPACE: [&str; 5] = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child"];

/// Sends a signal to a run that waits for a response; `is_contained` runs it as the first process of a namespace.
fn ended_by_signal(name: &str, is_contained: bool) -> Ended {
    let api = FakeApi::start(market());
    api.inject_faults(|_, _| Some(Fault::Stall));
    let connector = connector(&api.url());
    let mut command = if is_contained {
        Command::new("unshare")
    } else {
        // In the background of a script SIGINT is ignored, and children inherit that.
        Command::new("env")
    };
    command.args(if is_contained { &NAMESPACE[..] } else { &["--default-signal=INT,TERM"] });
    command.arg(BINARY).args(connector.arguments("read"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    // Once it has reported that it started, it waits for a response.
    child.stdout.as_mut().expect("a pipe").read_exact(&mut [0]).expect("a byte");
    let process = if is_contained {
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        std::fs::read_to_string(children).expect("a list")
    } else {
        child.id().to_string()
    };
    let sent = Instant::now();
    let kill = format!("kill -s {name} {process}");
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("sh runs").success());
    let ended = child.wait_with_output().expect("it ends");
    assert!(sent.elapsed() < Duration::from_millis(1_500), "{name}");
    assert_eq!(ended.stderr, b"", "{name}");
    ended
}

#[test]
fn signal_ends_the_process_even_while_it_waits_for_a_response() {
    for (name, number) in [("TERM", 15), ("INT", 2)] {
        assert_eq!(ended_by_signal(name, false).status.signal(), Some(number), "{name}");
    }
}

/// Like a container, a namespace runs it as the first process. Skipped where the system allows no namespace.
#[test]
fn signal_ends_the_first_process_of_a_container() {
    let attempt = Command::new("unshare").args(NAMESPACE).arg("true").output();
    if attempt.is_ok_and(|ended| ended.status.success()) {
        for (name, exit_code) in [("TERM", 143), ("INT", 130)] {
            assert_eq!(ended_by_signal(name, true).status.code(), Some(exit_code), "{name}");
        }
    }
}

#[test]
fn full_disk_fails_the_run() {
    let api = FakeApi::start(market());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    let connector = connector(&api.url());
    let ended = binary_command(&connector.arguments("read")).stdout(full).output().expect("it runs");
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("Can't write to stdout"));
}
