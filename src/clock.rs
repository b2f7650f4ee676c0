//! Time as a value that is passed in: the system's clock for the program, a simulated one for tests.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// What time it is, and how to wait.
///
/// `now` is the wall clock, from which dates are derived and messages stamped. `elapsed` never jumps; every wait
/// is measured by it.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> DateTime<Utc>;
    /// The time since the program started.
    fn elapsed(&self) -> Duration;
    /// Returns once `elapsed` has reached `moment`; immediately if it already has.
    fn sleep_until(&self, moment: Duration);
}

/// A clock that every thread of a run shares.
pub type SharedClock = Arc<dyn Clock>;

/// The clock of the machine.
pub struct SystemClock(Instant);

impl SystemClock {
    /// A clock whose `elapsed` counts from now.
    #[must_use]
    pub fn start() -> SharedClock {
        Arc::new(SystemClock(Instant::now()))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep_until(&self, moment: Duration) {
        thread::sleep(moment.saturating_sub(self.elapsed()));
    }
}
