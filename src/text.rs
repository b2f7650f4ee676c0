//! Small things about texts for people.

/// The longest beginning of `text` that has at most so many bytes and ends with a whole character.
pub(crate) fn truncate(text: &str, max_bytes: usize) -> &str {
    if text.len() <= max_bytes {
        return text;
    }
    let end = (0..=max_bytes)
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// `1 bar`, `2 bars`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(truncate("a\u{e9}b", 2), "a");
        assert_eq!(truncate("a\u{e9}b", 3), "a\u{e9}");
        assert_eq!(truncate("abc", 3), "abc");
        assert_eq!(truncate("\u{e9}", 0), "");
    }
}
