//! A table and the syncs that fill it, compared with the market.

use std::collections::BTreeSet;

use serde_json::Value;

use super::bar_size::BarSize;
use super::connector::{Connector, Destination, Output};
use super::days::{Date, date_in, moment_at, zone_of};
use super::fake_api::{FakeApi, Fault, Request};
use super::market::{Market, TradedBar};
use super::streams::stream_named;
use super::truth::{ends_by, final_records};

/// A market, the connector that reads it, and the table that its syncs have filled.
pub struct Scenario {
    pub api: FakeApi,
    pub connector: Connector,
    pub table: Destination,
}

impl Scenario {
    /// Reads one stream of a market incrementally; the first sync has no state.
    pub fn new(market: Market, tickers: &str, stream: &str, start_date: &str) -> Scenario {
        Scenario::with_api(FakeApi::start(market), tickers, stream, start_date)
    }

    /// The same, with a running server.
    pub fn with_api(api: FakeApi, tickers: &str, stream: &str, start_date: &str) -> Scenario {
        let mut connector = Connector::new(&api, tickers);
        connector.set("start_date", start_date).stream(stream, "incremental");
        Scenario { api, connector, table: Destination::default() }
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

    /// Syncs successfully at noon of each day from `first` to `last`; returns the outputs.
    pub fn sync_daily(&mut self, first: Date, last: Date) -> Vec<Output> {
        let days = first.iter_days().take_while(|day| *day <= last);
        days.map(|day| self.sync(&format!("{day}T12:00:00Z"))).collect()
    }

    /// A sync that is cut off after `lines` lines; its last STATE is kept.
    pub fn sync_until_line(&mut self, now: &str, lines: usize) {
        self.api.market().set_now(now);
        self.api.take_requests();
        let output = self.connector.run_until_line(now, lines);
        self.take(&output);
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

    /// What the table must hold: everything that the market shows for the configured days.
    pub fn truth(&self) -> Destination {
        let config = &self.connector.config;
        let stream = self.connector.catalog["streams"][0]["stream"]["name"].as_str();
        let stream = stream_named(stream.expect("a stream"));
        let day = |property: &str| -> Option<Date> {
            let day = config[property].as_str();
            day.map(|day| day.parse().expect("a date"))
        };
        let (start, end) = (day("start_date").expect("a start_date"), day("end_date"));
        let market = self.api.market();
        let tickers: BTreeSet<&str> = if stream.market.is_some() {
            let tickers = market.tickers(stream.size);
            tickers.filter(|ticker| stream.has(ticker)).collect()
        } else {
            let tickers = config["stock_ticker"].as_str().expect("tickers");
            tickers.split(',').collect()
        };
        let adjusted = config["adjusted"] != false && stream.market.is_none();
        let mut truth = Destination::default();
        for ticker in tickers {
            let records = final_records(&market, stream.size, ticker, adjusted, market.now);
            for (bar_start, record) in records {
                let first_day = date_in(zone_of(ticker), moment_at(bar_start));
                let is_wanted = stream.size.last_day(first_day) >= start
                    && end.is_none_or(|end| ends_by(stream.size, ticker, bar_start, end));
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
        assert!(!truth.rows.is_empty(), "{context}: a truth without rows shows nothing");
        let differences = self.table.differences(&truth);
        assert_eq!(differences, [""; 0], "{context}: {} differences", differences.len());
    }

    /// Changes an existing bar.
    pub fn correct(&self, size: BarSize, ticker: &str, start: i64, change: impl FnOnce(&mut TradedBar)) {
        let mut market = self.api.market();
        let bar = market.bars_of(size, ticker).get_mut(&start);
        change(bar.expect("an existing bar"));
    }

    /// From now on, every request after the first `good_requests` fails permanently.
    pub fn break_after(&self, good_requests: usize) {
        self.api.inject_faults(move |number, _| (number >= good_requests).then(|| Fault::status(400, "", "{}")));
    }
}
