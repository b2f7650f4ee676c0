//! Checksums of bars, small enough to be kept in a state.
//!
//! They cover values, not the way the API writes them: `695`, `695.0` and `6.95e+02` are the same. They are additive, in
//! any order, so a bar can join a block without fetching the block again.

use std::ops::Range;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

use crate::bars::{Bar, Page, Span};
use crate::events::{EventPage, EventRow};
use crate::fields::{BAR_FIELDS, Field, FieldKind};

/// How many values of a bar each version of the checksum covers. A field that is added to the end of [`BAR_FIELDS`] gets a
/// new version here: blocks of an older version are compared by the values that they cover.
const VALUES_COVERED: [usize; 1] = [7];

/// The number of prices, with which the values begin.
const PRICES: usize = 4;

/// The version of new checksums.
pub(crate) const VERSION: u8 = VALUES_COVERED.len() as u8;

/// The checksum of one bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BarChecksum {
    /// Covers all values, the time and, in a whole market, the ticker.
    pub(crate) values: u32,
    /// Covers open, high, low and close only; distinguishes a split from a late trade.
    pub(crate) prices: u16,
}

impl BarChecksum {
    /// The checksum of a bar of `page`, in the given version.
    pub(crate) fn of(page: &Page, bar: &Bar, version: u8) -> BarChecksum {
        let ticker = page.ticker_of(bar);
        checksum(&page.text, &bar.values, bar.cursor, ticker.as_deref().unwrap_or_default(), version)
    }
}

fn checksum(text: &str, values: &[Option<Span>], cursor: i64, ticker: &str, version: u8) -> BarChecksum {
    const WIDTH: usize = size_of::<u128>();
    /// One more than there are, to test that the next version leaves older checksums as they are.
    const MAX_VALUES: usize = BAR_FIELDS.len() + 1;
    let covered = VALUES_COVERED.get(usize::from(version).wrapping_sub(1)).copied().unwrap_or(values.len());
    let mut bytes = [0; WIDTH * MAX_VALUES];
    for (place, value) in bytes.as_chunks_mut::<WIDTH>().0.iter_mut().zip(&values[..covered]) {
        *place = value.map_or(0, |value| value_of(text, value)).to_le_bytes();
    }
    let (prices, others) = bytes[..WIDTH * covered].split_at(WIDTH * PRICES);
    let prices = xxh3_64(prices);
    let mut values = xxh3_64_with_seed(others, prices.wrapping_add(cursor as u64));
    if !ticker.is_empty() {
        values = xxh3_64_with_seed(ticker.as_bytes(), values);
    }
    BarChecksum { values: values as u32, prices: prices as u16 }
}

/// The checksum of a split or dividend: of its id and all fields that it has.
pub(crate) fn event_checksum(page: &EventPage, row: &EventRow, fields: &[Field]) -> u32 {
    let text = |span| page.value(span).unwrap_or_default();
    let mut sum = xxh3_64(text(row.id).as_bytes());
    for ((field, span), place) in fields.iter().zip(row.fields).zip(1..) {
        let Some(span) = span else { continue };
        let seed = sum.wrapping_add(place);
        sum = match field.kind {
            FieldKind::Text | FieldKind::Date => xxh3_64_with_seed(text(span).as_bytes(), seed),
            FieldKind::Price | FieldKind::Number | FieldKind::Integer => {
                xxh3_64_with_seed(&shortest(page.text(span)).to_le_bytes(), seed)
            }
        };
    }
    sum as u32
}

/// The value of a JSON number: the shortest text without an exponent of the double that it is, or a hash of a longer one.
fn value_of(text: &str, number: Span) -> u128 {
    short(text.as_bytes(), number.range()).unwrap_or_else(|| shortest(number.in_text(text)))
}

#[cold]
fn shortest(number: &str) -> u128 {
    // There is no negative zero.
    let value = 0.0 + number.parse().unwrap_or(f64::NAN);
    let text = format!("{value:\0<16}");
    text.as_bytes().try_into().map_or_else(|_| xxh3_128(text.as_bytes()), u128::from_le_bytes)
}

/// The same for the form of nearly all numbers, which is that text, but for zeros at its end. A double holds as many
/// digits. The bytes behind the number are loaded with it, because a copy of variable length takes longer than all else.
fn short(text: &[u8], number: Range<usize>) -> Option<u128> {
    const LETTER: u128 = u128::from_le_bytes([0x40; 16]);
    let bytes = u128::from_le_bytes(*text.get(number.start..)?.first_chunk()?);
    let mut digits = text.get(number)?;
    while let [shorter @ .., b'0' | b'.'] = digits
        && digits.contains(&b'.')
    {
        digits = shorter;
    }
    let bytes = bytes & ((1_u128 << (8 * digits.len().min(15))) - 1);
    (digits.len() <= 15 && digits.first() != Some(&b'-') && bytes & LETTER == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    /// The value of a number that stands between others.
    fn value(number: &str) -> u128 {
        let text = format!("1.5,{number},\"n\":0.123456789");
        value_of(&text, Span::between(4, 4 + number.len()).unwrap())
    }

    fn checksum_of(values: &[Option<&str>], cursor: i64, ticker: &str, version: u8) -> BarChecksum {
        let (mut text, mut spans) = (String::new(), Vec::new());
        for value in values {
            let begin = text.len();
            text.push_str(value.unwrap_or_default());
            spans.push(Span::between(begin, text.len()));
            text.push(',');
        }
        checksum(&text, &spans, cursor, ticker, version)
    }

    #[test]
    fn checksums_are_of_values_not_of_formats() {
        for (one, other) in [
            ("695", "695.0"),
            ("258.630", "258.63"),
            ("690", "690.00"),
            ("0", "-0.0"),
            ("-0", "0.00"),
            ("-1.50", "-1.5"),
            ("1234567890123456", "1.234567890123456e15"),
        ] {
            assert_eq!(value(one), value(other), "{one} and {other}");
        }
        for (one, other) in [
            ("695", "6950"),
            ("1", "-1"),
            ("0.1", "0.01"),
            ("0", "0.1"),
            ("12345678901234567890123", "12345678901334567890123"),
            ("1", "1e1"),
        ] {
            assert_ne!(value(one), value(other), "{one} and {other}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_the_same_in_any_form_and_at_the_end_of_a_text(
            number in "-?(0|[1-9][0-9]{0,16})(\\.[0-9]{1,17})?([eE][-+]?[0-9]{1,2})?",
        ) {
            let double: f64 = number.parse().unwrap();
            let scientific = format!("{double:e}");
            prop_assert_eq!(value(&number), value(&scientific), "{} and {}", number, scientific);
            prop_assert_eq!(value(&number), value_of(&number, Span::between(0, number.len()).unwrap()));
            prop_assert_eq!(value(&number), shortest(&number));
        }
    }

    #[test]
    fn every_value_the_time_and_the_ticker_count() {
        let values = [Some("1"); BAR_FIELDS.len()];
        let known = checksum_of(&values, 60_000, "A", VERSION);
        for place in 0..values.len() {
            let mut changed = values;
            changed[place] = Some("8");
            let sum = checksum_of(&changed, 60_000, "A", VERSION);
            assert_ne!(sum.values, known.values, "value {place}");
            assert_eq!(sum.prices != known.prices, place < 4, "value {place}");
            changed[place] = None;
            assert_ne!(checksum_of(&changed, 60_000, "A", VERSION).values, known.values);
        }
        assert_ne!(checksum_of(&values, 120_000, "A", VERSION).values, known.values);
        assert_ne!(checksum_of(&values, 60_000, "B", VERSION).values, known.values);
        assert_ne!(checksum_of(&values, 60_000, "", VERSION), checksum_of(&values, 120_000, "", VERSION));
    }

    #[test]
    fn a_field_added_later_changes_no_older_checksum_and_is_covered_by_new_ones() {
        let with_a_new_field = ["1", "2", "3", "4", "5", "6", "7", "8"].map(Some);
        let old = checksum_of(&with_a_new_field[..7], 0, "", 1);
        assert_eq!(checksum_of(&with_a_new_field, 0, "", 1), old);
        let next_version = VERSION + 1;
        assert_ne!(checksum_of(&with_a_new_field, 0, "", next_version), old);
        assert_eq!(VALUES_COVERED.last(), Some(&BAR_FIELDS.len()), "give the new field a version of the checksum");
    }
}
