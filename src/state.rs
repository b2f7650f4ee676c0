//! What a stream's state says: how far each series of bars was read, and on which price basis.
//!
//! A series is one ticker, or the whole market. Its state as JSON, the cursor under the cursor field's name:
//!
//! ```json
//! {"since": "2024-01-02", "date": "2026-11-19", "price": 633.25, "adjusted": true}
//! ```
//!
//! Two things can be under way besides, each with progress of its own, so that a run that breaks off is taken up again:
//! `"backfill"` reads what lies before `since`, and `"reread"` reads the history anew on another basis. Until a re-read
//! has come as far as the old cursor, the outer values stand, because rows on the old basis are still there.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::{Map, Number, Value, json};

use crate::error::Failure;
use crate::streams::{BarSize, Endpoint, Stream};
use crate::window::day_after;

/// The last bar that was emitted.
#[derive(Debug, Clone, PartialEq)]
pub struct LastBar {
    /// Its key (see [`crate::streams::BarSize::key`]), epoch milliseconds.
    pub key: i64,
    /// Its closing price, USD, by which restated history is noticed; `None` where it is not looked at.
    pub price: Option<Number>,
}

/// A stretch of history that was emitted, from a day on.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The first day (New York) that was asked for.
    pub since: Date,
    /// The last bar emitted; `None` if there was none.
    pub last: Option<LastBar>,
}

impl Progress {
    /// Nothing read yet.
    pub fn from(since: Date) -> Progress {
        Progress { since, last: None }
    }

    /// The key of the last bar emitted.
    pub fn last_key(&self) -> Option<i64> {
        self.last.as_ref().map(|last| last.key)
    }
}

/// A re-read of the history that is under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Reread {
    /// How far it has come.
    pub progress: Progress,
    /// The basis on which it reads.
    pub adjusted: bool,
}

/// What a pass over a stretch of days is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To go on after the last bar.
    Onward,
    /// To read what lies before the first day.
    Backfill,
    /// To read the history anew, because it was restated or is wanted on another basis.
    Reread,
}

/// How far a series was read.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesState {
    /// What is in the destination.
    pub read: Progress,
    /// The basis of its prices.
    pub adjusted: bool,
    /// What is being added before `read.since`.
    pub backfill: Option<Progress>,
    /// What is taking the place of `read`.
    pub reread: Option<Reread>,
}

impl SeriesState {
    /// Nothing read yet.
    pub fn from(since: Date, adjusted: bool) -> SeriesState {
        SeriesState { read: Progress::from(since), adjusted, backfill: None, reread: None }
    }

    /// The first day that was ever asked for, finished or not.
    pub fn earliest(&self) -> Date {
        let backfill = self.backfill.as_ref().map(|backfill| backfill.since);
        let reread = self.reread.as_ref().map(|reread| reread.progress.since);
        [backfill, reread].into_iter().flatten().fold(self.read.since, Date::min)
    }

    /// Begins to read the history anew from `since`, on the basis `adjusted`.
    pub fn begin_reread(&mut self, since: Date, adjusted: bool) {
        self.backfill = None;
        self.reread = Some(Reread { progress: Progress::from(since), adjusted });
    }

    /// Notes that a pass has emitted bars up to `last`.
    pub fn advance(&mut self, purpose: Purpose, last: LastBar) {
        let reached = last.key;
        self.progress_mut(purpose).last = Some(last);
        if self.reread.is_some() && self.read.last_key().is_none_or(|key| key <= reached) && purpose == Purpose::Reread
        {
            self.adopt_reread();
        }
    }

    /// Notes that a pass has come through to the end of the day `to`.
    pub fn finish(&mut self, purpose: Purpose, to: Date, size: BarSize) {
        match purpose {
            Purpose::Onward => {}
            Purpose::Backfill => {
                if let Some(backfill) = self.backfill.take_if(|_| day_after(to) >= self.read.since) {
                    self.read.since = backfill.since;
                }
            }
            Purpose::Reread => {
                let covers_all = self.read.last_key().is_none_or(|key| size.trading_day(key) <= to);
                match &self.reread {
                    Some(reread) if covers_all && reread.progress.last.is_some() => self.adopt_reread(),
                    // An empty answer moves nothing: the next sync tries again.
                    Some(reread) if covers_all && reread.progress.last.is_none() => self.reread = None,
                    _ => {}
                }
            }
        }
    }

    /// How far the pass has come for which `purpose` stands.
    pub fn progress(&self, purpose: Purpose) -> &Progress {
        match (purpose, &self.backfill, &self.reread) {
            (Purpose::Backfill, Some(backfill), _) => backfill,
            (Purpose::Reread, _, Some(reread)) => &reread.progress,
            _ => &self.read,
        }
    }

    fn progress_mut(&mut self, purpose: Purpose) -> &mut Progress {
        match (purpose, &mut self.backfill, &mut self.reread) {
            (Purpose::Backfill, Some(backfill), _) => backfill,
            (Purpose::Reread, _, Some(reread)) => &mut reread.progress,
            // A re-read that has caught up has become what is read.
            _ => &mut self.read,
        }
    }

    fn adopt_reread(&mut self) {
        if let Some(reread) = self.reread.take() {
            self.read = reread.progress;
            self.adjusted = reread.adjusted;
        }
    }

    /// The state as JSON.
    pub fn to_json(&self, stream: &Stream) -> Value {
        let mut json = progress_to_json(&self.read, stream);
        if stream.endpoint == Endpoint::Range {
            json.insert("adjusted".to_owned(), self.adjusted.into());
        }
        if let Some(backfill) = &self.backfill {
            json.insert("backfill".to_owned(), progress_to_json(backfill, stream).into());
        }
        if let Some(reread) = &self.reread {
            let mut inner = progress_to_json(&reread.progress, stream);
            inner.insert("adjusted".to_owned(), reread.adjusted.into());
            json.insert("reread".to_owned(), inner.into());
        }
        json.into()
    }

    /// Reads what [`Self::to_json`] writes, or less: with a cursor alone, the history is taken to begin there, and
    /// without a basis, to be on the one that is asked for now. Otherwise says what is wrong.
    fn from_json(json: &Value, stream: &Stream, adjusted: bool) -> Result<SeriesState, String> {
        let object = json.as_object().ok_or_else(|| format!("{json} is not an object"))?;
        let part = |name: &str| object.get(name).filter(|value| !value.is_null());
        let basis = |object: &Value| match &object["adjusted"] {
            Value::Null => Ok(adjusted),
            Value::Bool(adjusted) => Ok(*adjusted),
            other => Err(format!("\"adjusted\" is {other}")),
        };
        Ok(SeriesState {
            read: progress_from_json(json, stream)?,
            adjusted: basis(json)?,
            backfill: part("backfill").map(|backfill| progress_from_json(backfill, stream)).transpose()?,
            reread: part("reread")
                .map(|inner| {
                    Ok::<_, String>(Reread { progress: progress_from_json(inner, stream)?, adjusted: basis(inner)? })
                })
                .transpose()?,
        })
    }
}

fn progress_to_json(progress: &Progress, stream: &Stream) -> Map<String, Value> {
    let mut json = Map::new();
    json.insert("since".to_owned(), progress.since.to_string().into());
    if let Some(last) = &progress.last {
        json.insert(stream.cursor_field.to_owned(), stream.size.cursor_value(last.key).into());
        if let Some(price) = &last.price {
            json.insert("price".to_owned(), price.clone().into());
        }
    }
    json
}

fn progress_from_json(json: &Value, stream: &Stream) -> Result<Progress, String> {
    let cursor = match &json[stream.cursor_field] {
        Value::Null => None,
        Value::String(text) => {
            Some(stream.size.parse_cursor(text).ok_or_else(|| format!("{:?} is {text:?}", stream.cursor_field))?)
        }
        other => return Err(format!("{:?} is {other}", stream.cursor_field)),
    };
    let price = match &json["price"] {
        Value::Null => None,
        Value::Number(price) => Some(price.clone()),
        other => return Err(format!("\"price\" is {other}")),
    };
    let since = match &json["since"] {
        Value::Null => cursor
            .map(|key| stream.size.trading_day(key))
            .ok_or_else(|| format!("neither \"since\" nor {:?} is there", stream.cursor_field))?,
        Value::String(text) => text.parse().map_err(|_| format!("\"since\" is {text:?}"))?,
        other => return Err(format!("\"since\" is {other}")),
    };
    Ok(Progress { since, last: cursor.map(|key| LastBar { key, price }) })
}

/// The state of one stream: the series that were ever read, selected today or not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StreamState {
    /// By ticker; the whole market is under [`WHOLE_MARKET`].
    series: BTreeMap<String, SeriesState>,
    /// The state of the tutorial's connector, which knows one date for whatever ticker it was given: where to begin.
    tutorial: Option<Date>,
}

/// The name of the one series of a stream that asks for the whole market. It is no ticker, and in no message.
pub const WHOLE_MARKET: &str = "";

impl StreamState {
    /// How far a series was read; `None` if never.
    pub fn series(&self, name: &str, adjusted: bool) -> Option<SeriesState> {
        let from_tutorial = || self.tutorial.map(|date| SeriesState::from(date, adjusted));
        self.series.get(name).cloned().or_else(from_tutorial)
    }

    /// Notes how far a series has been read.
    pub fn set(&mut self, name: &str, state: SeriesState) {
        self.series.insert(name.to_owned(), state);
    }

    /// The `stream_state` of a STATE message.
    pub fn to_json(&self, stream: &Stream) -> Value {
        match stream.endpoint {
            Endpoint::Range => {
                let series: Map<_, _> =
                    self.series.iter().map(|(name, state)| (name.clone(), state.to_json(stream))).collect();
                series.into()
            }
            Endpoint::Grouped => self.series.get(WHOLE_MARKET).map_or_else(|| json!({}), |state| state.to_json(stream)),
        }
    }

    /// Reads a `stream_state`; a state that can't be understood is a failure, never a silent full read.
    fn from_json(json: &Value, stream: &Stream, adjusted: bool) -> Result<StreamState, Failure> {
        let unintelligible = |what: String| {
            Failure::config(format!(
                "The state of the stream {} can't be understood: {what}. Reset the stream (clear its data) to read it \
                 from the start.",
                stream.name
            ))
        };
        let mut state = StreamState::default();
        let entries = match json {
            Value::Null => return Ok(state),
            Value::Object(entries) => entries,
            other => return Err(unintelligible(format!("it is {other}"))),
        };
        if stream.endpoint == Endpoint::Grouped {
            if !entries.is_empty() {
                let market = SeriesState::from_json(json, stream, adjusted).map_err(unintelligible)?;
                state.set(WHOLE_MARKET, market);
            }
            return Ok(state);
        }
        for (name, entry) in entries {
            match entry {
                Value::Null => {}
                Value::String(date) if name == "date" => {
                    let date = date.parse().map_err(|_| unintelligible(format!("its \"date\" is {date:?}")))?;
                    state.tutorial = Some(date);
                }
                entry => {
                    let series = SeriesState::from_json(entry, stream, adjusted)
                        .map_err(|what| unintelligible(format!("for {name}, {what}")))?;
                    state.set(name, series);
                }
            }
        }
        Ok(state)
    }
}

/// Finds a stream's state in what `read` was handed: an array of STREAM states, one of them alone, a whole STATE
/// message, or the tutorial's object with a stream's name as key. Streams that are not there have no state.
pub fn stream_state(handed: &Value, stream: &Stream, adjusted: bool) -> Result<StreamState, Failure> {
    let json = match handed {
        Value::Array(states) => states.iter().rev().find_map(|state| of_stream(state, stream.name)),
        Value::Object(message) if message.get("type").is_some_and(|kind| kind == "STATE") => {
            of_stream(&message["state"], stream.name)
        }
        Value::Object(state) if state.contains_key("stream") => of_stream(handed, stream.name),
        Value::Object(by_name) => by_name.get(stream.name),
        Value::Null => None,
        _ => {
            return Err(Failure::config(
                "The state file holds neither a list of stream states nor an object. Hand over the states of an earlier \
                 run, or none.",
            ));
        }
    };
    StreamState::from_json(json.unwrap_or(&Value::Null), stream, adjusted)
}

fn of_stream<'a>(state: &'a Value, name: &str) -> Option<&'a Value> {
    let stream = &state["stream"];
    (stream["stream_descriptor"]["name"] == name).then_some(&stream["stream_state"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn stock_prices() -> &'static Stream {
        Stream::by_name("stock_prices").unwrap()
    }

    fn read(handed: Value) -> Result<StreamState, Failure> {
        stream_state(&handed, stock_prices(), true)
    }

    fn tsla() -> Value {
        json!({"TSLA": {"since": "2024-01-02", "date": "2026-11-19", "price": 633.25, "adjusted": true}})
    }

    fn as_stream(state: Value) -> Value {
        json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": "stock_prices", "namespace": null}, "stream_state": state},
               "global": null, "data": null})
    }

    #[test]
    fn is_written_as_it_was_read() {
        let unfinished = json!({"AAPL": {
            "since": "2024-01-02", "date": "2026-11-19", "price": 695, "adjusted": true,
            "backfill": {"since": "2020-01-02", "date": "2022-02-02", "price": 1.5},
            "reread": {"since": "2020-01-02", "adjusted": false},
        }});
        for state in [tsla(), unfinished, json!({})] {
            let read = read(json!([as_stream(state.clone())])).unwrap();
            assert_eq!(read.to_json(stock_prices()), state);
        }
    }

    #[test]
    fn is_found_in_every_form_in_which_it_is_handed_over() {
        let other =
            json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": "other"}, "stream_state": {"x": [1]}}});
        for handed in [
            json!([other, as_stream(tsla())]),
            json!([as_stream(json!({})), as_stream(tsla())]),
            as_stream(tsla()),
            json!({"type": "STATE", "state": as_stream(tsla())}),
            json!({"stock_prices": tsla(), "other": 7}),
        ] {
            let state = read(handed.clone()).unwrap().series("TSLA", true);
            assert_eq!(
                state.and_then(|state| state.read.last).map(|last| last.price),
                Some(Number::from_f64(633.25)),
                "{handed}"
            );
        }
        for handed in
            [json!([]), json!({}), json!(null), json!([other]), json!([null]), json!([as_stream(json!(null))])]
        {
            assert_eq!(read(handed).unwrap(), StreamState::default());
        }
    }

    #[test]
    fn the_tutorials_state_is_a_start_for_every_ticker() {
        for handed in
            [json!({"stock_prices": {"date": "2020-02-01"}}), json!([as_stream(json!({"date": "2020-02-01"}))])]
        {
            let state = read(handed).unwrap();
            assert_eq!(state.series("TSLA", true), Some(SeriesState::from(date(2020, 2, 1), true)));
        }
    }

    #[test]
    fn a_cursor_alone_is_enough() {
        let state =
            read(json!([as_stream(json!({"TSLA": {"date": "2024-01-02"}}))])).unwrap().series("TSLA", false).unwrap();
        assert_eq!(state.read.since, date(2024, 1, 2));
        assert_eq!(state.read.last_key(), Some(crate::window::utc_midnight(date(2024, 1, 2))));
        assert_eq!(state.reread, None);
    }

    #[test]
    fn a_state_that_can_not_be_understood_says_to_reset_the_stream() {
        for broken in [
            json!({"TSLA": "2024-01-02"}),
            json!({"TSLA": {"date": "yesterday"}}),
            json!({"TSLA": {"date": 7}}),
            json!({"TSLA": {"date": "2024-01-02", "price": "633.25"}}),
            json!({"TSLA": {"since": "1st of May"}}),
            json!({"TSLA": {"date": "2024-01-02", "adjusted": "yes"}}),
            json!({"TSLA": {"date": "2024-01-02", "reread": 7}}),
            json!({"TSLA": {}}),
            json!({"date": "yesterday"}),
            json!([tsla()]),
            json!("TSLA"),
        ] {
            let failure = read(json!([as_stream(broken.clone())])).unwrap_err();
            assert!(failure.message.contains("Reset the stream"), "{broken}: {}", failure.message);
        }
        assert!(read(json!("TSLA")).is_err());
    }
}
