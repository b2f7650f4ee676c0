//! `check`: do the key and the tickers work?
//!
//! A free key allows five requests a minute, and Airbyte checks before every sync. So one request, for the whole market on
//! the last weekday, validates the key and nearly all stocks. A few of the tickers that are not in it are then requested
//! individually: those of other markets, thinly traded and delisted ones.

use std::collections::{HashSet, VecDeque};

use crate::airbyte::Output;
use crate::bars::Page;
use crate::calendar::{Date, DateRange, day_before, days_before, last_weekday};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::environment::Environment;
use crate::error::Error;
use crate::log_level::LogLevel;
use crate::market::Market;
use crate::polygon::{Event, PageSource, Request};
use crate::text::list;
use crate::ticker_hint::hint;
use crate::timespan::Timespan;

/// The most tickers that are requested individually.
const MAX_TICKERS: usize = 4;

/// Every listed ticker has traded within this many days, regardless of holidays.
const RECENT_DAYS: u64 = 10;

/// The most weekdays that are tried to find one on which the market was open.
const MAX_MARKET_DAYS: usize = 2;

/// The most tickers that a message names.
const MAX_LISTED_TICKERS: usize = 20;

/// Writes the `CONNECTION_STATUS`: SUCCEEDED, or FAILED with what to do. An outage is neither, but an error.
pub(crate) fn check(config: &Config, environment: &Environment, output: &mut Output<'_>) -> Result<(), Error> {
    let Environment { clock, check_policy, exchange, .. } = environment;
    let (url, key) = (&config.api_url, &config.api_key);
    let problems = match PageSource::new(url, key, *check_policy, clock, exchange.as_ref()) {
        Err(failure) => vec![failure.message],
        Ok(pages) => {
            let mut check = Check {
                config,
                clock,
                output,
                pages,
                unchecked: config.tickers.iter().cloned().collect(),
                problems: Vec::new(),
                is_over: false,
            };
            check.run()?;
            check.problems
        }
    };
    let problems = (!problems.is_empty()).then(|| problems.join("\n"));
    Ok(output.connection_status(problems.as_deref())?)
}

struct Check<'a, 'w> {
    config: &'a Config,
    clock: &'a SharedClock,
    output: &'a mut Output<'w>,
    pages: PageSource,
    unchecked: VecDeque<(String, Market)>,
    problems: Vec<String>,
    /// Whether further requests would fail alike.
    is_over: bool,
}

impl Check<'_, '_> {
    fn run(&mut self) -> Result<(), Error> {
        self.report_future_start()?;
        let is_stock = |(_, market): &&(String, Market)| *market == Market::Stocks;
        // A single ticker takes a request in any case.
        if self.unchecked.iter().filter(is_stock).count() > 1 {
            self.find_in_market()?;
        }
        for _ in 0..MAX_TICKERS {
            let Some((ticker, market)) = self.unchecked.front().filter(|_| !self.is_over).cloned() else {
                return Ok(());
            };
            if self.has_prices(&ticker, market)? == Some(false) {
                let hint = hint(&ticker).map_or(String::new(), |hint| format!("Did you mean {hint}? "));
                self.problems.push(format!(
                    "{ticker}: no prices found for this ticker. {hint}Check its spelling; tickers are case-sensitive."
                ));
            }
            self.unchecked.pop_front();
        }
        if self.is_over || self.unchecked.is_empty() {
            return Ok(());
        }
        let text = format!("Not checked, to save requests: {}.", self.unchecked_names());
        Ok(self.output.log(LogLevel::Info, &text)?)
    }

    fn report_future_start(&mut self) -> Result<(), Error> {
        let markets = self.config.tickers.iter().map(|(_, market)| *market);
        let today = markets.map(|market| self.today(market)).max();
        if let Some(start) = self.config.start_date.filter(|start| Some(*start) > today) {
            let text = format!("start_date {start} is in the future; nothing will be synced until then.");
            self.output.log(LogLevel::Info, &text)?;
        }
        Ok(())
    }

    fn today(&self, market: Market) -> Date {
        market.zone().date_at(self.clock.now())
    }

    /// Removes the tickers that were traded on the last day on which the market was open. If the plan does not include
    /// the whole market, there are none.
    fn find_in_market(&mut self) -> Result<(), Error> {
        let mut day = self.today(Market::Stocks);
        for _ in 0..MAX_MARKET_DAYS {
            day = last_weekday(day_before(day));
            let request = Request::grouped(Market::Stocks, day, false);
            let Some(page) = self.fetch(&request, None)? else {
                return Ok(());
            };
            if page.rows.is_empty() {
                continue;
            }
            let bars = page.rows.iter();
            let traded: HashSet<_> = bars.filter_map(|bar| page.ticker_of(bar)).collect();
            self.unchecked.retain(|(name, _)| !traded.contains(name.as_str()));
            let tickers = self.config.tickers.len();
            let found = tickers - self.unchecked.len();
            let text = format!("{found} of {tickers} tickers found in the market's day {day}");
            return Ok(self.output.log(LogLevel::Debug, &text)?);
        }
        Ok(())
    }

    /// Whether there are prices of the last days or, as for a delisted ticker, of the configured days; `None` if that could
    /// not be found out.
    fn has_prices(&mut self, ticker: &str, market: Market) -> Result<Option<bool>, Error> {
        let yesterday = day_before(self.today(market));
        let recent = DateRange { from: days_before(yesterday, RECENT_DAYS - 1), to: yesterday };
        let to = self.config.end_date.map_or(yesterday, |end| end.min(yesterday));
        let from = self.config.start_date.unwrap_or(days_before(to, RECENT_DAYS - 1));
        let subject = format!("{ticker} ({})", market.name());
        let configured = DateRange { from, to };
        let is_older = from < recent.from && !configured.is_empty();
        for days in [Some(recent), is_older.then_some(configured)].into_iter().flatten() {
            let adjusted = self.config.adjusted;
            let request = Request::range(ticker, market, Timespan::Day, days, adjusted);
            match self.fetch(&request, Some(&subject))? {
                None => return Ok(None),
                Some(page) if page.rows.is_empty() && page.unusable.is_empty() => {}
                Some(_) => return Ok(Some(true)),
            }
        }
        Ok(Some(false))
    }

    /// Fetches a page. A failure that concerns the subject becomes a problem; without a subject, only one that concerns all
    /// requests does.
    fn fetch(&mut self, request: &Request, subject: Option<&str>) -> Result<Option<Page>, Error> {
        let mut events: Vec<Event> = Vec::new();
        let result = self.pages.fetch(request, &mut |event| events.push(event));
        for event in events {
            self.output.log(event.level(), &event.to_string())?;
        }
        let error = match result {
            Ok(page) => return Ok(Some(page)),
            Err(error) => error,
        };
        if error.is_rate_limited() {
            self.is_over = true;
            let names = self.unchecked_names();
            let text = format!("Rate limit reached. The API key is valid. Not checked: {names}.");
            self.output.log(LogLevel::Warn, &text)?;
        } else if error.is_unavailable() || (error.is_unexpected() && subject.is_some()) {
            return Err(error.into_failure(subject.unwrap_or("The check")).into());
        } else if error.is_fatal() || subject.is_some() {
            self.is_over = error.is_fatal();
            let general = if error.is_unauthorized() { "api_key" } else { "The check" };
            let subject = subject.filter(|_| !error.is_fatal()).unwrap_or(general);
            self.problems.push(error.into_failure(subject).message);
        }
        Ok(None)
    }

    /// The tickers that have not been checked, as many as a message holds.
    fn unchecked_names(&self) -> String {
        list(self.unchecked.iter().map(|(name, _)| name), MAX_LISTED_TICKERS)
    }
}
