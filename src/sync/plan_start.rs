//! Where the history that the user's plan includes begins, found with few requests.

use std::collections::BTreeMap;

use chrono::Months;

use crate::calendar::{Date, DateRange, MIN_DATE, day_after, day_before, days_after, days_before};
use crate::market::Market;

/// The first day that the plan includes, for each market in which a refusal made the run look for it. Other markets can
/// be on another plan, and their days begin at another hour.
pub(crate) type PlanStarts = BTreeMap<Market, Date>;

/// How many years of history the plans hold (free, Starter, Developer).
pub(super) const PLAN_HISTORY_YEARS: [u32; 3] = [2, 5, 10];

/// How many days clocks and leap years may shift the start of a plan's history.
const MARGIN_DAYS: u64 = 3;

/// By how many days the start of a plan's history may differ from where it is expected.
const EXPECTED_WITHIN_DAYS: u64 = 10;

/// Returns the first of `days` that the plan includes; `None` if it does not even include the last one. The caller knows
/// that `days.from` is refused.
///
/// The plans' own limits, counted back from `today`, are tried first: if one of them is right, three or four requests are
/// enough. Otherwise the limit is found by bisection.
pub(crate) fn first_included_day<E>(
    days: DateRange,
    today: Date,
    mut is_included: impl FnMut(Date) -> Result<bool, E>,
) -> Result<Option<Date>, E> {
    if days.is_empty() || !is_included(days.to)? {
        return Ok(None);
    }
    let (mut refused, mut included) = (days.from, days.to);
    let mut guesses = PLAN_HISTORY_YEARS.iter().flat_map(|years| {
        let limit = years_before(today, *years);
        [limit, day_before(limit), day_after(limit)]
    });
    while day_after(refused) < included {
        let guess = guesses.find(|guess| refused < *guess && *guess < included);
        let day = guess.unwrap_or_else(|| middle(refused, included));
        if is_included(day)? {
            included = day;
        } else {
            refused = day;
        }
    }
    Ok(Some(included))
}

/// The first day that the API granted after it had refused to begin earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlanStart {
    /// That day.
    pub(crate) day: Date,
    /// The market's day on which it was granted.
    pub(crate) seen_on: Date,
}

impl PlanStart {
    /// The first day to request today: a plan's history moves on with the days.
    pub(crate) fn at(self, today: Date) -> Date {
        let passed = u64::try_from((today - self.seen_on).num_days()).unwrap_or(0);
        let expected = days_after(self.day, passed);
        let is_near = |limit: &Date| {
            (days_before(expected, EXPECTED_WITHIN_DAYS)..=days_after(expected, EXPECTED_WITHIN_DAYS)).contains(limit)
        };
        // One day inside the limit, in case the API's clock differs a little.
        let limit = PLAN_HISTORY_YEARS.iter().map(|years| day_after(years_before(today, *years))).find(is_near);
        limit.unwrap_or(expected)
    }
}

/// Whether a plan may hide bars of `day`: it lies before the history of the smallest plan.
pub(crate) fn may_be_hidden(day: Date, today: Date) -> bool {
    day < days_after(years_before(today, PLAN_HISTORY_YEARS[0]), MARGIN_DAYS)
}

/// Whether a plan's history may begin within these days, so that the API may build their bar from only some of them.
pub(crate) fn may_begin_within(days: DateRange, today: Date) -> bool {
    PLAN_HISTORY_YEARS.iter().any(|years| {
        let limit = years_before(today, *years);
        days_before(limit, MARGIN_DAYS) <= days.to && days.from < days_after(limit, MARGIN_DAYS)
    })
}

pub(super) fn years_before(date: Date, years: u32) -> Date {
    date.checked_sub_months(Months::new(12 * years)).unwrap_or(MIN_DATE).max(MIN_DATE)
}

/// The day in the middle of a range of at least three.
fn middle(from: Date, to: Date) -> Date {
    let days = u64::try_from((to - from).num_days()).unwrap_or(0);
    days_after(from, days / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: i32, month: u32, day: u32) -> Date {
        Date::from_ymd_opt(year, month, day).unwrap()
    }

    /// The day found, and the number of questions, for a plan whose history begins on `floor`.
    fn find(floor: Date, days: DateRange) -> (Option<Date>, u32) {
        let mut questions = 0;
        let found = first_included_day::<()>(days, date(2026, 11, 20), |day| {
            questions += 1;
            Ok(day >= floor)
        });
        (found.unwrap(), questions)
    }

    #[test]
    fn any_limit_is_found_to_the_day_and_those_that_plans_have_with_few_questions() {
        let days = DateRange { from: date(2003, 9, 10), to: date(2026, 11, 19) };
        let usual =
            [(date(2024, 11, 20), 4), (date(2024, 11, 21), 4), (date(2021, 11, 20), 6), (date(2016, 11, 20), 8)];
        let others = [date(2003, 9, 11), date(2019, 2, 28), date(2026, 11, 18), date(2026, 11, 19)];
        for (floor, most) in usual.into_iter().chain(others.map(|floor| (floor, 20))) {
            let (found, questions) = find(floor, days);
            assert_eq!(found, Some(floor));
            assert!(questions <= most, "{floor}: {questions}");
        }
    }

    #[test]
    fn what_is_known_is_not_asked_again() {
        let (limit, after) = (date(2024, 11, 20), date(2024, 11, 21));
        let refused_limit = DateRange { from: limit, to: date(2026, 11, 19) };
        assert_eq!(find(after, refused_limit), (Some(after), 2));
        let granted_limit = DateRange { from: date(2024, 11, 10), to: limit };
        assert_eq!(find(limit, granted_limit), (Some(limit), 2));
    }

    #[test]
    fn nothing_is_found_where_nothing_is_included() {
        let days = DateRange { from: date(2003, 9, 10), to: date(2004, 9, 10) };
        assert_eq!(find(date(2024, 11, 20), days), (None, 1));
    }

    #[test]
    fn the_start_of_a_plans_history_moves_on_with_the_days() {
        let granted = date(2024, 11, 20);
        assert_eq!(PlanStart { day: granted, seen_on: date(2026, 11, 20) }.at(date(2026, 11, 23)), date(2024, 11, 24));
        assert_eq!(PlanStart { day: granted, seen_on: date(2026, 11, 20) }.at(date(2027, 11, 20)), date(2025, 11, 21));
        let unusual = PlanStart { day: date(2023, 3, 1), seen_on: date(2026, 11, 20) };
        assert_eq!(unusual.at(date(2026, 11, 22)), date(2023, 3, 3));
    }

    #[test]
    fn only_bars_around_a_plans_limit_may_be_fragments() {
        let today = date(2026, 11, 20);
        let days = |from, to| DateRange { from, to };
        for (from, to, expected) in [
            (date(2024, 11, 17), date(2024, 11, 23), true),
            (date(2024, 11, 1), date(2024, 11, 30), true),
            (date(2021, 11, 1), date(2021, 11, 30), true),
            (date(2024, 12, 1), date(2024, 12, 31), false),
            (date(2023, 3, 1), date(2023, 3, 31), false),
        ] {
            assert_eq!(may_begin_within(days(from, to), today), expected, "{from}");
        }
        assert!(may_be_hidden(date(2024, 11, 22), today) && !may_be_hidden(date(2024, 11, 23), today));
    }
}
