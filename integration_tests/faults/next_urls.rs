//! `next_url`: followed at the configured origin, to the end, and never in circles. On wiremock.

use super::{NOW, REQUESTS, connector, three_pages};
use crate::support::fake_api::{FakeApi, Fault, KEY};

fn api() -> FakeApi {
    FakeApi::start(three_pages())
}

fn with_next_url(body: &str, next_url: &str) -> String {
    let end = body.find(r#","next_url""#).unwrap_or(body.len() - 1);
    format!(r#"{},"next_url":"{next_url}"}}"#, &body[..end])
}

#[test]
fn next_url_that_repeats_or_never_ends_is_an_error() {
    let next_url = "https://api.polygon.io/v2/aggs/ticker/TSLA/range/1/day/2026-11-12/2026-11-19?cursor=";
    // The same address again and again, or ever another one, and ever the same bars.
    for repeats in [true, false] {
        let api = api();
        api.inject_faults(move |number, _| {
            let number = if repeats { 0 } else { number };
            Some(Fault::changed(move |body| with_next_url(&body, &format!("{next_url}{number}"))))
        });
        let output = connector(&api, "incremental").run_at(NOW, "read");
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "system_error");
        assert!(message.contains("pagination loop at next_url"), "{message}");
        assert!(api.take_requests().len() < 8);
    }
}

#[test]
fn next_url_past_the_end_is_the_end() {
    let empty = || Fault::changed(|_| r#"{"adjusted":true,"status":"OK","queryCount":0,"resultsCount":0}"#.to_owned());
    let reversed = || {
        Fault::status(
            400,
            "",
            r#"{"status":"ERROR","error":"The parameter 'to' cannot be a time that occurs before 'from'"}"#,
        )
    };
    let answers: [fn() -> Fault; 2] = [empty, reversed];
    for past_the_end in answers {
        let api = api();
        api.inject_faults(move |_, request| {
            if request.path.contains("/1794978000000/") {
                return Some(past_the_end());
            }
            Some(Fault::changed(|body| {
                let url = "https://api.polygon.io/v2/aggs/ticker/TSLA/range/1/day/1794978000000/2026-11-19?cursor=x";
                if body.contains("next_url") { body } else { with_next_url(&body, url) }
            }))
        });
        let output = connector(&api, "incremental").run_at(NOW, "read").succeeded();
        assert_eq!(output.records().len(), 6);
        // A page that was promised is requested once more if it is empty.
        let requests = api.take_requests().len();
        assert!(requests <= REQUESTS + 4, "{requests}");
    }
}

#[test]
fn foreign_next_url_with_a_planted_key_stays_at_the_configured_origin() {
    let api = api();
    api.inject_faults(|number, _| {
        (number == 0).then(|| {
            Fault::changed(|body| {
                let body = body.replace("https://api.massive.com", "https://evil.example");
                body.replace("?cursor=", "?apiKey=planted&cursor=")
            })
        })
    });
    let output = connector(&api, "incremental").run_at(NOW, "read").succeeded();
    assert_eq!(output.records().len(), 6);
    let requests = api.take_requests();
    assert_eq!(requests.len(), REQUESTS, "all came here");
    assert!(requests.iter().all(|request| !request.query.contains("planted")));
}

#[test]
fn key_in_a_next_url_is_neither_sent_in_a_query_nor_shown() {
    for number in [0, 2] {
        let api = api();
        api.inject_faults(move |request, _| {
            (request == number).then(|| {
                Fault::changed(|body| {
                    let url = "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/day/1/2026-11-19?cursor=x";
                    with_next_url(&body, &format!("{url}&apiKey={KEY}"))
                })
            })
        });
        // The output is searched for the key wherever it is taken apart.
        let output = connector(&api, "incremental").run_at(NOW, "read");
        assert!(output.failure().1.contains("next_url"), "{:?}", output.failure());
        assert!(api.take_requests().iter().all(|request| !request.query.contains(KEY)));
    }
}
