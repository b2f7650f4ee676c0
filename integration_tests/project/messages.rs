//! The documentation has a row for every message in the source code.

use std::fs;
use std::path::{Path, PathBuf};

use super::source::{code, rust_files};

/// Descriptions of fields, and code that only runs in tests.
const NO_MESSAGES: [&str; 3] = ["streams.rs", "fields.rs", "fuzzing.rs"];

/// Texts with fewer words are names and parts of messages; they need no row, but may have one.
const MIN_WORDS: usize = 3;

/// The string literals of a source file, except in unit tests and in code that writes no messages.
fn literals(source: &str) -> Vec<String> {
    let (mut literals, mut rest) = (Vec::new(), code(source));
    while let Some(found) = rest.find(['"', '/', '\'']) {
        let (before, found) = rest.split_at(found);
        rest = if found.starts_with("//") {
            found.split_once('\n').map_or("", |(_, rest)| rest)
        } else if let Some(rest) = found.strip_prefix("'\"'") {
            rest
        } else if let Some(string) = found.strip_prefix('"') {
            let (literal, rest) = if before.ends_with("r#") {
                let (literal, rest) = string.split_once("\"#").expect("the end of a raw string");
                (literal.to_owned(), rest)
            } else {
                literal(string)
            };
            let is_internal = ["reason = ", "expect(", "contains("];
            if !is_internal.iter().any(|code| before.ends_with(code)) {
                literals.push(literal);
            }
            rest
        } else {
            &found[1..]
        };
    }
    literals
}

/// The value of the string literal at the start of `source`, and the source after it.
fn literal(source: &str) -> (String, &str) {
    let (mut value, mut rest) = (String::new(), source);
    loop {
        let end = rest.find(['"', '\\']).expect("the end of a string");
        value += &rest[..end];
        let (found, after) = (&rest[end..=end], &rest[end + 1..]);
        if found == "\"" {
            return (value, after);
        }
        let escaped = after.chars().next().expect("an escaped character");
        rest = &after[escaped.len_utf8()..];
        match escaped {
            '\n' => rest = rest.trim_start(),
            'n' => value.push(' '),
            other => value.push(other),
        }
    }
}

/// A text with `…` for its variable parts, and without the punctuation that joins it to others.
fn normalized(text: &str) -> String {
    let (mut normalized, mut depth) = (String::new(), 0);
    for character in text.chars() {
        match character {
            '{' => {
                if depth == 0 && !normalized.ends_with('…') {
                    normalized.push('…');
                }
                depth += 1;
            }
            '}' => depth -= 1,
            _ if depth == 0 => normalized.push(character),
            _ => {}
        }
    }
    let joins = |character: char| " …:;,.()".contains(character);
    normalized.trim_matches(joins).to_owned()
}

/// Removes the blanks around `…`, because an optional part takes its blank along.
fn without_blanks(text: &str) -> String {
    text.replace(" …", "…").replace("… ", "…")
}

fn words(text: &str) -> usize {
    let words = text.split(|character: char| !character.is_ascii_alphabetic());
    let is_word = |word: &&str| word.len() > 1 && word.chars().any(|letter| letter.is_lowercase());
    words.filter(is_word).count()
}

/// The texts in the first cells of the documentation's tables of messages.
fn documented() -> Vec<String> {
    let page = include_str!("../../docs/stock-ticker-api.md");
    let (_, section) = page.split_once("\n### Messages\n").expect("the section about messages");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let texts = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    texts.map(without_blanks).collect()
}

#[test]
fn the_documentation_has_a_row_for_every_message_and_none_for_others() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let has_messages = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        !name.starts_with("test_") && !NO_MESSAGES.contains(&name)
    };
    let files = rust_files(&src).into_iter().filter(has_messages);
    let mut texts: Vec<_> = files
        .flat_map(|path| literals(&fs::read_to_string(path).expect("a text")))
        .filter(|text| text.trim_matches([' ', ':']).contains(' '))
        .map(|text| normalized(&text))
        .filter(|text| words(text) > 1)
        .collect();
    texts.sort();
    texts.dedup();
    let messages = texts.iter().filter(|text| words(text) >= MIN_WORDS);
    assert!(messages.clone().count() > 100, "not all messages were found");
    let documented = documented();
    let missing: String = messages
        .filter(|message| !documented.iter().any(|row| row.contains(&without_blanks(message))))
        .map(|message| format!("| `{message}` | what to do |\n"))
        .collect();
    let obsolete: String = documented
        .iter()
        .filter(|row| !texts.iter().any(|text| row.contains(&without_blanks(text))))
        .map(|row| format!("{row}\n"))
        .collect();
    assert!(
        missing.is_empty(),
        "add rows to the table of messages in docs/stock-ticker-api.md, with … for what differs:\n{missing}"
    );
    assert!(obsolete.is_empty(), "remove from docs/stock-ticker-api.md what no message says:\n{obsolete}");
}
