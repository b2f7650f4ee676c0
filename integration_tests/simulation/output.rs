//! What a run wrote, line by line.

use serde::Deserialize;
use serde_json::Value;

use crate::support::output::Output as Written;

use super::days::{Zone, parse_day};
use super::market::{BarRow, Event, Key, Market, Row};
use super::streams::Stream;

/// A line of the output; a slot is the place of its stream among those that were selected.
#[derive(Debug)]
pub enum Line {
    /// A record.
    Record { slot: usize, key: Key, row: Row },
    /// A STATE.
    State { slot: usize, state: Value },
    /// The status `COMPLETE`.
    Complete { slot: usize },
    /// What does not concern the table.
    Other,
}

/// What a run wrote.
#[derive(Debug)]
pub struct Output {
    pub written: Written,
    /// The messages, understood.
    pub lines: Vec<Line>,
}

#[derive(Deserialize)]
struct EventData<'a> {
    id: &'a str,
    stock_ticker: &'a str,
    #[serde(alias = "execution_date", alias = "ex_dividend_date")]
    day: Option<&'a str>,
    #[serde(alias = "split_from", alias = "cash_amount")]
    amount: Option<f64>,
    #[serde(alias = "split_to", alias = "frequency")]
    count: Option<f64>,
    historical_adjustment_factor: Option<f64>,
}

fn parse(message: &Value, market: &Market, streams: &[&Stream]) -> Option<Line> {
    let slot_of = |name: &Value| streams.iter().position(|stream| *name == stream.name);
    let status = &message["trace"]["stream_status"];
    match message["type"].as_str()? {
        "RECORD" => {
            let slot = slot_of(&message["record"]["stream"])?;
            let (key, row) = record(streams[slot], &message["record"]["data"], market)?;
            Some(Line::Record { slot, key, row })
        }
        "STATE" => {
            let state = &message["state"];
            let slot = slot_of(&state["stream"]["stream_descriptor"]["name"])?;
            Some(Line::State { slot, state: state.clone() })
        }
        "TRACE" if status["status"] == "COMPLETE" => {
            Some(Line::Complete { slot: slot_of(&status["stream_descriptor"]["name"])? })
        }
        _ => Some(Line::Other),
    }
}

fn record(stream: &Stream, data: &Value, market: &Market) -> Option<(Key, Row)> {
    let ticker_named = |name: &str| market.tickers.iter().position(|ticker| ticker.name == name);
    if stream.is_events() {
        let EventData { id, stock_ticker, day, amount, count, historical_adjustment_factor: factor } =
            EventData::deserialize(data).ok()?;
        let start = id.strip_prefix(stock_ticker)?.trim().parse().ok()?;
        let row = Event { day: day.map(|day| parse_day(day).expect("a day")), amount, count, factor };
        return Some(((ticker_named(stock_ticker)?, start), Row::Event(row)));
    }
    let ticker = ticker_named(data["stock_ticker"].as_str()?)?;
    let zone = if stream.is_market() { Zone::NewYork } else { market.tickers[ticker].zone };
    let day = parse_day(data["date"].as_str()?)?;
    let start = match data["timestamp"].as_str() {
        Some(timestamp) => {
            let start = timestamp.parse::<chrono::DateTime<chrono::Utc>>().ok()?.timestamp_millis();
            (zone.day_at(start) == day).then_some(start)?
        }
        None => zone.midnight(day),
    };
    Some(((ticker, start), Row::Bar(BarRow::deserialize(data).ok()?)))
}

impl Output {
    /// Understands the messages, and checks that all streams are complete after a success.
    pub fn new(written: Written, market: &Market, streams: &[&Stream]) -> Result<Output, String> {
        let understood =
            |message| parse(message, market, streams).ok_or_else(|| format!("a line makes no sense: {message}"));
        let lines: Vec<Line> = written.messages.iter().map(understood).collect::<Result<_, _>>()?;
        let output = Output { written, lines };
        match (0..streams.len()).find(|slot| output.succeeded() && !output.completes(*slot)) {
            Some(slot) => Err(format!("{} is not complete", streams[slot].name)),
            None => Ok(output),
        }
    }

    pub fn succeeded(&self) -> bool {
        self.written.exit_code == Some(0)
    }

    /// Whether a stream was read to its end.
    pub fn completes(&self, slot: usize) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Complete { slot: of } if *of == slot))
    }

    /// Summarizes the records and STATEs in the first lines: `3 records, STATE`.
    pub fn sequence(&self, lines: usize) -> String {
        let records = |part: &[Line]| part.iter().filter(|line| matches!(line, Line::Record { .. })).count();
        let parts = self.lines[..lines].split(|line| matches!(line, Line::State { .. }));
        let parts: Vec<String> = parts.map(|part| format!("{} records", records(part))).collect();
        parts.join(", STATE, ")
    }
}
