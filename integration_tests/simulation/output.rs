//! What a run wrote, line by line.

use serde::Deserialize;
use serde_json::Value;

use crate::support::output::Output as Written;

use super::days::{Zone, parse_day};
use super::market::{BarRow, Event, Key, Market, Row};
use super::streams::STREAMS;

/// A line of the output.
#[derive(Debug)]
pub enum Line {
    /// A record.
    Record { stream: usize, key: Key, row: Row },
    /// A STATE.
    State { stream: usize, state: Value },
    /// The status `COMPLETE`.
    Complete { stream: usize },
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

fn parse(message: &Value, market: &Market) -> Option<Line> {
    let stream_named = |name: &Value| STREAMS.iter().position(|stream| *name == stream.name);
    let status = &message["trace"]["stream_status"];
    match message["type"].as_str()? {
        "RECORD" => {
            let stream = stream_named(&message["record"]["stream"])?;
            let (key, row) = record(stream, &message["record"]["data"], market)?;
            Some(Line::Record { stream, key, row })
        }
        "STATE" => {
            let state = &message["state"];
            let stream = stream_named(&state["stream"]["stream_descriptor"]["name"])?;
            Some(Line::State { stream, state: state.clone() })
        }
        "TRACE" if status["status"] == "COMPLETE" => {
            Some(Line::Complete { stream: stream_named(&status["stream_descriptor"]["name"])? })
        }
        _ => Some(Line::Other),
    }
}

fn record(stream: usize, data: &Value, market: &Market) -> Option<(Key, Row)> {
    let ticker_named = |name: &str| market.tickers.iter().position(|ticker| ticker.name == name);
    if STREAMS[stream].is_events() {
        let EventData { id, stock_ticker, day, amount, count, historical_adjustment_factor: factor } =
            EventData::deserialize(data).ok()?;
        let start = id.strip_prefix(stock_ticker)?.trim().parse().ok()?;
        let row = Event { day: day.map(|day| parse_day(day).expect("a day")), amount, count, factor };
        return Some(((ticker_named(stock_ticker)?, start), Row::Event(row)));
    }
    let ticker = ticker_named(data["stock_ticker"].as_str()?)?;
    let zone = if STREAMS[stream].is_market() { Zone::NewYork } else { market.tickers[ticker].zone };
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
    pub fn new(written: Written, market: &Market, streams: &[usize]) -> Result<Output, String> {
        let understood = |message| parse(message, market).ok_or_else(|| format!("a line makes no sense: {message}"));
        let lines: Vec<Line> = written.messages.iter().map(understood).collect::<Result<_, _>>()?;
        let output = Output { written, lines };
        match streams.iter().find(|stream| output.succeeded() && !output.completes(**stream)) {
            Some(stream) => Err(format!("{} is not complete", STREAMS[*stream].name)),
            None => Ok(output),
        }
    }

    pub fn succeeded(&self) -> bool {
        self.written.exit_code == Some(0)
    }

    /// Whether a stream was read to its end.
    pub fn completes(&self, stream: usize) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Complete { stream: of } if *of == stream))
    }

    /// Summarizes the records and STATEs in the first lines: `3 records, STATE`.
    pub fn sequence(&self, lines: usize) -> String {
        let (mut parts, mut records) = (Vec::new(), 0);
        for line in &self.lines[..lines] {
            records += usize::from(matches!(line, Line::Record { .. }));
            if matches!(line, Line::State { .. }) {
                parts.push(format!("{records} records, STATE"));
                records = 0;
            }
        }
        parts.push(format!("{records} records"));
        parts.join(", ")
    }
}
