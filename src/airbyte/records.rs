//! Bars as RECORD messages. No allocation per bar: numbers are copied as the API wrote them, so no digit is lost.

use std::io::Write;
use std::ops::Range;

use crate::bar_calendar::BarCalendar;
use crate::bars::{Bar, Page};
use crate::calendar::{DAY_MS, DateRange};
use crate::events::{EventPage, EventRow};
use crate::fields::{BAR_FIELDS, Field};
use crate::streams::Stream;
use crate::timespan::Timespan;

/// Bars that are to be emitted, with what all of them have in common.
#[derive(Clone, Copy)]
pub(crate) struct RecordBatch<'a> {
    /// Their stream.
    pub(crate) stream: &'static Stream,
    /// The page whose text the bars point into.
    pub(crate) page: &'a Page,
    /// The bars, each with its cursor (see [`Timespan::cursor`]).
    pub(crate) bars: &'a [Bar],
    /// The ticker; `None` where every bar says its own.
    pub(crate) ticker: Option<&'a str>,
    /// Whether prices are adjusted for splits.
    pub(crate) adjusted: bool,
    /// How the bars lie in time.
    pub(crate) calendar: BarCalendar,
}

impl RecordBatch<'_> {
    /// Appends a line for each bar to `buffer`; `emitted_at` is in epoch milliseconds.
    pub(crate) fn render(&self, emitted_at: i64, buffer: &mut Vec<u8>) {
        let RecordBatch { stream, page, calendar, adjusted, .. } = *self;
        let prefix = format!(r#"{{"type":"RECORD","record":{{"stream":"{}","data":{{"date":""#, stream.name);
        let suffix = format!(",\"adjusted\":{adjusted}}},\"emitted_at\":{emitted_at}}}}}\n");
        let names = BAR_FIELDS.map(|field| format!(r#","{}":"#, field.name));
        let ticker = self.ticker.map(|ticker| serde_json::Value::from(ticker).to_string());
        let (mut date, mut timestamp) = (DateCache::default(), TimestampCache::default());
        for bar in self.bars {
            let mut push = |text: &str| buffer.extend_from_slice(text.as_bytes());
            push(&prefix);
            push(date.text(bar.cursor, calendar));
            if stream.timespan.is_intraday() {
                push(r#"","timestamp":""#);
                push(timestamp.text(bar.cursor));
            }
            push(r#"","stock_ticker":"#);
            push(ticker.as_deref().or(bar.ticker.map(|ticker| page.text(ticker))).unwrap_or("null"));
            for (name, value) in names.iter().zip(bar.values) {
                push(name);
                push(value.map_or("null", |value| page.text(value)));
            }
            push(&suffix);
        }
    }
}

/// Appends the line of a split or dividend with these fields to `buffer`; `emitted_at` is in epoch milliseconds.
pub(crate) fn render_event(
    stream: &Stream,
    fields: &[Field],
    page: &EventPage,
    row: &EventRow,
    emitted_at: i64,
    buffer: &mut Vec<u8>,
) {
    // Writing to memory does not fail.
    let mut push = |text: std::fmt::Arguments<'_>| buffer.write_fmt(text).unwrap_or_default();
    push(format_args!(
        r#"{{"type":"RECORD","record":{{"stream":"{}","data":{{"id":{},"stock_ticker":{}"#,
        stream.name,
        page.text(row.id),
        page.text(row.ticker),
    ));
    for (field, span) in fields.iter().zip(row.fields) {
        let value = span.map_or("null", |span| page.text(span));
        push(format_args!(r#","{}":{value}"#, field.name));
    }
    push(format_args!("}},\"emitted_at\":{emitted_at}}}}}\n"));
}

/// The day of the bars, formatted again only when it changes.
#[derive(Default)]
struct DateCache {
    cursors: Range<i64>,
    text: String,
}

impl DateCache {
    fn text(&mut self, cursor: i64, calendar: BarCalendar) -> &str {
        if !self.cursors.contains(&cursor) {
            let date = calendar.date(cursor);
            self.cursors = calendar.cursors(DateRange::day(date));
            self.text = date.to_string();
        }
        &self.text
    }
}

/// A timestamp in UTC as RFC 3339, of which only the time of day is formatted again while the day stays the same.
#[derive(Default)]
struct TimestampCache {
    day: Option<i64>,
    text: String,
}

impl TimestampCache {
    /// The same as [`Timespan::cursor_text`].
    fn text(&mut self, cursor: i64) -> &str {
        const SECOND: i64 = 1_000;
        let (day, time) = (cursor.div_euclid(DAY_MS), cursor.rem_euclid(DAY_MS));
        if self.day != Some(day) || time % SECOND != 0 {
            self.text = Timespan::Hour.cursor_text(cursor);
            self.day = Some(day);
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
    fn a_timestamp_is_the_cursors_text() {
        let mut timestamp = TimestampCache::default();
        for cursor in [
            1_690_790_400_000,
            1_690_790_460_000,
            1_690_847_999_000,
            1_690_848_000_000,
            1_690_848_000_500,
            1_690_848_001_000,
            -1_000,
            0,
        ] {
            assert_eq!(timestamp.text(cursor), Timespan::Minutes(1).cursor_text(cursor));
        }
    }
}
