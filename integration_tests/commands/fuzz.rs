//! Random inputs: every output consists of messages, without a panic and without the key.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Map, Value, json};

use crate::support::connector::{Connector, Output, run_binary};
use crate::support::fake_api::{FakeApi, Fault, KEY};
use crate::support::market::two_days;

const NOW: &str = "2026-11-20T15:00:00Z";

/// Keys and texts with a meaning somewhere.
const WORDS: &str = "stock_ticker api_key start_date end_date adjusted api_url streams stream name sync_mode incremental \
    full_refresh stock_prices stock_prices_by_hour market_prices type STREAM STATE state stream_descriptor \
    stream_state TSLA AAPL,TSLA since date timestamp price until first digests anchor granted_from resultsCount \
    ticker results status OK next_url 2026-11-12 9999-12-31 -9999-01-01 2026-11-17T14:30:00Z http://127.0.0.1:1 ..";

fn word() -> impl Strategy<Value = String> {
    let words: Vec<&str> = WORDS.split(' ').chain([""]).collect();
    prop_oneof![9 => prop::sample::select(words).prop_map(str::to_owned), 1 => any::<String>()]
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..6)
                .prop_map(|entries| Value::from(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// `value` with the part replaced to which `path` leads, or the last part on the way that exists.
fn replaced_at(mut value: Value, path: &[usize], thing: Value) -> Value {
    replace_at(&mut value, path, thing);
    value
}

fn replace_at(place: &mut Value, path: &[usize], thing: Value) {
    let children: Vec<&mut Value> = match place {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(entries) => entries.values_mut().collect(),
        _ => Vec::new(),
    };
    match path {
        [step, rest @ ..] if !children.is_empty() => {
            let number = step % children.len();
            replace_at(children.into_iter().nth(number).expect("a child"), rest, thing);
        }
        _ => *place = thing,
    }
}

fn path() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..6, 0..6)
}

fn api() -> FakeApi {
    FakeApi::start(two_days(&["TSLA"]))
}

/// One server for all cases in which nothing goes wrong.
static API: LazyLock<FakeApi> = LazyLock::new(api);

/// Every output is already checked for lines, statuses, counts and the key; this adds that no bug was reported.
fn is_sound(output: &Output) -> Result<(), TestCaseError> {
    prop_assert!(!output.text.contains("Internal error in the connector"), "{}", output.text);
    Ok(())
}

fn state() -> Value {
    json!([{"type": "STREAM", "stream": {"stream_descriptor": {"name": "stock_prices"}, "stream_state": {"TSLA": {
        "since": "2026-11-12", "first": "2026-11-12", "date": "2026-11-18", "until": "2026-11-18", "adjusted": true,
        "granted_from": "2024-11-20", "granted_on": "2026-11-19", "missing": true,
    }}}}])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_configuration_ends_in_messages(path in path(), thing in anything(), command in prop::sample::select(&["check", "discover", "read"][..])) {
        let mut connector = Connector::new(&API, "TSLA");
        connector.config["start_date"] = json!("2026-11-12");
        connector.config["end_date"] = json!("2026-11-19");
        connector.config = replaced_at(connector.config.clone(), &path, thing);
        // No requests to other machines.
        if let Some(url) = connector.config.get_mut("api_url").filter(|url| url.as_str().is_none_or(|url| !url.starts_with("http://127"))) {
            *url = json!("http://127.0.0.1:1");
        } else if connector.config.is_object() {
            connector.config["api_url"] = json!("http://127.0.0.1:1");
        }
        is_sound(&connector.run_at(NOW, command))?;
    }

    #[test]
    fn any_catalog_ends_in_messages(path in path(), thing in anything()) {
        let mut connector = Connector::new(&API, "TSLA");
        connector.catalog = replaced_at(connector.catalog.clone(), &path, thing);
        is_sound(&connector.run_at(NOW, "read"))?;
    }

    #[test]
    fn any_state_ends_in_messages(path in path(), thing in anything()) {
        let mut connector = Connector::new(&API, "TSLA");
        connector.state = Some(replaced_at(state(), &path, thing));
        is_sound(&connector.run_at(NOW, "read"))?;
    }

    #[test]
    fn any_answer_ends_in_messages(path in path(), thing in anything(), cut in prop::option::of(0_usize..400), later in any::<bool>()) {
        static FAULTY_API: LazyLock<FakeApi> = LazyLock::new(api);
        FAULTY_API.market().page_size = 1;
        FAULTY_API.take_requests();
        FAULTY_API.inject_faults(move |number, _| {
            let (path, thing) = (path.clone(), thing.clone());
            (later == (number > 0)).then(|| Fault::changed(move |body| {
                let body = replaced_at(serde_json::from_str(&body).unwrap_or_default(), &path, thing.clone()).to_string();
                cut.and_then(|cut| body.get(..cut)).map(str::to_owned).unwrap_or(body)
            }))
        });
        let output = Connector::new(&FAULTY_API, "TSLA").run_at(NOW, "read");
        is_sound(&output)?;
        for record in output.records() {
            prop_assert!(record["stock_ticker"] == "TSLA");
        }
    }

    #[test]
    fn any_bytes_in_a_file_are_a_config_error(bytes in prop::collection::vec(any::<u8>(), 0..200), file in 2_usize..4) {
        let connector = Connector::new(&API, "TSLA");
        let arguments = connector.arguments("read");
        std::fs::write(&arguments[file / 3 * 2 + 2], &bytes).expect("a file");
        let output = run_binary(&arguments);
        prop_assert_eq!(output.failure().0, "config_error");
        prop_assert!(!output.text.contains(KEY));
    }
}
