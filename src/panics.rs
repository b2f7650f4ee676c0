//! Panics are bugs: they become failures like any other, and never reach stderr, which Airbyte shows to users.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};

use crate::error::{Failure, FailureType};

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps panics off stderr; [`catch_panic`] turns them into failures instead.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(|panic| LAST_PANIC.set(Some(panic.to_string()))));
}

/// Runs `work`; a panic in it becomes a failure.
pub(crate) fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Failure {
        failure_type: FailureType::SystemError,
        message: "Internal error in the connector. Please open an issue with this sync's log.".to_owned(),
        internal_message: LAST_PANIC.take().or_else(|| Some(panic_text(payload.as_ref()))),
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
        let failure = catch_panic(|| panic!("index {} is out of range", 7)).unwrap_err();
        assert_eq!(failure.failure_type, FailureType::SystemError);
        let cause = failure.internal_message.unwrap();
        assert!(cause.contains("index 7 is out of range"), "{cause}");
    }
}
