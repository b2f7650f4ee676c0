//! The fields of records, one row each: responses are parsed by these tables, and checksums, schemas and records made from
//! them.

/// A field of a record, besides its ticker and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    /// The key in a row of the API.
    pub(crate) key: &'static str,
    /// The name in records.
    pub(crate) name: &'static str,
    /// The type that its values must have.
    pub(crate) kind: FieldKind,
    /// What it means, for the catalog.
    pub(crate) description: &'static str,
}

/// The JSON type of a field's values. All but prices can be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// A number that every bar has.
    Price,
    /// A number.
    Number,
    /// A whole number, written as a JSON integer regardless of how the API wrote it.
    Integer,
    /// A string.
    Text,
    /// A string that is a date.
    Date,
}

/// A field of a bar.
const fn value(key: &'static str, name: &'static str, kind: FieldKind, description: &'static str) -> Field {
    Field { key, name, kind, description }
}

/// A field of a corporate action, whose name is the API's.
const fn field(name: &'static str, kind: FieldKind, description: &'static str) -> Field {
    Field { key: name, name, kind, description }
}

/// The fields of a bar, prices first. A key has one or two letters.
#[rustfmt::skip]
pub(crate) static BAR_FIELDS: [Field; 7] = {
    use FieldKind::{Integer, Number, Price};
    [
        value("c", "price", Price, "Closing price of the bar"),
        value("o", "open", Price, "First price of the bar"),
        value("h", "high", Price, "Highest price of the bar"),
        value("l", "low", Price, "Lowest price of the bar"),
        value("v", "volume", Number, "Units traded, shares of a stock; null for indices, the number of quotes for forex"),
        value("vw", "vwap", Number, "Volume-weighted average price; null without volume"),
        value("n", "transactions", Integer, "Number of trades; null without volume"),
    ]
};

/// The fields of a split. The first one is the day on which it takes effect.
#[rustfmt::skip]
pub(crate) static SPLIT_FIELDS: [Field; 5] = {
    use FieldKind::{Date, Number, Text};
    [
        field("execution_date", Date, "First day on which the stock trades at the new price"),
        field("split_from", Number, "Number of shares before the split"),
        field("split_to", Number, "Number of shares that they became"),
        field("adjustment_type", Text, "forward_split, reverse_split or stock_dividend"),
        field("historical_adjustment_factor", Number, "Prices before the execution date, and from the preceding split on, \
            times this factor are adjusted for this split and all later ones"),
    ]
};

/// The fields of a dividend. The first one is the day on which it takes effect.
#[rustfmt::skip]
pub(crate) static DIVIDEND_FIELDS: [Field; 10] = {
    use FieldKind::{Date, Integer, Number, Text};
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
