//! `cargo bench`: the time and memory of a sync, compared with a bare download and with the targets.
//!
//! A loopback server sends prepared, gzipped responses, immediately or after 300 ms. Whole processes run in turn, and their
//! medians are compared, because ratios mean more than seconds on a noisy machine. Parts whose program is missing are
//! skipped with a message.
//!
//! `cargo bench -- WORD…` runs the rows whose names contain one of the words. `slow` adds the rows that take minutes, and
//! `quick` measures everything once.

use std::cell::Cell;
use std::fs;

use anyhow::{Result, ensure};
use tempfile::TempDir;

#[path = "../support/days.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests use more of it")]
mod days;
mod exchange;
mod process;
mod read;
mod server;

mod rows {
    pub(crate) mod memory;
    pub(crate) mod network;
    pub(crate) mod pages;
    pub(crate) mod program;
    pub(crate) mod tickers;
}

use rows::{memory, network, pages, program, tickers};

const BINARY: &str = env!("CARGO_BIN_EXE_source-stock-ticker-api");

/// One or several rows that are measured together.
struct Row {
    name: &'static str,
    /// Whether it takes minutes.
    is_slow: bool,
    measure: fn(&Bench) -> Result<()>,
}

const fn row(name: &'static str, measure: fn(&Bench) -> Result<()>) -> Row {
    Row { name, is_slow: false, measure }
}

const fn slow(name: &'static str, measure: fn(&Bench) -> Result<()>) -> Row {
    Row { name, is_slow: true, measure }
}

const ROWS: [Row; 12] = [
    row("pages", pages::compare),
    row("spec", program::spec),
    row("memory-pages", memory::of_pages),
    row("memory-market", memory::of_market),
    row("memory-tickers", memory::of_tickers),
    row("memory-large-pages", memory::of_large_pages),
    row("network-market", network::market),
    row("network-hours", network::hours),
    row("network-minutes", network::minutes),
    row("network-tickers", network::tickers),
    slow("size", program::size),
    slow("twelve-thousand", tickers::twelve_thousand),
];

pub(crate) struct Bench {
    folder: TempDir,
    files: Cell<usize>,
    is_quick: bool,
}

impl Bench {
    /// The number of runs; `usual` unless `quick` is given.
    pub(crate) fn runs(&self, usual: usize) -> usize {
        if self.is_quick { 1 } else { usual }
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, text: &str) -> Result<String> {
        self.files.set(self.files.get() + 1);
        let path = self.folder.path().join(self.files.get().to_string());
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` requests a list of tests; there are none.
    if arguments.iter().any(|argument| argument == "--list") {
        return Ok(());
    }
    let is_given = |word: &str| arguments.iter().any(|argument| argument == word);
    let bench = Bench { folder: tempfile::tempdir()?, files: Cell::default(), is_quick: is_given("quick") };
    let words: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with("--") && !["slow", "quick"].contains(word))
        .collect();
    let is_wanted = |row: &&Row| match &words[..] {
        [] => !row.is_slow || is_given("slow"),
        words => words.iter().any(|word| row.name.contains(word)),
    };
    let wanted: Vec<&Row> = ROWS.iter().filter(is_wanted).collect();
    let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    ensure!(!wanted.is_empty(), "there is only: {}", names.join(", "));
    for row in wanted {
        println!("{}", row.name);
        (row.measure)(&bench)?;
    }
    Ok(())
}

pub(crate) fn report(what: &str, measured: &str, goal: &str) {
    println!("  {what}: {measured}   (at most: {goal})");
}
