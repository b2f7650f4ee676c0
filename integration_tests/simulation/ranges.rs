//! The endpoint of one ticker's bars over a range of time, in pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::api::Api;
use super::asked::Asked;
use super::days::{Day, HOUR, parse_day};
use super::faults::Fault;
use super::market::{Row, Rows};
use super::render::{Head, error, page};
use super::streams::Size;

impl Api {
    pub fn range(&mut self, ticker: usize, size: Size, (from, to): (&str, &str), query: &str) -> (u16, String) {
        let (now, number, zone) = (self.clock.moment(), self.asked.len(), self.market.tickers[ticker].zone);
        let bound = |text: &str, days: Day| match parse_day(text) {
            Some(day) => Some(zone.midnight(day + days) - days),
            None => text.parse().ok(),
        };
        let (Some(from), Some(to)) = (bound(from, 0), bound(to, 1)) else {
            return error(400, "Could not parse the time parameter: 'from'. Use YYYY-MM-DD or Unix MS Timestamps");
        };
        let cursor = query.split('&').find_map(|pair| pair.strip_prefix("cursor="));
        let mut asked = Asked {
            ticker: Some(ticker),
            size,
            from,
            to,
            is_next_page: cursor.is_some(),
            time: now,
            was_empty: false,
            was_cached: false,
            rows: 0,
        };
        let refusal = self.refusal(zone, from, to, now);
        if refusal.is_some() || to < from {
            self.asked.push(asked);
            return refusal
                .unwrap_or_else(|| error(400, "The parameter 'to' cannot be a time that occurs before 'from'"));
        }
        let adjusted = !query.contains("adjusted=false");
        let known_at = self.known_at(number, now);
        asked.was_cached = known_at != now;
        let rows = self.shown_on(ticker, size, adjusted, now, known_at);
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
            self.served.entry((size, ticker, *start)).or_default().push(*row);
        }
        self.asked.push(asked);
        let name =
            if self.takes_fault(number, Fault::OtherTicker) { "OTHER" } else { self.market.tickers[ticker].name };
        let next_url = next.map(|next| {
            let (multiplier, unit) = path_of(size);
            let cursor = URL_SAFE_NO_PAD.encode("limit=50000&sort=asc");
            format!(
                "https://api.massive.com/v2/aggs/ticker/{name}/range/{multiplier}/{unit}/{next}/{to}?cursor={cursor}"
            )
        });
        let is_delayed = !self.market.plan.shows_today && to >= zone.midnight(zone.day_at(now));
        let head = Head { ticker: Some(name), adjusted, is_delayed, next_url, format: number as u64 };
        (200, page(&head, bars.iter().map(|(start, row)| (None, *start, *row))))
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
        if !bars.is_empty() && self.takes_fault(number, Fault::Strays) {
            let bar = |(start, row): (&i64, &Row)| (*start, *row);
            bars.extend(rows.range(to + 1..).take(2).map(bar));
            bars.splice(0..0, rows.range(..from).next_back().map(bar));
        }
        next
    }
}

fn path_of(size: Size) -> (i64, &'static str) {
    match size {
        Size::Minutes(count) => (count, "minute"),
        Size::Hour => (1, "hour"),
        Size::Day | Size::Event => (1, "day"),
        Size::Week => (1, "week"),
        Size::Month => (1, "month"),
    }
}
