//! What happens between syncs: to the market, to the plan's responses, and to the settings.

use std::collections::BTreeMap;
use std::ops::Range;

use super::api::BadDay;
use super::days::{Day, HOUR, MINUTE, Zone, is_weekday};
use super::history::Player;
use super::market::{Bar, Split, Ticker};
use super::steps::{Field, KnownFrom, Pick, Step};
use super::world::ALWAYS_TRADED;

impl Player<'_> {
    /// Applies a step that is not a sync; returns where the bars begin that it changes.
    pub fn happen(&mut self, step: &Step) -> Vec<i64> {
        let mut api = self.api.lock().expect("no panic");
        let now = self.world.now;
        let today = Zone::NewYork.day_at(now);
        for ticker in step.touched(self.setup.tickers.len()) {
            for series in &mut self.world.series {
                series[ticker].is_touched = true;
            }
        }
        let settings = &mut self.world.settings;
        match *step {
            Step::Wait(minutes) => {
                // A split that became known during the last sync stays known.
                self.world.now = now.max(now - now.rem_euclid(MINUTE) + minutes * MINUTE + 17_000);
            }
            Step::NextDay(minutes) => {
                self.world.now = Zone::NewYork.midnight(today + 1) + minutes * MINUTE + 17_000;
            }
            Step::SetBack(days) => self.world.now = Zone::NewYork.midnight(today - days) + HOUR,
            Step::Lapse => (api.market.plan.years, api.market.plan.shows_today) = (Some(2), false),
            Step::BadDay { days_ago, is_empty, requests } => {
                let mut day: Day = today - days_ago;
                while !is_weekday(day) {
                    day -= 1;
                }
                api.bad_days.push(BadDay { day, is_empty, left: requests });
            }
            Step::TakeBack => {
                if let Some((ticker, start, bar)) = self.world.corrections.pop() {
                    api.market.tickers[ticker].bars.entry(start).and_modify(|place| *place = bar);
                    return vec![start];
                }
            }
            Step::Correct { ticker, .. }
            | Step::Settle { ticker }
            | Step::Late { ticker, .. }
            | Step::Remove { ticker, .. }
            | Step::Delist { ticker } => {
                let floor = api.market.floor(api.market.tickers[ticker].zone, now);
                let changed = api.market.tickers[ticker].change_bars(step, floor, now);
                if matches!(step, Step::Correct { .. }) {
                    self.world.corrections.extend(changed.iter().map(|(start, bar)| (ticker, *start, *bar)));
                }
                return changed.into_iter().map(|(start, _)| start).collect();
            }
            Step::Split { ticker, .. } | Step::Unsplit { ticker } | Step::Redate { ticker, .. } => {
                api.market.tickers[ticker].change_splits(step, now);
            }
            Step::Start(days_ago) => {
                settings.start = days_ago.map(|days| today - days);
                settings.end = settings.end.filter(|end| settings.start.is_none_or(|start| start <= *end));
            }
            Step::End(days_ago) => {
                let end = days_ago.map(|days| today - days);
                settings.end = end.map(|end| settings.start.map_or(end, |start| end.max(start)));
            }
            Step::ToggleAdjusted => settings.adjusted = !settings.adjusted,
            Step::AddTicker(ticker) if settings.tickers.contains(&ticker) => {}
            Step::AddTicker(ticker) => settings.tickers.push(ticker),
            Step::RemoveTicker(ticker) if settings.tickers.len() > 1 => {
                settings.tickers.retain(|other| *other != ticker);
            }
            Step::RemoveTicker(_) => {}
            Step::Sync { .. } => unreachable!("a sync is played"),
        }
        Vec::new()
    }
}

impl Step {
    /// The tickers to which something happens that is no split and no mere passing of time.
    fn touched(&self, tickers: usize) -> Range<usize> {
        match *self {
            Step::Correct { ticker, .. }
            | Step::Settle { ticker }
            | Step::Late { ticker, .. }
            | Step::Remove { ticker, .. }
            | Step::Unsplit { ticker }
            | Step::Redate { ticker, .. }
            | Step::Delist { ticker } => ticker..ticker + 1,
            Step::Wait(_) | Step::NextDay(_) | Step::Split { .. } | Step::Sync { .. } => 0..0,
            _ => 0..tickers,
        }
    }
}

impl Ticker {
    /// Changes bars; returns those that were picked, as they were.
    fn change_bars(&mut self, step: &Step, floor: i64, now: i64) -> Vec<(i64, Bar)> {
        match *step {
            Step::Correct { pick, field, by, .. } => {
                let picked = pick.bars(&self.bars, 1, floor..now);
                for (start, bar) in &picked {
                    self.bars.insert(*start, bar.corrected(field, f64::from(by) / 100.0));
                }
                picked
            }
            Step::Settle { .. } => {
                let picked = Pick::Last(0).bars(&self.bars, 1, i64::MIN..now);
                if let Some((last, _)) = picked.first() {
                    let session = self.zone.midnight(self.zone.day_at(*last))..=*last;
                    for (_, bar) in self.bars.range_mut(session) {
                        bar.volume += 3.0;
                        bar.trades += 1;
                    }
                }
                picked
            }
            Step::Late { pick, count, .. } => {
                let picked = pick.bars(&self.hidden, count, i64::MIN..now);
                self.hidden.retain(|start, _| !picked.iter().any(|(late, _)| late == start));
                self.bars.extend(picked.iter().copied());
                picked
            }
            // Its bars show which days are holidays of the whole market.
            _ if self.name == ALWAYS_TRADED => Vec::new(),
            Step::Remove { pick, count, .. } => {
                let picked = pick.bars(&self.bars, count, floor..now);
                self.bars.retain(|start, _| !picked.iter().any(|(removed, _)| removed == start));
                self.hidden.extend(picked.iter().copied());
                picked
            }
            _ => {
                self.bars.retain(|start, _| *start < now);
                self.hidden.retain(|start, _| *start < now);
                Vec::new()
            }
        }
    }

    fn change_splits(&mut self, step: &Step, now: i64) {
        match *step {
            Step::Split { in_days, ratio, known, .. } if !self.name.contains(':') => {
                let first_day = Zone::NewYork.day_at(now) + in_days;
                let midnight = Zone::NewYork.midnight(first_day);
                let known_from = match known {
                    KnownFrom::Now => now,
                    KnownFrom::Midnight => midnight.max(now),
                    KnownFrom::Evening => (midnight - 4 * HOUR).max(now),
                };
                self.splits.push(Split { first_day, ratio, known_from, known_until: i64::MAX });
            }
            Step::Unsplit { .. } => {
                if let Some(split) = self.splits.iter_mut().rev().find(|split| split.known_until == i64::MAX) {
                    split.known_until = now;
                }
            }
            Step::Redate { days, .. } => {
                if let Some(split) = self.splits.last_mut() {
                    split.first_day -= days;
                }
            }
            _ => {}
        }
    }
}

impl Bar {
    fn corrected(mut self, field: Field, by: f64) -> Bar {
        match field {
            Field::Open => self.open += by,
            Field::Close => self.close += by,
            Field::Volume => self.volume += by,
            Field::Vwap => self.vwap += by,
            Field::Trades => self.trades += 1,
        }
        self
    }
}

impl Pick {
    /// Neighbouring bars.
    fn bars(self, bars: &BTreeMap<i64, Bar>, count: usize, within: Range<i64>) -> Vec<(i64, Bar)> {
        let bars = bars.range(within.start.min(within.end)..within.end);
        let bars: Vec<(i64, Bar)> = bars.map(|(start, bar)| (*start, *bar)).collect();
        let last = bars.len().saturating_sub(1);
        let first = match self {
            Pick::First(number) => number.min(last),
            Pick::Last(number) => last.saturating_sub(number),
            Pick::Any(place) => last * place / 1000,
        };
        bars.into_iter().skip(first).take(count).collect()
    }
}
