//! The table of streams. A new stream is a new row in [`STREAMS`]; nothing else knows a stream's name.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::window::{moment, new_york_date, utc_date, utc_midnight};

/// The length of the time that one bar covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarSize {
    /// One trading day in New York.
    Day,
    /// One clock hour.
    Hour,
    /// One clock minute.
    Minute,
}

impl BarSize {
    /// The API's word for it, the `timespan` of the range endpoint.
    pub fn timespan(self) -> &'static str {
        match self {
            BarSize::Day => "day",
            BarSize::Hour => "hour",
            BarSize::Minute => "minute",
        }
    }

    /// How long the bar's window is open.
    pub fn length(self) -> SignedDuration {
        match self {
            BarSize::Day => SignedDuration::from_hours(24),
            BarSize::Hour => SignedDuration::from_hours(1),
            BarSize::Minute => SignedDuration::from_mins(1),
        }
    }

    /// The trading day in New York of the bar whose key is `key` (see [`Self::key`]).
    pub fn trading_day(self, key: i64) -> Date {
        match self {
            BarSize::Day => utc_date(key),
            BarSize::Hour | BarSize::Minute => new_york_date(moment(key)),
        }
    }

    /// What orders and identifies a ticker's bars, in epoch milliseconds: the start of the bar as the API gives it,
    /// for day bars that start's UTC midnight.
    ///
    /// The API's day bars start at midnight in New York (04:00 or 05:00 UTC), so their UTC date is the trading day.
    pub fn key(self, start: i64) -> i64 {
        const DAY: i64 = 24 * 60 * 60 * 1000;
        match self {
            BarSize::Day => start - start.rem_euclid(DAY),
            BarSize::Hour | BarSize::Minute => start,
        }
    }

    /// The cursor's value for the bar with this key: a date for day bars, else RFC 3339 in UTC.
    pub fn cursor_value(self, key: i64) -> String {
        match self {
            BarSize::Day => utc_date(key).to_string(),
            BarSize::Hour | BarSize::Minute => moment(key).to_string(),
        }
    }

    /// The key that a cursor's value stands for; `None` if it is no such value.
    pub fn parse_cursor(self, value: &str) -> Option<i64> {
        match self {
            BarSize::Day => value.parse().ok().map(utc_midnight),
            BarSize::Hour | BarSize::Minute => value.parse().ok().map(Timestamp::as_millisecond),
        }
    }
}

/// Where a stream's bars come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// The bars of one ticker over a range of days, in pages: `/v2/aggs/ticker/{ticker}/range/…`.
    Range,
    /// The day bars of every US stock, one day a request: `/v2/aggs/grouped/…`.
    Grouped,
}

/// One row of the table of streams.
#[derive(Debug)]
pub struct Stream {
    /// The name in catalogs, states and records.
    pub name: &'static str,
    /// Where its bars come from.
    pub endpoint: Endpoint,
    /// The size of its bars.
    pub size: BarSize,
    /// The field that grows with time; with `stock_ticker` it is the primary key.
    pub cursor_field: &'static str,
}

/// Every stream that the connector offers, in the order of the catalog.
pub static STREAMS: [Stream; 4] = [
    Stream { name: "stock_prices", endpoint: Endpoint::Range, size: BarSize::Day, cursor_field: "date" },
    Stream { name: "stock_prices_by_hour", endpoint: Endpoint::Range, size: BarSize::Hour, cursor_field: "timestamp" },
    Stream {
        name: "stock_prices_by_minute",
        endpoint: Endpoint::Range,
        size: BarSize::Minute,
        cursor_field: "timestamp",
    },
    Stream { name: "market_prices", endpoint: Endpoint::Grouped, size: BarSize::Day, cursor_field: "date" },
];

impl Stream {
    /// The stream of that name.
    pub fn by_name(name: &str) -> Option<&'static Stream> {
        STREAMS.iter().find(|stream| stream.name == name)
    }

    /// The stream as `discover` shows it, an AirbyteStream.
    pub fn describe(&self) -> Value {
        json!({
            "name": self.name,
            "json_schema": self.json_schema(),
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": true,
            "default_cursor_field": [self.cursor_field],
            "source_defined_primary_key": [["stock_ticker"], [self.cursor_field]],
        })
    }

    fn json_schema(&self) -> Value {
        let mut properties = serde_json::Map::new();
        let mut field = |name: &str, schema: Value| properties.insert(name.to_owned(), schema);
        field("date", json!({"type": "string", "format": "date", "description": "Trading day in New York"}));
        if self.size != BarSize::Day {
            field(
                "timestamp",
                json!({
                    "type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone",
                    "description": "Start of the bar, UTC"
                }),
            );
        }
        field(
            "stock_ticker",
            json!({"type": "string", "description": "Ticker as Polygon.io writes it, case-sensitive"}),
        );
        field("price", json!({"type": "number", "description": "Closing price of the bar, USD"}));
        field("open", json!({"type": "number", "description": "First price of the bar, USD"}));
        field("high", json!({"type": "number", "description": "Highest price of the bar, USD"}));
        field("low", json!({"type": "number", "description": "Lowest price of the bar, USD"}));
        field("volume", json!({"type": "number", "description": "Shares traded; fractional since February 2026"}));
        field(
            "vwap",
            json!({"type": ["null", "number"], "description": "Volume-weighted average price, USD; null without volume"}),
        );
        field(
            "transactions",
            json!({"type": ["null", "integer"], "description": "Number of trades; null without volume"}),
        );
        field(
            "adjusted",
            json!({"type": "boolean", "description": "Whether prices and volume are adjusted for splits"}),
        );
        json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "required": ["stock_ticker", self.cursor_field],
            "properties": properties,
        })
    }
}
