//! HTTP: reqwest, with our timeouts, certificates and proxy.

use std::io::{self, Read};

use reqwest::blocking::{Client, ClientBuilder, Response};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect;

use super::body::{Body, MAX_RECEIVED_BYTES, is_gzip};
use super::error::ApiProblem;
use super::interpreter::{Interpreter, Problem, Reply};
use super::proxy::EnvironmentProxy;
use super::retry::parse_retry_after;
use super::{ApiError, Origin, Request, RequestPolicy};
use crate::clock::SharedClock;
use crate::error::Failure;
use crate::secret::Secret;

/// The most bytes that are read of an error's body.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// Gateways have been seen to add many headers; the default is a hundred.
const MAX_HEADERS: usize = 512;

/// Sends requests to one origin with one key.
pub(super) struct Http {
    client: Client,
    origin: Origin,
    authorization: HeaderValue,
    proxy: Option<EnvironmentProxy>,
    clock: SharedClock,
    interpreter: Interpreter,
}

impl Http {
    /// Fails if the key, the proxy or the certificates can't be used.
    pub(super) fn new(
        origin: &Origin,
        key: &Secret,
        policy: &RequestPolicy,
        clock: SharedClock,
    ) -> Result<Http, Failure> {
        let unusable = "api_key: holds a character that can't be sent, such as a line break. Copy the key again.";
        let authorization = HeaderValue::try_from(format!("Bearer {}", key.expose()));
        let mut authorization = authorization.map_err(|_| Failure::config(unusable))?;
        authorization.set_sensitive(true);
        // A loopback server needs no proxy, which would be elsewhere.
        let proxy = if origin.is_https() { EnvironmentProxy::find(|name| std::env::var_os(name))? } else { None };
        let client = build(origin, policy, proxy.as_ref())?;
        let interpreter = Interpreter::new(key.clone(), origin.to_string());
        Ok(Http { client, origin: origin.clone(), authorization, proxy, clock, interpreter })
    }

    /// Sends a request once. The body of a success is left compressed.
    pub(super) fn send(&self, request: &Request) -> Result<Reply, ApiError> {
        let get = self.client.get(format!("{}{}", self.origin, request.target()));
        let get = get.header(ACCEPT, "application/json").header(ACCEPT_ENCODING, "gzip");
        let response = get.header(AUTHORIZATION, self.authorization.clone()).send();
        let response = response.map_err(|error| self.interpreter.error(self.explain(error), request, None))?;
        self.receive(request, response)
    }

    fn receive(&self, request: &Request, mut response: Response) -> Result<Reply, ApiError> {
        let status = response.status().as_u16();
        let is_success = response.status().is_success();
        let header = |name: HeaderName| response.headers().get(name)?.to_str().ok();
        let retry_after = header(RETRY_AFTER).and_then(|value| parse_retry_after(value, self.clock.now()));
        let request_id = header(HeaderName::from_static("x-request-id")).map(str::to_owned);
        let is_gzipped = header(CONTENT_ENCODING).is_some_and(is_gzip);
        let limit = if is_success { MAX_RECEIVED_BYTES } else { MAX_ERROR_BYTES };
        let announced = response.content_length().unwrap_or(0) as usize;
        let mut bytes = Vec::with_capacity(announced.min(limit) + 1);
        let read = response.by_ref().take(limit as u64 + 1).read_to_end(&mut bytes);
        let problem = match read {
            Err(error) if is_success => {
                (self.interpreter.unavailable(), format!("the response was cut off: {}", describe_read(error)))
            }
            _ if is_success && bytes.len() > limit => {
                (ApiProblem::Unexpected, format!("the response exceeds {} MiB", limit >> 20))
            }
            // The body of an error is optional; its status says enough.
            _ => return Ok(Reply { status, retry_after, request_id, body: Body { bytes, is_gzipped } }),
        };
        Err(self.interpreter.error(problem, request, Some((status, request_id))))
    }

    /// What a failure to send a request means, and its causes.
    fn explain(&self, error: reqwest::Error) -> Problem {
        let is_connect = error.is_connect();
        let cause = describe(error);
        // hyper reports a proxy's 407 for CONNECT in these words only.
        if cause.contains("proxy authorization required") {
            return (ApiProblem::ProxyAuthentication, cause);
        }
        let proxy = self.proxy.as_ref();
        if cause.contains("InvalidContentType") {
            let is_proxy = |proxy: &&EnvironmentProxy| proxy.is_https();
            let speaker = proxy.filter(is_proxy).map_or("the server".to_owned(), ToString::to_string);
            return (ApiProblem::NoTls(speaker), cause);
        }
        let cause = match proxy {
            Some(proxy) if is_connect => format!("through {proxy}: {cause}"),
            _ => cause,
        };
        (self.interpreter.unavailable(), cause)
    }
}

/// A client for one origin. Fails if the certificates of trusted authorities can't be loaded.
fn build(origin: &Origin, policy: &RequestPolicy, proxy: Option<&EnvironmentProxy>) -> Result<Client, Failure> {
    // reqwest panics without one; a second call, by another client, changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The timeout of the async client covers the whole response. That of the blocking client around it covers each wait:
    // for the head, and for every read of the body.
    let total = reqwest::Client::builder().timeout(policy.total_timeout);
    let mut builder = ClientBuilder::from(total)
        .timeout(policy.read_timeout)
        .connect_timeout(policy.connect_timeout)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .http1_max_headers(MAX_HEADERS)
        .http1_allow_obsolete_multiline_headers_in_responses(true);
    if let Some(proxy) = proxy {
        builder = builder.proxy(proxy.to_reqwest()?);
    }
    if !origin.is_https() {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| {
        let cause = anyhow::Error::new(error.without_url()).context("can't prepare TLS");
        let text = "Can't load the certificates of trusted authorities. Check SSL_CERT_FILE and SSL_CERT_DIR, or install the \
                    system's package of CA certificates.";
        Failure::config(text).caused_by(&cause)
    })
}

/// The chain of causes of an error while reading: a reqwest error wrapped in an `io::Error`.
fn describe_read(error: io::Error) -> String {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => describe(error),
        Err(error) => format!("{:#}", anyhow::Error::new(error)),
    }
}

/// The chain of causes of an error, without its URL and without rustls's links for Rust programmers.
fn describe(error: reqwest::Error) -> String {
    let chain = format!("{:#}", anyhow::Error::new(error.without_url()));
    match chain.split_once(": https://docs.rs") {
        Some((chain, _)) => chain.to_owned(),
        None => chain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Write;
    use std::net::TcpListener;
    use std::time::Duration;

    use crate::calendar::{DateRange, parse_date};
    use crate::clock::SystemClock;
    use crate::error::FailureType;
    use crate::market::Market;
    use crate::polygon::test_server::{self, answer, gzip, ok};
    use crate::timespan::Timespan;

    const KEY: &str = "k3y-of-the-test";

    fn http(origin: &str, policy: RequestPolicy) -> Http {
        let origin = Origin::parse(origin).unwrap();
        Http::new(&origin, &Secret::new(KEY), &policy, SystemClock::start()).unwrap()
    }

    fn tsla() -> Request {
        let days = DateRange::day(parse_date("2026-07-15").unwrap());
        Request::range("TSLA", Market::Stocks, Timespan::Day, days, true)
    }

    fn send(bytes: Vec<u8>) -> Result<Reply, ApiError> {
        let server = test_server::start(move |_, _| bytes.clone());
        let http = http(&server.origin, RequestPolicy::SYNC);
        http.send(&tsla())
    }

    fn text(reply: Reply) -> Result<String, String> {
        reply.body.into_text()
    }

    #[test]
    fn a_request_carries_the_key_in_its_header_only() {
        let server = test_server::start(|_, _| ok("{}"));
        http(&server.origin, RequestPolicy::SYNC).send(&tsla()).unwrap();
        let [head] = &server.requests()[..] else { panic!("one request") };
        let lines: Vec<&str> = head.lines().filter(|line| line.contains(KEY)).collect();
        assert_eq!(lines, [format!("authorization: Bearer {KEY}")]);
        let agent = concat!("user-agent: source-stock-ticker-api/", env!("CARGO_PKG_VERSION"));
        for part in
            ["GET /v2/aggs/ticker/TSLA/range/1/day/", agent, "accept-encoding: gzip", "accept: application/json"]
        {
            assert!(head.contains(part), "{part}: {head}");
        }
    }

    #[test]
    fn gzipped_and_chunked_bodies_are_read() {
        // Many headers, and a folded one.
        let mut head: String = (0..200).map(|number| format!("X-{number}: a\r\n")).collect();
        head += "X-Folded: a\r\n b\r\nX-Request-Id: r1\r\nRetry-After: 17\r\nContent-Encoding: X-GZIP\r\n";
        let reply = send(answer(429, &head, &gzip(b"{}"))).unwrap();
        assert_eq!((reply.status, reply.retry_after), (429, Some(Duration::from_secs(17))));
        assert_eq!(reply.request_id.as_deref(), Some("r1"));
        assert_eq!(text(reply).unwrap(), "{}");
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n";
        let chunks = [&head[..], b"1;name=value\r\n{\r\n1\r\n}\r\n0\r\nX-T: 1\r\n\r\n"].concat();
        assert_eq!(text(send(chunks).unwrap()).unwrap(), "{}");
    }

    #[test]
    fn a_connection_that_fails_or_ends_early_is_retried_and_reported_without_the_url() {
        let refused = http("http://127.0.0.1:1", RequestPolicy::SYNC).send(&tsla());
        let truncated = send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"resul".to_vec());
        for (answer, begin, says) in
            [(refused, "", "refused"), (truncated, "HTTP 200: the response was cut off: ", "end of file")]
        {
            let error = answer.expect_err(says);
            let cause = error.cause();
            assert!(cause.starts_with(begin) && cause.contains(says), "{cause}");
            assert!(error.is_unavailable() && !cause.contains("http://"), "{cause}");
        }
    }

    #[test]
    fn a_server_without_tls_is_recognised_immediately() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("https://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = stream.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            }
        });
        let failure = http(&origin, RequestPolicy::SYNC).send(&tsla()).unwrap_err().into_failure("TSLA");
        assert_eq!(failure.failure_type, FailureType::ConfigError);
        assert!(
            failure.message.starts_with("TSLA: the server does not speak TLS; did you mean http://?"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn silence_ends_after_the_read_timeout_and_a_trickle_after_the_total() {
        let policy = RequestPolicy {
            read_timeout: Duration::from_millis(300),
            total_timeout: Duration::from_millis(700),
            ..RequestPolicy::SYNC
        };
        for (trickles, least) in [(false, 290), (true, 650)] {
            // A loaded machine may hold a piece up, but hardly for the whole of the read timeout.
            let server = test_server::start_slow(trickles, Duration::from_millis(20));
            let http = http(&server.origin, policy);
            let started = std::time::Instant::now();
            assert!(http.send(&tsla()).unwrap_err().is_unavailable());
            let took = started.elapsed().as_millis();
            assert!((least..20_000).contains(&took), "{trickles}: {took} ms");
        }
    }

    #[test]
    fn a_key_that_no_header_can_hold_is_refused_without_a_request() {
        for key in ["line\nbreak", "nul\0byte", "r\r"] {
            let origin = Origin::parse("https://127.0.0.1:1").unwrap();
            let created = Http::new(&origin, &Secret::new(key), &RequestPolicy::SYNC, SystemClock::start());
            let failure = created.err().expect("it is refused");
            assert_eq!(failure.failure_type, FailureType::ConfigError);
            assert!(failure.message.contains("api_key") && !failure.message.contains(key), "{}", failure.message);
        }
    }
}
