//! The truth behind the fake API: bars, splits and corrections, and how Polygon.io would answer about them.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

static NEW_YORK: TimeZone = jiff::tz::get!("America/New_York");

/// One bar as it was traded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TradedBar {
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
    /// Volume-weighted average price and number of trades, if there was volume.
    pub traded: Option<(f64, u64)>,
}

impl TradedBar {
    /// A bar of which only the close matters.
    pub fn closing_at(close: f64) -> TradedBar {
        let (open, high, low) = (close - 0.5, close + 1.0, close - 1.0);
        TradedBar { open, high, low, close, volume: 1_000_000.0, traded: Some((close, 5_000)) }
    }
}

/// What the API answered about AAPL in the first days of 2023: open, high, low, close, volume, average, trades.
pub const AAPL: [(Date, TradedBar); 6] = [
    (date(2023, 1, 3), bar(130.28, 130.9, 124.17, 125.07, 112_117_471.0, 125.725, 1_021_065)),
    (date(2023, 1, 4), bar(126.89, 128.6557, 125.08, 126.36, 89_100_633.0, 126.6464, 770_042)),
    (date(2023, 1, 5), bar(127.13, 127.77, 124.76, 125.02, 80_716_808.0, 126.0883, 665_458)),
    (date(2023, 1, 6), bar(126.01, 130.29, 124.89, 129.62, 87_754_715.0, 128.1982, 711_520)),
    (date(2023, 1, 9), bar(130.465, 133.41, 129.89, 130.15, 70_790_813.0, 131.6292, 645_365)),
    (date(2023, 1, 10), bar(130.26, 131.2636, 128.12, 130.73, 63_896_155.0, 129.822, 554_940)),
];

const fn bar(open: f64, high: f64, low: f64, close: f64, volume: f64, vwap: f64, trades: u64) -> TradedBar {
    TradedBar { open, high, low, close, volume, traded: Some((vwap, trades)) }
}

/// What the API would do with a range that begins before the plan's history and ends within it: sources disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Straddling {
    Shortened,
    Refused,
}

/// Everything the fake API knows.
#[derive(Debug, Clone)]
pub struct Market {
    /// By timespan and ticker, by start in epoch milliseconds.
    pub bars: BTreeMap<(&'static str, String), BTreeMap<i64, TradedBar>>,
    /// Ticker, first day on the new basis (from which it is applied), new shares for an old one.
    pub splits: Vec<(String, Date, f64)>,
    /// Bars that begin later are not there yet.
    pub now: Timestamp,
    /// Whether the plan shows today's bars.
    pub shows_today: bool,
    /// Where the plan's history begins.
    pub floor: Option<(Date, Straddling)>,
    /// How many bars a page holds.
    pub page_size: usize,
}

/// An HTTP status and a JSON body.
pub type Answered = (u16, String);

impl Market {
    pub fn at(now: &str) -> Market {
        Market {
            bars: BTreeMap::new(),
            splits: Vec::new(),
            now: now.parse().expect("a timestamp"),
            shows_today: true,
            floor: None,
            page_size: 50_000,
        }
    }

    /// Adds a day bar.
    pub fn day(&mut self, ticker: &str, day: Date, bar: TradedBar) -> &mut Market {
        self.bar("day", ticker, new_york_midnight(day), bar)
    }

    /// Adds day bars by their close.
    pub fn days(&mut self, ticker: &str, closes: &[(Date, f64)]) -> &mut Market {
        for (day, close) in closes {
            self.day(ticker, *day, TradedBar::closing_at(*close));
        }
        self
    }

    /// Adds a bar of any size, by its start.
    pub fn bar(&mut self, timespan: &'static str, ticker: &str, start: i64, bar: TradedBar) -> &mut Market {
        self.bars.entry((timespan, ticker.to_owned())).or_default().insert(start, bar);
        self
    }

    /// Answers a request for path and query as the API does; `host` is the one that it was sent to.
    pub fn answer(&self, host: &str, path: &str, query: &str) -> Answered {
        let segments: Vec<String> = path.split('/').skip(1).map(percent_decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let adjusted = query.split('&').all(|pair| pair != "adjusted=false");
        match segments[..] {
            ["v2", "aggs", "ticker", ticker, "range", "1", timespan, from, to] => {
                self.range(host, ticker, timespan, from, to, adjusted)
            }
            ["v2", "aggs", "grouped", "locale", "us", "market", "stocks", day] => self.grouped(day, adjusted),
            _ => (404, "404 page not found\n".to_owned()),
        }
    }

    fn range(&self, host: &str, ticker: &str, timespan: &str, from: &str, to: &str, adjusted: bool) -> Answered {
        let (Some(from_ms), Some(to_ms)) = (begin(from), end(to)) else {
            return error(400, "Could not parse the time parameter: 'from'. Use YYYY-MM-DD or Unix MS Timestamps");
        };
        if to_ms < from_ms {
            return error(400, "The parameter 'to' cannot be a time that occurs before 'from'");
        }
        let today = new_york_midnight(new_york_date(self.now));
        let mut first = from_ms;
        if let Some((floor, straddling)) = self.floor {
            let floor = new_york_midnight(floor);
            if to_ms < floor || (from_ms < floor && straddling == Straddling::Refused) {
                return not_authorized("Your plan doesn't include this data timeframe.");
            }
            first = first.max(floor);
        }
        if !self.shows_today && from_ms >= today {
            return not_authorized("Your plan doesn't include this data timeframe.");
        }
        let last = if self.shows_today { self.now.as_millisecond() } else { today - 1 };
        let empty = BTreeMap::new();
        let key = self.bars.keys().find(|(span, name)| *span == timespan && name == ticker);
        let bars = key.map_or(&empty, |key| &self.bars[key]);
        let mut bars = bars.range(first..=to_ms.min(last).max(first)).filter(|(start, _)| **start <= last);
        let page: Vec<_> = bars.by_ref().take(self.page_size).collect();
        let rows: Vec<String> = page.iter().map(|(start, bar)| self.row(ticker, **start, bar, adjusted, "")).collect();
        let next_url = match (bars.next(), page.last()) {
            (Some((next, _)), Some(_)) => format!(
                r#","next_url":"https://{host}/v2/aggs/ticker/{ticker}/range/1/{timespan}/{next}/{to}?cursor=bGltaXQ9NTAwMDAmc29ydD1hc2M""#
            ),
            _ => String::new(),
        };
        (200, envelope(&format!(r#""ticker":"{ticker}","#), adjusted, &rows, &next_url))
    }

    fn grouped(&self, day: &str, adjusted: bool) -> Answered {
        let Ok(date) = day.parse::<Date>() else { return error(400, "Could not parse the time parameter") };
        let start = new_york_midnight(date);
        if self.floor.is_some_and(|(floor, _)| date < floor) {
            return not_authorized("Your plan doesn't include this data timeframe.");
        }
        if date >= new_york_date(self.now) {
            return not_authorized("Attempted to request today's data before end of day.");
        }
        let close = date.at(16, 0, 0, 0).to_zoned(NEW_YORK.clone()).expect("a time").timestamp().as_millisecond();
        let rows: Vec<String> = self
            .bars
            .iter()
            .filter(|((timespan, _), _)| *timespan == "day")
            .filter_map(|((_, ticker), bars)| Some((ticker, bars.get(&start)?)))
            .map(|(ticker, bar)| {
                let row = self.row(ticker, start, bar, adjusted, &format!(r#""T":"{ticker}","#));
                row.replace(&format!(r#""t":{start}"#), &format!(r#""t":{close}"#))
            })
            .collect();
        (200, envelope("", adjusted, &rows, ""))
    }

    fn row(&self, ticker: &str, start: i64, bar: &TradedBar, adjusted: bool, head: &str) -> String {
        let day = new_york_date(Timestamp::from_millisecond(start).expect("a time"));
        let ratio: f64 = if adjusted {
            self.splits
                .iter()
                .filter(|(split, first, _)| split == ticker && day < *first)
                .map(|split| split.2)
                .product()
        } else {
            1.0
        };
        let price = |price: f64| (price / ratio * 10_000.0).round() / 10_000.0;
        let (o, h, l, c, v) = (price(bar.open), price(bar.high), price(bar.low), price(bar.close), bar.volume * ratio);
        let mut row = format!(r#"{{{head}"v":{v},"o":{o},"c":{c},"h":{h},"l":{l},"t":{start}"#);
        if let Some((vwap, trades)) = bar.traded {
            write!(row, r#","vw":{},"n":{trades}"#, price(vwap)).expect("writes to a string");
        }
        row.push('}');
        row
    }
}

fn envelope(head: &str, adjusted: bool, rows: &[String], next_url: &str) -> String {
    let count = rows.len();
    let results = if rows.is_empty() { String::new() } else { format!(r#","results":[{}]"#, rows.join(",")) };
    format!(
        r#"{{{head}"queryCount":{count},"resultsCount":{count},"adjusted":{adjusted}{results},"status":"OK","request_id":"0"{next_url}}}"#
    )
}

/// An error as the API words it.
pub fn error(status: u16, words: &str) -> Answered {
    (status, format!(r#"{{"status":"ERROR","request_id":"0","error":"{words}"}}"#))
}

/// A refusal for the plan's sake as the API words it.
pub fn not_authorized(words: &str) -> Answered {
    let words = format!("{words} Please upgrade your plan at https://polygon.io/pricing");
    (403, format!(r#"{{"status":"NOT_AUTHORIZED","request_id":"0","message":"{words}"}}"#))
}

/// The start of a day bar, epoch milliseconds.
pub fn new_york_midnight(day: Date) -> i64 {
    day.to_zoned(NEW_YORK.clone()).expect("a day").timestamp().as_millisecond()
}

/// A moment on a day in New York, epoch milliseconds.
pub fn new_york_time(day: Date, hour: i8, minute: i8) -> i64 {
    day.at(hour, minute, 0, 0).to_zoned(NEW_YORK.clone()).expect("a time").timestamp().as_millisecond()
}

pub fn new_york_date(moment: Timestamp) -> Date {
    moment.to_zoned(NEW_YORK.clone()).date()
}

fn begin(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().or_else(|| text.parse().ok().map(new_york_midnight))
}

fn end(text: &str) -> Option<i64> {
    let end_of = |day: Date| new_york_midnight(day.saturating_add(1.day())) - 1;
    text.parse::<i64>().ok().or_else(|| text.parse().ok().map(end_of))
}

fn percent_decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
