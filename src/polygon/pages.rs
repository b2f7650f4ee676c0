//! A question for bars, and its answer page by page.

use std::collections::HashSet;
use std::time::Duration;

use jiff::civil::Date;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ureq::http::Uri;

use super::answer::{Bar, Page};
use super::{ApiError, Client, LIMIT};
use crate::streams::BarSize;
use crate::window::{Days, day_after, is_weekend};

/// What RFC 3986 calls unreserved stays as it is in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How many pages in a row may bring nothing new before paging is taken for a loop.
const MOST_IDLE_PAGES: u32 = 3;

/// Which bars are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The ticker; `None` asks for the day bars of the whole market.
    pub ticker: Option<&'a str>,
    /// The size of the bars.
    pub size: BarSize,
    /// The days, New York.
    pub days: Days,
    /// Whether prices are to be adjusted for splits.
    pub adjusted: bool,
}

impl Question<'_> {
    fn range_target(&self, ticker: &str) -> String {
        let (ticker, timespan) = (utf8_percent_encode(ticker, SEGMENT), self.size.timespan());
        let (Days { from, to }, adjusted) = (self.days, self.adjusted);
        format!("/v2/aggs/ticker/{ticker}/range/1/{timespan}/{from}/{to}?adjusted={adjusted}&sort=asc&limit={LIMIT}")
    }

    fn grouped_target(&self, day: Date) -> String {
        format!("/v2/aggs/grouped/locale/us/market/stocks/{day}?adjusted={}", self.adjusted)
    }

    /// Path and query of `next_url` if it goes on with this question. Its origin is of no interest: the configured one
    /// is the only one that gets the key. A key planted in it is dropped, and the basis is asked for again.
    fn next_target(&self, ticker: &str, next_url: &str) -> Result<String, ApiError> {
        let leaves = || ApiError::Unexpected(format!("its next_url {next_url:?} is not about {ticker}"));
        let uri: Uri = next_url.parse().map_err(|_| leaves())?;
        let mut segments = uri.path().split('/');
        let expected = ["", "v2", "aggs", "ticker", ticker, "range", "1", self.size.timespan()];
        let goes_on = expected
            .iter()
            .all(|expected| segments.next().is_some_and(|segment| percent_decode_str(segment).eq(expected.bytes())));
        if !goes_on || segments.count() != 2 {
            return Err(leaves());
        }
        let mut target = format!("{}?", uri.path());
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap_or_default();
            if !["apikey", "adjusted"].contains(&name.to_ascii_lowercase().as_str()) {
                target.push_str(pair);
                target.push('&');
            }
        }
        target.push_str(&format!("adjusted={}", self.adjusted));
        Ok(target)
    }
}

/// The next page to fetch, and for the grouped endpoint the day that it is about.
#[derive(Debug)]
struct Next {
    target: String,
    day: Option<Date>,
}

/// The pages that answer a question, in the order of time.
pub struct Pages<'a> {
    client: &'a Client,
    question: Question<'a>,
    next: Option<Next>,
    asked: HashSet<String>,
    latest: Option<i64>,
    idle_pages: u32,
}

impl<'a> Pages<'a> {
    /// Asks nothing yet.
    pub fn new(client: &'a Client, question: Question<'a>) -> Pages<'a> {
        let next = match question.ticker {
            Some(ticker) => Some(Next { target: question.range_target(ticker), day: None }),
            None => next_weekday(&question, question.days.from),
        };
        Pages { client, question, next, asked: HashSet::new(), latest: None, idle_pages: 0 }
    }

    /// Whether another page is known to follow.
    pub fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// Fetches the next page, with the day that it is about if the question was for the whole market. `on_wait` hears
    /// of waits for the API's quota, as times of the clock's `elapsed`.
    pub fn next(&mut self, on_wait: &dyn Fn(Duration)) -> Result<Option<(Page, Option<Date>)>, ApiError> {
        let Some(next) = self.next.take() else { return Ok(None) };
        let is_first = self.asked.is_empty();
        let page = match self.client.page(&next.target, self.question.adjusted, on_wait) {
            // A next_url can lead past the end of the range: "'to' cannot be a time that occurs before 'from'".
            Err(ApiError::Refused(400, words)) if !is_first && words.contains("before 'from'") => return Ok(None),
            // To the API, the last day is today still: "Attempted to request today's data before end of day."
            Err(ApiError::OutsidePlan(words)) if next.day.is_some() && words.contains("before end of day") => {
                return Ok(None);
            }
            answered => answered?,
        };
        self.next = match self.question.ticker {
            Some(ticker) => self.follow(ticker, next.target, &page)?,
            None => {
                refuse_nameless_bars(&page)?;
                next.day.and_then(|day| next_weekday(&self.question, day_after(day)))
            }
        };
        Ok(Some((page, next.day)))
    }

    fn follow(&mut self, ticker: &str, asked: String, page: &Page) -> Result<Option<Next>, ApiError> {
        self.asked.insert(asked);
        let latest = page.bars().iter().map(|bar| bar.key).max();
        self.idle_pages = if latest > self.latest { 0 } else { self.idle_pages + 1 };
        self.latest = self.latest.max(latest);
        let Some(next_url) = &page.answer.next_url else { return Ok(None) };
        let target = self.question.next_target(ticker, next_url)?;
        if self.asked.contains(&target) || self.idle_pages >= MOST_IDLE_PAGES {
            return Err(ApiError::Unexpected(format!("its next_url {next_url:?} leads round in a circle")));
        }
        Ok(Some(Next { target, day: None }))
    }
}

/// A bar of the whole market is of no use without its ticker.
fn refuse_nameless_bars(page: &Page) -> Result<(), ApiError> {
    let is_nameless = |bar: &Bar| bar.ticker.is_none_or(|ticker| page.text_of(ticker) == r#""""#);
    match page.bars().iter().find(|bar| is_nameless(bar)) {
        Some(bar) => {
            Err(ApiError::Unexpected(format!("a bar that closes at {} has no ticker T", page.text_of(bar.close))))
        }
        None => Ok(()),
    }
}

fn next_weekday(question: &Question<'_>, from: Date) -> Option<Next> {
    let mut day = from;
    while is_weekend(day) {
        day = day_after(day);
    }
    (day <= question.days.to).then(|| Next { target: question.grouped_target(day), day: Some(day) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const QUESTION: Question<'_> = Question {
        ticker: Some("AAPL"),
        size: BarSize::Minute,
        days: Days { from: date(2023, 7, 31), to: date(2023, 7, 31) },
        adjusted: false,
    };

    fn next(next_url: &str) -> Option<String> {
        QUESTION.next_target("AAPL", next_url).ok()
    }

    #[test]
    fn a_ticker_is_encoded_and_its_case_kept() {
        let target = |ticker| QUESTION.range_target(ticker);
        assert!(target("GM.WS.B").starts_with("/v2/aggs/ticker/GM.WS.B/range/1/minute/2023-07-31/2023-07-31?"));
        assert!(target("GSpB").contains("/GSpB/"));
        assert!(target("X:BTC/USD?a=b#c").contains("/X%3ABTC%2FUSD%3Fa%3Db%23c/"));
    }

    #[test]
    fn next_url_gives_path_and_query_but_neither_origin_nor_key() {
        let path = "/v2/aggs/ticker/AAPL/range/1/minute/1690791480000/2023-07-31";
        let expected = Some(format!("{path}?cursor=bGltaXQ9MTAmc29ydD1hc2M&adjusted=false"));
        let query = "cursor=bGltaXQ9MTAmc29ydD1hc2M";
        assert_eq!(next(&format!("https://api.polygon.io{path}?{query}")), expected);
        assert_eq!(next(&format!("https://evil.example:99{path}?apiKey=planted&{query}&adjusted=true")), expected);
        assert_eq!(next(&format!("{path}?{query}&APIKEY=planted")), expected);
    }

    #[test]
    fn next_url_that_leaves_the_question_is_refused() {
        for next_url in [
            "https://api.polygon.io/v2/aggs/ticker/TSLA/range/1/minute/1690791480000/2023-07-31?cursor=x",
            "https://api.polygon.io/v2/aggs/ticker/aapl/range/1/minute/1690791480000/2023-07-31?cursor=x",
            "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/day/1690791480000/2023-07-31?cursor=x",
            "https://api.polygon.io/v2/aggs/ticker/AAPL/range/5/minute/1690791480000/2023-07-31?cursor=x",
            "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/minute/1690791480000/2023-07-31/../../x",
            "https://api.polygon.io/v3/reference/tickers",
            "https://api.polygon.io",
            "not a url",
            "",
        ] {
            assert_eq!(next(next_url), None, "{next_url}");
        }
    }

    #[test]
    fn the_market_is_not_asked_about_weekends() {
        let market = Question {
            ticker: None,
            size: BarSize::Day,
            days: Days { from: date(2026, 7, 17), to: date(2026, 7, 20) },
            adjusted: false,
        };
        let day = |from| next_weekday(&market, from).and_then(|next| next.day);
        assert_eq!(day(date(2026, 7, 17)), Some(date(2026, 7, 17)));
        assert_eq!(day(date(2026, 7, 18)), Some(date(2026, 7, 20)), "a Monday");
        assert_eq!(day(date(2026, 7, 21)), None);
    }
}
