//! The data of the demo's fake API: a few days of each bar size.

use std::collections::BTreeMap;

use crate::support::bar_size::BarSize;
use crate::support::days::{Date, date, date_in, midnight, moment_at, new_york_midnight, new_york_time, zone_of};
use crate::support::market::{AAPL, Market, TradedBar, weekdays};

/// Sizes of bars within a day: the API's `multiplier` and `timespan`.
const INTRADAY: [(&str, &str); 5] =
    [("1", "hour"), ("1", "minute"), ("5", "minute"), ("15", "minute"), ("30", "minute")];

/// TSLA's closes in December 2020 as traded, on every weekday but Christmas.
#[rustfmt::skip]
const TSLA: [f64; 22] = [
    584.76, 568.82, 593.38, 599.04, 641.76, 649.88, 604.48, 627.07, 609.99, 639.83, 633.25,
    622.77, 655.9, 695.0, 649.86, 640.34, 645.98, 661.77, 663.69, 665.99, 694.78, 705.67,
];

/// SPY's closes, on the days of AAPL's bars.
const SPY: [(u32, f64); 6] = [(3, 380.82), (4, 383.76), (5, 379.38), (6, 388.08), (9, 387.86), (10, 390.58)];

/// The market of the demo, on January 11, 2023.
pub(crate) fn market() -> Market {
    let mut market = Market::at("2023-01-11T12:00:00Z");
    for (day, bar) in AAPL {
        market.day("AAPL", day, bar);
        add_morning(&mut market, day, bar);
    }
    for day in 0..8 {
        // Invented round figures, for Saturday and Sunday, too.
        market.days("X:BTCUSD", &[(date(2023, 1, 3 + day), 16_000.0 + 100.0 * f64::from(day))]);
    }
    market.days("SPY", &SPY.map(|(day, close)| (date(2023, 1, day), close)));
    let trading_days = weekdays(date(2020, 12, 1), 31).filter(|day| *day != date(2020, 12, 25));
    market.days("TSLA", &trading_days.zip(TSLA).collect::<Vec<_>>());
    for ticker in ["AAPL", "TSLA", "X:BTCUSD"] {
        for size in [BarSize::WEEK, BarSize::MONTH] {
            add_longer_bars(&mut market, ticker, size);
        }
    }
    market
}

/// Three bars of each intraday size from ten o'clock on, with invented figures.
fn add_morning(market: &mut Market, day: Date, of_day: TradedBar) {
    for (multiplier, unit) in INTRADAY {
        let size = BarSize::parse(multiplier, unit).expect("a size of the API");
        let ten = new_york_time(day, 10, 0);
        let length = size.end(zone_of("AAPL"), ten) - ten;
        for number in 0..3_u8 {
            let bar = TradedBar::closing_at(of_day.close - f64::from(number));
            market.bar(size, "AAPL", ten + i64::from(number) * length, bar);
        }
    }
}

/// Weeks or months, combined from the days.
fn add_longer_bars(market: &mut Market, ticker: &str, size: BarSize) {
    let zone = zone_of(ticker);
    let mut longer: BTreeMap<i64, TradedBar> = BTreeMap::new();
    for (start, day) in market.bars_of(BarSize::DAY, ticker) {
        let first_day = size.first_day(date_in(zone, moment_at(*start)));
        longer.entry(midnight(zone, first_day)).and_modify(|bar| *bar = joined(bar, day)).or_insert(*day);
    }
    for (start, bar) in longer {
        market.bar(size, ticker, start, bar);
    }
}

fn joined(first: &TradedBar, next: &TradedBar) -> TradedBar {
    let both = first.traded.zip(next.traded);
    TradedBar {
        high: first.high.max(next.high),
        low: first.low.min(next.low),
        close: next.close,
        volume: first.volume.zip(next.volume).map(|(a, b)| a + b),
        traded: both.map(|((vwap, trades), (_, more))| (vwap, trades + more)),
        ..*first
    }
}

/// Splits AAPL two for one on the 10th, and halves that day's prices. (The split is invented.)
pub(crate) fn split_apple(market: &mut Market) {
    let first_day = date(2023, 1, 10);
    let bar = market.bars_of(BarSize::DAY, "AAPL")[&new_york_midnight(first_day)];
    market.split("AAPL", first_day, 2.0).day("AAPL", first_day, bar.rescaled(2.0));
}

/// Corrects the close of a bar; `false` if there is no such bar.
pub(crate) fn correct(market: &mut Market, size: BarSize, ticker: &str, day: Date, close: f64) -> bool {
    let start = midnight(zone_of(ticker), day);
    market.bars_of(size, ticker).get_mut(&start).map(|bar| bar.close = close).is_some()
}
