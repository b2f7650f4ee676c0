//! What went wrong, for whom: every failure becomes one TRACE ERROR message.

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::panic::{self, AssertUnwindSafe};

use serde::Serialize;

/// Who has to act on a failure, in Airbyte's terms. The platform retries all but `ConfigError`.
///
/// In the order of how promising a retry is, so that the greatest of several failures decides for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureType {
    /// The user: a configuration, a catalog, a state or a key that can't work.
    ConfigError,
    /// The connector's authors: an answer that we can't understand, or a bug.
    SystemError,
    /// Nobody: it was retried in vain, and may work later.
    TransientError,
}

/// A failure as it is told to the user and to the operator.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Decides whether the platform retries.
    pub failure_type: FailureType,
    /// What the user reads: what was attempted, why it failed, what to do.
    pub message: String,
    /// What an operator reads: the technical cause.
    pub internal_message: String,
}

impl Failure {
    /// A failure that the user has to mend, and whose message says all there is to say.
    pub fn config(message: impl Into<String>) -> Failure {
        let message = message.into();
        Failure { failure_type: FailureType::ConfigError, internal_message: message.clone(), message }
    }

    /// The same failure with the technical cause for operators.
    pub fn caused_by(self, cause: impl ToString) -> Failure {
        Failure { internal_message: cause.to_string(), ..self }
    }

    /// One failure that names all of `failures`, of which there is at least one.
    pub fn all(failures: &[Failure]) -> Failure {
        let join = |text: fn(&Failure) -> &str| failures.iter().map(text).collect::<Vec<_>>().join("\n");
        Failure {
            failure_type: failures.iter().map(|failure| failure.failure_type).max().unwrap_or(FailureType::SystemError),
            message: join(|failure| &failure.message),
            internal_message: join(|failure| &failure.internal_message),
        }
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub enum Error {
    /// Told as a TRACE ERROR.
    Failure(Failure),
    /// stdout can't be written to, so it can't be told there.
    Output(io::Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Error::Failure(failure)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Output(error)
    }
}

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps panics off stderr, which Airbyte shows to users as it is; [`catching_panics`] tells of them instead.
pub fn silence_panics() {
    panic::set_hook(Box::new(|panic| LAST_PANIC.set(Some(panic.to_string()))));
}

/// Runs `work`; a panic in it is a bug, and becomes a failure like any other.
pub fn catching_panics<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Failure {
        failure_type: FailureType::SystemError,
        message: "The connector has a bug that stopped it. Please report it with the log of this run.".to_owned(),
        internal_message: LAST_PANIC.take().unwrap_or_else(|| panic_text(payload.as_ref())),
    })
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_system_error_with_its_message() {
        let failure = catching_panics(|| panic!("index {} is out of range", 7)).unwrap_err();
        assert_eq!(failure.failure_type, FailureType::SystemError);
        assert!(failure.internal_message.contains("index 7 is out of range"));
    }

    #[test]
    fn several_failures_take_the_type_that_a_retry_can_help() {
        let outage = Failure { failure_type: FailureType::TransientError, ..Failure::config("AAPL: no answer") };
        let all = Failure::all(&[Failure::config("TSLA: not in the plan"), outage]);
        assert_eq!(all.failure_type, FailureType::TransientError);
        assert_eq!(all.message, "TSLA: not in the plan\nAAPL: no answer");
    }
}
