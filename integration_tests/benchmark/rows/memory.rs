//! The most memory that a sync needs.

use std::time::Duration;

use anyhow::Result;
use chrono::{Days, NaiveDate};

use super::pages::{FIRST_DAY, read_of_pages};
use crate::exchange::{Exchange, MINUTES_PER_SESSION};
use crate::process::{peak_memory, seconds};
use crate::read::{Read, tickers};
use crate::server::{NETWORK, Server};
use crate::{Bench, report};

/// Ten pages of minutes, and a hundred.
pub(crate) fn of_pages(bench: &Bench) -> Result<()> {
    let server = Server::start(Exchange::default(), Duration::ZERO)?;
    let tickers = tickers(1);
    for (pages, goal) in [(10, "40 MB"), (100, "40 MB, 10 % from the one before")] {
        let peak = warm_peak(bench, &server, &read_of_pages(pages, &tickers))?;
        report(&format!("peak memory, {pages} pages"), &peak, goal);
    }
    Ok(())
}

/// A month and a year of the whole market.
pub(crate) fn of_market(bench: &Bench) -> Result<()> {
    let server = Server::start(Exchange::default(), Duration::ZERO)?;
    for (what, days) in [("a month", 30), ("a year", 365)] {
        let read = Read {
            stream: "market_prices",
            tickers: &tickers(1),
            first_day: FIRST_DAY,
            last_day: FIRST_DAY + Days::new(days),
            state: None,
        };
        let peak = warm_peak(bench, &server, &read)?;
        report(&format!("peak memory, market_prices of {what}"), &peak, "the same");
    }
    Ok(())
}

/// Six tickers of minutes, as they come over a network: as many at once as go.
pub(crate) fn of_tickers(bench: &Bench) -> Result<()> {
    let server = Server::start(Exchange::default(), NETWORK)?;
    let peak = warm_peak(bench, &server, &read_of_pages(10, &tickers(6)))?;
    report("peak memory, six tickers of minutes", &peak, "64 MB");
    Ok(())
}

/// Four tickers, each with a page of 40 MB of JSON.
pub(crate) fn of_large_pages(bench: &Bench) -> Result<()> {
    let exchange = Exchange { bars_per_page: 1_000_000, ..Exchange::default() };
    let server = Server::start(exchange, NETWORK)?;
    let sessions = 400_000 / MINUTES_PER_SESSION as u64;
    let first_day = NaiveDate::from_ymd_opt(2020, 1, 6).unwrap_or_default();
    let read = Read {
        stream: "stock_prices_by_minute",
        tickers: &tickers(4),
        first_day,
        last_day: first_day + Days::new(sessions * 7 / 5),
        state: None,
    };
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

/// Measured once all pages are ready.
fn warm_peak(bench: &Bench, server: &Server, read: &Read) -> Result<String> {
    let mut command = read.command(bench, server)?;
    seconds(&mut command)?;
    Ok(format!("{:.1} MB", peak_memory(&mut command)?))
}
