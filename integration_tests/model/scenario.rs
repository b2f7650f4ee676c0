//! The streams that are tried, and a random market for one of them.

use chrono::{Datelike, Days, Months, Weekday};
use chrono_tz::Tz;
use fastrand::Rng;

use crate::support::bar_size::BarSize;
use crate::support::days::{Date, date, midnight, time_in, zone_of};
use crate::support::market::{Market, PartialCoverage, PlanFloor, TradedBar};

/// A stream, and the tickers whose bars it is tried on.
pub struct StreamCase {
    pub name: &'static str,
    pub size: BarSize,
    pub tickers: [&'static str; 3],
    /// Whether all tickers come in one answer a day, and share a state.
    pub is_market: bool,
    /// The longest ordinary pause between two syncs, in hours.
    pub max_pause: u32,
}

const STOCKS: [&str; 3] = ["AAPL", "BRK.B", "GSpB"];

const fn case(
    name: &'static str,
    size: BarSize,
    tickers: [&'static str; 3],
    max_pause: u32,
) -> StreamCase {
    StreamCase {
        name,
        size,
        tickers,
        is_market: false,
        max_pause,
    }
}

pub static STREAMS: [StreamCase; 5] = [
    case("stock_prices", BarSize::DAY, STOCKS, 100),
    case("stock_prices_by_hour", BarSize::HOUR, STOCKS, 60),
    case("stock_prices_by_week", BarSize::WEEK, STOCKS, 400),
    case(
        "stock_prices_by_hour",
        BarSize::HOUR,
        ["X:BTCUSD", "AAPL", "X:ETHUSD"],
        60,
    ),
    StreamCase {
        is_market: true,
        ..case("market_prices", BarSize::DAY, STOCKS, 80)
    },
];

/// Days near which histories begin: both changes of the clocks, a turn of the year, and an ordinary day.
const BEGINNINGS: [Date; 4] = [
    date(2026, 3, 3),
    date(2026, 10, 27),
    date(2025, 12, 24),
    date(2026, 6, 15),
];

/// A bar that the API does not show: it comes late, or it has vanished.
pub struct HiddenBar {
    pub ticker: &'static str,
    pub start: i64,
    pub bar: TradedBar,
}

/// The day on which a history begins.
pub fn beginning(rng: &mut Rng) -> Date {
    BEGINNINGS[rng.usize(..BEGINNINGS.len())] + Days::new(rng.u64(..6))
}

/// A market of dense bars around `first_day`, and of sparse ones before, down to where the plan's history begins; with
/// the bars that it does not show yet.
pub fn market(stream: &StreamCase, first_day: Date, rng: &mut Rng) -> (Market, Vec<HiddenBar>) {
    let mut market = Market::at("2026-01-01T00:00:00Z");
    market.shows_today = rng.bool();
    if rng.u8(..4) > 0 {
        let coverage = if rng.bool() {
            PartialCoverage::Shortened
        } else {
            PartialCoverage::Refused
        };
        market.plan(PlanFloor::YearsBack(2), coverage);
    }
    if stream.size.is_intraday() && rng.bool() {
        market.page_size = rng.usize(40..200);
    }
    let mut hidden = Vec::new();
    for ticker in stream.tickers {
        for start in starts(stream, ticker, first_day, rng) {
            let bar = random_bar(rng);
            if rng.u8(..20) == 0 {
                hidden.push(HiddenBar { ticker, start, bar });
            } else {
                market.bar(stream.size, ticker, start, bar);
            }
        }
    }
    (market, hidden)
}

/// When a ticker's bars begin.
fn starts(stream: &StreamCase, ticker: &str, first_day: Date, rng: &mut Rng) -> Vec<i64> {
    let zone = zone_of(ticker);
    let is_traded =
        |day: &Date| zone == Tz::UTC || !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let mut starts = Vec::new();
    match stream.size {
        BarSize::HOUR => {
            for day in days(first_day, 12, 30, 60, rng)
                .into_iter()
                .filter(is_traded)
            {
                let (opening, closing) = if zone == Tz::UTC { (0, 24) } else { (4, 20) };
                let hours = (opening..closing).filter(|_| rng.u8(..3) == 0);
                starts.extend(hours.map(|hour| time_in(zone, day, hour, 0)));
            }
        }
        BarSize::WEEK => {
            let mut weeks: Vec<Date> = days(first_day, 170, 300, 30, rng)
                .into_iter()
                .map(|day| stream.size.first_day(day))
                .collect();
            weeks.dedup();
            starts.extend(
                weeks
                    .into_iter()
                    .filter(|_| rng.u8(..8) > 0)
                    .map(|week| midnight(zone, week)),
            );
        }
        _ => {
            let days = days(first_day, 25, 45, 30, rng)
                .into_iter()
                .filter(is_traded)
                .filter(|_| rng.u8(..8) > 0);
            starts.extend(days.map(|day| midnight(zone, day)));
        }
    }
    starts.dedup();
    starts
}

/// Every day from `before` days before `first_day` to `after` days after it; before that one now and then, and more
/// often around the day two years ago.
fn days(first_day: Date, before: u64, after: u64, rarity: u64, rng: &mut Rng) -> Vec<Date> {
    let dense = first_day - Days::new(before);
    let floor = first_day - Months::new(24);
    let mut days = Vec::new();
    let mut day = floor - Days::new(40);
    while day < dense {
        days.push(day);
        let is_near_floor = day < floor + Days::new(30);
        day = day
            + Days::new(if is_near_floor {
                rng.u64(1..9)
            } else {
                rng.u64(rarity / 2..rarity * 2)
            });
    }
    days.extend((0..before + after).map(|number| dense + Days::new(number)));
    days
}

/// A bar of random figures.
pub fn random_bar(rng: &mut Rng) -> TradedBar {
    let price = |rng: &mut Rng| f64::from(rng.u32(4_000..90_000)) / 100.0;
    let volume = f64::from(rng.u32(1..2_000_000)) / if rng.bool() { 1.0 } else { 64.0 };
    TradedBar {
        open: price(rng),
        high: price(rng),
        low: price(rng),
        close: price(rng),
        volume: Some(volume),
        traded: Some((price(rng), rng.u64(1..9_000))),
        shown_from: None,
    }
}
