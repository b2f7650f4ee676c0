//! A fake of the Polygon.io API on loopback: it answers from a [`Market`], or misbehaves as it is told to.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use source_stock_ticker_api::clock::SharedClock;

use super::market::{Market, error};

/// The one key that the fake API knows.
pub const KEY: &str = "pk_0000testkey0000";

/// How an answer can go wrong.
#[derive(Clone)]
pub enum Fault {
    /// Another status, with headers and a body.
    Status(u16, String, String),
    /// The true answer, changed.
    Changed(Arc<dyn Fn(String) -> String + Send + Sync>),
    /// The connection ends before a byte of the answer.
    Reset,
    /// The connection ends after half of the body.
    CutInHalf,
    /// The headers come, and then nothing.
    Silent,
    /// A success with as many bytes as no page has.
    Gigantic,
}

impl Fault {
    /// The true answer, changed.
    pub fn changed(change: impl Fn(String) -> String + Send + Sync + 'static) -> Fault {
        Fault::Changed(Arc::new(change))
    }

    /// Another status with a body.
    pub fn status(status: u16, headers: &str, body: &str) -> Fault {
        Fault::Status(status, headers.to_owned(), body.to_owned())
    }
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub query: String,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// Decides by the request's number, from 0, and the request itself whether its answer goes wrong.
pub type Mischief = Box<dyn Fn(usize, &Request) -> Option<Fault> + Send>;

struct Shared {
    market: Mutex<Market>,
    requests: Mutex<Vec<Request>>,
    mischief: Mutex<Mischief>,
    /// So many requests in any 60 seconds of the clock, and when the latest were.
    quota: Mutex<Option<(usize, SharedClock, VecDeque<Duration>)>>,
    host: String,
}

/// The fake API; it serves until the process ends.
pub struct FakeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl FakeApi {
    /// Serves `market` on a free port.
    pub fn start(market: Market) -> FakeApi {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            market: Mutex::new(market),
            requests: Mutex::default(),
            mischief: Mutex::new(Box::new(|_, _| None)),
            quota: Mutex::default(),
            // The real API names itself, whatever it was called.
            host: "api.massive.com".to_owned(),
        });
        let serving = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                thread::spawn(move || serve(&shared, stream));
            }
        });
        FakeApi { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the API knows; a change holds from the next request on.
    pub fn market(&self) -> MutexGuard<'_, Market> {
        self.shared.market.lock().expect("no panic")
    }

    /// Takes the requests that came in since this was last called.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.shared.requests.lock().expect("no panic"))
    }

    pub fn misbehave(&self, mischief: impl Fn(usize, &Request) -> Option<Fault> + Send + 'static) {
        *self.shared.mischief.lock().expect("no panic") = Box::new(mischief);
    }

    /// From now on only so many requests get through in any 60 seconds of `clock`.
    pub fn set_quota(&self, requests: usize, clock: SharedClock) {
        *self.shared.quota.lock().expect("no panic") = Some((requests, clock, VecDeque::new()));
    }
}

fn serve(shared: &Shared, stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("a handle"));
    let mut stream = stream;
    stream.set_nodelay(true).expect("an option");
    while let Some(request) = read_request(&mut reader) {
        if !respond(shared, &request, &mut stream) {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let target = lines.first()?.split(' ').nth(1)?.to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let header =
        |line: &String| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let headers = lines[1..].iter().filter_map(header).collect();
    Some(Request { path: path.to_owned(), query: query.to_owned(), headers })
}

/// Answers; `false` if the connection is to be closed.
fn respond(shared: &Shared, request: &Request, stream: &mut TcpStream) -> bool {
    let number = {
        let mut requests = shared.requests.lock().expect("no panic");
        requests.push(request.clone());
        requests.len() - 1
    };
    let fault = (shared.mischief.lock().expect("no panic"))(number, request);
    let (status, body) = if request.header("authorization") != Some(&format!("Bearer {KEY}")) {
        error(401, "Unknown API Key")
    } else if is_over_quota(shared) {
        error(
            429,
            "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue.",
        )
    } else {
        shared.market.lock().expect("no panic").answer(&shared.host, &request.path, &request.query)
    };
    let whole = |status: u16, headers: &str, body: &str| {
        format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}Content-Type: application/json\r\n\r\n{body}",
            body.len()
        )
    };
    match fault {
        None => stream.write_all(whole(status, "", &body).as_bytes()).is_ok(),
        Some(Fault::Status(status, headers, body)) => {
            stream.write_all(whole(status, &headers, &body).as_bytes()).is_ok()
        }
        Some(Fault::Changed(change)) => stream.write_all(whole(status, "", &change(body)).as_bytes()).is_ok(),
        Some(Fault::Reset) => false,
        Some(Fault::CutInHalf) => {
            let whole = whole(status, "", &body);
            let _ = stream.write_all(&whole.as_bytes()[..whole.len() - body.len() / 2]);
            false
        }
        Some(Fault::Silent) => {
            let whole = whole(status, "", &body);
            let _ = stream.write_all(&whole.as_bytes()[..whole.len() - body.len()]);
            // Longer than any test lets the connector wait; the connector hangs up first.
            thread::sleep(Duration::from_secs(2));
            false
        }
        Some(Fault::Gigantic) => {
            let _ = stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 99999999999\r\n\r\n{\"results\":[");
            let filler = [b' '; 1 << 16];
            while stream.write_all(&filler).is_ok() {}
            false
        }
    }
}

fn is_over_quota(shared: &Shared) -> bool {
    let mut quota = shared.quota.lock().expect("no panic");
    let Some((allowed, clock, latest)) = quota.as_mut() else { return false };
    let now = clock.elapsed();
    while latest.front().is_some_and(|then| *then + Duration::from_secs(60) <= now) {
        latest.pop_front();
    }
    let is_over = latest.len() >= *allowed;
    if !is_over {
        latest.push_back(now);
    }
    is_over
}
