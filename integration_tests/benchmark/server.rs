//! A server that does little but send: it keeps every response for later requests.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::exchange::Exchange;

/// The delay of responses over a network.
pub(crate) const NETWORK: Duration = Duration::from_millis(300);

/// Serves until the process ends.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    exchange: Exchange,
    delay: Duration,
    ready: Mutex<HashMap<String, Arc<Answer>>>,
    requests: Mutex<Requests>,
}

/// The requests since the last call of `take_requests`.
#[derive(Default)]
pub(crate) struct Requests {
    pub(crate) targets: Vec<String>,
    /// The size of the bodies, gzipped.
    pub(crate) sent_bytes: usize,
    /// The size of the bodies, uncompressed.
    pub(crate) json_bytes: usize,
}

struct Answer {
    json_bytes: usize,
    gzipped: Vec<u8>,
}

impl Server {
    /// Serves an exchange, with a delay before each response.
    pub(crate) fn start(exchange: Exchange, delay: Duration) -> Result<Server> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { exchange, delay, ready: Mutex::default(), requests: Mutex::default() });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&served);
                thread::spawn(move || serve(&shared, stream));
            }
        });
        Ok(Server { address, shared })
    }

    /// The `api_url` for a configuration.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes the requests received since the last call.
    pub(crate) fn take_requests(&self) -> Requests {
        std::mem::take(&mut *lock(&self.shared.requests))
    }
}

impl Shared {
    fn answer(&self, target: &str) -> Option<Arc<Answer>> {
        if let Some(answer) = lock(&self.ready).get(target) {
            return Some(Arc::clone(answer));
        }
        let answer = Arc::new(Answer::new(&self.exchange.answer(target).ok()?).ok()?);
        lock(&self.ready).insert(target.to_owned(), Arc::clone(&answer));
        Some(answer)
    }

    fn note(&self, target: String, answer: &Answer) {
        let mut requests = lock(&self.requests);
        requests.targets.push(target);
        requests.sent_bytes += answer.gzipped.len();
        requests.json_bytes += answer.json_bytes;
    }
}

impl Answer {
    fn new(text: &str) -> Result<Answer> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes())?;
        Ok(Answer { json_bytes: text.len(), gzipped: encoder.finish()? })
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let length = self.gzipped.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&self.gzipped)
    }
}

/// Answers the requests of a connection; closes it at the first one without an answer.
fn serve(shared: &Shared, mut stream: TcpStream) {
    let Ok(reader) = stream.try_clone() else {
        return;
    };
    let _ = stream.set_nodelay(true);
    let mut lines = BufReader::new(reader).lines();
    while let Some(Ok(request)) = lines.next() {
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let Some(target) = request.split(' ').nth(1) else {
            return;
        };
        thread::sleep(shared.delay);
        let Some(answer) = shared.answer(target) else {
            return;
        };
        shared.note(target.to_owned(), &answer);
        if answer.send(&mut stream).is_err() {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
