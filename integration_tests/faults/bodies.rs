//! Bodies in the forms that gateways make of them. On a bare socket.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use libdeflater::{CompressionLvl, Compressor};

use super::{NOW, connector, three_pages};
use crate::support::answers::answer;
use crate::support::connector::Output;
use crate::support::fake_api::Fault;
use crate::support::raw_api::{self, http_answer};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Reads three pages of which each is answered as `form` makes it of the true body.
fn read(form: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Output {
    let api = raw_api::start(three_pages());
    let market = three_pages();
    api.inject_faults(move |_, request| {
        Some(Fault::Bytes(form(answer(&market, &request.path, &request.query).1.as_bytes())))
    });
    connector(&api, "incremental").run_at(NOW, "read")
}

/// Reads three pages whose bodies are changed, behind header lines.
fn read_body(headers: &str, change: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Output {
    let headers = headers.to_owned();
    read(move |body| http_answer(200, &headers, &change(body)))
}

fn assert_read(output: Output, form: &str) {
    let output = output.succeeded();
    let is_retry = |text: &&&str| text.contains("attempt");
    let logs = output.logs("INFO");
    assert_eq!((output.records().len(), logs.iter().find(is_retry)), (6, None), "{form}");
}

#[test]
fn gzip_is_read_whatever_its_name_and_its_members() {
    for coding in ["gzip", "GZIP", "x-gzip", "X-GZip"] {
        assert_read(read_body(&format!("Content-Encoding: {coding}\r\n"), gzip), coding);
    }
    let header = "Content-Encoding: gzip\r\n";
    let several = |body: &[u8]| body.chunks(100).flat_map(gzip).collect();
    assert_read(read_body(header, several), "several members");
    let with_empty = |body: &[u8]| [gzip(b""), gzip(body), gzip(b"")].concat();
    assert_read(read_body(header, with_empty), "empty members");
}

#[test]
fn byte_order_mark_is_no_part_of_the_json() {
    let marked = |body: &[u8]| [&b"\xef\xbb\xbf"[..], body].concat();
    assert_read(read_body("", marked), "plain");
    assert_read(read_body("Content-Encoding: gzip\r\n", move |body| gzip(&marked(body))), "gzip");
}

#[test]
fn two_hundred_headers_and_folded_ones_are_read() {
    let headers: String = (0..200).map(|number| format!("X-Gateway-{number}: {}\r\n", "a".repeat(30))).collect();
    assert_read(read_body(&headers, <[u8]>::to_vec), "two hundred headers");
    assert_read(read_body("X-Folded: a\r\n  b\r\n", <[u8]>::to_vec), "a folded header");
}

#[test]
fn chunks_and_bodies_up_to_the_end_of_the_connection_are_read() {
    let chunked = |body: &[u8]| {
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n".to_vec();
        for chunk in body.chunks(70) {
            answer.extend(format!("{:x};name=value\r\n", chunk.len()).into_bytes());
            answer.extend([chunk, b"\r\n"].concat());
        }
        answer.extend(b"0\r\nX-T: 1\r\n\r\n");
        answer
    };
    assert_read(read(chunked), "chunks with extensions and a trailer");
}

#[test]
fn plain_body_that_is_called_gzip_is_told_as_that() {
    let output = read_body("Content-Encoding: gzip\r\n", <[u8]>::to_vec);
    let (failure_type, message) = output.failure();
    assert_eq!(failure_type, "transient_error");
    assert!(message.contains("it is not compressed, although Content-Encoding says gzip"), "{message}");
}

#[test]
fn damaged_gzip_is_retried_and_told() {
    type Damage = fn(Vec<u8>) -> Vec<u8>;
    let cut: Damage = |bytes| bytes[..bytes.len() - 9].to_vec();
    let wrong_checksum: Damage = |mut bytes| {
        let place = bytes.len() - 5;
        bytes[place] ^= 0xff;
        bytes
    };
    let followed: Damage = |bytes| [&bytes[..], b"garbage"].concat();
    for damage in [cut, wrong_checksum, followed] {
        let output = read_body("Content-Encoding: gzip\r\n", move |body| damage(gzip(body)));
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "transient_error");
        assert!(message.contains("the response can't be read: "), "{message}");
        assert_eq!(output.records().len(), 0);
    }
}

#[test]
fn gzip_of_gigabytes_is_refused_without_inflating_it() {
    let megabyte = gzip(&vec![b' '; 1 << 20]);
    let many_members = megabyte.repeat(65);
    let blanks = vec![b' '; 65 << 20];
    let mut compressor = Compressor::new(CompressionLvl::default());
    let mut one_member = vec![0; compressor.gzip_compress_bound(blanks.len())];
    let size = compressor.gzip_compress(&blanks, &mut one_member).expect("enough room");
    one_member.truncate(size);
    for bomb in [many_members, one_member] {
        let output = read_body("Content-Encoding: gzip\r\n", move |_| bomb.clone());
        let (failure_type, message) = output.failure();
        assert_eq!(failure_type, "transient_error", "{message}");
        assert!(message.contains("it exceeds 64 MiB"), "{message}");
    }
}

#[test]
fn error_in_any_coding_is_quoted_in_its_words() {
    let words = br#"{"status":"ERROR","error":"no such thing"}"#;
    let compressed = read(|_| http_answer(400, "Content-Encoding: GZIP\r\n", &gzip(words)));
    assert!(compressed.failure().1.contains("HTTP 400: no such thing"), "{:?}", compressed.failure());
    let mislabelled = read(|_| http_answer(400, "Content-Encoding: gzip\r\n", words));
    assert!(mislabelled.failure().1.contains("HTTP 400: no such thing"), "{:?}", mislabelled.failure());
}
