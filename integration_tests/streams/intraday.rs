//! Peculiarities of hours and minutes: their times, when they are final, and changes overnight.

use crate::history::history;
use crate::streams::every_stream::{TUESDAY, WEDNESDAY, scenario};
use crate::support::days::date;

#[test]
fn last_bar_is_not_considered_missing_when_it_is_not_on_the_first_page() {
    for page_size in 1..8 {
        let mut scenario = scenario("stock_prices_by_minute");
        scenario.sync(TUESDAY);
        scenario.api.market().page_size = page_size;
        let second = scenario.sync(WEDNESDAY);
        assert_eq!(second.records().len(), 2 * 15, "pages of {page_size}");
        assert!(second.logs("WARN").is_empty(), "{:?}", second.logs("WARN"));
        scenario.assert_true("with small pages");
    }
}

#[test]
fn state_follows_every_block_of_hours() {
    let mut scenario = history("stock_prices_by_hour", date(2026, 1, 5), 300, "2026-01-05");
    // A page has room for two calendar months.
    scenario.api.market().page_size = 90;
    let output = scenario.sync("2026-11-20T12:00:00Z");
    let kinds = output.messages.iter().map(|message| &message["type"]);
    let mut kinds: Vec<_> = kinds.filter(|kind| *kind == "RECORD" || *kind == "STATE").collect();
    kinds.dedup();
    assert!(kinds.len() >= 2 * 5, "{kinds:?}");
    let first = &scenario.requests()[0];
    assert_eq!(first.path, "/v2/aggs/ticker/AAPL/range/1/hour/2026-01-05/2026-11-20");
}
