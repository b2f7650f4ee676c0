//! How a response of the fake API can go wrong: the one way in which tests inject faults.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::answers;
use super::backend::FakeApi;

/// What goes wrong with a response. Everything after `Changed` takes the server on a bare socket.
#[derive(Clone)]
pub enum Fault {
    /// Another status, with header lines and a body.
    Status(u16, String, String),
    /// The true response, with its body changed.
    Changed(Arc<dyn Fn(String) -> String + Send + Sync>),
    /// The connection ends before a byte of the response.
    Reset,
    /// The connection ends after half of the body.
    TruncatedBody,
    /// The head comes, and then nothing.
    Stall,
    /// The body comes byte by byte, with a pause after each.
    Trickle(Duration),
    /// A body that never ends, declared as longer than any page.
    OversizedBody,
    /// A ready-made response, head and all; the connection stays open.
    Bytes(Vec<u8>),
}

impl Fault {
    /// Another status, with header lines (`Retry-After: 1`) and a body.
    pub fn status(status: u16, headers: &str, body: &str) -> Fault {
        Fault::Status(status, headers.to_owned(), body.to_owned())
    }

    /// The refusal of days that the plan does not include.
    pub fn outside_the_plan() -> Fault {
        let (status, body) = answers::outside_the_plan();
        Fault::Status(status, String::new(), body)
    }

    /// The true response, with its body changed.
    pub fn changed(change: impl Fn(String) -> String + Send + Sync + 'static) -> Fault {
        Fault::Changed(Arc::new(change))
    }

    /// Another body, with status 200.
    pub fn body(body: &str) -> Fault {
        let body = body.to_owned();
        Fault::changed(move |_| body.clone())
    }

    /// The true response, with every occurrence of a text in its body replaced.
    pub fn replaced(from: &str, to: &str) -> Fault {
        let (from, to) = (from.to_owned(), to.to_owned());
        Fault::changed(move |body| body.replace(&from, &to))
    }

    /// The true response, once so many requests have come in. (If they don't within three seconds, which is less than
    /// the connector waits, the connection ends.)
    pub fn held_until(api: &FakeApi, requests: usize) -> Fault {
        let api = api.clone();
        Fault::changed(move |body| {
            let has_come = (0..600).any(|_| {
                thread::sleep(Duration::from_millis(5));
                api.request_count() >= requests
            });
            assert!(has_come, "fewer than {requests} requests");
            body
        })
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Status(status, ..) => write!(formatter, "status {status}"),
            Fault::Changed(_) => formatter.write_str("changed body"),
            Fault::Reset => formatter.write_str("reset"),
            Fault::TruncatedBody => formatter.write_str("truncated body"),
            Fault::Stall => formatter.write_str("stall"),
            Fault::Trickle(_) => formatter.write_str("trickle"),
            Fault::OversizedBody => formatter.write_str("oversized body"),
            Fault::Bytes(_) => formatter.write_str("bytes"),
        }
    }
}
