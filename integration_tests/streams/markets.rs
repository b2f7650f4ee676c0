//! Every stream of every market: first and second sync, corrected, late; across a weekend and the day on
//! which summer time begins in New York, 2026-03-08.

use chrono::{Datelike, Days, Weekday};

use crate::support::bar_size::{BarSize, Unit};
use crate::support::days::{Date, date, midnight, moment, time_in, zone_of};
use crate::support::destination::primary_key;
use crate::support::market::{Market, TradedBar};
use crate::support::scenario::Scenario;
use crate::support::streams::{STREAMS, stream_named};

const TICKERS: [&str; 5] = ["AAPL", "O:SPY251219C00650000", "I:SPX", "X:BTCUSD", "C:EURUSD"];

/// Saturday; Sunday evening, when summer time has begun; Tuesday and Wednesday before the stocks' first bar.
const SYNCS: [&str; 4] =
    ["2026-03-07T12:00:00Z", "2026-03-09T03:00:00Z", "2026-03-10T07:00:00Z", "2026-03-11T07:00:00Z"];
const TUESDAY: &str = SYNCS[2];

/// A stream and a ticker of one market.
#[derive(Debug, Clone, Copy)]
struct Cell {
    stream: &'static str,
    ticker: &'static str,
}

/// Every stream with a ticker of every market that it covers.
fn cells() -> Vec<Cell> {
    let all = STREAMS.iter().flat_map(|stream| TICKERS.map(|ticker| Cell { stream: stream.name, ticker }));
    all.filter(|cell| stream_named(cell.stream).has(cell.ticker)).collect()
}

impl Cell {
    fn size(self) -> BarSize {
        stream_named(self.stream).size
    }

    fn is_market(self) -> bool {
        stream_named(self.stream).market.is_some()
    }

    /// The starts of the bars, epoch milliseconds.
    fn starts(self) -> Vec<i64> {
        let zone = zone_of(self.ticker);
        let sundays = (0..8).map(|week| date(2026, 1, 25) + Days::new(7 * week));
        let months = (1..=4).map(|month| date(2026, month, 1));
        match self.size().unit {
            Unit::Week => sundays.map(|day| midnight(zone, day)).collect(),
            Unit::Month => months.map(|day| midnight(zone, day)).collect(),
            Unit::Day => self.days().map(|day| midnight(zone, day)).collect(),
            Unit::Hour => self.times(&[(self.first_hour(), 0), (9, 0), (12, 0), (19, 0), (23, 0)]),
            Unit::Minute => self.times(&[(self.first_hour(), 0), (9, 30), (15, 30), (19, 30), (23, 30)]),
        }
    }

    /// The trading days from Thursday to Wednesday.
    fn days(self) -> impl Iterator<Item = Date> {
        let days = (5..=11).map(|day| date(2026, 3, day));
        days.filter(move |day| match (&self.ticker[..2], day.weekday()) {
            ("X:", _) => true,
            ("C:", day) => day != Weekday::Sat,
            (_, day) => !matches!(day, Weekday::Sat | Weekday::Sun),
        })
    }

    /// Crypto's days are UTC's: 0.1.0 lost their first five hours, and warned of them at every sync.
    fn first_hour(self) -> u32 {
        if self.ticker.starts_with("X:") { 0 } else { 4 }
    }

    fn times(self, times: &[(u32, u32)]) -> Vec<i64> {
        let zone = zone_of(self.ticker);
        let of_day = |day| times.iter().map(move |(hour, minute)| time_in(zone, day, *hour, *minute));
        self.days().flat_map(of_day).collect()
    }

    fn bar(self, number: usize) -> TradedBar {
        let bar = TradedBar::closing_at(172.5 + number as f64 / 4.0);
        match &self.ticker[..2] {
            "I:" => bar.without_volume(),
            "X:" => TradedBar { volume: Some(8.153_782), ..bar },
            "C:" => TradedBar { traded: None, ..bar },
            _ => bar,
        }
    }

    fn scenario(self) -> Scenario {
        let mut market = Market::at(SYNCS[0]);
        for (number, start) in self.starts().into_iter().enumerate() {
            market.bar(self.size(), self.ticker, start, self.bar(number));
            if self.is_market() && self.ticker == "AAPL" {
                market.bar(self.size(), "TSLA", start, self.bar(number + 7));
            }
        }
        let start_date = match self.size().unit {
            // In the middle of a bar, which is included.
            Unit::Week => "2026-01-28",
            Unit::Month => "2026-01-15",
            _ => "2026-03-05",
        };
        Scenario::new(market, self.ticker, self.stream, start_date)
    }

    /// The start of the last bar but `back` that was final at the last sync.
    fn final_start(self, scenario: &Scenario, back: usize) -> i64 {
        let now = scenario.api.market().now;
        let is_final = |start: &i64| crate::support::truth::is_final(self.size(), self.ticker, *start, now);
        let starts: Vec<i64> = self.starts().into_iter().filter(is_final).collect();
        starts[starts.len() - 1 - back]
    }
}

#[test]
fn every_sync_emits_the_new_bars_once_and_the_next_one_is_quiet() {
    for cell in cells() {
        let mut scenario = cell.scenario();
        let mut emitted = 0;
        for now in SYNCS {
            let context = format!("{cell:?} {now}");
            let output = scenario.sync(now);
            scenario.assert_true(&context);
            output.assert_no_warning(&context);
            emitted += output.records().len();
            assert_eq!(emitted, scenario.table.rows.len(), "{context}: each bar once");
            for ticker in ["AAPL", "TSLA", cell.ticker] {
                let records = output.records().into_iter().filter(|record| record["stock_ticker"] == ticker);
                assert!(records.map(primary_key).is_sorted(), "{context}");
            }
            let quiet = scenario.sync(now);
            quiet.assert_no_warning(&context);
            assert_eq!(quiet.records().len(), 0, "{context}");
        }
        let starts = cell.starts().len();
        assert!(emitted >= starts / 2, "{cell:?}: {emitted} of {starts}");
    }
}

#[test]
fn corrected_bar_is_emitted_again_without_the_rest_of_the_history() {
    for cell in cells() {
        // The market compares its last day.
        let back = usize::from(!cell.is_market());
        let mut scenario = cell.scenario();
        scenario.sync(TUESDAY);
        let rows = scenario.table.rows.len();
        let start = cell.final_start(&scenario, back);
        scenario.correct(cell.size(), cell.ticker, start, |bar| bar.high += 3.25);
        let output = scenario.sync(TUESDAY);
        scenario.assert_true(&format!("{cell:?}"));
        output.assert_no_warning(&format!("{cell:?}"));
        let emitted = output.records().len();
        let is_piece = cell.size().is_intraday() || cell.is_market();
        let most = if is_piece { 5 } else { 1 };
        assert!((1..=most).contains(&emitted) && emitted < rows, "{cell:?}: {emitted} of {rows}");
        assert_eq!(scenario.sync(TUESDAY).records().len(), 0, "{cell:?}");
    }
}

#[test]
fn late_bar_is_emitted_once_the_api_has_it() {
    for cell in cells() {
        let back = usize::from(!cell.is_market());
        let mut scenario = cell.scenario();
        scenario.api.market().set_now(TUESDAY);
        let late = cell.final_start(&scenario, back);
        let arrives = moment("2026-03-10T07:05:00Z");
        scenario.correct(cell.size(), cell.ticker, late, |bar| {
            bar.shown_from = Some(arrives);
        });
        scenario.sync(TUESDAY);
        let rows = scenario.table.rows.len();
        scenario.sync("2026-03-10T07:06:00Z").assert_no_warning(&format!("{cell:?}"));
        scenario.assert_true(&format!("{cell:?}"));
        assert_eq!(scenario.table.rows.len(), rows + 1, "{cell:?}");
    }
}

/// Some days of indices began at midnight in Chicago, and crypto's in 2020 at midnight in New York.
#[test]
fn days_that_begin_at_another_midnight_keep_their_date() {
    for (ticker, hour) in [("I:SPX", 6), ("I:SPX", 5), ("X:BTCUSD", 4), ("X:BTCUSD", 5)] {
        let mut market = Market::at(TUESDAY);
        for day in [4, 5, 6, 9] {
            let start = time_in(chrono_tz::Tz::UTC, date(2026, 3, day), hour, 0);
            market.bar(BarSize::DAY, ticker, start, TradedBar::closing_at(f64::from(day)));
        }
        let mut scenario = Scenario::new(market, ticker, "stock_prices", "2026-03-04");
        let output = scenario.sync(TUESDAY);
        assert_eq!(output.dates(), ["2026-03-04", "2026-03-05", "2026-03-06", "2026-03-09"], "{ticker}");
        output.assert_no_warning("");
        assert_eq!(scenario.sync(TUESDAY).records().len(), 0);
    }
}
