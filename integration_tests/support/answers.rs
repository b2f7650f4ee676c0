//! The API's responses to requests about a [`Market`].

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Days;
use chrono_tz::Tz;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::bar_size::BarSize;
use super::days::{Date, date_in, midnight, moment_at, new_york_time, zone_of};
use super::market::{Bars, Market, PartialCoverage, TradedBar, prefix_of};

/// An HTTP status and a body.
pub type Answer = (u16, String);

/// The host in every `next_url`, regardless of the address that was called: a client must stay at its configured origin.
const NEXT_URL_HOST: &str = "api.massive.com";

/// Characters that must be escaped in a segment of a path.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'/').add(b'?').add(b'#').add(b'"');

/// One ticker of each market that has a bar on every day on which the market is open.
const ALWAYS_TRADED: [&str; 3] = ["SPY", "X:BTCUSD", "C:EURUSD"];

pub const OUTSIDE_THE_PLAN: &str = "Your plan doesn't include this data timeframe.";
pub const TODAY_TOO_EARLY: &str = "Attempted to request today's data before end of day.";
pub const REVERSED: &str = "The parameter 'to' cannot be a time that occurs before 'from'";

/// Answers a request for a path and query as the API does.
pub fn answer(market: &Market, path: &str, text: &str) -> Answer {
    let segments: Vec<String> = path.split('/').skip(1).map(percent_decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let query = Query::parse(text);
    match segments[..] {
        ["v2", "aggs", "ticker", "", ..] => error(400, "Ticker was incorrectly formatted"),
        ["v2", "aggs", "ticker", ticker, "range", multiplier, unit, from, to] => {
            range(market, &Range { ticker, multiplier, unit, from, to }, &query)
        }
        ["v2", "aggs", "grouped", "locale", locale, "market", name, day] => match (locale, name) {
            ("us", "stocks") => grouped(market, "", day, &query),
            ("global", "crypto") => grouped(market, "X:", day, &query),
            ("global", "fx") => grouped(market, "C:", day, &query),
            _ => error(400, "Unknown market"),
        },
        ["stocks", "v1", "splits"] => splits(market, value_of(text, "ticker.any_of")),
        ["stocks", "v1", "dividends"] => dividends(market, value_of(text, "ticker.any_of")),
        _ => (404, "404 page not found\n".to_owned()),
    }
}

/// A parsed query. A cursor carries limit and sort order, but not `adjusted`; whether the real one does is unknown.
struct Query {
    adjusted: bool,
    limit: usize,
}

impl Query {
    fn parse(text: &str) -> Query {
        let cursor = value_of(text, "cursor").and_then(|cursor| URL_SAFE_NO_PAD.decode(cursor).ok());
        let cursor = cursor.and_then(|text| String::from_utf8(text).ok()).unwrap_or_default();
        let limit = value_of(text, "limit").or(value_of(&cursor, "limit")).and_then(|limit| limit.parse().ok());
        Query { adjusted: value_of(text, "adjusted") != Some("false"), limit: limit.unwrap_or(5_000).min(50_000) }
    }
}

/// The value of a parameter of a query.
pub fn value_of<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|pair| pair.0 == name).map(|pair| pair.1)
}

/// The segments of a path to the range endpoint.
struct Range<'a> {
    ticker: &'a str,
    multiplier: &'a str,
    unit: &'a str,
    from: &'a str,
    to: &'a str,
}

fn range(market: &Market, asked: &Range, query: &Query) -> Answer {
    let zone = zone_of(asked.ticker);
    let Some(size) = BarSize::parse(asked.multiplier, asked.unit) else {
        return error(400, "Could not parse the timespan");
    };
    let (Some(from), Some(to)) = (bound(zone, asked.from, 0), bound(zone, asked.to, 1)) else {
        return error(400, "Could not parse the time parameter: 'from'. Use YYYY-MM-DD or Unix MS Timestamps");
    };
    if to < from {
        return error(400, REVERSED);
    }
    if let Some(refusal) = refusal(market, asked.ticker, from, to) {
        return refusal;
    }
    let (from, to) = snapped_outward(size, zone, from, to);
    let shown = if ALWAYS_TRADED.contains(&asked.ticker) && size == BarSize::DAY {
        always_traded(market, asked.ticker, query.adjusted)
    } else {
        market.shown(size, asked.ticker, query.adjusted)
    };
    let mut bars = shown.range(from..=to);
    let page: Vec<_> = bars.by_ref().take(market.page_size.min(query.limit)).collect();
    let rows: Vec<String> = page.iter().map(|(start, bar)| row("", **start, bar)).collect();
    let next_url = match (bars.next(), page.last()) {
        (Some(_), Some((last, _))) => next_url(asked, size.end(zone, **last), query.limit),
        _ => String::new(),
    };
    let is_delayed = !market.shows_today && to >= midnight(zone, market.today(asked.ticker));
    let head = format!(r#""ticker":"{}","#, asked.ticker);
    (200, envelope(&head, query.adjusted, &rows, if is_delayed { "DELAYED" } else { "OK" }, &next_url))
}

/// The moment of a bound, epoch milliseconds: a Unix time as it is, a date's first or (a millisecond before the day
/// `days` later) last moment.
fn bound(zone: Tz, text: &str, days: u64) -> Option<i64> {
    let of_date = |day: Date| midnight(zone, day + Days::new(days)) - i64::from(days > 0);
    text.parse::<i64>().ok().or_else(|| text.parse().ok().map(of_date))
}

fn refusal(market: &Market, ticker: &str, from: i64, to: i64) -> Option<Answer> {
    let zone = zone_of(ticker);
    let is_outside = market.floor.zip(market.floor_day(ticker)).is_some_and(|((_, coverage), day)| {
        let floor = midnight(zone, day);
        to < floor || (from < floor && coverage == PartialCoverage::Refused)
    });
    let is_too_new = !market.shows_today && from >= midnight(zone, market.today(ticker));
    (is_outside || is_too_new).then(outside_the_plan)
}

/// The bounds that the API applies: weeks and months are always whole.
fn snapped_outward(size: BarSize, zone: Tz, from: i64, to: i64) -> (i64, i64) {
    if size.is_intraday() || size == BarSize::DAY {
        return (from, to);
    }
    let day = |ms: i64| date_in(zone, moment_at(ms));
    (midnight(zone, size.first_day(day(from))), midnight(zone, size.last_day(day(to)) + Days::new(1)) - 1)
}

fn next_url(asked: &Range, from: i64, limit: usize) -> String {
    let Range { ticker, multiplier, unit, to, .. } = asked;
    let ticker = utf8_percent_encode(ticker, ESCAPED);
    let cursor = URL_SAFE_NO_PAD.encode(format!("limit={limit}&sort=asc"));
    next_page(&format!("/v2/aggs/ticker/{ticker}/range/{multiplier}/{unit}/{from}/{to}?cursor={cursor}"))
}

/// The field that names the next page by its path and query.
pub fn next_page(target: &str) -> String {
    format!(r#","next_url":"https://{NEXT_URL_HOST}{target}""#)
}

/// The bars of a day of all tickers that begin with `prefix`; stocks have none.
fn grouped(market: &Market, prefix: &str, day: &str, query: &Query) -> Answer {
    let Ok(date) = day.parse::<Date>() else {
        return error(400, "Could not parse the time parameter");
    };
    if market.floor_day(prefix).is_some_and(|floor| date < floor) {
        return outside_the_plan();
    }
    let today = market.today(prefix);
    if date > today || (date == today && !market.shows_today) {
        return not_authorized(TODAY_TOO_EARLY);
    }
    let start = midnight(zone_of(prefix), date);
    let close = match prefix {
        "" => new_york_time(date, 16, 0),
        _ => start + 86_399_999,
    };
    let rows: Vec<String> = market
        .tickers(BarSize::DAY)
        .filter(|ticker| prefix_of(ticker) == prefix)
        .filter_map(|ticker| {
            let bar = *market.shown(BarSize::DAY, ticker, query.adjusted).get(&start)?;
            Some(row(&format!(r#""T":"{ticker}","#), close, &bar))
        })
        .collect();
    (200, envelope("", query.adjusted, &rows, "OK", ""))
}

/// The splits of comma-separated tickers, or of all. A factor combines its event and all later ones.
fn splits(market: &Market, tickers: Option<&str>) -> Answer {
    let known = market.splits.iter();
    let known = known.filter(|split| split.known_from <= market.now);
    let events = known.map(|split| Event {
        ticker: &split.ticker,
        day: split.first_day,
        factor: 1.0 / split.ratio,
        fields: format!(
            r#""execution_date":"{}","split_from":1,"split_to":{},"adjustment_type":"forward_split""#,
            split.first_day, split.ratio
        ),
    });
    (200, event_page(events.collect(), tickers))
}

fn dividends(market: &Market, tickers: Option<&str>) -> Answer {
    let events = market.dividends.iter().map(|dividend| {
        let bars = market.shown(BarSize::DAY, &dividend.ticker, false);
        let before = bars.range(..midnight(zone_of(""), dividend.ex_day)).next_back();
        Event {
            ticker: &dividend.ticker,
            day: dividend.ex_day,
            factor: before.map_or(1.0, |(_, bar)| 1.0 - dividend.amount / bar.close),
            fields: format!(
                r#""ex_dividend_date":"{}","cash_amount":{},"currency":"USD","frequency":4,"distribution_type":"recurring""#,
                dividend.ex_day, dividend.amount
            ),
        }
    });
    (200, event_page(events.collect(), tickers))
}

/// A split or dividend.
struct Event<'a> {
    ticker: &'a str,
    day: Date,
    factor: f64,
    fields: String,
}

fn event_page(mut events: Vec<Event>, tickers: Option<&str>) -> String {
    events.retain(|event| tickers.is_none_or(|tickers| tickers.split(',').any(|ticker| ticker == event.ticker)));
    events.sort_by_key(|event| (event.ticker, event.day));
    let later = |event: &Event| {
        let later = events.iter();
        let later = later.filter(|other| other.ticker == event.ticker && other.day >= event.day);
        later.map(|other| other.factor).product::<f64>()
    };
    let rows = events.iter().map(|event| {
        let Event { ticker, day, fields, .. } = event;
        let factor = later(event);
        format!(r#"{{"id":"E{ticker}{day}","ticker":"{ticker}",{fields},"historical_adjustment_factor":{factor}}}"#)
    });
    let rows = rows.collect::<Vec<_>>().join(",");
    format!(r#"{{"status":"OK","request_id":"0","results":[{rows}]}}"#)
}

/// The days of a ticker that always trades: its own or, without any, those of all tickers of its market.
fn always_traded(market: &Market, ticker: &str, adjusted: bool) -> Bars {
    let own = market.shown(BarSize::DAY, ticker, adjusted);
    if !own.is_empty() {
        return own;
    }
    market
        .tickers(BarSize::DAY)
        .filter(|other| prefix_of(other) == prefix_of(ticker))
        .flat_map(|other| market.shown(BarSize::DAY, other, adjusted))
        .collect()
}

fn row(head: &str, start: i64, bar: &TradedBar) -> String {
    let mut row = format!("{{{head}");
    if let Some(volume) = bar.volume {
        write!(row, r#""v":{volume},"#).expect("writes to a string");
    }
    if let Some((vwap, trades)) = bar.traded {
        write!(row, r#""vw":{vwap},"n":{trades},"#).expect("writes to a string");
    }
    let TradedBar { open, high, low, close, .. } = bar;
    write!(row, r#""o":{open},"c":{close},"h":{high},"l":{low},"t":{start}}}"#).expect("writes to a string");
    row
}

/// An answer around its rows; without rows there is neither `results` nor `count`.
pub fn envelope(head: &str, adjusted: bool, rows: &[String], status: &str, next_url: &str) -> String {
    let count = rows.len();
    let (results, counted) = match count {
        0 => (String::new(), String::new()),
        _ => (format!(r#","results":[{}]"#, rows.join(",")), format!(r#","count":{count}"#)),
    };
    format!(
        r#"{{{head}"queryCount":{count},"resultsCount":{count},"adjusted":{adjusted}{results},"status":"{status}","request_id":"0"{counted}{next_url}}}"#
    )
}

/// An error in the API's words.
pub fn error(status: u16, words: &str) -> Answer {
    (status, format!(r#"{{"status":"ERROR","request_id":"0","error":"{words}"}}"#))
}

/// The refusal of days that the plan does not include.
pub fn outside_the_plan() -> Answer {
    not_authorized(OUTSIDE_THE_PLAN)
}

/// A refusal because of the plan, in the API's words.
pub fn not_authorized(words: &str) -> Answer {
    let words = format!("{words} Please upgrade your plan at https://polygon.io/pricing");
    (403, format!(r#"{{"status":"NOT_AUTHORIZED","request_id":"0","message":"{words}"}}"#))
}

fn percent_decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
