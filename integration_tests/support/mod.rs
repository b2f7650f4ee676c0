//! What the tests share: the truth, fake servers that answer from it, and the connector that is run against them.

pub mod answers;
pub mod backend;
pub mod bar_size;
pub mod clock;
pub mod connector;
pub mod days;
pub mod destination;
pub mod fake_api;
pub mod market;
pub mod output;
pub mod raw_api;
pub mod tls_server;
pub mod truth;
