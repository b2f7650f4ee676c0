//! What the API has now, held against the digests of what was emitted: a pure function.

use chrono::Months;

use super::digest::Digest;
use super::digests::{Digests, Layout, Period, Piece};
use super::stretch::Stretch;
use crate::calendar::{Date, MAX_DATE, day_after, days_after};

/// The shortest history of any plan, in months, by which a bar that the plan hides is told from one that is gone.
const SHORTEST_PLAN_MONTHS: Months = Months::new(24);

/// How many of the first bars must have other prices for a split: a correction that happens to be of the first bar must not
/// have everything read again.
const FIRST_BARS: usize = 2;

/// By how many days clocks and leap years may shift the plan's first day.
const PLAN_MARGIN_DAYS: u64 = 3;

/// A bar that the API has, at or before the cursor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ComparedBar {
    /// Its cursor.
    pub(crate) cursor: i64,
    /// Its day in the market's zone.
    pub(crate) day: Date,
    /// The digest of its values.
    pub(crate) digest: Digest,
}

/// Bars of a period that were emitted and are no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Where they were.
    pub(crate) period: Period,
    /// How many.
    pub(crate) bars: u32,
}

/// How what was emitted differs from what is there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Comparison {
    /// The first day that both know by itself (a bar, or a session), if it and the next one have other prices.
    pub(crate) first_prices_changed: Option<Date>,
    /// Whether all days that both know by themselves have.
    pub(crate) all_prices_changed: bool,
    /// The periods whose bars are to be emitted again.
    pub(crate) changed: Vec<Period>,
    /// What is no longer there.
    pub(crate) gone: Vec<Gone>,
    /// The digests of what is there.
    pub(crate) digests: Digests,
}

/// Compares the bars that the API has up to the cursor, in order, with what the stretch's digests say. Bars before the
/// stretch are not compared; they are new.
pub(crate) fn compare(
    stretch: &Stretch,
    layout: Layout,
    bars: &[ComparedBar],
    today: Date,
) -> Comparison {
    let known = &stretch.digests;
    let fresh = pieces_like(known, bars.iter().filter(|bar| bar.day >= stretch.since));
    let shown_from = bars
        .iter()
        .map(|bar| bar.day)
        .find(|day| *day >= stretch.since)
        .unwrap_or(MAX_DATE);
    let fresh_of = |period: Period| fresh.iter().find(|piece| piece.period == period);
    let mut comparison = Comparison {
        digests: digests_of(bars, layout),
        ..Comparison::default()
    };
    for piece in &fresh {
        let is_same = known
            .pieces()
            .iter()
            .any(|old| old.period == piece.period && old.is_same_as(piece));
        if !is_same {
            comparison.changed.push(piece.period);
        }
    }
    let hidden_before = hidden_before(layout, shown_from, today);
    for (place, old) in known.pieces().iter().enumerate() {
        let missing = old
            .bars
            .saturating_sub(fresh_of(old.period).map_or(0, |piece| piece.bars));
        if missing > 0 && begin_of(known.pieces(), place) >= hidden_before {
            comparison.gone.push(Gone {
                period: old.period,
                bars: missing,
            });
        }
    }
    let changes = price_changes(known.pieces(), &fresh);
    if have_all_changed(&changes[..changes.len().min(FIRST_BARS)]) {
        comparison.first_prices_changed = Some(changes[0].0);
    }
    comparison.all_prices_changed = have_all_changed(&changes);
    comparison
}

/// The day before which the plan, rather than the market, may be why nothing is there.
fn hidden_before(layout: Layout, shown_from: Date, today: Date) -> Date {
    let plan_start = today
        .checked_sub_months(SHORTEST_PLAN_MONTHS)
        .unwrap_or(today);
    match layout {
        Layout::Bars => shown_from.min(days_after(plan_start, PLAN_MARGIN_DAYS)),
        Layout::Sessions | Layout::LastDay => days_after(plan_start, PLAN_MARGIN_DAYS),
    }
}

/// The first day that a piece can have a bar on.
fn begin_of(pieces: &[Piece], place: usize) -> Date {
    match pieces[place].period {
        Period::Day(day) => day,
        Period::Year(year) => {
            let january = Date::from_ymd_opt(year, 1, 1).unwrap_or(MAX_DATE);
            let after_singles = pieces[..place]
                .iter()
                .rev()
                .find_map(|piece| match piece.period {
                    Period::Day(day) => Some(day_after(day)),
                    Period::Year(_) => None,
                });
            january.max(after_singles.unwrap_or(january))
        }
    }
}

/// The days that are known by themselves on both sides, and whether they have other prices. A split changes every bar
/// before it, so it changes the first ones.
fn price_changes(known: &[Piece], fresh: &[Piece]) -> Vec<(Date, bool)> {
    let changes = known.iter().filter_map(|old| {
        let Period::Day(day) = old.period else {
            return None;
        };
        let new = fresh.iter().find(|piece| piece.period == old.period)?;
        let (old, new) = old.digest.zip(new.digest)?;
        Some((day, !old.has_prices_of(new)))
    });
    changes.collect()
}

fn have_all_changed(changes: &[(Date, bool)]) -> bool {
    !changes.is_empty() && changes.iter().all(|(_, has_changed)| *has_changed)
}

/// Groups bars as the known pieces are grouped.
fn pieces_like<'a>(known: &Digests, bars: impl Iterator<Item = &'a ComparedBar>) -> Vec<Piece> {
    let mut groups = Digests::default();
    for bar in bars {
        let period = known.period_of(bar.day);
        groups.push(Piece {
            period,
            bars: 1,
            digest: Some(bar.digest),
        });
    }
    groups.pieces().to_vec()
}

/// The digests of bars that were emitted.
pub(crate) fn digests_of(bars: &[ComparedBar], layout: Layout) -> Digests {
    let mut digests = Digests::default();
    for bar in bars {
        digests.append(bar.day, bar.digest, layout);
    }
    digests
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Zone;
    use crate::streams::PriceBasis;
    use crate::sync::digest::tests::page_of;
    use crate::timespan::Timespan;

    const TODAY: &str = "2026-11-20";

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    /// A bar a day from `first` on, with these closes; a volume of its own for each.
    fn bars(first: &str, closes: &[f64]) -> Vec<ComparedBar> {
        let bar = |(number, close): (usize, &f64)| {
            let day = days_after(date(first), number as u64);
            let cursor = Timespan::DAY.cursor(Zone::NewYork.midnight(day));
            let page = page_of(&format!(
                r#"{{"t":{cursor},"o":1,"h":1,"l":1,"c":{close},"v":9}}"#
            ));
            ComparedBar {
                cursor,
                day,
                digest: Digest::of(&page, &page.bars()[0]),
            }
        };
        closes.iter().enumerate().map(bar).collect()
    }

    fn stretch(emitted: &[ComparedBar], layout: Layout) -> Stretch {
        let mut stretch = Stretch::starting(emitted[0].day, PriceBasis::Adjusted);
        stretch.digests = digests_of(emitted, layout);
        stretch.advance(emitted[0].cursor, emitted.last().unwrap().cursor);
        stretch
    }

    fn closes(count: usize) -> Vec<f64> {
        (0..count).map(|number| 100.0 + number as f64).collect()
    }

    fn compare_days(emitted: &[ComparedBar], now: &[ComparedBar]) -> Comparison {
        compare(
            &stretch(emitted, Layout::Bars),
            Layout::Bars,
            now,
            date(TODAY),
        )
    }

    #[test]
    fn what_is_the_same_differs_in_nothing() {
        for count in [1, 10, 11, 20, 21, 600] {
            let bars = bars("2025-03-01", &closes(count));
            let comparison = compare_days(&bars, &bars);
            let expected = Comparison {
                digests: digests_of(&bars, Layout::Bars),
                ..Comparison::default()
            };
            assert_eq!(comparison, expected, "{count} bars");
        }
    }

    #[test]
    fn a_corrected_bar_is_found_alone_near_the_ends_and_else_with_its_year() {
        let emitted = bars("2024-12-01", &closes(600));
        for (place, expected) in [
            (0, Period::Day(date("2024-12-01"))),
            (3, Period::Day(date("2024-12-04"))),
            (20, Period::Year(2024)),
            (100, Period::Year(2025)),
            (595, Period::Day(date("2026-07-19"))),
        ] {
            let mut changed = closes(600);
            changed[place] += 0.01;
            let comparison = compare_days(&emitted, &bars("2024-12-01", &changed));
            assert_eq!(
                (comparison.changed, comparison.first_prices_changed),
                (vec![expected], None),
                "{place}"
            );
        }
    }

    #[test]
    fn a_split_changes_the_first_bars_and_is_told_from_corrections() {
        // The bars there are, those before the split, and whether it can be told from a correction.
        for (count, before, expected) in [
            (100, 60, true),
            (100, 2, true),
            (100, 1, false),
            (2, 1, false),
            (1, 1, true),
        ] {
            let emitted = bars("2025-03-01", &closes(count));
            let mut halved = closes(count);
            halved[..before].iter_mut().for_each(|close| *close /= 2.0);
            let comparison = compare_days(&emitted, &bars("2025-03-01", &halved));
            assert_eq!(
                comparison.first_prices_changed,
                expected.then_some(date("2025-03-01")),
                "{before} of {count}"
            );
        }
    }

    #[test]
    fn late_and_vanished_bars_are_found() {
        let all = bars("2026-05-01", &closes(100));
        let without = |place: usize| {
            let mut some = all.clone();
            some.remove(place);
            some
        };
        assert_eq!(
            compare_days(&without(95), &all).changed,
            [Period::Day(all[95].day)]
        );
        assert_eq!(
            compare_days(&without(50), &all).changed,
            [Period::Year(2026)]
        );
        let gone = compare_days(&all, &without(95));
        assert_eq!(
            (gone.changed, gone.gone),
            (
                vec![],
                vec![Gone {
                    period: Period::Day(all[95].day),
                    bars: 1
                }]
            )
        );
        let gone = compare_days(&all, &without(50));
        assert_eq!(
            gone.gone,
            [Gone {
                period: Period::Year(2026),
                bars: 1
            }]
        );
        assert_eq!(
            gone.changed,
            [Period::Year(2026)],
            "its year is another one now"
        );
        assert_eq!(
            compare_days(&all, &without(0)).gone,
            [Gone {
                period: Period::Day(all[0].day),
                bars: 1
            }]
        );
    }

    #[test]
    fn a_bar_is_gone_if_the_plan_shows_older_ones() {
        let emitted = bars("2023-03-01", &closes(100));
        let mut now = emitted.clone();
        let gone = now.remove(4);
        let expected = Gone {
            period: Period::Day(gone.day),
            bars: 1,
        };
        assert_eq!(compare_days(&emitted, &now).gone, [expected]);
    }

    #[test]
    fn what_the_plan_no_longer_shows_is_neither_gone_nor_a_change() {
        let emitted = bars("2024-11-01", &closes(700));
        for hidden in 1..=10 {
            let comparison = compare_days(&emitted, &emitted[hidden..]);
            assert_eq!(
                (comparison.changed, comparison.gone),
                (vec![], vec![]),
                "{hidden} bars"
            );
        }
        let comparison = compare_days(&emitted, &emitted[15..]);
        assert_eq!(
            (comparison.changed, comparison.gone),
            (vec![Period::Year(2024)], vec![]),
            "a year that is cut"
        );
    }

    #[test]
    fn a_void_piece_is_always_emitted_again() {
        let bars = bars("2026-05-01", &closes(30));
        let mut stretch = stretch(&bars, Layout::Bars);
        let period = Period::Day(bars[29].day);
        stretch.digests.void(&[period]);
        assert_eq!(
            compare(&stretch, Layout::Bars, &bars, date(TODAY)).changed,
            [period]
        );
    }

    #[test]
    fn bars_before_the_stretch_are_not_compared() {
        let all = bars("2026-05-01", &closes(30));
        let stretch = stretch(&all[10..], Layout::Bars);
        let comparison = compare(&stretch, Layout::Bars, &all, date(TODAY));
        assert_eq!(
            (comparison.changed, comparison.first_prices_changed),
            (vec![], None)
        );
        assert_eq!(comparison.digests, digests_of(&all, Layout::Bars));
    }

    #[test]
    fn of_sessions_only_those_that_were_emitted_last_are_compared() {
        let emitted = bars("2026-11-16", &closes(4));
        let stretch = stretch(&emitted, Layout::Sessions);
        let mut changed = closes(4);
        changed[2] += 1.0;
        let now = &bars("2026-11-16", &changed)[2..];
        let comparison = compare(&stretch, Layout::Sessions, now, date(TODAY));
        assert_eq!(
            (comparison.changed, comparison.gone),
            (vec![Period::Day(date("2026-11-18"))], vec![])
        );
        assert!(!comparison.all_prices_changed);
        changed[3] += 1.0;
        let now = &bars("2026-11-16", &changed)[2..];
        assert!(compare(&stretch, Layout::Sessions, now, date(TODAY)).all_prices_changed);
    }
}
