//! The behaviour of every stream of every market, and the peculiarities of some.

mod every_stream;
mod intraday;
mod market_prices;
mod markets;
