//! `check`: do the key and the tickers work? Asked of the API itself, within a minute.
//!
//! A free key lets five requests a minute through, and Airbyte checks before every sync: so one request, the whole market
//! of the last weekday, answers for the key and for nearly all stocks. Only tickers that are not in it are asked about by
//! themselves: those of other markets, thinly traded and delisted ones.

use std::collections::HashSet;
use std::time::Duration;

use crate::airbyte::Output;
use crate::bar_calendar::BarCalendar;
use crate::calendar::{Date, DateRange, day_before, days_before, is_weekend};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::error::{Error, Failure};
use crate::market::Market;
use crate::notices::{Notice, SkipReason};
use crate::polygon::response::Page;
use crate::polygon::{ApiError, Client, Event, Fetcher, Request, RequestPolicy};
use crate::streams::PriceBasis;
use crate::sync::SyncWindow;
use crate::timespan::Timespan;

/// No further ticker is asked about after this time.
const CHECK_BUDGET: Duration = Duration::from_secs(40);

/// Every listed ticker has traded within so many days, whatever the holidays.
const RECENT_DAYS: u64 = 10;

/// How many weekdays are tried for one on which the market was open.
const MAX_MARKET_DAYS: usize = 2;

/// How many tickers a message names.
const MAX_LISTED_TICKERS: usize = 20;

/// Writes the `CONNECTION_STATUS`: SUCCEEDED, or FAILED with what to do. An outage is neither, but an error.
pub(crate) fn check(
    config: &Config,
    policy: RequestPolicy,
    clock: &SharedClock,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let client = match Client::new(
        config.api_url.clone(),
        &config.api_key,
        policy,
        clock.clone(),
    ) {
        Ok(client) => client,
        Err(failure) => return Ok(output.connection_status(Some(&failure.message))?),
    };
    let mut check = Check {
        config,
        clock,
        output,
        fetcher: Fetcher::new(client),
        problems: Vec::new(),
        is_hopeless: false,
    };
    check.start_date();
    match check.tickers() {
        Ok(()) => {}
        // The key is the same for all tickers.
        Err(Stop::Api(error @ ApiError::Unauthorized(_))) => {
            check.problems = vec![error.into_failure("api_key").message];
        }
        Err(Stop::Api(error)) => return Err(error.into_failure("The check").into()),
        Err(Stop::Failure(failure)) => return Err(failure.into()),
        Err(Stop::Output(error)) => return Err(error.into()),
    }
    let Check {
        output, problems, ..
    } = check;
    Ok(output.connection_status(
        (!problems.is_empty())
            .then(|| problems.join("\n"))
            .as_deref(),
    )?)
}

/// Why a check ends early.
enum Stop {
    Api(ApiError),
    Failure(Failure),
    Output(std::io::Error),
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Stop {
        Stop::Api(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Stop {
        Stop::Output(error)
    }
}

struct Check<'a, 'w> {
    config: &'a Config,
    clock: &'a SharedClock,
    output: &'a mut Output<'w>,
    fetcher: Fetcher,
    problems: Vec<String>,
    /// Whether the other tickers would be refused in the same way.
    is_hopeless: bool,
}

impl Check<'_, '_> {
    fn start_date(&mut self) {
        // Days begin earlier in UTC than in New York.
        let todays = self
            .config
            .tickers
            .iter()
            .map(|(_, market)| self.window(*market).today);
        let Some((today, start)) = todays.max().zip(self.config.start_date) else {
            return;
        };
        if start > today {
            self.problems
                .push(format!("start_date: {start} is in the future"));
        }
    }

    fn window(&self, market: Market) -> SyncWindow {
        let calendar = BarCalendar {
            timespan: Timespan::DAY,
            zone: market.zone(),
        };
        SyncWindow::at(
            self.clock.now(),
            calendar,
            self.config.start_date,
            self.config.end_date,
        )
    }

    fn tickers(&mut self) -> Result<(), Stop> {
        let started = self.clock.elapsed();
        let stocks = self
            .config
            .tickers
            .iter()
            .filter(|(_, market)| *market == Market::Stocks);
        // One ticker costs a request in any case.
        let found = if stocks.count() > 1 {
            self.in_market()?
        } else {
            HashSet::new()
        };
        let tickers = &self.config.tickers;
        let rest: Vec<_> = tickers
            .iter()
            .filter(|(name, _)| !found.contains(name))
            .collect();
        for (place, (ticker, market)) in rest.iter().copied().enumerate() {
            let skipped = || rest[place..].iter().map(|(name, _)| name.as_str());
            if self.clock.elapsed() > started + CHECK_BUDGET {
                return self.tell_skipped(SkipReason::Time, skipped());
            }
            match self.has_prices(ticker, *market) {
                Ok(true) => {}
                Ok(false) => self.problems.push(format!(
                    "{ticker}: no prices found for this ticker. Check its spelling; tickers are case-sensitive."
                )),
                Err(Stop::Api(ApiError::RateLimited(_))) => {
                    return self.tell_skipped(SkipReason::RateLimit, skipped());
                }
                Err(Stop::Api(error)) => self.refused(error, ticker, *market)?,
                Err(stop) => return Err(stop),
            }
            if self.is_hopeless {
                break;
            }
        }
        Ok(())
    }

    /// What the API's refusal of a ticker means for the check.
    fn refused(&mut self, error: ApiError, ticker: &str, market: Market) -> Result<(), Stop> {
        match error {
            ApiError::NotEntitled(_) | ApiError::HttpStatus { .. } => {
                // A wrong address and a proxy that refuses are the same for all tickers.
                self.is_hopeless = matches!(
                    error,
                    ApiError::HttpStatus {
                        status: 404 | 407,
                        ..
                    }
                );
                let subject = format!("{ticker} ({})", market.name());
                self.problems.push(error.into_failure(&subject).message);
                Ok(())
            }
            ApiError::Unavailable { .. } | ApiError::InvalidResponse(_) => {
                Err(Stop::Failure(error.into_failure(ticker)))
            }
            ApiError::Unauthorized(_) | ApiError::RateLimited(_) => Err(Stop::Api(error)),
        }
    }

    fn tell_skipped<'t>(
        &mut self,
        why: SkipReason,
        tickers: impl ExactSizeIterator<Item = &'t str>,
    ) -> Result<(), Stop> {
        let count = tickers.len();
        let names = list(tickers);
        self.notice(&Notice::SkippedTickers { count, why, names })
    }

    /// The tickers of the configuration that were traded on the last day on which the market was open; none where the
    /// plan does not include the whole market.
    fn in_market(&mut self) -> Result<HashSet<String>, Stop> {
        let mut day = self.window(Market::Stocks).today;
        for _ in 0..MAX_MARKET_DAYS {
            day = weekday_before(day);
            let page = match self.fetch(&Request::grouped(day, false)) {
                Ok(page) => page,
                // Whatever is wrong with the market's day, the tickers may be fine.
                Err(Stop::Api(
                    ApiError::NotEntitled(_)
                    | ApiError::RateLimited(_)
                    | ApiError::HttpStatus { .. }
                    | ApiError::InvalidResponse(_),
                )) => break,
                Err(stop) => return Err(stop),
            };
            if !page.bars().is_empty() {
                let traded: HashSet<_> = page
                    .bars()
                    .iter()
                    .filter_map(|bar| page.ticker_of(bar))
                    .collect();
                let names = self.config.tickers.iter().map(|(name, _)| name);
                let found: HashSet<String> = names
                    .filter(|name| traded.contains(name.as_str()))
                    .cloned()
                    .collect();
                let tickers = self.config.tickers.len();
                self.notice(&Notice::CheckedByMarket {
                    day,
                    found: found.len(),
                    tickers,
                })?;
                return Ok(found);
            }
        }
        Ok(HashSet::new())
    }

    /// Whether there are prices of the last days or, as for a delisted ticker, of the days that the user wants.
    fn has_prices(&mut self, ticker: &str, market: Market) -> Result<bool, Stop> {
        let window = self.window(market);
        let yesterday = day_before(window.today);
        let recent = DateRange {
            from: days_before(yesterday, RECENT_DAYS - 1),
            to: yesterday,
        };
        let wanted = DateRange {
            from: window.first_day,
            to: window.last_day,
        };
        if self.has_bars(ticker, market, recent)? {
            return Ok(true);
        }
        let is_recent = wanted.from >= recent.from;
        Ok(!is_recent && !wanted.is_empty() && self.has_bars(ticker, market, wanted)?)
    }

    fn has_bars(&mut self, ticker: &str, market: Market, days: DateRange) -> Result<bool, Stop> {
        let basis = PriceBasis::from_adjusted(self.config.adjusted);
        let request = Request::range(ticker, market, Timespan::DAY, days, basis.is_adjusted());
        Ok(!self.fetch(&request)?.bars().is_empty())
    }

    fn fetch(&mut self, request: &Request) -> Result<Page, Stop> {
        let mut events: Vec<Event> = Vec::new();
        let page = self.fetcher.fetch(request, &mut |event| events.push(event));
        for event in events {
            if let Event::Notice(notice) = event {
                self.notice(&notice)?;
            }
        }
        Ok(page?)
    }

    fn notice(&mut self, notice: &Notice) -> Result<(), Stop> {
        Ok(self.output.log(notice.level(), &notice.to_string())?)
    }
}

fn weekday_before(day: Date) -> Date {
    let mut day = day_before(day);
    while is_weekend(day) {
        day = day_before(day);
    }
    day
}

/// Names, as many as a message holds.
fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(MAX_LISTED_TICKERS);
    let listed = names
        .take(MAX_LISTED_TICKERS)
        .collect::<Vec<_>>()
        .join(", ");
    if more > 0 {
        format!("{listed} and {more} more")
    } else {
        listed
    }
}
