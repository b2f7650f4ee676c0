//! The Polygon.io (now Massive) API. Nothing outside this module knows HTTP.
//!
//! A [`Request`] names what is asked for. The [`Fetcher`], the one pool of a run, has up to eight
//! of them under way: its workers send them through the [`Client`] as the [`rate_limiter`] allows,
//! retry what may pass, and keep the answers compressed. The thread that owns the pool inflates and
//! parses each answer in its turn and gets a [`response::Page`], or an [`ApiError`] that says whose
//! turn it is to act. [`Paging`] follows one range from page to page.

mod body;
mod client;
mod error;
mod event;
mod fast_parse;
mod fetcher;
mod origin;
mod policy;
mod proxy;
mod queue;
mod rate_limiter;
mod raw_response;
mod request;
pub(crate) mod response;
mod retry;
mod retry_after;
mod room;
#[cfg(test)]
mod test_server;
mod transport;
mod worker;

pub(crate) use client::Client;
pub(crate) use error::ApiError;
#[cfg(test)]
pub(crate) use error::SetupError;
pub(crate) use event::Event;
pub(crate) use fetcher::{Fetcher, Ticket};
pub(crate) use origin::Origin;
pub use policy::RequestPolicy;
pub(crate) use request::{Paging, Request};

/// How many bars a page may hold: the most that the API accepts. It counts base bars: 50,000 days,
/// or about 50 sessions of minutes.
const LIMIT: u32 = 50_000;
