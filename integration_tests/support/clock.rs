//! A clock that tests set. Waiting on it takes almost no real time.

use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use source_stock_ticker_api::clock::Clock;

/// If the clock is not read for this long in real time, all threads are assumed to be waiting.
const QUIET: Duration = Duration::from_millis(20);

/// A simulated clock; it only advances when a thread waits, or when a test advances it.
#[derive(Default)]
pub struct SimulatedClock {
    started: DateTime<Utc>,
    has_many_threads: bool,
    time: Mutex<Time>,
}

#[derive(Default)]
struct Time {
    elapsed: Duration,
    /// When each sleeping thread wakes up.
    sleepers: Vec<Duration>,
    /// How often the clock was read.
    looks: u64,
}

impl SimulatedClock {
    /// A clock on which every wait ends immediately.
    pub fn at(now: DateTime<Utc>) -> Arc<SimulatedClock> {
        Arc::new(SimulatedClock { started: now, has_many_threads: false, time: Mutex::default() })
    }

    /// A clock for several threads: once all of them wait, it advances to the earliest wake-up.
    pub fn for_threads_at(now: DateTime<Utc>) -> Arc<SimulatedClock> {
        Arc::new(SimulatedClock { started: now, has_many_threads: true, time: Mutex::default() })
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        self.time().elapsed += duration;
    }

    fn time(&self) -> MutexGuard<'_, Time> {
        self.time.lock().expect("no panic")
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> DateTime<Utc> {
        self.started + TimeDelta::from_std(self.elapsed()).expect("no such long test")
    }

    fn elapsed(&self) -> Duration {
        let mut time = self.time();
        time.looks += 1;
        time.elapsed
    }

    fn sleep_until(&self, moment: Duration) {
        let mut time = self.time();
        if !self.has_many_threads {
            time.elapsed = time.elapsed.max(moment);
            return;
        }
        time.looks += 1;
        time.sleepers.push(moment);
        while time.elapsed < moment {
            let looks = time.looks;
            drop(time);
            thread::sleep(QUIET);
            time = self.time();
            if time.looks == looks && time.sleepers.iter().min() == Some(&moment) {
                time.elapsed = time.elapsed.max(moment);
            }
        }
        let own = time.sleepers.iter().position(|sleeper| *sleeper == moment).expect("pushed above");
        time.sleepers.swap_remove(own);
        time.looks += 1;
    }
}
