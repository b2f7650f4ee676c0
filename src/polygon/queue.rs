//! What the thread that owns the pool and its workers share: the jobs that wait, the answers that
//! were not fetched yet, and how many bytes of them there are.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::body::Body;
use super::rate_limiter::{MAX_IN_FLIGHT, RateLimiter};
use super::{ApiError, Event, Request};

/// How many bytes of bodies wait or are being read, the one apart that the owner waits for.
const MAX_BUFFERED_BYTES: usize = 16 << 20;

/// Orders jobs as they were queued.
pub(super) type JobId = u64;

/// A request that somebody wants to be answered.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) request: Request,
    /// How many attempts failed.
    pub(super) failed_attempts: u32,
    /// When it may be sent again.
    pub(super) not_before: Duration,
}

/// The end of a job's way through a worker. The job comes along: its answer may turn out to be
/// broken.
pub(super) type Answer = (Job, Result<Body, ApiError>);

/// The shared state, behind its lock.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) limiter: RateLimiter,
    /// What waits to be sent.
    pub(super) queued: BTreeMap<JobId, Job>,
    /// What was answered.
    pub(super) answers: HashMap<JobId, Answer>,
    /// What was asked for, and neither fetched nor cancelled.
    pub(super) wanted: HashSet<JobId>,
    /// What the owner waits for: the most urgent.
    pub(super) awaited: Option<JobId>,
    pub(super) events: VecDeque<Event>,
    /// Bytes of bodies that wait or are being read.
    pub(super) buffered: usize,
    pub(super) workers: usize,
    /// Workers that wait for a job.
    pub(super) idle: usize,
    /// Workers that hold a job without working on it: for room, or for a retry's delay.
    pub(super) resting: usize,
    /// Until when the owner was told that nothing is sent.
    pub(super) announced: Duration,
    /// What the API said with its last refusal.
    pub(super) last_refusal: String,
    pub(super) was_rate_limited: bool,
    /// Whether the pool has been dropped.
    pub(super) is_closed: bool,
}

/// The job that a worker may turn to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Ready(JobId),
    /// Each has to wait for its retry's delay; this one the shortest.
    Delayed(JobId, Duration),
    Nothing,
}

impl State {
    /// The job that a worker may turn to: the awaited one before all, else in the order of the
    /// queue. An `is_express` worker is there for the awaited one alone; so are all while there is
    /// no room for another body.
    pub(super) fn next(&self, now: Duration, is_express: bool) -> Next {
        let of = |(id, job): (&JobId, &Job)| {
            if job.not_before <= now {
                Next::Ready(*id)
            } else {
                Next::Delayed(*id, job.not_before)
            }
        };
        let awaited = self
            .awaited
            .and_then(|id| self.queued.get_key_value(&id))
            .map(of);
        if let Some(Next::Ready(_)) = awaited {
            return awaited.unwrap_or(Next::Nothing);
        }
        if is_express || self.buffered >= MAX_BUFFERED_BYTES {
            return awaited.unwrap_or(Next::Nothing);
        }
        let mut first_delayed = awaited;
        for job in &self.queued {
            match (of(job), first_delayed) {
                (ready @ Next::Ready(_), _) => return ready,
                (Next::Delayed(_, later), Some(Next::Delayed(_, earlier))) if later >= earlier => {}
                (delayed, _) => first_delayed = Some(delayed),
            }
        }
        first_delayed.unwrap_or(Next::Nothing)
    }

    /// Whether bytes of a job's body may be read now.
    pub(super) fn has_room_for(&self, id: JobId, bytes: usize) -> bool {
        self.awaited == Some(id) || self.buffered + bytes <= MAX_BUFFERED_BYTES
    }

    /// Whether another request makes sense: so few are asked for, and so little waits.
    pub(super) fn has_room(&self) -> bool {
        self.wanted.len() < MAX_IN_FLIGHT && self.buffered < MAX_BUFFERED_BYTES
    }

    /// Whether there is something to do for one more worker, and for what kind.
    pub(super) fn lacks_worker(&self) -> Option<WorkerKind> {
        if self.queued.len() <= self.idle || self.is_closed {
            None
        } else if self.workers < MAX_IN_FLIGHT {
            Some(WorkerKind::Ordinary)
        } else {
            let is_stuck =
                self.awaited.is_some_and(|id| self.queued.contains_key(&id)) && self.resting > 0;
            (is_stuck && self.workers == MAX_IN_FLIGHT).then_some(WorkerKind::Express)
        }
    }

    /// Forgets a job, wherever it is.
    pub(super) fn cancel(&mut self, id: JobId) {
        self.wanted.remove(&id);
        self.queued.remove(&id);
        if let Some((_, Ok(body))) = self.answers.remove(&id) {
            self.buffered -= body.bytes.len();
        }
    }
}

/// What a worker is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkerKind {
    /// Whatever is queued.
    Ordinary,
    /// The awaited job, while all others rest with jobs of their own.
    Express,
}

/// The shared state with its signals.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Workers may find something to do, or room for more bytes.
    pub(super) work: Condvar,
    /// The owner may find an answer or an event.
    pub(super) news: Condvar,
}

impl Queue {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait_for_work<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.work
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait_for_news<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.news
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::parse_date;

    fn job(not_before: u64) -> Job {
        let request = Request::grouped(parse_date("2026-07-15").unwrap(), true);
        Job {
            request,
            failed_attempts: 0,
            not_before: Duration::from_secs(not_before),
        }
    }

    fn state(jobs: &[(JobId, u64)]) -> State {
        State {
            queued: jobs.iter().map(|(id, at)| (*id, job(*at))).collect(),
            ..State::default()
        }
    }

    const NOW: Duration = Duration::from_secs(10);

    #[test]
    fn jobs_go_in_order_but_for_the_one_that_is_waited_for() {
        let mut state = state(&[(1, 0), (2, 0), (3, 0)]);
        assert_eq!(state.next(NOW, false), Next::Ready(1));
        assert_eq!(state.next(NOW, true), Next::Nothing);
        state.awaited = Some(3);
        assert_eq!(state.next(NOW, false), Next::Ready(3));
        assert_eq!(state.next(NOW, true), Next::Ready(3));
        state.awaited = Some(7);
        assert_eq!(
            state.next(NOW, false),
            Next::Ready(1),
            "the awaited one is not in the queue"
        );
    }

    #[test]
    fn jobs_that_have_to_wait_let_others_pass() {
        let mut state = state(&[(1, 30), (2, 20), (3, 5)]);
        state.awaited = Some(1);
        assert_eq!(state.next(NOW, false), Next::Ready(3));
        assert_eq!(
            state.next(NOW, true),
            Next::Delayed(1, Duration::from_secs(30))
        );
        state.queued.remove(&3);
        state.queued.insert(4, job(40));
        assert_eq!(
            state.next(NOW, false),
            Next::Delayed(2, Duration::from_secs(20)),
            "the first that may go"
        );
    }

    #[test]
    fn without_room_only_the_awaited_job_is_sent() {
        let mut state = state(&[(1, 0), (2, 0)]);
        state.buffered = MAX_BUFFERED_BYTES;
        assert_eq!(state.next(NOW, false), Next::Nothing);
        state.awaited = Some(2);
        assert_eq!(state.next(NOW, false), Next::Ready(2));
        assert!(state.has_room_for(2, 1) && !state.has_room_for(1, 1) && !state.has_room());
    }

    #[test]
    fn there_are_eight_workers_and_one_more_only_for_what_would_be_stuck() {
        let mut state = state(&[(1, 0)]);
        assert_eq!(state.lacks_worker(), Some(WorkerKind::Ordinary));
        state.idle = 1;
        assert_eq!(state.lacks_worker(), None, "one is idle");
        (state.idle, state.workers) = (0, MAX_IN_FLIGHT);
        assert_eq!(state.lacks_worker(), None);
        for (awaited, resting) in [(Some(1), 0), (None, MAX_IN_FLIGHT), (Some(2), 1)] {
            (state.awaited, state.resting) = (awaited, resting);
            assert_eq!(state.lacks_worker(), None, "{awaited:?}, {resting}");
        }
        (state.awaited, state.resting) = (Some(1), MAX_IN_FLIGHT);
        assert_eq!(state.lacks_worker(), Some(WorkerKind::Express));
        state.workers += 1;
        assert_eq!(state.lacks_worker(), None);
    }

    #[test]
    fn eight_requests_are_wanted_at_a_time() {
        let mut state = state(&[]);
        let wanted = (0..20).take_while(|id| state.has_room() && state.wanted.insert(*id));
        assert_eq!(wanted.count(), 8);
    }

    #[test]
    fn what_is_cancelled_frees_its_room() {
        let mut state = state(&[]);
        let body = Body {
            bytes: vec![0; 100],
            is_gzipped: false,
        };
        state.buffered = 100;
        state.wanted.insert(1);
        state.answers.insert(1, (job(0), Ok(body)));
        state.cancel(1);
        assert_eq!(
            (state.buffered, state.wanted.len(), state.answers.len()),
            (0, 0, 0)
        );
    }
}
