//! How many requests a sync may take.

use chrono::TimeDelta;

use super::faults::Asked;
use super::memory::Claim;
use super::series_run::SeriesRun;
use crate::support::days::{date_in, moment_at, zone_of};
use crate::support::fake_api::Request;
use crate::support::market::weekdays;

/// How many requests it may take to find where the plan's history begins.
const PLAN_SEARCH: usize = 14;

/// How many requests are under way at a time.
const SENT_AHEAD: usize = 8;

/// The requests among all of a sync that were about a series; only the first page of each.
pub fn of_series<'a>(requests: &'a [Request], ticker: Option<&str>) -> Vec<(Asked, &'a Request)> {
    let asked = requests.iter().filter(|request| request.is_first_page());
    let asked = asked.filter_map(|request| Some((Asked::parse(&request.path)?, request)));
    asked
        .filter(|(asked, _)| asked.ticker.as_deref() == ticker)
        .collect()
}

/// A sync in which nothing went wrong takes at most what the design says. `claims` are those of its STATEs.
pub fn check(
    run: &SeriesRun,
    requests: &[(Asked, &Request)],
    claims: &[Option<Claim>],
) -> Result<(), String> {
    let allowed = ordinary(run) + plan_search(run) + empty_answers(run, requests);
    let allowed = match run.stream.size {
        size if size.is_intraday() => allowed + first_bar(run) + reading(run, claims),
        _ => allowed,
    };
    if requests.len() <= allowed {
        return Ok(());
    }
    let paths: Vec<&str> = requests
        .iter()
        .map(|(_, request)| request.path.as_str())
        .collect();
    Err(format!(
        "{} requests, at most {allowed} were due: {paths:#?}",
        requests.len()
    ))
}

/// One; for the whole market the last day, the weekdays after it, and those that lie before.
fn ordinary(run: &SeriesRun) -> usize {
    if !run.stream.is_market {
        return 1;
    }
    let zone = zone_of("");
    let day = |ms: i64| date_in(zone, moment_at(ms));
    let first = day(run.ended.timestamp_millis() - run.stretch_days() * 86_400_000);
    let between = |from, to: chrono::NaiveDate| {
        weekdays(from, u64::try_from((to - from).num_days() + 1).unwrap_or(0)).count()
    };
    let today = date_in(zone, run.ended);
    match run.before.as_ref().map(|claim| (claim.since, claim.cursor)) {
        Some((since, Some(cursor))) => {
            let before = if run.grows_backward() {
                between(first, day(since))
            } else {
                0
            };
            1 + between(day(cursor), today) + before
        }
        _ => between(first, today),
    }
}

/// Where a range that begins before the plan's history is refused, its beginning has to be found; once, unless still
/// earlier days are read by themselves.
fn plan_search(run: &SeriesRun) -> usize {
    let reads_earlier_days_alone =
        run.grows_backward() && (run.stream.is_market || run.size().is_intraday());
    let is_known = run.memory.plan_start_is_known && !reads_earlier_days_alone;
    if run.is_refused() && (!is_known || run.may_be_restated()) {
        PLAN_SEARCH
    } else {
        0
    }
}

/// An answer without bars, where there were some, is asked for once more; of the whole market with what was sent ahead.
fn empty_answers(run: &SeriesRun, requests: &[(Asked, &Request)]) -> usize {
    let truth = run.truth(run.last_asked, run.ended);
    let is_empty = |asked: &Asked| !truth.keys().any(|key| asked.covers(key.0));
    let empty = requests.iter().filter(|(asked, _)| is_empty(asked)).count();
    if run.stream.is_market && empty > 0 {
        empty + SENT_AHEAD
    } else {
        empty
    }
}

/// The first bar is asked for when something differs, and once in seven days.
fn first_bar(run: &SeriesRun) -> usize {
    let differs = run
        .differences()
        .is_none_or(|differences| !differences.is_empty());
    let is_due = run
        .memory
        .first_bar_asked
        .is_none_or(|asked| run.started - asked > TimeDelta::days(6));
    usize::from(differs || is_due)
}

/// What is read for the first time or anew: a window for each page, or a day each where a page holds no more.
fn reading(run: &SeriesRun, claims: &[Option<Claim>]) -> usize {
    let is_new = |claim: &Option<Claim>| claim.as_ref().is_none_or(|claim| claim.cursor.is_none());
    if run.grows_backward() || run.overflows() || is_new(&run.before) || claims.iter().any(is_new) {
        usize::try_from(run.stretch_days()).expect("a number") + 2
    } else {
        0
    }
}
