//! The endpoints of splits and dividends.

use std::collections::BTreeMap;

use crate::support::answers::{next_page, value_of};

use super::api::{Api, Asked, BadDay};
use super::market::{Event, Row, Rows};
use super::render::events;
use super::steps::Fault;
use super::streams::Size;

/// One pass over all pages of a stream.
#[derive(Default)]
pub struct Read {
    /// The stream's name.
    pub stream: String,
    /// What the responses contained of each ticker.
    pub events: BTreeMap<usize, Rows>,
    pub requests: usize,
    /// Whether the last response promised another page.
    pub has_next: bool,
    /// How many rows were no events of a requested ticker.
    pub unusable: usize,
    /// Which tickers are missing from it.
    bad: Option<BadDay>,
}

impl Api {
    pub fn events(&mut self, kind: &str, query: &str) -> (u16, String) {
        let (now, number) = (self.now(), self.traffic.asked.len());
        let requested = value_of(query, "ticker.any_of").map(|list| list.split(',').collect::<Vec<_>>());
        let cursor = value_of(query, "cursor").map(|cursor| cursor.parse::<usize>().expect("a number"));
        if cursor.is_none() {
            let stream = format!("{}_{kind}", if requested.is_some() { "stock" } else { "market" });
            let mut bad_reads = self.bad_days.iter_mut().filter(|bad| bad.left > 0);
            let bad = bad_reads.next().map(|bad| {
                bad.left -= 1;
                *bad
            });
            self.traffic.reads.push(Read { stream, bad, ..Read::default() });
        }
        let known_at = self.known_at(number, now);
        let mut rows = self.all_events(requested.as_deref(), now, known_at);
        let (total, first) = (rows.len(), cursor.unwrap_or(0).min(rows.len()));
        rows.drain(..first);
        rows.truncate(self.market.page_size);
        let mut next = Some(first + rows.len()).filter(|next| *next < total);
        let is_empty = self.takes_fault(number, Fault::Empty)
            || (cursor.is_some() && self.takes_fault(number, Fault::EmptyNextPage));
        if is_empty {
            rows.clear();
            next = None;
        }
        let read = self.traffic.reads.last_mut().expect("pages follow the first one");
        read.requests += 1;
        read.has_next = next.is_some();
        for (ticker, id, event) in &rows {
            read.events.entry(*ticker).or_default().insert(*id, Row::Event(*event));
        }
        let asked = Asked::new(None, Size::Event, (now, now), cursor.is_some(), now);
        self.traffic.asked.push(Asked { was_empty: is_empty, rows: rows.len(), ..asked });
        if self.takes_fault(number, Fault::Doubled) {
            rows = rows.iter().flat_map(|row| [*row, *row]).collect();
        }
        let list = requested.iter().map(|list| format!("ticker.any_of={}&", list.join(","))).collect::<String>();
        let next_url = next.map(|next| format!("/stocks/v1/{kind}?{list}cursor={next}"));
        let mut unusable = Vec::new();
        if requested.is_some() && self.takes_fault(number, Fault::Strays) {
            unusable.push(r#"{"id":"2","ticker":"OTHER"}"#.to_owned());
        }
        if self.has_unusable_rows && cursor.is_none() {
            unusable.extend([r#"{"id":"1","ticker":null}"#, r#"{"ticker":"AAPL"}"#].map(str::to_owned));
        }
        self.traffic.reads.last_mut().expect("there is one").unusable += unusable.len();
        let tickers = &self.market.tickers;
        let rows = rows.iter().map(|(ticker, id, event)| (tickers[*ticker].name, *id, *event));
        unusable.extend(events(kind, number as u64, rows));
        let (rows, next_url) = (unusable.join(","), next_url.map_or(String::new(), |target| next_page(&target)));
        (200, format!(r#"{{"status":"OK","request_id":"0","results":[{rows}]{next_url}}}"#))
    }

    /// The events of the requested tickers, or of all, in the order of tickers and days.
    fn all_events(&mut self, requested: Option<&[&str]>, now: i64, known_at: i64) -> Vec<(usize, i64, Event)> {
        let names: Vec<&str> = self.market.tickers.iter().map(|ticker| ticker.name).collect();
        let mut rows = Vec::new();
        for (ticker, name) in names.iter().enumerate() {
            if requested.is_none_or(|requested| requested.contains(name)) {
                let events = self.shown(ticker, Size::Event, false, now, known_at);
                rows.extend(events.iter().filter_map(|(id, row)| match row {
                    Row::Event(event) => Some((ticker, *id, *event)),
                    Row::Bar(_) => None,
                }));
            }
        }
        rows.sort_by_key(|(ticker, id, event)| (names[*ticker], event.day, *id));
        if let Some(bad) = self.traffic.reads.last().and_then(|read| read.bad) {
            let mut tickers: Vec<usize> = rows.iter().map(|row| row.0).collect();
            tickers.dedup();
            tickers.truncate(if bad.is_empty { 0 } else { tickers.len() / 3 });
            rows.retain(|row| tickers.contains(&row.0));
        }
        rows
    }
}
