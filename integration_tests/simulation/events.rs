//! What happens between syncs: to the market, to the plan's responses, and to the settings.

use super::days::{Day, HOUR, MINUTE, Zone, is_weekday, tell, tell_day};
use super::grouped::BadDay;
use super::history::Player;
use super::market::{Split, Ticker};
use super::steps::{Field, KnownFrom, Pick, Step};
use super::sync::Settings;
use super::world::ALWAYS_TRADED;

impl Player<'_> {
    /// Applies a step that is not a sync, and describes it.
    pub fn happen(&mut self, step: &Step) -> String {
        let runner = self.runner;
        let mut api = runner.api();
        let now = self.world.now;
        let today = Zone::NewYork.day_at(now);
        for ticker in step.touched(self.setup.tickers.len()) {
            for series in &mut self.world.series {
                series[ticker].is_touched = true;
            }
        }
        match *step {
            Step::Wait(minutes) => {
                // A split that became known during the last sync stays known.
                self.world.now = now.max(now - now.rem_euclid(MINUTE) + minutes * MINUTE + 17_000);
                format!("{minutes} minutes pass")
            }
            Step::NextDay(minutes) => {
                self.world.now = Zone::NewYork.midnight(today + 1) + minutes * MINUTE + 17_000;
                format!("the next day comes: {}", tell(self.world.now))
            }
            Step::Correct { ticker, pick, field, by } => {
                let floor = api.market.floor(api.market.tickers[ticker].zone, now);
                let ticker_of = &mut api.market.tickers[ticker];
                let Some(start) = ticker_of.pick(pick, floor, now) else {
                    return "nothing to correct".to_owned();
                };
                let bar = ticker_of.bars.get_mut(&start).expect("picked");
                self.world.corrections.push((ticker, start, *bar));
                let by = f64::from(by) / 100.0;
                match field {
                    Field::Open => bar.open += by,
                    Field::Close => bar.close += by,
                    Field::Volume => bar.volume += by,
                    Field::Vwap => bar.vwap += by,
                    Field::Trades => bar.trades += 1,
                }
                format!("{field:?} of {} at {} is corrected", ticker_of.name, tell(start))
            }
            Step::TakeBack => {
                let Some((ticker, start, bar)) = self.world.corrections.pop() else {
                    return "no correction to take back".to_owned();
                };
                let ticker = &mut api.market.tickers[ticker];
                if let Some(place) = ticker.bars.get_mut(&start) {
                    *place = bar;
                }
                format!("the correction of {} at {} is taken back", ticker.name, tell(start))
            }
            Step::Lapse => {
                (api.market.plan.years, api.market.plan.shows_today) = (Some(2), false);
                "the plan shows only two years, without today".to_owned()
            }
            Step::SetBack(days) => {
                self.world.now = Zone::NewYork.midnight(today - days) + HOUR;
                format!("the clock is set back to {}", tell(self.world.now))
            }
            Step::BadDay { days_ago, is_empty, requests } => {
                let mut day: Day = today - days_ago;
                while !is_weekday(day) {
                    day -= 1;
                }
                api.bad_days.push(BadDay { day, is_empty, left: requests });
                let what = if is_empty { "empty" } else { "a third" };
                format!("the whole market of {} is {what} for {requests} requests", tell_day(day))
            }
            Step::Split { ticker, .. } | Step::Unsplit { ticker } | Step::Redate { ticker, .. } => {
                api.market.tickers[ticker].change_splits(step, now)
            }
            Step::Settle { ticker }
            | Step::Late { ticker, .. }
            | Step::Remove { ticker, .. }
            | Step::Delist { ticker } => {
                let floor = api.market.floor(api.market.tickers[ticker].zone, now);
                api.market.tickers[ticker].change_bars(step, floor, now)
            }
            _ => self.world.settings.change(step, today, &self.setup.tickers),
        }
    }
}

impl Step {
    /// The tickers to which something happens that is no split and no mere passing of time.
    fn touched(&self, tickers: usize) -> std::ops::Range<usize> {
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

impl Settings {
    /// Changes a setting, and describes the change.
    fn change(&mut self, step: &Step, today: Day, names: &[&str]) -> String {
        match *step {
            Step::Start(days_ago) => {
                self.start = days_ago.map(|days| today - days);
                self.end = self.end.filter(|end| self.start.is_none_or(|start| start <= *end));
                format!("start_date is {}", tell_setting(self.start))
            }
            Step::End(days_ago) => {
                let end = days_ago.map(|days| today - days);
                self.end = end.map(|end| self.start.map_or(end, |start| end.max(start)));
                format!("end_date is {}", tell_setting(self.end))
            }
            Step::ToggleAdjusted => {
                self.adjusted = !self.adjusted;
                format!("adjusted is {}", self.adjusted)
            }
            Step::AddTicker(ticker) => {
                if !self.tickers.contains(&ticker) {
                    self.tickers.push(ticker);
                }
                format!("{} is added", names[ticker])
            }
            Step::RemoveTicker(ticker) => {
                if self.tickers.len() > 1 {
                    self.tickers.retain(|other| *other != ticker);
                }
                format!("{} is removed", names[ticker])
            }
            _ => unreachable!("no setting"),
        }
    }
}

impl Ticker {
    /// Changes several bars, and describes the change.
    fn change_bars(&mut self, step: &Step, floor: i64, now: i64) -> String {
        match *step {
            Step::Settle { .. } => {
                let Some(last) = self.pick(Pick::Last(0), i64::MIN, now) else {
                    return "nothing to settle".to_owned();
                };
                let day = self.zone.day_at(last);
                let session = self.zone.midnight(day)..=last;
                for (_, bar) in self.bars.range_mut(session) {
                    bar.volume += 3.0;
                    bar.trades += 1;
                }
                format!("volumes of {} on {} settle", self.name, tell_day(day))
            }
            Step::Late { pick, count, .. } => {
                let starts = self.pick_some(pick, count, i64::MIN, now, true);
                for start in &starts {
                    let bar = self.hidden.remove(start).expect("picked");
                    self.bars.insert(*start, bar);
                }
                format!("bars of {} come late: {}", self.name, tell_all(&starts))
            }
            // Its bars show which days are holidays of the whole market.
            Step::Remove { .. } | Step::Delist { .. } if self.name == ALWAYS_TRADED => {
                format!("{} keeps its bars", self.name)
            }
            Step::Remove { pick, count, .. } => {
                let starts = self.pick_some(pick, count, floor, now, false);
                for start in &starts {
                    let bar = self.bars.remove(start).expect("picked");
                    self.hidden.insert(*start, bar);
                }
                format!("bars of {} vanish: {}", self.name, tell_all(&starts))
            }
            Step::Delist { .. } => {
                self.bars.retain(|start, _| *start < now);
                self.hidden.retain(|start, _| *start < now);
                format!("{} has no more bars", self.name)
            }
            _ => unreachable!("no change of bars"),
        }
    }

    /// Changes the splits, and describes the change.
    fn change_splits(&mut self, step: &Step, now: i64) -> String {
        match *step {
            Step::Split { in_days, ratio, known, .. } => {
                if self.name.contains(':') {
                    return format!("{} knows no splits", self.name);
                }
                let first_day = Zone::NewYork.day_at(now) + in_days;
                let known_from = match known {
                    KnownFrom::Now => now,
                    KnownFrom::Midnight => Zone::NewYork.midnight(first_day).max(now),
                    KnownFrom::Evening => (Zone::NewYork.midnight(first_day) - 4 * HOUR).max(now),
                };
                self.splits.push(Split { first_day, ratio, known_from, known_until: i64::MAX });
                format!(
                    "{} is split {ratio}:1, first day {}, known from {}",
                    self.name,
                    tell_day(first_day),
                    tell(known_from)
                )
            }
            Step::Unsplit { .. } => {
                let Some(split) = self.splits.iter_mut().rev().find(|split| split.known_until == i64::MAX) else {
                    return "no split to remove".to_owned();
                };
                split.known_until = now;
                format!("the split of {} on {} is removed", self.name, tell_day(split.first_day))
            }
            Step::Redate { days, .. } => {
                let Some(split) = self.splits.last_mut() else {
                    return "no split to date back".to_owned();
                };
                split.first_day -= days;
                format!("the split of {} is dated back to {}", self.name, tell_day(split.first_day))
            }
            _ => unreachable!("no split"),
        }
    }

    /// A bar that is there, from some moment on and before another.
    fn pick(&self, pick: Pick, from: i64, to: i64) -> Option<i64> {
        self.pick_some(pick, 1, from, to, false).first().copied()
    }

    /// Neighbouring bars, shown or hidden ones.
    fn pick_some(&self, pick: Pick, count: usize, from: i64, to: i64, hidden: bool) -> Vec<i64> {
        let bars = if hidden { &self.hidden } else { &self.bars };
        let starts: Vec<i64> = bars.range(from.min(to)..to).map(|(start, _)| *start).collect();
        let last = starts.len().saturating_sub(1);
        let first = match pick {
            Pick::First(number) => number.min(last),
            Pick::Last(number) => last.saturating_sub(number),
            Pick::Any(place) => last * place / 1000,
        };
        starts.into_iter().skip(first).take(count).collect()
    }
}

fn tell_all(starts: &[i64]) -> String {
    let told: Vec<String> = starts.iter().take(8).map(|start| tell(*start)).collect();
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

fn tell_setting(day: Option<Day>) -> String {
    day.map_or("not set".to_owned(), tell_day)
}
