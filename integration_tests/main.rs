//! The tests: the built binary, or the library with a simulated clock, against a fake API on loopback.
#![allow(
    unreachable_pub,
    reason = "what is public here is public for the modules of the tests"
)]
#![allow(
    clippy::float_cmp,
    reason = "prices are compared with what the fake API answered, digit by digit"
)]

mod bodies;
mod broken_connections;
mod check;
mod check_failures;
mod commands;
mod costs;
mod debug_logs;
mod every_place;
mod fault_rows;
mod faults;
mod fuzz;
mod golden;
mod handed_over;
mod interrupted;
mod intraday;
mod large_runs;
mod late_splits;
mod launcher;
mod market_prices;
mod markets;
mod model;
mod next_urls;
mod no_longer_shown;
mod odd_numbers;
mod odd_pages;
mod outages;
mod output_checks;
mod plan_history;
mod project;
mod proxies;
mod rate_limits;
mod read;
mod refused_answers;
mod regressions;
mod restated;
mod resumable;
mod resumed;
mod scenario;
mod secrets;
mod stdout;
mod streams;
mod support;
mod tls;
mod windows;
