//! Failures and their Airbyte failure types: every failed command becomes one TRACE ERROR message.

use std::io;

use serde::Serialize;

/// Who has to act on a failure, in Airbyte's terms. The platform retries all but `ConfigError`.
///
/// In the order of how promising a retry is, so that the greatest of several failures decides for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureType {
    /// The user: a configuration, a catalog, a state or a key that can't work.
    ConfigError,
    /// The connector's developers: a response that it can't understand, or a bug.
    SystemError,
    /// No one: retries are exhausted, but a later run may succeed.
    TransientError,
}

/// A failure as users and operators see it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// Decides whether the platform retries.
    pub(crate) failure_type: FailureType,
    /// What the user reads: what was attempted, why it failed, what to do.
    pub(crate) message: String,
    /// What an operator reads: the chain of technical causes, if it says more than the message.
    pub(crate) internal_message: Option<String>,
}

impl Failure {
    /// A failure that the user has to mend, and whose message says all there is to say.
    pub(crate) fn config(message: impl Into<String>) -> Failure {
        Failure::new(FailureType::ConfigError, message)
    }

    /// A failure of a type, whose message says all there is to say.
    pub(crate) fn new(failure_type: FailureType, message: impl Into<String>) -> Failure {
        Failure { failure_type, message: message.into(), internal_message: None }
    }

    /// The same failure with its technical cause and what led to it, for operators.
    pub(crate) fn caused_by(self, cause: &anyhow::Error) -> Failure {
        Failure { internal_message: Some(format!("{cause:#}")), ..self }
    }

    /// One failure for all of `failures`, of which there is at least one. It names as many as a message of some
    /// kilobytes holds, and says how many more there are.
    pub(crate) fn merge(failures: &[Failure]) -> Failure {
        let types = failures.iter().map(|failure| failure.failure_type);
        let messages: Vec<_> = failures.iter().map(|failure| failure.message.as_str()).collect();
        let causes = failures.iter().filter_map(|failure| failure.internal_message.as_deref());
        let causes: Vec<_> = causes.collect();
        Failure {
            failure_type: types.max().unwrap_or(FailureType::SystemError),
            message: join_within_limit(&messages),
            internal_message: (!causes.is_empty()).then(|| join_within_limit(&causes)),
        }
    }
}

/// How long a merged message may get before the rest is only counted.
const MAX_MERGED_LEN: usize = 3_000;

fn join_within_limit(texts: &[&str]) -> String {
    let count = texts.len();
    let mut joined = String::new();
    for (named, text) in texts.iter().enumerate() {
        if named > 0 && joined.len() + text.len() > MAX_MERGED_LEN {
            let rest = count - named;
            return format!("{joined}\n… and {rest} more of {count}; the log names them all.");
        }
        if named > 0 {
            joined.push('\n');
        }
        joined.push_str(text);
    }
    joined
}

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Reported as a TRACE ERROR.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// stdout can't be written to; reported on stderr.
    #[error(transparent)]
    Output(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_failures_take_the_type_that_a_retry_can_help() {
        let outage = Failure { failure_type: FailureType::TransientError, ..Failure::config("AAPL: no answer") };
        let all = Failure::merge(&[Failure::config("TSLA: not in the plan"), outage]);
        assert_eq!(all.failure_type, FailureType::TransientError);
        assert_eq!(all.message, "TSLA: not in the plan\nAAPL: no answer");
    }

    #[test]
    fn a_merged_message_stays_small_however_many_failed() {
        let failures: Vec<_> = (0..5_000).map(|number| Failure::config(format!("T{number}: no answer"))).collect();
        let merged = Failure::merge(&failures);
        assert!(merged.message.len() < 4_000, "{}", merged.message.len());
        assert!(merged.message.starts_with("T0: no answer\nT1: ") && merged.message.contains("more of 5000"));
    }
}
