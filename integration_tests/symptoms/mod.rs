//! Bugs of the past, each with its smallest input.

mod failures;
mod market_days;
mod tables;
