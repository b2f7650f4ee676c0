//! What the API can answer instead of bars, and what it means to the user: the one table of it.

use std::fmt;

use crate::error::{Failure, FailureType};

/// Why there is no page. The texts are the API's own words where it said any, with the key taken
/// out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// 401: the key is wrong.
    Unauthorized(String),
    /// 403: the key is right, but the plan does not include what was asked for.
    NotEntitled(String),
    /// 429, and it was not worth waiting any longer.
    RateLimited(String),
    /// Another status that asking again does not change.
    HttpStatus {
        /// The HTTP status.
        status: u16,
        /// What the body says.
        text: String,
    },
    /// No usable answer after so many attempts.
    Unavailable {
        /// Where the API was looked for.
        origin: String,
        /// How many requests were sent.
        attempts: u32,
        /// What happened the last time.
        cause: String,
    },
    /// An answer that we can't understand, or must not trust.
    InvalidResponse(String),
}

impl ApiError {
    /// Whether a later window may be covered by the plan: "Your plan doesn't include this data
    /// timeframe."
    pub(crate) fn is_before_plan_history(&self) -> bool {
        matches!(self, ApiError::NotEntitled(text) if text.contains("timeframe"))
    }

    /// Whether a `next_url` led past the end of its range: "The parameter 'to' cannot be a time
    /// that occurs before 'from'". After a first page that is the end of the pages, not an error.
    pub(crate) fn is_past_the_end(&self) -> bool {
        matches!(self, ApiError::HttpStatus { status: 400, text } if text.contains("before 'from'"))
    }

    /// Whether the day is not over yet for the API: "Attempted to request today's data before end
    /// of day."
    pub(crate) fn is_before_end_of_day(&self) -> bool {
        matches!(self, ApiError::NotEntitled(text) if text.contains("before end of day"))
    }

    /// The failure of a subject, such as `TSLA`; its message says what to do.
    pub(crate) fn into_failure(self, subject: &str) -> Failure {
        use FailureType::{ConfigError, SystemError, TransientError};
        let (failure_type, remedy) = match &self {
            ApiError::Unauthorized(_) => (
                ConfigError,
                "Check api_key; your keys are at https://massive.com/dashboard/keys.",
            ),
            ApiError::NotEntitled(_) => (
                ConfigError,
                "Choose a later start_date or another stream, or upgrade the plan.",
            ),
            ApiError::RateLimited(_) => (
                TransientError,
                "Retry later; does something else use the same key?",
            ),
            ApiError::HttpStatus { status: 404, .. } => (ConfigError, "Check api_url."),
            ApiError::HttpStatus { status: 407, .. } => {
                (ConfigError, "Check HTTPS_PROXY or ALL_PROXY.")
            }
            ApiError::HttpStatus { .. } => (SystemError, "Check the ticker and the dates."),
            ApiError::Unavailable { .. } => (
                TransientError,
                "Retry later. If it persists, check the network, proxy settings and api_url.",
            ),
            ApiError::InvalidResponse(_) => (
                SystemError,
                "No records from it were emitted. If this persists, please open an issue.",
            ),
        };
        let cause = self.to_string();
        let stop = if cause.ends_with('.') { "" } else { "." };
        Failure {
            failure_type,
            message: format!("{subject}: {cause}{stop} {remedy}"),
            internal_message: cause,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiError::Unauthorized(text) => write!(f, "invalid API key (HTTP 401: {text})"),
            ApiError::NotEntitled(text) => {
                write!(f, "your plan does not include this data (HTTP 403: {text})")
            }
            ApiError::RateLimited(text) => {
                write!(f, "still rate-limited after 15 minutes (HTTP 429: {text})")
            }
            ApiError::HttpStatus { status: 404, text } => {
                write!(f, "endpoint not found (HTTP 404: {text})")
            }
            ApiError::HttpStatus { status: 407, .. } => {
                f.write_str("the proxy asks for a user name and password (HTTP 407)")
            }
            ApiError::HttpStatus { status, text } => {
                write!(f, "request rejected (HTTP {status}: {text})")
            }
            ApiError::Unavailable {
                origin,
                attempts,
                cause,
            } => {
                let times = if *attempts == 1 {
                    "attempt"
                } else {
                    "attempts"
                };
                write!(
                    f,
                    "request to {origin} failed after {attempts} {times}: {cause}"
                )
            }
            ApiError::InvalidResponse(what) => write!(f, "unexpected API response: {what}"),
        }
    }
}

impl std::error::Error for ApiError {}

/// Why the API can't even be asked. The texts stand here and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SetupError {
    /// The key can't stand in a header.
    Key,
    /// The proxy of an environment variable can't be used. Its value may hold a password, and is
    /// not shown.
    Proxy {
        /// The variable's name.
        variable: &'static str,
        /// What is wrong with its value.
        problem: String,
    },
    /// No certificates of trusted authorities can be loaded.
    Certificates,
}

impl SetupError {
    /// The failure that the user has to mend.
    pub(crate) fn into_failure(self) -> Failure {
        Failure::config(self.to_string())
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetupError::Key => f.write_str(
                "api_key: holds a character that can't be sent, such as a line break. Copy the key again.",
            ),
            SetupError::Proxy { variable, problem } => write!(
                f,
                "The proxy in the environment variable {variable} can't be used: {problem}. Set it to \
                 http://HOST:PORT, or remove it."
            ),
            SetupError::Certificates => f.write_str(
                "Can't load the certificates of trusted authorities. Check SSL_CERT_FILE and SSL_CERT_DIR, or \
                 install the system's package of CA certificates.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> ApiError {
        ApiError::HttpStatus {
            status,
            text: "words".to_owned(),
        }
    }

    #[test]
    fn every_error_says_who_has_to_act_what_happened_and_what_to_do() {
        use FailureType::{ConfigError, SystemError, TransientError};
        let words = || "words".to_owned();
        let unavailable = ApiError::Unavailable {
            origin: "https://api.polygon.io".to_owned(),
            attempts: 6,
            cause: words(),
        };
        let cases = [
            (
                ApiError::Unauthorized(words()),
                ConfigError,
                "invalid API key (HTTP 401: words). Check api_key",
            ),
            (
                ApiError::NotEntitled(words()),
                ConfigError,
                "your plan does not include this data (HTTP 403: words). ",
            ),
            (
                ApiError::RateLimited(words()),
                TransientError,
                "still rate-limited after 15 minutes (HTTP 429: words). ",
            ),
            (
                status(404),
                ConfigError,
                "endpoint not found (HTTP 404: words). Check api_url.",
            ),
            (
                status(407),
                ConfigError,
                "the proxy asks for a user name and password (HTTP 407). Check HTTPS_PROXY",
            ),
            (
                status(400),
                SystemError,
                "request rejected (HTTP 400: words). Check the ticker and the dates.",
            ),
            (
                unavailable,
                TransientError,
                "request to https://api.polygon.io failed after 6 attempts: words. Retry",
            ),
            (
                ApiError::InvalidResponse(words()),
                SystemError,
                "unexpected API response: words. No records",
            ),
        ];
        for (error, failure_type, message) in cases {
            let failure = error.into_failure("TSLA");
            assert_eq!(failure.failure_type, failure_type, "{}", failure.message);
            assert!(
                failure.message.starts_with(&format!("TSLA: {message}")),
                "{}",
                failure.message
            );
        }
    }

    #[test]
    fn the_apis_wording_tells_apart_what_its_statuses_do_not() {
        let entitled = |text: &str| ApiError::NotEntitled(text.to_owned());
        let history =
            entitled("Your plan doesn't include this data timeframe. Please upgrade your plan");
        let today = entitled(
            "Attempted to request today's data before end of day. Please upgrade your plan",
        );
        let other = entitled("You are not entitled to this data.");
        let text = "The parameter 'to' cannot be a time that occurs before 'from'".to_owned();
        let past = ApiError::HttpStatus { status: 400, text };
        let told = |error: &ApiError| {
            [
                error.is_before_plan_history(),
                error.is_before_end_of_day(),
                error.is_past_the_end(),
            ]
        };
        assert_eq!(told(&history), [true, false, false]);
        assert_eq!(told(&today), [false, true, false]);
        assert_eq!(told(&past), [false, false, true]);
        assert_eq!(told(&other), [false; 3]);
        assert_eq!(told(&status(400)), [false; 3]);
    }
}
