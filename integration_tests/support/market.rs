//! The data behind the fake API: bars, splits, dividends, and the part that a plan shows at a moment.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Months, Utc};

use super::bar_size::BarSize;
use super::days::{Date, date, date_in, midnight, moment, moment_at, new_york_date, new_york_midnight, zone_of};

/// One bar as traded, or as the API shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TradedBar {
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    /// Missing for indices.
    pub volume: Option<f64>,
    /// Volume-weighted average price and number of trades, if there was volume.
    pub traded: Option<(f64, u64)>,
    /// The API shows the bar only from this moment on.
    pub shown_from: Option<DateTime<Utc>>,
}

impl TradedBar {
    /// A bar of which only the close matters.
    pub fn closing_at(close: f64) -> TradedBar {
        let (open, high, low) = (close - 0.5, close + 1.0, close - 1.0);
        let (volume, traded) = (Some(1_000_000.0), Some((close, 5_000)));
        TradedBar { open, high, low, close, volume, traded, shown_from: None }
    }

    /// The same bar without volume, as indices have it.
    pub fn without_volume(self) -> TradedBar {
        TradedBar { volume: None, traded: None, ..self }
    }

    /// The bar after splits, with `ratio` new shares for each old one.
    pub fn rescaled(self, ratio: f64) -> TradedBar {
        let price = |price: f64| (price / ratio * 10_000.0).round() / 10_000.0;
        TradedBar {
            open: price(self.open),
            high: price(self.high),
            low: price(self.low),
            close: price(self.close),
            volume: self.volume.map(|volume| volume * ratio),
            traded: self.traded.map(|(vwap, trades)| (price(vwap), trades)),
            shown_from: self.shown_from,
        }
    }
}

/// Recorded bars of AAPL from the first days of 2023: open, high, low, close, volume, average price, trades.
#[rustfmt::skip]
pub const AAPL: [(Date, TradedBar); 6] = [
    (date(2023, 1, 3), bar(130.28, 130.9, 124.17, 125.07, 112_117_471.0, 125.725, 1_021_065)),
    (date(2023, 1, 4), bar(126.89, 128.6557, 125.08, 126.36, 89_100_633.0, 126.6464, 770_042)),
    (date(2023, 1, 5), bar(127.13, 127.77, 124.76, 125.02, 80_716_808.0, 126.0883, 665_458)),
    (date(2023, 1, 6), bar(126.01, 130.29, 124.89, 129.62, 87_754_715.0, 128.1982, 711_520)),
    (date(2023, 1, 9), bar(130.465, 133.41, 129.89, 130.15, 70_790_813.0, 131.6292, 645_365)),
    (date(2023, 1, 10), bar(130.26, 131.2636, 128.12, 130.73, 63_896_155.0, 129.822, 554_940)),
];

const fn bar(open: f64, high: f64, low: f64, close: f64, volume: f64, vwap: f64, trades: u64) -> TradedBar {
    TradedBar { open, high, low, close, volume: Some(volume), traded: Some((vwap, trades)), shown_from: None }
}

/// New shares for old ones.
#[derive(Debug, Clone)]
pub struct Split {
    pub ticker: String,
    /// The first day on the new basis; with `adjusted=true` every bar before it is rescaled.
    pub first_day: Date,
    /// New shares for an old one.
    pub ratio: f64,
    /// When the API starts to show it.
    pub known_from: DateTime<Utc>,
}

/// Cash for each share.
#[derive(Debug, Clone)]
pub struct Dividend {
    pub ticker: String,
    /// The first day without it.
    pub ex_day: Date,
    pub amount: f64,
}

/// Where a plan's history begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanFloor {
    On(Date),
    /// This many years before the market's today; moves on by a day every day.
    YearsBack(u32),
}

/// How the API handles a range that begins before the plan's history and ends within it. Sources disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartialCoverage {
    Shortened,
    Refused,
}

/// The bars of one size of one ticker, by start in epoch milliseconds.
pub type Bars = BTreeMap<i64, TradedBar>;

/// Everything the fake API knows.
#[derive(Debug, Clone)]
pub struct Market {
    pub bars: BTreeMap<(BarSize, String), Bars>,
    pub splits: Vec<Split>,
    pub dividends: Vec<Dividend>,
    /// Bars that begin later do not exist yet.
    pub now: DateTime<Utc>,
    /// Whether the plan shows today's bars.
    pub shows_today: bool,
    /// Where the plan's history begins.
    pub floor: Option<(PlanFloor, PartialCoverage)>,
    /// How many bars a page holds at most.
    pub page_size: usize,
}

impl Market {
    /// An empty market at a moment, on a plan without limits.
    pub fn at(now: &str) -> Market {
        let (bars, splits, now) = (BTreeMap::new(), Vec::new(), moment(now));
        Market { bars, splits, dividends: Vec::new(), now, shows_today: true, floor: None, page_size: 50_000 }
    }

    /// Adds a stock's day bar.
    pub fn day(&mut self, ticker: &str, day: Date, bar: TradedBar) -> &mut Market {
        self.bar(BarSize::DAY, ticker, midnight(zone_of(ticker), day), bar)
    }

    /// Adds day bars by their close.
    pub fn days(&mut self, ticker: &str, closes: &[(Date, f64)]) -> &mut Market {
        for (day, close) in closes {
            self.day(ticker, *day, TradedBar::closing_at(*close));
        }
        self
    }

    /// Adds a bar of any size by its start, epoch milliseconds; or replaces it: a correction.
    pub fn bar(&mut self, size: BarSize, ticker: &str, start: i64, bar: TradedBar) -> &mut Market {
        self.bars.entry((size, ticker.to_owned())).or_default().insert(start, bar);
        self
    }

    /// The bars of one size of one ticker, to be changed.
    pub fn bars_of(&mut self, size: BarSize, ticker: &str) -> &mut Bars {
        self.bars.entry((size, ticker.to_owned())).or_default()
    }

    /// Removes a bar.
    pub fn remove(&mut self, size: BarSize, ticker: &str, start: i64) -> &mut Market {
        self.bars_of(size, ticker).remove(&start).expect("an existing bar");
        self
    }

    /// Adds a split, which the API shows from the midnight that begins its first day.
    pub fn split(&mut self, ticker: &str, first_day: Date, ratio: f64) -> &mut Market {
        let known_from = moment_at(new_york_midnight(first_day));
        self.splits.push(Split { ticker: ticker.to_owned(), first_day, ratio, known_from });
        self
    }

    /// Adds a split of AAPL that the API only shows from a moment on.
    pub fn late_split(&mut self, first_day: Date, ratio: f64, known_from: DateTime<Utc>) {
        self.splits.push(Split { ticker: "AAPL".to_owned(), first_day, ratio, known_from });
    }

    /// Adds a dividend.
    pub fn dividend(&mut self, ticker: &str, ex_day: Date, amount: f64) -> &mut Market {
        self.dividends.push(Dividend { ticker: ticker.to_owned(), ex_day, amount });
        self
    }

    /// Limits the history that the plan shows.
    pub fn plan(&mut self, floor: PlanFloor, coverage: PartialCoverage) -> &mut Market {
        self.floor = Some((floor, coverage));
        self
    }

    /// Sets the time.
    pub fn set_now(&mut self, now: &str) -> &mut Market {
        self.now = moment(now);
        self
    }

    /// Today in the market of a ticker.
    pub fn today(&self, ticker: &str) -> Date {
        date_in(zone_of(ticker), self.now)
    }

    /// The first day of the plan's history, in the market of a ticker.
    pub fn floor_day(&self, ticker: &str) -> Option<Date> {
        Some(match self.floor?.0 {
            PlanFloor::On(day) => day,
            PlanFloor::YearsBack(years) => self.today(ticker) - Months::new(12 * years),
        })
    }

    /// The bars that the plan shows now, as it shows them, by start in epoch milliseconds.
    pub fn shown(&self, size: BarSize, ticker: &str, adjusted: bool) -> Bars {
        let zone = zone_of(ticker);
        let floor = self.floor_day(ticker).map_or(i64::MIN, |day| midnight(zone, day));
        let today = midnight(zone, self.today(ticker));
        let end = if self.shows_today { self.now.timestamp_millis() + 1 } else { today };
        let Some(bars) = self.bars.get(&(size, ticker.to_owned())) else {
            return Bars::new();
        };
        if floor >= end {
            return Bars::new();
        }
        bars.range(floor..end)
            .filter(|(_, bar)| bar.shown_from.is_none_or(|moment| moment <= self.now))
            .map(|(start, bar)| (*start, bar.rescaled(if adjusted { self.ratio(ticker, *start) } else { 1.0 })))
            .collect()
    }

    /// The number of new shares that a share of a given moment has become.
    fn ratio(&self, ticker: &str, start: i64) -> f64 {
        let day = new_york_date(moment_at(start));
        let splits = self.splits.iter().filter(|split| split.ticker == ticker && split.known_from <= self.now);
        splits.filter(|split| day < split.first_day).map(|split| split.ratio).product()
    }

    /// The tickers that have bars of a size.
    pub fn tickers(&self, size: BarSize) -> impl Iterator<Item = &str> {
        self.bars.keys().filter(move |(of, _)| *of == size).map(|(_, ticker)| ticker.as_str())
    }
}

/// Two days of some tickers, 2026-11-18 and 19, on the afternoon of the 20th.
pub fn two_days(tickers: &[&str]) -> Market {
    let mut market = Market::at("2026-11-20T15:00:00Z");
    for ticker in tickers {
        market.days(ticker, &[(date(2026, 11, 18), 404.0), (date(2026, 11, 19), 405.5)]);
    }
    market
}

/// The prefix of a ticker's market; empty for a stock.
pub fn prefix_of(ticker: &str) -> &str {
    ticker.find(':').map_or("", |place| &ticker[..=place])
}

/// The weekdays among the `days` days from `first` on.
pub fn weekdays(first: Date, days: u64) -> impl Iterator<Item = Date> {
    use chrono::{Datelike, Weekday};
    let day = move |number| first + Days::new(number);
    (0..days).map(day).filter(|day| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun))
}
