//! When a request is sent again.

use std::time::Duration;

use chrono::{DateTime, Utc};

const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// How long to wait after this many failed attempts: about 1, 2, 4, 8, … seconds, at random up to half shorter or longer,
/// so that many connectors don't come back at once.
pub(super) fn backoff(failures: u32) -> Duration {
    let doubled = INITIAL_BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.mul_f64(0.5 + fastrand::f64()).min(MAX_BACKOFF)
}

/// How long to wait by a `Retry-After` (RFC 9110, 10.2.3) of seconds or an HTTP date; `None` if it is neither.
pub(crate) fn parse_retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long time all the same.
        let seconds = value.parse().unwrap_or(u64::from(u32::MAX));
        return Some(Duration::from_secs(seconds));
    }
    let moment = DateTime::parse_from_rfc2822(value).ok()?.to_utc();
    Some((moment - now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_half_a_minute() {
        for (failures, seconds) in [(1, 1.0), (2, 2.0), (5, 16.0)] {
            let wait = backoff(failures).as_secs_f64();
            assert!((seconds * 0.5..seconds * 1.5).contains(&wait), "{failures}: {wait}");
        }
        assert!((6..2_000).all(|failures| backoff(failures) <= MAX_BACKOFF && backoff(failures) >= MAX_BACKOFF / 2));
    }

    #[test]
    fn retry_after_is_understood_as_seconds_or_as_a_date() {
        let now = "2025-01-22T09:51:49Z".parse().unwrap();
        let seconds = |value| parse_retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("17"), Some(17));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Wed, 22 Jan 2025 09:52:49 GMT"), Some(60));
        assert_eq!(seconds("Wed, 22 Jan 2025 09:50:00 GMT"), Some(0), "a moment that has passed");
        assert_eq!(seconds("99999999999999999999999"), Some(u64::from(u32::MAX)));
        for value in ["", "soon", "-1", "1.5", "Wed, 99 Jan 2025 09:52:49 GMT"] {
            assert_eq!(seconds(value), None, "{value}");
        }
    }
}
