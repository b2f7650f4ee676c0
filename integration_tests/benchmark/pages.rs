//! Ready-made pages, and a server that does nothing but send them.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use source_stock_ticker_api::window::{new_york_date, utc_midnight};

/// The one ticker of the pages.
pub const TICKER: &str = "BENCH";

/// What the API puts on a page of minutes.
pub const BARS_PER_PAGE: usize = 50_000;

const MINUTE: i64 = 60_000;

/// A minute of the first day, early enough for a hundred pages.
fn begin() -> i64 {
    utc_midnight(date(2005, 1, 3)) + 12 * 60 * MINUTE
}

/// What the grouped endpoint answers about a day.
pub const STOCKS: usize = 12_000;

struct Page {
    json_bytes: usize,
    gzipped: Vec<u8>,
}

impl Page {
    fn new(json: &str) -> std::io::Result<Page> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(json.as_bytes())?;
        Ok(Page { json_bytes: json.len(), gzipped: encoder.finish()? })
    }
}

/// Pages that are being served until the process ends.
pub struct Pages {
    address: SocketAddr,
    pages: Arc<Vec<Page>>,
}

/// What the server sends.
struct Served {
    pages: Arc<Vec<Page>>,
    market_day: Page,
}

impl Pages {
    /// Makes and serves `count` pages.
    pub fn serve(count: usize) -> std::io::Result<Pages> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let pages = Arc::new((0..count).map(|number| make(number, count)).collect::<std::io::Result<Vec<_>>>()?);
        let served = Arc::new(Served { pages: pages.clone(), market_day: make_market_day()? });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                thread::spawn(move || serve(&served, stream));
            }
        });
        Ok(Pages { address, pages })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn count(&self) -> usize {
        self.pages.len()
    }

    /// The addresses of the pages.
    pub fn urls(&self) -> impl Iterator<Item = String> {
        (0..self.count()).map(|number| format!("{}{}", self.url(), target(number)))
    }

    /// The first and the last day (New York) of the bars.
    pub fn days(&self) -> (Date, Date) {
        let day = |bar: usize| {
            let start = begin() + bar as i64 * MINUTE;
            new_york_date(Timestamp::from_millisecond(start).unwrap_or(Timestamp::UNIX_EPOCH))
        };
        (day(0), day(self.count() * BARS_PER_PAGE - 1))
    }

    pub fn json_bytes(&self) -> usize {
        self.pages.iter().map(|page| page.json_bytes).sum()
    }

    pub fn gzipped_bytes(&self) -> usize {
        self.pages.iter().map(|page| page.gzipped.len()).sum()
    }
}

fn target(number: usize) -> String {
    format!("/v2/aggs/ticker/{TICKER}/range/1/minute/{}/2030-01-01?cursor=page{number}", number + 1)
}

fn make(number: usize, count: usize) -> std::io::Result<Page> {
    let mut json =
        format!(r#"{{"ticker":"{TICKER}","queryCount":50000,"resultsCount":50000,"adjusted":true,"results":["#);
    let mut random = number as u64 + 1;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut price = 20_000 + next(10_000);
    for bar in 0..BARS_PER_PAGE {
        price = (price + next(41)).saturating_sub(20).max(1_000);
        let dollars = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
        let (open, close) = (price + next(20), price + next(20));
        let start = begin() + (number * BARS_PER_PAGE + bar) as i64 * MINUTE;
        let (volume, trades, vwap) = (100 + next(200_000), 1 + next(2_000), next(10_000));
        let comma = if bar == 0 { "" } else { "," };
        let (high, low) = (dollars(open.max(close) + next(9)), dollars(open.min(close) - next(9)));
        write!(
            json,
            r#"{comma}{{"v":{volume},"vw":{}.{vwap:04},"o":{},"c":{},"h":{high},"l":{low},"t":{start},"n":{trades}}}"#,
            price / 100,
            dollars(open),
            dollars(close),
        )
        .map_err(std::io::Error::other)?;
    }
    json.push_str(r#"],"status":"OK","request_id":"0","count":50000"#);
    if number + 1 < count {
        write!(json, r#","next_url":"https://api.polygon.io{}""#, target(number + 1)).map_err(std::io::Error::other)?;
    }
    json.push('}');
    Page::new(&json)
}

/// A day of the whole market, the same for every day that is asked for.
fn make_market_day() -> std::io::Result<Page> {
    let rows: Vec<String> = (0..STOCKS)
        .map(|number| {
            let price = 5.0 + number as f64 / 100.0;
            format!(r#"{{"T":"T{number}","v":{number}.25,"vw":{price},"o":{price},"c":{price},"h":{price},"l":{price},"t":1602705600000,"n":{number}}}"#)
        })
        .collect();
    let rows = rows.join(",");
    Page::new(&format!(
        r#"{{"queryCount":{STOCKS},"resultsCount":{STOCKS},"adjusted":false,"results":[{rows}],"status":"OK"}}"#
    ))
}

/// Answers with a day of the market, or with the page that the cursor names, or the first one.
fn serve(served: &Served, mut stream: TcpStream) {
    let Ok(reader) = stream.try_clone() else { return };
    let mut lines = BufReader::new(reader).lines();
    while let Some(Ok(request)) = lines.next() {
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let number = request
            .split("cursor=page")
            .nth(1)
            .and_then(|rest| rest.split(|end: char| !end.is_ascii_digit()).next()?.parse::<usize>().ok());
        let page = if request.contains("/grouped/") {
            Some(&served.market_day)
        } else {
            served.pages.get(number.unwrap_or(0))
        };
        let Some(page) = page else { return };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            page.gzipped.len()
        );
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&page.gzipped)).is_err() {
            return;
        }
    }
}
