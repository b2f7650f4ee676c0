//! Pages of bars: parsed by `polygon`, compared by `sync`, written by `airbyte`. Every value stays the text that the API
//! sent, so no digit is lost.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::ops::Range;

use crate::fields::{BAR_FIELDS, FieldKind};

/// The place of a JSON number or string in a page's text, quotes included: 8 bytes instead of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    at: u32,
    length: NonZeroU32,
}

impl Span {
    /// The span from `at` to `end`; `None` if it is empty or beyond 4 GiB.
    pub(crate) fn between(at: usize, end: usize) -> Option<Span> {
        let length = NonZeroU32::new(u32::try_from(end.checked_sub(at)?).ok()?)?;
        let at = u32::try_from(at).ok()?;
        Some(Span { at, length })
    }

    /// The span of `part`, a slice of `text`.
    pub(crate) fn of(part: &str, text: &str) -> Option<Span> {
        let at = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        Span::between(at, at + part.len())
    }

    /// The span's part of its page's text.
    pub(crate) fn in_text(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or("null")
    }

    /// Its place in the text.
    pub(crate) fn range(self) -> Range<usize> {
        let at = self.at as usize;
        at..at + self.length.get() as usize
    }
}

/// The values of a bar in the order of [`BAR_FIELDS`]; `None` if missing or null. They are read with [`Page::text`].
pub(crate) type BarValues = [Option<Span>; BAR_FIELDS.len()];

/// One aggregate bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bar {
    /// Orders and identifies the bar (see [`crate::timespan::Timespan::cursor`]), epoch milliseconds. As parsed, it is the
    /// start of the bar.
    pub(crate) cursor: i64,
    /// The ticker, a JSON string; `None` on the range endpoint.
    pub(crate) ticker: Option<Span>,
    /// All else.
    pub(crate) values: BarValues,
}

/// Whether the values of a bar include all prices.
pub(crate) fn has_prices(values: &BarValues) -> bool {
    BAR_FIELDS.iter().zip(values).all(|(field, value)| field.kind != FieldKind::Price || value.is_some())
}

/// A row that can't become a record: a bar without a price, or a row without a name where it needs one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnusableRow {
    /// The ticker if the row has one, with control characters escaped.
    pub(crate) ticker: Option<String>,
    /// The start of the bar if the row has one, epoch milliseconds.
    pub(crate) start: Option<i64>,
}

/// A page of rows together with its text.
#[derive(Debug)]
pub(crate) struct Page<R = Bar> {
    /// The text that the rows point into.
    pub(crate) text: String,
    /// The rows.
    pub(crate) rows: Vec<R>,
    /// The rows that were left out.
    pub(crate) unusable: Vec<UnusableRow>,
    /// Where the next page is; `None` on the last one.
    pub(crate) next_url: Option<String>,
}

impl<R> Page<R> {
    /// The text of a span of one of this page's rows, as the API wrote it.
    pub(crate) fn text(&self, span: Span) -> &str {
        span.in_text(&self.text)
    }

    /// The value of a string; `None` if it is no string.
    pub(crate) fn value(&self, span: Span) -> Option<Cow<'_, str>> {
        decode(self.text(span))
    }
}

impl Page {
    /// The ticker of a bar of a whole market, decoded.
    pub(crate) fn ticker_of(&self, bar: &Bar) -> Option<Cow<'_, str>> {
        self.value(bar.ticker?)
    }
}

/// The value of a JSON string; `None` if it is none, or holds half of a surrogate pair.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(text).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}
