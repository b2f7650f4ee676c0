//! How many requests may go out, and when. The API does not say what a key may do: it is learned
//! from refusals (429).
//!
//! A refusal closes the gate until the minute has passed. Only a minute that our own requests
//! filled teaches the limit, and only when the next one ends in the same way: when another run, or
//! a check just before, used the same key, or when the API refused for no reason, a refusal costs
//! no more than the wait.

use std::collections::VecDeque;
use std::time::Duration;

/// How many requests are under way at a time.
pub(super) const MAX_IN_FLIGHT: usize = 8;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Paid plans are asked to stay under a hundred requests a second.
const MAX_PER_SECOND: usize = 95;

/// No plan allows fewer requests a minute: a refusal after fewer of ours was caused by somebody
/// else's.
const MIN_LIMIT: usize = 5;

/// How many requests are under way at first. Each answer makes room for one more, so that a key
/// whose minute is used up is not met with eight requests at once.
const INITIAL_IN_FLIGHT: usize = 4;

/// After a refusal requests go one at a time, until at least so many were answered, or a minute has
/// passed.
const MIN_CAUTIOUS_ANSWERS: usize = 10;

/// The longest wait that a `Retry-After` can cause.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// For how long nothing may be refused before it is tried whether the limit still stands.
const INITIAL_PROBE_INTERVAL: Duration = Duration::from_secs(3 * 60);
const MAX_PROBE_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// After this long of nothing but refusals, waiting for the API is given up.
const MAX_RATE_LIMITED: Duration = Duration::from_secs(15 * 60);

/// What a request may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// Go out now.
    Granted,
    /// Ask again at that time.
    WaitUntil(Duration),
    /// Ask again when another request is done.
    WaitForInFlight,
}

/// One refusal; of requests that were under way together only the first counts.
#[derive(Debug, Clone, Copy)]
struct Refusal {
    at: Duration,
    /// How many of our requests were answered in the minute before it, those included that were
    /// under way.
    answers: usize,
    /// Whether the limit was taken from it.
    has_set_limit: bool,
}

/// The rate of all requests of a run. Times are those of the clock's `elapsed`.
#[derive(Debug)]
pub(super) struct RateLimiter {
    /// When requests of the last second were sent.
    started: VecDeque<Duration>,
    /// When requests of the last minute were done, and whether they were answered. A request counts
    /// from its end, when the API has surely seen it, so that a minute here is never shorter than a
    /// minute there.
    finished: VecDeque<(Duration, bool)>,
    in_flight: usize,
    max_in_flight: usize,
    /// How many more answers it takes until caution ends.
    cautious_answers: usize,
    limit: Option<usize>,
    blocked_until: Duration,
    last_refusal: Option<Refusal>,
    refused_since: Option<Duration>,
    consecutive_refusals: u32,
    /// Whether the only request under way is one more than the limit allows.
    is_probing: bool,
    last_probe: Duration,
    probe_interval: Duration,
}

impl Default for RateLimiter {
    fn default() -> RateLimiter {
        RateLimiter {
            started: VecDeque::new(),
            finished: VecDeque::new(),
            in_flight: 0,
            max_in_flight: INITIAL_IN_FLIGHT,
            cautious_answers: 0,
            limit: None,
            blocked_until: Duration::ZERO,
            last_refusal: None,
            refused_since: None,
            consecutive_refusals: 0,
            is_probing: false,
            last_probe: Duration::ZERO,
            probe_interval: INITIAL_PROBE_INTERVAL,
        }
    }
}

impl RateLimiter {
    /// Takes a permit for a request if there is one. Every permit is given back by `on_response` or
    /// `on_rate_limited`.
    pub(super) fn acquire(&mut self, now: Duration) -> Permit {
        if now < self.blocked_until {
            return Permit::WaitUntil(self.blocked_until);
        }
        self.forget_what_is_over(now);
        if self.in_flight >= self.max_in_flight || self.is_probing {
            return Permit::WaitForInFlight;
        }
        if let Some(limit) = self.limit
            && let Some(surplus) = (self.finished.len() + self.in_flight).checked_sub(limit)
        {
            if !self.may_probe(limit, now) {
                let blocking = self.finished.get(surplus);
                return blocking.map_or(Permit::WaitForInFlight, |(at, _)| {
                    Permit::WaitUntil(*at + MINUTE)
                });
            }
            self.is_probing = true;
            self.last_probe = now;
        }
        if self.started.len() >= MAX_PER_SECOND
            && let Some(first) = self.started.front()
        {
            self.is_probing = false;
            return Permit::WaitUntil(*first + SECOND);
        }
        self.started.push_back(now);
        self.in_flight += 1;
        Permit::Granted
    }

    /// A request that went out at `started` is done, and was not refused; `is_answered` if the API
    /// answered it.
    pub(super) fn on_response(&mut self, started: Duration, now: Duration, is_answered: bool) {
        self.in_flight -= 1;
        self.finished.push_back((now, is_answered));
        let has_probed = std::mem::take(&mut self.is_probing);
        if !is_answered {
            return;
        }
        self.refused_since = None;
        self.consecutive_refusals = 0;
        if has_probed {
            self.limit = None;
            self.last_refusal = None;
            self.be_cautious(0);
        } else if self.cautious_answers > 0 {
            self.cautious_answers -= 1;
        } else {
            self.max_in_flight = (self.max_in_flight + 1).min(MAX_IN_FLIGHT);
        }
        self.count_towards_last_refusal(started, now);
    }

    /// A request that went out at `started` was refused (429). `false` if there has been nothing
    /// but refusals for so long that it is time to give up.
    pub(super) fn on_rate_limited(
        &mut self,
        started: Duration,
        now: Duration,
        retry_after: Option<Duration>,
    ) -> bool {
        self.in_flight -= 1;
        self.forget_what_is_over(now);
        let has_probed = std::mem::take(&mut self.is_probing);
        let answers = self.answers();
        if self.last_refusal.is_none_or(|last| started > last.at) {
            self.consecutive_refusals += 1;
            if has_probed {
                self.probe_interval = (self.probe_interval * 2).min(MAX_PROBE_INTERVAL);
            } else {
                self.be_cautious(answers);
                self.learn(answers, now);
            }
        }
        let minute_is_over = match self.finished.front() {
            // The limit stands, so the minute is that of our own requests.
            Some((oldest, _)) if has_probed => (*oldest + MINUTE).saturating_sub(now),
            _ => MINUTE,
        };
        // A Retry-After of nothing, again and again, must not become a storm.
        let shortest = SECOND * (1 << (self.consecutive_refusals.clamp(1, 7) - 1));
        let wait = retry_after
            .unwrap_or(minute_is_over)
            .clamp(shortest.min(MINUTE), MAX_RETRY_AFTER);
        self.blocked_until = self.blocked_until.max(now + wait);
        now.saturating_sub(*self.refused_since.get_or_insert(now)) < MAX_RATE_LIMITED
    }

    /// How many requests a minute go through, once it is known.
    pub(super) fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Whether everything waits because of a refusal.
    pub(super) fn is_blocked(&self, now: Duration) -> bool {
        now < self.blocked_until
    }

    /// Requests go one at a time, until clearly more were answered than before the refusal.
    fn be_cautious(&mut self, answers: usize) {
        self.max_in_flight = 1;
        self.cautious_answers = MIN_CAUTIOUS_ANSWERS.max(answers + answers / 4);
    }

    /// Takes the limit from two full minutes in a row that ended with a refusal after about as many
    /// answers.
    fn learn(&mut self, answers: usize, now: Duration) {
        let previous = self.last_refusal.filter(|last| last.answers >= MIN_LIMIT);
        // A refusal within the same minute says nothing new.
        if let Some(last) = previous
            && now < last.at + MINUTE
        {
            self.last_refusal = Some(Refusal { at: now, ..last });
            return;
        }
        let agrees =
            previous.is_some_and(|last| answers.abs_diff(last.answers) <= tolerance(last.answers));
        let has_set_limit = agrees && answers >= MIN_LIMIT;
        if has_set_limit {
            self.limit = Some(answers);
            self.last_probe = now;
            self.probe_interval = INITIAL_PROBE_INTERVAL;
            self.max_in_flight = MAX_IN_FLIGHT;
            self.cautious_answers = 0;
        }
        self.last_refusal = Some(Refusal {
            at: now,
            answers,
            has_set_limit,
        });
    }

    /// An answer to a request that was under way at the last refusal came through in the same
    /// minute. An answer in a minute with clearly more of them shows that the refusal had another
    /// reason than a limit.
    fn count_towards_last_refusal(&mut self, started: Duration, now: Duration) {
        let answers = self
            .finished
            .iter()
            .filter(|(at, is_answered)| *is_answered && *at + MINUTE > now)
            .count();
        let Some(last) = &mut self.last_refusal else {
            return;
        };
        if started <= last.at {
            last.answers += 1;
            if last.has_set_limit {
                self.limit = self.limit.map(|limit| limit + 1);
            }
        } else if last.answers >= MIN_LIMIT && answers > last.answers + tolerance(last.answers) {
            last.answers = 0;
        }
    }

    /// Whether one request more than the limit may show that the limit stands no longer. The minute
    /// must be young: at its end a request may go through because the API counts from another
    /// moment.
    fn may_probe(&self, limit: usize, now: Duration) -> bool {
        let quiet_since = self
            .last_refusal
            .map_or(Duration::ZERO, |last| last.at)
            .max(self.last_probe);
        self.in_flight == 0
            && self.finished.len() == limit
            && now >= quiet_since + self.probe_interval
            && self
                .finished
                .front()
                .is_some_and(|(oldest, _)| now < *oldest + MINUTE / 2)
    }

    /// How many requests were answered in the last minute.
    pub(super) fn answers(&self) -> usize {
        self.finished
            .iter()
            .filter(|(_, is_answered)| *is_answered)
            .count()
    }

    fn forget_what_is_over(&mut self, now: Duration) {
        while self
            .finished
            .front()
            .is_some_and(|(at, _)| *at + MINUTE <= now)
        {
            self.finished.pop_front();
        }
        while self.started.front().is_some_and(|at| *at + SECOND <= now) {
            self.started.pop_front();
        }
        let is_quiet = self
            .last_refusal
            .is_some_and(|_| now >= self.blocked_until + MINUTE);
        if is_quiet {
            self.cautious_answers = 0;
        }
    }
}

/// By how much two minutes with the same limit may differ.
fn tolerance(answers: usize) -> usize {
    (answers / 10).max(1)
}

#[cfg(test)]
mod simulations;
#[cfg(test)]
mod tests;
