//! A server on a bare socket for unit tests: one answer a connection, well-formed or not.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flate2::{Compression, write::GzEncoder};

/// A server that runs until the tests end.
pub(super) struct Server {
    pub(super) origin: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// The heads of the requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Serves what `answer` makes of a target and of the number of the request, from 0.
pub(super) fn start(answer: impl Fn(&str, usize) -> Vec<u8> + Send + Sync + 'static) -> Server {
    serve(move |stream, head, number| {
        let target = head.split(' ').nth(1).unwrap_or_default();
        let _ = stream.write_all(&answer(target, number));
    })
}

/// Sends a head, and then a byte at a time, or nothing at all.
pub(super) fn start_slow(trickles: bool, pause: Duration) -> Server {
    serve(move |stream, _, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{");
        for _ in 0..50 {
            thread::sleep(pause);
            if trickles && stream.write_all(b" ").is_err() {
                break;
            }
        }
    })
}

fn serve(handle: impl Fn(&mut TcpStream, &str, usize) + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let (seen, handle) = (Arc::clone(&heads), Arc::new(handle));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, seen, handle) = (stream.unwrap(), Arc::clone(&seen), Arc::clone(&handle));
            thread::spawn(move || {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                if head.is_empty() {
                    return;
                }
                let head = head.join("\n");
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(head.clone());
                    seen.len() - 1
                };
                handle(&mut stream, &head, number);
            });
        }
    });
    Server { origin, heads }
}

/// An answer with further header lines, each ended by CRLF.
pub(super) fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut answer =
        format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

pub(super) fn ok(body: &str) -> Vec<u8> {
    answer(200, "", body.as_bytes())
}

pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}
