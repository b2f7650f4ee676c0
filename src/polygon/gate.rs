//! How many requests may be sent, and when. The API does not say what a key may do; it rejects requests (429).
//!
//! A rejection closes the gate for as long as the API asks, or for a minute. After that, requests are sent one at a time
//! until ten have been answered. Simulated with a free key, that is within a few percent of the time that the limit
//! itself costs, so there is nothing to gain from learning the limit.

use std::collections::VecDeque;
use std::time::Duration;

/// The most requests under way at a time.
pub(super) const MAX_IN_FLIGHT: usize = 8;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Polygon.io wants paid plans to stay under a hundred requests a second.
const MAX_PER_SECOND: usize = 95;

/// The number of responses after a rejection until requests may overlap again.
const CAUTIOUS_RESPONSES: usize = 10;

/// The longest wait that a `Retry-After` can cause.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// After this long of nothing but rejections, waiting is given up.
const MAX_REJECTED: Duration = Duration::from_secs(15 * 60);

/// Whether a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// It may be sent now.
    Granted,
    /// Not before this moment.
    WaitUntil(Duration),
    /// Not before another request is done.
    WaitForInFlight,
}

/// Limits the rate of all requests of a run. Moments are those of the clock's `elapsed`.
#[derive(Debug, Default)]
pub(super) struct Gate {
    in_flight: usize,
    sent_in_last_second: VecDeque<Duration>,
    answered_in_last_minute: VecDeque<Duration>,
    closed_at: Option<Duration>,
    opens_at: Duration,
    cautious_responses: usize,
    closings_in_a_row: u32,
    rejected_since: Option<Duration>,
    answered_before_closing: usize,
}

impl Gate {
    /// Takes a permit for a request if there is one. Every permit is returned by [`Gate::done`] or [`Gate::rejected`].
    pub(super) fn permit(&mut self, now: Duration) -> Permit {
        if now < self.opens_at {
            return Permit::WaitUntil(self.opens_at);
        }
        let most = if self.cautious_responses > 0 { 1 } else { MAX_IN_FLIGHT };
        if self.in_flight >= most {
            return Permit::WaitForInFlight;
        }
        forget(&mut self.sent_in_last_second, now, SECOND);
        if let Some(first) = self.sent_in_last_second.front()
            && self.sent_in_last_second.len() >= MAX_PER_SECOND
        {
            return Permit::WaitUntil(*first + SECOND);
        }
        self.sent_in_last_second.push_back(now);
        self.in_flight += 1;
        Permit::Granted
    }

    /// A request is done and was not rejected; `has_response` if the API responded.
    pub(super) fn done(&mut self, now: Duration, has_response: bool) {
        self.in_flight -= 1;
        if has_response {
            self.answered_in_last_minute.push_back(now);
            forget(&mut self.answered_in_last_minute, now, MINUTE);
            self.cautious_responses = self.cautious_responses.saturating_sub(1);
            self.closings_in_a_row = 0;
            self.rejected_since = None;
        }
    }

    /// A request that was sent at `sent` was rejected (429). Returns until when nothing is sent; `None` if there has been
    /// nothing but rejections for too long.
    pub(super) fn rejected(
        &mut self,
        sent: Duration,
        now: Duration,
        retry_after: Option<Duration>,
    ) -> Option<Duration> {
        self.in_flight -= 1;
        let since = *self.rejected_since.get_or_insert(now);
        if self.closed_at.is_none_or(|closed| sent > closed) {
            self.closed_at = Some(now);
            self.closings_in_a_row += 1;
            self.cautious_responses = CAUTIOUS_RESPONSES;
            forget(&mut self.answered_in_last_minute, now, MINUTE);
            self.answered_before_closing = self.answered_in_last_minute.len();
        }
        // A Retry-After of zero must not cause a storm of requests.
        let shortest = SECOND * (1 << self.closings_in_a_row.min(6)) / 2;
        let wait = retry_after.unwrap_or(MINUTE).clamp(shortest, MAX_RETRY_AFTER);
        self.opens_at = self.opens_at.max(now + wait);
        (now < since + MAX_REJECTED).then_some(self.opens_at)
    }

    /// See [`super::PageSource::requests_per_minute`].
    pub(super) fn requests_per_minute(&mut self, now: Duration) -> Option<usize> {
        forget(&mut self.answered_in_last_minute, now, MINUTE);
        let answered = self.answered_in_last_minute.len();
        self.closed_at.map(|_| answered.max(self.answered_before_closing))
    }
}

/// Removes the moments that are longer ago than `age`.
fn forget(moments: &mut VecDeque<Duration>, now: Duration, age: Duration) {
    while moments.front().is_some_and(|moment| *moment + age <= now) {
        moments.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    const REQUEST: Duration = Duration::from_millis(300);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The response to a request at a time: `Err` is a 429 with its `Retry-After`.
    type Answer = Result<(), Option<Duration>>;

    /// At most `limit` requests in any 60 seconds, of which `used` were sent just before.
    fn sliding(limit: usize, counts_rejected: bool, used: usize) -> impl FnMut(Duration) -> Answer {
        let mut seen: VecDeque<Duration> = vec![Duration::ZERO; used].into();
        move |now| {
            forget(&mut seen, now, MINUTE);
            let is_allowed = seen.len() < limit;
            if is_allowed || counts_rejected {
                seen.push_back(now);
            }
            if is_allowed { Ok(()) } else { Err(None) }
        }
    }

    /// At most `limit` requests in each minute of a clock that is `offset` ahead.
    fn fixed(limit: usize, offset: Duration) -> impl FnMut(Duration) -> Answer {
        let (mut window, mut count) = (0, 0);
        move |now| {
            let current = (now + offset).as_secs() / 60;
            count = if current == window { count + 1 } else { 1 };
            window = current;
            if count <= limit { Ok(()) } else { Err(None) }
        }
    }

    #[derive(Default)]
    struct Run {
        gate: Gate,
        to_send: usize,
        in_flight: usize,
        took: Duration,
        rejections: usize,
        most_in_flight: usize,
    }

    /// Runs that share an API and send their requests as their gates allow.
    fn simulate(requests: &[usize], mut api: impl FnMut(Duration) -> Answer) -> Vec<Run> {
        let run = |to_send: &usize| Run { to_send: *to_send, ..Run::default() };
        let mut runs: Vec<Run> = requests.iter().map(run).collect();
        let (mut now, mut done) = (Duration::ZERO, BinaryHeap::new());
        loop {
            let mut wake = None;
            for (number, run) in runs.iter_mut().enumerate() {
                while run.to_send > 0 && run.in_flight < MAX_IN_FLIGHT {
                    match run.gate.permit(now) {
                        Permit::Granted => {
                            run.to_send -= 1;
                            run.in_flight += 1;
                            run.most_in_flight = run.most_in_flight.max(run.in_flight);
                            done.push(Reverse((now + REQUEST, number, now, api(now))));
                        }
                        Permit::WaitUntil(later) => {
                            assert!(later > now, "a wait for the past");
                            wake = Some(wake.map_or(later, |wake: Duration| wake.min(later)));
                            break;
                        }
                        Permit::WaitForInFlight => {
                            assert!(run.in_flight > 0, "nothing to wait for");
                            break;
                        }
                    }
                }
            }
            let first = done.peek().map(|Reverse((at, ..))| *at);
            let Some(next) = first.into_iter().chain(wake).min() else {
                return runs;
            };
            now = next;
            if first != Some(now) {
                continue;
            }
            let Some(Reverse((_, number, sent, answer))) = done.pop() else {
                return runs;
            };
            let run = &mut runs[number];
            run.in_flight -= 1;
            match answer {
                Ok(()) => run.gate.done(now, true),
                Err(retry_after) => {
                    let rejection = run.gate.rejected(sent, now, retry_after);
                    assert_ne!(rejection, None);
                    run.rejections += 1;
                    run.to_send += 1;
                }
            }
            run.took = now;
        }
    }

    #[test]
    fn a_free_key_does_100_requests_in_22_minutes_after_a_check_that_used_its_minute() {
        for counts_rejected in [false, true] {
            let run = &simulate(&[100], sliding(5, counts_rejected, 5))[0];
            assert!(run.took <= seconds(22 * 60), "{:?}", run.took);
            assert!(run.rejections <= 35, "{}", run.rejections);
        }
        for offset in [0, 20, 40, 59] {
            let run = &simulate(&[100], fixed(5, seconds(offset)))[0];
            assert!(run.took <= seconds(22 * 60), "{offset}: {:?}", run.took);
        }
    }

    #[test]
    fn two_runs_of_six_tickers_with_one_free_key_end_within_210_seconds() {
        for used in [0, 1, 5] {
            let runs = simulate(&[6, 6], sliding(5, false, used));
            let took = runs.iter().map(|run| run.took).max().unwrap();
            assert!(took <= seconds(210), "{used}: {took:?}");
        }
    }

    #[test]
    fn a_single_unexpected_rejection_costs_less_than_three_minutes() {
        let mut number = 0;
        let stray = |_| {
            number += 1;
            if number == 50 { Err(None) } else { Ok(()) }
        };
        let run = &simulate(&[500], stray)[0];
        let without = &simulate(&[500], |_| Ok(()))[0];
        assert!(run.took <= without.took + seconds(3 * 60), "{:?}", run.took);
        assert_eq!((run.rejections, run.most_in_flight), (1, 8));
    }

    #[test]
    fn a_plan_with_a_larger_limit_gets_most_of_it() {
        let run = &simulate(&[1_000], sliding(100, false, 0))[0];
        assert!(run.took <= seconds(15 * 60), "{:?}", run.took);
    }

    #[test]
    fn fewer_than_a_hundred_requests_are_sent_in_a_second() {
        let mut gate = Gate::default();
        let mut sent = 0;
        while gate.permit(seconds(1)) == Permit::Granted {
            gate.done(seconds(1), true);
            sent += 1;
        }
        assert_eq!(sent, MAX_PER_SECOND);
        assert_eq!(gate.permit(seconds(1)), Permit::WaitUntil(seconds(2)));
        assert_eq!(gate.permit(seconds(2)), Permit::Granted);
    }

    #[test]
    fn after_a_rejection_requests_go_one_at_a_time_until_ten_are_answered() {
        let mut gate = Gate::default();
        for _ in 0..MAX_IN_FLIGHT {
            assert_eq!(gate.permit(seconds(1)), Permit::Granted);
        }
        assert_eq!(gate.permit(seconds(1)), Permit::WaitForInFlight);
        assert_eq!(gate.requests_per_minute(seconds(1)), None);
        (0..5).for_each(|_| gate.done(seconds(2), true));
        let closed = Some(seconds(63));
        assert_eq!(gate.rejected(seconds(1), seconds(3), None), closed);
        for _ in 0..2 {
            // They were under way together with the first one.
            assert_eq!(gate.rejected(seconds(1), seconds(3), None), closed);
        }
        assert_eq!(gate.permit(seconds(62)), Permit::WaitUntil(seconds(63)));
        assert_eq!(gate.requests_per_minute(seconds(63)), Some(5));
        for _ in 0..CAUTIOUS_RESPONSES {
            assert_eq!(gate.permit(seconds(63)), Permit::Granted);
            assert_eq!(gate.permit(seconds(63)), Permit::WaitForInFlight);
            // A request without a response says nothing about the limit.
            gate.done(seconds(63), false);
            assert_eq!(gate.permit(seconds(63)), Permit::Granted);
            gate.done(seconds(63), true);
        }
        assert_eq!(gate.permit(seconds(64)), Permit::Granted);
        assert_eq!(gate.permit(seconds(64)), Permit::Granted);
        assert_eq!(gate.requests_per_minute(seconds(64)), Some(10));
    }

    #[test]
    fn a_retry_after_is_honoured_within_limits_and_waiting_is_given_up_after_15_minutes() {
        for (retry_after, wait) in [(17, 17), (0, 1), (86_400, 300)] {
            let mut gate = Gate::default();
            gate.permit(seconds(0));
            let closed = Some(seconds(wait));
            assert_eq!(gate.rejected(seconds(0), seconds(0), Some(seconds(retry_after))), closed);
        }
        let mut gate = Gate::default();
        let (mut now, mut sent) = (seconds(0), 0);
        loop {
            assert_eq!(gate.permit(now), Permit::Granted);
            sent += 1;
            match gate.rejected(now, now, Some(Duration::ZERO)) {
                Some(until) => now = until,
                None => break,
            }
        }
        assert!(now >= MAX_REJECTED && now < MAX_REJECTED + MINUTE, "{now:?}");
        assert!(sent < 40, "{sent} requests: a storm");
    }
}
