//! Pages of corporate actions: parsed by `polygon`, compared by `sync`, written by `airbyte`. Like bars, every value stays
//! the text that the API sent.

use crate::bars::{Page, Span};

/// The most fields that a row can have besides `id` and `ticker`.
pub(crate) const MAX_EVENT_FIELDS: usize = 10;

/// A field of a row, besides `id` and `ticker`. Requests, schemas and records are made from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventField {
    /// The name in the API and in records.
    pub(crate) name: &'static str,
    /// The type that its values must have.
    pub(crate) kind: EventFieldKind,
    /// What it means, for the catalog.
    pub(crate) description: &'static str,
}

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
    pub(crate) fn fields(self) -> &'static [EventField] {
        match self {
            ActionKind::Splits => &SPLIT_FIELDS,
            ActionKind::Dividends => &DIVIDEND_FIELDS,
        }
    }
}

const fn field(name: &'static str, kind: EventFieldKind, description: &'static str) -> EventField {
    EventField { name, kind, description }
}

#[rustfmt::skip]
static SPLIT_FIELDS: [EventField; 5] = {
    use EventFieldKind::{Date, Number, Text};
    [
        field("execution_date", Date, "First day on which the stock trades at the new price"),
        field("split_from", Number, "Number of shares before the split"),
        field("split_to", Number, "Number of shares that they became"),
        field("adjustment_type", Text, "forward_split, reverse_split or stock_dividend"),
        field("historical_adjustment_factor", Number, "Prices before the execution date, and from the preceding split on, \
            times this factor are adjusted for this split and all later ones"),
    ]
};

#[rustfmt::skip]
static DIVIDEND_FIELDS: [EventField; 10] = {
    use EventFieldKind::{Date, Integer, Number, Text};
    [
        field("ex_dividend_date", Date, "First day on which the stock trades without the dividend"),
        field("declaration_date", Date, "Day on which it was announced"),
        field("record_date", Date, "Day on which a holder must be registered"),
        field("pay_date", Date, "Day on which it is paid"),
        field("cash_amount", Number, "Amount per share as paid"),
        field("split_adjusted_cash_amount", Number, "Amount per share, adjusted for later splits"),
        field("currency", Text, "Currency of the amounts"),
        field("frequency", Integer, "Payments per year; 0 if irregular"),
        field("distribution_type", Text, "recurring, special, supplemental, irregular or unknown"),
        field("historical_adjustment_factor", Number, "Prices before the ex-dividend date, and from the preceding dividend \
            on, times this factor are adjusted for this dividend and all later ones"),
    ]
};

/// The JSON type of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventFieldKind {
    /// A string.
    Text,
    /// A string that is a date.
    Date,
    /// A number.
    Number,
    /// A whole number, written as a JSON integer regardless of how the API wrote it.
    Integer,
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

/// A page of splits or dividends, and the number of rows that were left out because they have no usable id or ticker.
pub(crate) type EventPage = Page<EventRow, usize>;
