//! Pages of corporate actions: parsed by `polygon`, compared by `sync`, written by `airbyte`. Like bars, every value stays
//! the text that the API sent.

use crate::bars::{Page, Span};
use crate::fields::{DIVIDEND_FIELDS, Field, SPLIT_FIELDS};

/// The most fields that a row can have besides `id` and `ticker`.
pub(crate) const MAX_EVENT_FIELDS: usize = DIVIDEND_FIELDS.len();

/// A kind of corporate actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActionKind {
    /// Splits of shares, and dividends paid in shares.
    Splits,
    /// Dividends paid in cash.
    Dividends,
}

impl ActionKind {
    /// The fields besides `id` and `ticker`. The first one is the day on which the action takes effect.
    pub(crate) fn fields(self) -> &'static [Field] {
        match self {
            ActionKind::Splits => &SPLIT_FIELDS,
            ActionKind::Dividends => &DIVIDEND_FIELDS,
        }
    }
}

/// One split or dividend. Its spans are read with [`EventPage::text`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct EventRow {
    /// Its id, a JSON string.
    pub(crate) id: Span,
    /// Its ticker, a JSON string.
    pub(crate) ticker: Span,
    /// Its other fields in the order in which they were requested; `None` if missing or null.
    pub(crate) fields: [Option<Span>; MAX_EVENT_FIELDS],
}

/// A page of splits or dividends. Rows without a usable id or ticker are left out.
pub(crate) type EventPage = Page<EventRow>;
