//! What carries requests: HTTP, or an API in memory.

use std::sync::{Arc, Mutex, PoisonError};

use super::body::Body;
use super::http::Http;
use super::interpreter::Reply;
use super::{ApiError, Request};

/// Sends a request once.
pub(super) type Transport = dyn Fn(&Request) -> Result<Reply, ApiError> + Send + Sync;

/// An API in memory.
pub trait Exchange: Send {
    /// The HTTP status and the body for a request.
    fn get(&mut self, target: &str) -> (u16, String);
}

pub(super) fn over_http(http: Http) -> Arc<Transport> {
    Arc::new(move |request| http.send(request))
}

pub(super) fn in_memory(exchange: Arc<Mutex<dyn Exchange>>) -> Arc<Transport> {
    Arc::new(move |request| {
        let (status, text) = exchange.lock().unwrap_or_else(PoisonError::into_inner).get(request.target());
        let body = Body { bytes: text.into_bytes(), is_gzipped: false };
        Ok(Reply { status, retry_after: None, request_id: None, body })
    })
}
