//! Where a sync's pages come from: the network, or an API in memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::body::Body;
use super::interpreter::{Interpreter, Reply};
use super::pool::MAX_PENDING;
use super::retry::retry;
use super::{ApiError, Event, Request, RequestPolicy};
use crate::bars::Page;
use crate::events::{EventField, EventPage};

/// Receives what happens while a request waits for its response.
type OnEvent<'a> = &'a mut dyn FnMut(Event);

/// Fetches pages. A request that will be needed soon can be sent ahead of time; its response is kept until it is fetched or
/// discarded.
pub(crate) trait PageSource {
    /// Sends a request ahead of time; `false` if there is no capacity. A request that is already pending is not sent twice.
    fn prefetch(&mut self, request: &Request) -> bool;

    /// Cancels a request that was sent ahead of time.
    fn discard(&mut self, request: &Request);

    /// The number of responses in the last minute, or in the minute before the API last rejected a request because of its
    /// rate (429), whichever is greater; `None` before the first 429.
    fn requests_per_minute(&self) -> Option<usize>;

    /// Returns a successful response, waiting for it if necessary. `failures` counts the attempts that failed; if there are
    /// some, the request is sent again after `delay`.
    fn receive(
        &mut self,
        request: &Request,
        failures: &mut u32,
        delay: Duration,
        on_event: OnEvent<'_>,
    ) -> Result<Reply, ApiError>;

    /// What interprets responses, and says how often a request is sent whose response is unusable.
    fn reading(&self) -> (&Interpreter, &RequestPolicy);

    /// Returns the page of bars for a request.
    fn fetch(&mut self, request: &Request, on_event: OnEvent<'_>) -> Result<Page, ApiError> {
        fetch(self, request, on_event, |interpreter, reply| interpreter.bars(request, reply))
    }

    /// Returns the page of corporate actions for a request, with these fields of each row.
    fn fetch_events(
        &mut self,
        request: &Request,
        fields: &[EventField],
        on_event: OnEvent<'_>,
    ) -> Result<EventPage, ApiError> {
        fetch(self, request, on_event, |interpreter, reply| interpreter.events(request, fields, reply))
    }
}

fn fetch<P>(
    pages: &mut (impl PageSource + ?Sized),
    request: &Request,
    on_event: OnEvent<'_>,
    read: impl Fn(&Interpreter, Reply) -> Result<P, ApiError>,
) -> Result<P, ApiError> {
    let (mut failures, mut delay) = (0, Duration::ZERO);
    let page = loop {
        let reply = pages.receive(request, &mut failures, delay, on_event);
        let (interpreter, policy) = pages.reading();
        let error = match reply.and_then(|reply| read(interpreter, reply)) {
            Err(error) if error.is_unavailable() && failures < policy.max_attempts => error,
            page => break page,
        };
        match retry(policy, request, &mut failures, error, &mut *on_event) {
            Ok(wait) => delay = wait,
            Err(error) => break Err(error),
        }
    };
    pages.discard(request);
    page
}

/// An API in memory.
pub trait Exchange: Send {
    /// The HTTP status and the body for a request.
    fn get(&mut self, target: &str) -> (u16, String);
}

/// An API in memory as a source of pages: its responses are interpreted like those from the network, and retried without
/// waiting.
pub(super) struct InMemory {
    interpreter: Interpreter,
    policy: RequestPolicy,
    exchange: Arc<Mutex<dyn Exchange>>,
    pending: Vec<Request>,
}

/// The number of 429 in a row after which a request is given up: as many minutes as the network would be given.
const MAX_REJECTIONS: u32 = 15;

impl InMemory {
    /// Takes its pages from `exchange`.
    pub(super) fn new(interpreter: Interpreter, policy: RequestPolicy, exchange: Arc<Mutex<dyn Exchange>>) -> InMemory {
        InMemory { interpreter, policy, exchange, pending: Vec::new() }
    }
}

impl PageSource for InMemory {
    fn prefetch(&mut self, request: &Request) -> bool {
        if self.pending.contains(request) {
            return true;
        }
        let has_capacity = self.pending.len() < MAX_PENDING;
        if has_capacity {
            self.pending.push(request.clone());
        }
        has_capacity
    }

    fn discard(&mut self, request: &Request) {
        self.pending.retain(|pending| pending != request);
    }

    fn requests_per_minute(&self) -> Option<usize> {
        None
    }

    fn receive(&mut self, request: &Request, _: &mut u32, _: Duration, _: OnEvent<'_>) -> Result<Reply, ApiError> {
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rejections = 0;
        loop {
            let (status, text) = exchange.get(request.target());
            let body = Body { bytes: text.into_bytes(), is_gzipped: false };
            let reply = Reply { status, retry_after: None, request_id: None, body };
            if reply.is_success() {
                return Ok(reply);
            }
            let error = self.interpreter.refusal(request, reply);
            if !error.is_rate_limited() || rejections == MAX_REJECTIONS {
                return Err(error);
            }
            rejections += 1;
        }
    }

    fn reading(&self) -> (&Interpreter, &RequestPolicy) {
        (&self.interpreter, &self.policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    /// Gives these responses, the last one for ever.
    struct Script(Vec<(u16, &'static str)>, usize);

    impl Exchange for Script {
        fn get(&mut self, _: &str) -> (u16, String) {
            let (status, text) = self.0[self.1.min(self.0.len() - 1)];
            self.1 += 1;
            (status, text.to_owned())
        }
    }

    /// What a fetch ends with, the number of responses, and that of the retries.
    fn fetch(script: &[(u16, &'static str)]) -> (Result<EventPage, ApiError>, usize, usize) {
        let exchange = Arc::new(Mutex::new(Script(script.to_vec(), 0)));
        let interpreter = Interpreter::new(Secret::new("a-key"), "https://host".to_owned());
        let mut pages = InMemory::new(interpreter, RequestPolicy::SYNC, exchange.clone());
        let mut retries = 0;
        let result = pages.fetch_events(&Request::splits(&[]), &[], &mut |_| retries += 1);
        let responses = exchange.lock().unwrap().1;
        (result, responses, retries)
    }

    #[test]
    fn an_api_in_memory_is_retried_like_the_network() {
        let (result, responses, retries) = fetch(&[(502, ""), (429, ""), (200, "<html>"), (200, "{}")]);
        assert!(result.is_ok());
        assert_eq!((responses, retries), (4, 2));
        let (result, responses, _) = fetch(&[(500, "")]);
        assert!(result.unwrap_err().to_string().contains("after 6 attempts"));
        assert_eq!(responses, 6);
        let (result, responses, retries) = fetch(&[(429, "")]);
        assert!(result.unwrap_err().is_rate_limited());
        assert_eq!((responses, retries), (16, 0));
        let (result, responses, _) = fetch(&[(401, "")]);
        assert!(result.unwrap_err().is_unauthorized());
        assert_eq!(responses, 1);
    }

    #[test]
    fn an_api_in_memory_has_the_capacity_of_the_network() {
        let interpreter = Interpreter::new(Secret::new("a-key"), "https://host".to_owned());
        let exchange = Arc::new(Mutex::new(Script(vec![(200, "{}")], 0)));
        let mut pages = InMemory::new(interpreter, RequestPolicy::SYNC, exchange);
        let requests: Vec<_> = (0..9).map(|number| Request::splits(&[&format!("T{number}")])).collect();
        assert!(requests[..8].iter().all(|request| pages.prefetch(request)));
        assert!(!pages.prefetch(&requests[8]) && pages.prefetch(&requests[0]));
        pages.discard(&requests[0]);
        assert!(pages.prefetch(&requests[8]));
        pages.fetch_events(&requests[8], &[], &mut |_| {}).unwrap();
        assert!(pages.prefetch(&requests[0]));
    }
}
