//! Faults that tests inject into the responses of the fake API.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::answers;
use super::backend::FakeApi;

/// What goes wrong with a response.
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
    /// Nothing follows the head.
    Stall,
    /// The body arrives byte by byte, with a pause after each.
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

    /// The refusal of data that the plan never includes.
    pub fn not_entitled() -> Fault {
        Fault::status(403, "", r#"{"status":"NOT_AUTHORIZED","message":"You are not entitled to this data."}"#)
    }

    /// A response without bars.
    pub fn no_bars() -> Fault {
        Fault::body(r#"{"queryCount":0,"resultsCount":0,"status":"OK"}"#)
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

    /// The true response, with the first occurrence of a text in its body replaced.
    pub fn first_replaced(from: &str, to: &str) -> Fault {
        let (from, to) = (from.to_owned(), to.to_owned());
        Fault::changed(move |body| body.replacen(&from, &to, 1))
    }

    /// The true response, with its rows changed, and its counts to match.
    pub fn rows_changed<F: Fn(&mut Vec<Value>) + Send + Sync + 'static>(change: F) -> Fault {
        Fault::changed(move |body| {
            let mut page: Value = serde_json::from_str(&body).expect("JSON");
            let Some(rows) = page["results"].as_array_mut() else {
                return body;
            };
            change(rows);
            let count = rows.len();
            for name in ["queryCount", "resultsCount", "count"] {
                page[name] = count.into();
            }
            page.to_string()
        })
    }

    /// The true response, held back until `requests` requests have arrived. (If they don't within three seconds, which
    /// is less than the connector waits, the connection ends.)
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
