//! Thousands of tickers.

use crate::support::connector::{Connector, Output};
use crate::support::days::date;
use crate::support::fake_api::FakeApi;
use crate::support::market::Market;
use crate::support::output::Scrutiny;

const FIRST_DAY: &str = "2026-11-19T15:00:00Z";

const NEXT_DAY: &str = "2026-11-20T15:00:00Z";

fn assert_states_do_not_outweigh_records(output: &Output, tickers: usize) {
    let bytes = |kind: &str| -> usize { output.text.lines().filter(|line| line.contains(kind)).map(str::len).sum() };
    let (records, states) = (bytes(r#""type":"RECORD""#), bytes(r#""type":"STATE""#));
    assert!(states <= 2 * records + 2_000_000, "{states} bytes of states for {records} bytes of records");
    assert_eq!(output.last_state().as_object().map(|state| state.len()), Some(tickers));
}

#[test]
fn states_do_not_outweigh_the_records_of_thousands_of_tickers() {
    // After a split, extra states announce the records that are emitted again.
    for (count, is_split) in [(2_000, false), (800, true)] {
        println!("{count} tickers, split: {is_split}");
        let tickers: Vec<String> = (0..count).map(|number| format!("TICKER{number}")).collect();
        let api = FakeApi::start(Market::at(FIRST_DAY));
        for ticker in &tickers {
            api.market().days(ticker, &[(date(2026, 11, 18), 10.0), (date(2026, 11, 19), 10.5)]);
        }
        let mut connector = Connector::new(&api, &tickers.join(","));
        connector.scrutiny = Scrutiny::FirstRecord;
        let first = connector.run_at(FIRST_DAY, "read").succeeded();
        assert_eq!(first.records().len(), count);
        assert_states_do_not_outweigh_records(&first, count);
        for ticker in tickers.iter().filter(|_| is_split) {
            api.market().split(ticker, date(2026, 11, 20), 2.0);
        }
        api.market().set_now(NEXT_DAY);
        let second = connector.resume_from(&first).run_at(NEXT_DAY, "read").succeeded();
        assert_eq!(second.records().len(), if is_split { 2 * count } else { count });
        assert_states_do_not_outweigh_records(&second, count);
    }
}
