//! What a response means: a page, or why there is none. Knows nothing of how it arrived.

use std::time::Duration;

use super::body::Body;
use super::error::{ApiProblem, ResponseId};
use super::response::{Envelope, ParseError, ResponsePage};
use super::{ApiError, Request};
use crate::secret::Secret;

/// A response as received.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(super) status: u16,
    /// The value of `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// The API's name for the request, if a header contained one.
    pub(super) request_id: Option<String>,
    pub(super) body: Body,
}

/// Why there is no page, with the cause in words.
pub(super) type Problem = (ApiProblem, String);

/// Interprets responses. No error that it returns contains the key.
pub(crate) struct Interpreter {
    key: Secret,
    origin: String,
}

impl Interpreter {
    /// For responses of `origin` to requests with `key`.
    pub(super) fn new(key: Secret, origin: String) -> Interpreter {
        Interpreter { key, origin }
    }

    /// The page that was requested.
    pub(super) fn page<P: ResponsePage>(&self, request: &Request, reply: Reply) -> Result<P, ApiError> {
        let Reply { status, mut request_id, body, .. } = reply;
        let read = || {
            let text = body.into_text();
            let text = text.map_err(|cause| (self.unavailable(), format!("the response can't be read: {cause}")))?;
            let (page, mut envelope) = P::parse(text, request).map_err(|error| match error {
                ParseError::InvalidJson(error) => (self.unavailable(), format!("the response is not JSON: {error}")),
                ParseError::UnexpectedShape(what) => (ApiProblem::Unexpected, what),
            })?;
            request_id = envelope.request_id.take().or(request_id.take());
            self.check(request, &envelope)?;
            Ok(page)
        };
        read().map_err(|problem| self.error(problem, request, Some((status, request_id))))
    }

    /// Returns a success as it is. Any other response is classified by its complete text, of which a message quotes only the
    /// beginning.
    pub(super) fn accept(&self, request: &Request, reply: Reply) -> Result<Reply, ApiError> {
        if (200..300).contains(&reply.status) {
            return Ok(reply);
        }
        let Reply { status, retry_after, request_id, body } = reply;
        let text = body.into_error_text();
        let envelope = serde_json::from_str::<Envelope>(&text).ok();
        let envelope = envelope.filter(|envelope| envelope.status.is_some() || envelope.words().is_some());
        let said = envelope.as_ref().and_then(Envelope::words);
        let mut quoted = match said {
            Some(said) => said,
            None if text.trim_start().starts_with('<') => "an HTML page",
            None if text.trim().is_empty() => "no text",
            None => text.trim(),
        }
        .to_owned();
        let problem = match status {
            401 => ApiProblem::Unauthorized,
            403 if envelope.is_none() => {
                quoted = format!("not from the API: {quoted}");
                self.unavailable()
            }
            403 => refusal_by_plan(said.unwrap_or_default()),
            404 => ApiProblem::NotFound,
            407 => ApiProblem::ProxyAuthentication,
            429 => ApiProblem::RateLimited(retry_after),
            400 if said.is_some_and(|said| said.contains("before 'from'")) => ApiProblem::PastTheEnd,
            408 | 500..=599 => self.unavailable(),
            300..=399 => {
                quoted = String::from("redirects are not followed, because the key is only sent to api_url");
                ApiProblem::Unexpected
            }
            _ => ApiProblem::Rejected,
        };
        let request_id = envelope.and_then(|envelope| envelope.request_id).or(request_id);
        Err(self.error((problem, quoted), request, Some((status, request_id))))
    }

    /// Rejects a refusal, and a page with prices on another basis, for another ticker, or with fewer rows than it announces.
    /// Under load the API has been seen to send the last two. More rows than announced are only duplicates.
    fn check(&self, request: &Request, envelope: &Envelope) -> Result<(), Problem> {
        let words = envelope.words().unwrap_or("no reason given");
        match envelope.status.as_deref() {
            None | Some("OK" | "DELAYED") => {}
            Some("NOT_AUTHORIZED") => return Err((refusal_by_plan(words), words.to_owned())),
            Some(status) => return Err((ApiProblem::Unexpected, format!("its status is \"{status}\": {words}"))),
        }
        if let (Some(requested), Some(adjusted)) = (request.adjusted, envelope.adjusted)
            && adjusted != requested
        {
            return Err((ApiProblem::Unexpected, format!("it has adjusted={adjusted} instead of {requested}")));
        }
        if let (Some(requested), Some(ticker)) = (&request.ticker, &envelope.ticker)
            && ticker != requested
        {
            return Err(if ticker.eq_ignore_ascii_case(requested) {
                (ApiProblem::OtherCase(ticker.clone()), String::new())
            } else {
                (self.unavailable(), format!("the response is for {ticker} instead of {requested}"))
            });
        }
        match (envelope.found, envelope.results_count) {
            (found, Some(count)) if (found as f64) < count => {
                Err((self.unavailable(), format!("the response has {found} of {count} rows")))
            }
            _ => Ok(()),
        }
    }

    /// An error without the key, which a server may repeat. It is redacted before it is shortened.
    pub(super) fn error(&self, (problem, cause): Problem, request: &Request, response: Option<ResponseId>) -> ApiError {
        let response = response.map(|(status, id)| (status, id.map(|id| self.key.redact(&id))));
        ApiError::new(problem, request, &self.key.redact(&cause), response)
    }

    /// The problem of an attempt that failed in a way that a retry may cure.
    pub(super) fn unavailable(&self) -> ApiProblem {
        ApiProblem::Unavailable { origin: self.origin.clone(), attempts: 1 }
    }
}

/// The API uses one status for three reasons.
fn refusal_by_plan(said: &str) -> ApiProblem {
    if said.contains("timeframe") {
        ApiProblem::BeforeHistory
    } else if said.contains("before end of day") {
        ApiProblem::TodayNotOver
    } else {
        ApiProblem::NotEntitled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars::Page;
    use crate::calendar::{DateRange, parse_date};
    use crate::error::FailureType;
    use crate::events::{ActionKind, EventPage};
    use crate::market::Market;
    use crate::timespan::Timespan;

    const KEY: &str = "k3y-of-the-test";

    fn tsla() -> Request {
        let days = DateRange::day(parse_date("2026-07-15").unwrap());
        Request::range("TSLA", Market::Stocks, Timespan::Day, days, true)
    }

    fn reply(status: u16, text: &str) -> Reply {
        Reply {
            status,
            retry_after: None,
            request_id: Some("of-header".to_owned()),
            body: Body { bytes: text.into(), is_gzipped: false },
        }
    }

    fn interpreter() -> Interpreter {
        Interpreter::new(Secret::new(KEY), "https://host".to_owned())
    }

    fn interpret(status: u16, text: &str) -> Result<Page, ApiError> {
        let interpreter = interpreter();
        interpreter.page(&tsla(), interpreter.accept(&tsla(), reply(status, text))?)
    }

    fn fails(status: u16, text: &str) -> ApiError {
        interpret(status, text).expect_err(text)
    }

    /// The integration tests have a table of all statuses and faults.
    #[test]
    fn a_failure_has_the_words_and_the_id_of_the_body_or_else_the_id_of_the_header() {
        let words = r#"{"status":"ERROR","error":"words","request_id":"r1"}"#;
        for (text, said, id) in [(words, "words", "r1"), ("", "no text", "of-header")] {
            let error = fails(599, text);
            assert!(error.is_unavailable(), "{error}");
            let message = error.into_failure("stock_prices, TSLA").message;
            let expected = format!("request to https://host failed after 1 attempt (HTTP 599: {said}). Request: ");
            assert!(message.contains(&expected) && message.contains(&format!(", request_id {id}. ")), "{message}");
        }
    }

    #[test]
    fn a_refusal_is_classified_by_its_complete_text() {
        let long = "x".repeat(270);
        let refusal = |text: &str| {
            let error = fails(403, &format!(r#"{{"status":"NOT_AUTHORIZED","message":"{text}"}}"#));
            [error.is_before_plan_history(), error.is_before_end_of_day(), error.is_unavailable()]
        };
        assert_eq!(refusal("Your plan doesn't include this data timeframe."), [true, false, false]);
        assert_eq!(refusal(&format!("{long}{long} this data timeframe.")), [true, false, false]);
        assert_eq!(refusal("Attempted to request today's data before end of day."), [false, true, false]);
        assert_eq!(refusal("You are not entitled to this data."), [false; 3]);
        let under_200 = fails(200, r#"{"status":"NOT_AUTHORIZED","message":"data timeframe"}"#);
        assert!(under_200.is_before_plan_history());
        let to = "The parameter 'to' cannot be a time that occurs before 'from'";
        assert!(fails(400, &format!(r#"{{"status":"ERROR","error":"{to}"}}"#)).is_past_the_end());
        assert!(!fails(400, r#"{"status":"ERROR","error":"Ticker"}"#).is_past_the_end());
    }

    #[test]
    fn a_403_that_is_not_from_the_api_is_retried() {
        for (text, cause) in [
            ("<html>Forbidden</html>", "not from the API: an HTML page"),
            ("", "not from the API: no text"),
            ("{}", "not from the API: {}"),
            ("[]", "not from the API: []"),
            ("data timeframe", "not from the API: data timeframe"),
        ] {
            let error = fails(403, text);
            assert!(error.is_unavailable() && error.cause() == format!("HTTP 403: {cause}"), "{error}");
        }
    }

    #[test]
    fn rows_beyond_the_count_are_accepted_and_unusable_ones_are_counted() {
        let bar = r#"{"v":1,"o":1,"c":1,"h":1,"l":1,"t":7}"#;
        let unusable = r#"{"o":1,"c":null,"h":1,"l":1,"t":8}"#;
        for (count, rows) in [
            (1, bar.to_owned()),
            (1, format!("{bar},{bar}")),
            (1, format!("{bar},{unusable}")),
            (2, format!("{bar},{unusable}")),
        ] {
            let text = format!(r#"{{"ticker":"TSLA","resultsCount":{count},"results":[{rows}]}}"#);
            assert!(interpret(200, &text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_ticker_in_another_case_is_suggested() {
        let failure = fails(200, r#"{"ticker":"Tsla","results":[]}"#).into_failure("TSLA");
        assert_eq!(failure.failure_type, FailureType::ConfigError);
        assert!(failure.message.contains("did you mean Tsla?"), "{}", failure.message);
    }

    #[test]
    fn every_row_of_a_market_needs_a_ticker_and_the_basis_is_checked() {
        let request = Request::grouped(Market::Stocks, parse_date("2026-07-15").unwrap(), false);
        let text = r#"{"adjusted":false,"resultsCount":2,"results":[{"T":"A","o":1,"h":1,"l":1,"c":1,"t":7},{"o":1,"h":1,"l":1,"c":1,"t":7}]}"#;
        let page: Page = interpreter().page(&request, reply(200, text)).unwrap();
        assert_eq!((page.rows.len(), page.unusable.len()), (1, 1));
        let adjusted = interpreter().page::<Page>(&request, reply(200, r#"{"adjusted":true}"#));
        assert!(adjusted.unwrap_err().is_unexpected());
    }

    #[test]
    fn a_key_repeated_as_the_id_of_an_unexpected_response_is_redacted() {
        let error = fails(200, &format!(r#"{{"adjusted":false,"request_id":"{KEY}"}}"#));
        let message = error.into_failure("TSLA").message;
        assert!(message.contains("request_id (api_key)"), "{message}");
    }

    #[test]
    fn external_text_is_redacted_before_it_is_shortened() {
        for before in 280..310 {
            let text = format!("{}{KEY} is unknown", "x".repeat(before));
            let error = fails(401, &format!(r#"{{"error":"{text}","request_id":"{KEY}"}}"#));
            assert!(error.cause().len() <= 320, "{error}");
            let failure = error.into_failure("api_key");
            assert!(!failure.message.contains("k3y"), "{}", failure.message);
            let internal = failure.internal_message.unwrap();
            assert!(!internal.contains("k3y") && internal.contains("(api_key) is unknown"), "{internal}");
        }
    }

    #[test]
    fn corporate_actions_are_interpreted_like_bars() {
        let splits = Request::actions(ActionKind::Splits, &[]);
        let read = |text| interpreter().page::<EventPage>(&splits, reply(200, text));
        assert_eq!(read(r#"{"status":"OK","results":[{"id":"E","ticker":"A"}]}"#).unwrap().rows.len(), 1);
        assert!(read("<html>").unwrap_err().is_unavailable());
        assert!(read(r#"{"status":"ERROR"}"#).unwrap_err().is_unexpected());
    }
}
