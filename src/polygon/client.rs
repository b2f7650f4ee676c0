//! One request at a time: retried, paced, and told apart by what its answer means.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libdeflater::Decompressor;
use ureq::http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, RETRY_AFTER};
use ureq::http::{HeaderValue, Response};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::answer::{Page, Unreadable, error_text};
use super::pace::{Pace, Slot};
use super::{ApiError, Origin, retry_after};
use crate::clock::SharedClock;
use crate::config::Secret;

/// A page of 50,000 bars has 6 MB; a day of the whole market 2 MB.
const LARGEST_ANSWER: u64 = 64 << 20;

/// More of an error's body is of no use.
const LARGEST_ERROR: u64 = 64 << 10;

/// How much of the API's words goes into a message.
const QUOTED: usize = 300;

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// How much trouble a client puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How often a request is tried that fails in a way that may pass.
    pub tries: u32,
    /// Whether to wait when the API refuses requests for a while (429).
    pub waits_for_quota: bool,
    /// How long to wait for a connection.
    pub connecting: Duration,
    /// How long the other side may be silent.
    pub silence: Duration,
    /// How long an answer may take as a whole.
    pub answer: Duration,
}

impl Patience {
    /// For a sync, which may take hours.
    pub const SYNC: Patience = Patience {
        tries: 6,
        waits_for_quota: true,
        connecting: Duration::from_secs(15),
        silence: Duration::from_secs(60),
        answer: Duration::from_secs(300),
    };

    /// For a check, for which a person waits.
    pub const CHECK: Patience = Patience {
        tries: 2,
        waits_for_quota: false,
        connecting: Duration::from_secs(5),
        silence: Duration::from_secs(10),
        answer: Duration::from_secs(15),
    };
}

/// Asks the API; shared by all threads of a run.
pub struct Client {
    agent: Agent,
    origin: Origin,
    authorization: HeaderValue,
    patience: Patience,
    pace: Mutex<Pace>,
    /// Told whenever a request is done.
    request_done: Condvar,
    clock: SharedClock,
}

/// How a single try ended.
enum Try {
    Answered(Box<Page>),
    /// A failure that asking again may cure.
    Failed(String),
    /// 429, with the wait that the API asks for.
    OverQuota(String, Option<Duration>),
    Refused(ApiError),
}

impl Client {
    /// A client that has sent nothing yet.
    pub fn new(origin: Origin, key: &Secret, patience: Patience, clock: SharedClock) -> Result<Client, ApiError> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", key.expose()))
            .map_err(|_| ApiError::UnknownKey("it holds characters that no key has".to_owned()))?;
        authorization.set_sensitive(true);
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(tls)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(patience.connecting))
            .timeout_connect(Some(patience.connecting))
            .timeout_per_read(Some(patience.silence))
            .timeout_per_write(Some(patience.silence))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_call(Some(patience.answer));
        if !origin.is_https() {
            // It is on this machine; a proxy would be elsewhere.
            config = config.proxy(None);
        }
        Ok(Client {
            agent: config.build().new_agent(),
            origin,
            authorization,
            patience,
            pace: Mutex::default(),
            request_done: Condvar::new(),
            clock,
        })
    }

    /// Fetches a page of bars on the basis `adjusted`. `on_wait` hears of waits for the API's quota, as times of the
    /// clock's `elapsed`.
    pub(super) fn page(&self, target: &str, adjusted: bool, on_wait: &dyn Fn(Duration)) -> Result<Page, ApiError> {
        let mut tries = 0;
        loop {
            self.take_slot(on_wait);
            let started = self.clock.elapsed();
            let outcome = self.try_once(target, adjusted);
            let goes_on = self.note(started, &outcome);
            match outcome {
                Try::Answered(page) => return Ok(*page),
                Try::Refused(error) => return Err(error),
                Try::OverQuota(words, _) if !goes_on => return Err(ApiError::Quota(words)),
                Try::OverQuota(..) => {}
                Try::Failed(cause) => {
                    tries += 1;
                    if tries >= self.patience.tries {
                        return Err(ApiError::Unavailable { origin: self.origin.to_string(), tries, cause });
                    }
                    self.clock.sleep_until(self.clock.elapsed() + backoff(tries));
                }
            }
        }
    }

    /// How many requests a minute the API lets through, if it has refused one.
    pub fn limit(&self) -> Option<usize> {
        self.pace().limit()
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_slot(&self, on_wait: &dyn Fn(Duration)) {
        let mut pace = self.pace();
        loop {
            match pace.take(self.clock.elapsed()) {
                Slot::Now => return,
                Slot::AfterAnother => pace = self.request_done.wait(pace).unwrap_or_else(PoisonError::into_inner),
                Slot::At(moment) => {
                    drop(pace);
                    on_wait(moment);
                    self.clock.sleep_until(moment);
                    pace = self.pace();
                }
            }
        }
    }

    /// Tells the pace how a try ended; whether it makes sense to wait if it was refused.
    fn note(&self, started: Duration, outcome: &Try) -> bool {
        let now = self.clock.elapsed();
        let goes_on = match outcome {
            Try::OverQuota(_, retry_after) => self.pace().refused(now, *retry_after) && self.patience.waits_for_quota,
            Try::Failed(_) => {
                self.pace().finished(started, now, false);
                true
            }
            Try::Answered(_) | Try::Refused(_) => {
                self.pace().finished(started, now, true);
                true
            }
        };
        self.request_done.notify_all();
        goes_on
    }

    fn try_once(&self, target: &str, adjusted: bool) -> Try {
        let request = self.agent.get(self.origin.url(target)).header(ACCEPT_ENCODING, "gzip");
        let request = request.header(AUTHORIZATION, self.authorization.clone());
        let mut response = match request.call() {
            Ok(response) => response,
            Err(error) => return Try::Failed(error.to_string()),
        };
        let status = response.status().as_u16();
        let is_success = (200..300).contains(&status);
        let body = match read_body(&mut response, if is_success { LARGEST_ANSWER } else { LARGEST_ERROR }) {
            Ok(body) => body,
            // The body of an error is a courtesy; its status says enough.
            Err(_) if !is_success => Vec::new(),
            Err(BodyError::Broken(cause)) => return Try::Failed(format!("the answer broke off: {cause}")),
            Err(BodyError::TooLarge) => {
                return Try::Refused(ApiError::Unexpected(format!("it is larger than {LARGEST_ANSWER} bytes")));
            }
        };
        if is_success {
            return match String::from_utf8(body) {
                Ok(text) => read_page(text, adjusted),
                Err(error) => Try::Failed(format!("the answer is not JSON: {error}")),
            };
        }
        let words = words(&String::from_utf8_lossy(&body));
        match status {
            401 => Try::Refused(ApiError::UnknownKey(words)),
            403 => Try::Refused(ApiError::OutsidePlan(words)),
            429 => {
                let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                Try::OverQuota(words, header.and_then(|value| retry_after::parse(value, self.clock.now())))
            }
            408 | 500..=599 => Try::Failed(format!("status {status}: {words}")),
            300..=399 => Try::Refused(ApiError::Unexpected(format!(
                "it is a redirect ({status}), and the key goes nowhere else"
            ))),
            _ => Try::Refused(ApiError::Refused(status, words)),
        }
    }
}

/// Why a body can't be used.
enum BodyError {
    Broken(String),
    TooLarge,
}

/// Reads a body of at most so many bytes, gzipped or not.
///
/// It is inflated as a whole: the end of a gzip file tells its size beforehand, which makes for one allocation of the
/// right size, and for half of the time that inflating piece by piece takes.
fn read_body(response: &mut Response<Body>, most: u64) -> Result<Vec<u8>, BodyError> {
    let is_gzipped = response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
    let mut body = Vec::new();
    let read = response.body_mut().as_reader().take(most + 1).read_to_end(&mut body);
    read.map_err(|error| BodyError::Broken(error.to_string()))?;
    if body.len() as u64 > most {
        return Err(BodyError::TooLarge);
    }
    if !is_gzipped {
        return Ok(body);
    }
    let size = body.last_chunk().map_or(0, |size| u32::from_le_bytes(*size));
    if u64::from(size) > most {
        return Err(BodyError::TooLarge);
    }
    let mut inflated = vec![0; size as usize];
    match Decompressor::new().gzip_decompress(&body, &mut inflated) {
        Ok(written) if written == inflated.len() => Ok(inflated),
        Ok(_) => Err(BodyError::Broken("its gzip is shorter than it says".to_owned())),
        Err(error) => Err(BodyError::Broken(format!("its gzip: {error}"))),
    }
}

/// Takes the body of a success for a page, if it is one on the basis that was asked for.
fn read_page(body: String, adjusted: bool) -> Try {
    let page = match Page::parse(body) {
        Ok(page) => page,
        Err(Unreadable::NotJson(error)) => return Try::Failed(format!("the answer is not JSON: {error}")),
        Err(Unreadable::Unexpected(what)) => return Try::Refused(ApiError::Unexpected(what)),
    };
    let answer = &page.answer;
    let words = || shortened(answer.error.as_deref().or(answer.message.as_deref()).unwrap_or("no reason given"));
    match answer.status.as_deref() {
        None | Some("OK" | "DELAYED") => {}
        Some("NOT_AUTHORIZED") => return Try::Refused(ApiError::OutsidePlan(words())),
        Some(status) => {
            let what = format!("its status is {:?} ({})", shortened(status), words());
            return Try::Refused(ApiError::Unexpected(what));
        }
    }
    match answer.adjusted {
        Some(basis) if basis != adjusted => Try::Refused(ApiError::Unexpected(format!(
            "prices with adjusted={adjusted} were asked for, and it has adjusted={basis}"
        ))),
        _ => Try::Answered(Box::new(page)),
    }
}

/// What an error's body says, for a message.
fn words(body: &str) -> String {
    match error_text(body) {
        Some(text) => shortened(&text),
        None if body.trim_start().starts_with('<') => "an HTML page".to_owned(),
        None if body.trim().is_empty() => "no text".to_owned(),
        None => shortened(body.trim()),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(QUOTED).collect()
}

/// How long to wait after `tries` failures: about 1, 2, 4, 8, … seconds, each by chance up to half shorter or longer,
/// so that many connectors don't come back at once.
fn backoff(tries: u32) -> Duration {
    let doubled = FIRST_BACKOFF.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST_BACKOFF);
    doubled.mul_f64(0.5 + fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_half_a_minute() {
        for (tries, seconds) in [(1, 1.0), (2, 2.0), (5, 16.0), (6, 30.0), (1_000, 30.0)] {
            let wait = backoff(tries).as_secs_f64();
            assert!((seconds * 0.5..seconds * 1.5).contains(&wait), "{tries}: {wait}");
        }
    }

    #[test]
    fn an_errors_body_is_put_in_a_few_words() {
        assert_eq!(words(r#"{"status":"ERROR","error":"Unknown API Key"}"#), "Unknown API Key");
        assert_eq!(words("404 page not found\n"), "404 page not found");
        assert_eq!(words("  <html>…"), "an HTML page");
        assert_eq!(words(""), "no text");
        assert_eq!(words(&"x".repeat(5_000)).len(), QUOTED);
    }
}
