//! The fake API on a bare socket, where faults below HTTP are possible, too.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

pub use super::backend::{FakeApi, KEY, Request};
pub use super::fault::Fault;
use super::market::Market;

/// Longer than the connector waits in any test, so that it hangs up first.
const FOR_EVER: Duration = Duration::from_secs(5);

impl FakeApi {
    /// Serves `market` on a free port until the process ends.
    pub fn start(market: Market) -> FakeApi {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let api = FakeApi::new(format!("http://{}", listener.local_addr().expect("an address")), market);
        let serving = api.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                stream.set_nodelay(true).expect("an option");
                let api = serving.clone();
                thread::spawn(move || serve(&api, stream));
            }
        });
        api
    }
}

/// Answers the requests of one connection until either side closes it.
pub fn serve(api: &FakeApi, stream: impl Read + Write) {
    let mut stream = BufReader::new(stream);
    while let Some((target, headers)) = read_request(&mut stream) {
        if !respond(api, &target, headers, stream.get_mut()) {
            return;
        }
    }
}

/// The header lines of a request, names in lower case.
type Headers = Vec<(String, String)>;

/// The target and the headers of the next request; `None` at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> Option<(String, Headers)> {
    let target = next_line(reader)?.split(' ').nth(1)?.to_owned();
    let mut headers = Headers::new();
    loop {
        let line = next_line(reader)?;
        let Some((name, value)) = line.split_once(':') else {
            return Some((target, headers));
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
}

fn next_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let length = reader.read_line(&mut line).ok()?;
    (length > 0).then(|| line.trim_end().to_owned())
}

/// Answers; `false` if the connection is to be closed.
fn respond(api: &FakeApi, target: &str, headers: Headers, writer: &mut impl Write) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let ((status, body), fault) = api.receive(path, query, headers);
    let answer = http_answer(status, "Content-Type: application/json\r\n", body.as_bytes());
    let head = &answer[..answer.len() - body.len()];
    let mut send = |bytes: &[u8]| writer.write_all(bytes).and_then(|()| writer.flush()).is_ok();
    match fault {
        None => send(&answer),
        Some(Fault::Status(status, headers, body)) => {
            let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
            send(&http_answer(status, &headers, body.as_bytes()))
        }
        Some(Fault::Changed(change)) => send(&http_answer(status, "", change(body).as_bytes())),
        Some(Fault::Reset) => false,
        Some(Fault::TruncatedBody) => {
            send(&answer[..answer.len() - body.len() / 2]);
            false
        }
        Some(Fault::Stall) => {
            send(head);
            thread::sleep(FOR_EVER);
            false
        }
        Some(Fault::Trickle(pause)) => send(head) && body.bytes().all(|byte| trickle(byte, pause, &mut send)),
        Some(Fault::OversizedBody) => {
            let filler = vec![b' '; 1 << 16];
            let mut goes_on = send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{\"results\":[");
            while goes_on {
                goes_on = send(&filler);
            }
            false
        }
        Some(Fault::Bytes(bytes)) => send(&bytes),
    }
}

fn trickle(byte: u8, pause: Duration, send: &mut impl FnMut(&[u8]) -> bool) -> bool {
    thread::sleep(pause);
    send(&[byte])
}

/// A whole HTTP answer: status, header lines (each with its `\r\n`) and body.
fn http_answer(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}
