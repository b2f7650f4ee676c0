//! The states of a whole market: their size, and their share of the output.

use super::api::{Setup, json_text, quoted};

/// As many tickers as paid dividends within fourteen months, with a year of quarterly dividends each.
const TICKERS: usize = 13_759;
const DAYS: [&str; 4] = ["2026-01-09", "2026-04-10", "2026-07-10", "2026-10-09"];

fn announce(setup: &Setup, factor: &str) {
    for number in 0..TICKERS {
        let letters = [17_576, 676, 26, 1].map(|unit| char::from(b'A' + (number / unit % 26) as u8));
        let ticker: String = letters.iter().collect();
        for day in DAYS {
            let id = format!("E{number:05}{}{}", "0123456789abcdef".repeat(3), &day[2..]);
            let row = json_text(&[
                ("id", &quoted(&id)),
                ("ticker", &quoted(&ticker)),
                ("ex_dividend_date", &quoted(day)),
                ("cash_amount", "0.125"),
                ("historical_adjustment_factor", factor),
            ]);
            setup.api().put(&id, &ticker, day, row);
        }
    }
}

#[test]
fn a_whole_market_is_remembered_in_a_small_state() {
    let mut setup = Setup::of("market_dividends", "AAPL");
    announce(&setup, "0.99");
    let first = setup.read_quietly();
    assert_eq!(first.records().len(), TICKERS * DAYS.len());
    assert_eq!(setup.api().requested.len(), 12);
    let state = first.last_state().to_string().len();
    println!("state of {TICKERS} tickers: {state} bytes");
    assert!(state < 48 * TICKERS, "{state}");
    assert!(states(&first.text) * 2 < first.text.len());

    // Everything differs, which is more than one batch.
    announce(&setup, "0.98");
    let again = setup.read_quietly();
    assert_eq!(again.records().len(), TICKERS * DAYS.len());
    assert!(states(&again.text) * 2 < again.text.len());
    let logs = again.logs("INFO");
    let batches = logs.iter().filter(|log| log.contains("emitted again:"));
    assert_eq!(batches.count(), 2, "{logs:?}");
    assert_eq!(setup.read_quietly().records().len(), 0);
}

fn states(text: &str) -> usize {
    let states = text.lines().filter(|line| line.starts_with(r#"{"type":"STATE""#));
    states.map(str::len).sum()
}
