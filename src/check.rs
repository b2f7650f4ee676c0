//! `check`: do the key and the tickers work? Asked of the API itself, within a minute.

use std::time::Duration;

use jiff::ToSpan;

use crate::clock::SharedClock;
use crate::config::Config;
use crate::error::Error;
use crate::output::Output;
use crate::polygon::{ApiError, Client, Pages, Patience, Question};
use crate::protocol::Level;
use crate::streams::BarSize;
use crate::window::{Days, Wanted};

/// No further ticker is looked at after this time.
const LONG_ENOUGH: Duration = Duration::from_secs(40);

/// Every listed stock has traded within so many days, whatever the holidays.
const RECENT_DAYS: i64 = 10;

/// How many tickers a message names.
const NAMED: usize = 20;

/// Writes the CONNECTION_STATUS: SUCCEEDED, or FAILED with what to do. An outage is neither, but an error.
pub fn check(config: &Config, patience: Patience, clock: &SharedClock, output: &mut Output<'_>) -> Result<(), Error> {
    let client = match Client::new(config.api_url.clone(), &config.api_key, patience, clock.clone()) {
        Ok(client) => client,
        Err(error) => return Ok(output.connection_status(Some(&error.into_failure("api_key").message))?),
    };
    let mut problems = Vec::new();
    let started = clock.elapsed();
    for (place, ticker) in config.tickers.iter().enumerate() {
        let rest = &config.tickers[place..];
        if clock.elapsed() - started > LONG_ENOUGH {
            warn_of_rest(rest, "to end in time", output)?;
            break;
        }
        match has_prices(&client, config, ticker, clock) {
            Ok(true) => {}
            Ok(false) => problems.push(format!(
                "{ticker}: the API has no prices for this ticker. Check its spelling; tickers are case-sensitive."
            )),
            Err(ApiError::Quota(_)) => {
                warn_of_rest(rest, "because the API's quota is used up (the key is fine)", output)?;
                break;
            }
            // The key is the same for all tickers.
            Err(error @ ApiError::UnknownKey(_)) => {
                problems = vec![error.into_failure("api_key").message];
                break;
            }
            Err(error @ (ApiError::OutsidePlan(_) | ApiError::Refused(..))) => {
                problems.push(error.into_failure(ticker).message);
            }
            Err(error @ (ApiError::Unavailable { .. } | ApiError::Unexpected(_))) => {
                return Err(error.into_failure(ticker).into());
            }
        }
    }
    let failed = (!problems.is_empty()).then(|| problems.join("\n"));
    Ok(output.connection_status(failed.as_deref())?)
}

/// Whether there are prices of the last days or, as for a delisted stock, of the days that the user wants.
fn has_prices(client: &Client, config: &Config, ticker: &str, clock: &SharedClock) -> Result<bool, ApiError> {
    let any = |days| {
        let question = Question { ticker: Some(ticker), size: BarSize::Day, days, adjusted: config.adjusted };
        let page = Pages::new(client, question).next(&|_| {})?;
        Ok(page.is_some_and(|(page, _)| !page.bars().is_empty()))
    };
    let wanted = Wanted::at(clock.now(), BarSize::Day, config.start_date, config.end_date);
    let yesterday = wanted.horizon.last_day;
    let recent = Days { from: yesterday.checked_sub((RECENT_DAYS - 1).days()).unwrap_or(yesterday), to: yesterday };
    let wanted = Days { from: wanted.first_day, to: wanted.last_day };
    let is_recent = wanted.from >= recent.from;
    Ok(any(recent)? || (!is_recent && !wanted.is_empty() && any(wanted)?))
}

fn warn_of_rest(rest: &[String], why: &str, output: &mut Output<'_>) -> Result<(), Error> {
    let named = rest.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = rest.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Ok(output.log(Level::Warn, &format!("{} tickers were not looked at {why}: {named}{more}.", rest.len()))?)
}
