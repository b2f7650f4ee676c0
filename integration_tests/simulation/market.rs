//! The traded bars, and what the API shows of them at a given time.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::days::{DAY, Day, Zone, years_before};
use super::streams::Size;

/// A bar as it was traded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
    pub vwap: f64,
    pub trades: u64,
}

/// A row as the API shows it and the destination keeps it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Row {
    Bar(BarRow),
    Event(Event),
}

/// A split or dividend. Every value can be null.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    pub day: Option<Day>,
    /// `split_from` or `cash_amount`.
    pub amount: Option<f64>,
    /// `split_to` or `frequency`.
    pub count: Option<f64>,
    pub factor: Option<f64>,
}

/// For how long events are announced before their day; the API updates them once a day.
pub const ANNOUNCED: i64 = 30 * DAY;

/// A bar; its fields are those of a record.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct BarRow {
    pub price: f64,
    pub open: f64,
    pub high: f64,
    pub low: f64,
    /// Indices have none of these three.
    pub volume: Option<f64>,
    pub vwap: Option<f64>,
    #[serde(rename = "transactions")]
    pub trades: Option<f64>,
    pub adjusted: bool,
}

/// The rows of one ticker and size by their start; the start of the bar that an event is made of is its id.
pub type Rows = BTreeMap<i64, Row>;

/// A bar's place: its ticker's place, and its start.
pub type Key = (usize, i64);

/// New shares for old ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// The first day on the new basis: every bar before it is rescaled.
    pub first_day: Day,
    pub ratio: f64,
    /// From when on the API knows it.
    pub known_from: i64,
    /// From when on the API has forgotten it again.
    pub known_until: i64,
}

/// One ticker: its bars are those of the smallest size that is read.
#[derive(Debug, Clone)]
pub struct Ticker {
    pub name: &'static str,
    pub zone: Zone,
    pub bars: BTreeMap<i64, Bar>,
    /// Bars that the API does not show: they come late, or have vanished.
    pub hidden: BTreeMap<i64, Bar>,
    pub splits: Vec<Split>,
}

/// What the plan shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plan {
    /// How many years of history, if there is a limit.
    pub years: Option<u32>,
    /// Whether ranges that begin before are refused, instead of being clipped.
    pub refuses_earlier: bool,
    /// Whether it shows today.
    pub shows_today: bool,
}

/// Everything the API knows.
#[derive(Debug, Clone, Default)]
pub struct Market {
    pub tickers: Vec<Ticker>,
    pub plan: Plan,
    /// How many bars a page holds.
    pub page_size: usize,
}

impl Ticker {
    /// How many new shares one of a day has become, as known at a moment.
    fn ratio(&self, day: Day, known_at: i64) -> f64 {
        let is_known =
            |split: &&Split| (split.known_from..split.known_until).contains(&known_at) && day < split.first_day;
        self.splits.iter().filter(is_known).map(|split| split.ratio).product()
    }

    /// The row of some bars, each rescaled by the splits after it.
    fn row(&self, bars: &[(i64, &Bar)], adjusted: bool, known_at: i64) -> BarRow {
        let is_rescaled = adjusted && !self.splits.is_empty();
        let rescaled = bars.iter().map(|(start, bar)| {
            let ratio = if is_rescaled { self.ratio(self.zone.day_at(*start), known_at) } else { 1.0 };
            let price = |price: f64| rounded(price / ratio);
            let (open, high, low, close) = (price(bar.open), price(bar.high), price(bar.low), price(bar.close));
            Bar { open, high, low, close, vwap: price(bar.vwap), volume: bar.volume * ratio, trades: bar.trades }
        });
        let bars: Vec<Bar> = rescaled.collect();
        let volume: f64 = bars.iter().map(|bar| bar.volume).sum();
        let value: f64 = bars.iter().map(|bar| bar.vwap * bar.volume).sum();
        let trades: u64 = bars.iter().map(|bar| bar.trades).sum();
        let has_volume = !self.name.starts_with("I:");
        BarRow {
            price: bars[bars.len() - 1].close,
            open: bars[0].open,
            high: bars.iter().map(|bar| bar.high).fold(f64::MIN, f64::max),
            low: bars.iter().map(|bar| bar.low).fold(f64::MAX, f64::min),
            volume: has_volume.then_some(volume),
            vwap: has_volume.then_some(rounded(value / volume)),
            trades: has_volume.then_some(trades as f64),
            adjusted,
        }
    }

    /// Makes an event of a bar, so every step that changes bars also changes events: a split changes the factors of all
    /// earlier ones, and a corrected number of trades moves the date.
    fn event(&self, start: i64, bar: &Bar, known_at: i64) -> Event {
        let day = self.zone.day_at(start) + (bar.trades % 4) as Day;
        let is_null = |value: f64| (value * 100.0).round() as i64 % 16 == 0;
        Event {
            day: (!bar.trades.is_multiple_of(32)).then_some(day),
            amount: (!is_null(bar.close)).then_some(bar.close),
            count: (bar.volume.fract() == 0.0).then_some(bar.volume),
            factor: (!is_null(bar.open)).then(|| bar.open / self.ratio(day, known_at)),
        }
    }
}

impl Market {
    /// The first moment of the plan's history.
    pub fn floor(&self, zone: Zone, now: i64) -> i64 {
        let floor = |years| zone.midnight(years_before(zone.day_at(now), years));
        self.plan.years.map_or(i64::MIN, floor)
    }

    /// What the API shows of a ticker at a moment, on the basis of the splits known at another.
    pub fn shown(&self, ticker: usize, size: Size, adjusted: bool, now: i64, known_at: i64) -> Rows {
        let ticker = &self.tickers[ticker];
        let zone = ticker.zone;
        if size == Size::Event {
            let floor = self.floor(zone, now);
            let is_shown = |event: &Event| event.day.is_none_or(|day| zone.midnight(day) >= floor);
            let announced = zone.midnight(zone.day_at(now)) + ANNOUNCED;
            let events = ticker.bars.range(..announced).filter(|_| !ticker.name.contains(':'));
            let events = events.map(|(start, bar)| (*start, ticker.event(*start, bar, known_at)));
            let shown = events.filter(|(_, event)| is_shown(event));
            return shown.map(|(start, event)| (start, Row::Event(event))).collect();
        }
        let end = if self.plan.shows_today { now + 1 } else { zone.midnight(zone.day_at(now)) };
        let mut groups: BTreeMap<i64, Vec<(i64, &Bar)>> = BTreeMap::new();
        for (start, bar) in ticker.bars.range(self.floor(zone, now).min(end)..end) {
            groups.entry(size.start(zone, *start)).or_default().push((*start, bar));
        }
        let row = |(start, bars): (i64, Vec<_>)| {
            let mut row = ticker.row(&bars, adjusted, known_at);
            if size.end(zone, start) > now {
                // What is still being traded: it will be another one.
                row.volume = row.volume.map(|volume| volume / 2.0);
            }
            (start, Row::Bar(row))
        };
        groups.into_iter().map(row).collect()
    }
}

/// A price with as many digits as the API has.
fn rounded(price: f64) -> f64 {
    (price * 10_000.0).round() / 10_000.0
}
