//! Splits and dividends, from an API in memory.

mod api;
mod changes;
mod history;
mod interrupted;
mod requests;
mod rows;
mod size;
