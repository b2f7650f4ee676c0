//! A worker of the pool: takes jobs from the queue, as fast as the rate limiter allows, and brings
//! back answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard};
use std::thread;
use std::time::Duration;

use super::client::{Attempt, Received};
use super::queue::{Job, JobId, Next, Queue, State, WorkerKind};
use super::rate_limiter::Permit;
use super::retry::retry_or_fail;
use super::room::Room;
use super::{ApiError, Client, Event};
use crate::notices::Notice;

/// Shorter waits than this, if not for a refusal, are of no interest to anybody.
const MIN_ANNOUNCED_WAIT: Duration = Duration::from_secs(1);

/// What a worker works with.
#[derive(Clone)]
pub(super) struct Worker {
    /// Sends the requests.
    pub(super) client: Arc<Client>,
    /// Where the jobs are.
    pub(super) queue: Arc<Queue>,
    kind: WorkerKind,
}

/// Starts the workers that the queue lacks. They end when the queue is closed.
pub(super) fn hire(client: &Arc<Client>, queue: &Arc<Queue>, state: &mut State) {
    while let Some(kind) = state.lacks_worker() {
        let worker = Worker {
            client: Arc::clone(client),
            queue: Arc::clone(queue),
            kind,
        };
        if thread::Builder::new()
            .name("request".to_owned())
            .spawn(move || worker.run())
            .is_err()
        {
            // Others will do it, if there are any.
            if state.workers == 0 {
                fail_all(state, client);
            }
            return;
        }
        state.workers += 1;
        // The new one takes one of the queued; counting it as idle until then keeps the loop from
        // going on.
        state.idle += 1;
    }
}

/// Answers everything that is queued with the failure to start a thread.
fn fail_all(state: &mut State, client: &Client) {
    while let Some((id, job)) = state.queued.pop_first() {
        let error = client.unavailable(
            job.failed_attempts,
            "the system allows no more threads".to_owned(),
        );
        state.answers.insert(id, (job, Err(error)));
    }
}

type Guard<'a> = MutexGuard<'a, State>;

impl Worker {
    fn run(&self) {
        let mut state = self.queue.lock();
        // It was counted as idle when it was started.
        state.idle -= 1;
        loop {
            let taken;
            (state, taken) = self.take_job(state);
            let Some(taken) = taken else { break };
            drop(state);
            let work = self.work(&taken);
            state = self.queue.lock();
            self.conclude(&mut state, taken, work);
        }
        state.workers -= 1;
    }

    /// Waits for a job and for a permit to send it; `None` when there is nothing to do any more.
    /// The permit comes first, so that what is sent is what is most urgent then.
    fn take_job<'a>(&'a self, mut state: Guard<'a>) -> (Guard<'a>, Option<Taken>) {
        let is_express = self.kind == WorkerKind::Express;
        loop {
            if state.is_closed {
                return (state, None);
            }
            let now = self.client.clock().elapsed();
            state = match state.next(now, is_express) {
                Next::Nothing if is_express => return (state, None),
                Next::Nothing => self.idle(state),
                Next::Delayed(id, until) => self.delay(state, id, until),
                Next::Ready(id) => match state.limiter.acquire(now) {
                    Permit::Granted => {
                        let job = state.queued.remove(&id);
                        return (
                            state,
                            job.map(|job| Taken {
                                id,
                                job,
                                started: now,
                            }),
                        );
                    }
                    Permit::WaitForInFlight => self.queue.wait_for_work(state),
                    Permit::WaitUntil(_) if self.refuses_to_wait(&state, now) => {
                        self.refuse(state, id)
                    }
                    Permit::WaitUntil(until) => self.wait_for_permit(state, now, until),
                },
            }
        }
    }

    fn idle<'a>(&'a self, mut state: Guard<'a>) -> Guard<'a> {
        state.idle += 1;
        state = self.queue.wait_for_work(state);
        state.idle -= 1;
        state
    }

    fn sleep_until<'a>(&'a self, state: Guard<'a>, until: Duration) -> Guard<'a> {
        drop(state);
        self.client.clock().sleep_until(until);
        self.queue.lock()
    }

    /// Holds a job until its retry's delay is over; others pass meanwhile.
    fn delay<'a>(&'a self, mut state: Guard<'a>, id: JobId, until: Duration) -> Guard<'a> {
        let Some(job) = state.queued.remove(&id) else {
            return state;
        };
        state.resting += 1;
        hire(&self.client, &self.queue, &mut state);
        state = self.sleep_until(state, until);
        state.resting -= 1;
        if state.wanted.contains(&id) {
            state.queued.insert(id, job);
        }
        state
    }

    fn refuses_to_wait(&self, state: &State, now: Duration) -> bool {
        !self.client.policy().wait_on_rate_limit && state.limiter.is_blocked(now)
    }

    /// Answers a job without sending it: it would be refused.
    fn refuse<'a>(&self, mut state: Guard<'a>, id: JobId) -> Guard<'a> {
        if let Some(job) = state.queued.remove(&id) {
            let error = ApiError::RateLimited(state.last_refusal.clone());
            state.answers.insert(id, (job, Err(error)));
            self.queue.news.notify_all();
        }
        state
    }

    fn wait_for_permit<'a>(
        &'a self,
        mut state: Guard<'a>,
        now: Duration,
        until: Duration,
    ) -> Guard<'a> {
        let is_of_interest = state.limiter.is_blocked(now) || until >= now + MIN_ANNOUNCED_WAIT;
        if is_of_interest && until > state.announced {
            state.announced = until;
            state.events.push_back(Event::RateLimited { until });
            self.queue.news.notify_all();
        }
        self.sleep_until(state, until)
    }

    /// Sends a job's request and reads the body of its answer, as far as there is room for it.
    fn work(&self, taken: &Taken) -> Work {
        let mut room = Room {
            worker: self,
            taken,
            reserved: 0,
            has_paused: false,
            has_head: false,
        };
        let send = AssertUnwindSafe(|| {
            self.client
                .send(&taken.job.request, |bytes| room.reserve(bytes))
        });
        let received = catch_unwind(send).unwrap_or_else(|_| Received {
            attempt: Attempt::Fatal(ApiError::InvalidResponse(
                "the connector failed to read it".to_owned(),
            )),
            status: None,
        });
        Work {
            received,
            reserved: room.reserved,
            has_paused: room.has_paused,
            has_head: room.has_head,
        }
    }

    /// Books the end of an attempt: an answer for the owner, or another attempt.
    fn conclude(&self, state: &mut State, taken: Taken, work: Work) {
        let now = self.client.clock().elapsed();
        let Received { attempt, status } = work.received;
        state.buffered -= work.reserved;
        if let Some((status, bytes)) = status {
            let request = taken.job.request.target().to_owned();
            let duration = now.saturating_sub(taken.started);
            state.events.push_back(Event::Notice(Notice::Answered {
                request,
                status,
                bytes,
                duration,
            }));
        }
        let mut waits = self.client.policy().wait_on_rate_limit;
        match &attempt {
            Attempt::RateLimited(text, retry_after) => {
                state.was_rate_limited = true;
                state.last_refusal.clone_from(text);
                waits &= state
                    .limiter
                    .on_rate_limited(taken.started, now, *retry_after);
            }
            _ if work.has_head => {}
            Attempt::Retryable(_) => state.limiter.on_response(taken.started, now, false),
            _ => state.limiter.on_response(taken.started, now, true),
        }
        if state.wanted.contains(&taken.id) {
            self.settle(state, taken, attempt, waits, work.has_paused);
        }
        hire(&self.client, &self.queue, state);
        self.queue.news.notify_all();
        self.queue.work.notify_all();
    }

    /// Decides whether a job is answered or queued again.
    fn settle(
        &self,
        state: &mut State,
        Taken { id, job, .. }: Taken,
        attempt: Attempt,
        waits: bool,
        has_paused: bool,
    ) {
        match attempt {
            Attempt::Success(body) => {
                state.buffered += body.bytes.len();
                state.answers.insert(id, (job, Ok(body)));
            }
            Attempt::Fatal(error) => {
                state.answers.insert(id, (job, Err(error)));
            }
            Attempt::RateLimited(text, _) if !waits => {
                state
                    .answers
                    .insert(id, (job, Err(ApiError::RateLimited(text))));
            }
            // We kept the other side waiting until it lost patience: that is no failure of its.
            Attempt::Retryable(_) if has_paused => {
                state.queued.insert(id, job);
            }
            Attempt::Retryable(cause) => retry_or_fail(&self.client, state, id, job, cause),
            Attempt::RateLimited(..) | Attempt::Cancelled => {
                state.queued.insert(id, job);
            }
        }
    }
}

/// A job that is under way.
pub(super) struct Taken {
    /// Its number.
    pub(super) id: JobId,
    job: Job,
    /// When it was sent.
    pub(super) started: Duration,
}

/// An attempt and what it took.
struct Work {
    received: Received,
    /// Bytes that were booked for it.
    reserved: usize,
    /// Whether it had to wait for room.
    has_paused: bool,
    /// Whether the rate limiter has heard already that it was answered.
    has_head: bool,
}
