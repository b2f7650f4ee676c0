//! What the state remembers of emitted bars: blocks of consecutive days, each with a checksum.
//!
//! As text, a block is `20241202=210*AbCd…@20261119`: its first day, the number of bars if it is not one, the checksum (with
//! `~1` if its version is 1 and the state's another one), and the day on which an older block was last verified.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::checksum::{BarChecksum, VERSION};
use crate::calendar::{Date, utc_midnight};

const MINUTE_MS: i64 = 60_000;

/// One of the first two bars of a block, by which a split is distinguished from a correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FirstBar {
    /// The minute in which it begins, modulo 65,536.
    pub(crate) minute: u16,
    /// The checksum of its prices.
    pub(crate) prices: u16,
}

/// The number of bars, and their checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) bars: u32,
    values: u32,
    first: [Option<FirstBar>; 2],
    version: u8,
}

impl Contents {
    /// No bars yet; checksums are of `version`.
    pub(crate) fn empty(version: u8) -> Contents {
        Contents { bars: 0, values: 0, first: [None; 2], version }
    }

    /// Adds a bar that is later than all others.
    pub(crate) fn add(&mut self, cursor: i64, checksum: BarChecksum) {
        self.bars = self.bars.saturating_add(1);
        self.values = self.values.wrapping_add(checksum.values);
        let first = FirstBar { minute: minute_of(cursor), prices: checksum.prices };
        self.push_first(first);
    }

    /// Adds bars that are later than all others and have checksums of the same version.
    pub(crate) fn add_all(&mut self, later: &Contents) {
        self.bars = self.bars.saturating_add(later.bars);
        self.values = self.values.wrapping_add(later.values);
        later.first.into_iter().flatten().for_each(|first| self.push_first(first));
    }

    fn push_first(&mut self, bar: FirstBar) {
        if let Some(free) = self.first.iter_mut().find(|first| first.is_none()) {
            *free = Some(bar);
        }
    }

    /// The first two bars.
    pub(crate) fn first(&self) -> impl Iterator<Item = FirstBar> {
        self.first.into_iter().flatten()
    }

    /// The version of the checksums.
    pub(crate) fn version(&self) -> u8 {
        self.version
    }

    /// Whether it is one bar, which begins with `day`.
    fn is_bar_of(&self, day: Date) -> bool {
        self.bars == 1 && self.first[0].is_some_and(|bar| bar.minute == first_minute(day))
    }

    fn encode(&self, from: Date) -> String {
        let mut bytes = self.values.to_le_bytes().to_vec();
        for bar in self.first() {
            bytes.extend(bar.prices.to_le_bytes());
            // The one bar of a day begins with the day.
            if !self.is_bar_of(from) {
                bytes.extend(bar.minute.to_le_bytes());
            }
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str, bars: u32, version: u8, from: Date) -> Option<Contents> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (values, first_bars) = bytes.split_first_chunk::<4>()?;
        let mut contents = Contents { bars, values: u32::from_le_bytes(*values), ..Contents::empty(version) };
        let numbers = first_bars.chunks(2).map(|bytes| Some(u16::from_le_bytes(bytes.try_into().ok()?)));
        for pair in numbers.collect::<Option<Vec<_>>>()?.chunks(2) {
            let (prices, minute) = match *pair {
                [prices, minute] => (prices, minute),
                [prices] if bars == 1 => (prices, first_minute(from)),
                _ => return None,
            };
            contents.push_first(FirstBar { minute, prices });
        }
        let expected = 2.min(bars as usize);
        (contents.first().count() == expected).then_some(contents)
    }
}

/// The minute in which a bar begins, modulo 65,536.
pub(crate) fn minute_of(cursor: i64) -> u16 {
    cursor.div_euclid(MINUTE_MS) as u16
}

fn first_minute(day: Date) -> u16 {
    minute_of(utc_midnight(day))
}

/// Consecutive days with the bars that were emitted of them. A block reaches to the day before the next block, or before
/// the next range of the backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its first day.
    pub(crate) from: Date,
    /// The checksum and the first bars of what was emitted.
    pub(crate) contents: Contents,
    /// The market's day on which it was last compared with the API; `None` if that has to happen as soon as possible,
    /// and for blocks that are compared on every sync.
    pub(crate) verified: Option<Date>,
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.from.format("%Y%m%d"))?;
        if self.contents.bars != 1 {
            write!(f, "{}*", self.contents.bars)?;
        }
        f.write_str(&self.contents.encode(self.from))?;
        if self.contents.version != VERSION {
            write!(f, "~{}", self.contents.version)?;
        }
        match self.verified {
            Some(day) => write!(f, "@{}", day.format("%Y%m%d")),
            None => Ok(()),
        }
    }
}

impl Block {
    /// Whether it is the one bar of a day, week or month.
    pub(crate) fn is_day(&self) -> bool {
        self.contents.is_bar_of(self.from)
    }

    /// Reads what Display writes; `version` is the one of checksums that do not name theirs.
    pub(crate) fn parse(text: &str, version: u8) -> Option<Block> {
        let (from, rest) = text.split_once('=')?;
        let from = parse_compact_date(from)?;
        let (rest, verified) = match rest.split_once('@') {
            Some((rest, day)) => (rest, Some(parse_compact_date(day)?)),
            None => (rest, None),
        };
        let (rest, version) = match rest.split_once('~') {
            Some((rest, version)) => (rest, version.parse().ok()?),
            None => (rest, version),
        };
        let (bars, checksum) = match rest.split_once('*') {
            Some((bars, checksum)) => (bars.parse().ok()?, checksum),
            None => (1, rest),
        };
        let contents = Contents::decode(checksum, bars, version, from)?;
        (1..=VERSION).contains(&version).then_some(Block { from, contents, verified })
    }
}

fn parse_compact_date(text: &str) -> Option<Date> {
    let is_compact = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    Date::parse_from_str(text, "%Y%m%d").ok().filter(|_| is_compact)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(values: u32, prices: u16) -> BarChecksum {
        BarChecksum { values, prices }
    }

    #[test]
    fn blocks_are_the_same_after_they_were_written_and_read() {
        let from = Date::from_ymd_opt(2024, 12, 2).unwrap();
        let midnight = utc_midnight(from);
        for cursors in [
            &[][..],
            &[midnight],
            &[midnight + 34_200_000],
            &[midnight, midnight + 60_000],
            &[midnight + 60_000, midnight + 120_000, midnight + 86_400_000],
        ] {
            let mut contents = Contents::empty(1);
            for (place, cursor) in cursors.iter().enumerate() {
                contents.add(*cursor, bar(u32::MAX - place as u32, 40_000 + place as u16));
            }
            for verified in [None, Date::from_ymd_opt(2026, 11, 19)] {
                let block = Block { from, contents, verified };
                assert_eq!(Block::parse(&block.to_string(), VERSION), Some(block), "{block}");
            }
        }
    }

    #[test]
    fn contents_add_up_however_the_bars_are_divided() {
        let bars: Vec<_> = (0..5_u32).map(|n| (i64::from(n) * 60_000, bar(n * n + 7, n as u16))).collect();
        let sum = |bars: &[(i64, BarChecksum)]| {
            let mut contents = Contents::empty(1);
            for (cursor, checksum) in bars {
                contents.add(*cursor, *checksum);
            }
            contents
        };
        for cut in 0..=5 {
            let mut whole = sum(&bars[..cut]);
            whole.add_all(&sum(&bars[cut..]));
            assert_eq!(whole, sum(&bars), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for text in [
            "",
            "20241202",
            "20241202=",
            "2024122=AAAAAAAA",
            "20241301=AAAAAAAA",
            "20241202=2*AAAAAAAA",
            "20241202=0*AAAAAAAA",
            "20241202=x*AAAAAAAA",
            "20241202=AAAAAAAA~9",
            "20241202=AAAAAAAA@1",
            "20241202=!!!!",
        ] {
            assert_eq!(Block::parse(text, VERSION), None, "{text}");
        }
    }

    #[test]
    fn a_checksum_that_names_no_version_has_the_one_of_the_state() {
        let parse = Block::parse;
        assert_eq!(parse("20241202=AAAAAAAA", VERSION + 1), None, "of a later version");
        assert!(parse("20241202=AAAAAAAA~1@20261119", VERSION + 1).is_some());
        assert_eq!(parse("20241202=AAAAAAAA~1", VERSION + 1), parse("20241202=AAAAAAAA", 1));
        let block = Block { contents: Contents::empty(VERSION + 1), ..parse("20241202=AAAAAAAA", 1).unwrap() };
        assert!(block.to_string().ends_with(&format!("~{}", VERSION + 1)), "{block}");
    }
}
