//! The streams of bars that `discover` offers, so that new ones are tested like the others.

use std::sync::LazyLock;

use serde_json::Value;

use super::bar_size::BarSize;
use super::connector::Connector;
use super::market::prefix_of;

/// A stream of bars.
#[derive(Debug)]
pub struct Stream {
    pub name: &'static str,
    pub size: BarSize,
    /// The prefix of its tickers, if it has all tickers of a market instead of the configured ones.
    pub market: Option<&'static str>,
}

/// Every stream of bars.
pub static STREAMS: LazyLock<Vec<Stream>> = LazyLock::new(|| {
    let connector = Connector::with_url("http://127.0.0.1:9", "TSLA");
    let output = connector.run_at("2026-11-20T12:00:00Z", "discover").succeeded();
    let streams = output.messages[0]["catalog"]["streams"].as_array();
    let has_prices = |stream: &&Value| stream["json_schema"]["properties"]["price"].is_object();
    let streams = streams.expect("streams").iter().filter(has_prices);
    streams.map(|stream| Stream::new(stream["name"].as_str().expect("a name"))).collect()
});

impl Stream {
    /// Derives the bar size and the market from the name.
    fn new(name: &str) -> Stream {
        let name: &'static str = name.to_owned().leak();
        let (subject, unit) = name.split_once("_by_").unwrap_or((name, "day"));
        let (multiplier, unit) = unit.split_once('_').unwrap_or(("1", unit));
        let size = BarSize::parse(multiplier, unit.trim_end_matches('s'));
        let market = match subject {
            "stock_prices" => None,
            "market_prices" => Some(""),
            "crypto_market_prices" => Some("X:"),
            "forex_market_prices" => Some("C:"),
            _ => panic!("integration_tests/support/streams.rs does not know the stream {name}"),
        };
        Stream { name, size: size.unwrap_or_else(|| panic!("{name}: how long are its bars?")), market }
    }

    /// Whether it has a market's ticker. (Stocks have no prefix.)
    pub fn has(&self, ticker: &str) -> bool {
        self.market.is_none_or(|market| market == prefix_of(ticker))
    }
}

/// The stream with this name.
pub fn stream_named(name: &str) -> &'static Stream {
    let stream = STREAMS.iter().find(|stream| stream.name == name);
    stream.unwrap_or_else(|| panic!("discover offers no stream of bars called {name}"))
}
