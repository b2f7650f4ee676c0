//! Bodies in every encoding, and connections that are silent, slow or endless.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{NOW, REQUESTS, connector, read_with, three_pages};
use crate::support::answers::answer;
use crate::support::connector::{Connector, Output};
use crate::support::days::date;
use crate::support::fake_api::{FakeApi, Fault, http_answer};
use crate::support::market::Market;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Reads three pages; `encode` turns the correct body of each into the bytes to send.
fn read(encode: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Output {
    let api = FakeApi::start(three_pages());
    let market = three_pages();
    api.inject_faults(move |_, request| {
        Some(Fault::Bytes(encode(answer(&market, &request.path, &request.query).1.as_bytes())))
    });
    connector(&api).run_at(NOW, "read")
}

fn gzipped_members(body: &[u8]) -> Vec<u8> {
    let marked = [&b"\xef\xbb\xbf"[..], body].concat();
    let members: Vec<u8> = marked.chunks(100).flat_map(gzip).collect();
    http_answer(200, "Content-Encoding: X-GZip\r\nX-Folded: a\r\n  b\r\n", &members)
}

fn chunked_with_trailer(body: &[u8]) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n".to_vec();
    for chunk in body.chunks(70) {
        answer.extend(format!("{:x};name=value\r\n", chunk.len()).into_bytes());
        answer.extend([chunk, b"\r\n"].concat());
    }
    answer.extend(b"0\r\nX-T: 1\r\n\r\n");
    answer
}

#[test]
fn every_encoding_of_a_body_is_read_at_the_first_attempt() {
    for (name, output) in [("gzip", read(gzipped_members)), ("chunks", read(chunked_with_trailer))] {
        println!("{name}");
        let output = output.succeeded();
        let is_retry = |text: &&&str| text.contains("attempt");
        let logs = output.logs("INFO");
        assert_eq!((output.records().len(), logs.iter().find(is_retry)), (6, None), "{name}");
    }
}

#[test]
fn silence_after_the_head_is_retried_and_reported_if_it_lasts() {
    for lasts in [false, true] {
        let api = FakeApi::start(three_pages());
        api.inject_faults(move |number, _| (number == 1 || lasts && number > 1).then_some(Fault::Stall));
        let mut connector = connector(&api);
        connector.read_timeout = Duration::from_millis(250);
        let output = connector.run_at(NOW, "read");
        assert_eq!(output.records().len(), if lasts { 0 } else { 6 });
        let requests = if lasts { 7 } else { REQUESTS + 1 };
        assert_eq!(api.take_requests().len(), requests);
        if lasts {
            let words = ["failed after 6 attempts (HTTP 200: the response was cut off"];
            output.assert_failure("transient_error", &words);
        }
    }
}

#[test]
fn slow_body_is_read() {
    let api = FakeApi::start(three_pages());
    let trickle = Fault::Trickle(Duration::from_micros(500));
    let output = read_with(&api, move |number| (number == 1).then(|| trickle.clone())).succeeded();
    assert_eq!((output.records().len(), api.take_requests().len()), (6, REQUESTS));
}

#[test]
fn no_network_is_a_transient_error() {
    for (url, says) in [
        ("http://127.0.0.1:1", "refused"),
        ("https://127.0.0.1:1", "refused"),
        ("https://no-such-host.invalid", "request to https://no-such-host.invalid failed"),
    ] {
        let output = Connector::with_url(url, "TSLA").run_at(NOW, "read");
        output.assert_failure("transient_error", &[says, "after 6 attempts"]);
    }
}

#[test]
fn slow_ticker_holds_up_no_request_of_the_others_and_records_stay_in_order() {
    let mut market = Market::at(NOW);
    let tickers: Vec<String> =
        std::iter::once("SLOW".to_owned()).chain((0..20).map(|number| format!("T{number}"))).collect();
    for ticker in &tickers {
        market.days(ticker, &[(date(2026, 11, 19), 10.0)]);
    }
    let api = FakeApi::start(market);
    let server = api.clone();
    api.inject_faults(move |_, request| request.path.contains("/SLOW/").then(|| Fault::held_until(&server, 8)));
    let output = Connector::new(&api, &tickers.join(",")).run_at(NOW, "read").succeeded();
    let order: Vec<_> = output.prices().iter().map(|price| price.0).collect();
    assert_eq!(order, tickers);
    assert_eq!(api.take_requests().len(), 21, "seven others went out before the first response");
}
