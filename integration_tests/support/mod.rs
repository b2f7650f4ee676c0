//! What the tests share.

pub mod clock;
pub mod connector;
pub mod fake_api;
pub mod market;
pub mod untrusted;
