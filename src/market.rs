//! The markets that share the aggregates endpoint, told apart by a ticker's prefix.

use chrono::{Datelike, Weekday};

use crate::calendar::{Date, Zone, is_weekend};

/// A market. Its zone says where its days begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Market {
    /// US stocks: no prefix.
    Stocks,
    /// Options: `O:SPY251219C00650000`.
    Options,
    /// Indices, which have no volume: `I:SPX`.
    Indices,
    /// Crypto pairs, traded on every day: `X:BTCUSD`.
    Crypto,
    /// Currency pairs: `C:EURUSD`.
    Forex,
}

/// Every prefix with its market, in the order in which messages name them.
pub(crate) const PREFIXES: [(&str, Market); 4] =
    [("O:", Market::Options), ("I:", Market::Indices), ("X:", Market::Crypto), ("C:", Market::Forex)];

impl Market {
    /// The market of a ticker; `None` if it has a prefix that no market has.
    pub(crate) fn of(ticker: &str) -> Option<Market> {
        match PREFIXES.iter().find(|(prefix, _)| ticker.starts_with(prefix)) {
            Some((_, market)) => Some(*market),
            None => (!ticker.contains(':')).then_some(Market::Stocks),
        }
    }

    /// The zone by whose days the market lives.
    pub(crate) fn zone(self) -> Zone {
        match self {
            Market::Stocks | Market::Options | Market::Indices => Zone::NewYork,
            Market::Crypto | Market::Forex => Zone::Utc,
        }
    }

    /// Whether the market can be open on `day`; holidays don't count.
    pub(crate) fn trades_on(self, day: Date) -> bool {
        match self {
            Market::Stocks | Market::Options | Market::Indices => !is_weekend(day),
            Market::Crypto => true,
            Market::Forex => day.weekday() != Weekday::Sat,
        }
    }

    /// A ticker that has a bar on every day on which the market is open.
    pub(crate) fn always_traded(self) -> Option<&'static str> {
        match self {
            Market::Stocks => Some("SPY"),
            Market::Crypto => Some("X:BTCUSD"),
            Market::Forex => Some("C:EURUSD"),
            Market::Options | Market::Indices => None,
        }
    }

    /// The market's name in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Market::Stocks => "stocks",
            Market::Options => "options",
            Market::Indices => "indices",
            Market::Crypto => "crypto",
            Market::Forex => "forex",
        }
    }
}
