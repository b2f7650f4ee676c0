//! A sync that is cut off or fails anywhere: after the next one, the table is correct.

use serde_json::{Value, json};

use crate::history::DAYS_AND_HOURS;
use crate::support::bar_size::BarSize;
use crate::support::days::{date, new_york_time};
use crate::support::fake_api::FakeApi;
use crate::support::market::{Market, PartialCoverage, PlanFloor, TradedBar, weekdays};
use crate::support::output::Scrutiny;
use crate::support::sampled;
use crate::support::scenario::Scenario;
use crate::support::streams::stream_named;

/// The times of the sync before the one that is cut off, and of that one.
const WEDNESDAY: &str = "2026-03-11T06:00:00Z";
const SATURDAY: &str = "2026-03-14T12:00:00Z";

const STREAMS: [&str; 5] =
    ["stock_prices", "stock_prices_by_week", "stock_prices_by_hour", "stock_prices_by_5_minutes", "market_prices"];

/// A reason for the sync that is cut off.
struct Case {
    name: &'static str,
    streams: &'static [&'static str],
    /// Prepares the sync that is cut off.
    before: fn(&mut Scenario),
    /// Happens between that sync and the next one.
    between: fn(&mut Scenario),
    /// Configures the days that the table must hold.
    after: fn(&mut Scenario),
}

const CASE: Case = Case { name: "", streams: &DAYS_AND_HOURS, before: |_| {}, between: |_| {}, after: |_| {} };

const CASES: [Case; 7] = [
    Case { name: "a first sync", streams: &STREAMS, ..CASE },
    Case {
        name: "a full refresh",
        streams: &STREAMS,
        before: |scenario| {
            scenario.connector.catalog["streams"][0]["sync_mode"] = json!("full_refresh");
        },
        ..CASE
    },
    Case { name: "a split", before: |scenario| read_and_split(scenario), ..CASE },
    Case {
        name: "a split, with an end_date before the last row",
        before: |scenario| {
            read_and_split(scenario);
            scenario.set("end_date", "2026-03-05");
        },
        between: |scenario| {
            scenario.set("end_date", "2026-03-03");
        },
        after: |scenario| {
            scenario.set("end_date", "2026-03-10");
        },
        ..CASE
    },
    Case {
        name: "an earlier start_date",
        before: |scenario| {
            scenario.set("start_date", "2026-03-09").sync(WEDNESDAY);
            scenario.set("start_date", "2026-03-02");
        },
        ..CASE
    },
    Case {
        name: "a start_date before the plan's history",
        before: |scenario| {
            let floor = PlanFloor::On(date(2026, 3, 4));
            scenario.api.market().plan(floor, PartialCoverage::Refused);
            scenario.set("start_date", "2026-03-09").sync(WEDNESDAY);
            scenario.set("start_date", "2014-01-02");
        },
        ..CASE
    },
    Case {
        name: "the tutorial's state",
        streams: &["stock_prices"],
        before: |scenario| {
            scenario.set("start_date", Value::Null);
            scenario.connector.state = Some(json!({"stock_prices": {"date": "2026-03-01"}}));
        },
        after: |scenario| {
            scenario.set("start_date", "2026-03-02");
        },
        ..CASE
    },
];

fn split(scenario: &mut Scenario, day: u32) {
    let mut market = scenario.api.market();
    market.split("AAPL", date(2026, 3, day), 2.0);
}

fn read_and_split(scenario: &mut Scenario) {
    split(scenario, 12);
    scenario.sync(WEDNESDAY);
}

impl Case {
    /// The scenario before the sync that is cut off: two tickers on pages of five bars.
    fn scenario(&self, stream: &str) -> Scenario {
        let size = stream_named(stream).size;
        let mut market = Market::at(SATURDAY);
        market.page_size = 5;
        for (number, day) in weekdays(date(2026, 3, 2), 12).enumerate() {
            for ticker in ["AAPL", "TSLA"] {
                let bar = TradedBar::closing_at(170.0 + number as f64);
                let (day, hours) = match size {
                    BarSize::WEEK => (date(2026, 3, 1) - chrono::Days::new(7 * number as u64), &[0][..]),
                    BarSize::DAY => (day, &[0][..]),
                    _ => (day, &[4, 15][..]),
                };
                for hour in hours {
                    market.bar(size, ticker, new_york_time(day, *hour, 0), bar);
                }
            }
        }
        let is_week = size == BarSize::WEEK;
        let start_date = if is_week { "2026-01-05" } else { "2026-03-02" };
        let mut scenario = Scenario::with_api(FakeApi::start(market), "AAPL,TSLA", stream, start_date);
        scenario.connector.scrutiny = Scrutiny::FirstRecord;
        (self.before)(&mut scenario);
        scenario
    }

    /// The next sync; returns how many records it had.
    fn assert_goes_on(&self, mut scenario: Scenario, context: &str) -> usize {
        (self.between)(&mut scenario);
        let records = scenario.sync(SATURDAY).records().len();
        (self.after)(&mut scenario);
        scenario.assert_true(&format!("{}, {context}", self.name));
        records
    }
}

#[test]
fn sync_that_is_cut_off_after_any_line_or_fails_at_any_request_is_resumed_with_nothing_missing() {
    for case in CASES {
        for stream in case.streams {
            let mut undisturbed = case.scenario(stream);
            let lines = undisturbed.sync(SATURDAY).messages.len();
            let requests = undisturbed.requests().len();
            for lines in (0..lines).step_by(sampled(5)) {
                let mut scenario = case.scenario(stream);
                scenario.sync_until_line(SATURDAY, lines);
                case.assert_goes_on(scenario, &format!("{stream}, cut off after {lines} lines"));
            }
            for good_requests in (0..requests).step_by(sampled(5)) {
                let mut scenario = case.scenario(stream);
                scenario.break_after(good_requests);
                scenario.try_sync(SATURDAY);
                scenario.api.heal();
                case.assert_goes_on(scenario, &format!("{stream}, failed after {good_requests} requests"));
            }
        }
    }
}
