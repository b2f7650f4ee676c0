//! A clock on which every wait is over at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use source_stock_ticker_api::clock::Clock;

/// The time in epoch milliseconds.
#[derive(Default)]
pub struct SimulatedClock(AtomicI64);

impl SimulatedClock {
    pub fn new() -> Arc<SimulatedClock> {
        Arc::default()
    }

    pub fn moment(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn set(&self, moment: i64) {
        self.0.store(moment, Ordering::Relaxed);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.moment()).expect("a moment")
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.moment().try_into().expect("after 1970"))
    }

    fn sleep_until(&self, moment: Duration) {
        let milliseconds = moment.as_nanos().div_ceil(1_000_000);
        self.0.fetch_max(milliseconds.try_into().expect("a moment"), Ordering::Relaxed);
    }
}
