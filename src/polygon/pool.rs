//! The network as a source of pages: up to eight requests under way, one thread each.
//!
//! Workers leave responses compressed. The thread that owns the pool decompresses and parses each one when it is fetched.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::gate::MAX_IN_FLIGHT;
use super::http::Http;
use super::interpreter::{Interpreter, Reply};
use super::worker::{JobId, Outcome, Report, Shared};
use super::{ApiError, Event, PageSource, Request, RequestPolicy};
use crate::clock::SharedClock;

/// The most requests that are neither fetched nor discarded. Together with the largest body, this bounds memory.
pub(super) const MAX_PENDING: usize = MAX_IN_FLIGHT;

/// The network as a source of pages.
pub(super) struct Pool {
    shared: Arc<Shared>,
    reports: Receiver<Report>,
    pending: Vec<Pending>,
    last_id: JobId,
}

/// A request that is neither fetched nor discarded.
struct Pending {
    id: JobId,
    request: Request,
    outcome: Option<Outcome>,
}

impl Pool {
    /// A pool that has sent nothing yet.
    pub(super) fn new(http: Http, policy: RequestPolicy, clock: SharedClock) -> Pool {
        let (sender, reports) = mpsc::channel();
        let shared = Shared { http, policy, clock, reports: sender, line: Mutex::default(), changed: Condvar::new() };
        Pool { shared: Arc::new(shared), reports, pending: Vec::new(), last_id: 0 }
    }

    /// Starts a request and returns its place.
    fn start(&mut self, request: &Request) -> usize {
        self.last_id += 1;
        self.shared.lock().wanted.insert(self.last_id);
        self.pending.push(Pending { id: self.last_id, request: request.clone(), outcome: None });
        self.hire(self.pending.len() - 1, 0, Duration::ZERO);
        self.pending.len() - 1
    }

    /// Starts a worker for a pending request of which some attempts have failed.
    fn hire(&mut self, place: usize, failures: u32, delay: Duration) {
        let (shared, pending) = (Arc::clone(&self.shared), &mut self.pending[place]);
        let (id, request) = (pending.id, pending.request.clone());
        let thread = thread::Builder::new().name("request".to_owned());
        let worker = thread.spawn(move || shared.work(id, &request, failures, delay));
        if let Err(error) = worker {
            let interpreter = &self.shared.http.interpreter;
            let (problem, cause) = (interpreter.unavailable(), format!("no thread: {error}"));
            pending.outcome = Some((Err(interpreter.error(problem, &pending.request, &cause)), failures));
        }
    }

    fn position(&self, request: &Request) -> Option<usize> {
        let mut pending = self.pending.iter();
        pending.position(|pending| pending.request == *request)
    }

    /// Waits for the outcome of the pending request at `place`. Reports that arrived earlier are handled first.
    fn wait(&mut self, place: usize, on_event: &mut dyn FnMut(Event)) -> Outcome {
        self.shared.lock().awaited = self.pending[place].id;
        self.shared.changed.notify_all();
        loop {
            let report = match self.reports.try_recv() {
                Ok(report) => Ok(report),
                Err(_) => match self.pending[place].outcome.take() {
                    Some(outcome) => return outcome,
                    None => self.reports.recv(),
                },
            };
            match report {
                Ok(Report::Event(event)) => on_event(event),
                Ok(Report::Done(id, outcome)) => {
                    let mut pending = self.pending.iter_mut();
                    if let Some(pending) = pending.find(|pending| pending.id == id) {
                        pending.outcome = Some(outcome);
                    }
                }
                Err(_) => {}
            }
        }
    }
}

impl PageSource for Pool {
    fn prefetch(&mut self, request: &Request) -> bool {
        if self.position(request).is_some() {
            return true;
        }
        let has_capacity = self.pending.len() < MAX_PENDING;
        if has_capacity {
            self.start(request);
        }
        has_capacity
    }

    fn discard(&mut self, request: &Request) {
        if let Some(place) = self.position(request) {
            let Pending { id, .. } = self.pending.remove(place);
            let mut line = self.shared.lock();
            line.wanted.remove(&id);
            line.waiting.remove(&id);
            self.shared.changed.notify_all();
        }
    }

    fn requests_per_minute(&self) -> Option<usize> {
        let now = self.shared.clock.elapsed();
        self.shared.lock().gate.requests_per_minute(now)
    }

    fn receive(
        &mut self,
        request: &Request,
        failures: &mut u32,
        delay: Duration,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Reply, ApiError> {
        let place = self.position(request).unwrap_or_else(|| self.start(request));
        if *failures > 0 {
            self.hire(place, *failures, delay);
        }
        let (reply, failed) = self.wait(place, on_event);
        *failures = failed;
        reply
    }

    fn reading(&self) -> (&Interpreter, &RequestPolicy) {
        (&self.shared.http.interpreter, &self.shared.policy)
    }
}

impl Drop for Pool {
    /// Lets the workers end.
    fn drop(&mut self) {
        let mut line = self.shared.lock();
        line.wanted.clear();
        line.waiting.clear();
        self.shared.changed.notify_all();
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
    use crate::polygon::Origin;
    use crate::polygon::test_server::{self, Server, answer, gzip, ok};
    use crate::secret::Secret;
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

    fn pool_with(server: &Server, policy: RequestPolicy, clock: SharedClock) -> Pool {
        let origin = Origin::parse(&server.origin).unwrap();
        let http = Http::new(&origin, &Secret::new("a-key"), &policy, clock.clone()).unwrap();
        Pool::new(http, policy, clock)
    }

    fn pool(server: &Server, policy: RequestPolicy) -> Pool {
        pool_with(server, policy, Arc::new(HastyClock(Instant::now(), Mutex::default())))
    }

    fn request(ticker: &str) -> Request {
        let days = DateRange::day(parse_date("2026-07-15").unwrap());
        Request::range(ticker, Market::Stocks, Timespan::DAY, days, true)
    }

    fn requests(count: usize) -> Vec<Request> {
        (0..count).map(|number| request(&format!("T{number}"))).collect()
    }

    /// A page with one bar, whose close is the length of the target.
    fn page(target: &str) -> String {
        let (ticker, close) = (target.split('/').nth(4).unwrap(), target.len());
        format!(r#"{{"ticker":"{ticker}","results":[{{"o":1,"h":1,"l":1,"c":{close},"t":7}}]}}"#)
    }

    fn fetch(pool: &mut Pool, request: &Request) -> Result<Page, ApiError> {
        pool.fetch(request, &mut |_| {})
    }

    #[test]
    fn pages_belong_to_their_requests_in_whatever_order_responses_arrive() {
        let server = test_server::start(|target, _| {
            thread::sleep(Duration::from_millis(if target.contains("T0/") { 200 } else { 5 }));
            ok(&page(target))
        });
        let mut pool = pool(&server, RequestPolicy::SYNC);
        let requests = requests(8);
        assert!(requests.iter().all(|request| pool.prefetch(request)));
        for request in requests.iter().chain([&requests[0]]) {
            // The interpreter would refuse the page of another ticker.
            fetch(&mut pool, request).unwrap();
        }
        assert_eq!(server.requests().len(), 9);
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
        let mut pool = pool(&server, RequestPolicy::SYNC);
        let requests = requests(20);
        let sent = requests.iter().filter(|request| pool.prefetch(request)).count();
        assert_eq!((sent, pool.prefetch(&requests[0])), (8, true));
        // One that was not prefetched is fetched all the same.
        for request in requests.iter().rev() {
            fetch(&mut pool, request).unwrap();
        }
        assert_eq!((most.load(Ordering::SeqCst), server.requests().len()), (8, 20));
        assert!(pool.prefetch(&requests[0]));
    }

    #[test]
    fn a_discarded_request_frees_its_place_and_is_not_sent_again() {
        let server = test_server::start(|_, _| answer(502, "", b""));
        let policy = RequestPolicy { max_attempts: 1_000, ..RequestPolicy::SYNC };
        let mut pool = pool_with(&server, policy, SystemClock::start());
        let requests = requests(16);
        for request in &requests[..8] {
            assert!(pool.prefetch(request));
        }
        assert!(!pool.prefetch(&requests[8]));
        for request in &requests {
            pool.discard(request);
        }
        assert!(pool.prefetch(&requests[8]));
        pool.discard(&requests[8]);
        thread::sleep(Duration::from_millis(300));
        let before = server.requests().len();
        thread::sleep(Duration::from_millis(1_700));
        assert_eq!(server.requests().len(), before);
    }

    #[test]
    fn a_slow_ticker_holds_up_no_request_of_the_others() {
        let server = test_server::start(|target, _| {
            if target.contains("/SLOW/") {
                thread::sleep(Duration::from_secs(3));
            }
            ok(&page(target))
        });
        let mut pool = pool(&server, RequestPolicy::SYNC);
        assert!(pool.prefetch(&request("SLOW")));
        let started = Instant::now();
        for request in requests(40) {
            fetch(&mut pool, &request).unwrap();
        }
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        fetch(&mut pool, &request("SLOW")).unwrap();
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
        let mut pool = pool(&server, RequestPolicy::SYNC);
        let (mut causes, mut statuses) = (Vec::new(), Vec::new());
        let request = request("TSLA");
        pool.fetch(&request, &mut |event| match event {
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
    fn a_request_that_always_fails_is_given_up() {
        let server = test_server::start(|_, number| if number % 2 == 0 { answer(500, "", b"") } else { ok("no JSON") });
        let policy = RequestPolicy { max_attempts: 4, ..RequestPolicy::SYNC };
        let error = fetch(&mut pool(&server, policy), &request("TSLA")).unwrap_err();
        let shown = error.to_string();
        assert!(
            shown.starts_with(&format!(
                "request to {} failed after 4 attempts (HTTP 200: the response is not JSON",
                server.origin
            )),
            "{shown}"
        );
        assert_eq!(server.requests().len(), 4);
    }

    #[test]
    fn a_429_is_waited_out_reported_and_uses_up_no_attempt() {
        let server = test_server::start(|target, number| match number {
            0 | 3 => answer(429, "Retry-After: 1\r\n", b""),
            _ => ok(&page(target)),
        });
        let policy = RequestPolicy { max_attempts: 1, ..RequestPolicy::SYNC };
        let mut pool = pool(&server, policy);
        assert_eq!(pool.requests_per_minute(), None);
        let mut closings = 0;
        for request in &requests(5) {
            let mut count = |event| closings += usize::from(matches!(event, Event::RateLimited { .. }));
            pool.fetch(request, &mut count).unwrap();
        }
        assert_eq!((closings, server.requests().len()), (2, 7));
        assert_eq!(pool.requests_per_minute(), Some(5));
    }

    #[test]
    fn a_check_does_not_wait_after_a_429_and_a_sync_gives_up_in_the_end() {
        let server = test_server::start(|_, _| answer(429, "", br#"{"error":"too many"}"#));
        let mut events = Vec::new();
        let error = pool(&server, RequestPolicy::CHECK).fetch(&request("TSLA"), &mut |event| events.push(event));
        assert!(error.unwrap_err().is_rate_limited());
        assert!(!events.iter().any(|event| matches!(event, Event::RateLimited { .. })), "{events:?}");
        assert_eq!(server.requests().len(), 1);
        let error = fetch(&mut pool(&server, RequestPolicy::SYNC), &request("TSLA")).unwrap_err();
        assert!(error.is_fatal() && error.is_rate_limited(), "{error}");
    }

    #[test]
    fn workers_end_with_the_pool() {
        let server = test_server::start(|_, _| answer(502, "", b""));
        let mut pool = pool(&server, RequestPolicy { max_attempts: u32::MAX, ..RequestPolicy::SYNC });
        for request in requests(8) {
            assert!(pool.prefetch(&request));
        }
        let shared = Arc::downgrade(&pool.shared);
        drop(pool);
        let started = Instant::now();
        while shared.strong_count() > 0 {
            assert!(started.elapsed() < Duration::from_secs(5), "workers still run");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
