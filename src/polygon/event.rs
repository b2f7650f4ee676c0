//! What the owner of the pool hears while it waits for an answer.

use std::time::Duration;

use crate::notices::Notice;

/// What happens on the way to an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// Nothing is sent until a moment of the clock's `elapsed`, to keep to the API's rate limit.
    /// Whoever waits tells so, and knows what is left to do.
    RateLimited {
        /// The moment.
        until: Duration,
    },
    /// A request was answered, or is sent again.
    Notice(Notice),
}
