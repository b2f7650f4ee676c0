//! When a request is sent again that failed in a way that may pass.

use std::time::Duration;

use super::queue::{Job, JobId, State};
use super::{Client, Event};
use crate::notices::Notice;

const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Queues a job once more after a failure that may pass, or answers it if that was its last
/// attempt.
pub(super) fn retry_or_fail(
    client: &Client,
    state: &mut State,
    id: JobId,
    mut job: Job,
    cause: String,
) {
    let max_attempts = client.policy().max_attempts;
    job.failed_attempts += 1;
    let attempt = job.failed_attempts;
    if attempt >= max_attempts {
        let error = client.unavailable(attempt, cause);
        state.answers.insert(id, (job, Err(error)));
        return;
    }
    let delay = backoff(attempt);
    job.not_before = client.clock().elapsed() + delay;
    let request = job.request.target().to_owned();
    state.events.push_back(Event::Notice(Notice::Retrying {
        request,
        attempt,
        max_attempts,
        cause,
        delay,
    }));
    state.queued.insert(id, job);
}

/// How long to wait after so many failures: about 1, 2, 4, 8, … seconds, each by chance up to half
/// shorter or longer, so that many connectors don't come back at once.
fn backoff(failures: u32) -> Duration {
    let doubled = INITIAL_BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.mul_f64(0.5 + fastrand::f64()).min(MAX_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_half_a_minute() {
        for (failures, seconds) in [(1, 1.0), (2, 2.0), (5, 16.0)] {
            let wait = backoff(failures).as_secs_f64();
            assert!(
                (seconds * 0.5..seconds * 1.5).contains(&wait),
                "{failures}: {wait}"
            );
        }
        assert!((6..2_000).all(
            |failures| backoff(failures) <= MAX_BACKOFF && backoff(failures) >= MAX_BACKOFF / 2
        ));
    }
}
