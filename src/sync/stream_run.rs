//! What all targets of a stream share: the source of pages, the output, and what was done so far.

use std::io;
use std::time::Duration;

use chrono::TimeDelta;

use super::notices::Notice;
use super::plan_start::PlanStarts;
use super::target::Target;
use super::writer::StreamWriter;
use crate::clock::SharedClock;
use crate::log_level::LogLevel;
use crate::polygon::{ApiError, Event, PageSource, Request, ResponsePage};
use crate::terminal::Progress;
use crate::text::count;

/// A wait that ends this much later than an announced one is not announced again.
const SAME_WAIT: Duration = Duration::from_secs(5);

/// What the smallest plan allows.
const MIN_REQUESTS_PER_MINUTE: usize = 5;

/// Why a target was not synced.
#[derive(Debug, thiserror::Error)]
pub(super) enum SyncError {
    /// The API did not return what was requested.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// stdout can't be written to.
    #[error(transparent)]
    Output(#[from] io::Error),
}

pub(super) type Result<T> = std::result::Result<T, SyncError>;

/// What was done with a stream so far.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) records: usize,
    pub(super) corrected: usize,
    pub(super) requests: usize,
    /// Tickers that have splits or dividends.
    pub(super) tickers: usize,
    /// Days of a whole market that were read.
    pub(super) days: usize,
    /// Tickers whose response had no bars for the first time, each with what to say about it.
    pub(super) empty: Vec<(String, Notice)>,
    /// Tickers without recent bars, each with its last day.
    pub(super) silent: Vec<String>,
}

/// What all targets of a stream share.
pub(super) struct Run<'a, 'w> {
    pub(super) progress: &'a mut Progress,
    pub(super) pages: &'a mut PageSource,
    pub(super) clock: SharedClock,
    pub(super) writer: StreamWriter<'a, 'w>,
    /// Where the plan's history begins, by market.
    pub(super) plan_starts: PlanStarts,
    /// What was done so far.
    pub(super) totals: Totals,
    pub(super) waiting: Waiting,
}

/// Waits for the API's rate limit, which are announced once each.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    announced_until: Duration,
    /// What is left to do, such as `5 of 12 tickers`, and the number of requests that it takes at least.
    left: Option<(String, usize)>,
}

impl Run<'_, '_> {
    /// Fetches a page of bars, or of splits or dividends.
    pub(super) fn fetch<P: ResponsePage>(&mut self, request: &Request) -> Result<P> {
        self.totals.requests += 1;
        let pace = self.pages.requests_per_minute();
        let Run { pages, progress, writer, waiting, clock, .. } = self;
        let mut written = Ok(());
        let page = pages.fetch(request, &mut |event| {
            let result = match event {
                Event::RateLimited { until } => waiting.announce(until, pace, clock, progress, writer),
                event => writer.output.log(event.level(), &event.to_string()),
            };
            if written.is_ok() {
                written = result;
            }
        });
        written?;
        Ok(page?)
    }

    /// Sends a request ahead of time, if there is capacity.
    pub(super) fn prefetch(&mut self, request: &Request) -> bool {
        self.pages.prefetch(request)
    }

    /// Cancels a request that was sent ahead of time.
    pub(super) fn discard(&mut self, request: &Request) {
        self.pages.discard(request);
    }

    /// Notes what is left to do; each ticker or day (`unit`) takes at least one request.
    pub(super) fn set_left(&mut self, stream: &str, left: usize, all: usize, unit: &'static str) {
        self.progress.show(stream, all - left, all, unit);
        self.waiting.left = Some((format!("{left} of {}", count(all, unit)), left));
    }

    /// Logs a message about a target.
    pub(super) fn notice(&mut self, target: &Target, notice: &Notice) -> Result<()> {
        self.log(&target.name(), notice)
    }

    /// Reports a ticker without bars at the end of the stream: if all of its tickers have none, that is one event.
    pub(super) fn report_empty(&mut self, target: &Target, notice: Notice) {
        self.totals.empty.push((target.name(), notice));
    }

    /// Logs a message about a stream.
    pub(super) fn log(&mut self, subject: &str, notice: &Notice) -> Result<()> {
        let text = format!("{subject}: {notice}");
        Ok(self.writer.output.log(notice.level(), &text)?)
    }
}

impl Waiting {
    /// Says once for each wait that the API accepts no requests, why, and how long everything may take.
    fn announce(
        &mut self,
        until: Duration,
        pace: Option<usize>,
        clock: &SharedClock,
        progress: &Progress,
        writer: &mut StreamWriter<'_, '_>,
    ) -> io::Result<()> {
        let wait = until.saturating_sub(clock.elapsed());
        if until <= self.announced_until {
            return Ok(());
        }
        self.announced_until = until + SAME_WAIT;
        let seconds = wait.as_secs().max(1);
        let pace = pace.unwrap_or(0).max(MIN_REQUESTS_PER_MINUTE);
        let (left, minutes) = self.left.as_ref().map_or_else(Default::default, |(what, requests)| {
            let minutes = format!(", about {} min", requests.div_ceil(pace));
            (format!("; {what} left{minutes}"), minutes)
        });
        progress.wait(&format!("rate limited, {seconds} s{minutes}"));
        let reset = clock.now() + TimeDelta::from_std(wait).unwrap_or_default();
        writer.rate_limited(reset.timestamp_millis())?;
        writer.output.log(LogLevel::Info, &format!("Rate limit reached; resuming in {seconds} s{left}."))
    }
}
