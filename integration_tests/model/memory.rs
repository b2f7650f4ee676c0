//! What is remembered of a series from sync to sync: what its STATEs claim, and what changed since it was read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::destination::{RowKey, Rows, start_of, truth};
use super::scenario::StreamCase;
use crate::support::days::{Date, midnight, zone_of};
use crate::support::market::Market;

/// What shares a stretch: a ticker, or the whole market.
pub struct Series {
    /// Its ticker; none for the whole market.
    pub ticker: Option<&'static str>,
    /// The tickers of its rows.
    pub tickers: Vec<&'static str>,
}

impl Series {
    /// The series that a stream reads for some tickers.
    pub fn of(stream: &StreamCase, tickers: &[&'static str]) -> Vec<Series> {
        if stream.is_market {
            vec![Series {
                ticker: None,
                tickers: stream.tickers.to_vec(),
            }]
        } else {
            tickers
                .iter()
                .map(|name| Series {
                    ticker: Some(name),
                    tickers: vec![name],
                })
                .collect()
        }
    }

    /// The ticker, or what stands for none.
    pub fn name(&self) -> &'static str {
        self.ticker.unwrap_or("")
    }

    /// Whether a record is one of its rows.
    pub fn owns(&self, record: &Value) -> bool {
        self.tickers
            .iter()
            .any(|ticker| record["stock_ticker"] == **ticker)
    }

    pub fn midnight(&self, day: Date) -> i64 {
        midnight(zone_of(self.name()), day)
    }
}

/// The stretch that a STATE claims to be in the destination.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The start of the first bar that there can be.
    pub since: i64,
    /// The start of the last bar.
    pub cursor: Option<i64>,
    pub adjusted: Option<bool>,
}

impl Claim {
    /// What the `state` of a STATE message says of a series.
    pub fn of(state: Option<&Value>, stream: &StreamCase, series: &Series) -> Option<Claim> {
        let entries = &state?["stream"]["stream_state"];
        let entry = series
            .ticker
            .map_or(Some(entries), |ticker| entries.get(ticker))?;
        let since: Date = entry["since"].as_str()?.parse().expect("a date");
        let cursor = entry
            .get("timestamp")
            .or(entry.get("date"))
            .and_then(Value::as_str);
        Some(Claim {
            since: series.midnight(stream.size.first_day(since)),
            cursor: cursor.map(|cursor| start_of(series.name(), cursor)),
            adjusted: entry["adjusted"].as_bool(),
        })
    }

    pub fn covers(&self, start: i64) -> bool {
        self.since <= start && self.cursor.is_some_and(|cursor| start <= cursor)
    }
}

/// When a place came under the claim: the number of the run, and how many shares one of then had become.
type Covered = (u64, Option<f64>);

/// What is remembered of a series.
#[derive(Default)]
pub struct Memory {
    /// In which run a place came under the claim, as the STATEs that were handed on have it.
    covered: BTreeMap<RowKey, Covered>,
    /// The run at which the traded bar of a place was first seen to be another than before.
    corrected: BTreeMap<RowKey, u64>,
    /// The same for its price basis; with the last time at which it was still the old one.
    rescaled: BTreeMap<RowKey, (u64, DateTime<Utc>)>,
    traded: Rows,
    scaled: Rows,
    /// Rows that were emitted again after a STATE that was not handed on: nobody can know what they hold.
    pub suspect: BTreeSet<RowKey>,
    /// The last bar that any STATE named since the stretch was last whole.
    pub reach: Option<i64>,
    /// The truth within the claim at the last successful sync, unless something was broken off since.
    pub seen: Option<Rows>,
    /// The truth within the claim when the first bar was last among what was asked for.
    pub looked: Option<Rows>,
    /// Where the comparison of the last successful sync began.
    pub compared_from: i64,
    /// When the first bar was last asked for, other than with the bars that are compared at every sync.
    pub first_bar_asked: Option<DateTime<Utc>>,
    /// Whether the last sync succeeded and had to find out where the plan's history begins, or knew.
    pub plan_start_is_known: bool,
}

impl Memory {
    /// Notes what the market now shows that it did not show at `before`.
    pub fn note_changes(
        &mut self,
        stream: &StreamCase,
        series: &Series,
        market: &Market,
        run: u64,
        before: DateTime<Utc>,
    ) {
        let traded = truth(stream, &series.tickers, false, market, market.now);
        let scaled = truth(stream, &series.tickers, true, market, market.now);
        let is_rescaled = |key: &RowKey| {
            let known = split_ratio(self.traded.get(key), self.scaled.get(key));
            let ratio = split_ratio(traded.get(key), scaled.get(key));
            known.zip(ratio).is_some_and(|ratios| !is_equal(ratios))
        };
        // A split changes the first bar of a stretch. What leaves it alone (one that is dated back) passes for corrections.
        let first = self.covered.keys().find(|key| traded.contains_key(*key));
        let is_restated = first.is_none_or(is_rescaled);
        for (key, row) in &traded {
            if is_rescaled(key) && is_restated {
                self.rescaled.insert(key.clone(), (run, before));
            }
            if self.traded.get(key) != Some(row) || (is_rescaled(key) && !is_restated) {
                self.corrected.insert(key.clone(), run);
            }
        }
        (self.traded, self.scaled) = (traded, scaled);
    }

    /// Follows the claims of the STATEs of a run, up to the one that is handed on.
    pub fn follow<'a>(
        &mut self,
        keys: &BTreeSet<RowKey>,
        claims: impl Iterator<Item = &'a Option<Claim>>,
        run: u64,
    ) {
        let ratio = |key: &RowKey| split_ratio(self.traded.get(key), self.scaled.get(key));
        for claim in claims {
            let covers = |key: &RowKey| claim.as_ref().is_some_and(|claim| claim.covers(key.0));
            self.covered.retain(|key, _| covers(key));
            for key in keys.iter().filter(|key| covers(key)) {
                self.covered
                    .entry(key.clone())
                    .or_insert_with(|| (run, ratio(key)));
            }
            self.reach = self
                .reach
                .max(claim.as_ref().and_then(|claim| claim.cursor));
        }
    }

    /// From now on nobody can notice the splits that came before: the first bar that was known is gone.
    pub fn give_up_splits(&mut self) {
        for (key, (run, _)) in std::mem::take(&mut self.rescaled) {
            let corrected = self.corrected.entry(key).or_default();
            *corrected = run.max(*corrected);
        }
    }

    /// The places from a moment on that are under the claim and that the market shows.
    pub fn covered_from(&self, start: i64) -> impl Iterator<Item = &RowKey> {
        let covered = self.covered.keys().filter(move |key| key.0 >= start);
        covered.filter(|key| self.traded.contains_key(*key))
    }

    /// Whether the traded bar of a place was corrected, came late or came back after it was read.
    pub fn was_corrected(&self, key: &RowKey) -> bool {
        let covered = self.covered.get(key).map(|run| run.0);
        covered.is_some() && self.corrected.get(key).copied() > covered
    }

    /// Since when at the latest a place has another price basis than when it was read; `None` if it has not.
    pub fn rescaled_since(&self, key: &RowKey) -> Option<DateTime<Utc>> {
        let (covered, ratio) = self.covered.get(key)?;
        let is_same = split_ratio(self.traded.get(key), self.scaled.get(key))
            .zip(*ratio)
            .is_some_and(is_equal);
        let (run, before) = self.rescaled.get(key)?;
        (run > covered && !is_same).then_some(*before)
    }
}

/// How many shares one has become, told from the volumes of a bar as traded and as adjusted.
fn split_ratio(traded: Option<&Value>, scaled: Option<&Value>) -> Option<f64> {
    Some(scaled?["volume"].as_f64()? / traded?["volume"].as_f64()?)
}

fn is_equal((one, other): (f64, f64)) -> bool {
    (one / other - 1.0).abs() < 1e-6
}
