//! An answer in the API's words, and what of it is refused: what is no number or no text, and
//! numbers that JSON's readers don't agree on.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Error as _, Visitor};
use serde_json::value::RawValue;

use super::response::{Bar, Span};

/// A JSON number exactly as the API wrote it (`695`, `1.81724024e+08`, `41120042.153782`), within a
/// double's range.
struct Number<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Number<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        match text.as_bytes() {
            [b'-' | b'0'..=b'9', ..] if is_in_range(text) => Ok(Number(text)),
            [b'-' | b'0'..=b'9', ..] => Err(D::Error::custom(format_args!(
                "the number {text} is out of range"
            ))),
            _ => Err(D::Error::custom(format_args!("{text} is not a number"))),
        }
    }
}

/// Whether a number is no more than a double can hold; few texts have to be parsed to know.
fn is_in_range(number: &str) -> bool {
    let is_surely = number.len() < 300 && !number.contains(['e', 'E']);
    is_surely || number.parse::<f64>().is_ok_and(f64::is_finite)
}

/// A JSON number without a fraction, exactly as the API wrote it.
struct Whole<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Whole<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Number(text) = Number::deserialize(deserializer)?;
        let is_whole = text.bytes().all(|byte| byte.is_ascii_digit())
            || text.parse::<f64>().is_ok_and(|value| value.fract() == 0.0);
        if is_whole {
            Ok(Whole(text))
        } else {
            Err(D::Error::custom(format_args!(
                "{text} is not a whole number"
            )))
        }
    }
}

/// A JSON string exactly as the API wrote it, quotes and escapes included, that can be decoded.
struct Text<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        match decode(text) {
            Some(_) => Ok(Text(text)),
            None => Err(D::Error::custom(format_args!("{text} is not a text"))),
        }
    }
}

/// What a JSON string says; `None` if it is none, or holds half of a surrogate pair.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(text).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// A bar in the API's words.
#[derive(Deserialize)]
pub(super) struct RawBar<'a> {
    #[serde(rename = "T", borrow)]
    ticker: Option<Text<'a>>,
    #[serde(deserialize_with = "milliseconds")]
    t: i64,
    #[serde(borrow)]
    o: Number<'a>,
    #[serde(borrow)]
    h: Number<'a>,
    #[serde(borrow)]
    l: Number<'a>,
    #[serde(borrow)]
    c: Number<'a>,
    #[serde(borrow)]
    v: Option<Number<'a>>,
    #[serde(borrow)]
    vw: Option<Number<'a>>,
    #[serde(borrow)]
    n: Option<Whole<'a>>,
}

impl RawBar<'_> {
    /// The bar, whose words were borrowed from `text`.
    pub(super) fn in_text(&self, text: &str) -> Option<Bar> {
        let span = |part: &str| Span::of(part, text);
        Some(Bar {
            cursor: self.t,
            ticker: self.ticker.as_ref().and_then(|ticker| span(ticker.0)),
            open: span(self.o.0)?,
            high: span(self.h.0)?,
            low: span(self.l.0)?,
            close: span(self.c.0)?,
            volume: self.v.as_ref().and_then(|volume| span(volume.0)),
            vwap: self.vw.as_ref().and_then(|vwap| span(vwap.0)),
            transactions: self
                .n
                .as_ref()
                .and_then(|transactions| span(transactions.0)),
        })
    }
}

/// Epoch milliseconds, in any of the forms in which the API writes integers.
fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct Milliseconds;
    impl Visitor<'_> for Milliseconds {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("whole epoch milliseconds")
        }

        fn visit_i64<E>(self, value: i64) -> Result<i64, E> {
            Ok(value)
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<i64, E> {
            i64::try_from(value)
                .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
        }

        fn visit_f64<E: de::Error>(self, value: f64) -> Result<i64, E> {
            const EXACT: f64 = (1_u64 << 53) as f64;
            if value.fract() == 0.0 && value.abs() < EXACT {
                Ok(value as i64)
            } else {
                Err(E::invalid_value(de::Unexpected::Float(value), &self))
            }
        }
    }
    deserializer.deserialize_i64(Milliseconds)
}

/// An answer in the API's words, as far as it matters here.
#[derive(Deserialize)]
pub(super) struct RawPage<'a> {
    #[serde(flatten)]
    pub(super) envelope: Envelope,
    #[serde(borrow)]
    pub(super) results: Option<Vec<RawBar<'a>>>,
}

/// What an answer says besides its bars.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Envelope {
    pub(super) status: Option<String>,
    /// What the answer is about; the grouped endpoint does not say it.
    pub(super) ticker: Option<String>,
    /// How many bars the answer holds, by its own account.
    #[serde(rename = "resultsCount")]
    pub(super) results_count: Option<f64>,
    /// Whether prices are adjusted for splits.
    pub(super) adjusted: Option<bool>,
    /// Where the next page is; absent on the last one.
    pub(super) next_url: Option<String>,
    /// What went wrong, where `status` is `ERROR`.
    pub(super) error: Option<String>,
    /// What went wrong, where `status` is `NOT_AUTHORIZED` or `NOT_FOUND`.
    pub(super) message: Option<String>,
}
