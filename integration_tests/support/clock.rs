//! A clock that tests set, and on which waiting takes no time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use source_stock_ticker_api::clock::Clock;

pub struct SimulatedClock {
    started: Timestamp,
    elapsed: Mutex<Duration>,
}

impl SimulatedClock {
    pub fn at(now: Timestamp) -> Arc<SimulatedClock> {
        Arc::new(SimulatedClock { started: now, elapsed: Mutex::default() })
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.started + SignedDuration::try_from(self.elapsed()).expect("no such long test")
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.lock().expect("no panic")
    }

    fn sleep_until(&self, moment: Duration) {
        let mut elapsed = self.elapsed.lock().expect("no panic");
        *elapsed = moment.max(*elapsed);
    }
}
