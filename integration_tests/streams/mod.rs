//! What holds for every stream of every market, and what is special to some.

mod every_stream;
mod intraday;
mod market_prices;
mod markets;
