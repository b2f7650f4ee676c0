//! The one pool of requests of a run: up to eight under way, answers in the order in which they are
//! waited for.

use std::sync::Arc;
use std::time::Duration;

use super::queue::{Job, JobId, Queue};
use super::response::Page;
use super::retry::retry_or_fail;
use super::worker::hire;
use super::{ApiError, Client, Event, Request};

/// Fetches pages for the one thread that owns it. Workers send the requests and keep the answers
/// compressed; inflating and parsing happens on the owner's thread, when the answer's turn comes.
/// The workers end when it is dropped.
pub(crate) struct Fetcher {
    client: Arc<Client>,
    queue: Arc<Queue>,
    last_id: JobId,
}

/// A request that was queued. Dropping it cancels the request: if it was not sent yet it never is,
/// else its answer is thrown away.
pub(crate) struct Ticket {
    id: JobId,
    queue: Arc<Queue>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.lock().cancel(self.id);
        self.queue.work.notify_all();
    }
}

impl Fetcher {
    /// A pool that has started nothing yet.
    pub(crate) fn new(client: Client) -> Fetcher {
        Fetcher {
            client: Arc::new(client),
            queue: Arc::default(),
            last_id: 0,
        }
    }

    /// Queues a request behind those that are queued.
    pub(crate) fn prefetch(&mut self, request: &Request) -> Ticket {
        self.last_id += 1;
        let id = self.last_id;
        let mut state = self.queue.lock();
        state.wanted.insert(id);
        state.queued.insert(
            id,
            Job {
                request: request.clone(),
                failed_attempts: 0,
                not_before: Duration::ZERO,
            },
        );
        hire(&self.client, &self.queue, &mut state);
        drop(state);
        self.queue.work.notify_all();
        Ticket {
            id,
            queue: Arc::clone(&self.queue),
        }
    }

    /// Sends a request before all that are queued, and waits for its answer.
    pub(crate) fn fetch(
        &mut self,
        request: &Request,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Page, ApiError> {
        let id = self.last_id + 1;
        // From the beginning no worker takes another job for more urgent.
        self.queue.lock().awaited = Some(id);
        let ticket = self.prefetch(request);
        self.wait(ticket, on_event)
    }

    /// Waits for the answer to a queued request, which becomes the most urgent one. `on_event`
    /// hears what happened to this and to all other requests meanwhile and before.
    pub(crate) fn wait(
        &mut self,
        ticket: Ticket,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Page, ApiError> {
        let id = ticket.id;
        let mut state = self.queue.lock();
        state.awaited = Some(id);
        hire(&self.client, &self.queue, &mut state);
        self.queue.work.notify_all();
        let outcome = loop {
            while let Some(event) = state.events.pop_front() {
                drop(state);
                on_event(event);
                state = self.queue.lock();
            }
            let Some((job, answer)) = state.answers.remove(&id) else {
                state = self.queue.wait_for_news(state);
                continue;
            };
            let body = match answer {
                Ok(body) => body,
                Err(error) => break Err(error),
            };
            state.buffered -= body.bytes.len();
            self.queue.work.notify_all();
            drop(state);
            let page = self.client.read_page(&job.request, body);
            state = self.queue.lock();
            match page {
                Ok(page) => break Ok(page),
                Err(Err(error)) => break Err(error),
                Err(Ok(cause)) => {
                    retry_or_fail(&self.client, &mut state, id, job, cause);
                    hire(&self.client, &self.queue, &mut state);
                    self.queue.work.notify_all();
                }
            }
        };
        state.awaited = None;
        drop(state);
        drop(ticket);
        outcome
    }

    /// Whether another [`Fetcher::prefetch`] makes sense: few enough are neither waited for nor
    /// cancelled, and few enough bytes wait.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.lock().has_room()
    }

    /// How many requests a minute the API lets through, once that is known.
    pub(crate) fn limit(&self) -> Option<usize> {
        self.queue.lock().limiter.limit()
    }

    /// Whether the API has refused a request in this run because there were too many (429).
    pub(crate) fn rate_limited(&self) -> bool {
        self.queue.lock().was_rate_limited
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.work.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Instant;

    use crate::calendar::{DateRange, parse_date};
    use crate::clock::{Clock, SystemClock};
    use crate::market::Market;
    use crate::notices::Notice;
    use crate::polygon::test_server::{self, Server, answer, gzip, ok};
    use crate::polygon::{Origin, RequestPolicy};
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
            let wait = moment.saturating_sub(self.elapsed());
            *self.1.lock().unwrap() += wait;
        }
    }

    fn fetcher(server: &Server, policy: RequestPolicy) -> Fetcher {
        let clock = Arc::new(HastyClock(Instant::now(), Mutex::default()));
        let origin = Origin::parse(&server.origin).unwrap();
        Fetcher::new(Client::new(origin, &Secret::new("a-key"), policy, clock).unwrap())
    }

    fn request(ticker: &str) -> Request {
        let day = DateRange::day(parse_date("2026-07-15").unwrap());
        Request::range(ticker, Market::Stocks, Timespan::DAY, day, true)
    }

    /// The ticker that a request asks for.
    fn ticker(target: &str) -> &str {
        target.split('/').nth(4).unwrap()
    }

    fn page(target: &str) -> String {
        format!(
            r#"{{"ticker":"{}","resultsCount":0,"results":[]}}"#,
            ticker(target)
        )
    }

    fn about(page: &Page) -> &str {
        page.envelope.ticker.as_deref().unwrap()
    }

    fn ignore() -> impl FnMut(Event) {
        |_| {}
    }

    #[test]
    fn answers_come_in_the_order_in_which_they_are_waited_for() {
        let server = test_server::start(|target, _| {
            let number: u64 = ticker(target)[1..].parse().unwrap();
            thread::sleep(Duration::from_millis(80_u64.saturating_sub(number * 10)));
            ok(&page(target))
        });
        let mut fetcher = fetcher(&server, RequestPolicy::SYNC);
        let names: Vec<String> = (0..20).map(|number| format!("T{number}")).collect();
        let tickets: Vec<_> = names
            .iter()
            .map(|ticker| fetcher.prefetch(&request(ticker)))
            .collect();
        for (ticket, ticker) in tickets.into_iter().zip(&names) {
            assert_eq!(about(&fetcher.wait(ticket, &mut ignore()).unwrap()), ticker);
        }
    }

    #[test]
    fn up_to_eight_requests_are_under_way_at_a_time() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (current, highest) = (Arc::clone(&now), Arc::clone(&most));
        let server = test_server::start(move |target, _| {
            highest.fetch_max(current.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(40));
            current.fetch_sub(1, Ordering::SeqCst);
            ok(&page(target))
        });
        let mut fetcher = fetcher(&server, RequestPolicy::SYNC);
        assert!(fetcher.has_room());
        let tickets: Vec<_> = (0..40)
            .map(|number| fetcher.prefetch(&request(&format!("T{number}"))))
            .collect();
        assert!(!fetcher.has_room());
        for ticket in tickets {
            fetcher.wait(ticket, &mut ignore()).unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 8);
        assert!(fetcher.has_room());
    }

    #[test]
    fn what_is_fetched_goes_before_what_is_queued() {
        let server = test_server::start(|target, _| {
            thread::sleep(Duration::from_millis(50));
            ok(&page(target))
        });
        let mut fetcher = fetcher(&server, RequestPolicy::SYNC);
        let tickets: Vec<_> = (0..30)
            .map(|number| fetcher.prefetch(&request(&format!("T{number}"))))
            .collect();
        fetcher.fetch(&request("URGENT"), &mut ignore()).unwrap();
        assert!(server.requests().len() <= 25, "{}", server.requests().len());
        drop(tickets);
    }

    #[test]
    fn a_dropped_ticket_is_never_sent() {
        let server = test_server::start(|target, _| {
            thread::sleep(Duration::from_millis(30));
            ok(&page(target))
        });
        let mut fetcher = fetcher(&server, RequestPolicy::SYNC);
        let tickets: Vec<_> = (0..100)
            .map(|number| fetcher.prefetch(&request(&format!("T{number}"))))
            .collect();
        drop(tickets);
        fetcher.fetch(&request("LAST"), &mut ignore()).unwrap();
        assert!(server.requests().len() <= 9, "{}", server.requests().len());
        let state = fetcher.queue.lock();
        assert_eq!(
            (state.wanted.len(), state.answers.len(), state.queued.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn failures_that_may_pass_are_retried_and_told() {
        let server = test_server::start(|target, number| match number {
            0 => answer(502, "", b"<html>"),
            1 => b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec(),
            2 => ok("not JSON"),
            3 => answer(200, "Content-Encoding: gzip\r\n", b"{}"),
            4 => ok(r#"{"ticker":"OTHER"}"#),
            _ => ok(&page(target)),
        });
        let mut fetcher = fetcher(&server, RequestPolicy::SYNC);
        let mut events = Vec::new();
        let page = fetcher
            .fetch(&request("TSLA"), &mut |event| events.push(event))
            .unwrap();
        assert_eq!(about(&page), "TSLA");
        let mut causes = Vec::new();
        for event in &events {
            if let Event::Notice(Notice::Retrying {
                request,
                attempt,
                max_attempts,
                cause,
                ..
            }) = event
            {
                assert_eq!((*attempt as usize, *max_attempts), (causes.len() + 1, 6));
                assert!(request.starts_with("/v2/aggs/ticker/TSLA/"), "{request}");
                causes.push(cause.as_str());
            }
        }
        let expected = [
            "HTTP 502: an HTML page",
            "broke off",
            "not JSON",
            "not compressed",
            "OTHER instead of TSLA",
        ];
        assert_eq!(causes.len(), expected.len(), "{causes:?}");
        assert!(
            causes
                .iter()
                .zip(expected)
                .all(|(cause, expected)| cause.contains(expected)),
            "{causes:?}"
        );
        assert_eq!(server.requests().len(), 6);
        let statuses: Vec<u16> = events
            .iter()
            .filter_map(|event| {
                if let Event::Notice(Notice::Answered { status, .. }) = event {
                    Some(*status)
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(statuses, [502, 200, 200, 200, 200, 200]);
    }

    #[test]
    fn what_fails_every_time_is_given_up() {
        let server = test_server::start(|_, number| {
            if number % 2 == 0 {
                answer(500, "", b"")
            } else {
                ok("no JSON")
            }
        });
        let mut fetcher = fetcher(
            &server,
            RequestPolicy {
                max_attempts: 4,
                ..RequestPolicy::SYNC
            },
        );
        let error = fetcher.fetch(&request("TSLA"), &mut ignore()).unwrap_err();
        let ApiError::Unavailable {
            origin,
            attempts: 4,
            cause,
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!(
            (origin, server.requests().len()),
            (server.origin.clone(), 4)
        );
        assert!(cause.contains("not JSON"), "{cause}");
    }

    #[test]
    fn a_refusal_for_the_rate_is_waited_out_and_uses_up_no_attempt() {
        let server = test_server::start(|target, number| {
            if number < 10 {
                answer(429, "Retry-After: 1\r\n", b"")
            } else {
                ok(&page(target))
            }
        });
        let mut fetcher = fetcher(
            &server,
            RequestPolicy {
                max_attempts: 1,
                ..RequestPolicy::SYNC
            },
        );
        let mut waits = 0;
        let mut count = |event| waits += usize::from(matches!(event, Event::RateLimited { .. }));
        assert!(fetcher.fetch(&request("TSLA"), &mut count).is_ok());
        assert_eq!(
            (waits, fetcher.rate_limited(), fetcher.limit()),
            (10, true, None)
        );
    }

    #[test]
    fn a_refusal_for_the_rate_ends_what_is_not_to_wait() {
        let server = test_server::start(|_, _| answer(429, "", br#"{"error":"too many"}"#));
        let mut fetcher = fetcher(&server, RequestPolicy::CHECK);
        for _ in 0..3 {
            let error = fetcher.fetch(&request("TSLA"), &mut ignore()).unwrap_err();
            assert_eq!(error, ApiError::RateLimited("too many".to_owned()));
        }
        assert_eq!(server.requests().len(), 1, "the gate is closed");
    }

    #[test]
    fn nothing_but_refusals_are_given_up_in_the_end() {
        let server = test_server::start(|_, _| answer(429, "", b""));
        let mut fetcher = fetcher(&server, RequestPolicy::SYNC);
        let error = fetcher.fetch(&request("TSLA"), &mut ignore()).unwrap_err();
        assert!(matches!(error, ApiError::RateLimited(_)), "{error:?}");
    }

    #[test]
    fn large_bodies_wait_in_bounded_memory_and_none_is_lost() {
        let server = test_server::start(|target, _| {
            ok(&format!("{}{}", page(target), " ".repeat(10 << 20)))
        });
        let mut fetcher = fetcher(&server, RequestPolicy::SYNC);
        let names: Vec<String> = (0..10).map(|number| format!("T{number}")).collect();
        let tickets: Vec<_> = names
            .iter()
            .map(|ticker| fetcher.prefetch(&request(ticker)))
            .collect();
        thread::sleep(Duration::from_millis(700));
        let buffered = fetcher.queue.lock().buffered;
        assert!(((10 << 20)..=(16 << 20)).contains(&buffered), "{buffered}");
        assert!(!fetcher.has_room());
        // All workers rest with bodies of their own, and still what is fetched comes through.
        assert_eq!(
            about(&fetcher.fetch(&request("URGENT"), &mut ignore()).unwrap()),
            "URGENT"
        );
        for (ticket, ticker) in tickets.into_iter().zip(&names).rev() {
            assert_eq!(about(&fetcher.wait(ticket, &mut ignore()).unwrap()), ticker);
        }
        assert_eq!(fetcher.queue.lock().buffered, 0);
        assert_eq!(server.requests().len(), 11);
        assert_that_all_workers_are_idle(&fetcher, 8);
    }

    /// Waits until so many workers are there, all idle and none at rest.
    fn assert_that_all_workers_are_idle(fetcher: &Fetcher, expected: usize) {
        let mut counts = (0, 0, 0);
        for _ in 0..400 {
            let state = fetcher.queue.lock();
            counts = (state.workers, state.idle, state.resting);
            drop(state);
            if counts == (expected, expected, 0) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("workers, idle, resting: {counts:?}");
    }

    #[test]
    fn workers_that_wait_are_there_for_the_next_request() {
        let server = test_server::start(|target, number| {
            if number % 2 == 0 {
                answer(502, "", b"")
            } else {
                ok(&page(target))
            }
        });
        let mut fetcher = fetcher(&server, RequestPolicy::SYNC);
        for number in 0..5 {
            fetcher
                .fetch(&request(&format!("T{number}")), &mut ignore())
                .unwrap();
        }
        let workers = fetcher.queue.lock().workers;
        assert_that_all_workers_are_idle(&fetcher, workers);
        assert!(
            (1..=3).contains(&workers),
            "{workers} for one request at a time"
        );
        assert_eq!(fetcher.queue.lock().limiter.answers(), 5, "a 502 is none");
    }

    #[test]
    fn events_hold_path_and_query_and_sizes_as_received() {
        let server = test_server::start(|target, _| {
            answer(
                200,
                "Content-Encoding: gzip\r\n",
                &gzip(page(target).as_bytes()),
            )
        });
        let mut fetcher = fetcher(&server, RequestPolicy::SYNC);
        let mut events = Vec::new();
        fetcher
            .fetch(&request("TSLA"), &mut |event| events.push(event))
            .unwrap();
        let [
            Event::Notice(Notice::Answered {
                request: target,
                status: 200,
                bytes,
                ..
            }),
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!(target, request("TSLA").target());
        assert!((20..100).contains(bytes), "{bytes}");
    }

    #[test]
    fn workers_end_with_the_pool() {
        let server = test_server::start(|target, _| ok(&page(target)));
        let clock = SystemClock::start();
        let origin = Origin::parse(&server.origin).unwrap();
        let client =
            Client::new(origin, &Secret::new("a-key"), RequestPolicy::SYNC, clock).unwrap();
        let mut fetcher = Fetcher::new(client);
        let tickets: Vec<_> = (0..8)
            .map(|number| fetcher.prefetch(&request(&format!("T{number}"))))
            .collect();
        for ticket in tickets {
            fetcher.wait(ticket, &mut ignore()).unwrap();
        }
        let queue = Arc::clone(&fetcher.queue);
        drop(fetcher);
        let started = Instant::now();
        while queue.lock().workers > 0 {
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "workers still run"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}
