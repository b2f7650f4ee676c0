//! An API in memory that has splits and dividends, and a connector that reads them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::json;
use source_stock_ticker_api::polygon::Exchange;

use crate::support::answers::{next_page, value_of};
use crate::support::connector::{Connector, Output};
use crate::support::output::Scrutiny;

pub const NOW: &str = "2026-11-27T12:00:00Z";

/// Splits or dividends as JSON, by ticker, day and id: the order in which the API returns them.
pub type Events = BTreeMap<(String, String, String), String>;

#[derive(Default)]
pub struct Api {
    pub events: Events,
    pub rows_per_page: usize,
    /// The plan's first day.
    pub first_day: String,
    /// Responses to the next requests instead of the correct ones.
    pub instead: VecDeque<Option<(u16, String)>>,
    pub requested: Vec<String>,
}

impl Api {
    /// Adds or replaces a dividend.
    pub fn dividend(&mut self, id: &str, ticker: &str, day: &str, amount: &str) {
        let row = json_text(&[
            ("id", &quoted(id)),
            ("ticker", &quoted(ticker)),
            ("ex_dividend_date", &quoted(day)),
            ("cash_amount", amount),
        ]);
        self.put(id, ticker, day, row);
    }

    /// Adds or replaces an event.
    pub fn put(&mut self, id: &str, ticker: &str, day: &str, row: String) {
        let key = [ticker, day, id].map(str::to_owned);
        self.events.insert(key.into(), row);
    }

    pub fn remove(&mut self, id: &str) {
        let before = self.events.len();
        self.events.retain(|(_, _, other), _| other != id);
        assert_eq!(self.events.len(), before - 1, "there is one {id}");
    }

    fn page(&self, target: &str) -> String {
        let (path, query) = target.split_once('?').expect("a query");
        let list = value_of(query, "ticker.any_of");
        let tickers = list.map(|list| list.split(',').collect::<Vec<_>>());
        let matching = self.events.iter().filter(|((ticker, day, _), _)| {
            let is_wanted = tickers.as_ref().is_none_or(|tickers| tickers.contains(&ticker.as_str()));
            is_wanted && *day >= self.first_day
        });
        let rows: Vec<&str> = matching.map(|(_, row)| row.as_str()).collect();
        let from: usize = value_of(query, "cursor").map_or(0, |cursor| cursor.parse().expect("a number"));
        let to = rows.len().min(from + self.rows_per_page);
        let list = list.map_or(String::new(), |list| format!("ticker.any_of={list}&"));
        let next_url = if to < rows.len() { next_page(&format!("{path}?{list}cursor={to}")) } else { String::new() };
        let rows = rows[from..to].join(",");
        format!(r#"{{"request_id":"r","status":"OK","results":[{rows}]{next_url}}}"#)
    }
}

impl Exchange for Api {
    fn get(&mut self, target: &str) -> (u16, String) {
        self.requested.push(target.to_owned());
        match self.instead.pop_front().flatten() {
            Some(answer) => answer,
            None => (200, self.page(target)),
        }
    }
}

/// JSON whose values are written as they are given.
pub fn json_text(fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().map(|(name, value)| format!("{name:?}:{value}"));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

pub fn quoted(text: &str) -> String {
    json!(text).to_string()
}

pub struct Setup {
    pub connector: Connector,
    pub now: &'static str,
    api: Arc<Mutex<Api>>,
}

impl Setup {
    /// Reads a stream of these configured tickers.
    pub fn of(stream: &str, stock_ticker: &str) -> Setup {
        let mut connector = Connector::with_url("http://127.0.0.1:9", stock_ticker);
        connector.stream(stream, "incremental");
        connector.scrutiny = Scrutiny::FirstRecord;
        let api = Arc::new(Mutex::new(Api { rows_per_page: 5_000, ..Api::default() }));
        connector.exchange = Some(api.clone());
        Setup { connector, now: NOW, api }
    }

    /// Reads the dividends of all stocks; three tickers have dividends.
    pub fn with_dividends() -> Setup {
        let setup = Setup::of("market_dividends", "AAPL");
        for (id, ticker, day) in [
            ("E1", "AAPL", "2026-02-09"),
            ("E2", "AAPL", "2026-05-11"),
            ("E3", "KO", "2026-03-13"),
            ("E4", "KO", "2026-06-15"),
            ("E5", "MSFT", "2026-05-21"),
        ] {
            setup.api().dividend(id, ticker, day, "0.25");
        }
        setup
    }

    pub fn api(&self) -> MutexGuard<'_, Api> {
        self.api.lock().expect("no panic")
    }

    /// Runs `read`, and passes the last STATE on to the next run.
    pub fn read(&mut self) -> Output {
        self.api().requested.clear();
        let output = self.connector.run_at(self.now, "read");
        self.connector.resume_from(&output);
        output
    }

    /// Runs `read`, which must succeed without a warning.
    pub fn read_quietly(&mut self) -> Output {
        let output = self.read().succeeded();
        output.assert_no_warning("read");
        output
    }
}

pub fn ids(output: &Output) -> Vec<&str> {
    output.records().into_iter().map(|record| record["id"].as_str().expect("an id")).collect()
}
