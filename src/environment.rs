//! What a run takes from its surroundings.

use std::sync::{Arc, Mutex};

use crate::clock::{SharedClock, SystemClock};
use crate::polygon::{Exchange, RequestPolicy};
use crate::terminal::Terminal;

/// Everything that a run takes from its surroundings, so that tests can replace it.
pub struct Environment {
    /// What time it is.
    pub clock: SharedClock,
    /// Timeouts and retries of `check`.
    pub check_policy: RequestPolicy,
    /// Timeouts and retries of `read`.
    pub sync_policy: RequestPolicy,
    /// What is shown on stderr beside the messages.
    pub terminal: Terminal,
    /// An API in memory that `read` takes its pages from instead of the network, for simulations.
    pub exchange: Option<Arc<Mutex<dyn Exchange>>>,
}

impl Environment {
    /// The machine's clock and terminal, and the policies for real use.
    #[must_use]
    pub fn system() -> Environment {
        Environment {
            clock: SystemClock::start(),
            check_policy: RequestPolicy::CHECK,
            sync_policy: RequestPolicy::SYNC,
            terminal: Terminal::system(),
            exchange: None,
        }
    }
}
