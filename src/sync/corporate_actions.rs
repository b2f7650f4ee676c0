//! Keeps splits and dividends correct: every sync reads all of them, and emits those of the tickers that differ.
//!
//! A new event changes the factors of all older ones, so a ticker's events are emitted together. They are kept as rendered
//! lines until every page has been compared; requesting them again would cost a free key more, and could return another
//! version than the one that was compared.

use std::collections::{BTreeMap, BTreeSet};

use super::checksum::event_checksum;
use super::emitted_events::{EventSum, TickerEvents};
use super::notices::{Notice, list_names};
use super::plan_start::{PLAN_HISTORY_YEARS, years_before};
use super::stream_run::{Result, Run, SyncError};
use super::target::Target;
use crate::airbyte::render_event;
use crate::calendar::{Date, days_after, parse_date};
use crate::events::{ActionKind, EventPage};
use crate::fields::Field;
use crate::polygon::{ApiError, Paging, Request};
use crate::streams::Stream;

/// The most tickers of a request.
const TICKERS_PER_REQUEST: usize = 100;

/// The most bytes of records that are kept until all pages have been read. When there are more, the API has returned tens
/// of thousands of known events that differ, and those are emitted before the rest is read.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// By how many days a plan's history may begin later than expected.
const MARGIN_DAYS: u64 = 10;

/// Syncs a stream of splits or dividends.
pub(super) fn sync(run: &mut Run<'_, '_>, stream: &'static Stream, kind: ActionKind, targets: &[Target]) -> Result<()> {
    let Some(target) = targets.first() else {
        return run.log(stream.name, &Notice::NoStocks);
    };
    let tickers: Vec<_> = targets.iter().map(|target| target.ticker.as_str()).collect();
    let requests: Vec<_> = tickers.chunks(TICKERS_PER_REQUEST).map(|tickers| Request::actions(kind, tickers)).collect();
    let tickers = tickers.into_iter().filter(|ticker| !ticker.is_empty()).collect();
    let known = run.writer.events().clone();
    for is_second in [false, true] {
        let mut comparison = Comparison {
            stream,
            fields: kind.fields(),
            tickers: &tickers,
            today: target.window.today,
            seen: BTreeSet::new(),
            first_day: None,
            group: None,
            kept: Vec::new(),
            kept_bytes: 0,
            skipped: 0,
        };
        let result = comparison.read(run, &requests);
        for request in &requests {
            run.discard(request);
        }
        match result {
            // Rows that are added between two pages can make others come again on the next one.
            Err(SyncError::Api(error)) if error.is_unexpected() && !is_second => continue,
            result => result?,
        }
        let (found, expected) = comparison.count_known(&known.0, is_second);
        if found * 2 >= expected {
            return comparison.finish(run);
        }
        if is_second {
            run.log(stream.name, &Notice::TooFewTickers { found, expected })?;
        }
    }
    Ok(())
}

/// The events of one ticker.
#[derive(Default)]
struct Group {
    ticker: String,
    ids: BTreeSet<String>,
    events: TickerEvents,
    /// Their RECORD messages.
    lines: Vec<u8>,
}

/// All pages of all requests, compared with what was emitted.
struct Comparison<'a> {
    stream: &'static Stream,
    fields: &'static [Field],
    /// The tickers that are requested; none for the whole market.
    tickers: &'a BTreeSet<&'a str>,
    today: Date,
    /// The tickers that have events.
    seen: BTreeSet<String>,
    /// The first day of all events.
    first_day: Option<Date>,
    /// The ticker that is being read; the rows are sorted by ticker.
    group: Option<Group>,
    /// The tickers whose events are not those that were emitted.
    kept: Vec<Group>,
    kept_bytes: usize,
    /// Rows that are no events of a requested ticker.
    skipped: usize,
}

impl Comparison<'_> {
    fn read(&mut self, run: &mut Run<'_, '_>, requests: &[Request]) -> Result<()> {
        for (number, first) in requests.iter().enumerate() {
            let _ = requests[number..].iter().find(|request| !run.prefetch(request));
            let (mut paging, mut next) = (Paging::new(first), Some(first.clone()));
            while let Some(request) = next {
                let mut page: EventPage = run.fetch(&request)?;
                if page.rows.is_empty() && request != *first {
                    // The previous page promised some.
                    page = run.fetch(&request)?;
                }
                next = paging.next_events(&page)?;
                self.add(run, &request, &page)?;
            }
            self.end_group(run)?;
        }
        Ok(())
    }

    fn add(&mut self, run: &mut Run<'_, '_>, request: &Request, page: &EventPage) -> Result<()> {
        let emitted_at = run.clock.now().timestamp_millis();
        self.skipped += page.unusable.len();
        for row in &page.rows {
            let ticker = page.value(row.ticker).unwrap_or_default();
            if !self.tickers.is_empty() && !self.tickers.contains(ticker.as_ref()) {
                self.skipped += 1;
                continue;
            }
            if self.group.as_ref().is_none_or(|group| group.ticker != ticker) {
                if self.seen.contains(ticker.as_ref()) {
                    let problem = format!("the rows of {ticker} are not next to each other");
                    return Err(ApiError::unexpected(request, &problem).into());
                }
                self.end_group(run)?;
            }
            let group = self.group.get_or_insert_with(|| Group { ticker: ticker.into_owned(), ..Group::default() });
            if !group.ids.insert(page.text(row.id).to_owned()) {
                continue;
            }
            let day = row.fields[0].and_then(|day| parse_date(&page.value(day)?));
            let checksum = event_checksum(page, row, self.fields);
            group.events.add(day, checksum);
            self.first_day = self.first_day.into_iter().chain(day).min();
            let lines = &mut group.lines;
            render_event(self.stream, self.fields, page, row, emitted_at, lines);
        }
        Ok(run.writer.state_if_due()?)
    }

    /// Compares the events of a ticker, all of which have been read, with those that were emitted. Unknown ones are
    /// emitted; known ones that differ are kept.
    fn end_group(&mut self, run: &mut Run<'_, '_>) -> Result<()> {
        let Some(mut group) = self.group.take() else {
            return Ok(());
        };
        group.ids.clear();
        self.seen.insert(group.ticker.clone());
        match run.writer.events().0.get(&group.ticker) {
            Some(Some(known)) if known.all == group.events.all => {}
            Some(Some(_)) => {
                group.lines.shrink_to_fit();
                self.kept_bytes += group.lines.len();
                self.kept.push(group);
                if self.kept_bytes > MAX_KEPT_BYTES {
                    self.emit_kept(run, Vec::new())?;
                }
            }
            _ => emit(run, group)?,
        }
        Ok(())
    }

    /// How many of the known tickers have events, and how many should: a second response is believed to lack those whose
    /// events may all have aged out.
    fn count_known(&self, known: &BTreeMap<String, Option<TickerEvents>>, is_second: bool) -> (usize, usize) {
        let known = known.iter().filter(|(ticker, _)| self.is_requested(ticker));
        let (found, absent): (Vec<_>, Vec<_>) = known.partition(|(ticker, _)| self.seen.contains(*ticker));
        let has_aged_out =
            |events: &Option<TickerEvents>| is_second && events.is_some_and(|events| self.may_have_aged_out(&events));
        let missing = absent.into_iter().filter(|(_, events)| !has_aged_out(events));
        (found.len(), found.len() + missing.count())
    }

    /// Whether all events of an absent ticker may have aged out: those of one day, within the last year; or any, if the
    /// response has no event older than what a smaller plan includes, and they are: the plan may have become that one.
    fn may_have_aged_out(&self, events: &TickerEvents) -> bool {
        let Some(oldest) = events.oldest_day() else {
            return false;
        };
        let has_smaller_plan = PLAN_HISTORY_YEARS.iter().any(|years| {
            let plan_begin = years_before(self.today, *years);
            oldest < days_after(plan_begin, MARGIN_DAYS) && self.first_day.is_none_or(|day| day >= plan_begin)
        });
        let begin = self.history_begin();
        let has_one_day = events.without_oldest_day() == EventSum::default() && oldest >= years_before(begin, 1);
        oldest < begin && (has_one_day || (has_smaller_plan && !self.seen.is_empty()))
    }

    fn is_requested(&self, ticker: &str) -> bool {
        self.tickers.is_empty() || self.tickers.contains(ticker)
    }

    /// Where the plan's history begins. Events from before that day disappear from the response; those of its first day
    /// can disappear between two pages.
    fn history_begin(&self) -> Date {
        let begin = days_after(years_before(self.today, PLAN_HISTORY_YEARS[0]), MARGIN_DAYS);
        self.first_day.map_or(begin, |day| days_after(day, 1).min(begin))
    }

    /// Emits the events that were kept, reports those that disappeared, and forgets the tickers that have none any more.
    fn finish(mut self, run: &mut Run<'_, '_>) -> Result<()> {
        let events = &run.writer.events().0;
        let is_absent = |ticker: &str| self.is_requested(ticker) && !self.seen.contains(ticker);
        let absent = events.keys().filter(|ticker| is_absent(ticker));
        let absent = absent.cloned().collect();
        self.emit_kept(run, absent)?;
        run.totals.tickers = self.seen.len();
        if let rows @ 1.. = self.skipped {
            run.log(self.stream.name, &Notice::SkippedEvents { rows })?;
        }
        Ok(())
    }

    /// Emits the events that were kept, after one STATE that has all of their tickers in the backlog.
    fn emit_kept(&mut self, run: &mut Run<'_, '_>, absent: Vec<String>) -> Result<()> {
        let begin = self.history_begin();
        let mut kept = std::mem::take(&mut self.kept);
        self.kept_bytes = 0;
        let mut lost = Vec::new();
        let known = &mut run.writer.events().0;
        // Whether the events are those that were emitted, apart from the day that has aged out.
        let mut is_same = |ticker: &str, known: Option<TickerEvents>, now: EventSum| {
            let known = known.unwrap_or_default();
            let has_aged_out = known.oldest_day().is_some_and(|day| day < begin);
            let missing = known.all.events.saturating_sub(now.events);
            if missing > 0 && !has_aged_out {
                lost.push(format!("{ticker} ({missing})"));
            }
            has_aged_out && known.without_oldest_day() == now
        };
        for ticker in absent {
            is_same(&ticker, known.remove(&ticker).flatten(), EventSum::default());
        }
        kept.retain(|Group { ticker, events, .. }| {
            let known = known.entry(ticker.clone()).or_default();
            let is_same = is_same(ticker, *known, events.all);
            // Those that differ are in the backlog from here on.
            *known = is_same.then_some(*events);
            !is_same
        });
        if !lost.is_empty() {
            let names = list_names(&lost);
            run.log(self.stream.name, &Notice::EventsMissing { names })?;
        }
        if kept.is_empty() {
            return Ok(());
        }
        run.writer.write_state()?;
        let tickers: Vec<_> = kept.iter().map(|group| group.ticker.clone()).collect();
        let before = run.totals.records;
        for group in kept {
            emit(run, group)?;
        }
        let events = run.totals.records - before;
        run.totals.corrected += events;
        let names = list_names(&tickers);
        run.log(self.stream.name, &Notice::EventsAgain { events, names })
    }
}

/// Emits the events of a ticker.
fn emit(run: &mut Run<'_, '_>, group: Group) -> Result<()> {
    let events = group.events.all.events;
    run.totals.records += events as usize;
    run.writer.write_rendered(&group.lines, u64::from(events))?;
    run.writer.events().0.insert(group.ticker, Some(group.events));
    Ok(())
}
