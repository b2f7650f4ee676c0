//! The fast path through a page of bars, for the canonical form in which the API writes nearly all of them.
//!
//! Why by hand: measured on pages of 50,000 bars it is about three times as fast as the best JSON library that keeps the
//! digits of numbers (`serde_json` with borrowed `RawValue`; sonic-rs and simd-json are slower still, or lose digits). With
//! `serde_json` alone a whole read takes about 1.7 times as long. It never decides that something is wrong: what it does
//! not recognize (another key, a null, white space, a number that might be out of range) it leaves to that parser, and a
//! property test holds the two together.

use crate::bars::{Bar, BarValues, Span, has_prices};
use crate::fields::{BAR_FIELDS, FieldKind};

/// The bars of the top-level list `results` of a JSON object, and the rest of the object with an empty list instead; in a
/// page of a whole market, every bar has a ticker. `None` if the text has any form but the canonical one.
pub(super) fn parse(text: &str, is_of_market: bool) -> Option<(Vec<Bar>, String)> {
    const LIST: &str = "\"results\":[";
    let begin = text.find(LIST)? + LIST.len();
    let head = &text[..begin];
    // Nothing but the object itself is open, so the list is its own.
    if !head.starts_with('{') || head[1..begin - 1].contains(['{', '[', '\\']) {
        return None;
    }
    // A canonical bar takes a hundred bytes.
    let mut bars = Vec::with_capacity((text.len() / 90).min(super::LIMIT as usize));
    let keys = BAR_FIELDS.map(|field| key(field.key));
    let mut at = begin;
    loop {
        let (bar, end) = bar(text, at, &keys)?;
        if is_of_market && bar.ticker.is_none() {
            return None;
        }
        bars.push(bar);
        at = end + 1;
        match text.as_bytes().get(end)? {
            b',' => {}
            b']' => return Some((bars, format!("{head}{}", &text[end..]))),
            _ => return None,
        }
    }
}

/// A key of one or two letters.
type Key = [u8; 2];

fn key(name: &str) -> Key {
    let mut letters = name.bytes();
    [letters.next().unwrap_or(0), letters.next().unwrap_or(0)]
}

/// The bar that begins at `at`, and where it ends; `keys` are those of [`BAR_FIELDS`].
fn bar(text: &str, at: usize, keys: &[Key; BAR_FIELDS.len()]) -> Option<(Bar, usize)> {
    let bytes = text.as_bytes();
    let mut at = expect(bytes, at, b"{\"")?;
    let (mut cursor, mut ticker, mut values): (_, _, BarValues) = (None, None, Default::default());
    loop {
        let (key, begin) = match *bytes.get(at..at + 4)? {
            [only, b'"', b':', _] => ([only, 0], at + 3),
            [first, second, b'"', b':'] => ([first, second], at + 4),
            _ => return None,
        };
        let end = if key == [b'T', 0] { string(bytes, begin)? } else { number(bytes, begin)? };
        let is_repeated = match key {
            [b't', 0] => cursor.replace(text[begin..end].parse().ok()?).is_some(),
            [b'T', 0] => ticker.replace(Span::between(begin, end)?).is_some(),
            key => {
                let place = keys.iter().position(|known| *known == key)?;
                let is_integer = BAR_FIELDS[place].kind == FieldKind::Integer;
                if is_integer && !bytes[begin..end].iter().all(u8::is_ascii_digit) {
                    return None;
                }
                values[place].replace(Span::between(begin, end)?).is_some()
            }
        };
        match bytes.get(end)? {
            _ if is_repeated => return None,
            b',' => at = expect(bytes, end + 1, b"\"")?,
            b'}' if has_prices(&values) => return Some((Bar { cursor: cursor?, ticker, values }, end + 1)),
            _ => return None,
        }
    }
}

/// The place behind `expected`, if the text at `at` begins with it.
fn expect(bytes: &[u8], at: usize, expected: &[u8]) -> Option<usize> {
    bytes.get(at..)?.starts_with(expected).then_some(at + expected.len())
}

/// Where the JSON string ends that begins at `at`, if it is one of plain characters.
fn string(bytes: &[u8], at: usize) -> Option<usize> {
    let begin = expect(bytes, at, b"\"")?;
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\".contains(byte);
    let length = bytes[begin..].iter().take_while(|byte| is_plain(byte)).count();
    if length == 0 { None } else { expect(bytes, begin + length, b"\"") }
}

/// More characters than this before an exponent, and a number might be out of a double's range
/// (about 1e308).
const MAX_MANTISSA: usize = 200;

/// Where the JSON number (RFC 8259, 6) ends that begins at `at`; `None` also if it might be out of range.
fn number(bytes: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin + usize::from(bytes.get(begin) == Some(&b'-'));
    at = if bytes.get(at) == Some(&b'0') { at + 1 } else { digits(bytes, at)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if at - begin > MAX_MANTISSA {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let exponent = at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(bytes, exponent)?;
        if at - exponent > 2 {
            return None;
        }
    }
    Some(at)
}

/// Where the digits end that begin at `at`, of which there is at least one.
fn digits(bytes: &[u8], at: usize) -> Option<usize> {
    let count = bytes.get(at..)?.iter().position(|byte| !byte.is_ascii_digit())?;
    (count > 0).then_some(at + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_ends_where_it_does_and_is_refused_where_it_might_be_out_of_range() {
        let long = |digits: usize| "9".repeat(digits) + ",";
        for (text, expected) in [
            ("0,", Some(1)),
            ("0.5,", Some(3)),
            ("-12.25}", Some(6)),
            ("1e99,", Some(4)),
            ("1E-05,", Some(5)),
            ("1e100,", None),
            ("-,", None),
            (".5,", None),
            ("1.,", None),
            ("1e,", None),
            (&long(200), Some(200)),
            (&long(201), None),
        ] {
            assert_eq!(number(text.as_bytes(), 0), expected, "{text}");
        }
    }
}
