//! One series of bars, a ticker or the whole market: from its state to what is to be emitted, and to its next state.
//!
//! A sync of a series is one pass or more over a stretch of days ([`Purpose`]). An ordinary one asks from the last bar
//! on, at no extra request: if that bar still has its price, what follows it is new; if not, history was restated and is
//! read again.

use std::cell::RefCell;
use std::sync::Mutex;
use std::time::Duration;

use jiff::civil::Date;

use crate::plan;
use crate::polygon::answer::Page;
use crate::polygon::{ApiError, Client, Pages, Question};
use crate::records::Batch;
use crate::sift::{Dropped, sift_market, sift_ticker};
use crate::state::{LastBar, Purpose, SeriesState, WHOLE_MARKET};
use crate::streams::{Endpoint, Stream};
use crate::window::{Days, Wanted, day_after, day_before, utc_midnight};

/// A first bar that comes this many days later than asked for is worth a word; no holidays are as long.
const LATE: i64 = 10;

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
pub struct PlanFloor(Mutex<Option<Date>>);

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
    count: usize,
    keys: Option<(i64, i64)>,
}

/// A stretch of days to read.
#[derive(Debug)]
struct Pass {
    purpose: Purpose,
    days: Days,
    /// The last bar that was emitted of it before.
    last: Option<LastBar>,
}

/// How a pass ended.
enum Ending {
    Through,
    /// The last bar is not what it was; in words.
    Restated(String),
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
                return Ok(());
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
                state.backfill = Some(crate::state::Progress::from(self.wanted.first_day));
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

    /// Reads the pages of a pass and emits what is new in them.
    fn run(&self, pass: &Pass, state: &mut SeriesState) -> Result<Ending, Stop> {
        let days = self.covered_by_the_plan(pass.days)?;
        let mut pages = self.ask(days);
        let mut answered = pages.next(&|moment| self.waiting(moment));
        if let Err(error) = &answered
            && error.is_outside_the_plans_history()
        {
            let days = self.search_the_plan(days, error)?;
            pages = self.ask(days);
            answered = pages.next(&|moment| self.waiting(moment));
        }

        let keys = days.keys(self.stream.size);
        let is_cut = days != pass.days;
        let mut to_compare = pass.last.as_ref().filter(|last| last.price.is_some() && !is_cut);
        let mut is_first_bar = pass.last.is_none();
        let mut previous: Vec<i64> = Vec::new();
        let mut dropped = Dropped::default();
        while let Some((mut page, day)) = answered? {
            match day {
                Some(day) => sift_market(&mut page, utc_midnight(day), &mut dropped),
                None => {
                    let last_final = self.wanted.horizon.last_key;
                    sift_ticker(page.bars_mut(), self.stream.size, &keys, last_final, &mut dropped);
                }
            }
            // The page may end before the last bar: it begins with that bar's day.
            if let Some(last) = to_compare.filter(|last| page.bars().last().is_some_and(|bar| bar.key >= last.key)) {
                if let Some(what) = self.restated(last, &page) {
                    return Ok(Ending::Restated(what));
                }
                to_compare = None;
            }
            self.drop_what_was_emitted(&mut page, pass, &previous, &mut dropped)?;
            if let Some(first) = page.bars().first() {
                previous = page.bars().iter().map(|bar| bar.key).collect();
                if is_first_bar {
                    self.warn_if_late(first.key, pass.days.from)?;
                    is_first_bar = false;
                }
                state.advance(pass.purpose, self.last_bar(&page)?);
                if !pages.has_next() {
                    state.finish(pass.purpose, pass.days.to, self.stream.size);
                }
                self.emit(page, state.clone())?;
            }
            answered = pages.next(&|moment| self.waiting(moment));
        }
        if let Some(last) = to_compare {
            return Ok(Ending::Restated(format!("the bar of {} is gone", self.stream.size.cursor_value(last.key))));
        }
        if let Some(what) = dropped.describe() {
            self.warn(what)?;
        }
        if is_first_bar {
            self.warn_of_nothing(pass)?;
        }
        Ok(Ending::Through)
    }

    fn ask(&self, days: Days) -> Pages<'_> {
        let ticker = (self.stream.endpoint == Endpoint::Range).then_some(self.name);
        Pages::new(self.client, Question { ticker, size: self.stream.size, days, adjusted: self.adjusted })
    }

    /// What has changed about the last bar emitted, in words; it belongs into the page.
    fn restated(&self, last: &LastBar, page: &Page) -> Option<String> {
        let shown = self.stream.size.cursor_value(last.key);
        let Some(bar) = page.bars().iter().find(|bar| bar.key == last.key) else {
            return Some(format!("the bar of {shown} is gone"));
        };
        let was = last.price.as_ref()?;
        let is = page.text_of(bar.close);
        let same = is.parse::<f64>().is_ok_and(|is| was.as_f64() == Some(is));
        (!same).then(|| format!("the price of {shown} was {was} and is now {is}"))
    }

    /// Keeps of a page what is new. A bar that belongs before one that was emitted already, but was not there then,
    /// could be emitted only out of order, and no state could tell whether it was: that is an error.
    fn drop_what_was_emitted(
        &self,
        page: &mut Page,
        pass: &Pass,
        previous: &[i64],
        dropped: &mut Dropped,
    ) -> Result<(), ApiError> {
        let emitted_before = pass.last.as_ref().map_or(i64::MIN, |last| last.key);
        let newest = previous.last().copied().unwrap_or(i64::MIN);
        let size = self.stream.size;
        let bars = page.bars_mut();
        bars.drain(..bars.partition_point(|bar| bar.key <= emitted_before));
        let known = bars.partition_point(|bar| bar.key <= newest);
        if let Some(stray) = bars[..known].iter().find(|bar| previous.binary_search(&bar.key).is_err()) {
            let (stray, newest) = (size.cursor_value(stray.key), size.cursor_value(newest));
            return Err(ApiError::Unexpected(format!("the bar of {stray} comes a page after that of {newest}")));
        }
        bars.drain(..known);
        dropped.doubled += known;
        Ok(())
    }

    fn last_bar(&self, page: &Page) -> Result<LastBar, ApiError> {
        let last =
            page.bars().last().ok_or_else(|| ApiError::Unexpected("a page without bars has no last one".to_owned()))?;
        let price = match self.stream.endpoint {
            Endpoint::Grouped => None,
            Endpoint::Range => {
                let price = page.text_of(last.close);
                let unusable = |error| ApiError::Unexpected(format!("the price {price} can't be kept: {error}"));
                Some(price.parse().map_err(unusable)?)
            }
        };
        Ok(LastBar { key: last.key, price })
    }

    fn emit(&self, page: Page, state: SeriesState) -> Result<(), Hangup> {
        let bars = page.bars();
        if let [first, .., last] | [first @ last] = bars {
            let mut emitted = self.emitted.borrow_mut();
            emitted.count += bars.len();
            let (from, to) = emitted.keys.unwrap_or((first.key, last.key));
            emitted.keys = Some((from.min(first.key), to.max(last.key)));
        }
        let ticker = (self.stream.endpoint == Endpoint::Range).then(|| self.name.to_owned());
        (self.tell)(News::Bars(Batch { page, ticker, adjusted: self.adjusted }, state))
    }

    /// Leaves out days that are known to lie before the plan's history.
    fn covered_by_the_plan(&self, days: Days) -> Result<Days, Hangup> {
        let floor = *self.plan_floor.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match floor {
            Some(floor) if days.from < floor && floor <= days.to => self.cut(days, floor),
            _ => Ok(days),
        }
    }

    /// Finds the part of refused days that the plan covers. If it covers none of them, the refusal stands.
    fn search_the_plan(&self, days: Days, refusal: &ApiError) -> Result<Days, Stop> {
        let today = day_after(self.wanted.horizon.last_day);
        let covers = |day: Date| {
            // The market is not asked about weekends; the Monday after answers for them.
            let to = if self.stream.endpoint == Endpoint::Grouped { day_after(day_after(day)) } else { day };
            match self.ask(Days { from: day, to }).next(&|moment| self.waiting(moment)) {
                Ok(_) => Ok(true),
                Err(error) if error.is_outside_the_plans_history() => Ok(false),
                Err(error) => Err(error),
            }
        };
        let floor = plan::first_covered_day(days, today, covers)?.ok_or_else(|| refusal.clone())?;
        *self.plan_floor.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(floor);
        Ok(self.cut(days, floor)?)
    }

    fn cut(&self, days: Days, floor: Date) -> Result<Days, Hangup> {
        self.warn(format!(
            "the plan does not cover {} to {}; reading from {floor}. After an upgrade, reset the stream to have the rest",
            days.from,
            day_before(floor)
        ))?;
        Ok(Days { from: floor, ..days })
    }

    fn warn_if_late(&self, first: i64, asked: Date) -> Result<(), Hangup> {
        let first = self.stream.size.trading_day(first);
        if i64::from(asked.until(first).map_or(0, |span| span.get_days())) <= LATE {
            return Ok(());
        }
        self.warn(format!(
            "the first bar is of {first}, and {asked} was asked for: either the plan's history begins there, or the \
             stock's does"
        ))
    }

    fn warn_of_nothing(&self, pass: &Pass) -> Result<(), Hangup> {
        let Days { from, to } = pass.days;
        match self.stream.endpoint {
            Endpoint::Range => self.warn(format!(
                "no bars from {from} to {to}. Tickers are case-sensitive; is it right, and was it traded then?"
            )),
            Endpoint::Grouped => self.warn(format!("no bars from {from} to {to}")),
        }
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

    fn info(&self, text: String) -> Result<(), Hangup> {
        (self.tell)(News::Info(format!("{}: {text}", self.label())))
    }

    fn warn(&self, text: String) -> Result<(), Hangup> {
        (self.tell)(News::Warn(format!("{}: {text}", self.label())))
    }

    fn waiting(&self, moment: Duration) {
        // If nobody listens any more, the next news tells.
        let _ = (self.tell)(News::Waiting(moment));
    }
}
