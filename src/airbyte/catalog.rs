//! The catalog that `read` is passed: the streams to read.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::error::Failure;
use crate::json_file::InputFile;
use crate::streams::{STREAMS, Stream};

/// Both are read alike: a state is honoured in both, and the platform passes none to a new full refresh.
const SYNC_MODES: [&str; 2] = ["full_refresh", "incremental"];

/// The streams to read, in the order of the catalog.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// The streams to read.
    pub(crate) streams: Vec<&'static Stream>,
    /// Streams of `discover`'s catalog that are not read.
    left_out: Vec<&'static Stream>,
}

impl Selection {
    /// Reads the catalog file at `path`: a configured catalog, or the output of `discover`.
    pub(crate) fn read(path: &Path) -> Result<Selection, Failure> {
        let mut catalog = Value::Null;
        InputFile::CATALOG.read_each(path, |mut value| {
            if value["type"] == "CATALOG" {
                catalog = value["catalog"].take();
            } else if catalog.is_null() {
                catalog = value;
            }
            Ok(())
        })?;
        Selection::parse(&catalog)
    }

    /// The streams of a catalog. Other keys may hold anything.
    pub(crate) fn parse(catalog: &Value) -> Result<Selection, Failure> {
        Selection::from_value(catalog).map_err(|error| Failure::config(format!("Invalid catalog: {error:#}.")))
    }

    /// Of the streams that `discover` found, only those of the configured tickers are selected: whole markets take hours on
    /// a free key. If there are only whole markets, the user must have chosen them.
    fn from_value(catalog: &Value) -> Result<Selection> {
        let expected = "no list \"streams\"; expected a configured catalog or the output of discover";
        let mut selection = Selection::default();
        for entry in catalog["streams"].as_array().context(expected)? {
            let configured = entry.get("stream");
            let name = configured.unwrap_or(entry)["name"].as_str();
            let name = name.context("a stream without \"stream\": {\"name\": …}")?;
            let Some(stream) = Stream::by_name(name) else {
                let known = STREAMS.each_ref().map(|stream| stream.name).join(", ");
                bail!("unknown stream {name:?}. Refresh the source's schema; known are {known}")
            };
            let (mode, known) = (&entry["sync_mode"], SYNC_MODES.join(", "));
            let is_known = configured.is_none() || SYNC_MODES.iter().any(|known| mode == known);
            ensure!(is_known, "unknown sync mode {mode} for {name}; known are {known}");
            let Selection { streams, left_out } = &mut selection;
            let mut others = streams.iter().chain(&*left_out);
            ensure!(others.all(|other| other.name != name), "duplicate stream {name:?}");
            if configured.is_some() || stream.is_about_tickers() {
                streams.push(stream);
            } else {
                left_out.push(stream);
            }
        }
        if selection.streams.is_empty() {
            std::mem::swap(&mut selection.streams, &mut selection.left_out);
        }
        Ok(selection)
    }

    /// Names the streams if some were left out.
    pub(crate) fn notice(&self) -> Option<String> {
        let names = |streams: &[&'static Stream]| {
            let names: Vec<_> = streams.iter().map(|stream| stream.name).collect();
            names.join(", ")
        };
        let (streams, left_out) = (names(&self.streams), names(&self.left_out));
        let text = format!(
            "The catalog does not say which streams to read. Reading those of the configured tickers: {streams}. Left out \
             (whole markets): {left_out}."
        );
        (!left_out.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(streams: &[&Stream]) -> Vec<&'static str> {
        streams.iter().map(|stream| stream.name).collect()
    }

    #[test]
    fn discovered_catalog_selects_the_streams_of_the_configured_tickers() {
        let streams: Vec<Value> = STREAMS.iter().map(Stream::describe).collect();
        let selection = Selection::parse(&json!({"streams": streams})).unwrap();
        assert!(selection.left_out.iter().all(|stream| !stream.is_about_tickers()));
        assert_eq!(
            names(&selection.left_out).join(", "),
            "market_prices, crypto_market_prices, forex_market_prices, market_splits, market_dividends"
        );
        assert_eq!(selection.streams.len() + selection.left_out.len(), STREAMS.len());
        let notice = selection.notice().unwrap();
        assert!(
            notice.contains(": stock_prices, ") && notice.ends_with(", market_splits, market_dividends."),
            "{notice}"
        );
    }

    #[test]
    fn streams_that_were_chosen_are_read_without_a_notice() {
        for catalog in [
            json!({"streams": [{"name": "market_prices"}]}),
            json!({"streams": [{"stream": {"name": "market_prices"}, "sync_mode": "incremental"}]}),
        ] {
            let selection = Selection::parse(&catalog).unwrap();
            assert_eq!(names(&selection.streams), ["market_prices"]);
            assert_eq!(selection.notice(), None);
        }
    }
}
