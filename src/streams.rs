//! The table of streams. A new stream is a new row in [`STREAMS`]; nothing else knows a stream's name.

use serde_json::{Map, Value, json};

use crate::events::ActionKind;
use crate::fields::{BAR_FIELDS, Field, FieldKind};
use crate::market::Market;
use crate::timespan::Timespan;

/// Where a stream's records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// The bars of one ticker over a range of days, in pages: `/v2/aggs/ticker/{ticker}/range/…`.
    Range,
    /// The day bars of every ticker of a market, one day per request: `/v2/aggs/grouped/…`.
    Grouped(Market),
    /// Splits or dividends, in pages: `/stocks/v1/…`.
    Actions {
        /// Splits or dividends.
        kind: ActionKind,
        /// Whether they are those of all stocks, not only of the configured ones.
        whole_market: bool,
    },
}

/// One row of the table of streams.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The name in catalogs, states and records.
    pub(crate) name: &'static str,
    /// Where its records come from.
    pub(crate) endpoint: Endpoint,
    /// The length of its bars; corporate actions are by day.
    pub(crate) timespan: Timespan,
}

/// Every stream that the connector offers, in the order of the catalog.
pub(crate) static STREAMS: [Stream; 15] = [
    Stream::of_bars("stock_prices", Timespan::Day),
    Stream::of_bars("stock_prices_by_week", Timespan::Week),
    Stream::of_bars("stock_prices_by_month", Timespan::Month),
    Stream::of_bars("stock_prices_by_hour", Timespan::Hour),
    Stream::of_bars("stock_prices_by_minute", Timespan::Minutes(1)),
    Stream::of_bars("stock_prices_by_5_minutes", Timespan::Minutes(5)),
    Stream::of_bars("stock_prices_by_15_minutes", Timespan::Minutes(15)),
    Stream::of_bars("stock_prices_by_30_minutes", Timespan::Minutes(30)),
    Stream::of_market("market_prices", Market::Stocks),
    Stream::of_market("crypto_market_prices", Market::Crypto),
    Stream::of_market("forex_market_prices", Market::Forex),
    Stream::of_actions("stock_splits", ActionKind::Splits, false),
    Stream::of_actions("stock_dividends", ActionKind::Dividends, false),
    Stream::of_actions("market_splits", ActionKind::Splits, true),
    Stream::of_actions("market_dividends", ActionKind::Dividends, true),
];

impl Stream {
    const fn of_bars(name: &'static str, timespan: Timespan) -> Stream {
        Stream { name, endpoint: Endpoint::Range, timespan }
    }

    const fn of_market(name: &'static str, market: Market) -> Stream {
        Stream { name, endpoint: Endpoint::Grouped(market), timespan: Timespan::Day }
    }

    const fn of_actions(name: &'static str, kind: ActionKind, whole_market: bool) -> Stream {
        Stream { name, endpoint: Endpoint::Actions { kind, whole_market }, timespan: Timespan::Day }
    }

    /// The stream of that name.
    pub(crate) fn by_name(name: &str) -> Option<&'static Stream> {
        STREAMS.iter().find(|stream| stream.name == name)
    }

    /// The field that grows with time.
    pub(crate) fn cursor_field(&self) -> &'static str {
        match self.endpoint {
            Endpoint::Actions { kind, .. } => kind.fields()[0].name,
            _ if self.timespan.is_intraday() => "timestamp",
            _ => "date",
        }
    }

    /// Whether it is about the configured tickers, not about a whole market.
    pub(crate) fn is_about_tickers(&self) -> bool {
        !matches!(self.endpoint, Endpoint::Grouped(_) | Endpoint::Actions { whole_market: true, .. })
    }

    /// Whether its prices are adjusted for splits, if the configuration says `adjusted`. A whole market is read as traded:
    /// among twelve thousand stocks some split almost every day, and each split would change a whole history.
    pub(crate) fn is_adjusted(&self, adjusted: bool) -> bool {
        adjusted && self.endpoint == Endpoint::Range
    }

    /// The stream as `discover` shows it, an `AirbyteStream`.
    pub(crate) fn describe(&self) -> Value {
        let cursor_field = self.cursor_field();
        let (required, primary_key) = match self.endpoint {
            Endpoint::Actions { .. } => (["id", "stock_ticker"], json!([["id"]])),
            _ => (["stock_ticker", cursor_field], json!([["stock_ticker"], [cursor_field]])),
        };
        json!({
            "name": self.name,
            "json_schema": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "required": required,
                "properties": self.properties(),
            },
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": true,
            "default_cursor_field": [cursor_field],
            "source_defined_primary_key": primary_key,
            "is_resumable": true,
        })
    }

    /// The properties of its records' schema.
    fn properties(&self) -> Map<String, Value> {
        let mut properties = Map::new();
        let mut add = |name: &str, mut schema: Value, description: &str| {
            schema["description"] = description.into();
            properties.insert(name.to_owned(), schema);
        };
        let fields = if let Endpoint::Actions { kind, .. } = self.endpoint {
            add("id", json!({"type": "string"}), "Polygon.io's id of the event");
            kind.fields()
        } else {
            add("date", json!({"type": "string", "format": "date"}), self.date_description());
            if self.timespan.is_intraday() {
                let moment =
                    json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"});
                add("timestamp", moment, "Start of the bar, UTC");
            }
            &BAR_FIELDS
        };
        add("stock_ticker", json!({"type": "string"}), "Ticker as Polygon.io writes it, case-sensitive");
        for Field { name, kind, description, .. } in fields {
            add(name, schema(*kind), description);
        }
        if !matches!(self.endpoint, Endpoint::Actions { .. }) {
            add("adjusted", json!({"type": "boolean"}), "Whether prices and volume are adjusted for splits");
        }
        properties
    }

    fn date_description(&self) -> &'static str {
        if self.timespan.is_intraday() || self.timespan == Timespan::Day {
            "Trading day: New York's for stocks, options and indices, UTC's for crypto and forex"
        } else {
            "First day of the bar"
        }
    }
}

fn schema(kind: FieldKind) -> Value {
    match kind {
        FieldKind::Price => json!({"type": "number"}),
        FieldKind::Number => json!({"type": ["null", "number"]}),
        FieldKind::Integer => json!({"type": ["null", "integer"]}),
        FieldKind::Text => json!({"type": ["null", "string"]}),
        FieldKind::Date => json!({"type": ["null", "string"], "format": "date"}),
    }
}
