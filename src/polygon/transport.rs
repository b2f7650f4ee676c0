//! reqwest, as we use it: its timeouts, its certificates, its errors.

use std::io::{self, Read};

use reqwest::blocking::{Client as HttpClient, ClientBuilder, Response};
use reqwest::redirect;

use super::body::MAX_RESPONSE_BYTES;
use super::error::SetupError;
use super::{Origin, RequestPolicy};
use crate::error::Failure;

/// How much of a body is asked for at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// Gateways have been seen to add many headers; the default is a hundred.
const MAX_HEADERS: usize = 512;

/// A client for one origin. Fails if the certificates of trusted authorities can't be loaded.
pub(super) fn build(origin: &Origin, policy: &RequestPolicy) -> Result<HttpClient, Failure> {
    // reqwest panics without one; a second call, by another client, changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The timeout of the async client is one for the whole answer. That of the blocking client
    // around it is one for each wait: for the head, and for every read of the body.
    let total = reqwest::Client::builder().timeout(policy.total_timeout);
    let mut builder = ClientBuilder::from(total)
        .timeout(policy.read_timeout)
        .connect_timeout(policy.connect_timeout)
        .redirect(redirect::Policy::none())
        .user_agent(concat!(
            env!("CARGO_PKG_NAME"),
            "/",
            env!("CARGO_PKG_VERSION")
        ))
        .http1_max_headers(MAX_HEADERS)
        .http1_allow_obsolete_multiline_headers_in_responses(true);
    if !origin.is_https() {
        // It is on this machine: a proxy would be elsewhere, and there are no certificates.
        builder = builder.no_proxy().tls_certs_only([]);
    }
    builder.build().map_err(|error| {
        let cause = anyhow::Error::new(error.without_url()).context("can't prepare TLS");
        SetupError::Certificates.into_failure().caused_by(&cause)
    })
}

/// Nobody wants a body any more.
#[derive(Debug)]
pub(super) struct Cancelled;

/// Why a body could not be read to its end.
pub(super) enum ReadError {
    Broken(String),
    Cancelled,
}

/// Reads a body, up to a little more than [`MAX_RESPONSE_BYTES`].
pub(super) fn read_body(
    mut response: Response,
    bytes: &mut Vec<u8>,
    mut reserve: impl FnMut(usize) -> Result<(), Cancelled>,
) -> Result<(), ReadError> {
    // A length that is announced makes for one allocation, whose pages are not touched before they
    // are needed.
    let announced = response
        .content_length()
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or(0);
    // Buffers are used again: rounded up, they fit the next body as well.
    bytes.reserve_exact(
        announced
            .min(MAX_RESPONSE_BYTES)
            .next_multiple_of(CHUNK_BYTES),
    );
    while bytes.len() <= MAX_RESPONSE_BYTES {
        reserve(CHUNK_BYTES).map_err(|Cancelled| ReadError::Cancelled)?;
        let before = bytes.len();
        let read = response
            .by_ref()
            .take(CHUNK_BYTES as u64)
            .read_to_end(bytes);
        read.map_err(|error| ReadError::Broken(describe_read(error)))?;
        if bytes.len() - before < CHUNK_BYTES {
            break;
        }
    }
    Ok(())
}

/// The chain of causes of an error while reading, which is reqwest's in another's clothes.
fn describe_read(error: io::Error) -> String {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => describe(error),
        Err(error) => format!("{:#}", anyhow::Error::new(error)),
    }
}

/// The chain of causes of an error, without its URL.
pub(super) fn describe(error: reqwest::Error) -> String {
    format!("{:#}", anyhow::Error::new(error.without_url()))
}
