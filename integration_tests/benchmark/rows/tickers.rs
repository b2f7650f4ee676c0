//! Many tickers: the requests of a check, the duration of an outage, and the cost of twelve thousand tickers.

use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::{Days, Months};

use super::pages::FIRST_DAY;
use crate::exchange::{Exchange, UNKNOWN};
use crate::process::{Run, observed, seconds};
use crate::read::{Read, tickers};
use crate::server::Server;
use crate::{Bench, report};

/// `check` of 500 tickers, one of which does not exist.
pub(crate) fn check(bench: &Bench) -> Result<()> {
    let server = Server::start(Exchange::default(), Duration::ZERO)?;
    let mut tickers = tickers(499);
    tickers.push(UNKNOWN.to_owned());
    let read = days(&tickers, 1);
    let time = seconds(&mut read.check(bench, &server)?)?;
    let requests = server.take_requests().targets.len();
    let what = format!("check of 500 tickers, one unknown ({time:.1} s)");
    report(&what, &format!("{requests} requests"), "4");
    Ok(())
}

/// Sixty tickers while every response is a 502. The waits between the attempts are real.
pub(crate) fn outage(bench: &Bench) -> Result<()> {
    let exchange = Exchange { is_down: true, ..Exchange::default() };
    let server = Server::start(exchange, Duration::ZERO)?;
    let run = observed(&mut days(&tickers(60), 1).command(bench, &server)?)?;
    ensure!(!run.succeeded, "a sync without an answer succeeded");
    let requests = server.take_requests().targets.len();
    let what =
        format!("sixty tickers, everything answers 502 ({requests} requests, an error of {} bytes)", run.error.len());
    report(&what, &format!("{:.0} s", run.seconds), "90 s");
    Ok(())
}

/// Twelve thousand tickers with a year of days: a first sync, one without new bars, and the next day's.
pub(crate) fn twelve_thousand(bench: &Bench) -> Result<()> {
    let server = Server::start(Exchange::default(), Duration::ZERO)?;
    let tickers = tickers(12_000);
    let mut read = days(&tickers, 12);
    let first = synced(bench, &server, &read, "first sync")?;
    read.state = Some(&first.last_state);
    synced(bench, &server, &read, "without new bars")?;
    read.last_day = read.last_day + Days::new(1);
    let next = synced(bench, &server, &read, "the next day")?;
    let of_state = next.last_state.len() / tickers.len();
    report("state", &format!("{of_state} bytes per ticker"), "600");
    Ok(())
}

fn synced(bench: &Bench, server: &Server, read: &Read, what: &str) -> Result<Run> {
    let run = observed(&mut read.command(bench, server)?)?;
    ensure!(run.succeeded, "{}", run.error);
    let requests = server.take_requests();
    println!("  12,000 tickers, {what}: {:.0} s, {:.0} MB of memory", run.seconds, run.peak as f64 / 1e6);
    println!("  {}", run.described(&requests));
    Ok(run)
}

/// The day bars of `months` months.
fn days(tickers: &[String], months: u32) -> Read<'_> {
    Read::new("stock_prices", tickers, FIRST_DAY, FIRST_DAY + Months::new(months))
}
