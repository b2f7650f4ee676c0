//! What must hold for any input, one function for each thing that comes from outside. `fuzz/` calls them with what a
//! fuzzer makes up, the tests here with the inputs that were worth keeping.

#![allow(clippy::missing_panics_doc)] // That they panic where something does not hold is what they are for.

use std::sync::LazyLock;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::airbyte::{RecordBatch, Selection, StateFile};
use crate::bar_calendar::BarCalendar;
use crate::bars::{Bar, Page};
use crate::calendar::{DateRange, MAX_DATE, MIN_DATE, Zone, parse_date, utc_midnight};
use crate::config::{Config, SPECIFICATION};
use crate::events::{ActionKind, EventPage};
use crate::fields::{BAR_FIELDS, FieldKind};
use crate::market::Market;
use crate::polygon::{Origin, Paging, ParseError, Request, ResponsePage, parse_bars, parse_retry_after};
use crate::secret::Secret;
use crate::streams::{STREAMS, Stream};
use crate::sync::StreamState;
use crate::timespan::Timespan;

fn json_of(data: &[u8]) -> Option<Value> {
    serde_json::from_slice(data).ok()
}

/// A response means the same on the fast path and on the general one, and its bars become records. Every row is a bar or
/// unusable.
pub fn response(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    // The fast path leaves texts that begin with white space to the general one.
    let read = parse_bars(text.to_owned(), false);
    let general = parse_bars(format!(" {text}"), false);
    match (&read, &general) {
        (Ok((page, envelope)), Ok((general, general_envelope))) => {
            assert_eq!(bars_of(page), bars_of(general));
            assert_eq!(page.unusable, general.unusable);
            assert_eq!(page.next_url, general.next_url);
            assert_eq!(format!("{envelope:?}"), format!("{general_envelope:?}"));
            page.rows.iter().for_each(|bar| record(page, bar));
        }
        (Err(ParseError::InvalidJson(_)), Err(ParseError::InvalidJson(_))) => {}
        (Err(ParseError::UnexpectedShape(what)), Err(ParseError::UnexpectedShape(general))) => {
            let without_column = |text: &str| text.split(" at line ").next().map(str::to_owned);
            assert_eq!(without_column(what), without_column(general));
        }
        other => panic!("read in two ways: {other:?}"),
    }
    if let Ok((page, _)) = parse_bars(text.to_owned(), true) {
        let rows = page.rows.len() + page.unusable.len();
        let of_ticker = read.map(|(page, _)| page.rows.len() + page.unusable.len());
        assert_eq!(of_ticker.ok(), Some(rows));
        for bar in &page.rows {
            let ticker = page.ticker_of(bar).expect("a name");
            assert!(!ticker.is_empty() && !ticker.contains(['\0', '\u{fffd}']));
        }
    }
    events(text);
}

/// The values of corporate actions are of their fields' types.
fn events(text: &str) {
    for kind in [ActionKind::Splits, ActionKind::Dividends] {
        let Ok((page, _)) = EventPage::parse(text.to_owned(), &Request::actions(kind, &[])) else {
            continue;
        };
        for row in &page.rows {
            assert!([row.id, row.ticker].iter().all(|span| page.value(*span).is_some_and(|value| !value.is_empty())));
            for (field, span) in kind.fields().iter().zip(row.fields) {
                let Some(text) = span.map(|span| page.text(span)) else { continue };
                let value = json_of(text.as_bytes()).expect("JSON");
                assert!(match field.kind {
                    FieldKind::Price | FieldKind::Number => value.is_number(),
                    FieldKind::Integer => is_integer(text),
                    FieldKind::Text | FieldKind::Date => value.is_string(),
                });
            }
        }
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The bars with their texts instead of where these stand.
fn bars_of(page: &Page) -> Vec<(i64, Vec<Option<&str>>)> {
    let texts = |bar: &Bar| {
        let spans = bar.values.into_iter().chain([bar.ticker]);
        spans.map(|span| span.map(|span| page.text(span))).collect()
    };
    let bars = page.rows.iter();
    bars.map(|bar| (bar.cursor, texts(bar))).collect()
}

/// A bar becomes a line of JSON, in which its numbers are what the API wrote.
fn record(page: &Page, bar: &Bar) {
    for stream in [&STREAMS[0], &STREAMS[4]] {
        let cursor = stream.timespan.cursor(bar.cursor);
        assert!(cursor <= bar.cursor);
        if !(utc_midnight(MIN_DATE)..utc_midnight(MAX_DATE)).contains(&cursor) {
            continue;
        }
        let mut line = Vec::new();
        let batch = RecordBatch {
            stream,
            page,
            bars: &[Bar { cursor, ..*bar }],
            ticker: bar.ticker.is_none().then_some("A"),
            adjusted: true,
            calendar: BarCalendar { timespan: stream.timespan, zone: Zone::Utc },
        };
        batch.render(0, &mut line);
        let line: Value = serde_json::from_slice(&line).expect("a line of JSON");
        let data = &line["record"]["data"];
        let cursor = stream.timespan.cursor_text(cursor);
        assert_eq!(data[stream.cursor_field()], cursor);
        let ticker = page.ticker_of(bar);
        assert_eq!(data["stock_ticker"], ticker.as_deref().unwrap_or("A"));
        for (field, value) in BAR_FIELDS.iter().zip(bar.values) {
            let text = value.map_or("null", |span| page.text(span));
            assert_eq!(Some(&data[field.name]), json_of(text.as_bytes()).as_ref());
            assert!(value.is_none() || data[field.name].is_number());
            assert!(value.is_none() || field.kind != FieldKind::Integer || is_integer(text));
        }
    }
}

/// A configuration makes sense or is refused, a line a property, with neither the key nor a password in it.
pub fn config(data: &[u8]) {
    let Some(raw) = json_of(data) else { return };
    match Config::from_value(raw.clone()) {
        Ok(config) => {
            for (at, (ticker, market)) in config.tickers.iter().enumerate() {
                assert_eq!(ticker.trim(), ticker);
                assert_eq!(Market::of(ticker), Some(*market));
                let is_new = |(other, _): &(String, Market)| other != ticker;
                assert!(config.tickers[..at].iter().all(is_new));
            }
            assert!(!config.tickers.is_empty() && !config.tickers[0].0.is_empty());
            let key = config.api_key.expose();
            assert!(!key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()));
            let dates = config.start_date.zip(config.end_date);
            assert!(dates.is_none_or(|(start, end)| start <= end));
            let origin = config.api_url.to_string();
            assert_eq!(Origin::parse(&origin), Ok(config.api_url));
        }
        Err(failure) => refused(&raw, &failure.message),
    }
}

fn refused(raw: &Value, message: &str) {
    let (head, problems) = message.split_once(':').expect("what is wrong");
    assert_eq!(head, "Invalid configuration");
    if !raw.is_object() {
        return;
    }
    let properties = &SPECIFICATION["connectionSpecification"]["properties"];
    let mut known = properties.as_object().expect("an object").keys();
    for line in problems.trim_start_matches('\n').split('\n') {
        let (name, problem) = line.split_once([':', ' ']).expect("a property and its problem");
        assert!(known.any(|known| known == name), "not in order: {message}");
        let may_hide_password = raw[name].to_string().contains(['@', '?']);
        assert!(name != "api_url" || !may_hide_password || !problem.contains('"'));
    }
    // A key that looks like one: others may be a word of the message itself.
    let key = raw["api_key"].as_str().unwrap_or_default().trim();
    if key.contains("pk_") && key.len() >= 8 {
        assert_eq!(Secret::new(key).redact(message), message);
    }
}

/// A catalog is taken with all its streams, or refused with a reason.
pub fn catalog(data: &[u8]) {
    let Some(catalog) = json_of(data) else { return };
    match Selection::parse(&catalog) {
        Ok(selection) => {
            let entries = catalog["streams"].as_array().expect("a list");
            let name = |entry: &Value| {
                let stream = entry.get("stream").filter(|stream| stream.is_object());
                stream.unwrap_or(entry)["name"].clone()
            };
            let names: Vec<Value> = entries.iter().map(name).collect();
            let selected = selection.streams.iter();
            assert!(selected.clone().all(|stream| names.iter().any(|name| name == stream.name)));
            assert_eq!(selection.streams.is_empty(), names.is_empty());
            for (at, stream) in selected.enumerate() {
                let others = &selection.streams[..at];
                assert!(!others.iter().any(|other| other.name == stream.name));
            }
        }
        Err(failure) => assert!(failure.message.starts_with("Invalid catalog: ")),
    }
}

/// A state is refused, or read and written in a form that is read as the same.
pub fn state(data: &[u8]) {
    let Some(json) = json_of(data) else { return };
    let file = match StateFile::parse(&json) {
        Ok(file) => file,
        Err(failure) => return refused_state(&failure.message),
    };
    let read = |file: &StateFile, stream: &Stream| match file.stream(stream.name) {
        None => Ok(StreamState::default()),
        Some(state) => {
            StreamState::from_json(state, stream, true).map_err(|error| StateFile::invalid_stream(stream.name, &error))
        }
    };
    for stream in &STREAMS {
        let mut state = match read(&file, stream) {
            Ok(state) => state,
            Err(failure) => {
                refused_state(&failure.message);
                continue;
            }
        };
        state.spread_tutorial_date(["TSLA"].into_iter(), true);
        let written = state.to_json(stream);
        let descriptor = json!({"stream_descriptor": {"name": stream.name}, "stream_state": written});
        let again = StateFile::parse(&json!([{"type": "STREAM", "stream": descriptor}]));
        let again = read(&again.expect("a state file"), stream).expect("our own state");
        assert_eq!(again.to_json(stream), written);
        // A leap second at the end of the year 9999 is the one moment that is not written as it is.
        assert!(again == state || String::from_utf8_lossy(data).contains(":60"));
    }
}

fn refused_state(message: &str) {
    assert!(message.starts_with("Invalid state"), "{message}");
    let remedy = "To start over, omit --state (in Airbyte: clear the stream's data).";
    assert!(message.ends_with(remedy), "{message}");
}

/// Requests whose responses name the next page.
static FIRST_REQUESTS: LazyLock<[Request; 3]> = LazyLock::new(|| {
    let date = |text| parse_date(text).expect("a date");
    let days = DateRange { from: date("2023-07-31"), to: date("2023-08-31") };
    let minute = Timespan::Minutes(1);
    [
        Request::range("AAPL", Market::Stocks, minute, days, false),
        Request::range("X:BTCUSD", Market::Crypto, Timespan::Hour, days, true),
        Request::range("A/?#%.", Market::Stocks, Timespan::Day, days, true),
    ]
});

/// Wherever a `next_url` leads, it is the same ticker, size of bars and basis, and no planted key is sent.
pub fn next_url(data: &[u8]) {
    let next_url = String::from_utf8_lossy(data);
    let page = |next_url: &str| {
        let text = json!({"next_url": next_url}).to_string();
        parse_bars(text, false).expect("an empty page").0
    };
    let follow = |first: &Request, url: &str| Paging::new(first).next(&page(url)).ok().flatten();
    for first in FIRST_REQUESTS.iter() {
        let Some(next) = follow(first, &next_url) else {
            continue;
        };
        let parts = |request: &Request| {
            let (path, query) = request.target().split_once('?').expect("a query");
            let mut path: Vec<_> = path.split('/').map(str::to_owned).collect();
            let ends = path.split_off(8);
            (path, ends, query.to_owned())
        };
        let ((path, ends, query), (asked, ..)) = (parts(&next), parts(first));
        assert_eq!(path, asked);
        let is_moment = |end: &String| {
            let mut bytes = end.bytes();
            !end.is_empty() && bytes.all(|byte| byte.is_ascii_digit() || byte == b'-')
        };
        assert!(ends.len() == 2 && ends.iter().all(is_moment), "{ends:?}");
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"#\\\"<>".contains(&byte);
        assert!(next.target().bytes().all(is_plain), "{query}");
        let mut pairs: Vec<_> = query.split('&').collect();
        let basis = pairs.pop();
        let asked = first.target().contains("adjusted=true");
        assert_eq!(basis, Some(format!("adjusted={asked}").as_str()));
        for pair in pairs {
            let name = pair.split('=').next().unwrap_or_default();
            let name = percent_decode_str(name).decode_utf8_lossy().to_lowercase();
            assert!(name != "apikey" && name != "adjusted", "{query}");
        }
        assert_eq!(follow(first, next.target()), Some(next));
    }
}

/// A `Retry-After` is a time to wait that gets shorter as time passes, or none.
pub fn retry_after(data: &[u8]) {
    let Ok(value) = str::from_utf8(data) else {
        return;
    };
    let now = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000);
    let wait = parse_retry_after(value, now);
    assert_eq!(parse_retry_after(&format!(" {value} "), now), wait);
    let later = parse_retry_after(value, now + chrono::TimeDelta::seconds(1));
    let digits = value.trim();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = wait.expect("a number of seconds").as_secs();
        let is_it = |number: u32| u64::from(number) == seconds;
        assert!(digits.parse().map_or(seconds >= u64::from(u32::MAX), is_it));
        assert_eq!(later, wait);
    } else if let (Some(wait), Some(later)) = (wait, later) {
        assert!(later <= wait && wait.as_secs() <= later.as_secs() + 1);
    } else {
        assert_eq!(wait, later);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    type Target = fn(&[u8]);

    #[test]
    fn what_must_hold_for_any_input_does_for_every_kept_one() {
        let targets: [(&str, Target); 6] = [
            ("response", super::response),
            ("config", super::config),
            ("catalog", super::catalog),
            ("state", super::state),
            ("next_url", super::next_url),
            ("retry_after", super::retry_after),
        ];
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, target) in targets {
            let files = fs::read_dir(folder.join(name)).expect("the inputs that are kept");
            let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
            paths.sort();
            assert!(!paths.is_empty(), "nothing is kept of {name}");
            for path in paths {
                let data = fs::read(&path).expect("an input");
                let result = std::panic::catch_unwind(|| target(&data));
                assert!(result.is_ok(), "it does not hold for {}", path.display());
            }
        }
    }
}
