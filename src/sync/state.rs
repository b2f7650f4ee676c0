//! What a stream's state remembers of each ticker, or of the whole market.
//!
//! ```json
//! {"TSLA": {"since": "2024-01-02", "date": "2026-11-19", "adjusted": true, "blocks": "…", "backlog": ["…"]}}
//! ```

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::backlog::Backlog;
use super::blocks::Block;
use super::checksum::VERSION;
use super::emitted_events::{EmittedEvents, TickerEvents};
use super::plan_start::PlanStart;
use crate::calendar::{Date, DateRange, day_after, day_before, parse_date, utc_date, utc_midnight};
use crate::streams::{Endpoint, Stream};

/// What the destination holds of a ticker or a market, and what still has to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetState {
    /// The first day that was ever requested, in the market's zone.
    pub(crate) since: Date,
    /// The last bar that was emitted (see [`crate::timespan::Timespan::cursor`]).
    pub(crate) cursor: Option<i64>,
    /// Whether the prices are adjusted for splits.
    pub(crate) adjusted: bool,
    /// The emitted bars, by days; in order of time. Days that no block covers were not emitted.
    pub(crate) blocks: Vec<Block>,
    /// What still has to be read.
    pub(crate) backlog: Backlog,
    /// Where the plan's history begins, if the API refused to begin earlier.
    pub(crate) plan_start: Option<PlanStart>,
    /// Whether the API returned none of the emitted bars the last time, and a warning said so.
    pub(crate) is_missing: bool,
}

impl TargetState {
    /// Nothing emitted yet.
    pub(crate) fn starting(since: Date, adjusted: bool) -> TargetState {
        TargetState {
            since,
            cursor: None,
            adjusted,
            blocks: Vec::new(),
            backlog: Backlog::default(),
            plan_start: None,
            is_missing: false,
        }
    }

    /// The number of the block that covers `day`.
    pub(crate) fn block_of(&self, day: Date) -> Option<usize> {
        let place = self.blocks.partition_point(|block| block.from <= day).checked_sub(1)?;
        (day <= self.end_of(place, day)).then_some(place)
    }

    /// The days of a block; the last one reaches to `last_day`.
    pub(crate) fn days_of(&self, place: usize, last_day: Date) -> DateRange {
        DateRange { from: self.blocks[place].from, to: self.end_of(place, last_day) }
    }

    fn end_of(&self, place: usize, last_day: Date) -> Date {
        let from = self.blocks[place].from;
        let next_block = self.blocks.get(place + 1).map(|next| next.from);
        let mut pending = self.backlog.ranges().iter().map(|range| range.from);
        let next_pending = pending.find(|begin| *begin > from);
        let next = next_block.into_iter().chain(next_pending).min();
        next.map_or(last_day.max(from), day_before)
    }

    /// Forgets what was emitted of these blocks, so that they are read again: their bars are about to be emitted again.
    pub(crate) fn forget(&mut self, blocks: &[DateRange]) {
        for days in blocks {
            self.blocks.retain(|block| block.from != days.from);
            self.backlog.add(*days);
        }
    }

    /// Notes that all bars of `days` are in the destination, in these blocks.
    pub(crate) fn replace(&mut self, days: DateRange, blocks: impl IntoIterator<Item = Block>) {
        self.blocks.retain(|block| !days.contains(block.from));
        self.blocks.extend(blocks);
        self.blocks.sort_by_key(|block| block.from);
        self.backlog.remove(days);
    }
}

/// The state of one stream: the tickers that were ever read, whether they are configured today or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StreamState {
    /// By ticker; a whole market has no ticker, and its state the empty name.
    targets: BTreeMap<String, TargetState>,
    /// The tutorial's state: one date, for any ticker.
    tutorial_date: Option<Date>,
    /// Of a stream of corporate actions.
    pub(super) events: EmittedEvents,
}

impl StreamState {
    /// The state of a target; `None` if it was never read.
    pub(crate) fn target(&self, ticker: &str) -> Option<&TargetState> {
        self.targets.get(ticker)
    }

    /// Sets the state of a target.
    pub(crate) fn set(&mut self, ticker: &str, state: TargetState) {
        self.targets.insert(ticker.to_owned(), state);
    }

    /// Hands the tutorial's date to all tickers at once, so that none loses it when another one is read first. Rows up
    /// to that date are assumed to have been emitted.
    pub(crate) fn spread_tutorial_date<'a>(&mut self, tickers: impl Iterator<Item = &'a str>, adjusted: bool) {
        let Some(date) = self.tutorial_date.take() else {
            return;
        };
        for ticker in tickers {
            let start =
                || TargetState { cursor: Some(utc_midnight(date)), ..TargetState::starting(day_after(date), adjusted) };
            self.targets.entry(ticker.to_owned()).or_insert_with(start);
        }
    }

    /// The `stream_state` of a STATE message.
    pub(crate) fn to_json(&self, stream: &Stream) -> Value {
        let json = |state| {
            let mut json = serde_json::to_value(StoredTarget::new(state, stream)).unwrap_or_default();
            json.as_object_mut().into_iter().for_each(|object| object.retain(|_, value| !value.is_null()));
            json
        };
        match stream.endpoint {
            Endpoint::Range => {
                let entry = |(ticker, state): (&String, _)| (ticker.clone(), json(state));
                self.targets.iter().map(entry).collect::<Map<_, _>>().into()
            }
            Endpoint::Grouped(_) => self.targets.get("").map_or_else(|| json!({}), json),
            Endpoint::Actions { .. } => self.events.to_json(),
        }
    }

    /// Reads what [`Self::to_json`] writes. `adjusted` is for a state that does not say it.
    pub(crate) fn from_json(json: &Value, stream: &Stream, adjusted: bool) -> Result<StreamState> {
        let mut state = StreamState::default();
        let entries = match json {
            Value::Null => return Ok(state),
            Value::Object(entries) => entries,
            _ => bail!("expected an object such as {}", example(stream)),
        };
        if let Endpoint::Actions { .. } = stream.endpoint {
            state.events = EmittedEvents::from_json(entries)?;
            return Ok(state);
        }
        let mut add = |ticker: &str, json: &Value| -> Result<()> {
            let stored = StoredTarget::deserialize(json)?;
            state.set(ticker, stored.into_state(stream, adjusted)?);
            Ok(())
        };
        if stream.endpoint != Endpoint::Range {
            if !entries.is_empty() {
                add("", json)?;
            }
            return Ok(state);
        }
        for (ticker, json) in entries {
            match json {
                Value::Null => {}
                Value::String(text) if ticker == "date" => {
                    state.tutorial_date = Some(parsed("date", text, "a date", parse_date)?);
                    return Ok(state);
                }
                json => add(ticker, json)
                    .with_context(|| format!("{ticker:?} is not the state of a ticker, such as {}", example(stream)))?,
            }
        }
        Ok(state)
    }
}

/// A state as a message shows it.
fn example(stream: &Stream) -> Value {
    let target = json!({"since": "2024-01-02", stream.cursor_field(): "…"});
    match stream.endpoint {
        Endpoint::Range => json!({"TSLA": target}),
        Endpoint::Grouped(_) => target,
        Endpoint::Actions { .. } => json!({"TSLA": TickerEvents::default().to_string()}),
    }
}

/// A target's state as it is written; the cursor is named like the stream's cursor field.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredTarget {
    since: Option<String>,
    date: Option<String>,
    timestamp: Option<String>,
    adjusted: Option<bool>,
    blocks: Option<String>,
    /// The version of the checksums, except those of blocks that name another one.
    checksum: Option<u8>,
    backlog: Option<Vec<String>>,
    plan_start: Option<String>,
    plan_start_seen: Option<String>,
    missing: Option<bool>,
}

impl StoredTarget {
    fn new(state: &TargetState, stream: &Stream) -> StoredTarget {
        let timespan = stream.timespan;
        let cursor = state.cursor.map(|cursor| timespan.cursor_text(cursor));
        let (date, timestamp) = if timespan.is_intraday() { (None, cursor) } else { (cursor, None) };
        let blocks: Vec<_> = state.blocks.iter().map(Block::to_string).collect();
        let backlog = state.backlog.ranges().iter().map(DateRange::to_string);
        StoredTarget {
            since: Some(state.since.to_string()),
            date,
            timestamp,
            adjusted: (stream.endpoint == Endpoint::Range).then_some(state.adjusted),
            blocks: (!blocks.is_empty()).then(|| blocks.join(" ")),
            checksum: (!blocks.is_empty()).then_some(VERSION),
            backlog: (!state.backlog.is_empty()).then(|| backlog.collect()),
            plan_start: state.plan_start.map(|start| start.day.to_string()),
            plan_start_seen: state.plan_start.map(|start| start.seen_on.to_string()),
            missing: state.is_missing.then_some(true),
        }
    }

    fn into_state(self, stream: &Stream, adjusted: bool) -> Result<TargetState> {
        let timespan = stream.timespan;
        let date = |name, text: Option<&String>| text.map(|text| parsed(name, text, "a date", parse_date)).transpose();
        let (name, text) = if timespan.is_intraday() { ("timestamp", self.timestamp) } else { ("date", self.date) };
        let parse = |text: String| parsed(name, &text, &format!("a {name}"), |text| timespan.parse_cursor(text));
        let cursor = text.map(parse).transpose()?;
        let (mut blocks, version) = (Vec::new(), self.checksum.unwrap_or(1));
        for text in self.blocks.iter().flat_map(|blocks| blocks.split_whitespace()) {
            blocks.push(parsed("blocks", text, "a block that this version wrote", |text| Block::parse(text, version))?);
        }
        ensure!(
            blocks.is_sorted_by(|one: &Block, next: &Block| one.from < next.from),
            "\"blocks\" must be in the order of time"
        );
        let mut backlog = Vec::new();
        for text in self.backlog.iter().flatten() {
            backlog.push(parsed("backlog", text, "a range of days", DateRange::parse)?);
        }
        let mut since = date("since", self.since.as_ref())?;
        if let (Some(cursor), true, true) = (cursor, blocks.is_empty(), backlog.is_empty()) {
            // Rows up to a cursor without blocks are assumed to have been emitted; of the cursor's session, some.
            let last_day = timespan.last_day_of(utc_date(cursor));
            since = Some(if timespan.is_intraday() { last_day } else { day_after(last_day) });
        }
        let first = blocks.first().map(|block| block.from);
        let since = since.map(|since| first.map_or(since, |first| first.min(since)));
        let plan_start = date("plan_start", self.plan_start.as_ref())?
            .zip(date("plan_start_seen", self.plan_start_seen.as_ref())?)
            .map(|(day, seen_on)| PlanStart { day, seen_on });
        Ok(TargetState {
            since: since.with_context(|| format!("neither \"since\" nor {:?} is there", stream.cursor_field()))?,
            cursor,
            adjusted: self.adjusted.unwrap_or(adjusted),
            blocks,
            backlog: backlog.into_iter().collect(),
            plan_start,
            is_missing: self.missing.unwrap_or(false),
        })
    }
}

fn parsed<T>(name: &str, text: &str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
    /// A longer text is not quoted: it could be cut within the key.
    const MAX_QUOTED_LEN: usize = 80;
    parse(text).with_context(|| {
        if text.len() > MAX_QUOTED_LEN {
            format!("{name:?} must be {expected}")
        } else {
            format!("{name:?} must be {expected}, got {text:?}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(name: &str) -> &'static Stream {
        Stream::by_name(name).unwrap()
    }

    fn read(name: &str, json: &Value) -> Result<StreamState> {
        StreamState::from_json(json, stream(name), true)
    }

    #[test]
    fn states_are_the_same_after_they_were_written_and_read() {
        let blocks = "20241202=AAAAAAAA 20250101=210*AAAAAAAAAAAAAAAA@20261119";
        let target = |cursor_field: &str, cursor: &str| {
            json!({"since": "2024-11-28", cursor_field: cursor, "blocks": blocks, "checksum": VERSION,
                "backlog": ["2024-11-28 to 2024-12-01", "2025-03-01"],
                "plan_start": "2024-11-28", "plan_start_seen": "2026-11-27", "missing": true})
        };
        let mut days = target("date", "2025-02-03");
        days["adjusted"] = json!(false);
        let mut hours = target("timestamp", "2025-02-03T15:00:00Z");
        hours["adjusted"] = json!(true);
        for (name, json) in [
            ("stock_prices", json!({"TSLA": days, "AAPL": {"since": "2026-01-02", "adjusted": true}})),
            ("stock_prices_by_hour", json!({"TSLA": hours})),
            ("market_prices", target("date", "2025-02-03")),
            ("market_prices", json!({})),
        ] {
            let written = read(name, &json).unwrap().to_json(stream(name));
            assert_eq!(written, json, "{name}");
        }
    }

    #[test]
    fn rows_up_to_a_cursor_without_blocks_are_assumed_to_have_been_emitted() {
        for (name, json, since) in [
            ("stock_prices", json!({"TSLA": {"date": "2026-01-30"}}), "2026-01-31"),
            ("stock_prices_by_week", json!({"TSLA": {"date": "2026-01-25", "since": "2020-01-05"}}), "2026-02-01"),
            ("stock_prices_by_hour", json!({"TSLA": {"timestamp": "2026-01-30T15:00:00Z"}}), "2026-01-30"),
        ] {
            let state = read(name, &json).unwrap();
            assert_eq!(state.target("TSLA").unwrap().since.to_string(), since, "{name}");
        }
        let mut tutorial = read("stock_prices", &json!({"date": "2020-02-01"})).unwrap();
        tutorial.spread_tutorial_date(["A", "B"].into_iter(), true);
        let since = |ticker| tutorial.target(ticker).unwrap().since.to_string();
        assert_eq!([since("A"), since("B")], ["2020-02-02", "2020-02-02"]);
    }

    #[test]
    fn what_is_no_state_is_refused_with_what_was_expected() {
        for (name, json, expected) in [
            ("stock_prices", json!([]), "expected an object such as"),
            ("stock_prices", json!({"TSLA": 7}), "\"TSLA\" is not the state of a ticker"),
            ("stock_prices", json!({"TSLA": {}}), "neither \"since\" nor \"date\""),
            ("stock_prices", json!({"TSLA": {"since": "2026-02-30"}}), "\"since\" must be a date"),
            ("stock_prices", json!({"TSLA": {"since": "2026-02-01", "blocks": "x"}}), "\"blocks\" must be"),
            ("stock_prices", json!({"TSLA": {"since": "2026-02-01", "backlog": ["x"]}}), "\"backlog\" must be"),
            (
                "stock_prices",
                json!({"TSLA": {"since": "2026-02-01", "blocks": "20260202=AAAAAAAA 20260201=AAAAAAAA"}}),
                "in the order of time",
            ),
            ("stock_prices", json!({"date": "2020"}), "\"date\" must be a date"),
            ("market_prices", json!({"since": true}), "expected a string"),
        ] {
            let error = format!("{:#}", read(name, &json).unwrap_err());
            assert!(error.contains(expected), "{json}: {error}");
        }
    }

    #[test]
    fn a_block_reaches_to_the_next_one_or_to_what_is_pending() {
        let json = json!({"T": {"since": "2026-01-01", "date": "2026-01-20",
            "blocks": "20260102=AAAAAAAA 20260106=AAAAAAAA 20260115=AAAAAAAA", "backlog": ["2026-01-10 to 2026-01-14"]}});
        let state = read("stock_prices", &json).unwrap();
        let state = state.target("T").unwrap();
        let day = |day| Date::from_ymd_opt(2026, 1, day).unwrap();
        let days = |place| state.days_of(place, day(20)).to_string();
        assert_eq!(
            [days(0), days(1), days(2)],
            ["2026-01-02 to 2026-01-05", "2026-01-06 to 2026-01-09", "2026-01-15 to 2026-01-20"]
        );
        let block_of = |number| state.block_of(day(number));
        assert_eq!(
            [1, 2, 5, 9, 10, 14, 15, 31].map(block_of),
            [None, Some(0), Some(0), Some(1), None, None, Some(2), Some(2)]
        );
    }
}
