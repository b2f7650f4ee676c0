//! What all fake servers share: the market, the key, the quota, the requests received, and the faults.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use source_stock_ticker_api::clock::SharedClock;

use super::answers::{Answer, answer, error};
use super::fault::Fault;
use super::market::Market;

/// The one key that the fake API knows.
pub const KEY: &str = "pk_0000testkey0000";

const OVER_QUOTA: &str =
    "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue.";

/// A request as received.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub query: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// Decides by the request and its number, from 0, what goes wrong with the response.
pub type FaultInjector = Box<dyn Fn(usize, &Request) -> Option<Fault> + Send>;

/// At most `allowed` requests in any 60 seconds.
struct Quota {
    allowed: usize,
    clock: SharedClock,
    granted: VecDeque<Duration>,
}

/// A server's data and records.
struct Backend {
    market: Mutex<Market>,
    requests: Mutex<Vec<Request>>,
    injector: Mutex<FaultInjector>,
    quota: Mutex<Option<Quota>>,
    /// The clock that the market's time follows, if any.
    clock: Mutex<Option<SharedClock>>,
}

/// A fake of the API; it serves until the process ends.
#[derive(Clone)]
pub struct FakeApi {
    origin: String,
    backend: Arc<Backend>,
}

impl FakeApi {
    /// The fake API that answers from `market` at `origin`.
    pub(super) fn new(origin: String, market: Market) -> FakeApi {
        let backend = Backend {
            market: Mutex::new(market),
            requests: Mutex::default(),
            injector: Mutex::new(Box::new(|_, _| None)),
            quota: Mutex::default(),
            clock: Mutex::default(),
        };
        FakeApi { origin, backend: Arc::new(backend) }
    }

    /// The `api_url` for a configuration.
    pub fn url(&self) -> String {
        self.origin.clone()
    }

    /// The API's data; changes take effect with the next request.
    pub fn market(&self) -> MutexGuard<'_, Market> {
        self.backend.market.lock().expect("no panic")
    }

    /// Takes the requests received since the last call.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.backend.requests.lock().expect("no panic"))
    }

    /// The number of requests received since they were last taken.
    pub fn request_count(&self) -> usize {
        self.backend.requests.lock().expect("no panic").len()
    }

    /// From now on, `injector` decides what goes wrong with each response.
    pub fn inject_faults(&self, injector: impl Fn(usize, &Request) -> Option<Fault> + Send + 'static) {
        *self.backend.injector.lock().expect("no panic") = Box::new(injector);
    }

    /// From now on, nothing goes wrong.
    pub fn heal(&self) {
        self.inject_faults(|_, _| None);
    }

    /// From now on, at most `allowed` requests in any 60 seconds of `clock` succeed.
    pub fn set_quota(&self, allowed: usize, clock: SharedClock) {
        let quota = Quota { allowed, clock, granted: VecDeque::new() };
        *self.backend.quota.lock().expect("no panic") = Some(quota);
    }

    /// From now on, the market's time is the clock's.
    pub fn follow(&self, clock: SharedClock) {
        *self.backend.clock.lock().expect("no panic") = Some(clock);
    }

    /// Records a request; returns the correct response and the fault to inject into it.
    pub(super) fn receive(&self, path: &str, query: &str, headers: Vec<(String, String)>) -> (Answer, Option<Fault>) {
        let backend = &*self.backend;
        if let Some(clock) = &*backend.clock.lock().expect("no panic") {
            self.market().now = clock.now();
        }
        let request = Request { path: path.to_owned(), query: query.to_owned(), headers };
        let number = {
            let mut requests = backend.requests.lock().expect("no panic");
            requests.push(request.clone());
            requests.len() - 1
        };
        let fault = (backend.injector.lock().expect("no panic"))(number, &request);
        (self.due_answer(&request), fault)
    }

    fn due_answer(&self, request: &Request) -> Answer {
        match request.header("authorization") {
            None => error(401, "API Key was not provided"),
            Some(header) if header != format!("Bearer {KEY}") => error(401, "Unknown API Key"),
            Some(_) if self.is_over_quota() => error(429, OVER_QUOTA),
            Some(_) => answer(&self.market(), &request.path, &request.query),
        }
    }

    fn is_over_quota(&self) -> bool {
        let mut quota = self.backend.quota.lock().expect("no panic");
        let Some(Quota { allowed, clock, granted }) = quota.as_mut() else {
            return false;
        };
        let now = clock.elapsed();
        while granted.front().is_some_and(|then| *then + Duration::from_secs(60) <= now) {
            granted.pop_front();
        }
        let is_over = granted.len() >= *allowed;
        if !is_over {
            granted.push_back(now);
        }
        is_over
    }
}
