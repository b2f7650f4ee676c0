//! Compares what the API has of a ticker with the state's blocks: pure functions.

use chrono::Datelike;

use super::blocks::{Block, Contents, FirstBar};
use super::checksum::VERSION;
use super::chunk::{Chunk, DayOfBars};
use super::plan_start::{may_be_hidden, may_begin_within};
use super::state::TargetState;
use super::target::{Layout, Target};
use crate::calendar::{Date, DateRange, day_before};

/// How many bars of days and longer have blocks of their own at either end. The first ones make a split visible, and a
/// plan's history that moves on does not make a whole year look changed.
const INDIVIDUAL_BARS: usize = 10;

/// How what was emitted of some days differs from what the API has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// The days of the blocks that were compared; bars of other days were not emitted.
    pub(crate) known: Vec<DateRange>,
    /// The days of the blocks whose bars are to be emitted again.
    pub(crate) changed: Vec<DateRange>,
    /// The days of blocks whose beginning the plan no longer shows, so that they can't be compared.
    pub(crate) hidden: Vec<DateRange>,
    /// Blocks of which the API returns fewer bars than were emitted, and how many are missing.
    pub(crate) missing: Vec<(DateRange, u32)>,
    /// Whether history was restated, by a split for example, and is to be read again: the prices of the first two bars
    /// changed, of a block or of all blocks. One of a block's two may be gone; if it never had two, it was corrected.
    pub(crate) is_restated: bool,
}

/// The days whose blocks a response is compared with: the requested ones, and those before them that the plan no longer
/// includes: of a block, or, as every response has all bars of days and longer that the plan includes, of all blocks.
pub(crate) fn compared_days(target: &Target, state: &TargetState, requested: DateRange) -> DateRange {
    let last = state.cursor.map(|cursor| target.calendar.date(cursor));
    let first = if target.layout() == Layout::Sessions {
        state.block_of(requested.from).filter(|_| last.is_some_and(|last| requested.from <= last))
    } else {
        Some(0)
    };
    let first = first.and_then(|place| state.blocks.get(place)).map(|block| block.from);
    DateRange { from: first.map_or(requested.from, |first| first.min(requested.from)), ..requested }
}

/// Compares the blocks of the requested days with the bars that the API has of them; `fresh` are these bars by days, with
/// checksums of the current version.
pub(crate) fn compare(target: &Target, state: &TargetState, chunk: &Chunk, fresh: &[DayOfBars]) -> Comparison {
    let days = compared_days(target, state, chunk.days);
    let mut comparison = Comparison::default();
    let last_final_day = target.calendar.date(target.window.last_final_cursor);
    let mut all_changes = Vec::new();
    let mut older: Option<(u8, Vec<DayOfBars>)> = None;
    for (place, block) in state.blocks.iter().enumerate() {
        // A clock that was ahead can have left bars behind that are not final.
        if !days.contains(block.from) || block.from > last_final_day {
            continue;
        }
        let version = block.contents.version();
        let fresh = if version == VERSION {
            fresh
        } else {
            older = older.filter(|(known, _)| *known == version);
            &older.get_or_insert_with(|| (version, chunk.by_day(target.calendar, state.cursor, version))).1
        };
        let covered = covered(target, state, place, days.to);
        comparison.known.push(covered);
        let contents = known_contents(fresh, covered, version);
        let is_pending = state.backlog.contains(block.from);
        let begins_later = fresh.first().is_none_or(|fresh| block.from < fresh.day);
        let is_hidden = begins_later
            // A plan hides the beginning of a history.
            && (place == 0 || target.layout() != Layout::Sessions || may_begin_within(covered, target.window.today))
            && (may_be_hidden(block.from, target.window.today) || block.from < chunk.days.from)
            && contents.bars < block.contents.bars
            && first_minute(&contents) != first_minute(&block.contents);
        // If history is read again, what is left of the block is, too.
        if is_hidden && !is_pending {
            comparison.hidden.push(covered);
            continue;
        }
        if contents.bars < block.contents.bars && !is_hidden {
            comparison.missing.push((covered, block.contents.bars - contents.bars));
        }
        if contents != block.contents {
            comparison.changed.push(covered);
        }
        if !is_pending {
            let prices_at = |known: FirstBar| chunk.prices_at(target.calendar, covered, known.minute, version);
            let compared = block.contents.first().filter_map(|known| Some(prices_at(known)? != known.prices));
            let changes: Vec<bool> = compared.collect();
            let is_all = !changes.is_empty() && changes.iter().all(|changed| *changed);
            comparison.is_restated |= is_all && block.contents.bars > 1;
            all_changes.extend(changes);
        }
    }
    comparison.is_restated |= all_changes.starts_with(&[true, true]);
    if comparison.is_restated {
        // What is visible of these blocks has other prices, too.
        comparison.changed.append(&mut comparison.hidden);
    }
    comparison
}

/// The days of which a block has all bars that were emitted.
fn covered(target: &Target, state: &TargetState, place: usize, last_day: Date) -> DateRange {
    let days = state.days_of(place, last_day);
    if target.layout() == Layout::Sessions {
        // Bars of later months are new, whether they have no block yet or are to be emitted again.
        target.within_block(days)
    } else if state.blocks[place].is_day() {
        // Every response has all bars, so the days between two of them need no block.
        DateRange::day(days.from)
    } else {
        days.within_year()
    }
}

fn first_minute(contents: &Contents) -> Option<u16> {
    contents.first().next().map(|bar| bar.minute)
}

/// The bars of `days` that were emitted, as the API has them now.
fn known_contents(fresh: &[DayOfBars], days: DateRange, version: u8) -> Contents {
    let mut contents = Contents::empty(version);
    for fresh in fresh.iter().filter(|fresh| days.contains(fresh.day)) {
        contents.add_all(&fresh.known);
    }
    contents
}

/// The blocks for the bars of `days`, which were fetched today.
pub(crate) fn blocks_of(target: &Target, days: DateRange, fresh: &[DayOfBars]) -> Vec<Block> {
    if target.layout() != Layout::Sessions {
        return individual_bars_and_years(fresh);
    }
    let mut blocks: Vec<Block> = Vec::new();
    for fresh in fresh {
        let start = target.block_start(fresh.day);
        let is_first = blocks.last().is_none_or(|last| last.from < start);
        let from = if is_first { start.max(days.from) } else { fresh.day };
        blocks.push(Block { from, contents: fresh.all, verified: Some(target.window.today) });
    }
    blocks
}

fn individual_bars_and_years(fresh: &[DayOfBars]) -> Vec<Block> {
    let last_ones = fresh.len().saturating_sub(INDIVIDUAL_BARS).max(INDIVIDUAL_BARS);
    let mut blocks: Vec<Block> = Vec::new();
    let mut last_year = None;
    for (place, fresh) in fresh.iter().enumerate() {
        let year = fresh.day.year();
        let is_individual = place < INDIVIDUAL_BARS || place >= last_ones;
        match blocks.last_mut() {
            Some(block) if !is_individual && place > INDIVIDUAL_BARS && last_year == Some(year) => {
                block.contents.add_all(&fresh.all);
            }
            _ => {
                let mut block = Block { from: fresh.day, contents: fresh.all, verified: None };
                if !is_individual && last_year != Some(year) {
                    block.from = Date::from_ymd_opt(year, 1, 1).unwrap_or(fresh.day);
                }
                blocks.push(block);
            }
        }
        last_year = Some(year);
    }
    blocks
}

/// Merges the sessions of `days`, and those from `growth` on, into blocks of calendar months, except the last two of all.
/// Other blocks stay apart: bars that were read at another time can be on another price basis.
pub(crate) fn merge_sessions(target: &Target, state: &mut TargetState, days: DateRange, growth: Option<Date>) {
    if target.layout() != Layout::Sessions {
        return;
    }
    let joins = |day: Date| growth.is_none_or(|growth| day >= growth) || (days.from < day && day <= days.to);
    let older = state.blocks.len().saturating_sub(2);
    let mut merged: Vec<Block> = Vec::new();
    for (place, block) in state.blocks.iter().enumerate() {
        match merged.last_mut() {
            Some(months)
                if place < older
                    && joins(block.from)
                    && target.block_start(months.from) == target.block_start(block.from)
                    && months.contents.version() == block.contents.version()
                    && !state.backlog.contains(day_before(block.from))
                    && !state.backlog.contains(block.from)
                    && !state.backlog.contains(months.from) =>
            {
                months.contents.add_all(&block.contents);
                months.verified = months.verified.min(block.verified);
            }
            _ => merged.push(*block),
        }
    }
    state.blocks = merged;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::utc_midnight;
    use crate::config::Config;
    use crate::polygon::parse_bars;
    use crate::streams::Stream;
    use serde_json::json;

    const TODAY: &str = "2026-11-25";

    fn target(stream: &str) -> Target {
        let config =
            Config::from_value(json!({"stock_ticker": "T", "api_key": "none", "start_date": "2020-01-01"})).unwrap();
        let now = format!("{TODAY}T17:00:00Z").parse().unwrap();
        Target::all(Stream::by_name(stream).unwrap(), &config, now).remove(0)
    }

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    /// The state after these bars were emitted, each a day and a price.
    fn emitted(target: &Target, bars: &[(&str, f64)]) -> TargetState {
        let mut state = TargetState::starting(day("2020-01-01"), target.adjusted);
        let chunk = chunk(target, bars);
        let fresh = chunk.by_day(target.calendar, None, VERSION);
        state.replace(chunk.days, blocks_of(target, chunk.days, &fresh));
        merge_sessions(target, &mut state, chunk.days, None);
        state.cursor = chunk.bars().next_back().map(|bar| bar.cursor);
        state
    }

    fn chunk(target: &Target, bars: &[(&str, f64)]) -> Chunk {
        let row = |(date, price): &(&str, f64)| {
            let start = utc_midnight(day(date)) + 54_000_000;
            format!(r#"{{"v":100,"vw":{price},"o":{price},"c":{price},"h":{price},"l":{price},"t":{start},"n":7}}"#)
        };
        let rows: Vec<String> = bars.iter().map(row).collect();
        let (mut page, _) = parse_bars(format!(r#"{{"results":[{}]}}"#, rows.join(",")), false).unwrap();
        for bar in &mut page.rows {
            bar.cursor = target.calendar.timespan.cursor(bar.cursor);
        }
        Chunk { days: DateRange { from: day("2020-01-01"), to: day(TODAY) }, pages: vec![page] }
    }

    fn compared(known: &[(&str, f64)], now: &[(&str, f64)]) -> (Vec<String>, bool, u32, usize) {
        compared_in("stock_prices", known, now)
    }

    fn compared_in(stream: &str, known: &[(&str, f64)], now: &[(&str, f64)]) -> (Vec<String>, bool, u32, usize) {
        let target = target(stream);
        let state = emitted(&target, known);
        let chunk = chunk(&target, now);
        let comparison = compare(&target, &state, &chunk, &chunk.by_day(target.calendar, state.cursor, VERSION));
        (
            comparison.changed.iter().map(DateRange::to_string).collect(),
            comparison.is_restated,
            comparison.missing.iter().map(|(_, bars)| bars).sum(),
            comparison.hidden.len(),
        )
    }

    const KNOWN: [(&str, f64); 3] = [("2026-01-05", 1.0), ("2026-01-06", 2.0), ("2026-01-07", 3.0)];

    #[test]
    fn two_bars_with_other_prices_are_a_restatement_and_one_is_a_correction() {
        let [first, second, third] = KNOWN;
        let changed = |bar: (&'static str, f64)| (bar.0, bar.1 / 2.0);
        for (now, days, is_restated) in [
            (vec![first, second, third], vec![], false),
            (vec![first, second, third, ("2026-01-08", 4.0)], vec![], false),
            (vec![changed(first), second, third], vec!["2026-01-05"], false),
            (vec![first, second, changed(third)], vec!["2026-01-07"], false),
            (vec![changed(first), changed(second), third], vec!["2026-01-05", "2026-01-06"], true),
            (vec![changed(second), changed(third)], vec!["2026-01-05", "2026-01-06", "2026-01-07"], true),
            (vec![first, ("2026-01-05", 9.0)], vec!["2026-01-05", "2026-01-06", "2026-01-07"], false),
        ] {
            let (found, restated, ..) = compared(&KNOWN, &now);
            assert_eq!((found, restated), (days.into_iter().map(str::to_owned).collect(), is_restated), "{now:?}");
        }
    }

    #[test]
    fn a_split_of_one_block_is_noticed_although_other_blocks_and_a_late_first_bar_do_not_show_it() {
        let hours = |days: &[(&'static str, f64)]| {
            let end = [("2026-11-23", 1.0), ("2026-11-24", 1.0)];
            [&[("2026-08-03", 1.0), ("2026-08-04", 1.0)], days, &end].concat()
        };
        let known = hours(&[("2026-09-02", 2.0), ("2026-09-03", 3.0)]);
        for (now, is_restated) in [
            (hours(&[("2026-09-02", 1.0), ("2026-09-03", 1.5)]), true),
            (hours(&[("2026-09-01", 9.0), ("2026-09-02", 1.0), ("2026-09-03", 1.5)]), true),
            (hours(&[("2026-09-02", 1.0)]), true),
            (hours(&[("2026-09-02", 2.0)]), false),
            (hours(&[("2026-09-01", 9.0), ("2026-09-02", 2.0), ("2026-09-03", 1.5)]), false),
        ] {
            let (changed, restated, ..) = compared_in("stock_prices_by_hour", &known, &now);
            assert_eq!((changed, restated), (vec!["2026-09-01 to 2026-10-31".to_owned()], is_restated), "{now:?}");
        }
    }

    #[test]
    fn a_late_bar_in_months_without_bars_is_no_correction_of_the_block_before_them() {
        let known = [("2026-06-03", 1.0), ("2026-06-04", 2.0), ("2026-11-23", 1.0), ("2026-11-24", 1.0)];
        let now = [known[0], known[1], ("2026-09-10", 3.0), known[2], known[3]];
        assert_eq!(compared_in("stock_prices_by_hour", &known, &now), (vec![], false, 0, 0));
    }

    #[test]
    fn bars_that_the_plan_hides_are_not_missing() {
        let old = [("2023-01-05", 1.0), ("2023-01-06", 2.0), ("2026-01-07", 3.0)];
        assert_eq!(compared(&old, &old[2..]), (vec![], false, 0, 2));
        assert_eq!(compared(&KNOWN, &KNOWN[2..]).2, 2, "the smallest plan shows these");
        assert_eq!(compared(&old, &old[..2]).2, 1, "only a history's beginning is hidden");
    }

    #[test]
    fn the_first_and_last_ten_bars_and_the_years_between_have_blocks() {
        let target = target("stock_prices");
        let days: Vec<String> =
            DateRange { from: day("2024-12-10"), to: day("2026-02-10") }.days().map(|day| day.to_string()).collect();
        let bars: Vec<_> = days.iter().map(|day| (day.as_str(), 1.0)).collect();
        let state = emitted(&target, &bars);
        let from = |place: usize| (state.blocks[place].from.to_string(), state.blocks[place].contents.bars);
        assert_eq!(state.blocks.len(), 10 + 3 + 10);
        assert_eq!(from(10), ("2024-12-20".to_owned(), 12));
        assert_eq!(from(11), ("2025-01-01".to_owned(), 365));
        assert_eq!(from(12), ("2026-01-01".to_owned(), 31));
    }

    #[test]
    fn sessions_join_blocks_of_two_months_except_the_last_two() {
        let target = target("stock_prices_by_hour");
        let bars = [
            ("2026-08-03", 1.0),
            ("2026-08-31", 2.0),
            ("2026-09-01", 3.0),
            ("2026-10-30", 4.0),
            ("2026-11-02", 5.0),
            ("2026-11-03", 6.0),
        ];
        let state = emitted(&target, &bars);
        let blocks: Vec<_> = state.blocks.iter().map(|block| (block.from.to_string(), block.contents.bars)).collect();
        let expected = [("2026-07-01", 2), ("2026-09-01", 2), ("2026-11-01", 1), ("2026-11-03", 1)];
        assert_eq!(blocks, expected.map(|(from, bars)| (from.to_owned(), bars)));
    }
}
