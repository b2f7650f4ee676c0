//! One series of bars, a ticker or the whole market: from its state to what is to be emitted, and to its next state.
//!
//! A sync of a series is one pass or more over a stretch of days ([`Purpose`]). An ordinary one asks from the last bar
//! on, at no extra request: if that bar still has its price, what follows it is new; if not, history was restated and is
//! read again.

use std::cell::RefCell;
use std::sync::Mutex;
use std::time::Duration;

use jiff::civil::Date;

use crate::pass::{Ending, Pass};
use crate::polygon::{ApiError, Client};
use crate::records::Batch;
use crate::state::{Progress, Purpose, SeriesState, WHOLE_MARKET};
use crate::streams::{Endpoint, Stream};
use crate::window::{Days, Wanted, day_after, day_before};

/// What a series has to tell while it is read.
#[derive(Debug)]
pub enum News {
    /// Bars to emit, and the state once they are.
    Bars(Batch, SeriesState),
    /// The state has changed without bars.
    State(SeriesState),
    /// Something that a person may want to follow.
    Info(String),
    /// Something that is not as the user may expect.
    Warn(String),
    /// The API makes us wait until then, a time of the clock's `elapsed`.
    Waiting(Duration),
}

/// Nobody listens any more: the run is over.
#[derive(Debug)]
pub struct Hangup;

/// Why a series was not read to its end.
#[derive(Debug)]
pub enum Stop {
    /// It failed.
    Failed(ApiError),
    /// The run is over.
    Hangup,
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Stop {
        Stop::Failed(error)
    }
}

impl From<Hangup> for Stop {
    fn from(_: Hangup) -> Stop {
        Stop::Hangup
    }
}

/// Where the history begins that the user's plan covers, once a refusal has made us look for it; shared by all series.
#[derive(Debug, Default)]
pub struct PlanFloor(pub(crate) Mutex<Option<Date>>);

/// What it takes to read one series.
pub struct Series<'a> {
    /// Its stream.
    pub stream: &'static Stream,
    /// The ticker, or [`WHOLE_MARKET`].
    pub name: &'a str,
    /// The basis that the user wants.
    pub adjusted: bool,
    /// The days that the user wants.
    pub wanted: Wanted,
    /// Who asks the API.
    pub client: &'a Client,
    /// What is known of the plan.
    pub plan_floor: &'a PlanFloor,
    /// Who listens.
    pub tell: &'a dyn Fn(News) -> Result<(), Hangup>,
    /// What was emitted so far.
    pub emitted: RefCell<Emitted>,
}

/// What was emitted of a series in this run.
#[derive(Debug, Default)]
pub struct Emitted {
    pub(crate) count: usize,
    /// The keys of the first and the last bar.
    pub(crate) keys: Option<(i64, i64)>,
}

impl Series<'_> {
    /// Reads what is missing, and tells of it.
    pub fn sync(&self, state: Option<SeriesState>) -> Result<(), Stop> {
        let mut state = match state {
            None => SeriesState::from(self.wanted.first_day, self.adjusted),
            Some(state) if self.is_ahead(&state) => {
                self.info(format!(
                    "the state is ahead of the market at {}; nothing to read yet",
                    self.position(&state)
                ))?;
                // The tutorial's state is of no ticker; it must not be lost for that.
                return Ok((self.tell)(News::State(state))?);
            }
            Some(state) => self.settled(state)?,
        };
        if state.reread.is_none() {
            self.pass(Purpose::Onward, &mut state)?;
        }
        if state.reread.is_some() {
            self.pass(Purpose::Reread, &mut state)?;
        }
        self.read_what_lies_before(&mut state)?;
        self.summarize(&state)
    }

    /// How the series is called in messages.
    pub fn label(&self) -> &str {
        if self.name == WHOLE_MARKET { self.stream.name } else { self.name }
    }

    /// A state in the future is kept as it is, whatever made it.
    fn is_ahead(&self, state: &SeriesState) -> bool {
        let horizon = self.wanted.horizon;
        state.read.last_key().map_or(state.read.since > horizon.last_day, |key| key > horizon.last_key)
    }

    /// Brings a state in line with a configuration that has changed since.
    fn settled(&self, mut state: SeriesState) -> Result<SeriesState, Stop> {
        let has_rows = state.read.last.is_some() || state.backfill.is_some() || state.reread.is_some();
        if !has_rows {
            state.adjusted = self.adjusted;
            if self.wanted.first_day_is_set {
                state.read.since = self.wanted.first_day;
            }
        }
        let basis = state.reread.as_ref().map_or(state.adjusted, |reread| reread.adjusted);
        if basis != self.adjusted && self.stream.endpoint == Endpoint::Range {
            self.reread(&mut state, &format!("adjusted was {basis} and is now {}", self.adjusted))?;
        }
        Ok(state)
    }

    fn reread(&self, state: &mut SeriesState, why: &str) -> Result<(), Hangup> {
        let explicit = self.wanted.first_day_is_set.then_some(self.wanted.first_day);
        let since = explicit.map_or(state.earliest(), |first_day| first_day.min(state.earliest()));
        self.warn(format!("{why}, reading again from {since}"))?;
        state.begin_reread(since, self.adjusted);
        (self.tell)(News::State(state.clone()))
    }

    /// Finishes a backfill that was begun, and then reads from a first day that was moved back.
    fn read_what_lies_before(&self, state: &mut SeriesState) -> Result<(), Stop> {
        loop {
            let since = state.read.since;
            if state.backfill.is_none() {
                if !self.wanted.first_day_is_set || self.wanted.first_day >= since || state.reread.is_some() {
                    return Ok(());
                }
                state.backfill = Some(Progress::from(self.wanted.first_day));
            }
            self.pass(Purpose::Backfill, state)?;
            if state.reread.is_some() {
                return self.pass(Purpose::Reread, state);
            }
            if state.backfill.is_some() {
                // The user's last day comes before what is missing; a later sync goes on.
                return Ok(());
            }
        }
    }

    /// Runs one pass. If the history turns out to be restated, a re-read is begun; that is the caller's to go on with,
    /// unless this is one already: then it is done again from its start.
    fn pass(&self, purpose: Purpose, state: &mut SeriesState) -> Result<(), Stop> {
        let pass = self.plan(purpose, state);
        if pass.days.is_empty() {
            return Ok(());
        }
        match self.run(&pass, state)? {
            Ending::Through => {
                state.finish(purpose, pass.days.to, self.stream.size);
                Ok((self.tell)(News::State(state.clone()))?)
            }
            Ending::Restated(what) => {
                self.reread(state, &format!("{what}: history was restated"))?;
                // A re-read that has only just begun has no last bar that could have changed: this goes no deeper.
                if purpose == Purpose::Reread { self.pass(purpose, state) } else { Ok(()) }
            }
        }
    }

    fn plan(&self, purpose: Purpose, state: &SeriesState) -> Pass {
        let progress = state.progress(purpose);
        let from = match (progress.last_key(), self.stream.endpoint) {
            (None, _) => progress.since,
            // From the last bar on, to see whether it is still the same.
            (Some(key), Endpoint::Range) => self.stream.size.trading_day(key),
            (Some(key), Endpoint::Grouped) => day_after(self.stream.size.trading_day(key)),
        };
        let to = match purpose {
            Purpose::Backfill => self.wanted.last_day.min(day_before(state.read.since)),
            Purpose::Onward | Purpose::Reread => self.wanted.last_day,
        };
        Pass { purpose, days: Days { from, to }, last: progress.last.clone() }
    }

    fn summarize(&self, state: &SeriesState) -> Result<(), Stop> {
        let emitted = self.emitted.borrow();
        let size = self.stream.size;
        let text = match emitted.keys {
            Some((from, to)) => {
                let bars = if emitted.count == 1 { "bar" } else { "bars" };
                format!("{} {bars}, {} to {}", emitted.count, size.cursor_value(from), size.cursor_value(to))
            }
            None if self.wanted.first_day > self.wanted.last_day => {
                format!("nothing to read: {} is not over yet", self.wanted.first_day)
            }
            None => format!("no new bars; the last one is {}", self.position(state)),
        };
        Ok(self.info(text)?)
    }

    fn position(&self, state: &SeriesState) -> String {
        match state.read.last_key() {
            Some(key) => format!("of {}", self.stream.size.cursor_value(key)),
            None => format!("before {}", state.read.since),
        }
    }

    pub(crate) fn info(&self, text: String) -> Result<(), Hangup> {
        (self.tell)(News::Info(format!("{}: {text}", self.label())))
    }

    pub(crate) fn warn(&self, text: String) -> Result<(), Hangup> {
        (self.tell)(News::Warn(format!("{}: {text}", self.label())))
    }

    pub(crate) fn waiting(&self, moment: Duration) {
        // If nobody listens any more, the next news tells.
        let _ = (self.tell)(News::Waiting(moment));
    }
}
