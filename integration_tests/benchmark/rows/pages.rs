//! Half a million minute bars on ten pages, without network delays.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::days::{Date, date};
use crate::exchange::{Exchange, last_day_of_pages};
use crate::process::{is_installed, medians, observed, seconds};
use crate::read::{Read, curl_in_sequence, tickers};
use crate::server::Server;
use crate::{Bench, report};

const PYTHON_CONNECTOR: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/integration_tests/benchmark/tutorial_connector.py");

/// A Monday.
pub(crate) const FIRST_DAY: Date = date(2004, 1, 5);

const PAGES: usize = 10;

/// A read of `pages` pages of each ticker's minutes.
pub(crate) fn read_of_pages(pages: usize, tickers: &[String]) -> Read<'_> {
    Read::new("stock_prices_by_minute", tickers, FIRST_DAY, last_day_of_pages(FIRST_DAY, pages))
}

/// `read` against curl and against Python.
pub(crate) fn compare(bench: &Bench) -> Result<()> {
    let server = Server::start(Exchange::default(), Duration::ZERO)?;
    let tickers = tickers(1);
    let read = read_of_pages(PAGES, &tickers);
    let mut command = read.command(bench, &server)?;
    let run = observed(&mut command)?;
    ensure!(run.succeeded, "{}", run.error);
    let requests = server.take_requests();
    println!("  {}", run.described(&requests));
    let mut curl = curl_in_sequence(&server, &requests);
    let what = "read of ten pages, against curl's download";
    if is_installed("curl") {
        let [of_read, of_curl] = medians(bench.runs(9), [&mut command, &mut curl])?;
        report(what, &format!("{of_read:.3} s / {of_curl:.3} s = {:.2} ×", of_read / of_curl), "1.2 ×");
    } else {
        report(what, "skipped, curl is not installed", "1.2 ×");
    }
    compare_with_python(bench, &server, &read, &mut command)
}

fn compare_with_python(bench: &Bench, server: &Server, read: &Read, command: &mut Command) -> Result<()> {
    let what = "read of ten pages, against a connector of the tutorial's kind";
    if !is_installed("python3") {
        report(what, "skipped, python3 is not installed", "0.1 ×");
        return Ok(());
    }
    let first_page = format!(
        "{}/v2/aggs/ticker/{}/range/1/minute/{}/{}?limit=50000",
        server.url(),
        read.tickers[0],
        read.first_day,
        read.last_day
    );
    let mut python = Command::new("python3");
    python.arg(PYTHON_CONNECTOR).arg(first_page).arg(PAGES.to_string());
    // The first run generates the pages.
    seconds(&mut python)?;
    let [of_read, of_python] = medians(bench.runs(5), [command, &mut python])?;
    let ratio = of_read / of_python;
    report(what, &format!("{of_read:.3} s / {of_python:.3} s = {ratio:.3} ×"), "0.1 ×");
    Ok(())
}
