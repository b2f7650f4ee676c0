//! What must hold of splits and dividends after a sync. They are compared with the last pass over the API's pages: the
//! connector reads them a second time if most tickers are missing, and warns if it believes neither.

use std::collections::{BTreeMap, BTreeSet};

use super::actions::Read;
use super::days::{Day, Zone, years_before};
use super::history::{Player, Run};
use super::market::{Row, Rows};
use super::output::Line;
use super::series::{Known, Series};
use super::steps::Fault;

/// A plan's history may begin this many days later than two years ago.
const MARGIN: Day = 14;

static NONE: Rows = Rows::new();

impl Read {
    fn events_of(&self, ticker: usize) -> &Rows {
        self.events.get(&ticker).unwrap_or(&NONE)
    }

    fn has(&self, ticker: usize) -> bool {
        self.events.contains_key(&ticker)
    }

    /// The first day of all events.
    fn first_day(&self) -> Option<Day> {
        self.events.values().flat_map(Rows::values).filter_map(day_of).min()
    }
}

fn day_of(row: &Row) -> Option<Day> {
    match row {
        Row::Event(event) => event.day,
        Row::Bar(_) => None,
    }
}

/// The known events that were not returned: the days of those that have aged out, and the number of the others.
fn gone(known: &Rows, returned: &Rows, floor: Day) -> (BTreeSet<Day>, usize) {
    let gone = known.iter().filter(|(id, _)| !returned.contains_key(id)).map(|(_, row)| day_of(row));
    let (aged, cancelled): (Vec<_>, Vec<_>) = gone.partition(|day| day.is_some_and(|day| day < floor));
    (aged.into_iter().flatten().collect(), cancelled.len())
}

/// Whether nothing has changed, except that the events of one day have aged out.
fn is_same(known: &Rows, returned: &Rows, floor: Day) -> bool {
    let (aged, cancelled) = gone(known, returned, floor);
    aged.len() <= 1 && cancelled == 0 && returned.iter().all(|(id, row)| known.get(id) == Some(row))
}

/// Whether fewer than half of the known tickers were returned; `None` if it depends on what the STATE knows exactly, or on
/// what has aged out: if nothing older than two years was returned, the plan may have become a smaller one.
fn is_short(read: &Read, known: &[(usize, &Known)], floor: Day, two_years_ago: Day) -> Option<bool> {
    let first = read.first_day();
    let is_young = first.is_none_or(|first| first >= two_years_ago);
    let floor = if is_young { two_years_ago + MARGIN } else { floor };
    let (mut found, mut expected, mut maybe_found, mut maybe_absent) = (0, 0, 0, 0);
    for (ticker, known) in known {
        let days: BTreeSet<Day> = known.events.values().filter_map(day_of).collect();
        let may_have_aged_out =
            days.first().is_some_and(|day| *day < floor || (days.len() == 1 && Some(*day) <= first));
        match read.has(*ticker) {
            true if known.in_backlog => maybe_found += 1,
            false if known.in_backlog || may_have_aged_out => maybe_absent += 1,
            _ if known.events.is_empty() => {}
            is_found => (found, expected) = (found + usize::from(is_found), expected + 1),
        }
    }
    let is_surely_short = 2 * (found + maybe_found) < expected + maybe_found;
    let is_surely_whole = 2 * found >= expected + maybe_absent;
    (is_surely_short != is_surely_whole).then_some(is_surely_short)
}

impl Player<'_> {
    fn reads_events_of(&self, slot: usize, ticker: usize) -> bool {
        let reads_all = self.setup.streams[slot].reads_all;
        (reads_all || self.world.settings.tickers.contains(&ticker)) && !self.setup.tickers[ticker].contains(':')
    }

    fn reads<'a>(&self, run: &'a Run, slot: usize) -> impl DoubleEndedIterator<Item = &'a Read> {
        let stream = self.setup.streams[slot];
        run.traffic.reads.iter().filter(|read| read.stream == stream.name)
    }

    /// The first warning of a stream with these words.
    fn warning<'a>(&self, run: &'a Run, slot: usize, words: &str) -> Option<&'a str> {
        let subject = format!("{}: ", self.setup.streams[slot].name);
        run.output.written.logs("WARN").into_iter().find(|text| text.starts_with(&subject) && text.contains(words))
    }

    /// What the STATE on this line of a run knows of each ticker.
    pub fn known_events(&self, run: &Run, slot: usize, place: usize) -> Vec<Known> {
        let lines = &run.output.lines;
        let ticker_of = |line: &Line| match line {
            Line::Record { slot: of, key, .. } if *of == slot => Some(key.0),
            _ => None,
        };
        let series = &self.world.series[slot];
        let is_again = |line: &Line| ticker_of(line).is_some_and(|ticker| series[ticker].known.is_compared());
        let is_state = |line: &Line| matches!(line, Line::State { slot: of, .. } if *of == slot);
        let next_state = lines.iter().skip(place + 1).position(is_state).map(|after| place + 1 + after);
        let first_again = lines.iter().position(is_again);
        // The last STATE before events come again has all tickers that differ in the backlog.
        let has_backlog = first_again.is_some_and(|first| next_state.is_none_or(|next| first < next));
        let is_believed = self.warning(run, slot, "of only").is_none();
        let is_last = next_state.is_none() && is_believed && run.output.completes(slot);
        let known = |(ticker, series): (usize, &Series)| {
            let mut known = series.known.clone();
            if !self.reads_events_of(slot, ticker) {
                return known;
            }
            let read = self.reads(run, slot).rfind(|read| is_last || read.has(ticker));
            let returned = read.map_or(&NONE, |read| read.events_of(ticker));
            if is_last || lines[..place].iter().any(|line| ticker_of(line) == Some(ticker)) {
                (known.events, known.in_backlog) = (returned.clone().into(), false);
            } else if has_backlog && *known.events != *returned {
                known.in_backlog = true;
            }
            known
        };
        series.iter().enumerate().map(known).collect()
    }

    /// Checks a stream of splits or dividends after a run, and learns from it.
    pub fn check_events(&mut self, run: &Run, slot: usize, succeeded: bool) -> Result<(), String> {
        let years = self.api().market.plan.years;
        let today = Zone::NewYork.day_at(run.finished);
        let floor = years.map_or(Day::MIN, |years| years_before(today, years));
        self.check_emitted_events(run, slot, floor)?;
        if !succeeded {
            return Ok(());
        }
        let tickers = (0..self.setup.tickers.len()).filter(|ticker| self.reads_events_of(slot, *ticker));
        let known: Vec<(usize, &Known)> =
            tickers.map(|ticker| (ticker, &self.world.series[slot][ticker].known)).collect();
        match self.reads(run, slot).next_back() {
            Some(last) if self.check_reads(run, slot, &known, floor)? => {
                self.check_returned(run, slot, &known, last, floor)?;
            }
            None if !known.is_empty() => return Err("nothing was requested".to_owned()),
            _ => {}
        }
        let last = self.world.tables[slot].checkpoints.last().expect("every run writes a STATE");
        for (series, known) in self.world.series[slot].iter_mut().zip(&last.known) {
            series.known = known.clone();
        }
        for line in &run.output.lines {
            if let Line::Record { slot: of, key, .. } = line
                && *of == slot
            {
                self.world.series[slot][key.0].suspects.remove(&key.1);
            }
        }
        Ok(())
    }

    /// Every record is an event as it was returned, of a ticker of which something has changed; a STATE says so before.
    fn check_emitted_events(&self, run: &Run, slot: usize, floor: Day) -> Result<(), String> {
        let (mut emitted, mut has_state) = (BTreeMap::<usize, _>::new(), false);
        for line in &run.output.lines[..run.lines] {
            match line {
                Line::State { slot: of, .. } if *of == slot => has_state = true,
                Line::Record { slot: of, key, row } if *of == slot => {
                    let name = || format!("the event {} of {}", key.1, self.setup.tickers[key.0]);
                    let Some(read) = self.reads(run, slot).rfind(|read| read.events_of(key.0).get(&key.1) == Some(row))
                    else {
                        return Err(format!("{} was not returned like that: {row:?}", name()));
                    };
                    let known = &self.world.series[slot][key.0].known;
                    let rows: &mut Rows = emitted.entry(key.0).or_default();
                    let is_first = rows.is_empty();
                    // Between two readings, another event of its ticker can be added.
                    if rows.insert(key.1, *row).is_some() && self.reads(run, slot).count() < 2 {
                        return Err(format!("{} is emitted twice", name()));
                    }
                    if known.is_compared() && is_first && is_same(&known.events, read.events_of(key.0), floor) {
                        return Err(format!("{} is emitted again, but nothing of its ticker has changed", name()));
                    }
                    if known.is_compared() && !has_state {
                        return Err(format!("{} is emitted again before a STATE that says so", name()));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// All pages are read once; twice, if most tickers are missing; and then not believed. Returns whether they were.
    fn check_reads(&self, run: &Run, slot: usize, known: &[(usize, &Known)], floor: Day) -> Result<bool, String> {
        let reads: Vec<&Read> = self.reads(run, slot).collect();
        let is_repeated = run.faults.iter().any(|(_, fault)| matches!(fault, Fault::Truncated | Fault::Slow(_)));
        let two_years_ago = years_before(Zone::NewYork.day_at(run.finished), 2);
        let is_short = |read| is_short(read, known, floor, two_years_ago);
        match (is_short(reads[0]), reads.len()) {
            (Some(true), 1) => return Err("most tickers are missing from the only response".to_owned()),
            (Some(false), 2..) if !is_repeated => return Err("everything was read twice".to_owned()),
            _ => {}
        }
        let is_believed = self.warning(run, slot, "of only").is_none();
        if is_short(reads[reads.len() - 1]) == Some(is_believed) {
            return Err(format!("whether the response was believed, which is {is_believed}, is wrong"));
        }
        let last = reads[reads.len() - 1];
        if last.has_next {
            return Err("a page was not requested".to_owned());
        }
        let has_aged_out = |known: &Known| {
            let mut days = known.events.values().map(day_of);
            !known.in_backlog && days.all(|day| day.is_some_and(|day| day < floor))
        };
        let lacks_only_aged = known.iter().all(|(ticker, known)| last.has(*ticker) || has_aged_out(known));
        if !is_believed && !last.events.is_empty() && lacks_only_aged {
            return Err("a response was not believed that only lacks events that have aged out".to_owned());
        }
        for read in reads {
            let due = read.events.values().map(Rows::len).sum::<usize>().div_ceil(self.setup.page_size).max(1);
            if run.faults.is_empty() && read.requests != due {
                return Err(format!("{} requests for {due} pages", read.requests));
            }
        }
        Ok(is_believed)
    }

    /// The table has everything that was returned, and what is missing is a warning.
    fn check_returned(
        &self,
        run: &Run,
        slot: usize,
        known: &[(usize, &Known)],
        read: &Read,
        floor: Day,
    ) -> Result<(), String> {
        for (ticker, events) in &read.events {
            for (id, row) in events {
                let held = self.world.tables[slot].rows.get(&(*ticker, *id));
                let suspects = self.world.series[slot][*ticker].suspects.get(id);
                if held != Some(row) && !suspects.is_some_and(|values| values.contains(row)) {
                    let name = format!("the event {id} of {}", self.setup.tickers[*ticker]);
                    return Err(format!("{name} is {held:?}, the API returned {row:?}"));
                }
            }
        }
        // A response that breaks off is requested again.
        if run.faults.len() < 2 && self.warning(run, slot, "skipped").is_some() != (read.unusable > 0) {
            return Err(format!("{} rows should have been skipped", read.unusable));
        }
        let text = self.warning(run, slot, "no longer returns").unwrap_or_default();
        let days = |rows: &Rows| rows.values().filter_map(day_of).min();
        let first = read.first_day().unwrap_or(Day::MAX);
        let plan_begin = years_before(Zone::NewYork.day_at(run.finished), 2) + MARGIN;
        for (ticker, known) in known {
            let (name, returned) = (self.setup.tickers[*ticker], read.events_of(*ticker));
            let (_, cancelled) = gone(&known.events, returned, floor);
            let missing = known.events.len().saturating_sub(returned.len());
            let is_old = days(&known.events).is_some_and(|day| day <= first && day < plan_begin);
            // A ticker in the backlog may already be known without the events that have aged out.
            let is_named = text.contains(&format!(" {name} ({missing})"));
            if text.contains(&format!(" {name} (")) && (cancelled == 0 || !(is_named || known.in_backlog)) {
                return Err(format!("a warning for {name}, of which {cancelled} events were cancelled: {text}"));
            }
            if missing > 0 && !known.in_backlog && !is_old && !is_named && !text.contains(" more;") {
                return Err(format!("no warning for {name}, of which {missing} events are missing: {text}"));
            }
        }
        Ok(())
    }
}
