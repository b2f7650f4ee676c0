//! Faults that may pass, in answers that are well-formed HTTP, one row a fault: retried, and told if they stay.
//! On wiremock.

use crate::fault_rows::{
    FaultRow, NOW, assert_permanent_faults_fail, assert_transient_faults_are_retried, connector,
    three_pages, transient,
};
use crate::support::fake_api::{FakeApi, Fault};

const LIMITED: &str = r#"{"status":"ERROR","request_id":"0","error":"You've exceeded the maximum requests per minute"}"#;

/// Until 15 minutes have passed with nothing but refusals, at one a minute.
const REFUSALS: usize = 16;

const ROWS: &[FaultRow<Fault>] = &[
    FaultRow {
        attempts: REFUSALS,
        ..transient(
            "429",
            || Fault::status(429, "", LIMITED),
            "still rate-limited after 15 minutes (HTTP 429: You've exceeded",
        )
    },
    FaultRow {
        attempts: REFUSALS,
        ..transient(
            "429 without a body",
            || Fault::status(429, "", ""),
            "(HTTP 429: no text)",
        )
    },
    FaultRow {
        // Ten seconds at first, and longer as the refusals go on.
        attempts: 21,
        ..transient(
            "429 with seconds",
            || Fault::status(429, "Retry-After: 10", LIMITED),
            "still rate-limited",
        )
    },
    FaultRow {
        // In an hour: capped at five minutes.
        attempts: 4,
        ..transient(
            "429 with a date",
            || Fault::status(429, "Retry-After: Fri, 20 Nov 2026 16:00:00 GMT", LIMITED),
            "still rate-limited",
        )
    },
    transient(
        "408",
        || Fault::status(408, "", ""),
        "failed after 6 attempts: HTTP 408: no text",
    ),
    transient(
        "500",
        || Fault::status(500, "", r#"{"status":"ERROR","error":"boom"}"#),
        "HTTP 500: boom",
    ),
    transient(
        "502 in HTML",
        || Fault::status(502, "", "<html>Bad Gateway</html>"),
        "HTTP 502: an HTML page",
    ),
    transient(
        "503 without a body",
        || Fault::status(503, "", ""),
        "HTTP 503: no text",
    ),
    transient(
        "truncated JSON",
        || Fault::changed(|body| body[..body.len() - 9].to_owned()),
        "the response is not JSON",
    ),
    transient(
        "HTML with 200",
        || Fault::changed(|_| "<html>please log in</html>".to_owned()),
        "the response is not JSON",
    ),
    transient(
        "nothing with 200",
        || Fault::changed(|_| String::new()),
        "the response is not JSON",
    ),
    transient(
        "a number with two points",
        || Fault::changed(|body| body.replace(r#""c":40"#, r#""c":4.0.0"#)),
        "the response is not JSON",
    ),
    transient(
        "another ticker's bars",
        || Fault::changed(|body| body.replace(r#""ticker":"TSLA""#, r#""ticker":"AAPL""#)),
        "the response is about AAPL instead of TSLA",
    ),
    transient(
        "fewer bars than it says",
        || Fault::changed(|body| body.replace(r#""resultsCount":2"#, r#""resultsCount":3"#)),
        "the response has 2 of 3 bars",
    ),
    transient(
        "a count without bars",
        || Fault::changed(|_| r#"{"ticker":"TSLA","status":"OK","resultsCount":5}"#.to_owned()),
        "the response has 0 of 5 bars",
    ),
];

#[test]
fn transient_fault_is_retried_without_losing_records() {
    assert_transient_faults_are_retried(ROWS, FakeApi::start);
}

#[test]
fn transient_fault_that_stays_fails_the_sync_with_its_class_and_cause() {
    assert_permanent_faults_fail(ROWS, FakeApi::start);
}

#[test]
fn retries_are_logged_as_info_with_the_request_and_the_cause() {
    let api = FakeApi::start(three_pages());
    api.inject_faults(|number, _| (number < 2).then(|| Fault::status(500, "", "")));
    let output = connector(&api, "incremental")
        .run_at(NOW, "read")
        .succeeded();
    let logs = output.logs("INFO");
    let retries: Vec<_> = logs
        .iter()
        .filter(|text| text.starts_with("attempt "))
        .collect();
    let begin = "attempt 1 of 6 failed for /v2/aggs/ticker/TSLA/range/1/day/2026-11-12/2026-11-19?";
    assert!(retries[0].starts_with(begin), "{retries:?}");
    assert!(
        retries[0].contains(": HTTP 500: no text; retrying in "),
        "{retries:?}"
    );
    assert!(
        retries.len() == 2 && retries[1].starts_with("attempt 2 of 6 "),
        "{retries:?}"
    );
}
