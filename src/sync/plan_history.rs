//! The history that the user's plan includes, found with few requests.

use std::collections::BTreeMap;

use chrono::Months;

use crate::calendar::{Date, DateRange, MIN_DATE, day_after, day_before, days_after, days_before};
use crate::market::Market;

/// The first day that the plan includes, for each market in which a refusal has made the run look for it. A market's
/// series share it; other markets can be on another plan, and their days begin at another hour.
pub(crate) type PlanStarts = BTreeMap<Market, Date>;

/// How many years of history the plans hold (free, Starter, Developer).
const PLAN_HISTORY_YEARS: [u32; 3] = [2, 5, 10];

/// A bar of so many days after the start of a plan's history will be hidden before long.
const NEAR_START_DAYS: u64 = 45;

/// By how many days the start of a plan's history may differ from where it is expected.
const EXPECTED_WITHIN_DAYS: u64 = 10;

/// The first of `days` that the plan includes, by asking `is_included` about single days; `None` if it does not even
/// include the last one. That `days.from` is not included is known.
///
/// The plans' own limits, counted back from `today`, are tried first, so that three or four questions are enough when
/// one of them is right; else the limit is found by halving.
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

/// The first day to ask for of a plan that granted `granted_from` when its history was asked for up to `asked_on`, and
/// refuses ranges that begin earlier: its history moves on with the days.
pub(crate) fn still_included(granted_from: Date, asked_on: Date, today: Date) -> Date {
    let passed = u64::try_from((today - asked_on).num_days()).unwrap_or(0);
    let expected = days_after(granted_from, passed);
    let is_near = |limit: &Date| {
        (days_before(expected, EXPECTED_WITHIN_DAYS)..=days_after(expected, EXPECTED_WITHIN_DAYS))
            .contains(limit)
    };
    // A day inside the limit, so that a clock that differs a little is not refused.
    let limit = PLAN_HISTORY_YEARS
        .iter()
        .map(|years| day_after(years_before(today, *years)))
        .find(is_near);
    limit.unwrap_or(expected)
}

/// Whether a plan's history may begin so shortly before `day` that it will hide it before long.
pub(crate) fn is_near_start(day: Date, today: Date) -> bool {
    PLAN_HISTORY_YEARS.iter().any(|years| {
        let start = years_before(today, *years);
        (days_before(start, EXPECTED_WITHIN_DAYS)..days_after(start, NEAR_START_DAYS))
            .contains(&day)
    })
}

fn years_before(date: Date, years: u32) -> Date {
    date.checked_sub_months(Months::new(12 * years))
        .unwrap_or(MIN_DATE)
        .max(MIN_DATE)
}

/// A day between two that are not neighbours.
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
    fn the_plans_own_limits_are_found_with_few_questions() {
        let days = DateRange {
            from: date(2003, 9, 10),
            to: date(2026, 11, 19),
        };
        for (floor, most) in [
            (date(2024, 11, 20), 4),
            (date(2024, 11, 21), 4),
            (date(2021, 11, 20), 6),
            (date(2016, 11, 20), 8),
        ] {
            let (found, questions) = find(floor, days);
            assert_eq!(found, Some(floor));
            assert!(questions <= most, "{floor}: {questions}");
        }
    }

    #[test]
    fn any_other_limit_is_found_to_the_day() {
        let days = DateRange {
            from: date(2003, 9, 10),
            to: date(2026, 11, 19),
        };
        for floor in [
            date(2003, 9, 11),
            date(2019, 2, 28),
            date(2026, 11, 18),
            date(2026, 11, 19),
        ] {
            let (found, questions) = find(floor, days);
            assert_eq!(found, Some(floor));
            assert!(questions <= 20, "{floor}: {questions}");
        }
    }

    #[test]
    fn what_is_known_is_not_asked_again() {
        let (limit, after) = (date(2024, 11, 20), date(2024, 11, 21));
        let refused_limit = DateRange {
            from: limit,
            to: date(2026, 11, 19),
        };
        assert_eq!(find(after, refused_limit), (Some(after), 2));
        let granted_limit = DateRange {
            from: date(2024, 11, 10),
            to: limit,
        };
        assert_eq!(find(limit, granted_limit), (Some(limit), 2));
    }

    #[test]
    fn nothing_is_found_where_nothing_is_included() {
        let days = DateRange {
            from: date(2003, 9, 10),
            to: date(2004, 9, 10),
        };
        assert_eq!(find(date(2024, 11, 20), days), (None, 1));
    }

    #[test]
    fn the_start_of_a_plans_history_moves_on_with_the_days() {
        let granted = date(2024, 11, 20);
        assert_eq!(
            still_included(granted, date(2026, 11, 20), date(2026, 11, 23)),
            date(2024, 11, 24)
        );
        assert_eq!(
            still_included(granted, date(2026, 11, 20), date(2027, 11, 20)),
            date(2025, 11, 21)
        );
        assert_eq!(
            still_included(date(2023, 3, 1), date(2026, 11, 20), date(2026, 11, 22)),
            date(2023, 3, 3)
        );
    }
}
