//! Bars as RECORD messages, written by the hundred thousand: no allocation a bar, numbers copied as they came.

use crate::polygon::answer::{Bar, Page};
use crate::streams::{BarSize, Stream};
use crate::window::Days;

/// A page of bars that are to be emitted, with what all of them have in common.
#[derive(Debug)]
pub struct Batch {
    /// The bars, in order, each with its [`crate::streams::BarSize::key`].
    pub page: Page,
    /// The ticker; `None` where every bar says its own.
    pub ticker: Option<String>,
    /// The basis of the prices.
    pub adjusted: bool,
}

/// Turns the bars of one batch into lines.
pub struct Renderer<'a> {
    stream: &'a Stream,
    page: &'a Page,
    begin: String,
    ticker: Option<String>,
    end: String,
    day: Day,
    timestamp: UtcTimestamp,
}

/// The trading day of the bars, worked out again only when it changes.
#[derive(Default)]
struct Day {
    keys: std::ops::Range<i64>,
    text: String,
}

impl<'a> Renderer<'a> {
    /// `emitted_at` is in epoch milliseconds.
    pub fn new(stream: &'a Stream, batch: &'a Batch, emitted_at: i64) -> Renderer<'a> {
        Renderer {
            stream,
            page: &batch.page,
            begin: format!(r#"{{"type":"RECORD","record":{{"stream":"{}","data":{{"date":""#, stream.name),
            ticker: batch.ticker.as_ref().map(|ticker| serde_json::Value::from(ticker.as_str()).to_string()),
            end: format!(",\"adjusted\":{}}},\"emitted_at\":{emitted_at}}}}}\n", batch.adjusted),
            day: Day::default(),
            timestamp: UtcTimestamp::default(),
        }
    }

    /// Appends the bar's line to `buffer`; returns its length.
    pub fn append(&mut self, bar: &Bar, buffer: &mut Vec<u8>) -> usize {
        let before = buffer.len();
        let mut push = |text: &str| buffer.extend_from_slice(text.as_bytes());
        push(&self.begin);
        push(self.day.text(bar.key, self.stream.size));
        if self.stream.size != BarSize::Day {
            push(r#"","timestamp":""#);
            push(self.timestamp.text(bar.key));
        }
        push(r#"","stock_ticker":"#);
        push(self.ticker.as_deref().or(bar.ticker.map(|ticker| self.page.text_of(ticker))).unwrap_or("null"));
        for (name, number) in [
            (r#","price":"#, Some(bar.close)),
            (r#","open":"#, Some(bar.open)),
            (r#","high":"#, Some(bar.high)),
            (r#","low":"#, Some(bar.low)),
            (r#","volume":"#, Some(bar.volume)),
            (r#","vwap":"#, bar.vwap),
            (r#","transactions":"#, bar.transactions),
        ] {
            push(name);
            push(number.map_or("null", |number| self.page.text_of(number)));
        }
        push(&self.end);
        buffer.len() - before
    }
}

impl Day {
    fn text(&mut self, key: i64, size: BarSize) -> &str {
        if !self.keys.contains(&key) {
            let day = size.trading_day(key);
            self.keys = Days { from: day, to: day }.keys(size);
            self.text = day.to_string();
        }
        &self.text
    }
}

/// A timestamp in UTC as RFC 3339, in which only the time of day is written anew while the day stays the same.
#[derive(Default)]
struct UtcTimestamp {
    day: Option<i64>,
    text: String,
}

impl UtcTimestamp {
    /// The same as [`BarSize::cursor_value`] for bars that begin on a whole second, as all do.
    fn text(&mut self, key: i64) -> &str {
        const DAY: i64 = 86_400_000;
        const SECOND: i64 = 1_000;
        let (day, time) = (key.div_euclid(DAY), key.rem_euclid(DAY));
        if self.day != Some(day) || time % SECOND != 0 {
            self.text = BarSize::Minute.cursor_value(key);
            self.day = (time % SECOND == 0).then_some(day);
        } else {
            let seconds = time / SECOND;
            let time = [seconds / 3_600, seconds / 60 % 60, seconds % 60];
            let [h, m, s] = time.map(|number| [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8].map(char::from));
            self.text.truncate("2023-07-31T".len());
            self.text.extend([h[0], h[1], ':', m[0], m[1], ':', s[0], s[1], 'Z']);
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_the_cursors_value() {
        let mut timestamp = UtcTimestamp::default();
        for key in
            [1_690_790_400_000, 1_690_790_460_000, 1_690_847_999_000, 1_690_848_000_000, 1_690_848_000_500, -1_000, 0]
        {
            assert_eq!(timestamp.text(key), BarSize::Minute.cursor_value(key));
        }
    }
}
