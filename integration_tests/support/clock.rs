//! A clock that tests set, and on which waiting takes no time, or next to none.

use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use source_stock_ticker_api::clock::Clock;

/// Real time in which nobody looks at the clock, by which all threads are taken to be waiting.
const QUIET: Duration = Duration::from_millis(20);

/// A simulated clock; it moves when somebody waits, or when it is moved.
pub struct SimulatedClock {
    started: DateTime<Utc>,
    has_many_threads: bool,
    time: Mutex<Time>,
}

#[derive(Default)]
struct Time {
    elapsed: Duration,
    /// Until when the threads sleep that do.
    sleepers: Vec<Duration>,
    /// How often somebody looked.
    looks: u64,
}

impl SimulatedClock {
    /// A clock on which a wait is over at once.
    pub fn at(now: DateTime<Utc>) -> Arc<SimulatedClock> {
        Arc::new(SimulatedClock { started: now, has_many_threads: false, time: Mutex::default() })
    }

    /// A clock for threads that wait while others work: time passes when all of them wait, up to the first that wakes.
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
