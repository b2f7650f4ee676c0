//! What the log tells a user about a sync: every LOG text stands here, with its level. The table of messages in
//! `docs/stock-ticker-api.md` explains them, and a test compares the two.

mod texts;

use std::time::Duration;

use serde::Serialize;

use crate::calendar::{Date, DateRange};

/// How important a LOG message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum LogLevel {
    /// Technical detail, written with `--debug` only.
    Debug,
    /// What a person may want to follow.
    Info,
    /// What a person should know: something is not as asked.
    Warn,
    /// What failed.
    Error,
}

/// One thing that the log tells, about a series where it has one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Notice {
    /// So many bars were emitted, from one cursor to another.
    Synced {
        bars: usize,
        from: String,
        to: String,
    },
    /// Nothing was emitted; the last bar that is there.
    UpToDate { last: String },
    /// Nothing was emitted so far.
    NoBarsYet { since: Date },
    /// The first day is not over.
    NotOverYet { day: Date },
    /// The cursor lies in the future.
    CursorInFuture { cursor: String },
    /// Bars were emitted again because they, or bars near them, changed or came late.
    Corrected { bars: usize, from: Date, to: Date },
    /// The state was written by an earlier version.
    OlderState { since: Date },
    /// The plan's history begins after everything that is there.
    BeyondPlanHistory,
    /// The API refuses requests for a while; what is left to do.
    RateLimited {
        wait: Duration,
        remaining: Option<Remaining>,
    },
    /// A request is tried again.
    Retrying {
        request: String,
        attempt: u32,
        max_attempts: u32,
        cause: String,
        delay: Duration,
    },
    /// A request was answered.
    Answered {
        request: String,
        status: u16,
        bytes: usize,
        duration: Duration,
    },
    /// How `check` looked for the tickers.
    CheckedByMarket {
        day: Date,
        found: usize,
        tickers: usize,
    },
    /// The first bar has other prices than it had.
    PricesChanged { first: String, since: Date },
    /// `adjusted` has another value than it had.
    BasisChanged { adjusted: bool, since: Date },
    /// Rows that can't be read again are on another basis than the rest.
    OldBasisRows { days: DateRange },
    /// Bars that were emitted are no longer there.
    BarsGone { bars: u32, from: Date, to: Date },
    /// The API has nothing of what was emitted.
    AllBarsGone { last: String },
    /// There were no bars where some were expected.
    NoBars { days: DateRange },
    /// The first bar comes much later than asked for.
    LateFirstBar { first: Date, asked: Date },
    /// The plan does not include these days.
    OutsidePlan {
        days: DateRange,
        start: Option<Date>,
    },
    /// Rows that don't belong were left out.
    Dropped { outside: usize, duplicates: usize },
    /// The state names a stream that the connector does not have.
    UnknownStateStream { name: String },
    /// Tickers that `check` did not ask about.
    SkippedTickers {
        count: usize,
        why: SkipReason,
        names: String,
    },
}

/// Why `check` did not ask about a ticker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SkipReason {
    /// A check has to end soon.
    Time,
    /// The API refuses requests.
    RateLimit,
}

/// How much of a stream is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remaining {
    /// So many are left.
    pub(crate) left: usize,
    /// Of so many.
    pub(crate) all: usize,
    /// Whether they are days of the market, or else tickers.
    pub(crate) are_days: bool,
    /// About how many minutes they take.
    pub(crate) minutes: usize,
}

impl Notice {
    /// Its level.
    pub(crate) fn level(&self) -> LogLevel {
        match self {
            Notice::Answered { .. } | Notice::CheckedByMarket { .. } => LogLevel::Debug,
            Notice::Synced { .. }
            | Notice::UpToDate { .. }
            | Notice::NoBarsYet { .. }
            | Notice::NotOverYet { .. }
            | Notice::CursorInFuture { .. }
            | Notice::Corrected { .. }
            | Notice::OlderState { .. }
            | Notice::BeyondPlanHistory
            | Notice::RateLimited { .. }
            | Notice::Retrying { .. } => LogLevel::Info,
            Notice::PricesChanged { .. }
            | Notice::BasisChanged { .. }
            | Notice::OldBasisRows { .. }
            | Notice::BarsGone { .. }
            | Notice::AllBarsGone { .. }
            | Notice::NoBars { .. }
            | Notice::LateFirstBar { .. }
            | Notice::OutsidePlan { .. }
            | Notice::Dropped { .. }
            | Notice::UnknownStateStream { .. }
            | Notice::SkippedTickers { .. } => LogLevel::Warn,
        }
    }
}
