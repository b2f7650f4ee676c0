//! One pass over a stretch of days: ask, compare, emit what is new.

use std::sync::PoisonError;

use jiff::civil::Date;

use crate::plan;
use crate::polygon::answer::Page;
use crate::polygon::{ApiError, Pages, Question};
use crate::records::Batch;
use crate::series::{Hangup, News, Series, Stop};
use crate::sift::{Dropped, sift_market, sift_ticker};
use crate::state::{LastBar, Purpose, SeriesState};
use crate::streams::Endpoint;
use crate::window::{Days, day_after, day_before, utc_midnight};

/// A first bar that comes this many days later than asked for is worth a word; no holidays are as long.
const LATE: i64 = 10;

/// A stretch of days to read.
#[derive(Debug)]
pub struct Pass {
    /// What for.
    pub purpose: Purpose,
    /// The days, New York.
    pub days: Days,
    /// The last bar that was emitted of it before.
    pub last: Option<LastBar>,
}

/// How a pass ended.
#[derive(Debug)]
pub enum Ending {
    /// It came through.
    Through,
    /// Nothing was emitted, because the last bar is not what it was; in words.
    Restated(String),
}

impl Series<'_> {
    /// Reads the pages of a pass and emits what is new in them.
    pub(crate) fn run(&self, pass: &Pass, state: &mut SeriesState) -> Result<Ending, Stop> {
        let mut days = self.covered_by_the_plan(pass.days)?;
        let mut pages = self.ask(days);
        let mut answered = pages.next(&|moment| self.waiting(moment));
        if let Err(refusal) = &answered
            && refusal.is_outside_the_plans_history()
        {
            days = match self.search_the_plan(days)? {
                Some(covered) => covered,
                // What was read stands, and there will never be more before it on this plan.
                None if pass.purpose == Purpose::Backfill => {
                    self.warn(not_covered(days.from, days.to))?;
                    return Ok(Ending::Through);
                }
                None => return Err(Stop::Failed(refusal.clone())),
            };
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
        let floor = *self.plan_floor.0.lock().unwrap_or_else(PoisonError::into_inner);
        match floor {
            Some(floor) if days.from < floor && floor <= days.to => self.cut(days, floor),
            _ => Ok(days),
        }
    }

    /// Finds the part of refused days that the plan covers, if it covers any.
    fn search_the_plan(&self, days: Days) -> Result<Option<Days>, Stop> {
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
        let Some(floor) = plan::first_covered_day(days, today, covers)? else { return Ok(None) };
        *self.plan_floor.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(floor);
        Ok(Some(self.cut(days, floor)?))
    }

    fn cut(&self, days: Days, floor: Date) -> Result<Days, Hangup> {
        self.warn(format!("{}; reading from {floor}", not_covered(days.from, day_before(floor))))?;
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
}

fn not_covered(from: Date, to: Date) -> String {
    format!("the plan does not cover {from} to {to} (after an upgrade, reset the stream to have it)")
}
