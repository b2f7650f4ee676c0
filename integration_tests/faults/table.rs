//! The table of faults: what can go wrong with a response, and how a sync must handle it.
//!
//! No fault here makes a price wrong in a response that is otherwise good: that is undetectable, and the row would stay
//! wrong until a later sync compares it. A silent API is left out because it takes real time.

use serde_json::{Value, json};

use crate::support::fake_api::{Fault, KEY};

/// How a sync handles a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Retried; a `transient_error` if the fault persists, after a fixed number of attempts if there is one.
    Retried(Option<usize>),
    /// An error of this class at once.
    Fails(&'static str),
    /// All required data is present nevertheless.
    Harmless,
    /// Undetectable: bars at the end of a response are missing. The next sync adds them.
    Unnoticed,
}

pub struct Row {
    pub name: &'static str,
    pub outcome: Outcome,
    /// Part of the failure's message.
    pub says: &'static str,
    pub fault: Fault,
}

impl Row {
    /// Whether a response with this body can go wrong in this way.
    pub fn applies_to(&self, body: &str) -> bool {
        match &self.fault {
            Fault::Changed(change) => change(body.to_owned()) != body,
            _ => true,
        }
    }
}

const CONFIG: Outcome = Outcome::Fails("config_error");
const SYSTEM: Outcome = Outcome::Fails("system_error");
const RETRIED: Outcome = Outcome::Retried(Some(6));
const LIMITED: Outcome = Outcome::Retried(None);

const EXCEEDED: &str = r#"{"status":"ERROR","error":"You've exceeded the maximum requests per minute"}"#;
const NOT_ENTITLED: &str = r#"{"status":"NOT_AUTHORIZED","message":"You are not entitled to this data."}"#;
const WRONG_TICKER: &str = r#"{"status":"ERROR","error":"Ticker was incorrectly formatted"}"#;
const NO_JSON: &str = "the response is not JSON";

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    let row = |name, outcome, says, fault| Row { name, outcome, says, fault };
    let status = Fault::status;
    let body = Fault::body;
    let first = Fault::first_replaced;
    let rows_changed = Fault::rows_changed::<fn(&mut Vec<Value>)>;
    vec![
        row("429", LIMITED, "still rate-limited after 15 minutes (HTTP 429: You've exceeded", status(429, "", EXCEEDED)),
        row("429 without a body", LIMITED, "(HTTP 429: no text)", status(429, "", "")),
        row("429 with seconds", LIMITED, "still rate-limited", status(429, "Retry-After: 10", EXCEEDED)),
        row("429 with a date", LIMITED, "still rate-limited", status(429, "Retry-After: Fri, 20 Nov 2026 16:00:00 GMT", EXCEEDED)),
        row("408", RETRIED, "failed after 6 attempts (HTTP 408: no text)", status(408, "", "")),
        row("500", RETRIED, "HTTP 500: boom", status(500, "", r#"{"status":"ERROR","error":"boom"}"#)),
        row("502 in HTML", RETRIED, "HTTP 502: an HTML page", status(502, "", "<html>Bad Gateway</html>")),
        row("503 without a body", RETRIED, "HTTP 503: no text", status(503, "", "")),
        row("503 with seconds", RETRIED, "HTTP 503", status(503, "Retry-After: 10", "")),
        row("504", RETRIED, "HTTP 504", status(504, "", "")),
        row("an end before the response", RETRIED, "failed after 6 attempts", Fault::Reset),
        row("an end in the body", RETRIED, "the response was cut off", Fault::TruncatedBody),
        row("no HTTP at all", RETRIED, "failed after 6 attempts", Fault::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())),
        row("JSON without its end", RETRIED, NO_JSON, Fault::changed(|body| body[..body.len() - 9].to_owned())),
        row("half a body", RETRIED, NO_JSON, Fault::changed(|body| body[..body.len() / 2].to_owned())),
        row("HTML with 200", RETRIED, NO_JSON, body("<html>please log in</html>")),
        row("nothing with 200", RETRIED, NO_JSON, body("")),
        row("a number with two points", RETRIED, NO_JSON, first(r#""c":"#, r#""c":4.0.0,"z":"#)),
        row("another ticker's bars", RETRIED, "the response is for OTHER instead of", json_with(make_another_tickers)),
        row("a count that is too high", RETRIED, "the response has ", first(r#""resultsCount":"#, r#""resultsCount":9"#)),
        row("a bar that was cut out", RETRIED, "the response has ", json_with(cut_bar_out)),
        row("a count without bars", RETRIED, "the response has 0 of 5 rows", body(r#"{"status":"OK","resultsCount":5}"#)),
        row("400", SYSTEM, "request rejected (HTTP 400: Ticker was incorrectly formatted). Request: /v2/aggs/", status(400, "", WRONG_TICKER)),
        row("400 without a body", SYSTEM, "request rejected (HTTP 400", status(400, "", "")),
        row("418", SYSTEM, "request rejected (HTTP 418: teapot)", status(418, "", "teapot")),
        row("a redirect", SYSTEM, "unexpected API response (HTTP 302: redirects are not followed, because the key is only sent to api_url", status(302, "Location: https://evil.example/", "")),
        row("a permanent redirect", SYSTEM, "HTTP 308: redirects are not followed", status(308, "Location: /v2/aggs/elsewhere", "")),
        row("401", CONFIG, "invalid API key (HTTP 401: Unknown API Key). Request: /v2/aggs/", status(401, "", r#"{"status":"ERROR","error":"Unknown API Key"}"#)),
        row("403", CONFIG, "your plan does not include this data (HTTP 403: You are not entitled to this data.)", status(403, "", NOT_ENTITLED)),
        row("403 in HTML", RETRIED, "HTTP 403: not from the API: an HTML page", status(403, "", "<html>Forbidden by the gateway</html>")),
        row("404", CONFIG, "endpoint not found (HTTP 404: 404 page not found). Request: /v2/aggs/", status(404, "", "404 page not found\n")),
        row("407", CONFIG, "Check HTTPS_PROXY or ALL_PROXY.", status(407, "", "")),
        row("the ticker in another case", CONFIG, "did you mean ", json_with(make_lower_case)),
        row("NOT_AUTHORIZED with 200", CONFIG, "your plan does not include this data", body(r#"{"status":"NOT_AUTHORIZED","message":"no"}"#)),
        row("status ERROR with 200", SYSTEM, r#"unexpected API response (HTTP 200: its status is "ERROR": odd)"#, body(r#"{"status":"ERROR","error":"odd"}"#)),
        row("an error that names the key", SYSTEM, "ERROR", body(&format!(r#"{{"status":"ERROR","error":"not {KEY}"}}"#))),
        row("an endless body", SYSTEM, "unexpected API response (HTTP 200: the response exceeds 16 MiB)", Fault::OversizedBody),
        row("an array", SYSTEM, "unexpected API response", body("[]")),
        row("results of the wrong type", SYSTEM, "unexpected API response", body(r#"{"status":"OK","results":{"a":1}}"#)),
        row("a textual close", SYSTEM, r#""x" is not a number: {"#, first(r#""c":"#, r#""c":"x","z":"#)),
        row("a price out of range", SYSTEM, "the number -1e400 is out of range", first(r#""c":"#, r#""c":-1e400,"z":"#)),
        row("a volume out of range", SYSTEM, "the number -1e400 is out of range", first(r#""v":"#, r#""v":-1e400,"z":"#)),
        row("a bar without a time", SYSTEM, "a bar has no start", first(r#""t":"#, r#""tt":"#)),
        row("half a millisecond", SYSTEM, "1.5 is not a whole number of milliseconds", first(r#""t":"#, r#""t":1.5,"tt":"#)),
        row("a time out of range", SYSTEM, "not a whole number of milliseconds", first(r#""t":"#, r#""t":1e300,"tt":"#)),
        row("prices on the other basis", SYSTEM, "unexpected API response (HTTP 200: it has adjusted=false instead of true)", first(r#""adjusted":true"#, r#""adjusted":false"#)),
        row("a next_url about another ticker", SYSTEM, "next_url", json_with(|page| page["next_url"] = json!(format!("https://api.massive.com/v2/aggs/ticker/OTHER/range/1/day/1/2026-11-13?cursor=x&apiKey={KEY}")))),
        row("a next_url that is none", SYSTEM, "next_url", json_with(|page| page["next_url"] = json!("::"))),
        row("a next_url elsewhere", Outcome::Harmless, "", Fault::replaced("//api.massive.com", "//evil.example")),
        row("every bar twice", Outcome::Harmless, "", rows_changed(|bars| *bars = bars.iter().flat_map(|bar| [bar.clone(), bar.clone()]).collect())),
        row("the last bar first", Outcome::Harmless, "", rows_changed(|bars| bars.reverse())),
        row("a bar from long before", Outcome::Harmless, "", rows_changed(add_older)),
        row("no next_url", Outcome::Unnoticed, "", json_with(|page| remove(page, &["next_url"]))),
        row("no bars", Outcome::Unnoticed, "", json_with(remove_bars)),
    ]
}

/// A page of a ticker changed as JSON.
fn json_with(change: fn(&mut Value)) -> Fault {
    Fault::changed(move |body| {
        let before: Value = serde_json::from_str(&body).expect("JSON");
        let mut page = before.clone();
        if page["ticker"].is_string() {
            change(&mut page);
        }
        if page == before { body } else { page.to_string() }
    })
}

fn remove(page: &mut Value, names: &[&str]) {
    let page = page.as_object_mut().expect("an object");
    page.retain(|name, _| !names.contains(&name.as_str()));
}

fn remove_bars(page: &mut Value) {
    remove(page, &["results", "count", "next_url"]);
    (page["resultsCount"], page["queryCount"]) = (json!(0), json!(0));
}

fn make_another_tickers(page: &mut Value) {
    page["ticker"] = json!("OTHER");
    if let Some(close) = page.pointer_mut("/results/0/c") {
        *close = json!(0.01);
    }
}

fn make_lower_case(page: &mut Value) {
    page["ticker"] = page["ticker"].as_str().expect("a ticker").to_lowercase().into();
}

fn cut_bar_out(page: &mut Value) {
    let bars = page.get_mut("results").and_then(Value::as_array_mut);
    bars.map(Vec::pop);
}

fn add_older(bars: &mut Vec<Value>) {
    let mut bar = bars[0].clone();
    bar["t"] = json!(1_112_331_600_000_i64);
    bars.insert(0, bar);
}
