//! A sync against `xargs -P8 curl` of the same requests, with 300 ms per response.

use anyhow::{Result, ensure};
use chrono::{Days, Months};

use super::pages::{FIRST_DAY, read_of_pages};
use crate::exchange::Exchange;
use crate::process::{Run, is_installed, medians, observed};
use crate::read::{Read, curl_in_parallel, tickers as make_tickers};
use crate::server::{NETWORK, Server};
use crate::{Bench, report};

pub(crate) fn market(bench: &Bench) -> Result<()> {
    let (tickers, last_day) = (make_tickers(1), FIRST_DAY + Months::new(6) - Days::new(1));
    let read = Read::new("market_prices", &tickers, FIRST_DAY, last_day);
    against_curl(bench, "the market, half a year", &read, "1.3 ×")
}

pub(crate) fn hours(bench: &Bench) -> Result<()> {
    let (tickers, last_day) = (make_tickers(1), FIRST_DAY + Months::new(60) - Days::new(1));
    let read = Read::new("stock_prices_by_hour", &tickers, FIRST_DAY, last_day);
    against_curl(bench, "a ticker's hours, five years", &read, "1.5 ×")
}

pub(crate) fn minutes(bench: &Bench) -> Result<()> {
    let tickers = make_tickers(1);
    let read = read_of_pages(26, &tickers);
    against_curl(bench, "a ticker's minutes, 26 pages", &read, "1.5 ×")
}

fn against_curl(bench: &Bench, what: &str, read: &Read, goal: &str) -> Result<()> {
    let server = Server::start(Exchange::default(), NETWORK)?;
    measure(bench, &server, what, read, goal, bench.runs(3))?;
    Ok(())
}

/// 500 tickers with five years of days: a first sync, and one of the next day.
pub(crate) fn tickers(bench: &Bench) -> Result<()> {
    let server = Server::start(Exchange::default(), NETWORK)?;
    let tickers = make_tickers(500);
    let last_day = FIRST_DAY + Months::new(60);
    let mut read = Read::new("stock_prices", &tickers, FIRST_DAY, last_day);
    let first = measure(bench, &server, "500 tickers, first sync", &read, "1.3 ×", 1)?;
    read.state = Some(&first.last_state);
    read.last_day = last_day + Days::new(1);
    measure(bench, &server, "500 tickers, the next day", &read, "1.3 ×", 1)?;
    Ok(())
}

fn measure(bench: &Bench, server: &Server, what: &str, read: &Read, goal: &str, runs: usize) -> Result<Run> {
    let mut command = read.command(bench, server)?;
    server.take_requests();
    let run = observed(&mut command)?;
    ensure!(run.succeeded, "{}", run.error);
    let requests = server.take_requests();
    println!("  {what}: {}", run.described(&requests));
    if is_installed("curl") && is_installed("xargs") {
        let mut curl = curl_in_parallel(bench, server, &requests)?;
        let [of_read, of_curl] = medians(runs, [&mut command, &mut curl])?;
        let ratio = of_read / of_curl;
        let measured = format!("{of_read:.2} s / {of_curl:.2} s = {ratio:.2} ×");
        report(&format!("{what}, against xargs -P8 curl"), &measured, goal);
    } else {
        report(what, "skipped, curl or xargs is not installed", goal);
    }
    Ok(run)
}
