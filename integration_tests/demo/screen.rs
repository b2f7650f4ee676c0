//! How the demo shows messages: each on a line that fits a terminal, and before them what to look at.

use std::io::{self, Write};

use anyhow::Result;
use serde_json::Value;

/// Columns of a terminal.
const WIDTH: usize = 100;

/// Of messages that don't fit, the part that is worth seeing begins here.
const WORTH_SEEING: [(&str, &str); 4] = [
    ("RECORD", "\"data\":"),
    ("STATE", "\"AAPL\":"),
    ("TRACE", "\"status\":"),
    ("LOG", "\"level\":"),
];

/// The title of a step, with what to look at below it.
pub(crate) fn title(number: usize, title: &str, look_at: &str) -> Result<()> {
    println!("\n\n{number}. {title}");
    say(look_at)
}

/// A text in the demo's own words, on as many lines as it takes.
pub(crate) fn say(text: &str) -> Result<()> {
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH - 3 {
            println!();
            column = 0;
        }
        print!("{}{word}", if column == 0 { "   " } else { " " });
        column += length + usize::from(column > 0);
    }
    println!();
    Ok(io::stdout().flush()?)
}

/// A command line as a person would type it: files by their names alone.
pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let name = |argument: &String| argument.rsplit('/').next().unwrap_or(argument).to_owned();
    let shown: Vec<String> = arguments.iter().map(name).collect();
    println!("\n$ {} {}", env!("CARGO_PKG_NAME"), shown.join(" "));
    Ok(io::stdout().flush()?)
}

/// A message, shortened to a line.
pub(crate) fn message(line: &str, message: &Value) {
    println!(
        "{}",
        shortened(line, message["type"].as_str().unwrap_or(""))
    );
}

fn shortened(line: &str, kind: &str) -> String {
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    let marker = WORTH_SEEING
        .iter()
        .find(|(of, _)| *of == kind)
        .map(|(_, marker)| *marker);
    match marker.and_then(|marker| line.find(marker)) {
        Some(begin) => cut(&format!("{{\"type\":\"{kind}\",…{}", &line[begin..])),
        None => cut(line),
    }
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        None => line.to_owned(),
        Some(_) => line.chars().take(WIDTH - 1).chain(['…']).collect(),
    }
}
