//! What a stream's state says, as JSON: for each series its stretch, the cursor under the cursor field's name.
//!
//! ```json
//! {"TSLA": {"since": "2024-01-02", "first": "2024-01-02", "date": "2026-11-19", "adjusted": true, "digests": "…"}}
//! ```
//!
//! States of 0.1.0, of the connector from Airbyte's *Build a source* tutorial, and cursors written by hand are read, too.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::digests::Digests;
use super::stretch::{Anchor, Granted, Stretch};
use crate::calendar::{Date, parse_date, utc_date};
use crate::streams::{Endpoint, PriceBasis, SeriesId, Stream};

/// The state of one stream: the series that were ever read, selected today or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StreamState {
    /// By ticker.
    tickers: BTreeMap<String, Stretch>,
    /// Of the whole market.
    market: Option<Stretch>,
    /// The tutorial's state: one date for whatever ticker it was given, from which to begin.
    tutorial_start: Option<Date>,
}

impl StreamState {
    /// The stretch of a series; `None` if it was never read.
    pub(crate) fn stretch(&self, series: &SeriesId) -> Option<&Stretch> {
        match series {
            SeriesId::Ticker { name, .. } => self.tickers.get(name),
            SeriesId::WholeMarket => self.market.as_ref(),
        }
    }

    /// Sets the stretch of a series.
    pub(crate) fn set(&mut self, series: &SeriesId, stretch: Stretch) {
        match series {
            SeriesId::Ticker { name, .. } => drop(self.tickers.insert(name.clone(), stretch)),
            SeriesId::WholeMarket => self.market = Some(stretch),
        }
    }

    /// Gives the tutorial's start to all series at once, so that none of them loses it when another is read first.
    pub(crate) fn spread_tutorial_start(&mut self, series: &[SeriesId], basis: PriceBasis) {
        let Some(start) = self.tutorial_start.take() else {
            return;
        };
        for id in series {
            if self.stretch(id).is_none() {
                self.set(id, Stretch::starting(start, basis));
            }
        }
    }

    /// The `stream_state` of a STATE message.
    pub(crate) fn to_json(&self, stream: &Stream) -> Value {
        match stream.endpoint {
            Endpoint::Range => {
                let entry = |(name, stretch): (&String, &Stretch)| {
                    (name.clone(), stretch_to_json(stretch, stream))
                };
                self.tickers.iter().map(entry).collect::<Map<_, _>>().into()
            }
            Endpoint::Grouped => self
                .market
                .as_ref()
                .map_or_else(|| json!({}), |stretch| stretch_to_json(stretch, stream)),
        }
    }

    /// Reads what [`Self::to_json`] writes.
    pub(super) fn from_json(
        json: &Value,
        stream: &Stream,
        basis: PriceBasis,
    ) -> Result<StreamState> {
        let mut state = StreamState::default();
        let entries = match json {
            Value::Null => return Ok(state),
            Value::Object(entries) => entries,
            other => bail!("expected an object, got {}", quoted(other)),
        };
        if stream.endpoint == Endpoint::Grouped {
            if !entries.is_empty() {
                state.market = Some(stretch_from_json(json, stream, basis)?);
            }
            return Ok(state);
        }
        for (name, entry) in entries {
            match entry {
                Value::Null => {}
                Value::String(text) if name == "date" => {
                    let date = parse_date(text)
                        .with_context(|| format!("\"date\" must be a date, got {text:?}"))?;
                    state.tutorial_start = Some(date);
                }
                entry => {
                    let stretch =
                        stretch_from_json(entry, stream, basis).with_context(|| name.clone())?;
                    state.tickers.insert(name.clone(), stretch);
                }
            }
        }
        Ok(state)
    }
}

fn stretch_to_json(stretch: &Stretch, stream: &Stream) -> Value {
    let timespan = stream.timespan;
    let mut json = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            json.insert(key.to_owned(), value);
        }
    };
    let cursor_text =
        |cursor: Option<i64>| cursor.map(|cursor| timespan.cursor_text(cursor).into());
    set("since", Some(stretch.since.to_string().into()));
    set("first", cursor_text(stretch.first));
    set(stream.cursor_field(), cursor_text(stretch.cursor));
    set("until", cursor_text(stretch.until));
    set(
        "adjusted",
        (stream.endpoint == Endpoint::Range).then(|| stretch.basis.is_adjusted().into()),
    );
    set(
        "digests",
        (!stretch.digests.is_empty()).then(|| stretch.digests.to_string().into()),
    );
    if let Some(anchor) = &stretch.anchor {
        set("anchor", cursor_text(Some(anchor.cursor)));
        set("anchor_digest", Some(anchor.digest.to_string().into()));
        let checked = anchor.checked.map(|day| day.to_string().into());
        set("anchor_checked", checked);
    }
    if let Some(granted) = &stretch.granted {
        set("granted_from", Some(granted.from.to_string().into()));
        set("granted_on", Some(granted.on.to_string().into()));
    }
    set("missing", stretch.told_missing.then_some(true.into()));
    json.into()
}

/// The typed fields of one series' JSON.
struct Fields<'a> {
    json: &'a Map<String, Value>,
    stream: &'a Stream,
}

impl Fields<'_> {
    fn text(&self, key: &str, expected: &str) -> Result<Option<&str>> {
        match self.json.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => bail!("\"{key}\" must be {expected}, got {}", quoted(other)),
        }
    }

    fn parsed<T>(
        &self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(text) = self.text(key, expected)? else {
            return Ok(None);
        };
        parse(text)
            .map(Some)
            .with_context(|| format!("\"{key}\" must be {expected}, got {text:?}"))
    }

    fn date(&self, key: &str) -> Result<Option<Date>> {
        self.parsed(key, "a date", parse_date)
    }

    fn cursor(&self, key: &str) -> Result<Option<i64>> {
        let expected = if self.stream.timespan.is_intraday() {
            "a timestamp"
        } else {
            "a date"
        };
        self.parsed(key, expected, |text| {
            self.stream.timespan.parse_cursor(text)
        })
    }

    fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.json.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => bail!("\"{key}\" must be true or false, got {}", quoted(other)),
        }
    }

    fn anchor(&self) -> Result<Option<Anchor>> {
        let digest = self.parsed("anchor_digest", "a digest", super::digest::Digest::parse)?;
        let checked = self.date("anchor_checked")?;
        let anchor = self.cursor("anchor")?.zip(digest);
        Ok(anchor.map(|(cursor, digest)| Anchor {
            cursor,
            digest,
            checked,
        }))
    }
}

/// Reads what [`stretch_to_json`] writes, or less: with a cursor alone, the history is taken to begin there, and without
/// `adjusted`, to be on the basis that is wanted now.
fn stretch_from_json(json: &Value, stream: &Stream, basis: PriceBasis) -> Result<Stretch> {
    let Some(json) = json.as_object() else {
        bail!("expected an object, got {}", quoted(json))
    };
    let fields = Fields { json, stream };
    let last = fields.cursor(stream.cursor_field())?;
    let (mut since, mut cursor, mut until) = (fields.date("since")?, last, fields.cursor("until")?);
    // 0.1.0 knew further ranges that were being read: they go on, with all that follows them.
    for unfinished in ["backfill", "reread"] {
        match json.get(unfinished) {
            None | Some(Value::Null) => {}
            Some(Value::Object(range)) => {
                let range = Fields {
                    json: range,
                    stream,
                };
                since = [since, range.date("since")?].into_iter().flatten().min();
                cursor = cursor.min(range.cursor(stream.cursor_field())?);
                until = until.max(last);
            }
            Some(other) => bail!("\"{unfinished}\" must be an object, got {}", quoted(other)),
        }
    }
    let digests = fields.parsed("digests", "a list of digests", Digests::parse)?;
    let first = fields.cursor("first")?.or(last);
    // The stretch holds its first bar, whatever the state says.
    let since = since.into_iter().chain(first.map(utc_date)).min();
    Ok(Stretch {
        since: since.with_context(|| {
            format!("neither \"since\" nor {:?} is there", stream.cursor_field())
        })?,
        first,
        cursor,
        until,
        basis: fields
            .flag("adjusted")?
            .map_or(basis, PriceBasis::from_adjusted),
        digests: digests.unwrap_or_default(),
        anchor: fields.anchor()?,
        granted: fields
            .date("granted_from")?
            .zip(fields.date("granted_on")?)
            .map(|(from, on)| Granted { from, on }),
        told_missing: fields.flag("missing")?.unwrap_or(false),
    })
}

/// A JSON value as it is quoted in a message. A long one is not: cut, it could show a part of the key.
pub(super) fn quoted(json: &Value) -> String {
    const MAX_QUOTED_LEN: usize = 80;
    let text = json.to_string();
    if text.len() <= MAX_QUOTED_LEN {
        return text;
    }
    let kind = match json {
        Value::Object(_) => "an object",
        Value::Array(_) => "a list",
        Value::String(_) => "a long text",
        Value::Null | Value::Bool(_) | Value::Number(_) => "a long number",
    };
    kind.to_owned()
}
