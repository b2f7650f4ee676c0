//! No key and no password in any output, wherever it was pasted and whoever quotes it.

use serde_json::json;

use crate::faults::{NOW, connector, three_pages};
use crate::support::connector::Connector;
use crate::support::fake_api::{FakeApi, Fault, KEY};

const PASSWORD: &str = "0ther-pa55word";

/// Asserts that every command refuses the configuration with this text; returns everything that they wrote.
fn refused(connector: &Connector, expected: &str) -> String {
    let run = |command: &str| {
        let output = connector.run_at(NOW, command);
        let message = if command == "check" { output.connection_status().1 } else { output.failure().1 };
        assert!(message.contains(expected), "{expected}: {message}");
        // The helper has searched it for the key.
        output.text
    };
    ["check", "discover", "read"].map(run).concat()
}

#[test]
fn key_or_password_in_another_property_is_not_shown() {
    for (property, value) in [
        ("api_url", format!("https://api.polygon.io/v2?apiKey={KEY}")),
        ("api_url", format!("https://{KEY}@api.polygon.io")),
        ("api_url", KEY.to_owned()),
        ("api_url", format!("http://user:{PASSWORD}@127.0.0.1:9")),
        ("start_date", KEY.to_owned()),
        ("end_date", format!("2026-{KEY}")),
        ("adjusted", KEY.to_owned()),
        ("stock_ticker", format!("{KEY},{KEY}")),
        ("stock_ticker", format!("{KEY} {KEY}")),
        ("stock_ticker", format!("{KEY},,^")),
        ("stock_ticker", format!("Z:{KEY}")),
    ] {
        let mut connector = Connector::with_url("http://127.0.0.1:9", "TSLA");
        connector.set(property, value.clone());
        let text = refused(&connector, &format!("\n{property}: "));
        assert!(!text.contains(PASSWORD), "{property}={value}: {text}");
    }
}

#[test]
fn key_with_a_line_break_is_refused_without_a_request() {
    let api = FakeApi::start(three_pages());
    for key in ["pk_1\nSECRET", "pk_1\r\nX-Header: SECRET", "pk_1\tSECRET", "pk_1\u{e9}SECRET", "pk_1\0SECRET"] {
        let mut connector = connector(&api);
        connector.set("api_key", key);
        let text = refused(&connector, "api_key: the value is not valid; expected ");
        assert!(!text.contains("SECRET") && !text.contains("pk_1"), "{text}");
    }
    assert_eq!(api.take_requests().len(), 0);
    // Blanks around the key are harmless.
    let mut connector = connector(&api);
    connector.set("api_key", format!(" {KEY}\n"));
    assert_eq!(connector.run_at(NOW, "read").succeeded().records().len(), 6);
}

/// Unit tests have more ways to write the key.
#[test]
fn key_that_the_api_quotes_is_not_passed_on() {
    let in_json = format!(r#"{{"status":"ERROR","error":"Unknown API Key {KEY}"}}"#);
    let in_text = format!("Bearer {KEY} was refused");
    for status in [400, 401, 403, 404, 418, 500] {
        for body in [in_json.clone(), in_text.clone()] {
            let api = FakeApi::start(three_pages());
            api.inject_faults(move |_, _| Some(Fault::status(status, "", &body)));
            for command in ["check", "read"] {
                // The helper has searched it for the key.
                let text = connector(&api).run_at(NOW, command).text;
                assert!(text.contains("(api_key)"), "{status}: it is replaced: {text}");
            }
        }
    }
}

#[test]
fn key_in_a_bar_that_can_not_be_read_is_not_shown_in_part() {
    for length in (180..320).step_by(7) {
        let api = FakeApi::start(three_pages());
        let odd = format!(r#""c":"{}{KEY}","was":"#, "x".repeat(length));
        api.inject_faults(move |_, _| Some(Fault::replaced(r#""c":"#, &odd)));
        let output = connector(&api).run_at(NOW, "read");
        assert_eq!(output.failure().0, "system_error");
        assert!(!output.text.contains(&KEY[..6]), "{}", output.text);
    }
}

#[test]
fn key_in_a_state_or_a_catalog_is_not_shown() {
    for padding in (0..400).step_by(13) {
        let long = format!("{}{KEY}", "x".repeat(padding));
        let mut connector = Connector::with_url("http://127.0.0.1:9", "TSLA");
        connector.state = Some(json!({"stock_prices": {"TSLA": {"since": long, "date": [long.clone()]}}}));
        let output = connector.run_at(NOW, "read");
        assert_eq!(output.failure().0, "config_error");
        assert!(!output.text.contains(&KEY[..6]), "{}", output.text);
        connector.state = Some(json!({"stock_prices": [long]}));
        assert!(!connector.run_at(NOW, "read").text.contains(&KEY[..6]));
        connector.state = None;
        connector.stream(&long, "incremental");
        assert!(!connector.run_at(NOW, "read").text.contains(&KEY[..6]));
    }
}
