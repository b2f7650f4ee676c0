//! Requests as the API understood them.

use super::days::{Zone, tell_day};
use super::market::Market;
use super::streams::Size;

/// A request as the API understood it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its place among the tickers; none for the whole market.
    pub ticker: Option<usize>,
    pub size: Size,
    /// The first and last moment.
    pub from: i64,
    pub to: i64,
    /// Whether it goes on with an earlier one.
    pub is_next_page: bool,
    pub time: i64,
    /// Whether the response was without bars, or on another basis, though it should not have been.
    pub was_empty: bool,
    pub was_cached: bool,
    /// How many rows the response had.
    pub rows: usize,
}

impl Asked {
    /// What was asked, for people.
    pub fn tell(&self, market: &Market) -> String {
        let subject = self.ticker.map_or("the market", |ticker| market.tickers[ticker].name);
        let zone = self.ticker.map_or(Zone::NewYork, |ticker| market.tickers[ticker].zone);
        let (from, to) = (tell_day(zone.day_at(self.from)), tell_day(zone.day_at(self.to)));
        if self.size == Size::Event {
            return format!("events: {} rows", self.rows);
        }
        let page = if self.is_next_page { ", next page" } else { "" };
        format!("{subject} {from}..{to}{page}: {} rows", self.rows)
    }
}
