//! What the destination holds of a series: one unbroken stretch of bars, and what may happen to it.
//!
//! There are no holes in it and no second stretches, so there is nothing to lose track of. It grows at its end and at its
//! beginning, pieces of it are emitted again where they changed, and when its history was restated it is read again from
//! its first day. It never shrinks.

use super::digest::Digest;
use super::digests::Digests;
use crate::calendar::Date;
use crate::streams::PriceBasis;

/// A stretch of bars, from the first day that was ever asked for to the last bar that was emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The first day that was asked for, in the market's zone.
    pub(crate) since: Date,
    /// The first bar that is in the destination, on whatever price basis; `None` if there is none.
    pub(crate) first: Option<i64>,
    /// The last bar that was emitted; `None` if there is none, or if the history is about to be read again.
    pub(crate) cursor: Option<i64>,
    /// How far rows on an older basis reach while the history is being read again.
    pub(crate) until: Option<i64>,
    /// The basis of the prices up to `cursor`.
    pub(crate) basis: PriceBasis,
    /// What was emitted up to `cursor`.
    pub(crate) digests: Digests,
    /// The bar by which restated intraday history is noticed; see [`Anchor`].
    pub(crate) anchor: Option<Anchor>,
    /// What the API granted after it had refused to begin earlier.
    pub(crate) granted: Option<Granted>,
    /// Whether the API had nothing of this stretch the last time it was asked, and that was told.
    pub(crate) told_missing: bool,
}

/// The first day that the API granted, where it refuses ranges that begin before the plan's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Granted {
    /// That day.
    pub(crate) from: Date,
    /// The market's day on which it was granted.
    pub(crate) on: Date,
}

/// One early bar of intraday history. Every split after it changes its prices, whatever the last sessions show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// Its cursor.
    pub(crate) cursor: i64,
    /// The digest of its values.
    pub(crate) digest: Digest,
    /// The market's day on which it was last compared; `None` if a midnight passed between two pages since: a split may
    /// have taken effect between them.
    pub(crate) checked: Option<Date>,
}

impl Stretch {
    /// Nothing emitted yet.
    pub(crate) fn starting(since: Date, basis: PriceBasis) -> Stretch {
        Stretch {
            since,
            first: None,
            cursor: None,
            until: None,
            basis,
            digests: Digests::default(),
            anchor: None,
            granted: None,
            told_missing: false,
        }
    }

    /// Whether the destination holds rows of it.
    pub(crate) fn has_rows(&self) -> bool {
        self.cursor.is_some() || self.until.is_some()
    }

    /// The last row that the destination holds, on whatever basis.
    pub(crate) fn last_row(&self) -> Option<i64> {
        self.cursor.max(self.until)
    }

    /// Begins to read the history again from `since` or earlier, on `basis`. The rows that are there keep their old
    /// basis until then, so what is read must reach at least as far as they do.
    pub(crate) fn restart(&mut self, since: Date, basis: PriceBasis) {
        self.since = self.since.min(since);
        self.until = self.last_row();
        self.cursor = None;
        self.basis = basis;
        self.digests = Digests::default();
        self.anchor = None;
        self.granted = None;
    }

    /// Notes that bars up to `cursor` are in the destination.
    pub(crate) fn advance(&mut self, first: i64, cursor: i64) {
        self.first = Some(self.first.map_or(first, |known| known.min(first)));
        self.cursor = self.cursor.max(Some(cursor));
        self.until = self.until.filter(|until| Some(*until) > self.cursor);
        self.told_missing = false;
    }

    /// Notes that a range which reaches to the last row or further has been read to its end: nothing on an older basis
    /// that the API still has is left.
    pub(crate) fn finish_restart(&mut self) {
        if self.cursor.is_some() {
            self.until = None;
        }
    }

    /// Notes that everything from `first_day` on is in the destination.
    pub(crate) fn extend_back(&mut self, first_day: Date) {
        self.since = self.since.min(first_day);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_that_was_read_again_holds_no_older_rows_even_if_its_last_bar_is_gone() {
        let since: Date = "2026-01-02".parse().unwrap();
        let mut stretch = Stretch::starting(since, PriceBasis::Adjusted);
        stretch.advance(10, 50);
        stretch.restart(since, PriceBasis::Adjusted);
        stretch.finish_restart();
        assert_eq!(
            (stretch.until, stretch.has_rows()),
            (Some(50), true),
            "nothing was read"
        );
        stretch.advance(10, 40);
        assert_eq!(stretch.last_row(), Some(50));
        stretch.finish_restart();
        assert_eq!((stretch.until, stretch.last_row()), (None, Some(40)));
    }
}
