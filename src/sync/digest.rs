//! Digests of what was emitted, small enough to be kept in a state: what the API answers is compared with them.
//!
//! A digest is of a bar's values, not of how the API writes them: `695` and `695.0` are the same. Digests of several bars
//! add up, in any order, so that bars which get old are folded into the digest of their year without being seen again.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::polygon::response::{Bar, Page, Span};

/// The digest of one bar or several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    /// Of all values.
    values: u32,
    /// Of open, high, low and close alone, to tell a split from a late trade.
    prices: u16,
}

impl Digest {
    /// The digest of a bar, whose numbers stand in `page`.
    pub(crate) fn of(page: &Page, bar: &Bar) -> Digest {
        let value = |span: Option<Span>| {
            span.map_or(f64::NAN, |span| {
                page.text(span).parse().unwrap_or(f64::NAN) + 0.0
            })
        };
        let mut bytes = [0; 64];
        let numbers = [
            Some(bar.open),
            Some(bar.high),
            Some(bar.low),
            Some(bar.close),
            bar.volume,
            bar.vwap,
            bar.transactions,
        ];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&value(number).to_le_bytes());
        }
        bytes[56..].copy_from_slice(&bar.cursor.to_le_bytes());
        // Bars of the whole market are told apart by their ticker.
        let values = match page.ticker_of(bar) {
            Some(ticker) => xxh3_64_with_seed(ticker.as_bytes(), xxh3_64(&bytes)),
            None => xxh3_64(&bytes),
        };
        Digest {
            values: values as u32,
            prices: xxh3_64(&bytes[..32]) as u16,
        }
    }

    /// Whether the prices are the same, whatever the volume.
    pub(crate) fn has_prices_of(self, other: Digest) -> bool {
        self.prices == other.prices
    }

    /// The digest of the bars of both.
    pub(super) fn plus(self, other: Digest) -> Digest {
        let (values, prices) = (
            self.values.wrapping_add(other.values),
            self.prices.wrapping_add(other.prices),
        );
        Digest { values, prices }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 6];
        bytes[..4].copy_from_slice(&self.values.to_le_bytes());
        bytes[4..].copy_from_slice(&self.prices.to_le_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl Digest {
    /// Reads what Display writes.
    pub(crate) fn parse(text: &str) -> Option<Digest> {
        let bytes: [u8; 6] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        Some(Digest {
            values: u32::from_le_bytes(bytes[..4].try_into().ok()?),
            prices: u16::from_le_bytes(bytes[4..].try_into().ok()?),
        })
    }
}

#[cfg(test)]
impl Digest {
    /// A digest of nothing in particular.
    pub(super) fn for_tests(values: u32) -> Digest {
        Digest { values, prices: 1 }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn page_of(bars: &str) -> Page {
        Page::parse(format!(r#"{{"results":[{bars}]}}"#)).unwrap()
    }

    fn digest_of(bar: &str) -> Digest {
        let page = page_of(bar);
        Digest::of(&page, &page.bars()[0])
    }

    const BAR: &str = r#"{"t":0,"o":1,"h":3,"l":1,"c":695,"v":181724024,"vw":2.5,"n":7}"#;

    #[test]
    fn a_digest_is_of_values_and_not_of_how_they_are_written() {
        let written =
            r#"{"n":7.0,"t":0.0,"o":1.0,"h":3e0,"l":1,"c":695.0,"v":1.81724024e+08,"vw":2.50}"#;
        assert_eq!(digest_of(BAR), digest_of(written));
    }

    #[test]
    fn every_value_counts_and_prices_are_told_from_volume() {
        for (was, is, changes_prices) in [
            (r#""o":1"#, r#""o":2"#, true),
            (r#""h":3"#, r#""h":4"#, true),
            (r#""l":1"#, r#""l":0.5"#, true),
            (r#""c":695"#, r#""c":696"#, true),
            (r#""v":181724024"#, r#""v":181724025"#, false),
            (r#""vw":2.5"#, r#""vw":2.6"#, false),
            (r#","n":7"#, "", false),
            (r#""t":0"#, r#""t":60000"#, false),
        ] {
            let other = digest_of(&BAR.replace(was, is));
            assert_ne!(digest_of(BAR), other, "{is}");
            assert_eq!(digest_of(BAR).has_prices_of(other), !changes_prices, "{is}");
        }
    }

    #[test]
    fn zero_has_one_digest_whatever_its_sign() {
        let zero = BAR.replace("\"o\":1", "\"o\":0");
        assert_eq!(
            digest_of(&zero),
            digest_of(&zero.replace("\"o\":0", "\"o\":-0.0"))
        );
    }

    #[test]
    fn bars_of_the_market_are_told_apart_by_their_ticker() {
        let with =
            |ticker: &str| digest_of(&BAR.replace(r#"{"t""#, &format!(r#"{{"T":"{ticker}","t""#)));
        assert_ne!(with("A"), with("B"));
        assert_eq!(with("A"), with("\\u0041"));
    }
}
