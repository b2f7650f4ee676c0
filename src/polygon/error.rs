//! Why there is no page, and what the user can do about it.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::Request;
use crate::error::{Failure, FailureType};
use crate::text::truncate;

/// The most bytes of external text in a message.
const MAX_QUOTED: usize = 300;

/// The most bytes of external text that are kept for operators.
const MAX_DETAILS: usize = 2_000;

/// What went wrong. The rest of the program uses [`ApiError`]'s predicates.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ApiProblem {
    /// 401.
    #[error("invalid API key")]
    Unauthorized,
    /// 403: the key is valid, but the plan's history begins after the requested days.
    #[error("your plan does not include these days")]
    BeforeHistory,
    /// 403: the plan has a day only once it is over.
    #[error("your plan does not include today")]
    TodayNotOver,
    /// 403: any other refusal.
    #[error("your plan does not include this data")]
    NotEntitled,
    /// 400: a `next_url` led past the end of its range.
    #[error("request rejected")]
    PastTheEnd,
    /// 429, for longer than it is worth waiting; with the wait that the API asked for.
    #[error("still rate-limited after 15 minutes")]
    RateLimited(Option<Duration>),
    /// 404: the route does not exist.
    #[error("endpoint not found")]
    NotFound,
    /// 407, or a tunnel that was refused in the same words.
    #[error("the proxy requires a user name and password")]
    ProxyAuthentication,
    /// The other side does not speak TLS.
    #[error("{0} does not speak TLS; did you mean http://?")]
    NoTls(String),
    /// The response is for the ticker in another case.
    #[error("the API does not know this ticker; did you mean {0}?")]
    OtherCase(String),
    /// Any other status that a retry would not change.
    #[error("request rejected")]
    Rejected,
    /// A failure that a retry may cure.
    #[error("request to {origin} failed after {attempts} {}", if *.attempts == 1 { "attempt" } else { "attempts" })]
    Unavailable {
        /// Scheme and host of the API.
        origin: String,
        /// The number of requests sent.
        attempts: u32,
    },
    /// A response that can't be understood, or must not be trusted.
    #[error("unexpected API response")]
    Unexpected,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError(Box<Details>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Details {
    problem: ApiProblem,
    /// The cause in the API's words, or the chain of causes; without the key. It may be empty.
    text: String,
    request: String,
    response: Option<ResponseId>,
}

/// The status of a response, and the API's name for the request, if the response contained one.
pub(super) type ResponseId = (u16, Option<String>);

impl ApiError {
    /// An error with the cause in words, and the response if there is one; neither must contain the key.
    pub(super) fn new(problem: ApiProblem, request: &Request, text: &str, response: Option<ResponseId>) -> ApiError {
        let text = truncate(text, MAX_DETAILS).to_owned();
        ApiError(Box::new(Details { problem, text, request: request.target().to_owned(), response }))
    }

    /// A response that must not be trusted, for a reason that only its reader can know.
    pub(crate) fn unexpected(request: &Request, what: &str) -> ApiError {
        ApiError::new(ApiProblem::Unexpected, request, what, None)
    }

    /// The error after the last attempt.
    pub(super) fn after_attempts(mut self, number: u32) -> ApiError {
        if let ApiProblem::Unavailable { attempts, .. } = &mut self.0.problem {
            *attempts = number;
        }
        self
    }

    pub(super) fn problem(&self) -> &ApiProblem {
        &self.0.problem
    }

    /// Whether the API has responded at all.
    pub(super) fn has_response(&self) -> bool {
        self.0.response.is_some()
    }

    /// The cause in a few words, such as `HTTP 502: an HTML page`.
    pub(super) fn cause(&self) -> String {
        let details = truncate(&self.0.text, MAX_QUOTED);
        match &self.0.response {
            Some((status, _)) if details.is_empty() => format!("HTTP {status}"),
            Some((status, _)) => format!("HTTP {status}: {details}"),
            None => details.to_owned(),
        }
    }

    /// Whether the requested days lie before the plan's history, so that later ones may be allowed.
    pub(crate) fn is_before_plan_history(&self) -> bool {
        self.0.problem == ApiProblem::BeforeHistory
    }

    /// Whether a `next_url` led past the end of its range: after a first page that is the end of the pages, not an error.
    pub(crate) fn is_past_the_end(&self) -> bool {
        self.0.problem == ApiProblem::PastTheEnd
    }

    /// Whether the API does not consider the requested day to be over yet.
    pub(crate) fn is_before_end_of_day(&self) -> bool {
        self.0.problem == ApiProblem::TodayNotOver
    }

    /// Whether there was no usable response after all attempts.
    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(self.0.problem, ApiProblem::Unavailable { .. })
    }

    /// Whether the API rejected the request because of its rate.
    pub(crate) fn is_rate_limited(&self) -> bool {
        matches!(self.0.problem, ApiProblem::RateLimited(_))
    }

    /// Whether the response can't be understood, or must not be trusted.
    pub(crate) fn is_unexpected(&self) -> bool {
        self.0.problem == ApiProblem::Unexpected
    }

    /// Whether the key is wrong.
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.0.problem == ApiProblem::Unauthorized
    }

    /// Whether every other request would fail alike.
    pub(crate) fn is_fatal(&self) -> bool {
        use ApiProblem::{NoTls, NotFound, ProxyAuthentication, RateLimited, Unauthorized};
        matches!(self.0.problem, Unauthorized | RateLimited(_) | NotFound | ProxyAuthentication | NoTls(_))
    }

    /// Who has to act, and how.
    fn remedy(&self) -> (FailureType, &'static str) {
        use FailureType::{ConfigError, SystemError, TransientError};
        match self.0.problem {
            ApiProblem::Unauthorized => {
                (ConfigError, "Check api_key; your keys are at https://massive.com/dashboard/keys.")
            }
            ApiProblem::BeforeHistory | ApiProblem::TodayNotOver | ApiProblem::NotEntitled => {
                (ConfigError, "Choose a later start_date or another stream, or upgrade the plan.")
            }
            ApiProblem::RateLimited(_) => (TransientError, "Retry later; does something else use the same key?"),
            ApiProblem::NotFound | ApiProblem::NoTls(_) => (ConfigError, "Check api_url and the proxy settings."),
            ApiProblem::ProxyAuthentication => (ConfigError, "Check HTTPS_PROXY or ALL_PROXY."),
            ApiProblem::OtherCase(_) => (ConfigError, "Tickers are case-sensitive."),
            ApiProblem::PastTheEnd | ApiProblem::Rejected => (SystemError, "Check the ticker and the dates."),
            ApiProblem::Unavailable { .. } => {
                (TransientError, "Retry later. If it persists, check the network, proxy settings and api_url.")
            }
            ApiProblem::Unexpected => {
                (SystemError, "No records from it were emitted. If this persists, please open an issue.")
            }
        }
    }

    /// The failure of a subject such as `stock_prices, TSLA`. Its message names the request and says what to do.
    pub(crate) fn into_failure(self, subject: &str) -> Failure {
        let (failure_type, remedy) = self.remedy();
        let Details { problem, text, request, response } = &*self.0;
        let id = response.as_ref().and_then(|(_, id)| id.as_deref());
        let id = id.map_or(String::new(), |id| format!(", request_id {id}"));
        Failure {
            failure_type,
            message: format!("{subject}: {self}. Request: {request}{id}. {remedy}"),
            internal_message: Some(match response {
                Some((status, _)) => format!("{problem}: HTTP {status} for {request}{id}: {text}"),
                None => format!("{problem}: no response to {request}: {text}"),
            }),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = self.cause();
        if cause.is_empty() { write!(f, "{}", self.0.problem) } else { write!(f, "{} ({cause})", self.0.problem) }
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::ActionKind;

    /// One error for each problem.
    fn every_error() -> Vec<ApiError> {
        let unavailable = ApiProblem::Unavailable { origin: "https://host".to_owned(), attempts: 6 };
        let problems = [
            (401, ApiProblem::Unauthorized),
            (403, ApiProblem::BeforeHistory),
            (403, ApiProblem::TodayNotOver),
            (403, ApiProblem::NotEntitled),
            (400, ApiProblem::PastTheEnd),
            (429, ApiProblem::RateLimited(None)),
            (404, ApiProblem::NotFound),
            (407, ApiProblem::ProxyAuthentication),
            (200, ApiProblem::NoTls("the server".to_owned())),
            (200, ApiProblem::OtherCase("AAPL".to_owned())),
            (418, ApiProblem::Rejected),
            (502, unavailable),
            (200, ApiProblem::Unexpected),
        ];
        let request = Request::actions(ActionKind::Splits, &[]);
        let error =
            |(status, problem)| ApiError::new(problem, &request, "words", Some((status, Some("r1".to_owned()))));
        problems.into_iter().map(error).collect()
    }

    #[test]
    fn every_failure_names_subject_cause_request_and_remedy() {
        for error in every_error() {
            let (cause, (_, remedy)) = (error.to_string(), error.remedy());
            let failure = error.into_failure("stock_prices, TSLA");
            let request = "/stocks/v1/splits?limit=5000&sort=ticker.asc,execution_date.asc";
            let expected = format!("stock_prices, TSLA: {cause}. Request: {request}, request_id r1. {remedy}");
            assert_eq!(failure.message, expected);
            let internal = failure.internal_message.expect("the chain of causes");
            assert!(internal.contains(request) && internal.ends_with("words"), "{internal}");
        }
    }

    #[test]
    fn errors_of_the_key_the_address_and_the_rate_limit_concern_all_requests() {
        let fatal: Vec<_> = every_error().into_iter().filter(ApiError::is_fatal).collect();
        let causes: Vec<_> = fatal.iter().map(|error| error.problem().to_string()).collect();
        assert_eq!(
            causes,
            [
                "invalid API key",
                "still rate-limited after 15 minutes",
                "endpoint not found",
                "the proxy requires a user name and password",
                "the server does not speak TLS; did you mean http://?",
            ]
        );
    }
}
