//! What once went wrong, each with its smallest input.

mod failures;
mod market_days;
mod tables;
