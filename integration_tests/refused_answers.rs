//! Faults that asking again does not change, in answers that are well-formed HTTP, one row a fault. On wiremock.

use crate::fault_rows::{FaultRow, assert_permanent_faults_fail, permanent};
use crate::support::fake_api::{FakeApi, Fault};

const ROWS: &[FaultRow<Fault>] = &[
    permanent(
        "status ERROR with 200",
        || Fault::changed(|_| r#"{"status":"ERROR","error":"odd"}"#.to_owned()),
        r#"its status is "ERROR" (odd)"#,
    ),
    permanent(
        "an array",
        || Fault::changed(|_| "[]".to_owned()),
        "unexpected API response",
    ),
    permanent(
        "results of the wrong type",
        || Fault::changed(|_| r#"{"status":"OK","results":{"a":1}}"#.to_owned()),
        "unexpected API response",
    ),
    permanent(
        "a textual close",
        || Fault::changed(|body| body.replace(r#""c":40"#, r#""c":"x","z":40"#)),
        r#""x" is not a number"#,
    ),
    permanent(
        "a bar without a time",
        || Fault::changed(|body| body.replace(r#""t":"#, r#""tt":"#)),
        "missing field `t`",
    ),
    permanent(
        "a time out of range",
        || Fault::changed(|body| body.replace(r#""t":"#, r#""t":1e300,"tt":"#)),
        "whole epoch milliseconds",
    ),
    permanent(
        "prices on the other basis",
        || Fault::changed(|body| body.replace(r#""adjusted":true"#, r#""adjusted":false"#)),
        "prices with adjusted=true were requested, and it has adjusted=false",
    ),
    permanent(
        "a next_url about another ticker",
        || {
            Fault::changed(|body| {
                with_next_url(
                    &body,
                    "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/day/1/2026-11-19",
                )
            })
        },
        "next_url",
    ),
    permanent(
        "a next_url that is none",
        || Fault::changed(|body| with_next_url(&body, "::")),
        "next_url",
    ),
    permanent(
        "a redirect",
        || Fault::status(302, "Location: https://evil.example/", ""),
        "HTTP 302 redirect not followed (the key is only sent to api_url)",
    ),
    permanent(
        "a permanent redirect",
        || Fault::status(308, "Location: /v2/aggs/elsewhere", ""),
        "HTTP 308 redirect not followed",
    ),
    permanent(
        "400",
        || {
            Fault::status(
                400,
                "",
                r#"{"status":"ERROR","error":"Ticker was incorrectly formatted"}"#,
            )
        },
        "request rejected (HTTP 400: Ticker was incorrectly formatted). Check the ticker and the dates.",
    ),
    permanent(
        "418",
        || Fault::status(418, "", "teapot"),
        "request rejected (HTTP 418: teapot)",
    ),
    FaultRow {
        failure_type: "config_error",
        ..permanent(
            "404",
            || Fault::status(404, "", "404 page not found\n"),
            "endpoint not found (HTTP 404: 404 page not found). Check api_url.",
        )
    },
    FaultRow {
        failure_type: "config_error",
        ..permanent(
            "407",
            || Fault::status(407, "", ""),
            "Check HTTPS_PROXY or ALL_PROXY.",
        )
    },
    FaultRow {
        failure_type: "config_error",
        ..permanent(
            "401",
            || Fault::status(401, "", r#"{"status":"ERROR","error":"Unknown API Key"}"#),
            "invalid API key (HTTP 401: Unknown API Key). Check api_key",
        )
    },
    FaultRow {
        failure_type: "config_error",
        ..permanent(
            "403",
            || {
                Fault::status(
                    403,
                    "",
                    r#"{"status":"NOT_AUTHORIZED","message":"You are not entitled to this data."}"#,
                )
            },
            "your plan does not include this data (HTTP 403: You are not entitled to this data.)",
        )
    },
    FaultRow {
        failure_type: "config_error",
        ..permanent(
            "NOT_AUTHORIZED with 200",
            || Fault::changed(|_| r#"{"status":"NOT_AUTHORIZED","message":"no"}"#.to_owned()),
            "your plan does not include this data",
        )
    },
];

fn with_next_url(body: &str, next_url: &str) -> String {
    let end = body.find(r#","next_url""#).unwrap_or(body.len() - 1);
    format!(r#"{},"next_url":"{next_url}"}}"#, &body[..end])
}

#[test]
fn permanent_fault_fails_the_sync_with_its_class_and_cause() {
    assert_permanent_faults_fail(ROWS, FakeApi::start);
}
