//! Bars as RECORD messages. No allocation per bar: numbers are copied as the API wrote them, so no digit is lost.

use std::io::Write;
use std::ops::Range;

use crate::bar_calendar::BarCalendar;
use crate::bars::{Bar, Page};
use crate::calendar::{DAY_MS, DateRange};
use crate::events::{EventPage, EventRow};
use crate::fields::{BAR_FIELDS, Field};
use crate::streams::Stream;

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
        let suffix = format!(",\"adjusted\":{}}},\"emitted_at\":{emitted_at}}}}}\n", self.adjusted);
        let names =
            BAR_FIELDS.map(|field| format!(r#","{}":"#, field.name)).map(|name| (format!("{name:16}"), name.len()));
        let ticker = self.ticker.map(|ticker| serde_json::Value::from(ticker).to_string());
        let (text, mut head) = (self.page.text.as_bytes(), Head::default());
        for bar in self.bars {
            buffer.extend_from_slice(head.text(self, bar.cursor));
            let ticker = ticker.as_deref().or(bar.ticker.map(|ticker| self.page.text(ticker)));
            buffer.extend_from_slice(ticker.unwrap_or("null").as_bytes());
            for ((name, length), value) in names.iter().zip(bar.values) {
                push(buffer, name.as_bytes(), 0..*length);
                match value {
                    Some(value) => push(buffer, text, value.range()),
                    None => buffer.extend_from_slice(b"null"),
                }
            }
            buffer.extend_from_slice(suffix.as_bytes());
        }
    }
}

/// Appends a part of a text. Most are short, and copying sixteen bytes is faster than copying a number that varies.
fn push(buffer: &mut Vec<u8>, text: &[u8], part: Range<usize>) {
    let end = buffer.len() + part.len();
    match text.get(part.start..).and_then(|rest| rest.first_chunk::<16>()) {
        Some(bytes) if part.len() <= bytes.len() => buffer.extend_from_slice(bytes),
        _ => buffer.extend_from_slice(&text[part]),
    }
    buffer.truncate(end);
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

/// What lines begin with. From one bar of a day to the next, only the time of day differs.
#[derive(Default)]
struct Head {
    text: Vec<u8>,
    /// Where the time of day begins.
    time: usize,
    /// The cursors for which all else is right.
    cursors: Range<i64>,
}

impl Head {
    /// The line of a bar up to the ticker.
    fn text(&mut self, batch: &RecordBatch<'_>, cursor: i64) -> &[u8] {
        const SECOND: i64 = 1_000;
        let (RecordBatch { stream, calendar, .. }, time) = (batch, cursor.rem_euclid(DAY_MS));
        if !self.cursors.contains(&cursor) || time % SECOND != 0 {
            let date = calendar.date(cursor);
            let (days, midnight) = (calendar.cursors(DateRange::day(date)), cursor - time);
            self.cursors = days.start.max(midnight)..days.end.min(midnight + DAY_MS);
            let mut text =
                format!(r#"{{"type":"RECORD","record":{{"stream":"{}","data":{{"date":"{date}"#, stream.name);
            if stream.timespan.is_intraday() {
                text += r#"","timestamp":""#;
                self.time = text.len() + "2023-07-31T".len();
                text += &stream.timespan.cursor_text(cursor);
            }
            self.text = (text + r#"","stock_ticker":"#).into_bytes();
            if time % SECOND != 0 {
                // Its time of day is longer than others.
                self.cursors = 0..0;
            }
        } else if stream.timespan.is_intraday() {
            let seconds = time / SECOND;
            let numbers = [seconds / 3_600, seconds / 60 % 60, seconds % 60];
            for (digits, number) in self.text[self.time..].chunks_mut("00:".len()).zip(numbers) {
                (digits[0], digits[1]) = (b'0' + (number / 10) as u8, b'0' + (number % 10) as u8);
            }
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::calendar::{Zone, utc_date};
    use crate::streams::STREAMS;
    use crate::timespan::Timespan;

    #[test]
    fn a_line_says_the_time_and_the_day_of_its_own_bar() {
        let stream = STREAMS.iter().find(|stream| stream.timespan == Timespan::Minutes(1)).unwrap();
        let page = Page { text: "1".to_owned(), rows: Vec::new(), unusable: Vec::new(), next_url: None };
        // 19:00 in New York is midnight in UTC.
        let moments = [-7_200_000, -1_000, 0, 500, 1_000, 17_999_000, 18_000_000, 18_059_000, 17_000_000, -7_200_000];
        let bars = moments.map(|cursor| Bar { cursor, ticker: None, values: Default::default() });
        for zone in [Zone::NewYork, Zone::Utc] {
            let calendar = BarCalendar { timespan: stream.timespan, zone };
            let batch = RecordBatch { stream, page: &page, bars: &bars, ticker: Some("A"), adjusted: true, calendar };
            let mut lines = Vec::new();
            batch.render(0, &mut lines);
            let lines = String::from_utf8(lines).unwrap();
            assert_eq!(lines.lines().count(), moments.len());
            for (line, cursor) in lines.lines().zip(moments) {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                let data = &line["record"]["data"];
                assert_eq!(data["timestamp"], stream.timespan.cursor_text(cursor));
                assert_eq!(data["date"], calendar.date(cursor).to_string());
                assert!(zone != Zone::Utc || data["date"] == utc_date(cursor).to_string());
            }
        }
    }

    #[test]
    fn a_part_of_any_length_is_appended() {
        let text = "0123456789".repeat(4);
        for range in [0..0, 0..1, 3..18, 3..19, 3..20, 23..24, 24..40, 25..40, 39..40, 40..40] {
            let mut buffer = b"before".to_vec();
            push(&mut buffer, text.as_bytes(), range.clone());
            assert_eq!(buffer, format!("before{}", &text[range]).into_bytes());
        }
    }
}
