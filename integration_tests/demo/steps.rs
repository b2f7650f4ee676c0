//! The steps of the demo. Each shows something, says what to look at, and verifies it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::connector::Connector;
use crate::figures::{correct, market, split_apple};
use crate::screen::{say, title};
use crate::support::bar_size::BarSize;
use crate::support::days::{Date, date};
use crate::support::destination::Destination;
use crate::support::fake_api::FakeApi;
use crate::support::output::Output;
use crate::support::truth::{ends_by, final_records};

const TICKERS: [&str; 2] = ["AAPL", "X:BTCUSD"];
const FRIDAY: Date = date(2023, 1, 6);
const MONDAY: Date = date(2023, 1, 9);
const TUESDAY: Date = date(2023, 1, 10);

/// The API, the connector, and the table that its records fill.
struct Demo {
    api: FakeApi,
    connector: Connector,
    table: Destination,
    /// The last STATE, as Airbyte keeps it.
    state: Option<Value>,
}

/// Shows everything.
pub(crate) fn show() -> Result<()> {
    let api = FakeApi::start(market());
    say(&format!(
        "A fake Polygon.io API serves on {}: AAPL as it was in January 2023, X:BTCUSD in invented round figures.",
        api.url()
    ))?;
    say("Building the connector …")?;
    let connector = Connector::build(api.url())?;
    let mut demo = Demo {
        api,
        connector,
        table: Destination::default(),
        state: None,
    };
    demo.spec()?;
    demo.check()?;
    demo.discover()?;
    demo.first_read()?;
    demo.second_sync()?;
    demo.split()?;
    demo.correction()?;
    demo.wrong_key()?;
    println!();
    say("All as it should be: after every sync the table was what a full read would have given.")
}

impl Demo {
    fn spec(&self) -> Result<()> {
        title(
            1,
            "The configuration",
            "Look at: the form that Airbyte shows to the user.",
        )?;
        let output = self.connector.run("spec", &[])?;
        let properties = &output.messages[0]["spec"]["connectionSpecification"]["properties"];
        say(&format!("Its fields: {}.", names(properties)?.join(", ")))
    }

    fn check(&self) -> Result<()> {
        title(
            2,
            "The connection check",
            "Look at: SUCCEEDED; the key and both tickers work.",
        )?;
        let output = self
            .connector
            .run("check", &[self.connector.config("2023-01-06")?])?;
        let (status, message) = output.connection_status();
        ensure!(status == "SUCCEEDED", "the check says {status}: {message}");
        Ok(())
    }

    fn discover(&self) -> Result<()> {
        title(3, "The streams", "Look at: a stream for each size of bars.")?;
        let output = self
            .connector
            .run("discover", &[self.connector.config("2023-01-06")?])?;
        let streams = output.messages[0]["catalog"]["streams"].as_array();
        let streams = streams.context("a catalog without streams")?;
        let names: Vec<_> = streams
            .iter()
            .filter_map(|stream| stream["name"].as_str())
            .collect();
        ensure!(names.len() == 8, "there are {} streams", names.len());
        say(&format!("They are: {}.", names.join(", ")))
    }

    fn first_read(&mut self) -> Result<()> {
        title(
            4,
            "A first read, up to Friday",
            "Look at: four days of each ticker, and a STATE after them that says how far it came.",
        )?;
        let output = self.sync(FRIDAY)?;
        let closes = closes(&output, "AAPL");
        ensure!(
            closes == [125.07, 126.36, 125.02, 129.62],
            "AAPL closed at {closes:?}"
        );
        expect_records(&output, 8)
    }

    fn second_sync(&mut self) -> Result<()> {
        title(
            5,
            "A second sync, up to Monday",
            "Look at: only what is new. AAPL has Monday, X:BTCUSD has the weekend too.",
        )?;
        let output = self.sync(MONDAY)?;
        expect_records(&output, 4)
    }

    fn split(&mut self) -> Result<()> {
        title(
            6,
            "A split",
            "On Tuesday AAPL gives two shares for one (invented), and the API now tells all of its history at half the \
             price. Look at: the WARN, and AAPL from the first day on again. X:BTCUSD has only Tuesday.",
        )?;
        split_apple(&mut self.api.market());
        let output = self.sync(TUESDAY)?;
        let warnings = output.logs("WARN");
        ensure!(warnings.len() == 1, "{} warnings", warnings.len());
        ensure!(
            warnings[0].starts_with("AAPL: the prices of"),
            "{}",
            warnings[0]
        );
        let closes = closes(&output, "AAPL");
        ensure!(
            closes == [62.535, 63.18, 62.51, 64.81, 65.075, 65.365],
            "AAPL: {closes:?}"
        );
        let requests = self.api.take_requests().len();
        say(&format!("The whole WARN: {}.", warnings[0]))?;
        say(&format!(
            "The table is on one basis again. Two tickers, {requests} requests: the one that shows what is new also \
             shows that the past has changed."
        ))
    }

    fn correction(&mut self) -> Result<()> {
        title(
            7,
            "A correction",
            "The exchange corrects AAPL's close of last Thursday. Look at: one record, and an INFO that says why.",
        )?;
        // The API's own figure is the one before the split.
        ensure!(
            correct(
                &mut self.api.market(),
                BarSize::DAY,
                "AAPL",
                date(2023, 1, 5),
                125.1
            ),
            "there is no bar to be corrected"
        );
        let output = self.sync(TUESDAY)?;
        let closes = closes(&output, "AAPL");
        ensure!(closes == [62.55], "AAPL: {closes:?}");
        expect_records(&output, 1)
    }

    fn wrong_key(&self) -> Result<()> {
        title(
            8,
            "A wrong key",
            "Look at: FAILED, and what to do about it, in the form.",
        )?;
        let output = self
            .connector
            .run("check", &[self.connector.config_with_wrong_key()?])?;
        let (status, message) = output.connection_status();
        ensure!(status == "FAILED", "the check says {status}");
        ensure!(
            message.contains("Check api_key"),
            "the check does not say what to do: {message}"
        );
        say(&format!("The whole message: {message}"))
    }

    /// Syncs up to a day as Airbyte does, with the last state, and compares the table with the truth.
    fn sync(&mut self, last_day: Date) -> Result<Output> {
        self.api.take_requests();
        let catalog = serde_json::from_str(include_str!("../configured_catalog.json"))?;
        let mut files = vec![
            self.connector.config(&last_day.to_string())?,
            self.connector
                .argument("--catalog", "catalog.json", &catalog)?,
        ];
        if let Some(state) = &self.state {
            files.push(
                self.connector
                    .argument("--state", "state.json", &json!([state]))?,
            );
        }
        let output = self.connector.run("read", &files)?;
        self.state = Some(output.states().pop().context("the read wrote no STATE")?);
        self.table.load(&output);
        let differences = self.table.differences(&self.truth(last_day));
        ensure!(
            differences.is_empty(),
            "the table is wrong:\n{}",
            differences.join("\n")
        );
        Ok(output)
    }

    /// What a full read would give now.
    fn truth(&self, last_day: Date) -> Destination {
        let market = self.api.market();
        let records = TICKERS.iter().flat_map(|ticker| {
            let bars = final_records(&market, BarSize::DAY, ticker, true, market.now);
            bars.into_iter()
                .filter(|(start, _)| ends_by(BarSize::DAY, ticker, *start, last_day))
                .map(|(_, record)| record)
        });
        let mut truth = Destination::default();
        for record in records {
            truth.insert(&record);
        }
        truth
    }
}

fn names(object: &Value) -> Result<Vec<&str>> {
    let object = object.as_object().context("a spec without properties")?;
    Ok(object.keys().map(String::as_str).collect())
}

/// The closes of a ticker among the records.
fn closes(output: &Output, ticker: &str) -> Vec<f64> {
    let prices = output.prices().into_iter();
    prices
        .filter(|(of, _, _)| *of == ticker)
        .map(|(_, _, price)| price)
        .collect()
}

fn expect_records(output: &Output, count: usize) -> Result<()> {
    let records = output.records().len();
    ensure!(records == count, "{records} records, and not {count}");
    Ok(())
}
