//! The peak memory of a sync.

use std::time::Duration;

use anyhow::Result;
use chrono::Days;

use super::pages::{FIRST_DAY, read_of_pages};
use crate::days::date;
use crate::exchange::{Exchange, MINUTES_PER_SESSION};
use crate::process::{observed, seconds};
use crate::read::{Read, tickers};
use crate::server::{NETWORK, Server};
use crate::{Bench, report};

pub(crate) fn of_pages(bench: &Bench) -> Result<()> {
    let server = Server::start(Exchange::default(), Duration::ZERO)?;
    let tickers = tickers(1);
    for (pages, goal) in [(10, "40 MB"), (100, "40 MB, 10 % from the one before")] {
        let peak = warm_peak(bench, &server, &read_of_pages(pages, &tickers))?;
        report(&format!("peak memory, {pages} pages"), &peak, goal);
    }
    Ok(())
}

pub(crate) fn of_market(bench: &Bench) -> Result<()> {
    let server = Server::start(Exchange::default(), Duration::ZERO)?;
    for (what, days) in [("a month", 30), ("a year", 365)] {
        let tickers = tickers(1);
        let read = Read::new("market_prices", &tickers, FIRST_DAY, FIRST_DAY + Days::new(days));
        let peak = warm_peak(bench, &server, &read)?;
        report(&format!("peak memory, market_prices of {what}"), &peak, "the same");
    }
    Ok(())
}

/// Six tickers of minutes over a network, with as many concurrent requests as possible.
pub(crate) fn of_tickers(bench: &Bench) -> Result<()> {
    let server = Server::start(Exchange::default(), NETWORK)?;
    let peak = warm_peak(bench, &server, &read_of_pages(10, &tickers(6)))?;
    report("peak memory, six tickers of minutes", &peak, "64 MB");
    Ok(())
}

/// Four tickers, each with a page of 40 MB of JSON.
pub(crate) fn of_large_pages(bench: &Bench) -> Result<()> {
    let exchange = Exchange { bars_per_page: 1_000_000 };
    let server = Server::start(exchange, NETWORK)?;
    let sessions = 400_000 / MINUTES_PER_SESSION as u64;
    let first_day = date(2020, 1, 6);
    let tickers = tickers(4);
    let last_day = first_day + Days::new(sessions * 7 / 5);
    let read = Read::new("stock_prices_by_minute", &tickers, first_day, last_day);
    let peak = warm_peak(bench, &server, &read)?;
    let requests = server.take_requests();
    let what = format!(
        "peak memory, {} pages of {} MB",
        requests.targets.len() / 2,
        requests.json_bytes / requests.targets.len() / 1_000_000
    );
    report(&what, &peak, "160 MB");
    Ok(())
}

/// The peak memory of a second run, when the server has all pages.
fn warm_peak(bench: &Bench, server: &Server, read: &Read) -> Result<String> {
    let mut command = read.command(bench, server)?;
    seconds(&mut command)?;
    Ok(format!("{:.1} MB", observed(&mut command)?.peak as f64 / 1e6))
}
