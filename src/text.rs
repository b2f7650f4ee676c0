//! Texts for people.

/// The longest beginning of `text` that has at most `max_bytes` bytes and ends with a whole character.
pub(crate) fn truncate(text: &str, max_bytes: usize) -> &str {
    let mut end = max_bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// `1 bar`, `2 bars`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `A, B and 3 more`: as many names as `most`, then how many more there are.
pub(crate) fn list(names: impl ExactSizeIterator<Item: AsRef<str>>, most: usize) -> String {
    let more = names.len().saturating_sub(most);
    let listed = names.take(most).map(|name| name.as_ref().to_owned()).collect::<Vec<_>>().join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}

/// `text` with line breaks instead of the spaces at which lines get longer than `width` characters. A longer word stays
/// whole.
pub(crate) fn wrap(text: &str, width: usize) -> String {
    let (mut wrapped, mut column) = (String::with_capacity(text.len()), 0);
    for word in text.split_inclusive([' ', '\n']) {
        if column > 0 && column + word.trim_end().chars().count() > width {
            wrapped.truncate(wrapped.trim_end_matches(' ').len());
            wrapped.push('\n');
            column = 0;
        }
        wrapped.push_str(word);
        column = if word.ends_with('\n') { 0 } else { column + word.chars().count() };
    }
    wrapped
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

    #[test]
    fn a_list_names_the_first_ones_and_counts_the_others() {
        let names = ["A", "B", "C"];
        assert_eq!(list(names.iter(), 3), "A, B, C");
        assert_eq!(list(names.iter(), 2), "A, B and 1 more");
        assert_eq!(list([""; 0].iter(), 2), "");
    }

    #[test]
    fn a_text_is_wrapped_between_words() {
        assert_eq!(wrap("one two\nthree four", 9), "one two\nthree\nfour");
        assert_eq!(wrap("one two", 7), "one two");
        assert_eq!(wrap("one two", 6), "one\ntwo");
        assert_eq!(wrap("a https://example.com b", 8), "a\nhttps://example.com\nb");
    }
}
