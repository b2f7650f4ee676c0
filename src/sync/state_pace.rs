//! When a STATE is due: behind every page, unless the states would outweigh the records.

use std::time::Duration;

/// So many bytes of states may be written beyond half of those of the records: up to there a STATE follows every page.
const ALLOWANCE: usize = 1 << 20;

/// A STATE follows at the latest after this time, while it is small.
const MAX_INTERVAL: Duration = Duration::from_secs(30);

/// The most bytes of states per second when only time requires them.
const BYTES_PER_SECOND: usize = 20_000;

/// How much was written of both, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct StatePace {
    records: usize,
    states: usize,
    last_state: usize,
    last_state_at: Duration,
}

impl StatePace {
    /// Nothing was written yet; `state` is the size of the state that was handed over.
    pub(super) fn starting(state: usize, now: Duration) -> StatePace {
        StatePace { records: 0, states: 0, last_state: state, last_state_at: now }
    }

    /// Whether this many states, each as long as the last one, may accompany the records; `pending` bytes are still to come.
    pub(super) fn allows(&self, count: usize, pending: usize) -> bool {
        2 * (self.states + count * self.last_state) <= self.records + pending + 2 * ALLOWANCE
    }

    /// Whether a STATE is to follow the records that were written.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        let seconds = self.last_state / BYTES_PER_SECOND;
        let interval = MAX_INTERVAL.max(Duration::from_secs(seconds as u64));
        self.allows(1, 0) || now >= self.last_state_at + interval
    }

    /// Notes the bytes of records that were written.
    pub(super) fn wrote_records(&mut self, bytes: usize) {
        self.records += bytes;
    }

    /// Notes the bytes of a STATE that was written.
    pub(super) fn wrote_state(&mut self, bytes: usize, now: Duration) {
        self.states += bytes;
        (self.last_state, self.last_state_at) = (bytes, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: usize = 1 << 20;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn states_may_weigh_half_as_much_as_the_records_and_a_megabyte() {
        let mut pace = StatePace::starting(MEGABYTE, seconds(0));
        assert!(pace.allows(1, 0) && !pace.allows(2, 0));
        assert!(pace.allows(2, 2 * MEGABYTE) && !pace.allows(2, 2 * MEGABYTE - 1));
        pace.wrote_records(2 * MEGABYTE);
        assert!(pace.allows(2, 0) && !pace.allows(3, 0));
        pace.wrote_state(MEGABYTE, seconds(0));
        assert!(pace.allows(1, 0) && !pace.allows(2, 0));
        pace.wrote_state(MEGABYTE / 2, seconds(0));
        assert!(pace.allows(1, 0) && !pace.allows(2, 0));
    }

    #[test]
    fn large_states_come_at_the_latest_after_a_while() {
        for (bytes, after) in [(100_000, 30), (600_000, 30), (2_000_000, 100)] {
            let mut pace = StatePace::starting(bytes, seconds(0));
            pace.wrote_state(3 * MEGABYTE, seconds(5));
            pace.wrote_state(bytes, seconds(10));
            assert!(!pace.is_due(seconds(10 + after - 1)), "{bytes}");
            assert!(pace.is_due(seconds(10 + after)), "{bytes}");
        }
        assert!(StatePace::starting(100, seconds(0)).is_due(seconds(0)));
    }
}
