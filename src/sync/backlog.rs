//! The backlog: ranges of days that still have to be read, in order, disjoint, adjacent ones merged.

use crate::calendar::{Date, DateRange, day_after, day_before};

/// Ranges of days that still have to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Backlog(Vec<DateRange>);

impl Backlog {
    /// The ranges, in order.
    pub(crate) fn ranges(&self) -> &[DateRange] {
        &self.0
    }

    /// Whether nothing is left to read.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `day` still has to be read.
    pub(crate) fn contains(&self, day: Date) -> bool {
        self.0.iter().any(|range| range.contains(day))
    }

    /// Adds a range.
    pub(crate) fn add(&mut self, range: DateRange) {
        if range.is_empty() {
            return;
        }
        self.0.push(range);
        self.0.sort_by_key(|range| range.from);
        self.0.dedup_by(|next, range| {
            let touches = next.from <= day_after(range.to);
            if touches {
                range.to = range.to.max(next.to);
            }
            touches
        });
    }

    /// Removes a range, or those parts that are in the backlog.
    pub(crate) fn remove(&mut self, range: DateRange) {
        if range.is_empty() {
            return;
        }
        let rest = |old: DateRange| {
            let before = DateRange { to: old.to.min(day_before(range.from)), ..old };
            let after = DateRange { from: old.from.max(day_after(range.to)), ..old };
            [(old.from < range.from).then_some(before), (old.to > range.to).then_some(after)]
        };
        self.0 = self.0.iter().copied().flat_map(rest).flatten().collect();
    }
}

impl FromIterator<DateRange> for Backlog {
    fn from_iter<I: IntoIterator<Item = DateRange>>(ranges: I) -> Backlog {
        let mut backlog = Backlog::default();
        ranges.into_iter().for_each(|range| backlog.add(range));
        backlog
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: u32, to: u32) -> DateRange {
        let day = |day| Date::from_ymd_opt(2026, 1, day).unwrap();
        DateRange { from: day(from), to: day(to) }
    }

    #[test]
    fn ranges_stay_in_order_and_merge_with_neighbours() {
        for (added, expected) in [
            (vec![range(5, 6), range(1, 2)], vec![range(1, 2), range(5, 6)]),
            (vec![range(1, 2), range(3, 4)], vec![range(1, 4)]),
            (vec![range(1, 9), range(3, 4)], vec![range(1, 9)]),
            (vec![range(5, 6), range(1, 2), range(2, 5)], vec![range(1, 6)]),
            (vec![range(4, 3)], vec![]),
        ] {
            assert_eq!(Backlog::from_iter(added.clone()).0, expected, "{added:?}");
        }
    }

    #[test]
    fn removing_a_range_leaves_what_lies_around_it() {
        for (removed, expected) in [
            (range(3, 4), vec![range(1, 2), range(5, 6), range(9, 10)]),
            (range(1, 6), vec![range(9, 10)]),
            (range(6, 9), vec![range(1, 5), range(10, 10)]),
            (range(7, 8), vec![range(1, 6), range(9, 10)]),
            (range(1, 31), vec![]),
            (range(5, 3), vec![range(1, 6), range(9, 10)]),
        ] {
            let mut backlog = Backlog::from_iter([range(1, 6), range(9, 10)]);
            backlog.remove(removed);
            assert_eq!(backlog.0, expected, "{removed:?}");
        }
    }
}
