//! The next run continues from its own states and from the tutorial's.

use serde_json::{Value, json};

use crate::commands::read::{NOW, api};
use crate::support::connector::Connector;
use crate::support::days::date;
use crate::support::fake_api::Fault;
use crate::support::scenario::Scenario;

/// The tutorial's days of some tickers; the start date is the first of them.
fn scenario(tickers: &str) -> Scenario {
    Scenario::with_api(api(), tickers, "stock_prices", "2020-12-15")
}

#[test]
fn second_run_emits_only_new_bars() {
    let mut tsla = scenario("TSLA");
    let first = tsla.sync(NOW);
    let second = tsla.sync(NOW);
    assert_eq!((second.records().len(), second.last_state()), (0, first.last_state()));
    assert_eq!(second.statuses(), ["STARTED", "COMPLETE"]);
    second.assert_logged("INFO", &["TSLA", "up to date", "2020-12-21"]);
    tsla.api.market().days("TSLA", &[(date(2020, 12, 22), 640.34), (date(2020, 12, 23), 645.98)]);
    let third = tsla.connector.run_at("2020-12-24T12:00:00Z", "read").succeeded();
    assert_eq!(third.prices(), [("TSLA", "2020-12-22", 640.34)], "the API's clock still shows the 22nd");
}

#[test]
fn state_in_the_future_is_kept_regardless_of_the_start_date() {
    let own = json!({"TSLA": {"since": "2020-01-02", "date": "2121-01-01", "adjusted": true}});
    for given in [own, json!({"date": "2121-01-01"})] {
        for start_date in [json!("2019-01-02"), Value::Null] {
            let mut connector = Connector::new(&api(), "TSLA");
            connector.set("start_date", start_date);
            connector.state = Some(json!({"stock_prices": given}));
            for _ in 0..2 {
                let output = connector.run_at(NOW, "read").succeeded();
                // The tutorial's date is that of the last row, so the read would continue on the day after.
                assert!(output.last_state().to_string().contains("2121-01-0"), "{given}: {}", output.text);
                assert!(output.logs("INFO").iter().any(|text| text.contains("2121-01-0")), "{given}: {}", output.text);
                assert_eq!(output.records().len(), 0, "{given}, {:?}", connector.config);
                connector.resume_from(&output);
            }
        }
    }
}

#[test]
fn tutorials_state_survives_a_sync_that_fails() {
    for failing in ["/", "AAPL", "TSLA"] {
        let mut both = scenario("AAPL,TSLA");
        both.api.market().days("AAPL", &[(date(2020, 12, 17), 128.7)]);
        both.set("start_date", Value::Null);
        // The day before the first bar.
        both.connector.state = Some(json!({"stock_prices": {"date": "2020-12-14"}}));
        both.api.inject_faults(move |_, request| request.path.contains(failing).then(|| Fault::status(500, "", "")));
        both.try_sync(NOW).assert_failure("transient_error", &["stock_prices"]);
        both.api.heal();
        both.sync(NOW);
        both.set("start_date", "2020-12-15").assert_true(failing);
    }
}

#[test]
fn ticker_without_bars_is_warned_about_once() {
    let mut tickers = scenario("TSLA,TLSA");
    let first = tickers.sync(NOW);
    assert_eq!(first.records().len(), 5);
    first.assert_logs("WARN", &[&["TLSA", "2020-12-15", "2020-12-21"]]);
    assert!(first.last_state()["TLSA"]["date"].is_null(), "no cursor");
    tickers.sync(NOW).assert_no_warning("once");
}
