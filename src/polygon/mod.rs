//! The Polygon.io (now Massive) API. Nothing outside this module knows HTTP.
//!
//! A [`Request`] becomes a page of bars or of corporate actions, or an [`ApiError`] that says who has to act. The network
//! and an API in memory are both a [`PageSource`]; what their responses mean is decided in one place, the
//! [`interpreter`]. [`Paging`] follows a request from page to page.

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
mod pool;
mod proxy;
mod request;
mod response;
mod retry;
#[cfg(test)]
mod test_errors;
#[cfg(test)]
mod test_server;
mod values;
mod worker;

use std::sync::{Arc, Mutex};

use crate::clock::SharedClock;
use crate::error::Failure;
use crate::secret::Secret;

pub(crate) use error::ApiError;
pub(crate) use event::Event;
pub(crate) use origin::Origin;
pub use page_source::Exchange;
pub(crate) use page_source::PageSource;
pub use policy::RequestPolicy;
pub(crate) use request::{Paging, Request};
#[cfg(any(test, fuzzing))]
pub(crate) use response::{ParseError, parse_bars, parse_events};
#[cfg(any(test, fuzzing))]
pub(crate) use retry::parse_retry_after;
#[cfg(test)]
pub(crate) use test_errors::every_error;

/// How many bars a page may have: the most that the API accepts. It counts base bars: 50,000 days, or about 50 sessions of
/// minutes.
const LIMIT: u32 = 50_000;

/// The pages of the API at `origin`, or of `exchange` instead. Fails if the key, the proxy or the certificates can't be
/// used.
pub(crate) fn page_source(
    origin: &Origin,
    key: &Secret,
    policy: RequestPolicy,
    clock: &SharedClock,
    exchange: Option<&Arc<Mutex<dyn Exchange>>>,
) -> Result<Box<dyn PageSource>, Failure> {
    if let Some(exchange) = exchange {
        let interpreter = interpreter::Interpreter::new(key.clone(), origin.to_string());
        let exchange = Arc::clone(exchange);
        let pages = page_source::InMemory::new(interpreter, policy, exchange);
        return Ok(Box::new(pages));
    }
    let http = http::Http::new(origin, key, &policy, clock.clone())?;
    Ok(Box::new(pool::Pool::new(http, policy, clock.clone())))
}
