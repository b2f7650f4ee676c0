//! stdout: the only place that writes to it. One message a line, records in large writes.

use std::io::{self, Write};

use serde_json::Value;

use crate::clock::SharedClock;
use crate::config::Secret;
use crate::error::Failure;
use crate::protocol::*;
use crate::records::{Batch, Renderer};
use crate::state::StreamState;
use crate::streams::Stream;

/// How much is gathered before it is written.
const BUFFER: usize = 256 << 10;

/// Shorter keys than this are no keys; hiding them would only garble messages.
const SHORTEST_SECRET: usize = 4;

/// Writes Airbyte messages as lines.
pub struct Output<'w> {
    sink: &'w mut dyn Write,
    buffer: Vec<u8>,
    clock: SharedClock,
    secret: Option<Secret>,
}

impl<'w> Output<'w> {
    /// Writes to `sink`, with timestamps from `clock`.
    pub fn new(sink: &'w mut dyn Write, clock: SharedClock) -> Output<'w> {
        Output { sink, buffer: Vec::new(), clock, secret: None }
    }

    /// Keeps a text out of every message for people from now on, whoever put it there: the API may quote the key.
    pub fn keep_secret(&mut self, secret: &Secret) {
        self.secret = (secret.expose().len() >= SHORTEST_SECRET).then(|| secret.clone());
    }

    /// A SPEC message.
    pub fn spec(&mut self, spec: Value) -> io::Result<()> {
        self.message(&Message::Spec { spec }).map(drop)
    }

    /// A CATALOG message with these AirbyteStreams.
    pub fn catalog(&mut self, streams: Vec<Value>) -> io::Result<()> {
        self.message(&Message::Catalog { catalog: Catalog { streams } }).map(drop)
    }

    /// A CONNECTION_STATUS message: FAILED with what to do about it, or SUCCEEDED.
    pub fn connection_status(&mut self, failed: Option<&str>) -> io::Result<()> {
        let message = failed.map(|text| self.without_secret(text));
        let status = if failed.is_some() { "FAILED" } else { "SUCCEEDED" };
        let connection_status = ConnectionStatus { status, message: message.as_deref() };
        self.message(&Message::ConnectionStatus { connection_status }).map(drop)
    }

    /// A LOG message.
    pub fn log(&mut self, level: Level, text: &str) -> io::Result<()> {
        let message = &self.without_secret(text);
        self.message(&Message::Log { log: Log { level, message } }).map(drop)
    }

    /// A TRACE ERROR message.
    pub fn trace_error(&mut self, failure: &Failure) -> io::Result<()> {
        let (message, internal_message) =
            (&self.without_secret(&failure.message), &self.without_secret(&failure.internal_message));
        let error = TraceError { message, internal_message, failure_type: failure.failure_type };
        self.trace(TraceEvent::Error { error })
    }

    /// A TRACE STREAM_STATUS message.
    pub fn stream_status(&mut self, stream: &Stream, status: StreamStatus) -> io::Result<()> {
        self.status(stream, status, Vec::new())
    }

    /// A TRACE STREAM_STATUS message: the API's quota is used up until then (epoch milliseconds).
    pub fn rate_limited(&mut self, stream: &Stream, quota_reset: i64) -> io::Result<()> {
        let reason = StatusReason::RateLimited { rate_limited: RateLimited { quota_reset } };
        self.status(stream, StreamStatus::Running, vec![reason])
    }

    /// RECORD messages, one a bar; returns how many bytes they take. They stay in the buffer until it is full or
    /// another message follows.
    pub fn records(&mut self, stream: &Stream, batch: &Batch) -> io::Result<usize> {
        let mut renderer = Renderer::new(stream, batch, self.clock.now().as_millisecond());
        let mut bytes = 0;
        for bar in batch.page.bars() {
            bytes += renderer.append(bar, &mut self.buffer);
            if self.buffer.len() >= BUFFER {
                self.flush()?;
            }
        }
        Ok(bytes)
    }

    /// A STATE message; `record_count` records of the stream were written since its previous one. Returns its length in
    /// bytes.
    pub fn state(&mut self, stream: &Stream, state: &StreamState, record_count: u64) -> io::Result<usize> {
        self.message(&Message::State {
            state: StateMessage {
                kind: "STREAM",
                stream: StateOfStream {
                    stream_descriptor: StreamDescriptor { name: stream.name },
                    stream_state: &state.to_json(stream),
                },
                source_stats: SourceStats { record_count: record_count as f64 },
            },
        })
    }

    fn status(&mut self, stream: &Stream, status: StreamStatus, reasons: Vec<StatusReason>) -> io::Result<()> {
        let stream_descriptor = StreamDescriptor { name: stream.name };
        self.trace(TraceEvent::StreamStatus { stream_status: StreamStatusTrace { stream_descriptor, status, reasons } })
    }

    fn trace(&mut self, event: TraceEvent<'_>) -> io::Result<()> {
        let emitted_at = self.clock.now().as_millisecond();
        self.message(&Message::Trace { trace: Trace { emitted_at, event } }).map(drop)
    }

    /// Writes the message, and whatever is in the buffer before it; returns the message's length in bytes.
    fn message(&mut self, message: &Message<'_>) -> io::Result<usize> {
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

    fn without_secret(&self, text: &str) -> String {
        match &self.secret {
            Some(secret) => text.replace(secret.expose(), "(api_key)"),
            None => text.to_owned(),
        }
    }
}
