//! The data of the benchmark's API: generated bars of every weekday, for every ticker and range.

use std::fmt::Write;

use anyhow::Result;
use chrono::{Datelike, Days};

use crate::days::{Date, moment_at, new_york_date, new_york_midnight};

/// The minutes of a session: sixteen hours.
pub(crate) const MINUTES_PER_SESSION: usize = 960;

pub(crate) const BARS_PER_PAGE: usize = 50_000;

/// The number of stocks in the whole market: S0, S1, …
const STOCKS: usize = 12_000;

const MINUTE: i64 = 60_000;

/// The API's data and its behaviour.
#[derive(Clone)]
pub(crate) struct Exchange {
    /// The number of minutes on a page.
    pub(crate) bars_per_page: usize,
}

impl Default for Exchange {
    fn default() -> Exchange {
        Exchange { bars_per_page: BARS_PER_PAGE }
    }
}

struct Range<'a> {
    ticker: &'a str,
    /// The path up to the days.
    path: String,
    /// The length of a bar in milliseconds; `None` for days.
    step: Option<i64>,
    from: i64,
    to: &'a str,
}

impl Exchange {
    /// Answers a request for a path and query.
    pub(crate) fn answer(&self, target: &str) -> Result<String> {
        let path = target.split('?').next().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match segments[..] {
            ["v2", "aggs", "ticker", ticker, "range", multiplier, unit, from, to] => {
                let multiplier: i64 = multiplier.parse()?;
                let range = Range {
                    ticker,
                    path: format!("/v2/aggs/ticker/{ticker}/range/{multiplier}/{unit}"),
                    step: match unit {
                        "minute" => Some(multiplier * MINUTE),
                        "hour" => Some(60 * MINUTE),
                        _ => None,
                    },
                    from: bound(from, 0)?,
                    to,
                };
                self.range(&range)
            }
            ["v2", "aggs", "grouped", .., day] => market(day.parse()?),
            _ => anyhow::bail!("no answer to {target}"),
        }
    }

    fn range(&self, range: &Range) -> Result<String> {
        let to = bound(range.to, 1)?;
        let limit = range.step.map_or(BARS_PER_PAGE, |step| self.bars_per_page * MINUTE as usize / step as usize);
        let mut starts = starts(range, to);
        let (mut rows, mut count) = (String::new(), 0);
        for start in starts.by_ref().take(limit) {
            rows.push_str(if count == 0 { "" } else { "," });
            write_bar(&mut rows, "", start, start as u64 / MINUTE as u64)?;
            count += 1;
        }
        let next_url = starts.next().map_or(String::new(), |next| {
            format!(r#","next_url":"https://api.polygon.io{}/{next}/{}?cursor=bGltaXQ9NTAwMDA""#, range.path, range.to)
        });
        let ticker = range.ticker;
        Ok(format!(
            r#"{{"ticker":"{ticker}","queryCount":{count},"resultsCount":{count},"adjusted":true,"results":[{rows}],"status":"OK","request_id":"0","count":{count}{next_url}}}"#
        ))
    }
}

/// All stocks on a day.
fn market(day: Date) -> Result<String> {
    let close = new_york_midnight(day) + 16 * 60 * MINUTE;
    let mut rows = String::new();
    for number in 0..STOCKS {
        rows.push_str(if number == 0 { "" } else { "," });
        let seed = (number * 10_000) as u64 + day.num_days_from_ce() as u64;
        write_bar(&mut rows, &format!(r#""T":"S{number}","#), close, seed)?;
    }
    Ok(format!(
        r#"{{"queryCount":{STOCKS},"resultsCount":{STOCKS},"adjusted":false,"results":[{rows}],"status":"OK","request_id":"0","count":{STOCKS}}}"#
    ))
}

fn starts(range: &Range, to: i64) -> impl Iterator<Item = i64> + use<> {
    let (from, step) = (range.from, range.step);
    let first_day = new_york_date(moment_at(from));
    let sessions = (0..)
        .map(move |number| first_day + Days::new(number))
        .filter(|day| day.weekday().number_from_monday() <= 5)
        .map(new_york_midnight)
        .take_while(move |midnight| *midnight <= to);
    let bars = sessions.flat_map(move |midnight| {
        let (begin, count) = match step {
            None => (midnight, 1),
            Some(step) => (midnight + 4 * 60 * MINUTE, MINUTES_PER_SESSION as i64 * MINUTE / step),
        };
        (0..count).map(move |number| begin + number * step.unwrap_or(0))
    });
    bars.filter(move |start| (from..=to).contains(start))
}

/// The bound of a range in epoch milliseconds: for a date its first moment (`days` is 0) or its last one (`days` is 1).
fn bound(text: &str, days: u64) -> Result<i64> {
    if let Ok(moment) = text.parse::<i64>() {
        return Ok(moment);
    }
    let day: Date = text.parse()?;
    Ok(new_york_midnight(day + Days::new(days)) - days as i64)
}

/// The last day of `pages` pages of minutes that begin on a day.
pub(crate) fn last_day_of_pages(first: Date, pages: usize) -> Date {
    let sessions = pages * BARS_PER_PAGE / MINUTES_PER_SESSION;
    first + Days::new(sessions as u64 * 7 / 5 - 1)
}

fn write_bar(text: &mut String, head: &str, start: i64, seed: u64) -> Result<()> {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc);
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let dollars = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
    let price = 20_000 + (seed % 5_000).abs_diff(2_500) + next(20);
    let (open, close) = (price + next(20), price + next(20));
    let (high, low) = (open.max(close) + next(9), open.min(close) - next(9));
    let (volume, trades, vwap) = (100 + next(200_000), 1 + next(2_000), next(10_000));
    let [open, close, high, low] = [open, close, high, low].map(dollars);
    let vwap = format!("{}.{vwap:04}", price / 100);
    write!(
        text,
        r#"{{{head}"v":{volume},"vw":{vwap},"o":{open},"c":{close},"h":{high},"l":{low},"t":{start},"n":{trades}}}"#
    )?;
    Ok(())
}
