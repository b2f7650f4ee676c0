//! What the API can answer instead of bars, and what it means to the user.

use crate::error::{Failure, FailureType};

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// 401: the key is wrong. The API's words.
    UnknownKey(String),
    /// 403: the key is right, but the plan does not cover what was asked. The API's words.
    OutsidePlan(String),
    /// 429, and it was not worth waiting any longer. The API's words.
    Quota(String),
    /// Another answer that asking again does not change: status and the API's words.
    Refused(u16, String),
    /// No usable answer after so many tries: the last cause.
    Unavailable {
        /// Where the API was looked for.
        origin: String,
        /// How often it was tried.
        tries: u32,
        /// What happened the last time.
        cause: String,
    },
    /// An answer that we can't understand, or must not trust.
    Unexpected(String),
}

impl ApiError {
    /// Whether a later or shorter window may be covered by the plan. The API says it in words alone:
    /// "Your plan doesn't include this data timeframe."
    pub fn is_outside_the_plans_history(&self) -> bool {
        matches!(self, ApiError::OutsidePlan(words) if words.contains("timeframe"))
    }

    /// The failure of what was attempted, such as `TSLA`; its message says what to do.
    pub fn into_failure(self, attempted: &str) -> Failure {
        let (failure_type, cause, remedy) = match self {
            ApiError::UnknownKey(words) => (
                FailureType::ConfigError,
                format!("the API does not know the key ({words})"),
                "Check api_key against https://polygon.io/dashboard/keys.",
            ),
            ApiError::OutsidePlan(words) => (
                FailureType::ConfigError,
                format!("the key is fine, but its plan does not cover this ({words})"),
                "Choose a later start_date or another stream, or upgrade the plan.",
            ),
            ApiError::Quota(words) => (
                FailureType::TransientError,
                format!("the API accepts no more requests at present ({words})"),
                "Try again later; does something else use the same key?",
            ),
            ApiError::Refused(404, words) => {
                (FailureType::SystemError, format!("the API has no such address (404: {words})"), "Check api_url.")
            }
            ApiError::Refused(status, words) => (
                FailureType::SystemError,
                format!("the API refused the request ({status}: {words})"),
                "Check the ticker and the dates.",
            ),
            ApiError::Unavailable { origin, tries, cause } => (
                FailureType::TransientError,
                format!("no usable answer from {origin} after {tries} tries ({cause})"),
                "Try again later; check the network, a proxy and api_url if it lasts.",
            ),
            ApiError::Unexpected(what) => (
                FailureType::SystemError,
                format!("the API's answer can't be used: {what}"),
                "Nothing of it was emitted. Please report it if it lasts.",
            ),
        };
        Failure { failure_type, message: format!("{attempted}: {cause}. {remedy}"), internal_message: cause }
    }
}
