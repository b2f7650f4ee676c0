//! The API in memory: it answers requests as the API does, from the market at the moment of the clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use source_stock_ticker_api::clock::Clock;
use source_stock_ticker_api::polygon::Exchange;

use crate::support::answers::{OUTSIDE_THE_PLAN, error, not_authorized};
use crate::support::clock::SimulatedClock;

use super::actions::Read;
use super::days::{Day, Zone, parse_day, tell_day};
use super::market::{Market, Row, Rows, Split};
use super::steps::{CACHED, Fault, Setup};
use super::streams::Size;
use super::world;

/// What was shown of each bar, by size, ticker and start.
pub type Served = HashMap<(Size, usize, i64), Vec<Row>>;

/// Ticker, size, whether adjusted, at a moment, on the basis of the splits known at another.
type Version = (usize, Size, bool, i64, i64);

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
    /// A request that was answered correctly, without rows.
    pub fn new(ticker: Option<usize>, size: Size, (from, to): (i64, i64), is_next_page: bool, time: i64) -> Asked {
        Asked { ticker, size, from, to, is_next_page, time, was_empty: false, was_cached: false, rows: 0 }
    }

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

/// A day of the whole market that comes back without rows, or with a third of them.
#[derive(Debug, Clone, Copy)]
pub struct BadDay {
    pub day: Day,
    pub is_empty: bool,
    /// For how many more requests.
    pub left: u32,
}

/// What was requested and served in a sync.
#[derive(Default)]
pub struct Traffic {
    pub asked: Vec<Asked>,
    pub served: Served,
    /// What was served of splits and dividends.
    pub reads: Vec<Read>,
}

/// The API.
#[derive(Default)]
pub struct Api {
    pub market: Market,
    clock: Arc<SimulatedClock>,
    /// What goes wrong, from which request on.
    pub faults: Vec<(usize, Fault)>,
    pub bad_days: Vec<BadDay>,
    /// Whether some rows are unusable.
    pub has_unusable_rows: bool,
    pub traffic: Traffic,
    cache: Vec<(Version, Arc<Rows>)>,
}

impl Api {
    pub fn new(setup: &Setup) -> Api {
        let has_unusable_rows = setup.has_unusable_rows;
        Api { market: world::market(setup), has_unusable_rows, ..Api::default() }
    }

    /// Forgets what an earlier sync asked.
    pub fn begin(&mut self, clock: Arc<SimulatedClock>, faults: Vec<(usize, Fault)>) {
        (self.clock, self.faults) = (clock, faults);
        self.traffic = Traffic::default();
        self.cache.clear();
    }

    pub fn now(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    /// What is shown of a ticker at a moment, on the basis of the splits known at another.
    pub fn shown(&mut self, ticker: usize, size: Size, adjusted: bool, now: i64, known_at: i64) -> Arc<Rows> {
        let key = (ticker, size, adjusted, now, known_at);
        if let Some((_, rows)) = self.cache.iter().find(|(known, _)| *known == key) {
            return rows.clone();
        }
        let rows = Arc::new(self.market.shown(ticker, size, adjusted, now, known_at));
        self.cache.push((key, rows.clone()));
        rows
    }

    fn answer(&mut self, target: &str) -> (u16, String) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match segments[..] {
            ["v2", "aggs", "ticker", ticker, "range", multiplier, unit, from, to] => {
                let name = ticker.replace("%3A", ":");
                let ticker = self.market.tickers.iter().position(|known| known.name == name);
                match ticker {
                    Some(ticker) => self.range(ticker, [multiplier, unit, from, to], query),
                    None => error(400, "The simulation knows no such ticker"),
                }
            }
            ["v2", "aggs", "grouped", "locale", "us", "market", "stocks", day] => match parse_day(day) {
                Some(day) => self.grouped(day, query.contains("adjusted=true")),
                None => error(400, "Could not parse the time parameter"),
            },
            ["stocks", "v1", kind @ ("splits" | "dividends")] => self.events(kind, query),
            _ => (404, "404 page not found\n".to_owned()),
        }
    }

    pub fn refusal(&self, zone: Zone, from: i64, to: i64, now: i64) -> Option<(u16, String)> {
        let floor = self.market.floor(zone, now);
        let is_outside = to < floor || (from < floor && self.market.plan.refuses_earlier);
        let is_too_new = from > now || (!self.market.plan.shows_today && from >= zone.midnight(zone.day_at(now)));
        (is_outside || is_too_new).then(|| not_authorized(OUTSIDE_THE_PLAN))
    }

    /// Takes a fault that is due, which happens once.
    pub fn takes_fault(&mut self, number: usize, fault: Fault) -> bool {
        let due = self.faults.iter().position(|(at, known)| *at <= number && *known == fault);
        due.map(|place| self.faults.remove(place)).is_some()
    }

    /// At which moment's splits the response is served.
    pub fn known_at(&self, number: usize, now: i64) -> i64 {
        let seed = self.faults.iter().find_map(|(at, fault)| match fault {
            Fault::Caches(seed) if *at <= number => Some(*seed),
            _ => None,
        });
        match seed.map(|seed| (seed >> (number % 32)) & 3) {
            Some(0) => now - CACHED,
            Some(1) => now + CACHED,
            _ => now,
        }
    }
}

/// A run with this many requests is considered endless.
pub const MAX_REQUESTS: usize = 600;

impl Exchange for Api {
    fn get(&mut self, target: &str) -> (u16, String) {
        let number = self.traffic.asked.len();
        if number >= MAX_REQUESTS {
            return error(401, "Unknown API Key");
        }
        let due: Vec<Fault> = self.faults.iter().filter(|(at, _)| *at <= number).map(|(_, fault)| *fault).collect();
        for fault in due {
            match fault {
                Fault::Slow(minutes) => self.clock.advance(Duration::from_secs(60 * minutes as u64)),
                Fault::SplitMeanwhile { ticker, split } => {
                    self.takes_fault(number, fault);
                    self.clock.advance(Duration::from_millis(1));
                    let split = Split { known_from: self.now(), ..split };
                    self.market.tickers[ticker].splits.push(split);
                    self.cache.clear();
                }
                Fault::Outage(status) => return (status, "{}".to_owned()),
                _ => {}
            }
        }
        if self.takes_fault(number, Fault::Hiccup) {
            return (503, String::new());
        }
        let (status, mut body) = self.answer(target);
        if status == 200 && self.takes_fault(number, Fault::Truncated) {
            body.truncate(body.len() / 2);
        }
        (status, body)
    }
}
