//! The Polygon.io (now Massive) API. Nothing outside this module knows HTTP.
//!
//! A [`PageSource`] makes of a [`Request`] a page of bars or of corporate actions, or an [`ApiError`] that says who has to
//! act; [`Paging`] follows a request from page to page. What a response means is decided in one place, the [`interpreter`],
//! whether it came from the network or from an API in memory.

mod body;
mod error;
mod event;
mod fast_parse;
mod gate;
mod http;
mod interpreter;
mod origin;
mod page_source;
mod policy;
mod proxy;
mod request;
mod response;
mod retry;
#[cfg(any(test, fuzzing))]
mod test_pages;
#[cfg(test)]
mod test_server;
mod transport;
mod values;

pub(crate) use error::ApiError;
pub(crate) use event::Event;
pub(crate) use origin::Origin;
pub(crate) use page_source::PageSource;
pub use policy::RequestPolicy;
pub(crate) use request::{Paging, Request};
pub(crate) use response::ResponsePage;
pub use transport::Exchange;
#[cfg(any(test, fuzzing))]
pub(crate) use {response::ParseError, retry::parse_retry_after, test_pages::parse_bars};

/// How many bars a page may have: the most that the API accepts. It counts base bars: 50,000 days, or about 50 sessions of
/// minutes.
const LIMIT: u32 = 50_000;
