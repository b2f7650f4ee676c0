//! `next_url`: followed at the configured origin, to the end, and never in circles.

use super::{NOW, REQUESTS, connector, read_with, three_pages};
use crate::support::fake_api::{FakeApi, Fault};

fn with_next_url(body: &str, next_url: &str) -> String {
    let end = body.find(r#","next_url""#).unwrap_or(body.len() - 1);
    format!(r#"{},"next_url":"{next_url}"}}"#, &body[..end])
}

#[test]
fn next_url_that_repeats_or_never_ends_is_an_error() {
    let next_url = "https://api.polygon.io/v2/aggs/ticker/TSLA/range/1/day/2026-11-12/2026-11-19?cursor=";
    // The same bars on every page, under one address or under ever new ones.
    for repeats in [true, false] {
        println!("one address: {repeats}");
        let api = FakeApi::start(three_pages());
        let output = read_with(&api, move |number| {
            let number = if repeats { 0 } else { number };
            Some(Fault::changed(move |body| with_next_url(&body, &format!("{next_url}{number}"))))
        });
        output.assert_failure("system_error", &["pagination loop at next_url"]);
        assert!(api.take_requests().len() < 8);
    }
}

#[test]
fn next_url_past_the_end_is_the_end() {
    let reversed = r#"{"status":"ERROR","error":"The parameter 'to' cannot be a time that occurs before 'from'"}"#;
    for (name, past_the_end) in [("no bars", Fault::no_bars()), ("400", Fault::status(400, "", reversed))] {
        println!("{name}");
        let api = FakeApi::start(three_pages());
        api.inject_faults(move |_, request| {
            if request.path.contains("/1794978000000/") {
                return Some(past_the_end.clone());
            }
            Some(Fault::changed(|body| {
                let url = "https://api.polygon.io/v2/aggs/ticker/TSLA/range/1/day/1794978000000/2026-11-19?cursor=x";
                if body.contains("next_url") { body } else { with_next_url(&body, url) }
            }))
        });
        let output = connector(&api).run_at(NOW, "read").succeeded();
        assert_eq!(output.records().len(), 6);
        // An empty page that another one promised is requested again.
        let requests = api.take_requests().len();
        assert!(requests <= REQUESTS + 4, "{requests}");
    }
}
