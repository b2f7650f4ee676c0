//! The life of one request: a worker sends it as the gate allows, and retries it, until there is a response.

use std::collections::BTreeSet;
use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::ApiProblem;
use super::gate::{Gate, Permit, Rejection};
use super::http::Http;
use super::interpreter::Reply;
use super::retry::retry;
use super::{ApiError, Event, Request, RequestPolicy};
use crate::clock::SharedClock;
use crate::panics::catch_panic;

/// Identifies a request, and orders requests as they were made.
pub(super) type JobId = u64;

/// How a request ended, and the number of attempts that failed.
pub(super) type Outcome = (Result<Reply, ApiError>, u32);

/// What workers report to the owner of the pool.
pub(super) enum Report {
    Event(Event),
    Done(JobId, Outcome),
}

/// What the owner and the workers share.
pub(super) struct Shared {
    pub(super) http: Http,
    pub(super) policy: RequestPolicy,
    pub(super) clock: SharedClock,
    pub(super) reports: Sender<Report>,
    pub(super) line: Mutex<Line>,
    pub(super) changed: Condvar,
}

/// The requests in front of the gate.
#[derive(Default)]
pub(super) struct Line {
    pub(super) gate: Gate,
    /// The requests that are neither fetched nor discarded.
    pub(super) wanted: BTreeSet<JobId>,
    /// The wanted requests that wait for a permit.
    pub(super) waiting: BTreeSet<JobId>,
    /// The request that the owner waits for, which goes first.
    pub(super) awaited: JobId,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The owner may be gone, and with it the interest in reports.
    fn report(&self, report: Report) {
        let _ = self.reports.send(report);
    }

    /// The life of a worker: sends a request until it is answered, given up, or discarded.
    pub(super) fn work(&self, id: JobId, request: &Request, mut failures: u32, mut delay: Duration) {
        loop {
            if !delay.is_zero() {
                self.clock.sleep_until(self.clock.elapsed() + delay);
            }
            let Some(sent) = self.enter(id) else { return };
            let result = catch_panic(|| self.attempt(request, sent)).unwrap_or_else(|bug| {
                let text = bug.internal_message.unwrap_or_default();
                Err(ApiError::unexpected(request, &text))
            });
            let waits = self.leave(sent, &result);
            delay = Duration::ZERO;
            let outcome = match result {
                Err(error) if error.is_rate_limited() && waits => continue,
                Err(error) if error.is_unavailable() => {
                    let on_event = |event| self.report(Report::Event(event));
                    match retry(&self.policy, request, &mut failures, error, on_event) {
                        Ok(wait) => {
                            delay = wait;
                            continue;
                        }
                        Err(error) => Err(error),
                    }
                }
                result => result,
            };
            return self.report(Report::Done(id, (outcome, failures)));
        }
    }

    /// Waits for a permit, and returns when it was granted; `None` if the request is no longer wanted. The awaited request
    /// comes first, then the oldest.
    fn enter(&self, id: JobId) -> Option<Duration> {
        let mut line = self.lock();
        line.waiting.insert(id);
        while line.wanted.contains(&id) {
            let now = self.clock.elapsed();
            let first =
                if line.waiting.contains(&line.awaited) { Some(line.awaited) } else { line.waiting.first().copied() };
            let permit = (first == Some(id)).then(|| line.gate.permit(now));
            line = match permit {
                Some(Permit::Granted) => {
                    line.waiting.remove(&id);
                    self.changed.notify_all();
                    return Some(now);
                }
                Some(Permit::WaitUntil(moment)) => {
                    drop(line);
                    self.clock.sleep_until(moment);
                    self.lock()
                }
                Some(Permit::WaitForInFlight) | None => {
                    let line = self.changed.wait(line);
                    line.unwrap_or_else(PoisonError::into_inner)
                }
            }
        }
        line.waiting.remove(&id);
        None
    }

    /// Sends a request once.
    fn attempt(&self, request: &Request, sent: Duration) -> Result<Reply, ApiError> {
        let reply = self.http.send(request)?;
        self.report(Report::Event(Event::Answered {
            request: request.target().to_owned(),
            status: reply.status,
            bytes: reply.body.bytes.len(),
            duration: self.clock.elapsed().saturating_sub(sent),
        }));
        if reply.is_success() { Ok(reply) } else { Err(self.http.interpreter.refusal(request, reply)) }
    }

    /// Returns a permit. After a 429, returns whether to wait and send the request again.
    fn leave(&self, sent: Duration, result: &Result<Reply, ApiError>) -> bool {
        let now = self.clock.elapsed();
        let mut line = self.lock();
        self.changed.notify_all();
        let error = result.as_ref().err();
        let Some(ApiProblem::RateLimited(retry_after)) = error.map(ApiError::problem) else {
            line.gate.done(now, error.is_none_or(ApiError::has_response));
            return false;
        };
        let rejection = line.gate.rejected(sent, now, *retry_after);
        let waits = self.policy.wait_on_rate_limit && rejection != Rejection::GiveUp;
        if let (Rejection::Closed(until), true) = (rejection, waits) {
            self.report(Report::Event(Event::RateLimited { until }));
        }
        waits
    }
}
