//! Prints titles, explanations and the connector's messages, shortened. Nothing is wider than eighty columns.

use std::io::{self, Write};

use anyhow::Result;
use console::{Style, style};
use serde_json::Value;

/// Columns of a small terminal.
const WIDTH: usize = 80;

/// The indentation of the demo's own texts.
const INDENT: usize = 3;

/// The column where the text of a message begins, after its type or level.
const MESSAGE_INDENT: usize = 8;

pub(crate) fn title(number: usize, title: &str, explanation: &str) -> Result<()> {
    println!("\n\n{}", style(format!("{number}. {title}")).bold());
    say(explanation)
}

pub(crate) fn say(text: &str) -> Result<()> {
    print!("{}", wrapped(text, INDENT, INDENT));
    Ok(io::stdout().flush()?)
}

/// A command line as a person would type it, with file names instead of paths.
pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let name = |argument: &String| argument.rsplit('/').next().unwrap_or(argument).to_owned();
    let shown: Vec<String> = arguments.iter().map(name).collect();
    let line = format!("$ {} {}", env!("CARGO_PKG_NAME"), shown.join(" "));
    print!("\n{}", style(wrapped(&line, 0, INDENT)).bold());
    Ok(io::stdout().flush()?)
}

/// A message. JSON is shortened to a line; texts are shown in full.
pub(crate) fn message(message: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(&message["type"]);
    let style = Style::new();
    let (label, style, text) = match kind.as_str() {
        "RECORD" => (kind, style.cyan(), shortened(&message["record"]["data"])),
        "STATE" => (kind, style.dim(), shortened(&message["state"]["stream"]["stream_state"])),
        "LOG" => {
            let level = text(&message["log"]["level"]);
            let style = if level == "WARN" { style.yellow().bold() } else { style.green() };
            (level, style, text(&message["log"]["message"]))
        }
        "CONNECTION_STATUS" => {
            let status = &message["connectionStatus"];
            let style = if status["status"] == "SUCCEEDED" { style.green() } else { style.red() };
            (text(&status["status"]), style.bold(), text(&status["message"]))
        }
        "TRACE" => {
            let status = &message["trace"]["stream_status"];
            let stream = text(&status["stream_descriptor"]["name"]);
            (kind, style.dim(), format!("{stream}: {}", text(&status["status"])))
        }
        "SPEC" => (kind, style.dim(), shortened(&message["spec"]["connectionSpecification"])),
        _ => {
            let content = shortened(&message[kind.to_lowercase()]);
            (kind, style.dim(), content)
        }
    };
    let width = (MESSAGE_INDENT - 1).max(label.len());
    let text = wrapped(&text, width + 1, MESSAGE_INDENT);
    let line = style.apply_to(format!("{label:width$}")).to_string() + text.get(width..).unwrap_or_default();
    println!("{}", line.trim_end());
}

/// A table with a heading for each column. `is_odd` selects the cells to highlight, by row and column.
pub(crate) fn table(headings: [&str; 4], rows: &[[String; 4]], is_odd: impl Fn(usize, usize) -> bool) {
    let line = |cells: &[String; 4], style_of: &dyn Fn(usize) -> Style| {
        let padded = (0..).zip(cells.iter().zip([10, 14, 14, 0]));
        let cells =
            padded.map(|(column, (cell, width))| style_of(column).apply_to(format!("{cell:>width$}")).to_string());
        println!("{:INDENT$}{}", "", cells.collect::<Vec<_>>().join("  ").trim_end());
    };
    println!();
    line(&headings.map(str::to_owned), &|_| Style::new().bold());
    for (number, row) in rows.iter().enumerate() {
        line(row, &|column| if is_odd(number, column) { Style::new().red() } else { Style::new() });
    }
    println!();
}

/// `text` on lines of the screen's width, broken between words; a longer word, such as an address, after one of its
/// separators. `first` and `others` are the indentations of its first line and of the others.
fn wrapped(text: &str, first: usize, others: usize) -> String {
    let (mut wrapped, mut column) = (" ".repeat(first), first);
    for piece in text.split_inclusive(' ').flat_map(|word| pieces(word, WIDTH - others)) {
        let length = piece.trim_end().chars().count();
        if column > others && column + length > WIDTH {
            wrapped.truncate(wrapped.trim_end_matches(' ').len());
            wrapped.push('\n');
            wrapped += &" ".repeat(others);
            column = others;
        }
        wrapped += piece;
        column += piece.chars().count();
    }
    wrapped.trim_end_matches(' ').to_owned() + "\n"
}

/// A word, or its parts if it is longer than a line.
fn pieces(word: &str, width: usize) -> Vec<&str> {
    if word.trim_end().len() <= width { vec![word] } else { word.split_inclusive(['/', '?', '&']).collect() }
}

/// JSON shortened at a comma to fit on the rest of a line.
fn shortened(json: &Value) -> String {
    const WIDEST: usize = WIDTH - MESSAGE_INDENT;
    let json = json.to_string();
    if json.chars().count() <= WIDEST {
        return json;
    }
    let fitting: String = json.chars().take(WIDEST - 1).collect();
    let end = fitting.rfind(',').map_or(0, |comma| comma + 1);
    format!("{}…", &fitting[..end])
}
