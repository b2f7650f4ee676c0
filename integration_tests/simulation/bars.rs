//! The endpoints of bars: one ticker's, and the whole market's.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::support::answers::{
    Answer, OUTSIDE_THE_PLAN, REVERSED, TODAY_TOO_EARLY, envelope, error, next_page, not_authorized, value_of,
};

use super::api::{Api, Asked};
use super::days::{Day, HOUR, Zone, parse_day};
use super::market::{Row, Rows};
use super::render::bar;
use super::steps::Fault;
use super::streams::Size;

/// A row without prices, and one with a damaged name.
const UNUSABLE: [&str; 2] = [
    r#"{"T":"HALT","v":100,"t":1700000000000}"#,
    r#"{"T":"BA\u0000D","o":1,"c":9e11,"h":9e11,"l":1,"v":1,"t":1700000000000}"#,
];

impl Api {
    /// A ticker's bars over a range of time, in pages.
    pub fn range(&mut self, ticker: usize, [multiplier, unit, from, to]: [&str; 4], query: &str) -> Answer {
        let (now, number, zone) = (self.now(), self.traffic.asked.len(), self.market.tickers[ticker].zone);
        let Some(size) = Size::parse(multiplier, unit) else {
            return error(400, "Could not parse the timespan");
        };
        let bound = |text: &str, days: Day| match parse_day(text) {
            Some(day) => Some(zone.midnight(day + days) - days),
            None => text.parse().ok(),
        };
        let (Some(from), Some(to)) = (bound(from, 0), bound(to, 1)) else {
            return error(400, "Could not parse the time parameter: 'from'. Use YYYY-MM-DD or Unix MS Timestamps");
        };
        let cursor = value_of(query, "cursor");
        let mut asked = Asked::new(Some(ticker), size, (from, to), cursor.is_some(), now);
        let refusal = self.refusal(zone, from, to, now);
        if refusal.is_some() || to < from {
            self.traffic.asked.push(asked);
            return refusal.unwrap_or_else(|| error(400, REVERSED));
        }
        let adjusted = !query.contains("adjusted=false");
        let known_at = self.known_at(number, now);
        asked.was_cached = known_at != now;
        let rows = self.shown(ticker, size, adjusted, now, known_at);
        let (from, to) = if size.is_long() {
            (size.start(zone, from), size.end(zone, size.start(zone, to)) - 1)
        } else {
            (from, to)
        };
        let page_size = self.market.page_size;
        let mut bars: Vec<(i64, Row)> =
            rows.range(from..=to).take(page_size + 1).map(|(start, row)| (*start, *row)).collect();
        let more = bars.split_off(bars.len().min(page_size));
        let next = more.first().map(|_| size.end(zone, bars[page_size - 1].0));
        let next = self.spoil(number, &mut asked, (from, to), &rows, &mut bars, next);
        asked.rows = bars.len();
        for (start, row) in &bars {
            self.traffic.served.entry((size, ticker, *start)).or_default().push(*row);
        }
        self.traffic.asked.push(asked);
        let name =
            if self.takes_fault(number, Fault::OtherTicker) { "OTHER" } else { self.market.tickers[ticker].name };
        let next_url = next.map(|next| {
            let cursor = URL_SAFE_NO_PAD.encode("limit=50000&sort=asc");
            format!("/v2/aggs/ticker/{name}/range/{multiplier}/{unit}/{next}/{to}?cursor={cursor}")
        });
        let is_delayed = !self.market.plan.shows_today && to >= zone.midnight(zone.day_at(now));
        let rows: Vec<String> = bars.iter().map(|(start, row)| bar("", *start, row, number as u64)).collect();
        let (head, status) = (format!(r#""ticker":"{name}","#), if is_delayed { "DELAYED" } else { "OK" });
        (200, envelope(&head, adjusted, &rows, status, &next_url.map_or(String::new(), |target| next_page(&target))))
    }

    /// Lets the faults that are due happen to a page of bars; returns where the next page begins.
    fn spoil(
        &mut self,
        number: usize,
        asked: &mut Asked,
        (from, to): (i64, i64),
        rows: &Rows,
        bars: &mut Vec<(i64, Row)>,
        mut next: Option<i64>,
    ) -> Option<i64> {
        let is_cut = |(at, fault): &(usize, Fault)| *at <= number && *fault == Fault::CutAtPageEnd;
        // A page that does not hold a day could never show it whole.
        if next.is_some() && bars.len() > 1 && to - from > 30 * HOUR && self.faults.iter().any(is_cut) {
            let last = bars.last_mut().expect("a page has bars");
            if let Row::Bar(bar) = &mut last.1 {
                bar.volume = bar.volume.map(|volume| volume / 4.0);
            }
            next = Some(last.0);
        }
        if self.takes_fault(number, Fault::Empty)
            || (asked.is_next_page && self.takes_fault(number, Fault::EmptyNextPage))
        {
            asked.was_empty = !bars.is_empty();
            bars.clear();
            return None;
        }
        if self.takes_fault(number, Fault::Doubled) {
            *bars = bars.iter().flat_map(|bar| [*bar, *bar]).collect();
        }
        if bars.len() > 2 && self.takes_fault(number, Fault::Conflict) {
            let mut other = bars[number * 7 % bars.len()];
            if let Row::Bar(bar) = &mut other.1 {
                bar.open += 0.5;
            }
            bars.insert((number * 7 + number % 2) % bars.len(), other);
        }
        if self.takes_fault(number, Fault::Reversed) {
            bars.reverse();
        }
        if !bars.is_empty() && self.takes_fault(number, Fault::Strays) {
            let bar = |(start, row): (&i64, &Row)| (*start, *row);
            bars.extend(rows.range(to + 1..).take(2).map(bar));
            bars.splice(0..0, rows.range(..from).next_back().map(bar));
        }
        next
    }

    /// A day of the whole market.
    pub fn grouped(&mut self, day: Day, adjusted: bool) -> (u16, String) {
        let (now, number, zone) = (self.now(), self.traffic.asked.len(), Zone::NewYork);
        let midnight = zone.midnight(day);
        let mut asked = Asked::new(None, Size::Day, (midnight, zone.midnight(day + 1) - 1), false, now);
        let is_too_early = zone.day_at(now) < day || (zone.day_at(now) == day && !self.market.plan.shows_today);
        if midnight < self.market.floor(zone, now) || is_too_early {
            self.traffic.asked.push(asked);
            return not_authorized(if is_too_early { TODAY_TOO_EARLY } else { OUTSIDE_THE_PLAN });
        }
        let mut rows = Vec::new();
        for ticker in 0..self.market.tickers.len() {
            let is_stock = !self.market.tickers[ticker].name.contains(':');
            let shown = self.shown(ticker, Size::Day, adjusted, now, now);
            if let Some(row) = shown.get(&midnight).filter(|_| is_stock) {
                rows.push((ticker, *row));
            }
        }
        let bad = self.bad_days.iter_mut().find(|bad| bad.day == day && bad.left > 0);
        if let Some(bad) = bad.filter(|_| !rows.is_empty()) {
            bad.left -= 1;
            asked.was_empty = true;
            rows.truncate(if bad.is_empty { 0 } else { rows.len() / 3 });
        } else if self.takes_fault(number, Fault::Empty) {
            asked.was_empty = !rows.is_empty();
            rows.clear();
        }
        asked.rows = rows.len();
        self.traffic.asked.push(asked);
        for (ticker, row) in &rows {
            self.traffic.served.entry((Size::Day, *ticker, midnight)).or_default().push(*row);
        }
        // Unordered, and at the close.
        let told = rows.iter().map(|(ticker, row)| {
            let head = format!(r#""T":"{}","#, self.market.tickers[*ticker].name);
            bar(&head, midnight + 16 * HOUR, row, number as u64)
        });
        let mut told: Vec<String> = told.collect();
        told.rotate_left(number % rows.len().max(1));
        if self.has_unusable_rows && !told.is_empty() {
            told.splice(0..0, UNUSABLE.map(str::to_owned));
        }
        (200, envelope("", adjusted, &told, "OK", ""))
    }
}
