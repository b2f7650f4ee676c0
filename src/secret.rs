//! A text that must not be shown, and its removal from texts that are.

use std::fmt;

/// Shorter texts are no keys; hiding them would only garble messages.
const MIN_SECRET_LEN: usize = 4;

/// What stands in a message where the key stood.
const REDACTED: &str = "(api_key)";

/// A text that must not be shown: it has no Display, and its Debug tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Wraps a text that must not be shown.
    pub(crate) fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// `text` with the secret replaced, however each of its characters is written: as it is, or escaped
    /// as in JSON, in Rust's `{:?}` or in a URL.
    pub(crate) fn redact(&self, text: &str) -> String {
        if self.0.len() < MIN_SECRET_LEN {
            return text.to_owned();
        }
        let (mut redacted, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(character) = rest.chars().next() {
            let length = if let Some(length) = written_length(rest, &self.0) {
                redacted.push_str(REDACTED);
                length
            } else {
                redacted.push(character);
                character.len_utf8()
            };
            rest = &rest[length..];
        }
        redacted
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// How many bytes at the beginning of `text` stand for `secret`, if they do.
fn written_length(text: &str, secret: &str) -> Option<usize> {
    let Some(character) = secret.chars().next() else {
        return Some(0);
    };
    let ways = [plain, percent_encoded, unicode_escaped, escaped];
    ways.iter().find_map(|way| {
        let length = way(text, character)?;
        let rest = written_length(&text[length..], &secret[character.len_utf8()..])?;
        Some(length + rest)
    })
}

fn plain(text: &str, character: char) -> Option<usize> {
    text.starts_with(character).then(|| character.len_utf8())
}

/// `%5F`, a byte at a time, in either case.
fn percent_encoded(text: &str, character: char) -> Option<usize> {
    let mut buffer = [0; 4];
    let mut length = 0;
    for byte in character.encode_utf8(&mut buffer).bytes() {
        let digits = text.get(length..)?.strip_prefix('%')?.get(..2)?;
        if u8::from_str_radix(digits, 16) != Ok(byte) {
            return None;
        }
        length += 3;
    }
    Some(length)
}

/// `\u005f` as in JSON, or `\u{5f}` as in Rust.
fn unicode_escaped(text: &str, character: char) -> Option<usize> {
    text.strip_prefix("\\u")?;
    let json = format!("\\u{:04x}", u32::from(character));
    let rust = format!("\\u{{{:x}}}", u32::from(character));
    let mut forms = [json, rust].into_iter();
    let form = forms.find(|form| {
        text.get(..form.len())
            .is_some_and(|is| is.eq_ignore_ascii_case(form))
    })?;
    Some(form.len())
}

/// `\/` and its like.
fn escaped(text: &str, character: char) -> Option<usize> {
    let letter = match character {
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\0' => '0',
        '"' | '\'' | '/' | '\\' => character,
        _ => return None,
    };
    text.strip_prefix('\\')?.starts_with(letter).then_some(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_redacted_however_it_is_written() {
        let secret = Secret::new("p_k/1\\\"é\n");
        for written in [
            "p_k/1\\\"é\n",
            "p%5Fk%2F1%5C%22%C3%A9%0A",
            "p_k%2f1%5c%22%c3%a9%0a",
            r#"p_k/1\\\"é\n"#,
            r#"p_k\/1\\\"\u00e9\n"#,
            r"\u0070\u005F\u006b\u002f1\u005c\u0022\u00E9\u000a",
            r#"p_k/1\\\"\u{e9}\n"#,
        ] {
            assert_eq!(
                secret.redact(&format!("<{written}>")),
                "<(api_key)>",
                "{written}"
            );
        }
        for other in ["p_k/2", "p_k/1", "", "P_K/1\\\"é\n"] {
            assert_eq!(secret.redact(other), other);
        }
    }

    #[test]
    fn a_short_text_is_not_taken_for_a_key() {
        assert_eq!(Secret::new("abc").redact("abcd"), "abcd");
    }

    #[test]
    fn debug_tells_nothing() {
        assert_eq!(format!("{:?}", Secret::new("my secret")), "(redacted)");
    }
}
