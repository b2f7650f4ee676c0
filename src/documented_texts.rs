//! The table of messages in `docs/stock-ticker-api.md` against the texts of the program: each has a
//! row that says what to do about it, and each row stands for a text.

use std::time::Duration;

use crate::airbyte::CatalogProblem;
use crate::calendar::{Date, DateRange};
use crate::notices::{Notice, Remaining, SkipReason};
use crate::polygon::{ApiError, SetupError};
use crate::streams::{PriceBasis, Stream};

const DOCS: &str = include_str!("../docs/stock-ticker-api.md");

/// The texts in code marks of the first column, below the heading of the table.
fn documented() -> Vec<String> {
    let table = DOCS
        .split("| Message | What to do |")
        .nth(1)
        .expect("the table is there");
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let texts = rows.flat_map(|row| {
        let column = row.split('|').nth(1).unwrap_or_default();
        column
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    texts.collect()
}

/// Whether `pattern`, in which an ellipsis stands for anything, is part of `text`.
fn stands_for(pattern: &str, text: &str) -> bool {
    let mut rest = text;
    for part in pattern.split('…') {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}

fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

/// One notice of each kind that is written without `--debug`.
fn notices() -> Vec<Notice> {
    let (from, to) = (date("2024-01-02"), date("2024-01-05"));
    let days = DateRange { from, to };
    let text = |text: &str| text.to_owned();
    let remaining = Some(Remaining {
        left: 95,
        all: 100,
        are_days: false,
        minutes: 19,
    });
    vec![
        Notice::Synced {
            bars: 5,
            from: text("a"),
            to: text("b"),
        },
        Notice::UpToDate { last: text("a") },
        Notice::NoBarsYet { since: from },
        Notice::NotOverYet { day: from },
        Notice::CursorInFuture { cursor: text("a") },
        Notice::Corrected { bars: 1, from, to },
        Notice::OlderState { since: from },
        Notice::BeyondPlanHistory,
        Notice::RateLimited {
            wait: Duration::from_secs(58),
            remaining,
        },
        Notice::Retrying {
            request: text("/v2"),
            attempt: 1,
            max_attempts: 6,
            cause: text("reset"),
            delay: Duration::from_secs(1),
        },
        Notice::PricesChanged {
            first: text("a"),
            since: from,
        },
        Notice::BasisChanged {
            adjusted: true,
            since: from,
        },
        Notice::OldBasisRows { days },
        Notice::BarsGone { bars: 1, from, to },
        Notice::AllBarsGone { last: text("a") },
        Notice::NoBars { days },
        Notice::LateFirstBar {
            first: to,
            asked: from,
        },
        Notice::OutsidePlan {
            days,
            start: Some(to),
        },
        Notice::Dropped {
            outside: 2,
            duplicates: 0,
        },
        Notice::Dropped {
            outside: 0,
            duplicates: 1,
        },
        Notice::UnknownStateStream { name: text("a") },
        Notice::SkippedTickers {
            count: 2,
            why: SkipReason::Time,
            names: text("A, B"),
        },
        Notice::SkippedTickers {
            count: 2,
            why: SkipReason::RateLimit,
            names: text("A, B"),
        },
    ]
}

fn failures() -> Vec<String> {
    let text = |text: &str| text.to_owned();
    let api = [
        ApiError::Unauthorized(text("Unknown API Key")),
        ApiError::NotEntitled(text("no")),
        ApiError::RateLimited(text("no")),
        ApiError::HttpStatus {
            status: 404,
            text: text("no"),
        },
        ApiError::HttpStatus {
            status: 407,
            text: text("no"),
        },
        ApiError::HttpStatus {
            status: 400,
            text: text("no"),
        },
        ApiError::Unavailable {
            origin: text("https://host"),
            attempts: 6,
            cause: text("reset"),
        },
        ApiError::InvalidResponse(text("odd")),
    ];
    let setup = [
        SetupError::Key,
        SetupError::Proxy {
            variable: "HTTPS_PROXY",
            problem: text("odd"),
        },
        SetupError::Certificates,
    ];
    let catalog = [
        CatalogProblem::NoStreams,
        CatalogProblem::NoName,
        CatalogProblem::UnknownStream(text("a")),
        CatalogProblem::UnknownSyncMode(text("a"), text("b")),
        CatalogProblem::DuplicateStream(text("a")),
    ];
    let api = api
        .into_iter()
        .map(|error| error.into_failure("TSLA").message);
    let setup = setup.into_iter().map(|error| error.into_failure().message);
    api.chain(setup)
        .chain(catalog.iter().map(ToString::to_string))
        .collect()
}

/// Texts that are written where they arise, because nothing else is of their kind.
fn single_texts() -> Vec<String> {
    let invalid_state = crate::sync::StateFile::parse(&serde_json::json!(7)).err();
    let stream = Stream::by_name("stock_prices").expect("a stream");
    let invalid_stretch = crate::sync::StateFile::parse(&serde_json::json!({"stock_prices": 7}))
        .and_then(|file| file.stream(stream, PriceBasis::Adjusted).map(drop))
        .err();
    let invalid_config = crate::config::Config::from_value(serde_json::json!({})).err();
    let no_file = crate::json_file::read_json("no/such/file".as_ref(), "state").err();
    let bug = crate::panics::catch_panic(|| panic!("on purpose")).err();
    let failures = [invalid_state, invalid_stretch, invalid_config, no_file, bug];
    let mut texts: Vec<String> = failures
        .into_iter()
        .flatten()
        .map(|failure| failure.message)
        .collect();
    assert_eq!(texts.len(), 5);
    texts.extend(
        [
            "TLSA: no prices found for this ticker. Check",
            "start_date: 2099-01-01 is in the future",
        ]
        .map(str::to_owned),
    );
    texts
}

#[test]
fn every_text_has_a_row_in_the_docs_and_every_row_a_text() {
    let documented = documented();
    let mut texts: Vec<String> = notices().iter().map(ToString::to_string).collect();
    texts.extend(failures());
    texts.extend(single_texts());
    for text in &texts {
        assert!(
            documented.iter().any(|row| stands_for(row, text)),
            "not in the docs: {text}"
        );
    }
    // The command line's own errors are tested with the command line.
    let of_command_line = ["argument: …", "Invalid command."];
    let rows = documented
        .iter()
        .filter(|row| !of_command_line.iter().any(|part| row.contains(part)));
    for row in rows {
        assert!(
            texts.iter().any(|text| stands_for(row, text)),
            "no text for the row: {row}"
        );
    }
}
