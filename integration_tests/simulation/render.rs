//! Rows as the API writes them, with its numbers in several formats.

use std::fmt::Write;

use super::days::tell_day;
use super::market::{Event, Row};

/// A bar of a page. Numbers are written otherwise on every page.
pub fn bar(head: &str, time: i64, row: &Row, page: u64) -> String {
    let Row::Bar(row) = row else {
        unreachable!("pages of bars have no events");
    };
    let format = page.wrapping_mul(31).wrapping_add((time / 60_000) as u64);
    let fields = [
        ("v", row.volume),
        ("vw", row.vwap),
        ("o", Some(row.open)),
        ("c", Some(row.price)),
        ("h", Some(row.high)),
        ("l", Some(row.low)),
    ];
    let mut text = format!("{{{head}");
    for (place, (name, value)) in fields.into_iter().enumerate() {
        if let Some(value) = value {
            let value = number(value, format.wrapping_add(place as u64 * 7));
            write!(text, r#""{name}":{value},"#).expect("a string");
        }
    }
    if let Some(trades) = row.trades {
        write!(text, r#""n":{trades},"#).expect("a string");
    }
    text + &format!(r#""t":{time}}}"#)
}

/// Splits or dividends: the ticker and the id of each, and its values.
pub fn events<'a>(
    kind: &str,
    mut format: u64,
    rows: impl Iterator<Item = (&'a str, i64, Event)>,
) -> impl Iterator<Item = String> {
    let names = match kind {
        "splits" => ["execution_date", "split_from", "split_to"],
        _ => ["ex_dividend_date", "cash_amount", "frequency"],
    };
    rows.map(move |(ticker, id, event)| {
        let day = event.day.map_or("null".to_owned(), |day| format!("\"{}\"", tell_day(day)));
        let mut row = format!(r#"{{"id":"{ticker} {id}","ticker":"{ticker}","{}":{day}"#, names[0]);
        let values =
            [(names[1], event.amount), (names[2], event.count), ("historical_adjustment_factor", event.factor)];
        for (name, value) in values {
            format = format.wrapping_mul(31).wrapping_add(7);
            match value {
                Some(value) => write!(row, r#","{name}":{}"#, number(value, format)).expect("a string"),
                // It is missing, or null.
                None if format.is_multiple_of(2) => {}
                None => write!(row, r#","{name}":null"#).expect("a string"),
            }
        }
        row + "}"
    })
}

/// The same value: `695`, `695.0`, `6.95e+02`.
fn number(value: f64, format: u64) -> String {
    match format % 11 {
        0 if value.fract() == 0.0 => format!("{value:.1}"),
        1 => {
            let exponential = format!("{value:e}");
            let (digits, exponent) = exponential.split_once('e').expect("an exponent");
            match exponent.strip_prefix('-') {
                Some(exponent) => format!("{digits}e-{exponent:0>2}"),
                None => format!("{digits}e+{exponent:0>2}"),
            }
        }
        _ => value.to_string(),
    }
}
