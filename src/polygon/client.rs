//! One request at a time: sent, and told apart by what its answer means.

use std::io::Read;
use std::time::Duration;

use reqwest::blocking::{Client as HttpClient, Response};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderValue, RETRY_AFTER};

use super::body::{Body, BodyError, Buffers, MAX_RESPONSE_BYTES, is_gzip};
use super::error::SetupError;
use super::policy::RequestPolicy;
use super::response::{Page, ParseError, error_text};
use super::transport::{self, Cancelled, ReadError, describe, read_body};
use super::{ApiError, Origin, Request, proxy, retry_after};
use crate::clock::SharedClock;
use crate::error::Failure;
use crate::secret::Secret;
use crate::text::truncate;

/// More of an error's body is of no use.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// How much of the API's words goes into a message, in bytes.
const MAX_QUOTED: usize = 300;

/// How a single attempt ended.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The API answered with a body that is still to be read.
    Success(Body),
    /// A failure that asking again may cure.
    Retryable(String),
    /// 429: the API's words, and the wait that it asks for.
    RateLimited(String, Option<Duration>),
    /// A failure that asking again would not change.
    Fatal(ApiError),
    /// Nobody wants the answer any more.
    Cancelled,
}

/// What an attempt tells besides its outcome.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) attempt: Attempt,
    /// The status and the size of the body, if an answer came.
    pub(super) status: Option<(u16, usize)>,
}

/// Sends requests to one origin with one key.
pub(crate) struct Client {
    http: HttpClient,
    origin: Origin,
    key: Secret,
    authorization: HeaderValue,
    policy: RequestPolicy,
    clock: SharedClock,
    buffers: Buffers,
}

impl Client {
    /// A client that has sent nothing yet. Fails if the key, the proxy or the certificates can't be
    /// used.
    pub(crate) fn new(
        origin: Origin,
        key: &Secret,
        policy: RequestPolicy,
        clock: SharedClock,
    ) -> Result<Client, Failure> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", key.expose()))
            .map_err(|_| SetupError::Key.into_failure())?;
        authorization.set_sensitive(true);
        proxy::check(&origin, |name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })?;
        let http = transport::build(&origin, &policy)?;
        Ok(Client {
            http,
            origin,
            key: key.clone(),
            authorization,
            policy,
            clock,
            buffers: Buffers::default(),
        })
    }

    pub(super) fn policy(&self) -> &RequestPolicy {
        &self.policy
    }

    pub(super) fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// The error when an attempt failed that was the last one.
    pub(super) fn unavailable(&self, attempts: u32, cause: String) -> ApiError {
        ApiError::Unavailable {
            origin: self.origin.to_string(),
            attempts,
            cause,
        }
    }

    /// Sends a request once. `reserve` is asked for leave before bytes of a body are read, and may
    /// take its time.
    pub(super) fn send(
        &self,
        request: &Request,
        reserve: impl FnMut(usize) -> Result<(), Cancelled>,
    ) -> Received {
        let sent = self
            .http
            .get(self.origin.url(request.target()))
            .header(ACCEPT_ENCODING, "gzip")
            .header(AUTHORIZATION, self.authorization.clone())
            .send();
        match sent {
            Ok(response) => self.receive(response, reserve),
            Err(error) => {
                let cause = self.quote(&describe(error));
                // hyper tells a proxy's refusal of CONNECT in these words alone.
                let attempt = if cause.contains("proxy authorization required") {
                    Attempt::Fatal(ApiError::HttpStatus {
                        status: 407,
                        text: cause,
                    })
                } else {
                    Attempt::Retryable(cause)
                };
                Received {
                    attempt,
                    status: None,
                }
            }
        }
    }

    fn receive(
        &self,
        response: Response,
        reserve: impl FnMut(usize) -> Result<(), Cancelled>,
    ) -> Received {
        let status = response.status().as_u16();
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let is_gzipped = header(CONTENT_ENCODING).is_some_and(is_gzip);
        if (200..300).contains(&status) {
            let mut bytes = self.buffers.take();
            let read = read_body(response, &mut bytes, reserve);
            let size = bytes.len();
            let attempt = match read {
                Ok(()) if size > MAX_RESPONSE_BYTES => Attempt::Fatal(too_large()),
                Ok(()) => Attempt::Success(Body { bytes, is_gzipped }),
                Err(ReadError::Cancelled) => Attempt::Cancelled,
                Err(ReadError::Broken(cause)) => {
                    Attempt::Retryable(self.quote(&format!("the response broke off: {cause}")))
                }
            };
            return Received {
                attempt,
                status: Some((status, size)),
            };
        }
        let retry_after =
            header(RETRY_AFTER).and_then(|value| retry_after::parse(value, self.clock.now()));
        let mut bytes = Vec::new();
        // The body of an error is a courtesy; its status says enough.
        let _ = response
            .take(MAX_ERROR_BYTES as u64)
            .read_to_end(&mut bytes);
        let size = bytes.len();
        let text = self.error_message(&Body { bytes, is_gzipped }.into_error_text());
        Received {
            attempt: classify(status, text, retry_after),
            status: Some((status, size)),
        }
    }

    /// Takes the body of a success for the page that was asked for. `Err(Ok(cause))` is a failure
    /// that asking again may cure, `Err(Err(error))` one that it would not.
    pub(super) fn read_page(
        &self,
        request: &Request,
        body: Body,
    ) -> Result<Page, Result<String, ApiError>> {
        let text = match body.into_text(&self.buffers) {
            Ok(text) => text,
            Err(BodyError::TooLarge) => return Err(Err(too_large())),
            Err(BodyError::Broken(cause)) => {
                return Err(Ok(format!("the response can't be read: {cause}")));
            }
        };
        let page = Page::parse(text).map_err(|error| match error {
            ParseError::InvalidJson(error) => Ok(format!("the response is not JSON: {error}")),
            ParseError::UnexpectedShape { problem, bar } => {
                Err(ApiError::InvalidResponse(match bar {
                    Some(bar) => format!("bad bar, {}: {}", self.quote(&problem), self.quote(&bar)),
                    None => self.quote(&problem),
                }))
            }
        })?;
        self.check_status(&page).map_err(Err)?;
        check_basis(request, &page).map_err(Err)?;
        check_completeness(request, &page).map_err(|cause| Ok(self.quote(&cause)))?;
        match page.nameless_bar() {
            Some(close) if request.ticker().is_none() => Err(Err(ApiError::InvalidResponse(
                format!("a bar that closes at {} has no ticker T", self.quote(close)),
            ))),
            _ => Ok(page),
        }
    }

    /// An answer can be an error under HTTP 200.
    fn check_status(&self, page: &Page) -> Result<(), ApiError> {
        let envelope = &page.envelope;
        let text = || {
            self.quote(
                envelope
                    .error
                    .as_deref()
                    .or(envelope.message.as_deref())
                    .unwrap_or("no reason given"),
            )
        };
        match envelope.status.as_deref() {
            None | Some("OK" | "DELAYED") => Ok(()),
            Some("NOT_AUTHORIZED") => Err(ApiError::NotEntitled(text())),
            Some(status) => Err(ApiError::InvalidResponse(format!(
                "its status is \"{}\" ({})",
                self.quote(status),
                text()
            ))),
        }
    }

    /// What the body of an error says, for a message.
    fn error_message(&self, body: &str) -> String {
        match error_text(body) {
            Some(text) => self.quote(&text),
            None if body.trim_start().starts_with('<') => "an HTML page".to_owned(),
            None if body.trim().is_empty() => "no text".to_owned(),
            None => self.quote(body.trim()),
        }
    }

    /// A text of somebody else's for a message: without the key, and only then cut.
    pub(super) fn quote(&self, text: &str) -> String {
        truncate(&self.key.redact(text), MAX_QUOTED).to_owned()
    }
}

fn too_large() -> ApiError {
    ApiError::InvalidResponse(format!("response exceeds {} MiB", MAX_RESPONSE_BYTES >> 20))
}

/// What an answer that is no success means.
fn classify(status: u16, text: String, retry_after: Option<Duration>) -> Attempt {
    match status {
        401 => Attempt::Fatal(ApiError::Unauthorized(text)),
        403 => Attempt::Fatal(ApiError::NotEntitled(text)),
        429 => Attempt::RateLimited(text, retry_after),
        408 | 500..=599 => Attempt::Retryable(format!("HTTP {status}: {text}")),
        300..=399 => Attempt::Fatal(ApiError::InvalidResponse(format!(
            "HTTP {status} redirect not followed (the key is only sent to api_url)"
        ))),
        _ => Attempt::Fatal(ApiError::HttpStatus { status, text }),
    }
}

/// Prices on another basis than was asked for must not get into the table.
fn check_basis(request: &Request, page: &Page) -> Result<(), ApiError> {
    match page.envelope.adjusted {
        Some(basis) if basis != request.adjusted() => Err(ApiError::InvalidResponse(format!(
            "prices with adjusted={} were requested, and it has adjusted={basis}",
            request.adjusted()
        ))),
        _ => Ok(()),
    }
}

/// Under load the API has answered with another ticker's bars, and with fewer than it says. More
/// are only doubles.
fn check_completeness(request: &Request, page: &Page) -> Result<(), String> {
    if let (Some(requested), Some(ticker)) = (request.ticker(), page.envelope.ticker.as_deref())
        && ticker != requested
    {
        return Err(format!(
            "the response is about {ticker} instead of {requested}"
        ));
    }
    let rows = page.bars().len();
    match page.envelope.results_count {
        Some(count) if (rows as f64) < count => {
            Err(format!("the response has {rows} of {count} bars"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{DateRange, parse_date};
    use crate::clock::SystemClock;
    use crate::market::Market;
    use crate::polygon::test_server::{self, gzip};
    use crate::timespan::Timespan;

    const KEY: &str = "k3y-of-the-test";

    fn client(origin: &str) -> Client {
        let origin = Origin::parse(origin).unwrap();
        Client::new(
            origin,
            &Secret::new(KEY),
            RequestPolicy::SYNC,
            SystemClock::start(),
        )
        .unwrap()
    }

    fn tsla() -> Request {
        let day = parse_date("2026-07-15").unwrap();
        Request::range(
            "TSLA",
            Market::Stocks,
            Timespan::DAY,
            DateRange::day(day),
            true,
        )
    }

    /// What a request to a server that sends `answer` ends with.
    fn send(answer: Vec<u8>) -> (Attempt, Option<(u16, usize)>) {
        let server = test_server::start(move |_, _| answer.clone());
        let received = client(&server.origin).send(&tsla(), |_| Ok(()));
        (received.attempt, received.status)
    }

    fn read(text: &str) -> Result<Page, Result<String, ApiError>> {
        let body = Body {
            bytes: text.as_bytes().to_vec(),
            is_gzipped: false,
        };
        client("http://127.0.0.1:9").read_page(&tsla(), body)
    }

    fn invalid(text: &str) -> String {
        match read(text) {
            Err(Err(ApiError::InvalidResponse(what))) => what,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn retried(text: &str) -> String {
        match read(text) {
            Err(Ok(cause)) => cause,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_request_carries_the_key_in_its_header_alone() {
        let server = test_server::start(|_, _| test_server::ok("{}"));
        client(&server.origin).send(&tsla(), |_| Ok(()));
        let requests = server.requests();
        let (head, others) = requests.split_first().expect("one request");
        assert!(others.is_empty());
        let lines: Vec<&str> = head.lines().filter(|line| line.contains(KEY)).collect();
        assert_eq!(lines, [format!("authorization: Bearer {KEY}")]);
        assert!(
            head.starts_with(
                "GET /v2/aggs/ticker/TSLA/range/1/day/2026-07-15/2026-07-15?adjusted=true"
            ),
            "{head}"
        );
        let agent = format!(
            "user-agent: source-stock-ticker-api/{}",
            env!("CARGO_PKG_VERSION")
        );
        assert!(
            head.contains(&agent) && head.contains("accept-encoding: gzip"),
            "{head}"
        );
    }

    #[test]
    fn a_success_hands_over_its_body_as_it_came() {
        let (Attempt::Success(body), status) = send(test_server::ok("{}")) else {
            panic!("no success")
        };
        assert_eq!(
            (
                body.is_gzipped,
                body.into_text(&Buffers::default()).unwrap().as_str(),
                status
            ),
            (false, "{}", Some((200, 2)))
        );
        let bytes = gzip(b"{\"status\":\"OK\"}");
        let (Attempt::Success(body), _) = send(test_server::answer(
            200,
            "Content-Encoding: X-GZIP\r\n",
            &bytes,
        )) else {
            panic!("no success")
        };
        assert!(body.is_gzipped && body.bytes == bytes);
    }

    #[test]
    fn two_hundred_headers_and_folded_ones_are_understood() {
        let headers: Vec<String> = (0..200)
            .map(|number| format!("X-{number}: a\r\n"))
            .collect();
        let headers = headers.concat();
        let (attempt, _) = send(test_server::answer(
            200,
            &format!("{headers}X-Folded: a\r\n b\r\n"),
            b"{}",
        ));
        assert!(matches!(attempt, Attempt::Success(_)), "{attempt:?}");
    }

    #[test]
    fn every_status_has_its_meaning() {
        let words = br#"{"status":"ERROR","error":"words"}"#;
        let meaning = |status: u16| match send(test_server::answer(status, "", words)).0 {
            Attempt::Fatal(error) => error.to_string(),
            Attempt::Retryable(cause) => format!("retried: {cause}"),
            other => format!("{other:?}"),
        };
        for (status, expected) in [
            (401, "invalid API key (HTTP 401: words)"),
            (
                403,
                "your plan does not include this data (HTTP 403: words)",
            ),
            (404, "endpoint not found (HTTP 404: words)"),
            (400, "request rejected (HTTP 400: words)"),
            (
                407,
                "the proxy asks for a user name and password (HTTP 407)",
            ),
            (408, "retried: HTTP 408: words"),
            (500, "retried: HTTP 500: words"),
            (599, "retried: HTTP 599: words"),
            (429, "RateLimited(\"words\", None)"),
            (
                302,
                "unexpected API response: HTTP 302 redirect not followed (the key is only sent to api_url)",
            ),
        ] {
            assert_eq!(meaning(status), expected);
        }
        let (attempt, _) = send(test_server::answer(429, "Retry-After: 17\r\n", b""));
        assert!(
            matches!(attempt, Attempt::RateLimited(text, Some(wait)) if text == "no text" && wait.as_secs() == 17)
        );
    }

    #[test]
    fn a_body_that_breaks_off_is_retried_and_told_without_the_url() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"resul".to_vec();
        let (Attempt::Retryable(cause), status) = send(answer) else {
            panic!("not retried")
        };
        assert!(
            cause.starts_with("the response broke off: ")
                && cause.contains("end of file")
                && !cause.contains("http://"),
            "{cause}"
        );
        assert_eq!(status, Some((200, 7)));
    }

    #[test]
    fn a_connection_that_fails_is_retried_and_told_without_the_url() {
        let received = client("http://127.0.0.1:1").send(&tsla(), |_| Ok(()));
        let Attempt::Retryable(cause) = received.attempt else {
            panic!("not retried")
        };
        assert!(
            cause.contains("refused") && !cause.contains("http://"),
            "{cause}"
        );
    }

    #[test]
    fn silence_ends_after_the_read_timeout_and_a_trickle_after_the_total() {
        let policy = RequestPolicy {
            read_timeout: Duration::from_millis(200),
            total_timeout: Duration::from_millis(600),
            ..RequestPolicy::SYNC
        };
        let attempt = |server: &test_server::Server| {
            let origin = Origin::parse(&server.origin).unwrap();
            let client =
                Client::new(origin, &Secret::new(KEY), policy, SystemClock::start()).unwrap();
            let started = std::time::Instant::now();
            (client.send(&tsla(), |_| Ok(())).attempt, started.elapsed())
        };
        for trickles in [false, true] {
            let server = test_server::start_slow(trickles, Duration::from_millis(100));
            let (attempt, took) = attempt(&server);
            assert!(matches!(attempt, Attempt::Retryable(_)), "{attempt:?}");
            let expected = if trickles { 550..2_000 } else { 190..500 };
            assert!(expected.contains(&took.as_millis()), "{trickles}: {took:?}");
        }
    }

    #[test]
    fn a_body_that_is_too_large_is_not_read_to_its_end() {
        let server = test_server::start_endless();
        let received = client(&server.origin).send(&tsla(), |_| Ok(()));
        let Attempt::Fatal(error) = received.attempt else {
            panic!("{received:?}")
        };
        assert_eq!(
            error.to_string(),
            "unexpected API response: response exceeds 64 MiB"
        );
    }

    #[test]
    fn a_key_that_no_header_can_hold_is_told_without_asking_the_api() {
        for key in ["line\nbreak", "nul\0byte", "r\r"] {
            let origin = Origin::parse("https://127.0.0.1:1").unwrap();
            let created = Client::new(
                origin,
                &Secret::new(key),
                RequestPolicy::SYNC,
                SystemClock::start(),
            );
            let failure = created.err().expect("it is refused");
            assert_eq!(failure.failure_type, crate::error::FailureType::ConfigError);
            assert!(
                failure.message.contains("api_key") && !failure.message.contains(key),
                "{}",
                failure.message
            );
        }
    }

    #[test]
    fn an_answer_about_something_else_or_with_too_few_bars_is_retried() {
        let bar = r#"{"v":1,"o":1,"c":1,"h":1,"l":1,"t":7}"#;
        assert!(retried(r#"{"ticker":"AAPL","results":[]}"#).contains("AAPL instead of TSLA"));
        assert!(
            retried(&format!(
                r#"{{"ticker":"TSLA","resultsCount":2,"results":[{bar}]}}"#
            ))
            .contains("1 of 2 bars")
        );
        assert!(retried(r#"{"resultsCount":5}"#).contains("0 of 5 bars"));
        assert!(retried("<html>").starts_with("the response is not JSON"));
        assert!(
            read(&format!(
                r#"{{"ticker":"TSLA","resultsCount":1,"queryCount":9,"results":[{bar},{bar}]}}"#
            ))
            .is_ok()
        );
        assert!(read(&format!(r#"{{"results":[{bar}]}}"#)).is_ok());
    }

    #[test]
    fn an_answer_that_must_not_be_trusted_is_not_retried() {
        assert!(
            invalid(r#"{"adjusted":false}"#)
                .contains("adjusted=true were requested, and it has adjusted=false")
        );
        assert!(invalid(r#"{"status":"ERROR","error":"words"}"#).contains("\"ERROR\" (words)"));
        assert!(invalid(r#"{"results":7}"#).contains("invalid type"));
        let bar = r#"{"v":1,"o":1,"c":1e400,"h":1,"l":1,"t":7}"#;
        let what = invalid(&format!(r#"{{"results":[{bar}]}}"#));
        assert!(
            what.contains("1e400 is out of range") && what.ends_with(bar),
            "{what}"
        );
        let refused = read(r#"{"status":"NOT_AUTHORIZED","message":"no"}"#);
        assert!(matches!(refused, Err(Err(ApiError::NotEntitled(text))) if text == "no"));
    }

    #[test]
    fn a_bar_of_the_market_without_a_ticker_is_refused() {
        let request = Request::grouped(parse_date("2026-07-15").unwrap(), false);
        let read = |ticker: &str| {
            let text =
                format!(r#"{{"results":[{{{ticker}"v":1,"o":1,"c":3,"h":1,"l":1,"t":7}}]}}"#);
            client("http://127.0.0.1:9").read_page(
                &request,
                Body {
                    bytes: text.into_bytes(),
                    is_gzipped: false,
                },
            )
        };
        assert!(read(r#""T":"A","#).is_ok());
        for ticker in ["", r#""T":"","#] {
            assert!(
                matches!(read(ticker), Err(Err(ApiError::InvalidResponse(what))) if what.contains("closes at 3"))
            );
        }
    }

    #[test]
    fn what_the_api_says_is_redacted_before_it_is_cut() {
        let client = client("http://127.0.0.1:9");
        for before in 280..310 {
            let said = client.quote(&format!("{}{KEY} is unknown", "x".repeat(before)));
            assert!(!said.contains("k3y") && said.len() <= MAX_QUOTED, "{said}");
        }
        assert_eq!(
            client.error_message(r#"{"status":"ERROR","error":"Unknown API Key"}"#),
            "Unknown API Key"
        );
        assert_eq!(
            client.error_message("404 page not found\n"),
            "404 page not found"
        );
        assert_eq!(client.error_message("  <html>…"), "an HTML page");
        assert_eq!(client.error_message(""), "no text");
        assert_eq!(client.error_message(&"x".repeat(5_000)).len(), MAX_QUOTED);
    }
}
