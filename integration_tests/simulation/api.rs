//! The API in memory: it answers requests as the API does, from the market at the moment of the clock.

use std::collections::HashMap;
use std::sync::Arc;

use source_stock_ticker_api::polygon::Exchange;

use super::actions::Read;
use super::asked::Asked;
use super::clock::SimulatedClock;
use super::days::{Zone, parse_day};
use super::faults::{CACHED, Fault};
use super::grouped::BadDay;
use super::market::{Market, Row, Rows};
use super::render::{error, refused};
use super::streams::Size;

/// What was shown of each bar, by size, ticker and start.
pub type Served = HashMap<(Size, usize, i64), Vec<Row>>;

/// Ticker, size, whether adjusted, at a moment, on the basis of the splits known at another.
type Version = (usize, Size, bool, i64, i64);

/// The API.
pub struct Api {
    pub market: Market,
    pub clock: Arc<SimulatedClock>,
    /// What goes wrong, from which request on.
    pub faults: Vec<(usize, Fault)>,
    pub bad_days: Vec<BadDay>,
    /// The days that are holidays for the whole market; a few rows are unusable.
    pub has_unusable_rows: bool,
    pub asked: Vec<Asked>,
    pub served: Served,
    /// What was served of splits and dividends.
    pub reads: Vec<Read>,
    cache: Vec<(Version, Arc<Rows>)>,
}

impl Api {
    pub fn new(market: Market, clock: Arc<SimulatedClock>) -> Api {
        Api {
            market,
            clock,
            faults: Vec::new(),
            bad_days: Vec::new(),
            has_unusable_rows: false,
            asked: Vec::new(),
            served: HashMap::new(),
            reads: Vec::new(),
            cache: Vec::new(),
        }
    }

    /// Forgets what an earlier sync asked.
    pub fn begin(&mut self, faults: Vec<(usize, Fault)>) {
        self.faults = faults;
        self.asked.clear();
        self.served.clear();
        self.reads.clear();
        self.cache.clear();
    }

    /// What is shown of a ticker at a moment.
    pub fn shown(&mut self, ticker: usize, size: Size, adjusted: bool, now: i64) -> Arc<Rows> {
        self.shown_on(ticker, size, adjusted, now, now)
    }

    pub fn shown_on(&mut self, ticker: usize, size: Size, adjusted: bool, now: i64, known_at: i64) -> Arc<Rows> {
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
                match (ticker, Size::parse(multiplier, unit)) {
                    (Some(ticker), Some(size)) => self.range(ticker, size, (from, to), query),
                    _ => error(400, "The simulation knows no such ticker or timespan"),
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
        (is_outside || is_too_new).then(|| refused(OUTSIDE_THE_PLAN))
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

pub const OUTSIDE_THE_PLAN: &str = "Your plan doesn't include this data timeframe.";

impl Exchange for Api {
    fn get(&mut self, target: &str) -> (u16, String) {
        let number = self.asked.len();
        if number >= MAX_REQUESTS {
            return error(401, "Unknown API Key");
        }
        let due: Vec<Fault> = self.faults.iter().filter(|(at, _)| *at <= number).map(|(_, fault)| *fault).collect();
        for fault in due {
            self.clock.set(self.clock.moment() + fault.delay());
            if let Fault::SplitMeanwhile { ticker, split } = fault {
                self.takes_fault(number, fault);
                self.clock.set(self.clock.moment() + 1);
                let known_from = self.clock.moment();
                let split = super::market::Split { known_from, ..split };
                self.market.tickers[ticker].splits.push(split);
                self.cache.clear();
            }
            if let Fault::Outage(status) = fault {
                return (status, "{}".to_owned());
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
