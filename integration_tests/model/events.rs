//! What happens between syncs: to the market, and to the configuration.

use chrono::{DateTime, Days, Months, Utc};
use chrono_tz::Tz;
use fastrand::Rng;

use super::scenario::{HiddenBar, StreamCase};
use crate::support::days::{
    Date, NEW_YORK, date_in, midnight, moment_at, new_york_date, time_in, zone_of,
};
use crate::support::market::{Market, Split, TradedBar};

/// What a user sets.
#[derive(Debug, Clone)]
pub struct Settings {
    pub tickers: Vec<&'static str>,
    pub start: Option<Date>,
    pub end: Option<Date>,
    pub adjusted: bool,
}

/// The parts of the world that are not the API's answers.
pub struct World {
    pub stream: &'static StreamCase,
    pub hidden: Vec<HiddenBar>,
    /// Corrected bars as they were before.
    corrected: Vec<HiddenBar>,
}

impl World {
    pub fn new(stream: &'static StreamCase, hidden: Vec<HiddenBar>) -> World {
        World {
            stream,
            hidden,
            corrected: Vec::new(),
        }
    }

    /// Lets something happen to the market, and tells what.
    pub fn change(&mut self, market: &mut Market, rng: &mut Rng) -> String {
        match rng.u8(..13) {
            0..3 => self.correct(market, rng),
            3 | 4 => self.take_correction_back(market),
            5 | 6 => self.reveal(market, rng),
            7 | 8 => self.hide(market, rng),
            9 => self.split_on_time(market, rng),
            10 | 11 => self.split_late(market, rng),
            _ => redate_split(market, rng),
        }
    }

    fn ticker(&self, rng: &mut Rng) -> &'static str {
        self.stream.tickers[rng.usize(..3)]
    }

    /// A bar that is there: any, one of the latest, or one of the first that the plan shows.
    fn pick(&self, market: &mut Market, ticker: &str, rng: &mut Rng) -> Option<i64> {
        let floor = market
            .floor_day(ticker)
            .map_or(i64::MIN, |day| midnight(zone_of(ticker), day));
        let now = market.now.timestamp_millis();
        let shown: Vec<i64> = market
            .bars_of(self.stream.size, ticker)
            .range(floor..now)
            .map(|(start, _)| *start)
            .collect();
        let recent = shown.len().saturating_sub(15);
        match rng.u8(..6) {
            _ if shown.is_empty() => None,
            0..3 => Some(shown[rng.usize(recent..shown.len())]),
            3 => Some(shown[rng.usize(..shown.len().min(3))]),
            _ => Some(shown[rng.usize(..shown.len())]),
        }
    }

    /// A field of a bar is another than before.
    pub fn correct(&mut self, market: &mut Market, rng: &mut Rng) -> String {
        let ticker = self.ticker(rng);
        let Some(start) = self.pick(market, ticker, rng) else {
            return "nothing to correct".to_owned();
        };
        let bar = market
            .bars_of(self.stream.size, ticker)
            .get_mut(&start)
            .expect("picked from them");
        self.corrected.push(HiddenBar {
            ticker,
            start,
            bar: *bar,
        });
        let field = correct_field(bar, rng);
        format!("{field} of {ticker} at {} is corrected", moment_at(start))
    }

    /// The bar that was corrected last is as it was before again.
    pub fn take_correction_back(&mut self, market: &mut Market) -> String {
        let Some(HiddenBar { ticker, start, bar }) = self.corrected.pop() else {
            return "no correction to take back".to_owned();
        };
        if let Some(place) = market.bars_of(self.stream.size, ticker).get_mut(&start) {
            *place = bar;
        }
        format!(
            "the correction of {ticker} at {} is taken back",
            moment_at(start)
        )
    }

    fn reveal(&mut self, market: &mut Market, rng: &mut Rng) -> String {
        let count = if rng.bool() {
            self.hidden.len()
        } else {
            self.hidden.len().min(3)
        };
        let mut told = Vec::new();
        for _ in 0..count {
            let HiddenBar { ticker, start, bar } =
                self.hidden.swap_remove(rng.usize(..self.hidden.len()));
            market.bar(self.stream.size, ticker, start, bar);
            told.push(format!("{ticker} at {}", moment_at(start)));
        }
        told.sort();
        told.truncate(8);
        format!("{count} bars come late: {} …", told.join(", "))
    }

    fn hide(&mut self, market: &mut Market, rng: &mut Rng) -> String {
        let ticker = self.ticker(rng);
        let mut told = Vec::new();
        if rng.u8(..12) == 0 {
            let bars = std::mem::take(market.bars_of(self.stream.size, ticker));
            self.hidden
                .extend(
                    bars.into_iter()
                        .map(|(start, bar)| HiddenBar { ticker, start, bar }),
                );
            told.push("all".to_owned());
        }
        for _ in 0..rng.u8(1..4) {
            let Some(start) = self.pick(market, ticker, rng) else {
                break;
            };
            let bar = market
                .bars_of(self.stream.size, ticker)
                .remove(&start)
                .expect("picked from them");
            self.hidden.push(HiddenBar { ticker, start, bar });
            told.push(moment_at(start).to_string());
        }
        format!("bars of {ticker} vanish: {}", told.join(", "))
    }

    /// From the evening before its first day, or from midnight.
    fn split_on_time(&self, market: &mut Market, rng: &mut Rng) -> String {
        if rng.bool() {
            return self.split_at_midnight(market, rng);
        }
        let first_day = new_york_date(market.now) + Days::new(1);
        let evening = time_in(NEW_YORK, first_day - Days::new(1), 20, 0);
        self.split(market, first_day, moment_at(evening), rng)
    }

    /// A split that takes effect, and is known, from the next midnight on.
    pub fn split_at_midnight(&self, market: &mut Market, rng: &mut Rng) -> String {
        let first_day = new_york_date(market.now) + Days::new(1);
        self.split(
            market,
            first_day,
            moment_at(midnight(NEW_YORK, first_day)),
            rng,
        )
    }

    fn split_late(&self, market: &mut Market, rng: &mut Rng) -> String {
        let days = if rng.bool() {
            rng.u64(20..700)
        } else {
            rng.u64(..20)
        };
        let (first_day, now) = (new_york_date(market.now) - Days::new(days), market.now);
        self.split(market, first_day, now, rng)
    }

    fn split(
        &self,
        market: &mut Market,
        first_day: Date,
        known_from: DateTime<Utc>,
        rng: &mut Rng,
    ) -> String {
        // No two of them make up for each other.
        let (ticker, ratio) = (self.ticker(rng), [2.0, 3.0, 10.0, 0.2][rng.usize(..4)]);
        if zone_of(ticker) == Tz::UTC {
            return format!("{ticker} knows no splits");
        }
        market.splits.push(Split {
            ticker: ticker.to_owned(),
            first_day,
            ratio,
            known_from,
        });
        format!("{ticker} is split {ratio}:1, first day {first_day}, known from {known_from}")
    }
}

fn correct_field(bar: &mut TradedBar, rng: &mut Rng) -> &'static str {
    let by = f64::from(rng.u32(1..500)) / 100.0;
    match rng.u8(..7) {
        0 => (bar.open += by, "open").1,
        1 => (bar.high += by, "high").1,
        2 => (bar.low += by, "low").1,
        3 => (bar.close += by, "close").1,
        4 => (bar.volume = bar.volume.map(|volume| volume + by), "volume").1,
        5 => {
            (
                bar.traded = bar.traded.map(|(vwap, trades)| (vwap + by, trades)),
                "vwap",
            )
                .1
        }
        _ => {
            (
                bar.traded = bar.traded.map(|(vwap, trades)| (vwap, trades + 1)),
                "transactions",
            )
                .1
        }
    }
}

/// A split that was known turns out to have taken effect earlier.
fn redate_split(market: &mut Market, rng: &mut Rng) -> String {
    let now = market.now;
    let known: Vec<&mut Split> = market
        .splits
        .iter_mut()
        .filter(|split| split.known_from <= now)
        .collect();
    let Some(split) = rng.choice(known) else {
        return "no split to date back".to_owned();
    };
    split.first_day = split.first_day - Days::new(rng.u64(1..20));
    format!(
        "the split of {} is dated back to {}",
        split.ticker, split.first_day
    )
}

impl Settings {
    /// Changes a setting, and tells which.
    pub fn change(&mut self, stream: &StreamCase, now: DateTime<Utc>, rng: &mut Rng) -> String {
        match rng.u8(..7) {
            0..3 => self.change_start(stream, now, rng),
            3 | 4 => self.change_end(now, rng),
            5 => {
                self.adjusted = !self.adjusted;
                format!("adjusted is now {}", self.adjusted)
            }
            _ => {
                let selected = rng.u8(1..8);
                let is_selected = |(place, _): &(usize, _)| selected >> place & 1 == 1;
                self.tickers = stream
                    .tickers
                    .into_iter()
                    .enumerate()
                    .filter(is_selected)
                    .map(|(_, name)| name)
                    .collect();
                format!("the tickers are now {:?}", self.tickers)
            }
        }
    }

    fn change_start(&mut self, stream: &StreamCase, now: DateTime<Utc>, rng: &mut Rng) -> String {
        let today = date_in(NEW_YORK, now);
        let near_floor = today - Months::new(24) - Days::new(40) + Days::new(rng.u64(..80));
        let recent = today - Days::new(rng.u64(1..40));
        self.start = match rng.u8(..8) {
            0 if self.end.is_none() => None,
            // The market takes a request a day.
            1..4 if !stream.is_market || rng.u8(..6) == 0 => Some(near_floor),
            4 => Some(today - Days::new(rng.u64(1..if stream.is_market { 60 } else { 500 }))),
            _ => Some(recent),
        };
        if self.end.is_some() && self.start > self.end {
            self.end = None;
        }
        format!(
            "start_date is now {:?}, end_date {:?}",
            self.start, self.end
        )
    }

    fn change_end(&mut self, now: DateTime<Utc>, rng: &mut Rng) -> String {
        let end = date_in(NEW_YORK, now) - Days::new(rng.u64(..30)) + Days::new(2);
        self.end = match self.start {
            Some(start) if rng.u8(..3) > 0 => {
                let after_start = start + Days::new(rng.u64(..60));
                Some(if rng.u8(..4) == 0 {
                    after_start
                } else {
                    end.max(start)
                })
            }
            _ => None,
        };
        format!("end_date is now {:?}", self.end)
    }
}
