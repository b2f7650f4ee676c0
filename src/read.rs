//! `read`: the bars of the selected streams, with the states from which the next run goes on.
//!
//! The streams are read one after another. Of each, several series (tickers) are fetched at a time by threads of their
//! own, which hand over one page at a time and then fetch the next; this thread alone writes. So lines never mix, a
//! STATE never claims what was not written, and no more than a page a thread is held in memory.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;

use crate::clock::SharedClock;
use crate::config::Config;
use crate::error::{Error, Failure, catching_panics};
use crate::output::Output;
use crate::polygon::{ApiError, Client, Patience};
use crate::protocol::{ConfiguredStream, Level, StreamStatus, SyncMode, configured_streams};
use crate::records::Batch;
use crate::series::{Emitted, Hangup, News, PlanFloor, Series, Stop};
use crate::state::{SeriesState, StreamState, WHOLE_MARKET, stream_state};
use crate::streams::{Endpoint, Stream};
use crate::window::Wanted;

/// How many series are fetched at a time.
const FETCHERS: usize = 4;

/// Shorter waits for the API's quota are not worth a word.
const WORTH_A_WORD: Duration = Duration::from_secs(5);

/// A state larger than this (some 900 tickers) no longer follows every page, or states would outweigh records.
const LARGE_STATE: usize = 64 << 10;

/// A large state follows at the latest after this time.
const STATE_AT_LEAST_EVERY: Duration = Duration::from_secs(30);

/// Reads the streams of the configured catalog `catalog`, going on from `states`, as `read` is handed them.
pub fn read(
    config: &Config,
    catalog: &Value,
    states: &Value,
    patience: Patience,
    clock: &SharedClock,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let mut streams = Vec::new();
    for ConfiguredStream { stream, sync_mode } in configured_streams(catalog)? {
        let state = match sync_mode {
            SyncMode::FullRefresh => StreamState::default(),
            SyncMode::Incremental => stream_state(states, stream, basis(stream, config))?,
        };
        streams.push((stream, state));
    }
    let client = Client::new(config.api_url.clone(), &config.api_key, patience, clock.clone());
    let client = Arc::new(client.map_err(|error| error.into_failure("The configuration"))?);
    let plan_floor = Arc::new(PlanFloor::default());

    let mut failures = Vec::new();
    for (stream, state) in streams {
        let fetch = Fetch::new(stream, config, &state, client.clone(), plan_floor.clone(), clock);
        let mut writer = Writer::new(stream, state, output, clock.clone());
        let outcome = writer.write(fetch)?;
        failures.extend(outcome.failures);
        if outcome.is_the_end {
            break;
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::all(&failures).into()) }
}

/// The basis on which a stream is read. Among twelve thousand stocks some split almost every day, so the whole market
/// is read as traded: adjusted, its history would have to be read again as often.
fn basis(stream: &Stream, config: &Config) -> bool {
    stream.endpoint == Endpoint::Range && config.adjusted
}

/// What the threads share that fetch the series of one stream.
struct Fetch {
    stream: &'static Stream,
    /// Names and states, in the order in which they are begun.
    series: Vec<(String, Option<SeriesState>)>,
    begun: AtomicUsize,
    adjusted: bool,
    wanted: Wanted,
    client: Arc<Client>,
    plan_floor: Arc<PlanFloor>,
}

/// What a fetching thread hands over, with the place of its series in [`Fetch::series`].
type Delivery = (usize, Message);

enum Message {
    News(Box<News>),
    Done(Result<(), Failed>),
}

/// How a series failed.
struct Failed {
    failure: Failure,
    /// Whether every other request would fail the same way.
    is_the_end: bool,
}

impl Fetch {
    fn new(
        stream: &'static Stream,
        config: &Config,
        state: &StreamState,
        client: Arc<Client>,
        plan_floor: Arc<PlanFloor>,
        clock: &SharedClock,
    ) -> Fetch {
        let names = match stream.endpoint {
            Endpoint::Range => config.tickers.clone(),
            Endpoint::Grouped => vec![WHOLE_MARKET.to_owned()],
        };
        let adjusted = basis(stream, config);
        let series = names.into_iter().map(|name| (name.clone(), state.series(&name, adjusted))).collect();
        let wanted = Wanted::at(clock.now(), stream.size, config.start_date, config.end_date);
        Fetch { stream, series, begun: AtomicUsize::new(0), adjusted, wanted, client, plan_floor }
    }

    /// Starts the threads. They end when all series are read, or when the receiver is dropped. Nobody waits for them:
    /// when the run is over, requests that are still under way end with the process.
    fn start(self: &Arc<Self>) -> Receiver<Delivery> {
        // Without room in the channel, a thread goes on to fetch the next page when the one before is being written.
        let (sender, receiver) = sync_channel(0);
        for _ in 0..FETCHERS.min(self.series.len()) {
            let (fetch, sender) = (self.clone(), sender.clone());
            thread::spawn(move || while let Some(Ok(())) = fetch.next_series(&sender) {});
        }
        receiver
    }

    /// Reads the next series that nobody has begun; `None` if there is none.
    fn next_series(&self, sender: &SyncSender<Delivery>) -> Option<Result<(), Hangup>> {
        let place = self.begun.fetch_add(1, Ordering::Relaxed);
        let (name, state) = self.series.get(place)?;
        let hand_over = |message| sender.send((place, message)).map_err(|_| Hangup);
        let series = Series {
            stream: self.stream,
            name,
            adjusted: self.adjusted,
            wanted: self.wanted,
            client: &self.client,
            plan_floor: &self.plan_floor,
            tell: &|news| hand_over(Message::News(Box::new(news))),
            emitted: RefCell::new(Emitted::default()),
        };
        let done = match catching_panics(|| series.sync(state.clone())) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Stop::Hangup)) => return Some(Err(Hangup)),
            Ok(Err(Stop::Failed(error))) => {
                let is_the_end = matches!(error, ApiError::UnknownKey(_) | ApiError::Quota(_));
                Err(Failed { failure: error.into_failure(series.label()), is_the_end })
            }
            Err(bug) => Err(Failed { failure: bug, is_the_end: false }),
        };
        Some(hand_over(Message::Done(done)))
    }
}

/// How the reading of a stream ended.
struct Outcome {
    failures: Vec<Failure>,
    is_the_end: bool,
}

/// Writes one stream: records, states, statuses and logs.
struct Writer<'o, 'w> {
    stream: &'static Stream,
    state: StreamState,
    output: &'o mut Output<'w>,
    clock: SharedClock,
    is_running: bool,
    unstated_records: u64,
    unstated_bytes: usize,
    state_bytes: usize,
    stated_at: Duration,
    announced_until: Duration,
}

impl<'o, 'w> Writer<'o, 'w> {
    fn new(stream: &'static Stream, state: StreamState, output: &'o mut Output<'w>, clock: SharedClock) -> Self {
        Writer {
            stream,
            state,
            output,
            stated_at: clock.elapsed(),
            clock,
            is_running: false,
            unstated_records: 0,
            unstated_bytes: 0,
            state_bytes: 0,
            announced_until: Duration::ZERO,
        }
    }

    fn write(&mut self, fetch: Fetch) -> Result<Outcome, Error> {
        self.output.stream_status(self.stream, StreamStatus::Started)?;
        let fetch = Arc::new(fetch);
        let mut left = fetch.series.len();
        let mut outcome = Outcome { failures: Vec::new(), is_the_end: false };
        for (place, message) in fetch.start() {
            match message {
                Message::News(news) => self.news(*news, &fetch.series[place].0, left, &fetch)?,
                Message::Done(Ok(())) => left -= 1,
                Message::Done(Err(failed)) => {
                    left -= 1;
                    self.output.log(Level::Error, &failed.failure.message)?;
                    outcome.failures.push(failed.failure);
                    if failed.is_the_end {
                        outcome.is_the_end = true;
                        break;
                    }
                }
            }
        }
        self.state()?;
        let all_is_there = outcome.failures.is_empty();
        let status = if all_is_there { StreamStatus::Complete } else { StreamStatus::Incomplete };
        self.output.stream_status(self.stream, status)?;
        Ok(outcome)
    }

    fn news(&mut self, news: News, series: &str, left: usize, fetch: &Fetch) -> Result<(), Error> {
        match news {
            News::Bars(batch, state) => self.page(series, &batch, state)?,
            News::State(state) => self.state.set(series, state),
            News::Info(text) => self.output.log(Level::Info, &text)?,
            News::Warn(text) => self.output.log(Level::Warn, &text)?,
            News::Waiting(moment) => self.waiting(moment, left, fetch)?,
        }
        Ok(())
    }

    fn page(&mut self, series: &str, batch: &Batch, state: SeriesState) -> Result<(), Error> {
        if !self.is_running {
            self.output.stream_status(self.stream, StreamStatus::Running)?;
            self.is_running = true;
        }
        self.unstated_bytes += self.output.records(self.stream, batch)?;
        self.unstated_records += batch.page.bars().len() as u64;
        self.state.set(series, state);
        let is_small = self.state_bytes < LARGE_STATE;
        if is_small
            || self.unstated_bytes >= self.state_bytes
            || self.clock.elapsed() >= self.stated_at + STATE_AT_LEAST_EVERY
        {
            self.state()?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<(), Error> {
        self.state_bytes = self.output.state(self.stream, &self.state, self.unstated_records)?;
        self.unstated_records = 0;
        self.unstated_bytes = 0;
        self.stated_at = self.clock.elapsed();
        Ok(())
    }

    /// Says that the API makes us wait, and how long the rest will take; once a wait, however many threads wait.
    fn waiting(&mut self, moment: Duration, left: usize, fetch: &Fetch) -> Result<(), Error> {
        let wait = moment.saturating_sub(self.clock.elapsed());
        if wait < WORTH_A_WORD || moment < self.announced_until + WORTH_A_WORD {
            return Ok(());
        }
        self.announced_until = moment;
        let quota_reset =
            self.clock.now().saturating_add(SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX));
        let quota_reset = quota_reset.unwrap_or(jiff::Timestamp::MAX).as_millisecond();
        self.output.rate_limited(self.stream, quota_reset)?;
        let rest = self.rest(left, fetch);
        let text = format!("The API's quota is used up; going on in {} seconds. {rest}", wait.as_secs().max(1));
        Ok(self.output.log(Level::Info, &text)?)
    }

    /// What is left, and about how long it will take at the pace that the API allows.
    fn rest(&self, left: usize, fetch: &Fetch) -> String {
        let (all, left, what) = match self.stream.endpoint {
            Endpoint::Range => (fetch.series.len(), left, "tickers"),
            Endpoint::Grouped => {
                let Wanted { first_day, last_day, .. } = fetch.wanted;
                let read_to = self.state.series(WHOLE_MARKET, fetch.adjusted).and_then(|state| state.read.last_key());
                let next = read_to.map_or(first_day, |key| crate::window::day_after(self.stream.size.trading_day(key)));
                (weekdays(first_day, last_day), weekdays(next, last_day), "days")
            }
        };
        let minutes = left.div_ceil(fetch.client.limit().unwrap_or(1).max(1));
        format!("{left} of {all} {what} left, about {minutes} minutes.")
    }
}

/// The number of weekdays from one day to another, both included.
fn weekdays(from: jiff::civil::Date, to: jiff::civil::Date) -> usize {
    from.series(jiff::Span::new().days(1))
        .take_while(|day| *day <= to)
        .filter(|day| !crate::window::is_weekend(*day))
        .count()
}
