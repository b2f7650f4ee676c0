//! What a run takes from its surroundings.

use crate::clock::{SharedClock, SystemClock};
use crate::polygon::RequestPolicy;
use crate::progress::is_watched;

/// What a run takes from its surroundings, so that tests can put something else in its place.
pub struct Environment {
    /// What time it is.
    pub clock: SharedClock,
    /// Timeouts and retries of `check`.
    pub check_policy: RequestPolicy,
    /// Timeouts and retries of `read`.
    pub sync_policy: RequestPolicy,
    /// Whether `read` shows a progress line on stderr.
    pub shows_progress: bool,
}

impl Environment {
    /// The machine's clock, and the policies for real use.
    #[must_use]
    pub fn system() -> Environment {
        Environment {
            clock: SystemClock::start(),
            check_policy: RequestPolicy::CHECK,
            sync_policy: RequestPolicy::SYNC,
            shows_progress: is_watched(),
        }
    }
}
