//! Where a sync's pages come from: up to eight requests under way, one thread each.
//!
//! The owner alone decides what is sent when. A thread sends a single request, or waits for a moment, and reports that.
//! Responses stay compressed until they are fetched.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::error::ApiProblem;
use super::gate::{Gate, MAX_IN_FLIGHT, Permit};
use super::http::Http;
use super::interpreter::{Interpreter, Reply};
use super::response::ResponsePage;
use super::retry::backoff;
use super::transport::{Exchange, Transport, in_memory, over_http};
use super::{ApiError, Event, Origin, Request, RequestPolicy};
use crate::clock::SharedClock;
use crate::error::Failure;
use crate::panics::catch_panic;
use crate::secret::Secret;

/// The most requests that are neither fetched nor discarded. Together with the largest body, this bounds memory.
const MAX_PENDING: usize = MAX_IN_FLIGHT;

/// Receives what happens while a request waits for its response.
type OnEvent<'a> = &'a mut dyn FnMut(Event);

/// Identifies a request, and orders requests as they were made.
type RequestId = u64;

/// Fetches pages. A request that will be needed soon can be sent ahead of time; its response is kept until it is fetched or
/// discarded.
pub(crate) struct PageSource {
    transport: Arc<Transport>,
    is_in_memory: bool,
    interpreter: Interpreter,
    policy: RequestPolicy,
    clock: SharedClock,
    gate: Gate,
    /// The requests that are neither fetched nor discarded.
    pending: BTreeMap<RequestId, Pending>,
    last_id: RequestId,
    sender: Sender<Report>,
    reports: Receiver<Report>,
    /// The moment for which a thread waits.
    wakes_at: Option<Duration>,
}

struct Pending {
    request: Arc<Request>,
    /// The number of attempts that failed.
    failures: u32,
    /// The moment from which on it may be sent; `None` once it has been.
    due: Option<Duration>,
    outcome: Option<Result<Reply, ApiError>>,
}

/// What a thread reports.
enum Report {
    /// The moment for which it waited has come.
    Awake,
    /// A request was sent, at a moment, and is done, at another.
    Done { id: RequestId, request: Arc<Request>, sent: Duration, done: Duration, result: Result<Reply, ApiError> },
}

impl PageSource {
    /// The pages of the API at `origin`, or of `exchange` instead. Fails if the key, the proxy or the certificates can't be
    /// used.
    pub(crate) fn new(
        origin: &Origin,
        key: &Secret,
        policy: RequestPolicy,
        clock: &SharedClock,
        exchange: Option<&Arc<Mutex<dyn Exchange>>>,
    ) -> Result<PageSource, Failure> {
        let transport = match exchange {
            Some(exchange) => in_memory(Arc::clone(exchange)),
            None => over_http(Http::new(origin, key, &policy, clock.clone())?),
        };
        let (sender, reports) = mpsc::channel();
        Ok(PageSource {
            transport,
            is_in_memory: exchange.is_some(),
            interpreter: Interpreter::new(key.clone(), origin.to_string()),
            policy,
            clock: clock.clone(),
            gate: Gate::default(),
            pending: BTreeMap::new(),
            last_id: 0,
            sender,
            reports,
            wakes_at: None,
        })
    }

    /// Sends a request ahead of time; `false` if there is no capacity. A request that is already pending is not sent twice.
    /// An API in memory responds at once, so it gets no requests ahead of time.
    pub(crate) fn prefetch(&mut self, request: &Request) -> bool {
        if self.find(request).is_some() {
            return true;
        }
        let has_capacity = !self.is_in_memory && self.pending.len() < MAX_PENDING;
        if has_capacity {
            self.add(request);
            self.send_due(None);
        }
        has_capacity
    }

    /// Cancels a request that was sent ahead of time.
    pub(crate) fn discard(&mut self, request: &Request) {
        self.pending.retain(|_, pending| *pending.request != *request);
    }

    /// The number of responses in the last minute, or in the minute before the API last rejected a request because of its
    /// rate (429), whichever is greater; `None` before the first 429.
    pub(crate) fn requests_per_minute(&mut self) -> Option<usize> {
        self.gate.requests_per_minute(self.clock.elapsed())
    }

    /// Returns the page for a request.
    pub(crate) fn fetch<P: ResponsePage>(&mut self, request: &Request, on_event: OnEvent<'_>) -> Result<P, ApiError> {
        let id = self.find(request).unwrap_or_else(|| self.add(request));
        let page = loop {
            match self.wait(id, on_event).map(|reply| self.interpreter.page(request, reply)) {
                Ok(Ok(page)) => break Ok(page),
                Ok(Err(error)) => self.settle(id, Err(error), on_event),
                Err(error) => break Err(error),
            }
        };
        self.discard(request);
        page
    }

    fn find(&self, request: &Request) -> Option<RequestId> {
        self.pending.iter().find_map(|(id, pending)| (*pending.request == *request).then_some(*id))
    }

    fn add(&mut self, request: &Request) -> RequestId {
        self.last_id += 1;
        let pending =
            Pending { request: Arc::new(request.clone()), failures: 0, due: Some(Duration::ZERO), outcome: None };
        self.pending.insert(self.last_id, pending);
        self.last_id
    }

    /// Waits for the outcome of a pending request. Reports that arrived earlier are handled first.
    fn wait(&mut self, id: RequestId, on_event: OnEvent<'_>) -> Result<Reply, ApiError> {
        loop {
            if let Ok(report) = self.reports.try_recv() {
                self.handle(report, on_event);
            } else if let Some(outcome) = self.pending.get_mut(&id).and_then(|pending| pending.outcome.take()) {
                return outcome;
            } else {
                self.send_due(Some(id));
                if let Ok(report) = self.reports.recv() {
                    self.handle(report, on_event);
                }
            }
        }
    }

    /// Sends the requests that are due, as the gate allows: the awaited one first, then the oldest.
    fn send_due(&mut self, awaited: Option<RequestId>) {
        let now = self.clock.elapsed();
        let ids: Vec<_> = awaited.into_iter().chain(self.pending.keys().copied()).collect();
        for id in ids {
            let Some(pending) = self.pending.get_mut(&id) else { continue };
            let Some(due) = pending.due else { continue };
            let permit = if due > now { Permit::WaitUntil(due) } else { self.gate.permit(now) };
            match permit {
                Permit::Granted => {
                    pending.due = None;
                    let request = Arc::clone(&pending.request);
                    self.send(id, request, now);
                }
                Permit::WaitUntil(moment) => self.wake_at(moment),
                Permit::WaitForInFlight => {}
            }
        }
    }

    fn send(&self, id: RequestId, request: Arc<Request>, sent: Duration) {
        let (transport, clock) = (Arc::clone(&self.transport), self.clock.clone());
        self.start(move || {
            let result = catch_panic(|| transport(&request)).unwrap_or_else(|bug| {
                let text = bug.internal_message.unwrap_or_default();
                Err(ApiError::unexpected(&request, &text))
            });
            Report::Done { id, request, sent, done: clock.elapsed(), result }
        });
    }

    fn wake_at(&mut self, moment: Duration) {
        if self.wakes_at.is_none_or(|earliest| moment < earliest) {
            self.wakes_at = Some(moment);
            let clock = self.clock.clone();
            self.start(move || {
                clock.sleep_until(moment);
                Report::Awake
            });
        }
    }

    /// Runs a task that ends with a report, on a new thread, or on this one if the system has no more.
    fn start(&self, task: impl FnOnce() -> Report + Clone + Send + 'static) {
        let sender = self.sender.clone();
        // The owner may be gone, and with it the interest in reports.
        let task = move || drop(sender.send(task()));
        let thread = thread::Builder::new().name("request".to_owned());
        if self.is_in_memory || thread.spawn(task.clone()).is_err() {
            task();
        }
    }

    fn handle(&mut self, report: Report, on_event: OnEvent<'_>) {
        let Report::Done { id, request, sent, done, result } = report else {
            self.wakes_at = None;
            return;
        };
        let result = result.and_then(|reply| {
            on_event(Event::Answered {
                request: request.target().to_owned(),
                status: reply.status,
                bytes: reply.body.bytes.len(),
                duration: done.saturating_sub(sent),
            });
            self.interpreter.accept(&request, reply)
        });
        let error = result.as_ref().err();
        let Some(ApiProblem::RateLimited(retry_after)) = error.map(ApiError::problem) else {
            self.gate.done(done, error.is_none_or(ApiError::has_response));
            return self.settle(id, result, on_event);
        };
        match self.gate.rejected(sent, done, *retry_after).filter(|_| self.policy.wait_on_rate_limit) {
            None => self.settle(id, result, on_event),
            Some(until) => {
                on_event(Event::RateLimited { until });
                if let Some(pending) = self.pending.get_mut(&id) {
                    pending.due = Some(until);
                }
            }
        }
    }

    /// Keeps the outcome of an attempt. After a failure that a retry may cure, the request is sent again instead.
    fn settle(&mut self, id: RequestId, outcome: Result<Reply, ApiError>, on_event: OnEvent<'_>) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        let error = match outcome {
            Err(error) if error.is_unavailable() => error,
            outcome => {
                pending.outcome = Some(outcome);
                return;
            }
        };
        pending.failures += 1;
        let (attempt, max_attempts) = (pending.failures, self.policy.max_attempts);
        if attempt >= max_attempts {
            pending.outcome = Some(Err(error.after_attempts(attempt)));
            return;
        }
        let delay = backoff(attempt);
        pending.due = Some(self.clock.elapsed() + delay);
        let request = pending.request.target().to_owned();
        on_event(Event::Retrying { request, attempt, max_attempts, cause: error.cause(), delay });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use crate::bars::Page;
    use crate::calendar::{DateRange, parse_date};
    use crate::clock::{Clock, SystemClock};
    use crate::market::Market;
    use crate::polygon::test_server::{self, Server, answer, gzip, ok};
    use crate::timespan::Timespan;

    /// A clock on which waiting takes no time.
    struct HastyClock(Instant, Mutex<Duration>);

    impl Clock for HastyClock {
        fn now(&self) -> chrono::DateTime<chrono::Utc> {
            chrono::Utc::now()
        }

        fn elapsed(&self) -> Duration {
            self.0.elapsed() + *self.1.lock().unwrap()
        }

        fn sleep_until(&self, moment: Duration) {
            let mut skipped = self.1.lock().unwrap();
            let now = self.0.elapsed() + *skipped;
            *skipped += moment.saturating_sub(now);
        }
    }

    fn pages_with(server: &Server, policy: RequestPolicy, clock: &SharedClock) -> PageSource {
        let origin = Origin::parse(&server.origin).unwrap();
        PageSource::new(&origin, &Secret::new("a-key"), policy, clock, None).unwrap()
    }

    fn pages(server: &Server, policy: RequestPolicy) -> PageSource {
        let clock: SharedClock = Arc::new(HastyClock(Instant::now(), Mutex::default()));
        pages_with(server, policy, &clock)
    }

    fn request(ticker: &str) -> Request {
        let days = DateRange::day(parse_date("2026-07-15").unwrap());
        Request::range(ticker, Market::Stocks, Timespan::Day, days, true)
    }

    fn requests(count: usize) -> Vec<Request> {
        (0..count).map(|number| request(&format!("T{number}"))).collect()
    }

    /// A page with one bar, whose close is the length of the target.
    fn page(target: &str) -> String {
        let (ticker, close) = (target.split('/').nth(4).unwrap(), target.len());
        format!(r#"{{"ticker":"{ticker}","results":[{{"o":1,"h":1,"l":1,"c":{close},"t":7}}]}}"#)
    }

    fn fetch(pages: &mut PageSource, request: &Request) -> Result<Page, ApiError> {
        pages.fetch(request, &mut |_| {})
    }

    #[test]
    fn pages_belong_to_their_requests_and_a_slow_one_holds_up_no_other() {
        let slow = Duration::from_secs(2);
        let server = test_server::start(move |target, _| {
            thread::sleep(if target.contains("T0/") { slow } else { Duration::from_millis(5) });
            ok(&page(target))
        });
        let mut pages = pages(&server, RequestPolicy::SYNC);
        let requests = requests(40);
        assert!(requests[..8].iter().all(|request| pages.prefetch(request)));
        let started = Instant::now();
        for request in &requests[1..] {
            // The interpreter would refuse the page of another ticker.
            fetch(&mut pages, request).unwrap();
        }
        assert!(started.elapsed() < slow, "{:?}", started.elapsed());
        fetch(&mut pages, &requests[0]).unwrap();
        assert_eq!(server.requests().len(), 40);
    }

    #[test]
    fn eight_requests_are_pending_at_a_time_and_the_same_one_is_not_sent_twice() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (current, highest) = (Arc::clone(&now), Arc::clone(&most));
        let server = test_server::start(move |target, _| {
            highest.fetch_max(current.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(60));
            current.fetch_sub(1, Ordering::SeqCst);
            ok(&page(target))
        });
        let mut pages = pages(&server, RequestPolicy::SYNC);
        let requests = requests(20);
        let sent = requests.iter().filter(|request| pages.prefetch(request)).count();
        assert_eq!((sent, pages.prefetch(&requests[0])), (8, true));
        // One that was not prefetched is fetched all the same.
        for request in requests.iter().rev() {
            fetch(&mut pages, request).unwrap();
        }
        assert_eq!((most.load(Ordering::SeqCst), server.requests().len()), (8, 20));
        assert!(pages.prefetch(&requests[0]));
    }

    #[test]
    fn a_discarded_request_frees_its_place_and_is_not_sent_again() {
        let server = test_server::start(|_, _| answer(502, "", b""));
        let policy = RequestPolicy { max_attempts: 1_000, ..RequestPolicy::SYNC };
        let mut pages = pages_with(&server, policy, &SystemClock::start());
        let requests = requests(16);
        for request in &requests[..8] {
            assert!(pages.prefetch(request));
        }
        assert!(!pages.prefetch(&requests[8]));
        for request in &requests {
            pages.discard(request);
        }
        assert!(pages.prefetch(&requests[8]));
        pages.discard(&requests[8]);
        thread::sleep(Duration::from_millis(300));
        let before = server.requests().len();
        thread::sleep(Duration::from_millis(1_700));
        assert_eq!(server.requests().len(), before);
    }

    #[test]
    fn failures_that_a_retry_may_cure_are_retried_and_reported() {
        let server = test_server::start(|target, number| match number {
            0 => answer(502, "", b"<html>"),
            1 => b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec(),
            2 => ok("not JSON"),
            3 => answer(200, "Content-Encoding: gzip\r\n", b"{}"),
            4 => ok(r#"{"ticker":"OTHER"}"#),
            _ => answer(200, "Content-Encoding: gzip\r\n", &gzip(page(target).as_bytes())),
        });
        let mut pages = pages(&server, RequestPolicy::SYNC);
        let (mut causes, mut statuses) = (Vec::new(), Vec::new());
        let request = request("TSLA");
        pages
            .fetch::<Page>(&request, &mut |event| match event {
                Event::Retrying { request: target, attempt, max_attempts: 6, cause, .. } => {
                    causes.push(cause);
                    assert_eq!((attempt as usize, target.as_str()), (causes.len(), request.target()));
                }
                Event::Answered { status, bytes, .. } => statuses.push((status, bytes)),
                other => panic!("{other:?}"),
            })
            .unwrap();
        let expected = ["HTTP 502: an HTML page", "cut off", "not JSON", "not compressed", "OTHER instead of TSLA"];
        assert_eq!(causes.len(), expected.len(), "{causes:?}");
        for (cause, expected) in causes.iter().zip(expected) {
            assert!(cause.contains(expected), "{cause}");
        }
        let seen: Vec<u16> = statuses.iter().map(|(status, _)| *status).collect();
        assert_eq!(seen, [502, 200, 200, 200, 200]);
        assert_eq!(server.requests().len(), 6);
    }

    #[test]
    fn a_429_is_waited_out_reported_and_uses_up_no_attempt() {
        let server = test_server::start(|target, number| match number {
            0 | 3 => answer(429, "Retry-After: 1\r\n", b""),
            _ => ok(&page(target)),
        });
        let policy = RequestPolicy { max_attempts: 1, ..RequestPolicy::SYNC };
        let mut pages = pages(&server, policy);
        assert_eq!(pages.requests_per_minute(), None);
        let mut closings = 0;
        for request in &requests(5) {
            let mut count = |event| closings += usize::from(matches!(event, Event::RateLimited { .. }));
            pages.fetch::<Page>(request, &mut count).unwrap();
        }
        assert_eq!((closings, server.requests().len()), (2, 7));
        assert_eq!(pages.requests_per_minute(), Some(5));
    }

    #[test]
    fn nothing_is_sent_after_the_end() {
        let server = test_server::start(|_, _| answer(502, "", b""));
        let mut pages = pages(&server, RequestPolicy { max_attempts: u32::MAX, ..RequestPolicy::SYNC });
        for request in requests(8) {
            assert!(pages.prefetch(&request));
        }
        let transport = Arc::downgrade(&pages.transport);
        drop(pages);
        let started = Instant::now();
        while transport.strong_count() > 0 {
            assert!(started.elapsed() < Duration::from_secs(5), "requests are still sent");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
