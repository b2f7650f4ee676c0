//! Responses as the API writes them: its envelope, its numbers in several formats, its words.

use std::fmt::Write;

use super::days::tell_day;
use super::market::{Event, Row};

/// What surrounds the rows of a response.
pub struct Head<'a> {
    pub ticker: Option<&'a str>,
    pub adjusted: bool,
    pub is_delayed: bool,
    pub next_url: Option<String>,
    /// Numbers are written otherwise in every response.
    pub format: u64,
}

/// A response with its rows: the ticker (of the whole market's rows), the time, and the values.
pub fn page<'a>(head: &Head, rows: impl Iterator<Item = (Option<&'a str>, i64, Row)>) -> String {
    let (mut results, mut count) = (String::new(), 0);
    for (ticker, time, row) in rows {
        let Row::Bar(row) = row else { continue };
        results.push_str(if count == 0 { "{" } else { ",{" });
        count += 1;
        if let Some(ticker) = ticker {
            write!(results, r#""T":"{ticker}","#).expect("a string");
        }
        let format = head.format.wrapping_mul(31).wrapping_add((time / 60_000) as u64);
        let fields = [
            ("v", row.volume),
            ("vw", row.vwap),
            ("o", Some(row.open)),
            ("c", Some(row.price)),
            ("h", Some(row.high)),
            ("l", Some(row.low)),
        ];
        for (place, (name, value)) in fields.into_iter().enumerate() {
            if let Some(value) = value {
                write!(results, r#""{name}":"#).expect("a string");
                number(&mut results, value, format.wrapping_add(place as u64 * 7));
                results.push(',');
            }
        }
        if let Some(trades) = row.trades {
            write!(results, r#""n":{trades},"#).expect("a string");
        }
        write!(results, r#""t":{time}}}"#).expect("a string");
    }
    let mut body = String::from("{");
    if let Some(ticker) = head.ticker {
        write!(body, r#""ticker":"{ticker}","#).expect("a string");
    }
    write!(body, r#""queryCount":{count},"resultsCount":{count},"adjusted":{}"#, head.adjusted).expect("a string");
    if count > 0 {
        write!(body, r#","results":[{results}]"#).expect("a string");
    }
    let status = if head.is_delayed { "DELAYED" } else { "OK" };
    write!(body, r#","status":"{status}","request_id":"0""#).expect("a string");
    if count > 0 {
        write!(body, r#","count":{count}"#).expect("a string");
    }
    if let Some(next_url) = &head.next_url {
        write!(body, r#","next_url":"{next_url}""#).expect("a string");
    }
    body.push('}');
    body
}

/// A page of splits or dividends: the ticker and the id of each, and its values.
pub fn events_page<'a>(
    kind: &str,
    mut format: u64,
    next_url: Option<&str>,
    rows: impl Iterator<Item = (&'a str, i64, Event)>,
) -> String {
    let names = match kind {
        "splits" => ["execution_date", "split_from", "split_to"],
        _ => ["ex_dividend_date", "cash_amount", "frequency"],
    };
    let mut results = Vec::new();
    for (ticker, id, event) in rows {
        let day = event.day.map_or("null".to_owned(), |day| format!("\"{}\"", tell_day(day)));
        let mut row = format!(r#"{{"id":"{ticker} {id}","ticker":"{ticker}","{}":{day}"#, names[0]);
        let values =
            [(names[1], event.amount), (names[2], event.count), ("historical_adjustment_factor", event.factor)];
        for (name, value) in values {
            format = format.wrapping_mul(31).wrapping_add(7);
            match value {
                Some(value) => {
                    write!(row, r#","{name}":"#).expect("a string");
                    number(&mut row, value, format);
                }
                // It is missing, or null.
                None if format.is_multiple_of(2) => {}
                None => write!(row, r#","{name}":null"#).expect("a string"),
            }
        }
        results.push(row + "}");
    }
    let next_url = next_url.map_or(String::new(), |url| format!(r#","next_url":"{url}""#));
    format!(r#"{{"status":"OK","request_id":"0","results":[{}]{next_url}}}"#, results.join(","))
}

/// The same value: `695`, `695.0`, `6.95e+02`.
fn number(text: &mut String, value: f64, format: u64) {
    match format % 11 {
        0 if value.fract() == 0.0 => write!(text, "{value:.1}"),
        1 => {
            let exponential = format!("{value:e}");
            let (digits, exponent) = exponential.split_once('e').expect("an exponent");
            match exponent.strip_prefix('-') {
                Some(exponent) => write!(text, "{digits}e-{exponent:0>2}"),
                None => write!(text, "{digits}e+{exponent:0>2}"),
            }
        }
        _ => write!(text, "{value}"),
    }
    .expect("a string");
}

/// Prepends unusable rows: one without prices, and one with a damaged name.
pub fn with_unusable_rows(body: &str) -> String {
    let unusable = r#""results":[{"T":"HALT","v":100,"t":1700000000000},{"T":"BA\u0000D","o":1,"c":9e11,"h":9e11,"l":1,"v":1,"t":1700000000000},"#;
    let counted: String = body.replacen("\"results\":[", unusable, 1);
    let Some(at) = counted.find("\"resultsCount\":") else {
        return counted;
    };
    let digits: String = counted[at + 15..].chars().take_while(char::is_ascii_digit).collect();
    let count: usize = digits.parse().expect("a count");
    counted
        .replace(&format!("\"resultsCount\":{count}"), &format!("\"resultsCount\":{}", count + 2))
        .replace(&format!("\"count\":{count}"), &format!("\"count\":{}", count + 2))
}

/// An error as the API words it.
pub fn error(status: u16, words: &str) -> (u16, String) {
    (status, format!(r#"{{"status":"ERROR","request_id":"0","error":"{words}"}}"#))
}

/// A refusal for the plan's sake.
pub fn refused(words: &str) -> (u16, String) {
    let words = format!("{words} Please upgrade your plan at https://polygon.io/pricing");
    (403, format!(r#"{{"status":"NOT_AUTHORIZED","request_id":"0","message":"{words}"}}"#))
}
