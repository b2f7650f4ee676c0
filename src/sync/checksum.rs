//! Checksums of bars, small enough to be kept in a state.
//!
//! They cover values, not the way the API writes them: `695`, `695.0` and `6.95e+02` are the same. They are additive, in
//! any order, so a bar can join a block without fetching the block again.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::bars::{Bar, Page};
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
        let values = bar.values.map(|value| value.map(|value| page.text(value)));
        checksum(&values, bar.cursor, ticker.as_deref().unwrap_or_default(), version)
    }
}

fn checksum(values: &[Option<&str>], cursor: i64, ticker: &str, version: u8) -> BarChecksum {
    const WIDTH: usize = 10;
    /// One more than there are, to test that the next version leaves older checksums as they are.
    const MAX_VALUES: usize = BAR_FIELDS.len() + 1;
    let covered = VALUES_COVERED.get(usize::from(version).wrapping_sub(1)).copied().unwrap_or(values.len());
    let mut bytes = [0; WIDTH * MAX_VALUES];
    for (place, value) in bytes.as_chunks_mut::<WIDTH>().0.iter_mut().zip(&values[..covered]) {
        let (mantissa, exponent) = value.map_or((0, i16::MIN), decimal);
        place[..8].copy_from_slice(&mantissa.to_le_bytes());
        place[8..].copy_from_slice(&exponent.to_le_bytes());
    }
    let bytes = &bytes[..WIDTH * covered];
    let mut values = xxh3_64_with_seed(bytes, cursor as u64);
    if !ticker.is_empty() {
        values = xxh3_64_with_seed(ticker.as_bytes(), values);
    }
    BarChecksum { values: values as u32, prices: xxh3_64(&bytes[..WIDTH * PRICES]) as u16 }
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
                let (mantissa, exponent) = decimal(page.text(span));
                xxh3_64_with_seed(&mantissa.to_le_bytes(), seed.wrapping_add(exponent as u64))
            }
        };
    }
    sum as u32
}

/// The value of a JSON number as an integer times a power of ten, in lowest terms; the exponent is odd for negative
/// numbers. Numbers of more than nineteen digits are rounded to a double.
fn decimal(number: &str) -> (u64, i16) {
    exact_decimal(number).unwrap_or_else(|| {
        let value: f64 = number.parse().unwrap_or(f64::NAN);
        (value.to_bits(), i16::MAX)
    })
}

fn exact_decimal(number: &str) -> Option<(u64, i16)> {
    /// As many digits fit into 64 bits.
    const MAX_LENGTH: usize = 19;
    let (mut mantissa, mut exponent, mut point, mut end) = (0_u64, 0_i16, None, number.len());
    for (place, byte) in number.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')),
            b'.' => point = Some(place),
            b'e' | b'E' => {
                exponent = number[place + 1..].parse().ok()?;
                end = place;
                break;
            }
            _ => {}
        }
    }
    if end > MAX_LENGTH {
        return None;
    }
    let decimals = point.map_or(0, |point| end - point - 1) as i16;
    if mantissa == 0 {
        return Some((0, 0));
    }
    let mut exponent = exponent.checked_sub(decimals)?;
    while mantissa.is_multiple_of(10) {
        mantissa /= 10;
        exponent = exponent.checked_add(1)?;
    }
    let sign = i16::from(number.starts_with('-'));
    Some((mantissa, exponent.checked_mul(2)?.checked_add(sign)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_of_values_not_of_formats() {
        for (one, other) in [
            ("695", "695.0"),
            ("1.81724024e+08", "181724024"),
            ("258.630", "258.63"),
            ("0", "-0.0"),
            ("0.001", "1E-3"),
            ("1e2", "100"),
        ] {
            assert_eq!(decimal(one), decimal(other), "{one} and {other}");
        }
        for (one, other) in [
            ("695", "6950"),
            ("1", "-1"),
            ("0.1", "0.01"),
            ("12345678901234567890123", "12345678901334567890123"),
            ("1", "1e1"),
        ] {
            assert_ne!(decimal(one), decimal(other), "{one} and {other}");
        }
    }

    #[test]
    fn every_value_the_time_and_the_ticker_count() {
        let values = [Some("1"); BAR_FIELDS.len()];
        let known = checksum(&values, 60_000, "A", VERSION);
        for place in 0..values.len() {
            let mut changed = values;
            changed[place] = Some("8");
            let sum = checksum(&changed, 60_000, "A", VERSION);
            assert_ne!(sum.values, known.values, "value {place}");
            assert_eq!(sum.prices != known.prices, place < 4, "value {place}");
            changed[place] = None;
            assert_ne!(checksum(&changed, 60_000, "A", VERSION).values, known.values);
        }
        assert_ne!(checksum(&values, 120_000, "A", VERSION).values, known.values);
        assert_ne!(checksum(&values, 60_000, "B", VERSION).values, known.values);
        assert_ne!(checksum(&values, 60_000, "", VERSION), checksum(&values, 120_000, "", VERSION));
    }

    #[test]
    fn a_field_added_later_changes_no_older_checksum_and_is_covered_by_new_ones() {
        let with_a_new_field = ["1", "2", "3", "4", "5", "6", "7", "8"].map(Some);
        let old = checksum(&with_a_new_field[..7], 0, "", 1);
        assert_eq!(checksum(&with_a_new_field, 0, "", 1), old);
        let next_version = VERSION + 1;
        assert_ne!(checksum(&with_a_new_field, 0, "", next_version), old);
        assert_eq!(VALUES_COVERED.last(), Some(&BAR_FIELDS.len()), "give the new field a version of the checksum");
    }
}
