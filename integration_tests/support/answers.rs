//! How the API answers a request about a [`Market`]: its paths, its pages, its words.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Days;
use chrono_tz::Tz;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::bar_size::BarSize;
use super::days::{Date, date_in, midnight, moment_at, new_york_midnight, new_york_time, zone_of};
use super::market::{Market, PartialCoverage, TradedBar};

/// An HTTP status and a body.
pub type Answer = (u16, String);

/// The host that `next_url` names, whatever the API was called by: a client must keep to the origin that it was given.
const NEXT_URL_HOST: &str = "api.massive.com";

/// What a segment of a path can't hold as it is.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'%')
    .add(b'/')
    .add(b'?')
    .add(b'#')
    .add(b'"');

const OUTSIDE_THE_PLAN: &str = "Your plan doesn't include this data timeframe.";
const TODAY_TOO_EARLY: &str = "Attempted to request today's data before end of day.";
const REVERSED: &str = "The parameter 'to' cannot be a time that occurs before 'from'";

/// Answers a request for path and query as the API does.
pub fn answer(market: &Market, path: &str, query: &str) -> Answer {
    let segments: Vec<String> = path.split('/').skip(1).map(percent_decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let query = Query::parse(query);
    match segments[..] {
        [
            "v2",
            "aggs",
            "ticker",
            ticker,
            "range",
            multiplier,
            unit,
            from,
            to,
        ] => match BarSize::parse(multiplier, unit) {
            _ if ticker.is_empty() => error(400, "Ticker was incorrectly formatted"),
            Some(size) => range(
                market,
                &Range {
                    ticker,
                    size,
                    from,
                    to,
                },
                &query,
            ),
            None => error(400, "Could not parse the timespan"),
        },
        [
            "v2",
            "aggs",
            "grouped",
            "locale",
            "us",
            "market",
            "stocks",
            day,
        ] => grouped(market, day, &query),
        _ => (404, "404 page not found\n".to_owned()),
    }
}

/// What a query asks for. A cursor carries limit and sort order, but not `adjusted`: whether the real one does is unknown.
struct Query {
    adjusted: bool,
    limit: usize,
}

impl Query {
    fn parse(text: &str) -> Query {
        let cursor =
            value_of(text, "cursor").and_then(|cursor| URL_SAFE_NO_PAD.decode(cursor).ok());
        let cursor = cursor
            .and_then(|text| String::from_utf8(text).ok())
            .unwrap_or_default();
        let limit = value_of(text, "limit")
            .or(value_of(&cursor, "limit"))
            .and_then(|limit| limit.parse().ok());
        Query {
            adjusted: value_of(text, "adjusted") != Some("false"),
            limit: limit.unwrap_or(5_000).min(50_000),
        }
    }
}

fn value_of<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|pair| pair.0 == name)
        .map(|pair| pair.1)
}

/// The segments of a path to the range endpoint.
struct Range<'a> {
    ticker: &'a str,
    size: BarSize,
    from: &'a str,
    to: &'a str,
}

fn range(market: &Market, asked: &Range, query: &Query) -> Answer {
    let zone = zone_of(asked.ticker);
    let (Some(from), Some(to)) = (bound(zone, asked.from, 0), bound(zone, asked.to, 1)) else {
        return error(
            400,
            "Could not parse the time parameter: 'from'. Use YYYY-MM-DD or Unix MS Timestamps",
        );
    };
    if to < from {
        return error(400, REVERSED);
    }
    if let Some(refusal) = refusal(market, asked.ticker, from, to) {
        return refusal;
    }
    let (from, to) = snapped_outward(asked.size, zone, from, to);
    let shown = market.shown(asked.size, asked.ticker, query.adjusted);
    let mut bars = shown.range(from..=to);
    let page: Vec<_> = bars
        .by_ref()
        .take(market.page_size.min(query.limit))
        .collect();
    let rows: Vec<String> = page
        .iter()
        .map(|(start, bar)| row("", **start, bar))
        .collect();
    let next_url = match (bars.next(), page.last()) {
        (Some(_), Some((last, _))) => next_url(asked, asked.size.end(zone, **last), query.limit),
        _ => String::new(),
    };
    let is_delayed = !market.shows_today && to >= midnight(zone, market.today(asked.ticker));
    let head = format!(r#""ticker":"{}","#, asked.ticker);
    (
        200,
        envelope(
            &head,
            query.adjusted,
            &rows,
            if is_delayed { "DELAYED" } else { "OK" },
            &next_url,
        ),
    )
}

/// The moment of a bound, epoch milliseconds: a Unix time as it is, a date's first or (a millisecond before the day
/// `days` later) last moment.
fn bound(zone: Tz, text: &str, days: u64) -> Option<i64> {
    let of_date = |day: Date| midnight(zone, day + Days::new(days)) - i64::from(days > 0);
    text.parse::<i64>()
        .ok()
        .or_else(|| text.parse().ok().map(of_date))
}

fn refusal(market: &Market, ticker: &str, from: i64, to: i64) -> Option<Answer> {
    let zone = zone_of(ticker);
    let is_outside =
        market
            .floor
            .zip(market.floor_day(ticker))
            .is_some_and(|((_, coverage), day)| {
                let floor = midnight(zone, day);
                to < floor || (from < floor && coverage == PartialCoverage::Refused)
            });
    let is_too_new = !market.shows_today && from >= midnight(zone, market.today(ticker));
    (is_outside || is_too_new).then(outside_the_plan)
}

/// The bounds that the API goes by: weeks and months are always whole.
fn snapped_outward(size: BarSize, zone: Tz, from: i64, to: i64) -> (i64, i64) {
    if size.is_intraday() || size == BarSize::DAY {
        return (from, to);
    }
    let day = |ms: i64| date_in(zone, moment_at(ms));
    (
        midnight(zone, size.first_day(day(from))),
        midnight(zone, size.last_day(day(to)) + Days::new(1)) - 1,
    )
}

fn next_url(asked: &Range, from: i64, limit: usize) -> String {
    let Range {
        ticker, size, to, ..
    } = asked;
    let ticker = utf8_percent_encode(ticker, ESCAPED);
    let cursor = URL_SAFE_NO_PAD.encode(format!("limit={limit}&sort=asc"));
    let (multiplier, unit) = (size.multiplier, size.unit_name());
    format!(
        r#","next_url":"https://{NEXT_URL_HOST}/v2/aggs/ticker/{ticker}/range/{multiplier}/{unit}/{from}/{to}?cursor={cursor}""#
    )
}

fn grouped(market: &Market, day: &str, query: &Query) -> Answer {
    let Ok(date) = day.parse::<Date>() else {
        return error(400, "Could not parse the time parameter");
    };
    if market.floor_day("").is_some_and(|floor| date < floor) {
        return outside_the_plan();
    }
    let today = market.today("");
    if date > today || (date == today && !market.shows_today) {
        return not_authorized(TODAY_TOO_EARLY);
    }
    let (start, close) = (new_york_midnight(date), new_york_time(date, 16, 0));
    let rows: Vec<String> = market
        .tickers(BarSize::DAY)
        .filter(|ticker| !ticker.contains(':'))
        .filter_map(|ticker| {
            let bar = *market
                .shown(BarSize::DAY, ticker, query.adjusted)
                .get(&start)?;
            Some(row(&format!(r#""T":"{ticker}","#), close, &bar))
        })
        .collect();
    (200, envelope("", query.adjusted, &rows, "OK", ""))
}

fn row(head: &str, start: i64, bar: &TradedBar) -> String {
    let mut row = format!("{{{head}");
    if let Some(volume) = bar.volume {
        write!(row, r#""v":{volume},"#).expect("writes to a string");
    }
    if let Some((vwap, trades)) = bar.traded {
        write!(row, r#""vw":{vwap},"n":{trades},"#).expect("writes to a string");
    }
    let TradedBar {
        open,
        high,
        low,
        close,
        ..
    } = bar;
    write!(
        row,
        r#""o":{open},"c":{close},"h":{high},"l":{low},"t":{start}}}"#
    )
    .expect("writes to a string");
    row
}

/// An answer around its rows; without rows there is neither `results` nor `count`.
fn envelope(head: &str, adjusted: bool, rows: &[String], status: &str, next_url: &str) -> String {
    let count = rows.len();
    let (results, counted) = match count {
        0 => (String::new(), String::new()),
        _ => (
            format!(r#","results":[{}]"#, rows.join(",")),
            format!(r#","count":{count}"#),
        ),
    };
    format!(
        r#"{{{head}"queryCount":{count},"resultsCount":{count},"adjusted":{adjusted}{results},"status":"{status}","request_id":"0"{counted}{next_url}}}"#
    )
}

/// An error as the API words it.
pub fn error(status: u16, words: &str) -> Answer {
    (
        status,
        format!(r#"{{"status":"ERROR","request_id":"0","error":"{words}"}}"#),
    )
}

/// The refusal of days that the plan does not include.
pub fn outside_the_plan() -> Answer {
    not_authorized(OUTSIDE_THE_PLAN)
}

/// A refusal for the plan's sake as the API words it.
pub fn not_authorized(words: &str) -> Answer {
    let words = format!("{words} Please upgrade your plan at https://polygon.io/pricing");
    (
        403,
        format!(r#"{{"status":"NOT_AUTHORIZED","request_id":"0","message":"{words}"}}"#),
    )
}

fn percent_decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
