//! stdout: the only place that writes to it. One message a line, records in large writes.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::records::RecordBatch;
use crate::clock::SharedClock;
use crate::error::Failure;
use crate::log_level::LogLevel;
use crate::secret::Secret;
use crate::streams::Stream;
use crate::terminal::Terminal;
use crate::text::{count, truncate};

/// The number of bytes at which the buffer is written.
const BUFFER_SIZE: usize = 256 << 10;

/// The longest text of a message, in bytes. A longer one is redacted first, then cut.
const MAX_TEXT_LEN: usize = 4_000;

/// How far the sync of a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum StreamStatus {
    /// Before anything else of the stream.
    Started,
    /// Records follow, or the API rate-limits the sync.
    Running,
    /// Everything was emitted.
    Complete,
    /// Something is missing; the TRACE ERROR says what.
    Incomplete,
}

/// Writes Airbyte messages as lines.
pub(crate) struct Output<'w> {
    sink: &'w mut dyn Write,
    buffer: Vec<u8>,
    clock: SharedClock,
    secret: Option<Secret>,
    writes_debug: bool,
    terminal: Terminal,
}

impl<'w> Output<'w> {
    /// Writes to `sink`, with timestamps from `clock`; LOG DEBUG only if `writes_debug`. Failures and what
    /// [`Output::show`] writes are shown in `terminal`, too.
    pub(crate) fn new(
        sink: &'w mut dyn Write,
        clock: SharedClock,
        writes_debug: bool,
        terminal: Terminal,
    ) -> Output<'w> {
        Output { sink, buffer: Vec::new(), clock, secret: None, writes_debug, terminal }
    }

    /// Redacts a text from every message for people from now on, because the API may quote the key.
    pub(crate) fn redact(&mut self, secret: Secret) {
        self.secret = Some(secret);
    }

    /// A SPEC message.
    pub(crate) fn spec(&mut self, spec: &Value) -> io::Result<()> {
        self.message(&json!({"type": "SPEC", "spec": spec})).map(drop)
    }

    /// A CATALOG message with these `AirbyteStreams`.
    pub(crate) fn catalog(&mut self, streams: &[Value]) -> io::Result<()> {
        let summary = format!("{} in the catalog.", count(streams.len(), "stream"));
        self.message(&json!({"type": "CATALOG", "catalog": {"streams": streams}}))?;
        self.terminal.show(LogLevel::Info, &summary);
        Ok(())
    }

    /// A `CONNECTION_STATUS` message: FAILED with what to do about it, or SUCCEEDED.
    pub(crate) fn connection_status(&mut self, failed: Option<&str>) -> io::Result<()> {
        let mut status = json!({"status": if failed.is_some() { "FAILED" } else { "SUCCEEDED" }});
        if let Some(text) = failed {
            status["message"] = self.redacted(text).into();
        }
        self.message(&json!({"type": "CONNECTION_STATUS", "connectionStatus": status}))?;
        match status["message"].as_str() {
            Some(text) => self.terminal.show(LogLevel::Error, &format!("the check failed. {text}")),
            None => self.terminal.show(LogLevel::Info, "The check succeeded."),
        }
        Ok(())
    }

    /// A LOG message.
    pub(crate) fn log(&mut self, level: LogLevel, text: &str) -> io::Result<()> {
        if level == LogLevel::Debug && !self.writes_debug {
            return Ok(());
        }
        let message = self.redacted(text);
        self.message(&json!({"type": "LOG", "log": {"level": level, "message": message}})).map(drop)
    }

    /// A LOG message that a person at a terminal should see, such as the summary of a stream.
    pub(crate) fn show(&mut self, level: LogLevel, text: &str) -> io::Result<()> {
        self.log(level, text)?;
        self.terminal.show(level, &self.redacted(text));
        Ok(())
    }

    /// A TRACE ERROR message.
    pub(crate) fn trace_error(&mut self, failure: &Failure) -> io::Result<()> {
        let message = self.redacted(&failure.message);
        let mut error = json!({"message": message});
        if let Some(cause) = &failure.internal_message {
            error["internal_message"] = self.redacted(cause).into();
        }
        error["failure_type"] = json!(failure.failure_type);
        self.trace("ERROR", "error", &error)?;
        self.terminal.show(LogLevel::Error, &message);
        Ok(())
    }

    /// A TRACE `STREAM_STATUS` message.
    pub(crate) fn stream_status(&mut self, stream: &Stream, status: StreamStatus) -> io::Result<()> {
        let stream_status = json!({"stream_descriptor": {"name": stream.name}, "status": status});
        self.trace("STREAM_STATUS", "stream_status", &stream_status)
    }

    /// A TRACE `STREAM_STATUS` message: the API rejects requests until then (epoch milliseconds).
    pub(crate) fn rate_limited(&mut self, stream: &Stream, quota_reset: i64) -> io::Result<()> {
        let stream_status = json!({
            "stream_descriptor": {"name": stream.name},
            "status": StreamStatus::Running,
            "reasons": [{"type": "RATE_LIMITED", "rate_limited": {"quota_reset": quota_reset}}],
        });
        self.trace("STREAM_STATUS", "stream_status", &stream_status)
    }

    /// RECORD messages; returns how many bytes they take. They stay in the buffer until it is full or another message
    /// follows.
    pub(crate) fn records(&mut self, batch: &RecordBatch<'_>) -> io::Result<usize> {
        /// About as many bars as the buffer holds.
        const BARS_AT_A_TIME: usize = 1_000;
        let emitted_at = self.clock.now().timestamp_millis();
        let mut bytes = 0;
        for bars in batch.bars.chunks(BARS_AT_A_TIME) {
            let before = self.buffer.len();
            RecordBatch { bars, ..*batch }.render(emitted_at, &mut self.buffer);
            bytes += self.buffer.len() - before;
            if self.buffer.len() >= BUFFER_SIZE {
                self.flush()?;
            }
        }
        Ok(bytes)
    }

    /// RECORD messages that were rendered before with [`RecordBatch::render`].
    pub(crate) fn rendered_records(&mut self, lines: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(lines);
        if self.buffer.len() >= BUFFER_SIZE { self.flush() } else { Ok(()) }
    }

    /// A STATE message; `record_count` records of the stream were written since its previous one. Returns its length in
    /// bytes.
    pub(crate) fn state(&mut self, stream: &Stream, state: Value, record_count: u64) -> io::Result<usize> {
        let mut message = json!({"type": "STATE", "state": {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": stream.name}, "stream_state": null},
            // The protocol wants a float.
            "sourceStats": {"recordCount": record_count as f64},
        }});
        // `json!` would copy it.
        message["state"]["stream"]["stream_state"] = state;
        self.message(&message)
    }

    fn trace(&mut self, kind: &str, key: &str, event: &Value) -> io::Result<()> {
        let emitted_at = self.clock.now().timestamp_millis();
        let trace = json!({"emitted_at": emitted_at, "type": kind, key: event});
        self.message(&json!({"type": "TRACE", "trace": trace})).map(drop)
    }

    /// Writes the buffer and the message; returns the message's length in bytes.
    fn message(&mut self, message: &Value) -> io::Result<usize> {
        let start = self.buffer.len();
        serde_json::to_writer(&mut self.buffer, message)?;
        self.buffer.push(b'\n');
        let length = self.buffer.len() - start;
        self.flush()?;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.write_all(&self.buffer)?;
        self.buffer.clear();
        self.sink.flush()
    }

    fn redacted(&self, text: &str) -> String {
        let mut redacted = self.secret.as_ref().map_or_else(|| text.to_owned(), |secret| secret.redact(text));
        if redacted.len() > MAX_TEXT_LEN {
            redacted = format!("{}…", truncate(&redacted, MAX_TEXT_LEN));
        }
        redacted
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use serde_json::json;

    use super::*;
    use crate::bar_calendar::BarCalendar;
    use crate::bars::Page;
    use crate::calendar::Zone;
    use crate::clock::SystemClock;
    use crate::polygon::parse_bars;

    /// Every write, as it came.
    #[derive(Clone, Default)]
    struct Writes(Rc<RefCell<Vec<String>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            self.0.borrow_mut().push(text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written meanwhile.
    fn written(write: impl FnOnce(&mut Output<'_>, &Writes)) -> Vec<String> {
        let writes = Writes::default();
        let mut sink = writes.clone();
        write(&mut Output::new(&mut sink, SystemClock::start(), false, Terminal::default()), &writes);
        writes.0.take()
    }

    fn page(bars: usize) -> Page {
        let bar = |number: usize| format!(r#"{{"t":{number},"o":1,"h":1,"l":1,"c":1,"v":1}}"#);
        let bars: Vec<String> = (0..bars).map(bar).collect();
        let text = format!(r#"{{"results":[{}]}}"#, bars.join(","));
        parse_bars(text, false).unwrap().0
    }

    fn batch(page: &Page) -> RecordBatch<'_> {
        let stream = Stream::by_name("stock_prices").unwrap();
        RecordBatch {
            stream,
            page,
            bars: &page.rows,
            ticker: Some("TSLA"),
            adjusted: true,
            calendar: BarCalendar { timespan: stream.timespan, zone: Zone::NewYork },
        }
    }

    #[test]
    fn records_wait_for_the_next_message_unless_they_are_many() {
        let few = written(|output, writes| {
            output.records(&batch(&page(3))).unwrap();
            assert_eq!(writes.0.borrow().len(), 0, "nothing yet");
            output.log(LogLevel::Info, "done").unwrap();
        });
        assert_eq!((few.len(), few[0].lines().count()), (1, 4));
        let many = written(|output, writes| {
            output.records(&batch(&page(5_000))).unwrap();
            let count = writes.0.borrow().len();
            assert!((2..=5).contains(&count), "{count} writes");
        });
        assert!(many.iter().all(|write| write.len() < 2 * BUFFER_SIZE));
        let rendered = written(|output, writes| {
            output.rendered_records(&vec![b' '; BUFFER_SIZE - 1]).unwrap();
            assert_eq!(writes.0.borrow().len(), 0, "nothing yet");
            output.rendered_records(b" ").unwrap();
        });
        assert_eq!(rendered.concat().len(), BUFFER_SIZE);
    }

    #[test]
    fn lengths_of_records_and_states_are_returned() {
        let mut lengths = (0, 0);
        let stream = Stream::by_name("stock_prices").unwrap();
        let lines = written(|output, _| {
            output.records(&batch(&page(1))).unwrap();
            lengths.0 = output.records(&batch(&page(2_500))).unwrap();
            lengths.1 = output.state(stream, json!({"TSLA": {}}), 2_501).unwrap();
        })
        .concat();
        let of_kind = |kind: &str| -> usize {
            let lines = lines.split_inclusive('\n').filter(|line| line.contains(kind));
            lines.map(str::len).sum()
        };
        let (first, _) = lines.split_once('\n').unwrap();
        let expected = (of_kind("RECORD") - first.len() - 1, of_kind("STATE"));
        assert_eq!(lengths, expected);
    }

    #[test]
    fn only_a_text_that_is_too_long_is_cut() {
        for (length, is_cut) in [(MAX_TEXT_LEN, false), (MAX_TEXT_LEN + 1, true)] {
            let text = "x".repeat(length);
            let line = written(|output, _| output.log(LogLevel::Info, &text).unwrap()).concat();
            assert_eq!((line.contains('…'), line.contains(&text)), (is_cut, !is_cut));
        }
    }
}
