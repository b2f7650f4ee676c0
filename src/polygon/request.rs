//! Requests, and how the pages of one request follow each other.

use std::collections::HashSet;

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::{ApiError, LIMIT};
use crate::bars::Page;
use crate::calendar::{Date, DateRange, Zone};
use crate::events::{ActionKind, EventPage};
use crate::fields::{BAR_FIELDS, Field};
use crate::market::Market;
use crate::secret::RESERVED;
use crate::timespan::Timespan;

/// The most rows of a page of corporate actions.
const EVENT_LIMIT: u32 = 5_000;

/// The number of pages in a row without newer rows after which paging is taken for a loop.
const MAX_PAGES_WITHOUT_PROGRESS: u32 = 3;

/// The most pages that a request can have. Even decades of minutes have fewer.
const MAX_PAGES: usize = 5_000;

/// A request for one page, and what the response must be about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// Path and query, without the key.
    target: String,
    endpoint: Endpoint,
    /// The path that later pages have, too; of a range, up to its two ends.
    path: String,
    /// The ticker that the response must name.
    pub(super) ticker: Option<String>,
    /// Whether the prices must be adjusted; `None` for corporate actions.
    pub(super) adjusted: Option<bool>,
    /// The fields of each row.
    pub(super) fields: &'static [Field],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    /// The bars of a ticker.
    Range,
    /// The day bars of a whole market.
    Market,
    /// Corporate actions.
    Actions,
}

impl Request {
    /// The bars of one ticker over days of its market's zone. Intraday bars of markets with UTC days are requested by
    /// timestamps: sources disagree on the zone in which the API interprets dates there.
    pub(crate) fn range(ticker: &str, market: Market, timespan: Timespan, days: DateRange, adjusted: bool) -> Request {
        let ticker_path = utf8_percent_encode(ticker, RESERVED);
        let path = format!("/v2/aggs/ticker/{ticker_path}/range/{}/", timespan.path());
        let ends = if timespan.is_intraday() && market.zone() == Zone::Utc {
            let moments = days.moments(Zone::Utc);
            format!("{}/{}", moments.start, moments.end - 1)
        } else {
            format!("{}/{}", days.from, days.to)
        };
        let target = format!("{path}{ends}?adjusted={adjusted}&sort=asc&limit={LIMIT}");
        let (ticker, adjusted) = (Some(ticker.to_owned()), Some(adjusted));
        Request { target, endpoint: Endpoint::Range, path, ticker, adjusted, fields: &BAR_FIELDS }
    }

    /// The day bars of all tickers of a market: US stocks, crypto or forex.
    pub(crate) fn grouped(market: Market, day: Date, adjusted: bool) -> Request {
        let market = match market {
            Market::Crypto => "global/market/crypto",
            Market::Forex => "global/market/fx",
            Market::Stocks | Market::Options | Market::Indices => "us/market/stocks",
        };
        let path = format!("/v2/aggs/grouped/locale/{market}/{day}");
        let target = format!("{path}?adjusted={adjusted}");
        let adjusted = Some(adjusted);
        Request { target, endpoint: Endpoint::Market, path, ticker: None, adjusted, fields: &BAR_FIELDS }
    }

    /// The splits or dividends of these tickers, or of all if none is named, by ticker and date.
    pub(crate) fn actions(kind: ActionKind, tickers: &[&str]) -> Request {
        let path = match kind {
            ActionKind::Splits => "/stocks/v1/splits",
            ActionKind::Dividends => "/stocks/v1/dividends",
        };
        let (path, fields) = (path.to_owned(), kind.fields());
        let tickers: Vec<_> = tickers.iter().map(|ticker| utf8_percent_encode(ticker, RESERVED).to_string()).collect();
        let tickers = tickers.join(",");
        let only = if tickers.is_empty() { String::new() } else { format!("ticker.any_of={tickers}&") };
        let target = format!("{path}?{only}limit={EVENT_LIMIT}&sort=ticker.asc,{}.asc", fields[0].key);
        Request { target, endpoint: Endpoint::Actions, path, ticker: None, adjusted: None, fields }
    }

    /// Path and query, without the key.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// Whether every row must name its ticker.
    pub(super) fn is_of_market(&self) -> bool {
        self.endpoint == Endpoint::Market
    }

    /// The request for the page at `next_url`. Only path and query are taken from it, because the key is sent to the
    /// configured origin only. They must continue this request; a key in the query is dropped.
    fn follow(&self, next_url: &str) -> Result<Request, ApiError> {
        let target = path_and_query(next_url).and_then(|(path, query)| {
            let path = match self.endpoint {
                Endpoint::Range => continued_range(&self.path, path)?,
                Endpoint::Actions => (path == self.path).then(|| path.to_owned())?,
                Endpoint::Market => return None,
            };
            let is_kept = |pair: &&str| {
                let name = pair.split('=').next().unwrap_or_default();
                let name = percent_decode_str(name).decode_utf8_lossy();
                !pair.is_empty() && !["apikey", "adjusted"].contains(&name.to_ascii_lowercase().as_str())
            };
            let mut query: Vec<String> = query.split('&').filter(is_kept).map(str::to_owned).collect();
            query.extend(self.adjusted.map(|adjusted| format!("adjusted={adjusted}")));
            Some(format!("{path}?{}", query.join("&")))
        });
        match target {
            Some(target) => Ok(Request { target, ..self.clone() }),
            None => Err(ApiError::unexpected(self, &format!("next_url {next_url} does not continue the request"))),
        }
    }
}

/// The path of a later page of the range at `expected`; `None` if `path` is not one.
fn continued_range(expected: &str, path: &str) -> Option<String> {
    let (rest, to) = path.rsplit_once('/')?;
    let (rest, from) = rest.rsplit_once('/')?;
    let decoded = |path: &str| path.split('/').map(|part| percent_decode_str(part).collect()).collect::<Vec<Vec<u8>>>();
    let is_moment = |end: &str| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let is_same = decoded(rest) == decoded(expected.trim_end_matches('/'));
    (is_same && is_moment(from) && is_moment(to)).then(|| format!("{expected}{from}/{to}"))
}

/// Path and query of a URL, or of the part after its origin; `None` if it contains characters that no URL may contain.
fn path_and_query(url: &str) -> Option<(&str, &str)> {
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)) {
        return None;
    }
    let url = url.split('#').next().unwrap_or_default();
    let rest = match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => &rest[rest.find('/')?..],
        _ => url,
    };
    Some(rest.split_once('?').unwrap_or((rest, "")))
}

/// Follows the pages of one request.
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
        Paging {
            request: first.clone(),
            requested: HashSet::from([first.target.clone()]),
            latest: None,
            pages_without_progress: 0,
        }
    }

    /// The request for the page after `page`; `None` after the last one. Bars may have been removed from `page`, but their
    /// cursors must still grow with time.
    pub(crate) fn next(&mut self, page: &Page) -> Result<Option<Request>, ApiError> {
        let latest = page.rows.iter().map(|bar| bar.cursor).max();
        let has_progress = latest > self.latest;
        self.latest = self.latest.max(latest);
        self.follow(page.next_url.as_deref(), has_progress)
    }

    /// The request for the page of corporate actions after `page`; `None` after the last one.
    pub(crate) fn next_events(&mut self, page: &EventPage) -> Result<Option<Request>, ApiError> {
        self.follow(page.next_url.as_deref(), !page.rows.is_empty())
    }

    fn follow(&mut self, next_url: Option<&str>, has_progress: bool) -> Result<Option<Request>, ApiError> {
        self.pages_without_progress = if has_progress { 0 } else { self.pages_without_progress + 1 };
        let Some(next_url) = next_url else { return Ok(None) };
        let next = self.request.follow(next_url)?;
        if self.pages_without_progress >= MAX_PAGES_WITHOUT_PROGRESS
            || self.requested.len() >= MAX_PAGES
            || !self.requested.insert(next.target.clone())
        {
            let text = format!("pagination loop at next_url {next_url}");
            return Err(ApiError::unexpected(&self.request, &text));
        }
        Ok(Some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::parse_date;
    use crate::polygon::ResponsePage;

    fn days(from: &str, to: &str) -> DateRange {
        DateRange { from: parse_date(from).unwrap(), to: parse_date(to).unwrap() }
    }

    fn minutes(ticker: &str) -> Request {
        let market = Market::of(ticker).unwrap();
        Request::range(ticker, market, Timespan::Minutes(1), days("2023-07-31", "2023-07-31"), false)
    }

    fn follow(next_url: &str) -> Option<String> {
        minutes("AAPL").follow(next_url).ok().map(|request| request.target)
    }

    fn page(starts: &[i64], next_url: &str) -> Page {
        let bar = |start: &i64| format!(r#"{{"t":{start},"o":1,"h":1,"l":1,"c":1,"v":1}}"#);
        let bars = starts.iter().map(bar).collect::<Vec<_>>().join(",");
        let text = format!(r#"{{"results":[{bars}],"next_url":"{next_url}"}}"#);
        Page::parse(text, &minutes("A")).unwrap().0
    }

    #[test]
    fn a_request_names_ticker_timespan_days_and_basis() {
        let target = |ticker: &str, timespan, adjusted| {
            let market = Market::of(ticker).unwrap();
            Request::range(ticker, market, timespan, days("2026-07-01", "2026-07-31"), adjusted).target
        };
        assert_eq!(
            target("AAPL", Timespan::Minutes(15), true),
            "/v2/aggs/ticker/AAPL/range/15/minute/2026-07-01/2026-07-31?adjusted=true&sort=asc&limit=50000"
        );
        let midnights = "/1782864000000/1785542399999?adjusted=false&sort=asc&limit=50000";
        assert_eq!(
            target("X:BTCUSD", Timespan::Hour, false),
            format!("/v2/aggs/ticker/X%3ABTCUSD/range/1/hour{midnights}")
        );
        assert!(target("X:BTCUSD", Timespan::Day, false).contains("/2026-07-01/2026-07-31?"));
        let day = parse_date("2026-07-31").unwrap();
        for (market, name) in [
            (Market::Stocks, "us/market/stocks"),
            (Market::Crypto, "global/market/crypto"),
            (Market::Forex, "global/market/fx"),
        ] {
            let grouped = format!("/v2/aggs/grouped/locale/{name}/2026-07-31?adjusted=false");
            assert_eq!(Request::grouped(market, day, false).target(), grouped);
        }
    }

    #[test]
    fn a_ticker_is_encoded_and_its_case_kept() {
        assert!(minutes("GM.WS.B").target.starts_with("/v2/aggs/ticker/GM.WS.B/range/1/minute/2023-07-31/2023-07-31?"));
        assert!(minutes("GSpB").target.contains("/GSpB/"));
        assert!(minutes("X:BTC/USD?a=b#c").target.contains("/X%3ABTC%2FUSD%3Fa%3Db%23c/"));
    }

    #[test]
    fn next_url_gives_path_and_query_but_neither_origin_nor_key() {
        let path = "/v2/aggs/ticker/AAPL/range/1/minute/1690791480000/2023-07-31";
        let expected = Some(format!("{path}?cursor=bGltaXQ9MTAmc29ydD1hc2M&adjusted=false"));
        let query = "cursor=bGltaXQ9MTAmc29ydD1hc2M";
        assert_eq!(follow(&format!("https://api.polygon.io{path}?{query}")), expected);
        assert_eq!(follow(&format!("https://evil.example:99{path}?apiKey=planted&{query}&adjusted=true")), expected);
        assert_eq!(follow(&format!("{path}?{query}&APIKEY=planted")), expected);
        assert_eq!(follow(&format!("https://api.polygon.io{path}")), Some(format!("{path}?adjusted=false")));
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
        let url = |ticker| format!("/v2/aggs/ticker/{ticker}/range/1/minute/1690791480000/1690847999999?cursor=x");
        let next = minutes("X:BTCUSD").follow(&url("X:BTCUSD")).unwrap();
        assert_eq!(next.target, url("X%3ABTCUSD") + "&adjusted=false");
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
    fn pages_that_lead_nowhere_are_a_loop() {
        for (name, has_new_bars, has_new_url, most) in [
            ("a next_url that comes again", true, false, 1),
            ("nothing new under new addresses", false, true, 3),
            ("an endless chain", true, true, 4_999),
        ] {
            let mut paging = Paging::new(&minutes("AAPL"));
            let url = |number| format!("/v2/aggs/ticker/AAPL/range/1/minute/{number}/2023-07-31");
            let mut follow = |number: i64| {
                let first = if has_new_bars { 2 * number } else { 1 };
                paging.next(&page(&[first, first + 1], &url(if has_new_url { number } else { 3 })))
            };
            assert!((1..=most).all(|number| follow(number).is_ok()), "{name}");
            let told = follow(most + 1).expect_err(name).to_string();
            let last_url = url(if has_new_url { most + 1 } else { 3 });
            assert!(told.contains(&format!("pagination loop at next_url {last_url}")), "{name}: {told}");
        }
    }

    #[test]
    fn corporate_actions_are_requested_by_ticker_and_date() {
        let splits = "/stocks/v1/splits?limit=5000&sort=ticker.asc,execution_date.asc";
        assert_eq!(Request::actions(ActionKind::Splits, &[]).target(), splits);
        let dividends =
            "/stocks/v1/dividends?ticker.any_of=BRK.B,A%2FB&limit=5000&sort=ticker.asc,ex_dividend_date.asc";
        assert_eq!(Request::actions(ActionKind::Dividends, &["BRK.B", "A/B"]).target(), dividends);
    }

    #[test]
    fn pages_of_corporate_actions_stay_on_their_path() {
        let splits = Request::actions(ActionKind::Splits, &[]);
        let page = |next_url: &str| {
            let text = format!(r#"{{"results":[{{"id":"E1","ticker":"A"}}],"next_url":"{next_url}"}}"#);
            EventPage::parse(text, &splits).unwrap().0
        };
        let mut paging = Paging::new(&splits);
        let url = "https://evil.example/stocks/v1/splits?cursor=a&apiKey=planted";
        let next = paging.next_events(&page(url)).unwrap().unwrap();
        assert_eq!(next.target(), "/stocks/v1/splits?cursor=a");
        assert!(paging.next_events(&page(url)).is_err(), "a loop");
        for url in ["/stocks/v1/dividends?cursor=b", "/stocks/v1/splits/x?cursor=b", ""] {
            let mut paging = Paging::new(&splits);
            assert!(paging.next_events(&page(url)).is_err(), "{url}");
        }
    }
}
