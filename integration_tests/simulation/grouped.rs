//! The endpoint of whole markets, a day a request.

use super::api::{Api, OUTSIDE_THE_PLAN};
use super::asked::Asked;
use super::days::{Day, HOUR, Zone};
use super::faults::Fault;
use super::render::{Head, page, refused, with_unusable_rows};
use super::streams::Size;

/// A day of the whole market that comes back without rows, or with a third of them.
#[derive(Debug, Clone, Copy)]
pub struct BadDay {
    pub day: Day,
    pub is_empty: bool,
    /// For how many more requests.
    pub left: u32,
}

impl Api {
    pub fn grouped(&mut self, day: Day, adjusted: bool) -> (u16, String) {
        let (now, number, zone) = (self.clock.moment(), self.asked.len(), Zone::NewYork);
        let midnight = zone.midnight(day);
        let mut asked = Asked {
            ticker: None,
            size: Size::Day,
            from: midnight,
            to: zone.midnight(day + 1) - 1,
            is_next_page: false,
            time: now,
            was_empty: false,
            was_cached: false,
            rows: 0,
        };
        let is_too_early = zone.day_at(now) < day || (zone.day_at(now) == day && !self.market.plan.shows_today);
        if midnight < self.market.floor(zone, now) || is_too_early {
            self.asked.push(asked);
            return if is_too_early {
                refused("Attempted to request today's data before end of day.")
            } else {
                refused(OUTSIDE_THE_PLAN)
            };
        }
        let mut rows = Vec::new();
        for ticker in 0..self.market.tickers.len() {
            let is_stock = !self.market.tickers[ticker].name.contains(':');
            let shown = self.shown(ticker, Size::Day, adjusted, now);
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
        self.asked.push(asked);
        for (ticker, row) in &rows {
            self.served.entry((Size::Day, *ticker, midnight)).or_default().push(*row);
        }
        let head = Head { ticker: None, adjusted, is_delayed: false, next_url: None, format: number as u64 };
        let tickers = &self.market.tickers;
        // Unordered, and at the close.
        let rows = rows.iter().rev().map(|(ticker, row)| (Some(tickers[*ticker].name), midnight + 16 * HOUR, *row));
        let mut body = page(&head, rows);
        if self.has_unusable_rows && body.contains("\"results\":[") {
            body = with_unusable_rows(&body);
        }
        (200, body)
    }
}
