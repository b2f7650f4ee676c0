//! Modules that the demo shares with the tests.

#[path = "../support/answers.rs"]
pub mod answers;
#[path = "../support/backend.rs"]
pub mod backend;
#[path = "../support/bar_size.rs"]
pub mod bar_size;
#[path = "../support/days.rs"]
pub mod days;
#[path = "../support/destination.rs"]
pub mod destination;
#[path = "../support/fake_api.rs"]
pub mod fake_api;
#[path = "../support/fault.rs"]
pub mod fault;
#[path = "../support/market.rs"]
pub mod market;
#[path = "../support/output.rs"]
pub mod output;
#[path = "../support/truth.rs"]
pub mod truth;
