//! A table and the syncs that keep it, held against what the market says that it must hold.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::bar_size::BarSize;
use crate::support::clock::SimulatedClock;
use crate::support::connector::{Connector, Destination, Output};
use crate::support::days::{Date, date_in, moment, moment_at, zone_of};
use crate::support::fake_api::{FakeApi, Fault, Request};
use crate::support::market::{Market, TradedBar};
use crate::support::truth::{ends_by, final_records};

/// The size of a stream's bars.
pub fn bar_size_of(stream: &str) -> BarSize {
    match stream {
        "stock_prices" | "market_prices" => BarSize::DAY,
        "stock_prices_by_week" => BarSize::WEEK,
        "stock_prices_by_month" => BarSize::MONTH,
        "stock_prices_by_hour" => BarSize::HOUR,
        "stock_prices_by_minute" => BarSize::MINUTE,
        "stock_prices_by_5_minutes" => BarSize::FIVE_MINUTES,
        "stock_prices_by_15_minutes" => BarSize::FIFTEEN_MINUTES,
        other => panic!("{other}?"),
    }
}

/// A market, the connector that reads it, and the table that its syncs have filled.
pub struct Scenario {
    pub api: FakeApi,
    pub connector: Connector,
    pub table: Destination,
}

impl Scenario {
    /// Reads one stream of a market incrementally; the first sync has no state.
    pub fn new(market: Market, tickers: &str, stream: &str, start_date: &str) -> Scenario {
        let api = FakeApi::start(market);
        let mut connector = Connector::new(&api, tickers);
        connector
            .set("start_date", start_date)
            .stream(stream, "incremental");
        Scenario {
            api,
            connector,
            table: Destination::default(),
        }
    }

    /// Sets a property of the configuration.
    pub fn set(&mut self, property: &str, value: impl Into<Value>) -> &mut Scenario {
        self.connector.set(property, value);
        self
    }

    /// A sync at a moment, from the last STATE of the one before; it may fail.
    pub fn try_sync(&mut self, now: &str) -> Output {
        self.api.market().set_now(now);
        self.api.take_requests();
        let output = self.connector.run_at(now, "read");
        self.take(&output);
        output
    }

    /// A sync that succeeds.
    pub fn sync(&mut self, now: &str) -> Output {
        self.try_sync(now).succeeded()
    }

    /// A sync that is cut off after so many lines, whose last STATE was kept.
    pub fn sync_until_line(&mut self, now: &str, lines: usize) -> Output {
        self.api.market().set_now(now);
        self.api.take_requests();
        let clock = SimulatedClock::at(moment(now));
        let output = self.connector.run_until_line(&clock, "read", lines);
        self.take(&output);
        output
    }

    fn take(&mut self, output: &Output) {
        self.table.load(output);
        if !output.states().is_empty() {
            self.connector.resume_from(output);
        }
    }

    /// The requests of the last sync.
    pub fn requests(&self) -> Vec<Request> {
        self.api.take_requests()
    }

    /// What the table must hold: what the market shows of the configured days.
    pub fn truth(&self) -> Destination {
        let config = &self.connector.config;
        let stream = self.connector.catalog["streams"][0]["stream"]["name"].as_str();
        let stream = stream.expect("a stream");
        let size = bar_size_of(stream);
        let day = |property: &str| -> Option<Date> {
            config[property]
                .as_str()
                .map(|day| day.parse().expect("a date"))
        };
        let (start, end) = (day("start_date").expect("a start_date"), day("end_date"));
        let market = self.api.market();
        let is_market = stream == "market_prices";
        let tickers: BTreeSet<&str> = if is_market {
            market
                .tickers(size)
                .filter(|ticker| !ticker.contains(':'))
                .collect()
        } else {
            config["stock_ticker"]
                .as_str()
                .expect("tickers")
                .split(',')
                .collect()
        };
        let adjusted = config["adjusted"] != false && !is_market;
        let mut truth = Destination::default();
        for ticker in tickers {
            let records = final_records(&market, size, ticker, adjusted, market.now);
            for (bar_start, record) in records {
                let first_day = date_in(zone_of(ticker), moment_at(bar_start));
                let is_wanted = size.last_day(first_day) >= start
                    && end.is_none_or(|end| ends_by(size, ticker, bar_start, end));
                if is_wanted {
                    truth.insert(&record);
                }
            }
        }
        truth
    }

    /// Asserts that the table holds the truth.
    pub fn assert_true(&self, context: &str) {
        let truth = self.truth();
        assert!(
            !truth.rows.is_empty(),
            "{context}: a truth without rows shows nothing"
        );
        let differences = self.table.differences(&truth);
        assert_eq!(
            differences,
            [""; 0],
            "{context}: {} differences",
            differences.len()
        );
    }

    /// Changes a bar that is there.
    pub fn correct(
        &self,
        size: BarSize,
        ticker: &str,
        start: i64,
        change: impl FnOnce(&mut TradedBar),
    ) {
        let mut market = self.api.market();
        change(
            market
                .bars_of(size, ticker)
                .get_mut(&start)
                .expect("a bar that is there"),
        );
    }

    /// From now on all requests after the first so many fail for good.
    pub fn break_after(&self, good_requests: usize) {
        self.api.inject_faults(move |number, _| {
            (number >= good_requests).then(|| Fault::status(400, "", "{}"))
        });
    }
}
