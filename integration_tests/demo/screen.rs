//! What the demo prints: titles, explanations, and the connector's messages, each shortened to what is worth seeing.
//! Nothing is wider than eighty columns.

use std::io::{self, Write};

use anyhow::Result;
use console::{Style, StyledObject, style};
use serde_json::Value;

/// Columns of a small terminal.
const WIDTH: usize = 80;

/// The indentation of the demo's own words.
const INDENT: usize = 3;

/// The column where the text of a message begins, after its type or level.
const MESSAGE_INDENT: usize = 8;

/// The title of a step, with an explanation below it.
pub(crate) fn title(number: usize, title: &str, explanation: &str) -> Result<()> {
    println!("\n\n{}", style(format!("{number}. {title}")).bold());
    say(explanation)
}

/// A text in the demo's own words.
pub(crate) fn say(text: &str) -> Result<()> {
    print!("{}", wrapped(text, INDENT, INDENT));
    Ok(io::stdout().flush()?)
}

/// A command line as a person would type it: files by their names alone.
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
    let (label, style, text) = match kind.as_str() {
        "RECORD" => (kind, Style::new().cyan(), shortened(&message["record"]["data"])),
        "STATE" => {
            let state = &message["state"]["stream"]["stream_state"];
            (kind, Style::new().dim(), shortened(state))
        }
        "LOG" => {
            let log = &message["log"];
            let style = match log["level"].as_str() {
                Some("WARN") => Style::new().yellow().bold(),
                Some("ERROR" | "FATAL") => Style::new().red().bold(),
                _ => Style::new().green(),
            };
            (text(&log["level"]), style, text(&log["message"]))
        }
        "CONNECTION_STATUS" => {
            let status = &message["connectionStatus"];
            let style = match status["status"].as_str() {
                Some("SUCCEEDED") => Style::new().green().bold(),
                _ => Style::new().red().bold(),
            };
            (text(&status["status"]), style, text(&status["message"]))
        }
        "TRACE" => {
            let status = &message["trace"]["stream_status"];
            let stream = text(&status["stream_descriptor"]["name"]);
            let status = text(&status["status"]);
            (kind, Style::new().dim(), format!("{stream}: {status}"))
        }
        "SPEC" => {
            let form = &message["spec"]["connectionSpecification"];
            (kind, Style::new().dim(), shortened(form))
        }
        _ => {
            let content = shortened(&message[kind.to_lowercase()]);
            (kind, Style::new().dim(), content)
        }
    };
    let gap = MESSAGE_INDENT.saturating_sub(label.len()).max(1);
    let text = wrapped(&text, label.len() + gap, MESSAGE_INDENT);
    let text = text.trim_start_matches(' ');
    if text == "\n" {
        println!("{}", style.apply_to(label));
    } else {
        print!("{}{:gap$}{text}", style.apply_to(label), "");
    }
}

/// A table: a heading for each column, and rows of as many cells. Odd cells are those that `is_odd` names.
pub(crate) fn table(headings: [&str; 4], rows: &[[String; 4]], is_odd: impl Fn(usize, usize) -> bool) {
    println!();
    let widths = [10, 14, 14, 0];
    let line = |cells: &[String; 4], style_of: &dyn Fn(usize, String) -> StyledObject<String>| {
        let cells: Vec<_> = (0..)
            .zip(cells.iter().zip(widths))
            .map(|(column, (cell, width))| style_of(column, format!("{cell:>width$}")).to_string())
            .collect();
        println!("{:INDENT$}{}", "", cells.join("  ").trim_end());
    };
    line(&headings.map(str::to_owned), &|_, cell| style(cell).bold());
    for (number, row) in rows.iter().enumerate() {
        line(row, &|column, cell| {
            if is_odd(number, column) { style(cell).red() } else { style(cell) }
        });
    }
    println!();
}

/// `text` on lines that are not wider than the screen, broken between words; a word that is wider itself, such as an
/// address, after one of its separators. `first` and `others` are the indentations of its first line and of the others.
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

/// A word, or its parts if it is wider than a line.
fn pieces(word: &str, width: usize) -> Vec<&str> {
    if word.trim_end().len() <= width { vec![word] } else { word.split_inclusive(['/', '?', '&']).collect() }
}

/// JSON on the rest of a line. What does not fit is left out, from a comma on.
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
