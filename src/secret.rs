//! A text that must not be shown, and its removal from texts that are.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters to encode in a part of a URL: all but those that RFC 3986 calls unreserved.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Shorter texts are no keys; hiding them would only garble messages.
const MIN_SECRET_LEN: usize = 4;

/// Replaces the key in messages.
const REDACTED: &str = "(api_key)";

/// A text that must not be shown: it has no Display, and its Debug shows nothing.
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

    /// `text` with the secret replaced: as it is, percent-encoded as in a URL, or escaped as in JSON.
    pub(crate) fn redact(&self, text: &str) -> String {
        if self.0.len() < MIN_SECRET_LEN {
            return text.to_owned();
        }
        // Encoders may leave the unreserved characters as they are.
        let [encoded, reserved] = [NON_ALPHANUMERIC, RESERVED].map(|set| utf8_percent_encode(&self.0, set).to_string());
        let json = serde_json::Value::from(self.0.as_str()).to_string();
        let forms = [&self.0, &encoded, &reserved, &json[1..json.len() - 1]];
        forms.iter().fold(text.to_owned(), |text, form| text.replace(*form, REDACTED))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_redacted_as_it_is_and_as_urls_and_json_write_it() {
        let secret = Secret::new("p_k/1\\\"é\n");
        for written in ["p_k/1\\\"é\n", "p%5Fk%2F1%5C%22%C3%A9%0A", "p_k%2F1%5C%22%C3%A9%0A", r#"p_k/1\\\"é\n"#] {
            assert_eq!(secret.redact(&format!("<{written}>")), "<(api_key)>", "{written}");
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
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("my secret")), "(redacted)");
    }
}
