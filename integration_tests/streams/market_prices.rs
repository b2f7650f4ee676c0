//! The whole market: one request per weekday, prices as traded, and the last day requested again.

use crate::support::days::date;
use crate::support::market::Market;
use crate::support::scenario::Scenario;

const TUESDAY: &str = "2026-03-10T07:00:00Z";
const WEDNESDAY: &str = "2026-03-11T07:00:00Z";

const GROUPED: &str = "/v2/aggs/grouped/locale/us/market/stocks/";

/// Friday, Monday and Tuesday of two tickers; read from Thursday on.
fn market_prices() -> Scenario {
    let mut market = Market::at(TUESDAY);
    for ticker in ["AAPL", "TSLA"] {
        for day in [6, 9, 10] {
            market.days(ticker, &[(date(2026, 3, day), 100.0 + f64::from(day))]);
        }
    }
    Scenario::new(market, "AAPL,TSLA", "market_prices", "2026-03-05")
}

/// The days of the last sync's requests, in the calendar's order.
fn requested_days(scenario: &Scenario) -> Vec<String> {
    let requests = scenario.requests();
    let days = requests.iter().filter_map(|request| request.path.strip_prefix(GROUPED));
    let mut days: Vec<_> = days.map(str::to_owned).collect();
    days.sort_unstable();
    days
}

#[test]
fn each_weekday_is_requested_once_as_traded() {
    let mut scenario = market_prices();
    scenario.api.market().split("TSLA", date(2026, 3, 10), 4.0);
    let output = scenario.set("adjusted", true).sync(WEDNESDAY);
    let mut asked: Vec<_> = scenario.requests().into_iter().map(|request| (request.path, request.query)).collect();
    asked.sort_unstable();
    let day = |day: u8| (format!("{GROUPED}2026-03-{day:02}"), "adjusted=false".to_owned());
    let holidays = asked.pop().expect("a request");
    assert!(holidays.0.contains("/ticker/SPY/"), "{}", holidays.0);
    assert_eq!(asked, [5, 6, 9, 10].map(day));
    assert_eq!(output.records().len(), 6);
    assert!(output.records().iter().all(|record| record["adjusted"] == false));
    assert_eq!(output.prices()[1], ("TSLA", "2026-03-06", 106.0));
    assert!(output.dates().is_sorted(), "in order, although requested at the same time");
}

#[test]
fn holiday_is_distinguished_from_a_fault_by_a_ticker_that_always_trades() {
    let mut scenario = market_prices();
    let first = scenario.sync(TUESDAY);
    let state = first.last_state();
    assert_eq!((&state["since"], &state["date"]), (&"2026-03-05".into(), &"2026-03-09".into()));
    assert!(state.get("adjusted").is_none() && state.get("backlog").is_none());
    first.assert_no_warning("SPY has no bar of the 5th either");
    // Wednesday and Thursday have no rows on Friday.
    let friday = scenario.sync("2026-03-13T12:00:00Z");
    let requests = scenario.api.request_count();
    let days = ["05", "06", "09", "10", "11", "12"].map(|day| format!("2026-03-{day}"));
    assert_eq!(requested_days(&scenario), days, "older ones are verified");
    assert_eq!(requests, 7, "and SPY's bars");
    assert_eq!(friday.last_state()["date"], "2026-03-10");
    // An empty day is verified like any other.
    scenario.api.market().days("AAPL", &[(date(2026, 3, 12), 250.0)]);
    let saturday = scenario.sync("2026-03-14T12:00:00Z");
    assert_eq!(saturday.prices(), [("AAPL", "2026-03-12", 250.0)]);
    let monday = scenario.sync("2026-03-16T12:00:00Z");
    assert_eq!(monday.records().len(), 0);
    scenario.assert_true("on Monday");
}

#[test]
fn day_that_the_api_considers_today_is_requested_again() {
    let mut scenario = market_prices();
    scenario.api.market().shows_today = false;
    // The API's clock says that the 10th is not over.
    for _ in 0..2 {
        let output = scenario.connector.run_at(WEDNESDAY, "read").succeeded();
        assert_eq!(output.last_state()["date"], "2026-03-09");
        scenario.table.load(&output);
        scenario.connector.resume_from(&output);
    }
    assert_eq!(scenario.sync(WEDNESDAY).records().len(), 2);
    scenario.assert_true("a day later");
}
