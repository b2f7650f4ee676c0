//! What happens while a request waits for its response.

use std::time::Duration;

use thiserror::Error;

use crate::log_level::LogLevel;

/// What happens while a request waits for its response. It is displayed as a LOG message.
#[derive(Debug, Clone, PartialEq, Error)]
pub(crate) enum Event {
    /// The API has rejected a request because of its rate (429); nothing is sent until then.
    #[error("Rate limit reached; waiting")]
    RateLimited {
        /// A moment of the clock's `elapsed`.
        until: Duration,
    },
    /// A request failed and will be sent again.
    #[error("attempt {attempt} of {max_attempts} failed for {request}: {cause}; retrying in {:.1} s", .delay.as_secs_f64())]
    Retrying {
        /// Path and query.
        request: String,
        /// The number of the attempt that failed, from 1.
        attempt: u32,
        /// The number of attempts before the request is given up.
        max_attempts: u32,
        /// Why it failed.
        cause: String,
        /// The time until the next attempt.
        delay: Duration,
    },
    /// A response arrived.
    #[error("{request}: HTTP {status}, {bytes} bytes in {} ms", .duration.as_millis())]
    Answered {
        /// Path and query.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The size of the body as received.
        bytes: usize,
        /// The time from sending the request to the end of the body.
        duration: Duration,
    },
}

impl Event {
    /// The level of its LOG message.
    pub(crate) fn level(&self) -> LogLevel {
        match self {
            Event::Answered { .. } => LogLevel::Debug,
            Event::RateLimited { .. } | Event::Retrying { .. } => LogLevel::Info,
        }
    }
}
