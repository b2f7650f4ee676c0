//! The `Retry-After` header (RFC 9110, 10.2.3).

use std::time::Duration;

use chrono::{DateTime, Utc};

/// How long to wait by a `Retry-After` of seconds or an HTTP date; `None` if it is neither.
pub(super) fn parse(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long time all the same.
        return Some(Duration::from_secs(
            value.parse().unwrap_or(u64::from(u32::MAX)),
        ));
    }
    let moment = DateTime::parse_from_rfc2822(value).ok()?.to_utc();
    Some((moment - now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_understood_as_seconds_or_as_a_date() {
        let now = "2025-01-22T09:51:49Z".parse().unwrap();
        let seconds = |value| parse(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("17"), Some(17));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Wed, 22 Jan 2025 09:52:49 GMT"), Some(60));
        assert_eq!(
            seconds("Wed, 22 Jan 2025 09:50:00 GMT"),
            Some(0),
            "a moment that has passed"
        );
        assert_eq!(
            seconds("99999999999999999999999"),
            Some(u64::from(u32::MAX))
        );
        for value in ["", "soon", "-1", "1.5", "Wed, 99 Jan 2025 09:52:49 GMT"] {
            assert_eq!(seconds(value), None, "{value}");
        }
    }
}
