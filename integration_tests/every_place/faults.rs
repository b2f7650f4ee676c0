//! What can go wrong with an answer, and what a sync is to make of it.
//!
//! No fault here makes a price wrong in an answer that is otherwise good: nobody could notice, and the row would be
//! wrong until a later sync compares it. Nor does one leave out bars between others: of hours, only the last two
//! sessions are compared. A silent API and an endless body are left out because they take real time.

use std::fmt;

use Effect::{Fails, Harmless, Retried, Unnoticed};
use Way::{Body, Connection, Json, Status, Text};
use serde_json::{Value, json};

use super::world::target;
use crate::support::backend::{KEY, Request};
use crate::support::raw_api::{RawFault, http_answer};

/// What a sync makes of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is asked for again, and if the fault stays, that is a `transient_error`.
    Retried,
    /// It is an error of this class at once.
    Fails(&'static str),
    /// Everything that is needed is there nevertheless.
    Harmless,
    /// The answer is as good as any, but bars at its end are missing: nobody can notice, and the next sync brings them.
    Unnoticed,
}

/// How an answer goes wrong.
enum Way {
    /// Another status, with header lines and a body.
    Status(u16, &'static str, &'static str),
    /// A body that does not depend on the request.
    Body(&'static str),
    /// The true body, changed as text.
    Text(fn(&str) -> String),
    /// The true body, changed as JSON.
    Json(fn(&mut Value, &Request)),
    /// Broken below HTTP.
    Connection(RawFault),
}

/// A fault by its name.
pub struct Fault {
    name: &'static str,
    pub effect: Effect,
    way: Way,
}

impl fmt::Debug for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl Fault {
    /// What becomes of the true answer to a request; `None` if it can't go wrong in this way.
    pub fn spoil(&self, request: &Request, body: &str) -> Option<RawFault> {
        let answer = |status, headers, body: &str| {
            RawFault::Bytes(http_answer(status, headers, body.as_bytes()))
        };
        let changed = |text: String| (text != body).then(|| answer(200, "", &text));
        match &self.way {
            Status(status, headers, body) => Some(answer(*status, headers, body)),
            Body(text) => Some(answer(200, "", text)),
            Text(change) => changed(change(body)),
            Json(change) => {
                let mut answer: Value = serde_json::from_str(body).expect("JSON");
                let before = answer.clone();
                change(&mut answer, request);
                (answer != before).then(|| changed(answer.to_string()))?
            }
            Connection(fault) => Some(fault.clone()),
        }
    }
}

const CONFIG: Effect = Fails("config_error");
const SYSTEM: Effect = Fails("system_error");

const fn fault(name: &'static str, effect: Effect, way: Way) -> Fault {
    Fault { name, effect, way }
}

/// The first so many are one of each way in which the connector takes a fault: of these, there are not too many pairs.
pub const REPRESENTATIVES: usize = 5;

/// Every fault.
#[rustfmt::skip]
pub static FAULTS: [Fault; 39] = [
    fault("500", Retried, Status(500, "", r#"{"status":"ERROR","error":"boom"}"#)),
    fault("429", Retried, Status(429, "", r#"{"status":"ERROR","error":"exceeded"}"#)),
    fault("400", SYSTEM, Status(400, "", r#"{"status":"ERROR","error":"Ticker was incorrectly formatted"}"#)),
    fault("401", CONFIG, Status(401, "", r#"{"status":"ERROR","error":"Unknown API Key"}"#)),
    fault("no bars", Unnoticed, Json(|answer, _| remove_bars(answer))),
    fault("301", SYSTEM, Status(301, "Location: https://evil.example/\r\n", "")),
    fault("302", SYSTEM, Status(302, "Location: /v2/aggs/elsewhere\r\n", "")),
    fault("400 without a body", SYSTEM, Status(400, "", "")),
    fault("403", CONFIG, Status(403, "", r#"{"status":"NOT_AUTHORIZED","message":"You are not entitled to this."}"#)),
    fault("404", CONFIG, Status(404, "", "404 page not found\n")),
    fault("407", CONFIG, Status(407, "", "")),
    fault("408", Retried, Status(408, "", "")),
    fault("418", SYSTEM, Status(418, "", "teapot")),
    fault("429 with seconds", Retried, Status(429, "Retry-After: 10\r\n", "")),
    fault("502 in HTML", Retried, Status(502, "", "<html>Bad Gateway</html>")),
    fault("503 with seconds", Retried, Status(503, "Retry-After: 10\r\n", "")),
    fault("504", Retried, Status(504, "", "")),
    fault("an end in the body", Retried, Connection(RawFault::TruncatedBody)),
    fault("an end before the answer", Retried, Connection(RawFault::Reset)),
    fault("JSON without its end", Retried, Text(|body| body[..body.len() - 9].to_owned())),
    fault("HTML with 200", Retried, Body("<html>please log in</html>")),
    fault("nothing with 200", Retried, Body("")),
    fault("an array", SYSTEM, Body("[]")),
    fault("status ERROR with 200", SYSTEM, Body(r#"{"status":"ERROR","error":"odd"}"#)),
    fault("an error that names the key", SYSTEM, Text(|_| format!(r#"{{"status":"ERROR","error":"not {KEY}"}}"#))),
    fault("NOT_AUTHORIZED with 200", CONFIG, Body(r#"{"status":"NOT_AUTHORIZED","message":"no"}"#)),
    fault("results of the wrong type", SYSTEM, Body(r#"{"status":"OK","results":{"a":1}}"#)),
    fault("a textual close", SYSTEM, Json(|answer, _| change_bars(answer, |bars| bars[0]["c"] = json!("x")))),
    fault("a bar without a time", SYSTEM, Text(|body| body.replacen(r#""t":"#, r#""tt":"#, 1))),
    fault("another ticker's bars", Retried, Json(|answer, _| make_another_tickers(answer))),
    fault("a count that is too high", Retried, Json(|answer, _| answer["resultsCount"] = json!(99))),
    fault("prices on the other basis", SYSTEM, Json(|answer, _| answer["adjusted"] = json!(false))),
    fault("every bar twice", Harmless, Json(|answer, _| change_bars(answer, double))),
    fault("the last bar first", Harmless, Json(|answer, _| change_bars(answer, |bars| bars.reverse()))),
    fault("a bar from long before", Harmless, Json(|answer, _| change_bars(answer, add_older))),
    fault("a next_url elsewhere", Harmless, Text(|body| body.replace("//api.massive.com", "//evil.example"))),
    fault("its own next_url", SYSTEM, Json(repeat_next_url)),
    fault("a next_url of another ticker", SYSTEM, Json(|answer, _| answer["next_url"] = json!(OTHER_URL))),
    fault("no next_url", Unnoticed, Json(|answer, _| remove(answer, &["next_url"]))),
];

const OTHER_URL: &str =
    "https://api.massive.com/v2/aggs/ticker/OTHER/range/1/day/1/2026-11-13?cursor=x";

/// Names the page itself as the next. (A first page is read twice then: the next URLs look different.)
fn repeat_next_url(answer: &mut Value, request: &Request) {
    if !request.is_first_page() {
        let target = target(request);
        answer["next_url"] = json!(format!("https://api.massive.com{target}"));
    }
}

fn remove(answer: &mut Value, names: &[&str]) {
    let answer = answer.as_object_mut().expect("an object");
    answer.retain(|name, _| !names.contains(&name.as_str()));
}

fn remove_bars(answer: &mut Value) {
    remove(answer, &["results", "count", "next_url"]);
    (answer["resultsCount"], answer["queryCount"]) = (json!(0), json!(0));
}

fn make_another_tickers(answer: &mut Value) {
    answer["ticker"] = json!("OTHER");
    change_bars(answer, |bars| bars[0]["c"] = json!(0.01));
}

/// Changes the bars of an answer that has some, and counts them.
fn change_bars(answer: &mut Value, change: impl FnOnce(&mut Vec<Value>)) {
    let Some(bars) = answer.get_mut("results").and_then(Value::as_array_mut) else {
        return;
    };
    change(bars);
    let count = bars.len();
    for name in ["resultsCount", "queryCount", "count"] {
        answer[name] = json!(count);
    }
}

fn double(bars: &mut Vec<Value>) {
    *bars = bars
        .iter()
        .flat_map(|bar| [bar.clone(), bar.clone()])
        .collect();
}

fn add_older(bars: &mut Vec<Value>) {
    let mut bar = bars[0].clone();
    bar["t"] = json!(1_112_331_600_000_i64);
    bars.insert(0, bar);
}
