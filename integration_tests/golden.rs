//! States that are kept as files: what any version wrote must be read by every later one.
//!
//! They were written by the connector itself, against [`market`], and are never written anew. `tutorial.json` is the
//! state of the connector from Airbyte's tutorial; `first_format/` has those of the format without digests, which kept a
//! `price`, `backfill` and `reread` instead; `digests/` has those of today's. Beside the state, a file has the moment and
//! the configuration of the run that wrote it, and the rows that the destination held by then.

mod outputs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::scenario::Scenario;
use crate::support::bar_size::BarSize;
use crate::support::days::{Date, date, new_york_time};
use crate::support::destination::{PrimaryKey, primary_key};
use crate::support::market::{Market, PartialCoverage, PlanFloor, TradedBar, weekdays};

/// A week after the last of the kept states was written.
const LATER: &str = "2026-03-03T12:00:00Z";

/// The formats of which states are kept.
const FORMATS: [&str; 2] = ["first_format", "digests"];

/// The states that must be there, and what each of them is kept for, as it stands in the file.
const KINDS: [(&str, &str); 25] = [
    ("tutorial", r#"{"date": "2020-02-01"}"#),
    ("first_format/days", r#""price": 254"#),
    ("first_format/unadjusted_days", r#""adjusted": false"#),
    ("first_format/ticker_without_bars", r#""NONE": {"#),
    ("first_format/backfill_under_way", r#""backfill": {"#),
    ("first_format/reread_begun", r#""reread": {"#),
    ("first_format/reread_under_way", r#""reread": {"#),
    (
        "first_format/reread_for_another_basis_under_way",
        r#""reread": {"#,
    ),
    (
        "first_format/reread_from_an_earlier_start_under_way",
        r#""reread": {"#,
    ),
    ("first_format/hours", r#""timestamp": "#),
    (
        "first_format/hours_with_backfill_under_way",
        r#""backfill": {"#,
    ),
    ("first_format/hours_with_reread_under_way", r#""reread": {"#),
    ("first_format/market", r#""since": "#),
    (
        "first_format/market_with_backfill_under_way",
        r#""backfill": {"#,
    ),
    ("digests/days", " 2026="),
    ("digests/unadjusted_days", r#""adjusted": false"#),
    ("digests/ticker_without_bars", r#""missing": true"#),
    ("digests/restart_begun", r#""until": "#),
    ("digests/restart_under_way", r#""until": "#),
    ("digests/void_digests", "=? "),
    ("digests/hours", r#""anchor": "#),
    ("digests/hours_with_restart_under_way", r#""until": "#),
    (
        "digests/hours_cut_off_after_midnight",
        "\"anchor_digest\": \"xooDnStk\"\n",
    ),
    ("digests/market", r#""digests": "#),
    ("digests/plan_limit", r#""granted_from": "#),
];

fn folder(name: &str) -> PathBuf {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration_tests/golden");
    golden.join(name)
}

/// The kept states of a format, by name, as texts.
fn states_in(format: &str) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder("states").join(format)).expect("a folder of states");
    let files = files.map(|file| file.expect("a file").path());
    let files = files.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    files
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy();
            (name.into_owned(), fs::read_to_string(&path).expect("UTF-8"))
        })
        .collect()
}

/// What the states were written against. NVDA was split on 2026-02-10, and the bar of X:BTCUSD of 2026-02-04 is one
/// that was corrected since.
fn market() -> Market {
    let mut market = Market::at(LATER);
    market.page_size = 4;
    let old_days = [date(2020, 1, 31), date(2020, 2, 3)];
    for day in old_days.into_iter().chain(weekdays(date(2026, 1, 5), 70)) {
        let is_split = day >= date(2026, 2, 10);
        for (ticker, close) in [
            ("AAPL", 200.0),
            ("NVDA", if is_split { 100.0 } else { 1000.0 }),
            ("TSLA", 400.0),
            ("X:BTCUSD", 60_000.0),
        ] {
            add_bars(&mut market, ticker, day, close);
        }
    }
    let corrected = TradedBar::closing_at(60_035.5);
    market.day("X:BTCUSD", date(2026, 2, 4), corrected);
    market.split("NVDA", date(2026, 2, 10), 10.0);
    market
}

/// A day and two of its hours, which differ from those of other days.
fn add_bars(market: &mut Market, ticker: &str, day: Date, close: f64) {
    let close = close + f64::from(chrono::Datelike::ordinal(&day));
    market.day(ticker, day, TradedBar::closing_at(close));
    for hour in [10, 15] {
        let bar = TradedBar::closing_at(close + f64::from(hour) / 100.0);
        market.bar(BarSize::HOUR, ticker, new_york_time(day, hour, 0), bar);
    }
}

/// Where and when a kept state was written: its market, configuration and table, and the moment.
fn written(kept: &str) -> (Scenario, String) {
    let kept: Value = serde_json::from_str(kept).expect("JSON");
    let mut market = market();
    if let Some(day) = kept["plan_from"].as_str() {
        let floor = PlanFloor::On(day.parse().expect("a date"));
        market.plan(floor, PartialCoverage::Refused);
    }
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let config = &kept["config"];
    let (tickers, start_date) = (text(&config["stock_ticker"]), text(&config["start_date"]));
    let mut scenario = Scenario::new(market, &tickers, &text(&kept["stream"]), &start_date);
    for (property, value) in config.as_object().expect("a configuration") {
        scenario.set(property, value.clone());
    }
    scenario.connector.state = Some(kept["state"].clone());
    for row in kept["rows"].as_array().expect("rows") {
        scenario.table.insert(row);
    }
    (scenario, text(&kept["now"]))
}

/// A sync from a kept state that succeeds and leaves the truth; returns the records that the table held already.
fn sync(scenario: &mut Scenario, now: &str, name: &str) -> Vec<Value> {
    let before = scenario.table.clone();
    let output = scenario.try_sync(now);
    assert_eq!(output.exit_code, Some(0), "{name}: {:?}", output.errors());
    scenario.assert_true(&format!("{name}, at {now}"));
    let records = output.records().into_iter();
    let is_there = |record: &&Value| before.rows.get(&primary_key(record)) == Some(record);
    records.filter(is_there).cloned().collect()
}

#[test]
fn a_state_of_every_kind_is_kept() {
    let mut kept = states_in("");
    for format in FORMATS {
        let states = states_in(format).into_iter();
        kept.extend(states.map(|(name, text)| (format!("{format}/{name}"), text)));
    }
    for (name, mark) in KINDS {
        let text = kept
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not there"));
        assert!(text.contains(mark), "{name} no longer has {mark}");
    }
    let is_named = |name: &&String| KINDS.iter().any(|kind| kind.0 == *name);
    let unnamed: Vec<_> = kept.keys().filter(|name| !is_named(name)).collect();
    assert_eq!(unnamed, [""; 0], "a kept state is a kind of its own");
}

#[test]
fn sync_from_a_state_of_the_first_format_leaves_the_truth() {
    for (name, text) in states_in("first_format") {
        let (mut scenario, now) = written(&text);
        sync(&mut scenario, &now, &name);
        for now in [&now, LATER] {
            assert_eq!(sync(&mut scenario, now, &name), [""; 0], "{name}, at {now}");
        }
    }
}

#[test]
fn sync_from_a_state_with_digests_leaves_the_truth_and_repeats_nothing() {
    for (name, text) in states_in("digests") {
        for is_at_once in [true, false] {
            let (mut scenario, now) = written(&text);
            let now = if is_at_once { &now } else { LATER };
            assert_eq!(sync(&mut scenario, now, &name), [""; 0], "{name}, at {now}");
        }
    }
}

#[test]
fn state_after_which_nothing_is_new_is_written_as_it_was() {
    for name in [
        "days",
        "unadjusted_days",
        "ticker_without_bars",
        "hours",
        "market",
        "plan_limit",
    ] {
        let (mut scenario, now) = written(&states_in("digests")[name]);
        let kept = scenario.connector.state.clone();
        let output = scenario.sync(&now);
        assert_eq!(output.records(), [&Value::Null; 0], "{name}");
        assert_eq!(output.logs("WARN"), [""; 0], "{name}: all was told");
        assert_eq!(scenario.connector.state, kept, "{name}");
    }
}

#[test]
fn sync_without_a_start_date_leaves_no_hole() {
    for (name, text) in FORMATS.into_iter().flat_map(states_in) {
        let (mut scenario, now) = written(&text);
        let start_date = scenario.connector.config["start_date"].clone();
        scenario.set("start_date", Value::Null).sync(&now);
        scenario.set("start_date", start_date);
        let (mut truth, rows) = (scenario.truth(), &scenario.table.rows);
        let first = |ticker: &str| rows.keys().find(|key| key.0 == ticker);
        truth.rows.retain(|key, _| first(&key.0) <= Some(key));
        assert_eq!(scenario.table.differences(&truth), [""; 0], "{name}");
    }
}

#[test]
fn sync_up_to_an_earlier_end_date_leaves_no_row_on_an_old_basis() {
    for (name, text) in FORMATS.into_iter().flat_map(states_in) {
        let (mut scenario, now) = written(&text);
        let start_date = scenario.connector.config["start_date"].clone();
        scenario.set("end_date", start_date).sync(&now);
        scenario.set("end_date", Value::Null);
        let mut truth = scenario.truth();
        let is_there = |key: &PrimaryKey| scenario.table.rows.contains_key(key);
        truth.rows.retain(|key, _| is_there(key));
        assert_eq!(scenario.table.differences(&truth), [""; 0], "{name}");
    }
}

#[test]
fn sync_from_the_tutorials_state_begins_at_its_date() {
    let mut scenario = Scenario::new(market(), "AAPL,TSLA", "stock_prices", "");
    scenario.set("start_date", Value::Null);
    let state = &states_in("")["tutorial"];
    scenario.connector.state = Some(serde_json::from_str(state).expect("JSON"));
    let output = scenario.sync(LATER);
    assert_eq!(output.prices()[0], ("AAPL", "2020-02-03", 234.0));
    scenario.set("start_date", "2020-02-01");
    scenario.assert_true("the tutorial's state");
}
