//! Pages with bars that don't belong: what is dropped, what is an error, and that neither becomes a wrong row.

use crate::support::days::{Date, date};
use crate::support::fake_api::Fault;
use crate::support::market::Market;
use crate::support::scenario::Scenario;

const NVDA: [(Date, f64); 4] =
    [(date(2024, 6, 5), 1224.4), (date(2024, 6, 6), 1209.98), (date(2024, 6, 7), 1208.88), (date(2024, 6, 10), 121.79)];

const SATURDAY: &str = "2024-06-08T12:00:00Z";
const TUESDAY: &str = "2024-06-11T12:00:00Z";

fn nvda() -> Scenario {
    let mut market = Market::at(SATURDAY);
    market.days("NVDA", &NVDA);
    Scenario::new(market, "NVDA", "stock_prices", "2024-06-05")
}

#[test]
fn page_on_the_other_price_basis_is_an_error_and_never_data() {
    for page in 0..3 {
        let mut nvda = nvda();
        nvda.api.market().page_size = 1;
        nvda.api.inject_faults(move |number, _| {
            let other = |body: String| body.replace(r#""adjusted":true"#, r#""adjusted":false"#);
            (number == page).then(|| Fault::changed(other))
        });
        let output = nvda.try_sync(SATURDAY);
        assert_eq!(output.records().len(), 0);
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "system_error");
        assert!(message.contains("it has adjusted=false instead of true"));
    }
}

#[test]
fn price_basis_is_asked_for_on_every_page() {
    let mut nvda = nvda();
    nvda.api.market().split("NVDA", date(2024, 6, 10), 10.0).page_size = 1;
    let output = nvda.set("adjusted", false).sync(TUESDAY);
    assert_eq!(output.prices()[0], ("NVDA", "2024-06-05", 1224.4));
    let requests = nvda.requests();
    assert!(requests.len() > 1);
    assert!(requests.iter().all(|request| request.query.contains("adjusted=false")));
}

#[test]
fn bars_that_do_not_belong_are_dropped_and_counted_and_the_rest_is_put_in_order() {
    let mut nvda = nvda();
    nvda.api.inject_faults(|_, _| {
        let bar = |start: i64| format!(r#"{{"v":1,"o":1,"c":{start},"h":1,"l":1,"t":{start}}}"#);
        // The 7th, the 5th, the 6th twice, the 4th.
        let starts = [1_717_732_800_000, 1_717_560_000_000, 1_717_646_400_000, 1_717_646_400_000, 1_717_473_600_000];
        let bars = starts.map(bar).join(",");
        let body = format!(r#"{{"adjusted":true,"status":"DELAYED","results":[{bars}]}}"#);
        Some(Fault::changed(move |_| body.clone()))
    });
    let output = nvda.sync(SATURDAY);
    let days: Vec<_> = output.prices().iter().map(|price| price.1.to_owned()).collect();
    assert_eq!(days, ["2024-06-05", "2024-06-06", "2024-06-07"]);
    output.assert_logs("WARN", &[&["stock_prices, NVDA", "1 bar", "outside", "1 repeated"]]);
}

#[test]
fn bar_that_cannot_be_read_fails_its_ticker_and_is_quoted() {
    let mut nvda = nvda();
    let first = nvda.sync(SATURDAY);
    nvda.api.inject_faults(|_, _| Some(Fault::changed(|body| body.replace(r#""c":121.79"#, r#""c":"121.79""#))));
    let second = nvda.try_sync(TUESDAY);
    let (failure_type, message) = second.failure();
    assert_eq!(failure_type, "system_error");
    assert!(message.contains(r#""c":"121.79""#), "{message}");
    assert_eq!((second.records().len(), second.last_state()), (0, first.last_state()));
}

/// Figures that were recorded around the changes to and from summer time, holidays and the split of AAPL.
#[test]
fn recorded_day_bars_get_the_trading_day_in_new_york() {
    for (start, day) in [
        (1_112_331_600_000_i64, "2005-04-01"),
        (1_112_587_200_000, "2005-04-04"),
        (1_598_587_200_000, "2020-08-28"),
        (1_598_846_400_000, "2020-08-31"),
        (1_599_537_600_000, "2020-09-08"),
        (1_672_722_000_000, "2023-01-03"),
        (1_709_874_000_000, "2024-03-08"),
        (1_710_129_600_000, "2024-03-11"),
        (1_735_794_000_000, "2025-01-02"),
        (1_783_915_200_000, "2026-07-13"),
    ] {
        let mut nvda = nvda();
        let body =
            format!(r#"{{"status":"OK","adjusted":true,"results":[{{"v":1,"o":1,"c":7,"h":1,"l":1,"t":{start}}}]}}"#);
        nvda.api.inject_faults(move |_, _| {
            let body = body.clone();
            Some(Fault::changed(move |_| body.clone()))
        });
        nvda.set("start_date", "2005-01-03").set("end_date", day);
        let output = nvda.sync("2026-11-20T12:00:00Z");
        assert_eq!(output.prices(), [("NVDA", day, 7.0)]);
    }
}
