//! A full refresh that is cut off: from any of its STATEs another run goes on with nothing missing.

use crate::scenario::Scenario;
use crate::support::bar_size::BarSize;
use crate::support::connector::Destination;
use crate::support::days::{date, new_york_time};
use crate::support::market::{Market, TradedBar, weekdays};

const NOW: &str = "2026-03-13T12:00:00Z";

const STREAMS: [&str; 5] = [
    "stock_prices",
    "stock_prices_by_week",
    "stock_prices_by_hour",
    "stock_prices_by_5_minutes",
    "market_prices",
];

fn scenario(stream: &str, sync_mode: &str) -> Scenario {
    let mut market = Market::at(NOW);
    market.page_size = 5;
    let size = crate::scenario::bar_size_of(stream);
    for (number, day) in weekdays(date(2026, 3, 2), 12).enumerate() {
        for ticker in ["AAPL", "TSLA"] {
            let bar = TradedBar::closing_at(170.0 + number as f64);
            match size {
                BarSize::WEEK => {
                    let sunday = date(2026, 3, 1) - chrono::Days::new(7 * number as u64);
                    market.bar(size, ticker, new_york_time(sunday, 0, 0), bar);
                }
                BarSize::DAY => {
                    market.day(ticker, day, bar);
                }
                _ => {
                    for hour in [4, 9, 15, 19] {
                        market.bar(size, ticker, new_york_time(day, hour, 0), bar);
                    }
                }
            }
        }
    }
    let mut scenario = Scenario::new(market, "AAPL,TSLA", stream, "2026-01-05");
    if size != BarSize::WEEK {
        scenario.set("start_date", "2026-03-02");
    }
    scenario.connector.stream(stream, sync_mode);
    scenario
}

#[test]
fn every_state_of_a_full_refresh_is_one_to_resume_from() {
    for stream in STREAMS {
        for sync_mode in ["full_refresh", "incremental"] {
            let mut scenario = scenario(stream, sync_mode);
            let whole = scenario.sync(NOW);
            scenario.assert_true(stream);
            assert!(
                whole.states().len() > 3,
                "{stream}: {}",
                whole.states().len()
            );
            let mut rows_before = Destination::default();
            for message in &whole.messages {
                if message["type"] == "RECORD" {
                    rows_before.insert(&message["record"]["data"]);
                }
                if message["type"] != "STATE" {
                    continue;
                }
                // The destination keeps what came before this STATE, and nothing after it.
                scenario.table = rows_before.clone();
                scenario.connector.resume_from_state(&message["state"]);
                let resumed = scenario.sync(NOW);
                scenario.assert_true(&format!("{stream} from {}", message["state"]));
                let records = rows_before.rows.len() + resumed.records().len();
                assert_eq!(
                    records,
                    scenario.table.rows.len(),
                    "{stream}: each bar once"
                );
            }
        }
    }
}

#[test]
fn full_refresh_that_fails_at_any_page_is_resumed_with_nothing_missing() {
    for stream in STREAMS {
        for good_requests in 0..8 {
            let mut scenario = scenario(stream, "full_refresh");
            scenario.break_after(good_requests);
            scenario.try_sync(NOW);
            scenario.api.heal();
            scenario.sync(NOW);
            scenario.assert_true(&format!("{stream}, failed after {good_requests} requests"));
        }
    }
}

#[test]
fn full_refresh_that_is_cut_off_after_any_line_is_resumed_with_nothing_missing() {
    for stream in STREAMS {
        for lines in (0..70).step_by(3) {
            let mut scenario = scenario(stream, "full_refresh");
            let cut = scenario.sync_until_line(NOW, lines);
            let resumed = scenario.sync(NOW);
            scenario.assert_true(&format!("{stream}, cut off after {lines} lines"));
            let states = resumed.states();
            assert!(!states.is_empty() && cut.exit_code.is_none());
        }
    }
}
