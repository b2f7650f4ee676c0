//! The texts of notices.

use std::fmt;
use std::time::Duration;

use super::{Notice, Remaining, SkipReason};
use crate::calendar::Date;
use crate::text::count;

impl fmt::Display for Notice {
    #[expect(clippy::too_many_lines, reason = "a table of texts")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Synced { bars, from, to } if from == to => {
                write!(f, "synced {} ({from})", count(*bars, "bar"))
            }
            Notice::Synced { bars, from, to } => {
                write!(f, "synced {} ({from} to {to})", count(*bars, "bar"))
            }
            Notice::UpToDate { last } => write!(f, "up to date; last bar {last}"),
            Notice::NoBarsYet { since } => write!(f, "up to date; no bars since {since}"),
            Notice::NotOverYet { day } => write!(f, "nothing to sync yet: {day} is not over"),
            Notice::CursorInFuture { cursor } => {
                write!(f, "cursor {cursor} is in the future; nothing to sync")
            }
            Notice::Corrected { bars, from, to } => write!(
                f,
                "re-emitted {} of {}: the API has corrected or added some",
                count(*bars, "bar"),
                days_text(*from, *to)
            ),
            Notice::OlderState { since } => {
                write!(
                    f,
                    "the state is from an earlier version; re-reading the history from {since}"
                )
            }
            Notice::BeyondPlanHistory => {
                f.write_str("up to date; your plan no longer includes these days")
            }
            Notice::RateLimited { wait, remaining } => write_rate_limited(f, *wait, *remaining),
            Notice::Retrying {
                request,
                attempt,
                max_attempts,
                cause,
                delay,
            } => write!(
                f,
                "attempt {attempt} of {max_attempts} failed for {request}: {cause}; retrying in {:.1} s",
                delay.as_secs_f64()
            ),
            Notice::Answered {
                request,
                status,
                bytes,
                duration,
            } => {
                write!(
                    f,
                    "{request}: HTTP {status}, {bytes} bytes in {} ms",
                    duration.as_millis()
                )
            }
            Notice::CheckedByMarket {
                day,
                found,
                tickers,
            } => {
                write!(
                    f,
                    "{found} of {} found in the market's day {day}",
                    count(*tickers, "ticker")
                )
            }
            Notice::PricesChanged { first, since } => write!(
                f,
                "the prices of {first} changed (a split or a restatement); re-reading the history from {since}"
            ),
            Notice::BasisChanged { adjusted, since } => {
                write!(
                    f,
                    "\"adjusted\" is now {adjusted}; re-reading the history from {since}"
                )
            }
            Notice::OldBasisRows { days } => write!(
                f,
                "rows from {} keep their old prices: your plan no longer includes these days",
                days_text(days.from, days.to)
            ),
            Notice::BarsGone { bars, from, to } => write!(
                f,
                "the API no longer has {} of {}; the rows stay in the destination",
                count(*bars as usize, "bar"),
                days_text(*from, *to)
            ),
            Notice::AllBarsGone { last } => write!(
                f,
                "the API no longer has any of the synced bars (last bar {last}); the rows stay in the destination. Was \
                 the ticker renamed or delisted?"
            ),
            Notice::NoBars { days } => write!(
                f,
                "no bars from {} to {}. Check the ticker (case-sensitive) and the dates.",
                days.from, days.to
            ),
            Notice::LateFirstBar { first, asked } => write!(
                f,
                "first available bar is {first} (requested from {asked}); your plan's history or the ticker's may start \
                 there"
            ),
            Notice::OutsidePlan { days, start } => {
                write!(
                    f,
                    "your plan has no data for {}",
                    days_text(days.from, days.to)
                )?;
                match start {
                    Some(start) => write!(
                        f,
                        "; starting at {start}. After upgrading, clear the stream to load it."
                    ),
                    None => f.write_str(". After upgrading, clear the stream to load it."),
                }
            }
            Notice::Dropped {
                outside,
                duplicates: 0,
            } => {
                write!(
                    f,
                    "dropped {} outside the requested days",
                    count(*outside, "bar")
                )
            }
            Notice::Dropped {
                outside: 0,
                duplicates,
            } => write!(f, "dropped {}", count(*duplicates, "duplicate bar")),
            Notice::Dropped {
                outside,
                duplicates,
            } => write!(
                f,
                "dropped {} outside the requested days and {}",
                count(*outside, "bar"),
                count(*duplicates, "duplicate bar")
            ),
            Notice::UnknownStateStream { name } => {
                write!(
                    f,
                    "the state names the unknown stream \"{name}\"; it is ignored"
                )
            }
            Notice::SkippedTickers {
                count: number,
                why,
                names,
            } => {
                let number = count(*number, "ticker");
                match why {
                    SkipReason::Time => write!(
                        f,
                        "Skipped {number} to keep the check under a minute: {names}."
                    ),
                    SkipReason::RateLimit => {
                        write!(
                            f,
                            "Skipped {number}: rate limit reached. The API key is valid. Not checked: {names}."
                        )
                    }
                }
            }
        }
    }
}

fn write_rate_limited(
    f: &mut fmt::Formatter<'_>,
    wait: Duration,
    remaining: Option<Remaining>,
) -> fmt::Result {
    write!(
        f,
        "Rate limit reached; resuming in {} s.",
        wait.as_secs().max(1)
    )?;
    let Some(Remaining {
        left,
        all,
        are_days,
        minutes,
    }) = remaining
    else {
        return Ok(());
    };
    let noun = if are_days { "day" } else { "ticker" };
    write!(
        f,
        " {left} of {} remaining (about {minutes} min).",
        count(all, noun)
    )
}

/// `2024-01-02`, or `2024-01-02 to 2024-01-05`.
fn days_text(from: Date, to: Date) -> String {
    if from == to {
        from.to_string()
    } else {
        format!("{from} to {to}")
    }
}
