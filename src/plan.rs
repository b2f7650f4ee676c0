//! The history that the user's plan covers, found with few requests.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::window::{Days, day_after, day_before};

/// How many years of history the plans hold (free, Starter, Developer).
const YEARS: [i64; 3] = [2, 5, 10];

/// The first of `days` that the plan covers, by asking `covers` about single days; `None` if it does not even cover the
/// last one. What lies before `days.from` is of no interest; that day itself is known not to be covered.
///
/// The plans' own limits, counted back from `today`, are tried first, so that three or four questions are enough when
/// one of them is right; else the limit is found by halving.
pub fn first_covered_day<E>(
    days: Days,
    today: Date,
    mut covers: impl FnMut(Date) -> Result<bool, E>,
) -> Result<Option<Date>, E> {
    if days.is_empty() || !covers(days.to)? {
        return Ok(None);
    }
    let (mut refused, mut covered) = (days.from, days.to);
    let mut guesses = YEARS.iter().flat_map(|years| {
        let limit = today.checked_sub(years.years()).unwrap_or(Date::MIN);
        [limit, day_before(limit), day_after(limit)]
    });
    while day_after(refused) < covered {
        let guess = guesses.find(|guess| refused < *guess && *guess < covered);
        let day = guess.unwrap_or_else(|| middle(refused, covered));
        if covers(day)? {
            covered = day;
        } else {
            refused = day;
        }
    }
    Ok(Some(covered))
}

/// A day between two that are not neighbours.
fn middle(from: Date, to: Date) -> Date {
    let days = from.until(to).map_or(0, |span| i64::from(span.get_days()));
    from.checked_add((days / 2).days()).unwrap_or(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    /// The day found, and the number of questions, for a plan whose history begins on `floor`.
    fn find(floor: Date, days: Days) -> (Option<Date>, u32) {
        let mut questions = 0;
        let found = first_covered_day::<()>(days, date(2026, 11, 20), |day| {
            questions += 1;
            Ok(day >= floor)
        });
        (found.unwrap(), questions)
    }

    #[test]
    fn the_plans_own_limits_are_found_with_few_questions() {
        let days = Days { from: date(2003, 9, 10), to: date(2026, 11, 19) };
        for (floor, most) in
            [(date(2024, 11, 20), 4), (date(2024, 11, 21), 4), (date(2021, 11, 20), 6), (date(2016, 11, 20), 8)]
        {
            let (found, questions) = find(floor, days);
            assert_eq!(found, Some(floor));
            assert!(questions <= most, "{floor}: {questions}");
        }
    }

    #[test]
    fn any_other_limit_is_found_to_the_day() {
        let days = Days { from: date(2003, 9, 10), to: date(2026, 11, 19) };
        for floor in [date(2003, 9, 11), date(2019, 2, 28), date(2026, 11, 18), date(2026, 11, 19)] {
            let (found, questions) = find(floor, days);
            assert_eq!(found, Some(floor));
            assert!(questions <= 20, "{floor}: {questions}");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is_covered() {
        let days = Days { from: date(2003, 9, 10), to: date(2004, 9, 10) };
        assert_eq!(find(date(2024, 11, 20), days), (None, 1));
    }
}
