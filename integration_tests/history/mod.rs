//! Histories that change or are long: splits, corrections, late bars.

mod corrections;
mod long;
mod splits;

use crate::support::bar_size::BarSize;
use crate::support::days::{Date, date, new_york_time};
use crate::support::market::{Market, TradedBar, weekdays};
use crate::support::scenario::Scenario;

pub const DAYS_AND_HOURS: [&str; 2] = ["stock_prices", "stock_prices_by_hour"];

/// AAPL's days, or two hours of each session, for `days` days from `first` on; each bar has its own close.
pub fn history(stream: &str, first: Date, days: u64, start_date: &str) -> Scenario {
    let mut market = Market::at("2026-11-20T12:00:00Z");
    for day in weekdays(first, days) {
        let bar = TradedBar::closing_at(200.0 + f64::from((day - date(2020, 1, 1)).num_days() as i32));
        if stream.ends_with("hour") {
            for hour in [10, 15] {
                market.bar(BarSize::HOUR, "AAPL", new_york_time(day, hour, 0), bar);
            }
        } else {
            market.day("AAPL", day, bar);
        }
    }
    Scenario::new(market, "AAPL", stream, start_date)
}
