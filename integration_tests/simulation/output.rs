//! What a run wrote, line by line.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::days::{Zone, parse_day};
use super::market::{BarRow, Event, Market, Row};
use super::streams::STREAMS;
use super::sync::Key;

/// A line of the output.
#[derive(Debug, Clone)]
pub enum Line {
    Record {
        stream: usize,
        key: Key,
        row: Row,
    },
    /// The `state` of a STATE.
    State {
        stream: usize,
        text: String,
    },
    Log {
        level: String,
        message: String,
    },
    Error(String),
    Status {
        stream: usize,
        status: String,
    },
}

/// What a run wrote.
#[derive(Debug, Clone)]
pub struct Output {
    pub lines: Vec<Line>,
    pub exit_code: u8,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    record: Option<RecordMessage<'a>>,
    #[serde(borrow)]
    state: Option<&'a RawValue>,
    log: Option<Value>,
    trace: Option<Value>,
}

#[derive(Deserialize)]
struct RecordMessage<'a> {
    stream: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Data<'a> {
    date: &'a str,
    timestamp: Option<&'a str>,
    stock_ticker: &'a str,
    price: f64,
    open: f64,
    high: f64,
    low: f64,
    volume: Option<f64>,
    vwap: Option<f64>,
    transactions: Option<f64>,
    adjusted: bool,
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

fn stream_named(name: &str) -> Option<usize> {
    STREAMS.iter().position(|stream| stream.name == name)
}

pub fn parse(line: &str, market: &Market) -> Option<Line> {
    let message: Message = serde_json::from_str(line).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match message.kind {
        "RECORD" => record(&message.record?, market),
        "STATE" => {
            let state = message.state?;
            let value: Value = serde_json::from_str(state.get()).ok()?;
            let stream = stream_named(value["stream"]["stream_descriptor"]["name"].as_str()?)?;
            Some(Line::State { stream, text: state.get().to_owned() })
        }
        "LOG" => {
            let log = message.log?;
            Some(Line::Log { level: text(&log["level"])?, message: text(&log["message"])? })
        }
        "TRACE" => {
            let trace = message.trace?;
            if trace["type"] == "ERROR" {
                return Some(Line::Error(text(&trace["error"]["message"])?));
            }
            let status = &trace["stream_status"];
            let stream = stream_named(status["stream_descriptor"]["name"].as_str()?)?;
            Some(Line::Status { stream, status: text(&status["status"])? })
        }
        _ => None,
    }
}

fn record(message: &RecordMessage, market: &Market) -> Option<Line> {
    let stream = stream_named(message.stream)?;
    let ticker_named = |name: &str| market.tickers.iter().position(|ticker| ticker.name == name);
    if STREAMS[stream].is_events() {
        let EventData { id, stock_ticker, day, amount, count, historical_adjustment_factor: factor } =
            serde_json::from_str(message.data.get()).ok()?;
        let start = id.strip_prefix(stock_ticker)?.trim().parse().ok()?;
        let row = Event { day: day.map(|day| parse_day(day).expect("a day")), amount, count, factor };
        return Some(Line::Record { stream, key: (ticker_named(stock_ticker)?, start), row: Row::Event(row) });
    }
    let data: Data = serde_json::from_str(message.data.get()).ok()?;
    let ticker = ticker_named(data.stock_ticker)?;
    let zone = if STREAMS[stream].is_market() { Zone::NewYork } else { market.tickers[ticker].zone };
    let day = parse_day(data.date)?;
    let start = match data.timestamp {
        Some(timestamp) => {
            let start = timestamp.parse::<chrono::DateTime<chrono::Utc>>().ok()?.timestamp_millis();
            (zone.day_at(start) == day).then_some(start)?
        }
        None => zone.midnight(day),
    };
    let Data { price, open, high, low, volume, vwap, transactions: trades, adjusted, .. } = data;
    let row = BarRow { price, open, high, low, volume, vwap, trades, adjusted };
    Some(Line::Record { stream, key: (ticker, start), row: Row::Bar(row) })
}

impl Output {
    pub fn succeeded(&self) -> bool {
        self.exit_code == 0
    }

    /// The errors, or the log messages of a level.
    pub fn told(&self, wanted: &str) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(move |line| match line {
            Line::Log { level, message } if level == wanted => Some(message.as_str()),
            Line::Error(message) if wanted == "ERROR" => Some(message.as_str()),
            _ => None,
        })
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

    /// What the protocol says of the order of lines.
    pub fn check_order(&self, streams: &[usize]) -> Result<(), String> {
        let errors = self.lines.iter().filter(|line| matches!(line, Line::Error(_))).count();
        if errors != usize::from(self.exit_code) {
            return Err(format!("{errors} TRACE ERRORs with exit code {}", self.exit_code));
        }
        for stream in streams {
            let mut status = "";
            let mut is_covered = true;
            for line in &self.lines {
                match line {
                    Line::Status { stream: of, status: text } if of == stream => status = text,
                    Line::Record { stream: of, .. } if of == stream => {
                        is_covered = false;
                        if status != "RUNNING" {
                            return Err(format!("a record comes while the status is {status:?}"));
                        }
                    }
                    Line::State { stream: of, .. } if of == stream => is_covered = true,
                    _ => {}
                }
            }
            if self.succeeded() && !(is_covered && status == "COMPLETE") {
                return Err(format!(
                    "{} ends with {status:?}, covered by a STATE: {is_covered}",
                    STREAMS[*stream].name
                ));
            }
        }
        Ok(())
    }
}
