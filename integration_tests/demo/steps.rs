//! The steps of the demo. Each shows and explains something, and verifies it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::connector::run;
use crate::figures::{correct, market, split_apple};
use crate::screen::{say, table, title};
use crate::support::bar_size::BarSize;
use crate::support::connector::{Connector, Destination, Output, configured};
use crate::support::days::{Date, date};
use crate::support::fake_api::{FakeApi, Fault};
use crate::support::truth::{ends_by, final_records};

const FRIDAY: Date = date(2023, 1, 6);
const MONDAY: Date = date(2023, 1, 9);
const TUESDAY: Date = date(2023, 1, 10);

/// The API, the connector, and the tables that its records fill.
struct Demo {
    api: FakeApi,
    connector: Connector,
    prices: Table,
    market_prices: Table,
    /// AAPL's closes as first emitted: the table of an incremental sync that only looks for new rows.
    ordinary: BTreeMap<String, f64>,
}

/// A table in a destination and its state.
struct Table {
    stream: &'static str,
    /// The tickers that it should have.
    tickers: &'static [&'static str],
    adjusted: bool,
    rows: Destination,
    /// The last STATE, which Airbyte keeps.
    state: Option<Value>,
}

pub(crate) fn show() -> Result<()> {
    let api = FakeApi::start(market());
    say(&format!(
        "A fake Polygon.io API serves on {}: AAPL and SPY as they were in January 2023, X:BTCUSD in invented round \
         figures. The connector's messages are shortened here.",
        api.url()
    ))?;
    let mut connector = Connector::new(&api, "AAPL, X:BTCUSD");
    connector.set("start_date", "2023-01-03").set("end_date", FRIDAY.to_string());
    let table =
        |stream, tickers, adjusted| Table { stream, tickers, adjusted, rows: Destination::default(), state: None };
    let mut demo = Demo {
        api,
        connector,
        prices: table("stock_prices", &["AAPL", "X:BTCUSD"], true),
        market_prices: table("market_prices", &["AAPL", "SPY"], false),
        ordinary: BTreeMap::new(),
    };
    demo.spec()?;
    demo.check()?;
    demo.discover()?;
    demo.first_sync()?;
    demo.second_sync()?;
    demo.split()?;
    demo.correction()?;
    demo.gap()?;
    demo.events()?;
    demo.wrong_key()?;
    println!();
    say("Everything is as it should be: after every successful sync, each table equalled what a full read would give.")
}

impl Demo {
    fn spec(&self) -> Result<()> {
        title(1, "The configuration", "Airbyte makes a form of it.")?;
        let output = run(&self.connector, "spec")?;
        let properties = &output.messages[0]["spec"]["connectionSpecification"]["properties"];
        say(&format!("Its fields: {}.", names(properties)?.join(", ")))
    }

    fn check(&self) -> Result<()> {
        title(2, "The connection check", "Do the key and both tickers work?")?;
        let output = run(&self.connector, "check")?;
        let (status, message) = output.connection_status();
        ensure!(status == "SUCCEEDED", "the check says {status}: {message}");
        Ok(())
    }

    fn discover(&self) -> Result<()> {
        title(3, "The streams", "Each size of bars is a stream.")?;
        let output = run(&self.connector, "discover")?;
        let streams = output.messages[0]["catalog"]["streams"].as_array();
        let streams = streams.context("a catalog without streams")?;
        let names: Vec<_> = streams.iter().filter_map(|stream| stream["name"].as_str()).collect();
        for name in [self.prices.stream, self.market_prices.stream] {
            ensure!(names.contains(&name), "there is no stream {name}");
        }
        say(&format!("They are: {}.", names.join(", ")))
    }

    fn first_sync(&mut self) -> Result<()> {
        title(4, "The first sync, up to Friday", "Four days of each ticker, and a STATE that says how far they go.")?;
        let output = self.sync_prices(FRIDAY)?;
        let closes = closes(&output, "AAPL");
        ensure!(closes == [125.07, 126.36, 125.02, 129.62], "AAPL closed at {closes:?}");
        expect_records(&output, 8)
    }

    fn second_sync(&mut self) -> Result<()> {
        title(5, "The next sync, up to Monday", "Only what is new: AAPL's Monday, and X:BTCUSD's weekend, too.")?;
        let output = self.sync_prices(MONDAY)?;
        expect_records(&output, 4)
    }

    fn split(&mut self) -> Result<()> {
        title(
            6,
            "A split",
            "On Tuesday AAPL gives two shares for one (invented), and from now on the API shows all of its history at \
             half the price. Look at the WARN: the connector notices, and reads AAPL from the first day on again. \
             X:BTCUSD has only Tuesday.",
        )?;
        split_apple(&mut self.api.market());
        let output = self.sync_prices(TUESDAY)?;
        let warnings = output.logs("WARN");
        ensure!(matches!(warnings[..], [warning] if warning.contains("AAPL: prices changed")), "{warnings:?}");
        let requests = self.api.take_requests().len();
        self.show_both_tables()?;
        say(&format!(
            "Two tickers, {requests} requests: the request that brings the new day also shows that the past has changed."
        ))
    }

    /// AAPL in this connector's table, and in one that an ordinary incremental sync would have filled.
    fn show_both_tables(&self) -> Result<()> {
        let rows = self.prices.rows.rows.iter();
        let rows: Vec<_> = rows
            .filter(|((ticker, _), _)| ticker == "AAPL")
            .filter_map(|((_, day), row)| Some((day.clone(), row["price"].as_f64()?)))
            .collect();
        ensure!(rows.len() == 6, "{rows:?}");
        let last = rows.len() - 1;
        let row = |(number, (day, close)): (usize, &(String, f64))| {
            let ordinary = self.ordinary.get(day).copied().unwrap_or_default();
            let is_on_old_basis = (ordinary / close - 2.0).abs() < 1e-9;
            ensure!(is_on_old_basis == (number < last), "{day}: {close}");
            let remark = if number == last { "2 for 1" } else { "" };
            Ok([day.clone(), ordinary.to_string(), close.to_string(), remark.to_owned()])
        };
        let rows: Vec<_> = rows.iter().enumerate().map(row).collect::<Result<_>>()?;
        say("AAPL's closes in two tables that were synced day by day:")?;
        let headings = ["", "ordinary sync", "this connector", ""];
        table(headings, &rows, |row, column| row < last && column == 1);
        say("In the ordinary one the price falls by half overnight; in this one it does not.")
    }

    fn correction(&mut self) -> Result<()> {
        title(
            7,
            "A correction",
            "The exchange corrects AAPL's close of last Thursday: one record, and an INFO that says why.",
        )?;
        // In prices before the split.
        let is_corrected = correct(&mut self.api.market(), BarSize::DAY, "AAPL", date(2023, 1, 5), 125.1);
        ensure!(is_corrected, "there is no such bar");
        let output = self.sync_prices(TUESDAY)?;
        let closes = closes(&output, "AAPL");
        ensure!(closes == [62.55], "AAPL: {closes:?}");
        expect_records(&output, 1)
    }

    fn gap(&mut self) -> Result<()> {
        title(
            8,
            "A gap",
            "The stream market_prices has every stock of a day in one request. Today the API is under load, and returns \
             nothing for Thursday. Was it a holiday? SPY, which always trades, has a bar. Look at the WARN.",
        )?;
        self.api.inject_faults(|_, request| {
            let is_thursday = request.path.ends_with("/stocks/2023-01-05");
            is_thursday.then(|| Fault::body(r#"{"status":"OK","resultsCount":0,"results":[]}"#))
        });
        let output = sync(&self.api, &mut self.connector, &mut self.market_prices, FRIDAY)?;
        expect_records(&output, 6)?;
        let warnings = output.logs("WARN");
        ensure!(matches!(warnings[..], [warning] if warning.contains("2023-01-05")), "{warnings:?}");
        say("The next sync requests Thursday again, and the gap is filled:")?;
        self.api.heal();
        let output = sync(&self.api, &mut self.connector, &mut self.market_prices, FRIDAY)?;
        expect_records(&output, 2)?;
        let differences = self.market_prices.differences(&self.api, FRIDAY);
        ensure!(differences.is_empty(), "{}", differences.join("\n"));
        Ok(())
    }

    fn events(&mut self) -> Result<()> {
        title(
            9,
            "Splits and dividends",
            "The streams of splits and dividends have the factors that turn prices as they were traded, such as those of \
             market_prices, into adjusted ones.",
        )?;
        self.api.market().dividend("AAPL", MONDAY, 0.24);
        let streams = ["stock_splits", "stock_dividends"].map(|stream| configured(stream, "incremental"));
        self.connector.catalog = json!({"streams": streams});
        self.connector.state = None;
        let output = run(&self.connector, "read")?;
        let rows: Vec<_> = output.records().into_iter().map(event_row).collect();
        let days: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
        ensure!(days == ["2023-01-10", "2023-01-09"], "{days:?}");
        table(["first day", "event", "factor", ""], &rows, |_, _| false);
        say("Prices before a day, times its factor, are comparable with those from that day on.")
    }

    fn wrong_key(&mut self) -> Result<()> {
        title(10, "A wrong key", "The form shows what is wrong, and what to do.")?;
        self.connector.set("api_key", "not-a-key");
        let output = run(&self.connector, "check")?;
        let (status, message) = output.connection_status();
        ensure!(status == "FAILED", "the check says {status}");
        ensure!(message.contains("Check api_key"), "the check does not say what to do: {message}");
        Ok(())
    }

    /// Syncs the day bars up to a day and verifies the table.
    fn sync_prices(&mut self, last_day: Date) -> Result<Output> {
        let output = sync(&self.api, &mut self.connector, &mut self.prices, last_day)?;
        let differences = self.prices.differences(&self.api, last_day);
        ensure!(differences.is_empty(), "the table is wrong:\n{}", differences.join("\n"));
        for (ticker, day, close) in output.prices() {
            if ticker == "AAPL" {
                self.ordinary.entry(day.to_owned()).or_insert(close);
            }
        }
        Ok(output)
    }
}

/// Syncs a table up to a day like Airbyte, with the last state.
fn sync(api: &FakeApi, connector: &mut Connector, table: &mut Table, last_day: Date) -> Result<Output> {
    api.take_requests();
    connector.set("end_date", last_day.to_string()).stream(table.stream, "incremental");
    connector.state = table.state.as_ref().map(|state| json!([state]));
    let output = run(connector, "read")?;
    table.state = Some(output.states().pop().context("the read wrote no STATE")?);
    table.rows.load(&output);
    Ok(output)
}

impl Table {
    /// Compares the rows with the result of a full read.
    fn differences(&self, api: &FakeApi, last_day: Date) -> Vec<String> {
        let market = api.market();
        let mut truth = Destination::default();
        for ticker in self.tickers {
            for (start, record) in final_records(&market, BarSize::DAY, ticker, self.adjusted, market.now) {
                if ends_by(BarSize::DAY, ticker, start, last_day) {
                    truth.insert(&record);
                }
            }
        }
        self.rows.differences(&truth)
    }
}

/// A row for a split or a dividend: its day, its description, and its factor.
fn event_row(record: &Value) -> [String; 4] {
    let (day, event) = if let Some(amount) = record["cash_amount"].as_f64() {
        (&record["ex_dividend_date"], format!("${amount} a share"))
    } else {
        let (from, to) = (&record["split_from"], &record["split_to"]);
        (&record["execution_date"], format!("{to} for {from}"))
    };
    let day = day.as_str().unwrap_or_default().to_owned();
    let factor = record["historical_adjustment_factor"].as_f64().unwrap_or_default();
    [day, event, format!("{factor:.4}"), String::new()]
}

fn names(object: &Value) -> Result<Vec<&str>> {
    let object = object.as_object().context("a spec without properties")?;
    Ok(object.keys().map(String::as_str).collect())
}

fn closes(output: &Output, ticker: &str) -> Vec<f64> {
    let prices = output.prices().into_iter();
    prices.filter(|(of, _, _)| *of == ticker).map(|(_, _, price)| price).collect()
}

fn expect_records(output: &Output, count: usize) -> Result<()> {
    let records = output.records().len();
    ensure!(records == count, "{records} records instead of {count}");
    Ok(())
}
