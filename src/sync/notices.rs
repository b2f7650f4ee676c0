//! What the log says about a sync. The tables of messages in `docs/stock-ticker-api.md` explain each, and a test compares
//! the two.

use thiserror::Error;

use crate::calendar::{Date, DateRange};
use crate::log_level::LogLevel;
use crate::text::{count, list};

/// One message about a ticker, a market or a stream, which the log names before it.
#[derive(Debug, Clone, PartialEq, Error)]
pub(crate) enum Notice {
    /// Bars were emitted.
    #[error("{} from {from} to {to}", count(*.bars, "bar"))]
    Synced { bars: usize, from: String, to: String },
    /// Nothing new.
    #[error("up to date; last bar {last}")]
    UpToDate { last: String },
    /// The first day, week or month is not over.
    #[error("nothing to sync yet: the {period} that begins on {day} is not over")]
    NotOverYet { period: &'static str, day: Date },
    /// Emitted bars changed, and were emitted again.
    #[error("{} of {days} emitted again, because the API's data changed", count(*.bars, "bar"))]
    Corrected { bars: usize, days: DateRange },
    /// A stream ended.
    #[error("{}, {}, {} emitted again; {} in {seconds:.1} s",
        count(*.targets, .unit), count(*.records, "record"), .corrected, count(*.requests, "request"))]
    Summary { targets: usize, unit: &'static str, records: usize, corrected: usize, requests: usize, seconds: f64 },
    /// How far a whole market has been read.
    #[error("{read} of {} read, up to {day}", count(*.all, "day"))]
    MarketProgress { read: usize, all: usize, day: Date },
    /// The cursor is later than any final bar.
    #[error(
        "the cursor {cursor} is in the future; was the clock wrong? Bars up to now are verified, and new ones follow \
         when that time has come"
    )]
    CursorInFuture { cursor: String },
    /// Emitted bars have other prices now.
    #[error("prices changed from {first} on (a split or another restatement); reading the history from {since} again")]
    Restated { first: String, since: Date },
    /// `adjusted` has another value than it had.
    #[error("\"adjusted\" is now {adjusted}; reading the history from {since} again")]
    BasisChanged { adjusted: bool, since: Date },
    /// A history changed again while it was read again.
    #[error(
        "prices changed again during this sync; the next sync continues with {days}. On the night of a split, the API may \
         return old and new prices in turn"
    )]
    StillRestated { days: DateRange },
    /// Rows that can't be read again have other prices than the rest.
    #[error("rows before {first} keep their old prices, because your plan no longer includes these days")]
    OldPrices { first: Date },
    /// Emitted bars are missing from the response.
    #[error("the API no longer returns {} of {days}; the rows stay in the destination", count(*.bars as usize, "bar"))]
    Missing { bars: u32, days: DateRange },
    /// All emitted bars are missing from the response.
    #[error(
        "the API no longer returns any bars, not even the last one of {last}; the rows stay in the destination. Was the \
         ticker renamed or delisted?"
    )]
    AllMissing { last: String },
    /// There are no bars where some were expected.
    #[error("no bars from {} to {}{}", .days.from, .days.to, hint_text(.hint.as_ref()))]
    NoBars { days: DateRange, hint: Option<String> },
    /// There are still no bars.
    #[error("still no bars since {since}")]
    StillNoBars { since: Date },
    /// All tickers of a stream are empty at the same time.
    #[error(
        "the API returned no bars for any of the {}. If they should have some, the next sync reads them",
        count(*.tickers, "ticker")
    )]
    AllEmpty { tickers: usize },
    /// The first bar is much later than requested.
    #[error(
        "the first bar is of {first}, although {requested} was requested; your plan's history or the ticker's may begin \
         there"
    )]
    LateFirstBar { first: Date, requested: Date },
    /// The plan does not include these days.
    #[error(
        "your plan does not include {days}{}. After an upgrade, clear the stream to load them",
        start_text(.start.as_ref())
    )]
    OutsidePlan { days: DateRange, start: Option<Date> },
    /// Rows that were not requested, or came twice.
    #[error("skipped {} outside the requested days, and {repeated} repeated", count(*.outside, "bar"))]
    Skipped { outside: usize, repeated: usize },
    /// The API returned different values for the same time.
    #[error("the API returned different values for the same bars of {days}; these days were requested again")]
    Conflicts { days: String },
    /// Bars without a price.
    #[error("skipped {} without a price, of {days}; emitted once the API returns a price", count(*.bars, "bar"))]
    WithoutPrice { bars: usize, days: String },
    /// Rows of a whole market without a price or a usable name.
    #[error("skipped {} of {day} without a price or a usable name: {names}", count(*.rows, "row"))]
    Unusable { day: Date, rows: usize, names: String },
    /// No bars in the middle of a history for a long time.
    #[error("no bars for more than a month: {gaps}. Was the symbol given to another company?")]
    Gaps { gaps: String },
    /// Tickers without recent bars.
    #[error("no recent bars, so these may have been renamed, delisted or halted: {names}")]
    Silent { names: String },
    /// A trading day of a whole market is empty.
    #[error("the API has no rows for {day}, although the market was open; the next sync requests the day again")]
    EmptyDay { day: Date },
    /// Empty days, and no way to know whether the market was open.
    #[error(
        "the API has no rows for {days}, and does not show whether the market was open; the next sync requests them again"
    )]
    UnknownDays { days: String },
    /// A day of a whole market has too few rows.
    #[error("only {} for {day}, where {expected} were expected; the next sync requests the day again", count(*.rows as usize, "row"))]
    ShortDay { day: Date, rows: u32, expected: u32 },
    /// A day of a whole market has fewer rows than before.
    #[error("the API returns {rows} rows for {day}, but returned {known} before; the rows in the destination are kept")]
    FewerRows { day: Date, rows: u32, known: u32 },
    /// An incomplete day did not change for days.
    #[error("{day} has stayed incomplete for {} days; it is accepted as it is", super::market_day::ACCEPTED_AFTER_DAYS)]
    Accepted { day: Date },
    /// Splits and dividends are requested, but no stocks are configured.
    #[error("only stocks have splits and dividends, and none is configured; nothing to sync")]
    NoStocks,
    /// Splits or dividends were emitted again.
    #[error(
        "{} of {names} emitted again: some are new or corrected, and factors of older ones change with them",
        count(*.events, "event")
    )]
    EventsAgain { events: usize, names: String },
    /// Splits or dividends are missing from the response.
    #[error(
        "the API no longer returns some events, which may have been cancelled: {names}; the rows stay in the destination"
    )]
    EventsMissing { names: String },
    /// Most tickers are missing from the response.
    #[error(
        "the API returned events of only {found} of {expected} tickers, twice, which can't be right: nothing was \
         compared; the next sync tries again"
    )]
    TooFewTickers { found: usize, expected: usize },
    /// Rows that are no events of a requested ticker.
    #[error("skipped {} without an id or a ticker, or of a ticker that was not requested", count(*.rows, "row"))]
    SkippedEvents { rows: usize },
    /// A name occurs twice on a day, with different values.
    #[error("{names} occurred twice on {day} with different values; one row of each was used")]
    Ambiguous { day: Date, names: String },
}

impl Notice {
    /// Its level: what a user should know is a warning.
    pub(crate) fn level(&self) -> LogLevel {
        match self {
            Notice::Synced { .. }
            | Notice::UpToDate { .. }
            | Notice::NotOverYet { .. }
            | Notice::StillNoBars { .. }
            | Notice::Corrected { .. }
            | Notice::NoStocks
            | Notice::EventsAgain { .. }
            | Notice::MarketProgress { .. }
            | Notice::Summary { .. } => LogLevel::Info,
            Notice::AllEmpty { .. } => LogLevel::Error,
            _ => LogLevel::Warn,
        }
    }
}

fn hint_text(hint: Option<&String>) -> String {
    match hint {
        Some(hint) => format!("; did you mean {hint}?"),
        None => "; check the ticker, which is case-sensitive, and the dates".to_owned(),
    }
}

fn start_text(start: Option<&Date>) -> String {
    start.map_or_else(String::new, |start| format!("; starting at {start}"))
}

/// Names in a message: three, then a count.
pub(crate) fn list_names<T: AsRef<str>>(names: &[T]) -> String {
    list(names.iter(), 3)
}
