//! The table of streams. A new stream is a new row in [`STREAMS`]; nothing else knows a stream's name.

use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::market::Market;
use crate::timespan::Timespan;

/// Where a stream's bars come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// The bars of one ticker over a range of days, in pages: `/v2/aggs/ticker/{ticker}/range/…`.
    Range,
    /// The day bars of every US stock, one day a request: `/v2/aggs/grouped/…`.
    Grouped,
}

/// One row of the table of streams.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The name in catalogs, states and records.
    pub(crate) name: &'static str,
    /// Where its bars come from.
    pub(crate) endpoint: Endpoint,
    /// How long its bars are.
    pub(crate) timespan: Timespan,
}

/// Every stream that the connector offers, in the order of the catalog.
pub(crate) static STREAMS: [Stream; 8] = [
    Stream {
        name: "stock_prices",
        endpoint: Endpoint::Range,
        timespan: Timespan::DAY,
    },
    Stream {
        name: "stock_prices_by_week",
        endpoint: Endpoint::Range,
        timespan: Timespan::WEEK,
    },
    Stream {
        name: "stock_prices_by_month",
        endpoint: Endpoint::Range,
        timespan: Timespan::MONTH,
    },
    Stream {
        name: "stock_prices_by_hour",
        endpoint: Endpoint::Range,
        timespan: Timespan::HOUR,
    },
    Stream {
        name: "stock_prices_by_minute",
        endpoint: Endpoint::Range,
        timespan: Timespan::minutes(1),
    },
    Stream {
        name: "stock_prices_by_5_minutes",
        endpoint: Endpoint::Range,
        timespan: Timespan::minutes(5),
    },
    Stream {
        name: "stock_prices_by_15_minutes",
        endpoint: Endpoint::Range,
        timespan: Timespan::minutes(15),
    },
    Stream {
        name: "market_prices",
        endpoint: Endpoint::Grouped,
        timespan: Timespan::DAY,
    },
];

/// Whether prices are adjusted for splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PriceBasis {
    /// As if every split had been there from the first day on.
    Adjusted,
    /// As traded.
    Unadjusted,
}

impl PriceBasis {
    /// The basis that `adjusted` of a configuration, a state or a record stands for.
    pub(crate) fn from_adjusted(adjusted: bool) -> PriceBasis {
        if adjusted {
            PriceBasis::Adjusted
        } else {
            PriceBasis::Unadjusted
        }
    }

    /// The value of `adjusted`.
    pub(crate) fn is_adjusted(self) -> bool {
        self == PriceBasis::Adjusted
    }
}

/// What a stream reads one after another: the bars of a ticker, or those of the whole market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SeriesId {
    /// One ticker.
    Ticker {
        /// The ticker as Polygon.io writes it.
        name: String,
        /// Its market.
        market: Market,
    },
    /// Every US stock.
    WholeMarket,
}

impl SeriesId {
    /// The market by whose days the bars are told apart.
    pub(crate) fn market(&self) -> Market {
        match self {
            SeriesId::Ticker { market, .. } => *market,
            SeriesId::WholeMarket => Market::Stocks,
        }
    }

    /// The ticker, if it is one.
    pub(crate) fn ticker(&self) -> Option<&str> {
        match self {
            SeriesId::Ticker { name, .. } => Some(name),
            SeriesId::WholeMarket => None,
        }
    }
}

impl Stream {
    /// The stream of that name.
    pub(crate) fn by_name(name: &str) -> Option<&'static Stream> {
        STREAMS.iter().find(|stream| stream.name == name)
    }

    /// The field that grows with time; with `stock_ticker` it is the primary key.
    pub(crate) fn cursor_field(&self) -> &'static str {
        if self.timespan.is_intraday() {
            "timestamp"
        } else {
            "date"
        }
    }

    /// What it reads for a configuration, in order.
    pub(crate) fn series(&self, config: &Config) -> Vec<SeriesId> {
        match self.endpoint {
            Endpoint::Range => {
                let series = |ticker: &(String, Market)| SeriesId::Ticker {
                    name: ticker.0.clone(),
                    market: ticker.1,
                };
                config.tickers.iter().map(series).collect()
            }
            Endpoint::Grouped => vec![SeriesId::WholeMarket],
        }
    }

    /// The basis of its prices. The whole market is read as traded: among twelve thousand stocks some split almost every
    /// day, and each split would change a whole history.
    pub(crate) fn price_basis(&self, config: &Config) -> PriceBasis {
        match self.endpoint {
            Endpoint::Range => PriceBasis::from_adjusted(config.adjusted),
            Endpoint::Grouped => PriceBasis::Unadjusted,
        }
    }

    /// How a series is called in messages.
    pub(crate) fn display_name<'a>(&'a self, series: &'a SeriesId) -> &'a str {
        series.ticker().unwrap_or(self.name)
    }

    /// The stream as `discover` shows it, an `AirbyteStream`.
    pub(crate) fn describe(&self) -> Value {
        let cursor_field = self.cursor_field();
        json!({
            "name": self.name,
            "json_schema": self.json_schema(),
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": true,
            "default_cursor_field": [cursor_field],
            "source_defined_primary_key": [["stock_ticker"], [cursor_field]],
            "is_resumable": true,
        })
    }

    fn json_schema(&self) -> Value {
        json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "required": ["stock_ticker", self.cursor_field()],
            "properties": self.json_properties(),
        })
    }

    fn json_properties(&self) -> Map<String, Value> {
        let number =
            |description: &str| json!({"type": ["null", "number"], "description": description});
        let price = |description: &str| json!({"type": "number", "description": description});
        let mut properties = Map::new();
        let mut field = |name: &str, schema: Value| properties.insert(name.to_owned(), schema);
        field(
            "date",
            json!({"type": "string", "format": "date", "description": self.date_description()}),
        );
        if self.timespan.is_intraday() {
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
        field("price", price("Closing price of the bar"));
        field("open", price("First price of the bar"));
        field("high", price("Highest price of the bar"));
        field("low", price("Lowest price of the bar"));
        field(
            "volume",
            number(
                "Units traded, shares of a stock; null for indices, the number of quotes for forex",
            ),
        );
        field(
            "vwap",
            number("Volume-weighted average price; null without volume"),
        );
        field(
            "transactions",
            json!({"type": ["null", "integer"], "description": "Number of trades; null without volume"}),
        );
        field(
            "adjusted",
            json!({"type": "boolean", "description": "Whether prices and volume are adjusted for splits"}),
        );
        properties
    }

    fn date_description(&self) -> &'static str {
        if self.timespan.is_intraday() || self.timespan == Timespan::DAY {
            "Trading day: New York's for stocks, options and indices, UTC's for crypto and forex"
        } else {
            "First day of the bar"
        }
    }
}
