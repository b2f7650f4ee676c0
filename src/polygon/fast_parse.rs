//! The fast path through a page of bars, for the canonical form in which the API writes nearly all of them.
//!
//! Why by hand: measured on pages of 50,000 bars it is about three times as fast as the best JSON library that keeps the
//! digits of numbers (`serde_json` with borrowed `RawValue`; sonic-rs and simd-json are slower still, or lose digits). With
//! `serde_json` alone a whole read takes about 1.7 times as long. It never decides that something is wrong: what it does
//! not recognize (another key, a null, white space, a number that might be out of range) it leaves to that parser, and a
//! property test holds the two together.

use crate::bars::{Bar, Span, has_prices};
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
        // Filled in the list, because copying a bar that was just written is slow.
        bars.push(Bar { cursor: 0, ticker: None, values: [None; BAR_FIELDS.len()] });
        let bar = bars.last_mut()?;
        let end = read_bar(text, at, &keys, bar)?;
        if is_of_market && bar.ticker.is_none() {
            return None;
        }
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

/// Reads the bar that begins at `at` into an empty one, and returns where it ends; `keys` are those of [`BAR_FIELDS`].
fn read_bar(text: &str, at: usize, keys: &[Key; BAR_FIELDS.len()], bar: &mut Bar) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = expect(bytes, at, b"{\"")?;
    let mut start = None;
    loop {
        let (key, begin) = match *bytes.get(at..at + 4)? {
            [only, b'"', b':', _] => ([only, 0], at + 3),
            [first, second, b'"', b':'] => ([first, second], at + 4),
            _ => return None,
        };
        let (end, is_repeated) = match key {
            [b't', 0] => {
                let (end, value) = whole(bytes, begin)?;
                (end, start.replace(value).is_some())
            }
            [b'T', 0] => {
                let end = string(bytes, begin)?;
                (end, bar.ticker.replace(Span::between(begin, end)?).is_some())
            }
            key => {
                let place = keys.iter().position(|known| *known == key)?;
                let is_integer = BAR_FIELDS[place].kind == FieldKind::Integer;
                let end = if is_integer { whole(bytes, begin)?.0 } else { number(bytes, begin)? };
                (end, bar.values[place].replace(Span::between(begin, end)?).is_some())
            }
        };
        match bytes.get(end)? {
            _ if is_repeated => return None,
            b',' => at = expect(bytes, end + 1, b"\"")?,
            b'}' if has_prices(&bar.values) => {
                bar.cursor = start?;
                return Some(end + 1);
            }
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

/// Where the JSON number (RFC 8259, 6) ends that begins at `begin`; `None` also if it might be out of range.
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
    let (rest, is_other) = (bytes.get(at..)?, |byte: &u8| !byte.is_ascii_digit());
    // The compiler makes more of a known number of bytes.
    let count = rest.first_chunk::<16>().and_then(|first| first.iter().position(is_other));
    let count = count.or_else(|| rest.iter().position(is_other))?;
    (count > 0).then_some(at + count)
}

/// Where the whole number ends that begins at `begin`, and its value; `None` also if it is negative or too large.
fn whole(bytes: &[u8], begin: usize) -> Option<(usize, i64)> {
    const MAX_LENGTH: usize = 18;
    let (mut end, mut value) = (begin, 0_i64);
    while let Some(digit @ b'0'..=b'9') = bytes.get(end) {
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
        end += 1;
    }
    let length = end - begin;
    ((1..=MAX_LENGTH).contains(&length) && (bytes[begin] != b'0' || length == 1)).then_some((end, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_has_a_value_unless_it_might_be_too_large() {
        for (text, expected) in [
            ("0,", Some((1, 0))),
            ("1690790400000}", Some((13, 1_690_790_400_000))),
            ("999999999999999999", Some((18, 999_999_999_999_999_999))),
            ("1000000000000000000,", None),
            ("01,", None),
            ("-1,", None),
            (",", None),
            ("", None),
        ] {
            assert_eq!(whole(text.as_bytes(), 0), expected, "{text}");
        }
    }

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
