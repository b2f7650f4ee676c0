//! What is asked of the API, and how one range is followed from page to page.

use std::collections::HashSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::response::{Bar, Page};
use super::{ApiError, LIMIT};
use crate::calendar::{Date, DateRange, Zone};
use crate::market::Market;
use crate::timespan::Timespan;

/// What RFC 3986 calls unreserved stays as it is in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How many pages in a row may bring nothing new before paging is taken for a loop.
const MAX_PAGES_WITHOUT_PROGRESS: u32 = 3;

/// A request for one page of bars, and what its answer must be about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// Path and query.
    target: String,
    adjusted: bool,
    /// The ticker and the size of the bars; `None` asks for the whole market.
    range: Option<(String, Timespan)>,
}

impl Request {
    /// The bars of one ticker over days of its market's zone. Intraday bars of markets that live by
    /// UTC are asked for by moments instead of dates: sources disagree in which zone the API reads
    /// a date there.
    pub(crate) fn range(
        ticker: &str,
        market: Market,
        timespan: Timespan,
        days: DateRange,
        adjusted: bool,
    ) -> Request {
        let path = range_path(ticker, timespan);
        let target = if timespan.is_intraday() && market.zone() == Zone::Utc {
            let moments = days.moments(Zone::Utc);
            format!(
                "{path}{}/{}?adjusted={adjusted}&sort=asc&limit={LIMIT}",
                moments.start,
                moments.end - 1
            )
        } else {
            format!(
                "{path}{}/{}?adjusted={adjusted}&sort=asc&limit={LIMIT}",
                days.from, days.to
            )
        };
        Request {
            target,
            adjusted,
            range: Some((ticker.to_owned(), timespan)),
        }
    }

    /// Every US stock's day bar.
    pub(crate) fn grouped(day: Date, adjusted: bool) -> Request {
        let target = format!("/v2/aggs/grouped/locale/us/market/stocks/{day}?adjusted={adjusted}");
        Request {
            target,
            adjusted,
            range: None,
        }
    }

    /// Path and query; the key is not in it.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The basis of prices that was asked for.
    pub(super) fn adjusted(&self) -> bool {
        self.adjusted
    }

    /// The ticker that was asked for; `None` for the whole market.
    pub(super) fn ticker(&self) -> Option<&str> {
        self.range.as_ref().map(|(ticker, _)| ticker.as_str())
    }

    /// The request for the page at `next_url`, if that goes on with this one. Its origin is of no
    /// interest: the configured one is the only one that gets the key. A key planted in it is
    /// dropped, and the basis is asked for again.
    fn follow(&self, next_url: &str) -> Result<Request, ApiError> {
        let Some((ticker, timespan)) = &self.range else {
            return Err(ApiError::InvalidResponse(
                "an answer for the whole market has a next_url".to_owned(),
            ));
        };
        let foreign =
            || ApiError::InvalidResponse(format!("next_url {next_url} is not about {ticker}"));
        let (path, query) = path_and_query(next_url).ok_or_else(foreign)?;
        let expected = range_path(ticker, *timespan);
        let mut segments = path.split('/');
        // The last expected one is empty: the path ends with a slash.
        let goes_on = expected
            .strip_suffix('/')
            .unwrap_or_default()
            .split('/')
            .all(|expected| {
                segments.next().is_some_and(|segment| {
                    percent_decode_str(segment).eq(percent_decode_str(expected))
                })
            });
        let is_moment = |segment: &str| {
            segment
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'-')
        };
        let ends: Vec<&str> = segments.collect();
        if !goes_on || ends.len() != 2 || !ends.iter().all(|end| !end.is_empty() && is_moment(end))
        {
            return Err(foreign());
        }
        let mut target = format!("{expected}{}/{}?", ends[0], ends[1]);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap_or_default();
            let name = percent_decode_str(name)
                .decode_utf8_lossy()
                .to_ascii_lowercase();
            if name != "apikey" && name != "adjusted" {
                target.push_str(pair);
                target.push('&');
            }
        }
        target.push_str(if self.adjusted {
            "adjusted=true"
        } else {
            "adjusted=false"
        });
        Ok(Request {
            target,
            ..self.clone()
        })
    }
}

/// The path of a range up to its two ends.
fn range_path(ticker: &str, timespan: Timespan) -> String {
    let ticker = utf8_percent_encode(ticker, SEGMENT);
    format!(
        "/v2/aggs/ticker/{ticker}/range/{}/{}/",
        timespan.multiplier,
        timespan.unit_name()
    )
}

/// Path and query of a URL, or of what follows its origin; `None` if it holds what no URL may hold.
fn path_and_query(url: &str) -> Option<(&str, &str)> {
    if !url
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte))
    {
        return None;
    }
    let url = url.split('#').next().unwrap_or_default();
    let rest = match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => &rest[rest.find('/')?..],
        _ => url,
    };
    Some(rest.split_once('?').unwrap_or((rest, "")))
}

/// Follows the pages of one range.
#[derive(Debug)]
pub(crate) struct Paging {
    request: Request,
    requested: HashSet<String>,
    /// The latest start of a bar so far, epoch milliseconds.
    latest: Option<i64>,
    pages_without_progress: u32,
}

impl Paging {
    /// Follows the pages after that of `first`.
    pub(crate) fn new(first: &Request) -> Paging {
        let requested = HashSet::from([first.target.clone()]);
        Paging {
            request: first.clone(),
            requested,
            latest: None,
            pages_without_progress: 0,
        }
    }

    /// The request for what follows `page`; `None` after the last one. Its bars may have been
    /// filtered, but their cursors must still grow with time.
    pub(crate) fn next(&mut self, page: &Page) -> Result<Option<Request>, ApiError> {
        let latest = page.bars().iter().map(|bar: &Bar| bar.cursor).max();
        self.pages_without_progress = if latest > self.latest {
            0
        } else {
            self.pages_without_progress + 1
        };
        self.latest = self.latest.max(latest);
        let Some(next_url) = &page.envelope.next_url else {
            return Ok(None);
        };
        let next = self.request.follow(next_url)?;
        if self.pages_without_progress >= MAX_PAGES_WITHOUT_PROGRESS
            || !self.requested.insert(next.target.clone())
        {
            return Err(ApiError::InvalidResponse(format!(
                "pagination loop at next_url {next_url}"
            )));
        }
        Ok(Some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::parse_date;

    fn days(from: &str, to: &str) -> DateRange {
        DateRange {
            from: parse_date(from).unwrap(),
            to: parse_date(to).unwrap(),
        }
    }

    fn minutes(ticker: &str) -> Request {
        let market = Market::of(ticker).unwrap();
        Request::range(
            ticker,
            market,
            Timespan::minutes(1),
            days("2023-07-31", "2023-07-31"),
            false,
        )
    }

    fn follow(next_url: &str) -> Option<String> {
        minutes("AAPL")
            .follow(next_url)
            .ok()
            .map(|request| request.target)
    }

    fn page(starts: &[i64], next_url: &str) -> Page {
        let bar = |start: &i64| format!(r#"{{"t":{start},"o":1,"h":1,"l":1,"c":1,"v":1}}"#);
        let bars = starts.iter().map(bar).collect::<Vec<_>>().join(",");
        Page::parse(format!(r#"{{"results":[{bars}],"next_url":"{next_url}"}}"#)).unwrap()
    }

    #[test]
    fn a_request_names_ticker_timespan_days_and_basis() {
        let target = |ticker: &str, timespan, adjusted| {
            let market = Market::of(ticker).unwrap();
            Request::range(
                ticker,
                market,
                timespan,
                days("2026-07-01", "2026-07-31"),
                adjusted,
            )
            .target
        };
        assert_eq!(
            target("AAPL", Timespan::minutes(15), true),
            "/v2/aggs/ticker/AAPL/range/15/minute/2026-07-01/2026-07-31?adjusted=true&sort=asc&limit=50000"
        );
        let midnights = "/1782864000000/1785542399999?adjusted=false&sort=asc&limit=50000";
        assert_eq!(
            target("X:BTCUSD", Timespan::HOUR, false),
            format!("/v2/aggs/ticker/X%3ABTCUSD/range/1/hour{midnights}")
        );
        assert!(target("X:BTCUSD", Timespan::DAY, false).contains("/2026-07-01/2026-07-31?"));
        let day = parse_date("2026-07-31").unwrap();
        let grouped = "/v2/aggs/grouped/locale/us/market/stocks/2026-07-31?adjusted=false";
        assert_eq!(Request::grouped(day, false).target(), grouped);
    }

    #[test]
    fn a_ticker_is_encoded_and_its_case_kept() {
        assert!(
            minutes("GM.WS.B")
                .target
                .starts_with("/v2/aggs/ticker/GM.WS.B/range/1/minute/2023-07-31/2023-07-31?")
        );
        assert!(minutes("GSpB").target.contains("/GSpB/"));
        assert!(
            minutes("X:BTC/USD?a=b#c")
                .target
                .contains("/X%3ABTC%2FUSD%3Fa%3Db%23c/")
        );
    }

    #[test]
    fn next_url_gives_path_and_query_but_neither_origin_nor_key() {
        let path = "/v2/aggs/ticker/AAPL/range/1/minute/1690791480000/2023-07-31";
        let expected = Some(format!(
            "{path}?cursor=bGltaXQ9MTAmc29ydD1hc2M&adjusted=false"
        ));
        let query = "cursor=bGltaXQ9MTAmc29ydD1hc2M";
        assert_eq!(
            follow(&format!("https://api.polygon.io{path}?{query}")),
            expected
        );
        assert_eq!(
            follow(&format!(
                "https://evil.example:99{path}?apiKey=planted&{query}&adjusted=true"
            )),
            expected
        );
        assert_eq!(follow(&format!("{path}?{query}&APIKEY=planted")), expected);
        assert_eq!(
            follow(&format!("https://api.polygon.io{path}")),
            Some(format!("{path}?adjusted=false"))
        );
    }

    #[test]
    fn url_is_cut_into_path_and_query() {
        for (url, expected) in [
            ("https://h/a/b?c=d#e", Some(("/a/b", "c=d"))),
            ("/a?next=https://h/b", Some(("/a", "next=https://h/b"))),
            ("?next=https://h/b", Some(("", "next=https://h/b"))),
            ("https://h/a?b=<c>", None),
            ("https://h/a b", None),
            ("https://h/\u{e4}", None),
            ("https://h", None),
        ] {
            assert_eq!(path_and_query(url), expected, "{url}");
        }
    }

    #[test]
    fn next_url_may_spell_the_ticker_in_its_own_way() {
        let next_url = "https://api.polygon.io/v2/aggs/ticker/X:BTCUSD/range/1/minute/1690791480000/1690847999999?cursor=x";
        let next = minutes("X:BTCUSD").follow(next_url).unwrap();
        let expected = "/v2/aggs/ticker/X%3ABTCUSD/range/1/minute/1690791480000/1690847999999?cursor=x&adjusted=false";
        assert_eq!(next.target, expected);
    }

    #[test]
    fn next_url_that_leaves_the_request_is_refused() {
        for next_url in [
            "https://api.polygon.io/v2/aggs/ticker/TSLA/range/1/minute/1690791480000/2023-07-31?cursor=x",
            "https://api.polygon.io/v2/aggs/ticker/aapl/range/1/minute/1690791480000/2023-07-31?cursor=x",
            "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/day/1690791480000/2023-07-31?cursor=x",
            "https://api.polygon.io/v2/aggs/ticker/AAPL/range/5/minute/1690791480000/2023-07-31?cursor=x",
            "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/minute/1690791480000/2023-07-31/../../x",
            "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/minute/../2023-07-31",
            "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/minute/1690791480000",
            "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/minute/1690791480000/",
            "https://api.polygon.io/v3/reference/tickers",
            "https://api.polygon.io",
            "not a url",
            "",
        ] {
            assert_eq!(follow(next_url), None, "{next_url}");
        }
    }

    #[test]
    fn pages_follow_each_other_until_there_is_no_next_url() {
        let first = minutes("AAPL");
        let mut paging = Paging::new(&first);
        let url = |from: i64| format!("/v2/aggs/ticker/AAPL/range/1/minute/{from}/2023-07-31");
        let second = paging.next(&page(&[1, 2], &url(3))).unwrap().unwrap();
        assert_eq!(second.target, format!("{}?adjusted=false", url(3)));
        let last =
            Page::parse(r#"{"results":[{"t":4,"o":1,"h":1,"l":1,"c":1}]}"#.to_owned()).unwrap();
        assert_eq!(paging.next(&last), Ok(None));
    }

    #[test]
    fn a_next_url_that_comes_again_is_a_loop() {
        let mut paging = Paging::new(&minutes("AAPL"));
        let url = "/v2/aggs/ticker/AAPL/range/1/minute/3/2023-07-31";
        assert!(paging.next(&page(&[1, 2], url)).is_ok());
        let error = paging.next(&page(&[3, 4], url)).unwrap_err();
        assert_eq!(
            error,
            ApiError::InvalidResponse(format!("pagination loop at next_url {url}"))
        );
    }

    #[test]
    fn pages_that_bring_nothing_new_are_a_loop() {
        let mut paging = Paging::new(&minutes("AAPL"));
        let mut follow = |number: i64| {
            paging.next(&page(
                &[1, 2],
                &format!("/v2/aggs/ticker/AAPL/range/1/minute/{number}/2023-07-31"),
            ))
        };
        assert!((1..=3).all(|number| follow(number).is_ok()));
        assert!(follow(4).is_err());
    }
}
