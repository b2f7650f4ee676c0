//! Faulty responses and broken connections.

mod connections;
mod every_place;
mod next_urls;
mod odd_bars;
mod outages;
mod table;

use crate::support::connector::{Connector, Output};
use crate::support::days::date;
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::market::Market;

pub const NOW: &str = "2026-11-20T15:00:00Z";

/// How many requests it takes to read [`three_pages`]: two per page, because a split may have come in between.
pub const REQUESTS: usize = 6;

/// Six days of one ticker, on three pages.
pub fn three_pages() -> Market {
    let mut market = Market::at(NOW);
    market.page_size = 2;
    let day = |number: u32| (date(2026, 11, 12 + number), 400.0 + f64::from(number));
    market.days("TSLA", &[0, 1, 2, 3, 4, 5].map(day));
    market
}

pub fn connector(api: &FakeApi) -> Connector {
    let mut connector = Connector::new(api, "TSLA");
    connector.set("start_date", "2026-11-12");
    connector
}

/// Reads these pages with the faults of the responses by their numbers, from 0.
fn read_with(api: &FakeApi, fault: impl Fn(usize) -> Option<Fault> + Send + 'static) -> Output {
    api.inject_faults(move |number, _| fault(number));
    connector(api).run_at(NOW, "read")
}
