//! What the fake API of the demo knows: a few days of each bar size.

use std::collections::BTreeMap;

use crate::support::bar_size::BarSize;
use crate::support::days::{Date, date, date_in, midnight, moment_at, new_york_midnight, new_york_time, zone_of};
use crate::support::market::{AAPL, Market, TradedBar};

/// Sizes of bars within a day: the API's `multiplier` and `timespan`.
const INTRADAY: [(&str, &str); 5] =
    [("1", "hour"), ("1", "minute"), ("5", "minute"), ("15", "minute"), ("30", "minute")];

/// TSLA's closes in December 2020, as they were traded.
const TSLA: [(u32, f64); 22] = [
    (1, 584.76),
    (2, 568.82),
    (3, 593.38),
    (4, 599.04),
    (7, 641.76),
    (8, 649.88),
    (9, 604.48),
    (10, 627.07),
    (11, 609.99),
    (14, 639.83),
    (15, 633.25),
    (16, 622.77),
    (17, 655.9),
    (18, 695.0),
    (21, 649.86),
    (22, 640.34),
    (23, 645.98),
    (24, 661.77),
    (28, 663.69),
    (29, 665.99),
    (30, 694.78),
    (31, 705.67),
];

/// Round figures, and not what a bitcoin cost: one day after another, Saturday and Sunday too.
const BITCOIN: [f64; 8] = [16_000.0, 16_100.0, 16_200.0, 16_300.0, 16_400.0, 16_500.0, 16_600.0, 16_700.0];

/// SPY's closes, on the days of AAPL's bars.
const SPY: [(u32, f64); 6] = [(3, 380.82), (4, 383.76), (5, 379.38), (6, 388.08), (9, 387.86), (10, 390.58)];

/// The market of the demo, on January 11, 2023.
pub(crate) fn market() -> Market {
    let mut market = Market::at("2023-01-11T12:00:00Z");
    for (day, bar) in AAPL {
        market.day("AAPL", day, bar);
        add_morning(&mut market, day, bar);
    }
    for (day, close) in (3..).zip(BITCOIN) {
        market.day("X:BTCUSD", date(2023, 1, day), TradedBar::closing_at(close));
    }
    market.days("SPY", &SPY.map(|(day, close)| (date(2023, 1, day), close)));
    market.days("TSLA", &TSLA.map(|(day, close)| (date(2020, 12, day), close)));
    for ticker in ["AAPL", "TSLA", "X:BTCUSD"] {
        for size in [BarSize::WEEK, BarSize::MONTH] {
            add_longer_bars(&mut market, ticker, size);
        }
    }
    market
}

/// The first three bars after ten o'clock of each size, on invented figures.
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

/// Weeks or months, put together from the days that are there.
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

/// Makes a split known of two shares for one, which an invented exchange has carried out on the 10th.
pub(crate) fn split_apple(market: &mut Market) {
    let first_day = date(2023, 1, 10);
    market.split("AAPL", first_day, 2.0);
    let start = new_york_midnight(first_day);
    let bar = market.bars_of(BarSize::DAY, "AAPL")[&start];
    let halved = TradedBar {
        open: bar.open / 2.0,
        high: bar.high / 2.0,
        low: bar.low / 2.0,
        close: bar.close / 2.0,
        volume: bar.volume.map(|volume| volume * 2.0),
        traded: bar.traded.map(|(vwap, trades)| (vwap / 2.0, trades)),
        ..bar
    };
    market.day("AAPL", first_day, halved);
}

/// Gives a bar another close, as an exchange does that corrects a trade; `false` if there is no such bar.
pub(crate) fn correct(market: &mut Market, size: BarSize, ticker: &str, day: Date, close: f64) -> bool {
    let start = midnight(zone_of(ticker), day);
    match market.bars_of(size, ticker).get_mut(&start) {
        Some(bar) => bar.close = close,
        None => return false,
    }
    true
}
