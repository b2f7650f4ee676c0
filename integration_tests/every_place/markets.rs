//! The markets: eleven days of two tickers, and the hours of the last three of them, three pages of each.

use crate::support::bar_size::BarSize;
use crate::support::days::{Date, date, midnight, new_york_time, zone_of};
use crate::support::market::{Market, TradedBar, weekdays};

pub const TICKERS: [&str; 2] = ["AAPL", "TSLA"];
pub const START_DATE: &str = "2026-10-30";

/// After the first of two syncs, and after the second. No midnight is near, so that the waits of a sync pass none.
pub const SATURDAY: &str = "2026-11-14T12:00:00Z";
pub const TUESDAY: &str = "2026-11-17T12:00:00Z";

/// The sessions of which there are hours, and how many: pages end within them.
const SESSIONS: [(Date, u32); 4] = [
    (date(2026, 11, 11), 3),
    (date(2026, 11, 12), 5),
    (date(2026, 11, 13), 4),
    (MONDAY, 2),
];

const MONDAY: Date = date(2026, 11, 16);

/// What AAPL and TSLA did; the bars of Monday are shown by their time.
pub fn plain() -> Market {
    let mut market = Market::at(SATURDAY);
    market.page_size = 4;
    for (place, ticker) in TICKERS.into_iter().enumerate() {
        let base = 200.0 + 100.0 * place as f64;
        for (number, day) in weekdays(date(2026, 10, 30), 18).enumerate() {
            market.day(ticker, day, TradedBar::closing_at(base + number as f64));
        }
        for (session, (day, hours)) in SESSIONS.into_iter().enumerate() {
            for hour in 0..hours {
                let bar = TradedBar::closing_at(base + f64::from(hour) + 10.0 * session as f64);
                let start = new_york_time(day, 10 + hour, 0);
                market.bar(BarSize::HOUR, ticker, start, bar);
            }
        }
    }
    market
}

/// Where the corrections and the late bars are: days anywhere, hours in the last session before Monday, which is
/// compared in any case.
fn day(ticker: &str, day: Date) -> (BarSize, &str, i64) {
    (BarSize::DAY, ticker, midnight(zone_of(ticker), day))
}

fn hour(ticker: &str, hour: u32) -> (BarSize, &str, i64) {
    let start = new_york_time(date(2026, 11, 13), hour, 0);
    (BarSize::HOUR, ticker, start)
}

/// The same without the bars that come late.
pub fn before_late_bars() -> Market {
    let mut market = plain();
    for (size, ticker, start) in late_bars() {
        market.remove(size, ticker, start);
    }
    market
}

fn late_bars() -> [(BarSize, &'static str, i64); 2] {
    [day("AAPL", date(2026, 11, 5)), hour("TSLA", 12)]
}

/// The market on Tuesday, without corrections.
pub fn on_tuesday() -> Market {
    let mut market = plain();
    market.set_now(TUESDAY);
    market
}

/// The market on Tuesday, after corrections.
pub fn corrected() -> Market {
    let mut market = on_tuesday();
    for (size, ticker, start) in [day("TSLA", date(2026, 11, 10)), hour("AAPL", 11)] {
        let bar = market.bars_of(size, ticker).get_mut(&start);
        bar.expect("a bar that is there").close += 0.25;
    }
    market
}

/// The market after a split of AAPL.
pub fn split(mut market: Market) -> Market {
    market.split("AAPL", MONDAY, 2.0);
    market
}
