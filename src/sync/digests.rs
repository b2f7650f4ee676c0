//! The digests of a stretch, by period: what a state remembers of what was emitted.

use std::fmt;

use chrono::Datelike;

use super::digest::Digest;
use crate::calendar::{Date, parse_date};

/// The time that a piece covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Period {
    /// A day: a session of intraday bars, a day of the whole market, or the one bar that begins on that day.
    Day(Date),
    /// A calendar year, without the days that have pieces of their own.
    Year(i32),
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Period::Day(date) => write!(f, "{date}"),
            Period::Year(year) => write!(f, "{year:04}"),
        }
    }
}

impl Period {
    fn parse(text: &str) -> Option<Period> {
        if text.len() == 4 {
            return text.parse().ok().filter(|year| *year > 0).map(Period::Year);
        }
        parse_date(text).map(Period::Day)
    }
}

/// What was emitted of a period: so many bars with this digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The time that it covers.
    pub(crate) period: Period,
    /// The number of bars.
    pub(crate) bars: u32,
    /// Their digest; `None` while bars of it are being emitted again, so that a run that breaks off then is repeated.
    pub(crate) digest: Option<Digest>,
}

impl Piece {
    /// Whether the other piece stands for the same bars. A void piece is like none.
    pub(crate) fn is_same_as(&self, other: &Piece) -> bool {
        self.digest.is_some() && self.bars == other.bars && self.digest == other.digest
    }

    fn merge(&mut self, other: &Piece) {
        self.bars = self.bars.saturating_add(other.bars);
        self.digest = self
            .digest
            .zip(other.digest)
            .map(|(one, other)| one.plus(other));
    }
}

/// How much is kept: as many days at each end, and whether there are years between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Bars of days and longer: the first ten and the last ten one by one, years between them. The first ones are there
    /// because the plan's history moves on day by day: what it no longer shows must not make a year look changed.
    Bars,
    /// Intraday bars: the last two sessions.
    Sessions,
    /// The whole market: its last day.
    LastDay,
}

/// How many bars of days and longer are kept one by one at each end.
const SINGLE_BARS: usize = 10;

impl Layout {
    fn kept_at_end(self) -> usize {
        match self {
            Layout::Bars => SINGLE_BARS,
            Layout::Sessions => 2,
            Layout::LastDay => 1,
        }
    }
}

/// The digests of what was emitted, in the order of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Digests {
    pieces: Vec<Piece>,
}

impl Digests {
    /// The pieces, in the order of time.
    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The first day that has a piece of its own.
    pub(crate) fn first_day(&self) -> Option<Date> {
        self.pieces.iter().find_map(|piece| match piece.period {
            Period::Day(date) => Some(date),
            Period::Year(_) => None,
        })
    }

    /// Adds a bar that comes after all others.
    pub(crate) fn append(&mut self, day: Date, digest: Digest, layout: Layout) {
        self.append_piece(
            Piece {
                period: Period::Day(day),
                bars: 1,
                digest: Some(digest),
            },
            layout,
        );
    }

    /// Adds a piece that comes after all others.
    pub(crate) fn push(&mut self, piece: Piece) {
        match self.pieces.last_mut() {
            Some(last) if last.period == piece.period => last.merge(&piece),
            _ => self.pieces.push(piece),
        }
    }

    /// Adds a piece that comes after all others, and folds or drops what need no longer stand alone.
    pub(crate) fn append_piece(&mut self, piece: Piece, layout: Layout) {
        self.push(piece);
        match layout {
            Layout::Bars => self.fold_into_year(layout.kept_at_end()),
            Layout::Sessions | Layout::LastDay => {
                let excess = self.pieces.len().saturating_sub(layout.kept_at_end());
                self.pieces.drain(..excess);
            }
        }
    }

    /// Folds the oldest day between the kept first ones and the kept last ones into its year.
    fn fold_into_year(&mut self, kept_at_end: usize) {
        let years = |piece: &Piece| matches!(piece.period, Period::Year(_));
        let years_end = self
            .pieces
            .iter()
            .rposition(years)
            .map_or(SINGLE_BARS, |last| last + 1);
        if self.pieces.len() <= years_end + kept_at_end {
            return;
        }
        let oldest = self.pieces.remove(years_end);
        let Period::Day(date) = oldest.period else {
            return;
        };
        let year = Piece {
            period: Period::Year(date.year()),
            ..oldest
        };
        match self.pieces[..years_end].last_mut() {
            Some(last) if last.period == year.period => last.merge(&year),
            _ => self.pieces.insert(years_end, year),
        }
    }

    /// The period that a bar of `day` belongs to by these pieces: a day of its own near the ends, else its year.
    pub(crate) fn period_of(&self, day: Date) -> Period {
        let years = |piece: &Piece| matches!(piece.period, Period::Year(_));
        let (Some(first), Some(last)) = (
            self.pieces.iter().position(years),
            self.pieces.iter().rposition(years),
        ) else {
            return Period::Day(day);
        };
        let is_before = first > 0 && Period::Day(day) <= self.pieces[first - 1].period;
        let is_after = self
            .pieces
            .get(last + 1)
            .is_some_and(|next| Period::Day(day) >= next.period);
        if is_before || is_after {
            Period::Day(day)
        } else {
            Period::Year(day.year())
        }
    }

    /// Makes the pieces of these periods void: their bars are about to be emitted again.
    pub(crate) fn void(&mut self, periods: &[Period]) {
        for piece in self
            .pieces
            .iter_mut()
            .filter(|piece| periods.contains(&piece.period))
        {
            piece.digest = None;
        }
    }

    /// Reads what Display writes.
    pub(crate) fn parse(text: &str) -> Option<Digests> {
        let pieces = text
            .split_whitespace()
            .map(parse_piece)
            .collect::<Option<_>>()?;
        Some(Digests { pieces })
    }
}

/// The digests as they stand in a state: `2026-11-19=AbCdEfGh 2026=210*AbCdEfGh`, the number of bars where it is not one,
/// `?` where the piece is void.
impl fmt::Display for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (
            place,
            Piece {
                period,
                bars,
                digest,
            },
        ) in self.pieces.iter().enumerate()
        {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{period}=")?;
            if *bars != 1 {
                write!(f, "{bars}*")?;
            }
            match digest {
                Some(digest) => write!(f, "{digest}")?,
                None => f.write_str("?")?,
            }
        }
        Ok(())
    }
}

fn parse_piece(text: &str) -> Option<Piece> {
    let (period, rest) = text.split_once('=')?;
    let (bars, digest) = match rest.split_once('*') {
        Some((bars, digest)) => (bars.parse().ok()?, digest),
        None => (1, rest),
    };
    let digest = if digest == "?" {
        None
    } else {
        Some(Digest::parse(digest)?)
    };
    Some(Piece {
        period: Period::parse(period)?,
        bars,
        digest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn digest(values: u32) -> Digest {
        Digest::for_tests(values)
    }

    fn days_of_bars(count: u64) -> Digests {
        let mut digests = Digests::default();
        for number in 0..count {
            let day = crate::calendar::days_after(date("2023-06-01"), number);
            digests.append(day, digest(number as u32), Layout::Bars);
        }
        digests
    }

    #[test]
    fn the_first_and_last_ten_bars_stand_alone_and_years_between_them() {
        assert_eq!(days_of_bars(20).pieces().len(), 20);
        let digests = days_of_bars(700);
        let periods: Vec<_> = digests
            .pieces()
            .iter()
            .map(|piece| (piece.period, piece.bars))
            .collect();
        assert_eq!(periods.len(), 23);
        assert_eq!(periods[9], (Period::Day(date("2023-06-10")), 1));
        assert_eq!(
            periods[10..13],
            [
                (Period::Year(2023), 204),
                (Period::Year(2024), 366),
                (Period::Year(2025), 110)
            ]
        );
        assert_eq!(periods[22], (Period::Day(date("2025-04-30")), 1));
        let sum = (10..214).map(digest).reduce(Digest::plus);
        assert_eq!(digests.pieces()[10].digest, sum, "folded digests add up");
    }

    #[test]
    fn a_day_belongs_to_its_own_piece_near_the_ends_and_else_to_its_year() {
        let digests = days_of_bars(700);
        for (day, expected) in [
            ("2023-05-01", Period::Day(date("2023-05-01"))),
            ("2023-06-10", Period::Day(date("2023-06-10"))),
            ("2023-06-11", Period::Year(2023)),
            ("2024-02-29", Period::Year(2024)),
            ("2025-04-20", Period::Year(2025)),
            ("2025-04-21", Period::Day(date("2025-04-21"))),
            ("2025-05-30", Period::Day(date("2025-05-30"))),
        ] {
            assert_eq!(digests.period_of(date(day)), expected, "{day}");
        }
    }

    #[test]
    fn a_year_that_nothing_stands_before_has_all_its_days() {
        let digests = Digests::parse("2024=2*AAAAAAEA 2025-01-02=AAAAAAEA").unwrap();
        assert_eq!(digests.period_of(date("2024-01-01")), Period::Year(2024));
    }

    #[test]
    fn pieces_are_the_same_only_with_as_many_bars_and_a_digest() {
        let piece = |bars, digest| Piece {
            period: Period::Year(2024),
            bars,
            digest,
        };
        let known = piece(2, Some(digest(7)));
        for (other, expected) in [
            (piece(2, Some(digest(7))), true),
            (piece(3, Some(digest(7))), false),
            (piece(2, Some(digest(8))), false),
            (piece(2, None), false),
        ] {
            assert_eq!(known.is_same_as(&other), expected, "{other:?}");
        }
        assert!(!piece(2, None).is_same_as(&piece(2, None)));
    }

    #[test]
    fn of_sessions_the_last_two_are_kept_and_of_the_market_the_last_day() {
        for (layout, kept) in [(Layout::Sessions, 2), (Layout::LastDay, 1)] {
            let mut digests = Digests::default();
            for number in 0..9 {
                let day = crate::calendar::days_after(date("2026-03-02"), number / 3);
                digests.append(day, digest(1), layout);
            }
            assert_eq!(digests.pieces().len(), kept);
            assert_eq!(digests.pieces()[kept - 1].bars, 3);
        }
    }

    #[test]
    fn digests_are_read_as_they_are_written() {
        let mut digests = days_of_bars(400);
        digests.void(&[Period::Year(2023)]);
        let text = digests.to_string();
        assert!(
            text.starts_with("2023-06-01=AAAAAAEA 2023-06-02=")
                && text.contains(" 2023=204*? 2024="),
            "{text}"
        );
        assert_eq!(Digests::parse(&text), Some(digests));
        for broken in [
            "2023",
            "2023=",
            "x=AAAAAAEA",
            "2023=AAAA",
            "2023=-1*?",
            "2023-6-1=?",
            "0000=?",
        ] {
            assert_eq!(Digests::parse(broken), None, "{broken}");
        }
    }
}
