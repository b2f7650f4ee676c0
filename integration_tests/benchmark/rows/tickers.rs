//! Twelve thousand tickers.

use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::{Days, Months};

use super::pages::FIRST_DAY;
use crate::exchange::Exchange;
use crate::process::{Run, observed};
use crate::read::{Read, tickers};
use crate::server::Server;
use crate::{Bench, report};

/// Twelve thousand tickers with a year of days: a first sync, one without new bars, and the next day's.
pub(crate) fn twelve_thousand(bench: &Bench) -> Result<()> {
    let server = Server::start(Exchange::default(), Duration::ZERO)?;
    let tickers = tickers(12_000);
    let mut read = Read::new("stock_prices", &tickers, FIRST_DAY, FIRST_DAY + Months::new(12));
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
