//! Writes one stream: its records, states, statuses and logs.
//!
//! A STATE never claims what was not written before it. What was emitted before is emitted again only behind a STATE in
//! which its digests are void; with thousands of tickers such emissions are gathered, so that states don't outweigh
//! records.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use chrono::TimeDelta;

use super::state_json::StreamState;
use super::state_pace::StatePace;
use super::stretch::Stretch;
use crate::airbyte::{Output, RecordBatch, StreamStatus};
use crate::calendar::MAX_DATE;
use crate::clock::SharedClock;
use crate::notices::{LogLevel, Notice, Remaining};
use crate::polygon::Event;
use crate::progress::Progress;
use crate::streams::{SeriesId, Stream};

/// Waits shorter than this are not logged.
const MIN_ANNOUNCED_WAIT: Duration = Duration::from_secs(5);

/// A batch of more bars than this is not kept back.
const MAX_PENDING_BARS: usize = 2_000;

/// Records that are kept back until the digests of what they replace are void in a STATE.
#[derive(Default)]
struct Pending {
    lines: Vec<u8>,
    records: u64,
    /// The stretches before the records, with void digests, by the series' name.
    void: BTreeMap<String, (SeriesId, Stretch)>,
    /// The stretches after the records.
    after: BTreeMap<String, (SeriesId, Stretch)>,
}

/// Writes one stream.
pub(crate) struct StreamWriter<'o, 'w> {
    stream: &'static Stream,
    state: StreamState,
    output: &'o mut Output<'w>,
    /// What a person sees who watches.
    pub(crate) progress: &'o mut Progress,
    clock: SharedClock,
    running: bool,
    pending: Pending,
    records_since_state: u64,
    pace: StatePace,
    announced_until: Duration,
    /// What is left to do, for whoever waits.
    pub(crate) remaining: Option<Remaining>,
    /// An error of writing that came up while events were being told.
    event_error: Option<io::Error>,
}

impl<'o, 'w> StreamWriter<'o, 'w> {
    /// Begins the stream with the state that it was handed.
    pub(crate) fn start(
        stream: &'static Stream,
        state: StreamState,
        output: &'o mut Output<'w>,
        progress: &'o mut Progress,
        clock: SharedClock,
    ) -> io::Result<Self> {
        output.stream_status(stream, StreamStatus::Started)?;
        let state_size = state.to_json(stream).to_string().len();
        Ok(StreamWriter {
            stream,
            state,
            output,
            progress,
            pace: StatePace::starting(state_size, clock.elapsed()),
            clock,
            running: false,
            pending: Pending::default(),
            records_since_state: 0,
            announced_until: Duration::ZERO,
            remaining: None,
            event_error: None,
        })
    }

    /// The stretch of a series as it was handed over.
    pub(crate) fn stretch(&self, series: &SeriesId) -> Option<Stretch> {
        self.state.stretch(series).cloned()
    }

    /// Says that bars of `series` which were emitted before are about to be emitted again: until that is done, `void`
    /// stands in the state.
    pub(crate) fn void(&mut self, series: &SeriesId, void: Stretch) -> io::Result<()> {
        let name = self.stream.display_name(series).to_owned();
        if self.pending.void.contains_key(&name) {
            self.flush_pending()?;
        }
        self.pending
            .after
            .insert(name.clone(), (series.clone(), void.clone()));
        self.pending.void.insert(name, (series.clone(), void));
        Ok(())
    }

    /// Writes bars of `series`, after which its stretch is `stretch`.
    pub(crate) fn write(
        &mut self,
        series: &SeriesId,
        batch: &RecordBatch<'_>,
        stretch: Stretch,
    ) -> io::Result<()> {
        if batch.bars.is_empty() {
            return self.set(series, stretch);
        }
        self.progress.add_bars(batch.bars.len());
        let name = self.stream.display_name(series);
        if self.pending.void.contains_key(name) {
            if batch.bars.len() <= MAX_PENDING_BARS {
                let emitted_at = self.clock.now().timestamp_millis();
                batch.render(emitted_at, &mut self.pending.lines);
                self.pending.records += batch.bars.len() as u64;
                return self.set(series, stretch);
            }
            self.flush_pending()?;
        }
        self.start_running()?;
        self.pace.wrote_records(self.output.records(batch)?);
        self.records_since_state += batch.bars.len() as u64;
        self.set(series, stretch)
    }

    /// Notes the stretch of `series`, and writes a STATE if it is time for one.
    pub(crate) fn set(&mut self, series: &SeriesId, stretch: Stretch) -> io::Result<()> {
        if let Some(error) = self.event_error.take() {
            return Err(error);
        }
        if let Some((_, after)) = self.pending.after.get_mut(self.stream.display_name(series)) {
            *after = stretch;
            // Two states go with them.
            if self.pace.allows(2, self.pending.lines.len()) {
                self.flush_pending()?;
            }
            return Ok(());
        }
        self.state.set(series, stretch);
        self.state_if_due()
    }

    /// Logs what is to be told of a series, or of the stream.
    pub(crate) fn notice(&mut self, series: Option<&SeriesId>, notice: &Notice) -> io::Result<()> {
        match series {
            Some(series) => {
                let text = format!("{}: {notice}", self.stream.display_name(series));
                self.output.log(notice.level(), &text)
            }
            None => self.output.log(notice.level(), &notice.to_string()),
        }
    }

    /// Logs a failure.
    pub(crate) fn log_error(&mut self, text: &str) -> io::Result<()> {
        self.output.log(LogLevel::Error, text)
    }

    /// Tells what happens with requests.
    pub(crate) fn event(&mut self, event: Event) {
        let result = match event {
            Event::RateLimited { until } => self.rate_limited(until),
            Event::Notice(notice) => self.notice(None, &notice),
        };
        if let Err(error) = result {
            self.event_error.get_or_insert(error);
        }
    }

    /// Ends the stream with its last STATE and status.
    pub(crate) fn finish(mut self, status: StreamStatus) -> io::Result<()> {
        self.flush_pending()?;
        self.write_state()?;
        self.output.stream_status(self.stream, status)
    }

    fn start_running(&mut self) -> io::Result<()> {
        if !self.running {
            self.output
                .stream_status(self.stream, StreamStatus::Running)?;
            self.running = true;
        }
        Ok(())
    }

    /// Says once for each wait that the API refuses requests, however many of them wait.
    fn rate_limited(&mut self, until: Duration) -> io::Result<()> {
        let wait = until.saturating_sub(self.clock.elapsed());
        if wait < MIN_ANNOUNCED_WAIT || until < self.announced_until + MIN_ANNOUNCED_WAIT {
            return Ok(());
        }
        self.announced_until = until;
        self.progress
            .wait(&format!("rate limited for {} s", wait.as_secs()));
        let wait_delta = TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
        let latest = MAX_DATE.and_time(chrono::NaiveTime::MIN).and_utc();
        let reset = self
            .clock
            .now()
            .checked_add_signed(wait_delta)
            .unwrap_or(latest);
        self.output
            .rate_limited(self.stream, reset.timestamp_millis())?;
        self.notice(
            None,
            &Notice::RateLimited {
                wait,
                remaining: self.remaining,
            },
        )
    }

    /// Writes what was kept back, between a STATE in which it is void and one in which it is there.
    fn flush_pending(&mut self) -> io::Result<()> {
        let Pending {
            lines,
            records,
            void,
            after,
        } = std::mem::take(&mut self.pending);
        if void.is_empty() {
            return Ok(());
        }
        for (series, stretch) in void.values() {
            self.state.set(series, stretch.clone());
        }
        self.write_state()?;
        if records > 0 {
            self.start_running()?;
            self.output.rendered_records(&lines)?;
            self.pace.wrote_records(lines.len());
            self.records_since_state += records;
        }
        for (series, stretch) in after.into_values() {
            self.state.set(&series, stretch);
        }
        self.state_if_due()
    }

    fn state_if_due(&mut self) -> io::Result<()> {
        if self.records_since_state > 0 && self.pace.is_due(self.clock.elapsed()) {
            self.write_state()
        } else {
            Ok(())
        }
    }

    fn write_state(&mut self) -> io::Result<()> {
        let size = self.output.state(
            self.stream,
            &self.state.to_json(self.stream),
            self.records_since_state,
        )?;
        self.pace.wrote_state(size, self.clock.elapsed());
        self.records_since_state = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn wait_is_announced_again_only_if_it_is_clearly_longer() {
        let clock = SystemClock::start();
        let now = clock.elapsed();
        // The ends of waits, seconds from now, and how many of them are announced.
        for (ends, announced) in [
            (vec![60], 1),
            (vec![4], 0),
            (vec![60, 60, 63], 1),
            (vec![60, 66], 2),
        ] {
            let mut sink = Vec::new();
            let mut output = Output::new(&mut sink, clock.clone(), false);
            let mut progress = Progress::new(false);
            let stream = Stream::by_name("stock_prices").unwrap();
            let state = StreamState::default();
            let mut writer =
                StreamWriter::start(stream, state, &mut output, &mut progress, clock.clone())
                    .unwrap();
            for end in &ends {
                let until = now + Duration::from_secs(*end);
                writer.event(Event::RateLimited { until });
            }
            let text = String::from_utf8(sink).unwrap();
            assert_eq!(
                text.matches("Rate limit reached").count(),
                announced,
                "{ends:?}"
            );
        }
    }
}
