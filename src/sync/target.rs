//! What is fixed for a ticker, or for a whole market, during a run; and which days a sync requests: pure functions of the
//! target and its state.

use chrono::{DateTime, Datelike, Months, Utc};

use super::backlog::Backlog;
use super::blocks::Block;
use super::state::TargetState;
use super::window::SyncWindow;
use crate::bar_calendar::BarCalendar;
use crate::calendar::{Date, DateRange, MIN_DATE, Zone, day_after, day_before};
use crate::config::Config;
use crate::market::Market;
use crate::polygon::Request;
use crate::streams::{Endpoint, Stream};

/// A ticker of a stream, or the whole market of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its stream.
    pub(crate) stream: &'static Stream,
    /// The ticker; empty for a whole market.
    pub(crate) ticker: String,
    /// Its market.
    pub(crate) market: Market,
    /// Assigns bars to days.
    pub(crate) calendar: BarCalendar,
    /// What the user wants.
    pub(crate) window: SyncWindow,
    /// Whether its prices are to be adjusted for splits.
    pub(crate) adjusted: bool,
}

/// How the emitted bars are divided into blocks, and when the blocks are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Days and longer bars: the first and last ones individually, calendar years between them. One request returns all
    /// of them, so all are verified on every sync.
    Bars,
    /// Intraday bars: the last two sessions individually, which are verified on every sync; before them, as many calendar
    /// months as fit into a page, of which one block is verified per day.
    Sessions,
    /// A whole market: every day.
    Days,
}

impl Target {
    /// The targets of a stream, in the order of the configuration.
    pub(crate) fn all(stream: &'static Stream, config: &Config, now: DateTime<Utc>) -> Vec<Target> {
        let target = |ticker: &str, market: Market| {
            let calendar = BarCalendar { timespan: stream.timespan, zone: market.zone() };
            Target {
                stream,
                ticker: ticker.to_owned(),
                market,
                calendar,
                window: SyncWindow::at(now, calendar, config.start_date, config.end_date),
                adjusted: stream.is_adjusted(config.adjusted),
            }
        };
        match stream.endpoint {
            Endpoint::Range => {
                let tickers = config.tickers.iter();
                tickers.map(|(ticker, market)| target(ticker, *market)).collect()
            }
            Endpoint::Grouped(market) => vec![target("", market)],
            Endpoint::Actions { whole_market, .. } => {
                if whole_market {
                    return vec![target("", Market::Stocks)];
                }
                let stocks = config.tickers.iter();
                stocks
                    .filter(|(_, market)| *market == Market::Stocks)
                    .map(|(ticker, market)| target(ticker, *market))
                    .collect()
            }
        }
    }

    /// Its name in messages: `stock_prices, TSLA`, or `market_prices`.
    pub(crate) fn name(&self) -> String {
        if self.ticker.is_empty() {
            self.stream.name.to_owned()
        } else {
            format!("{}, {}", self.stream.name, self.ticker)
        }
    }

    /// The layout of its blocks.
    pub(crate) fn layout(&self) -> Layout {
        match self.stream.endpoint {
            Endpoint::Grouped(_) => Layout::Days,
            Endpoint::Range if self.stream.timespan.is_intraday() => Layout::Sessions,
            Endpoint::Range | Endpoint::Actions { .. } => Layout::Bars,
        }
    }

    /// The request for the bars of these days; for a whole market, of the first of them.
    pub(crate) fn request(&self, days: DateRange) -> Request {
        match self.stream.endpoint {
            Endpoint::Grouped(market) => Request::grouped(market, days.from, self.adjusted),
            Endpoint::Range | Endpoint::Actions { .. } => {
                let timespan = self.stream.timespan;
                Request::range(&self.ticker, self.market, timespan, days, self.adjusted)
            }
        }
    }

    /// The cursor as text.
    pub(crate) fn text(&self, cursor: i64) -> String {
        self.stream.timespan.cursor_text(cursor)
    }

    /// The state with which a sync begins, with everything in the backlog that the state does not have. Returns also
    /// whether the price basis changed, so that all emitted bars have to be read again.
    pub(crate) fn begin(&self, known: Option<TargetState>) -> (TargetState, bool) {
        let window = &self.window;
        let mut state = known.unwrap_or_else(|| TargetState::starting(window.first_day, self.adjusted));
        state.since = self.stream.timespan.first_day_of(state.since);
        let Some(cursor) = state.cursor else {
            state.adjusted = self.adjusted;
            if window.first_day_is_set {
                state.since = window.first_day;
            }
            state.backlog = Backlog::from_iter([DateRange { from: state.since, to: self.last_day(&state) }]);
            return (state, false);
        };
        // A date in the future, which a state names, is kept.
        let is_earlier = window.first_day < state.since && state.since <= window.today;
        if window.first_day_is_set && is_earlier {
            state.backlog.add(DateRange { from: window.first_day, to: day_before(state.since) });
            state.since = window.first_day;
            // The earlier bars can be on another price basis than those that follow, so these are compared after them.
            if let Some(next) = state.blocks.first_mut() {
                next.verified = None;
            }
        }
        let is_restated = self.stream.endpoint == Endpoint::Range && state.adjusted != self.adjusted;
        if is_restated {
            state.adjusted = self.adjusted;
            state.blocks.clear();
            state.backlog.add(DateRange { from: state.since, to: self.calendar.last_day(cursor) });
        }
        (state, is_restated)
    }

    /// The greatest cursor that may be emitted: what the user wants, and what the destination already holds, if it is
    /// final.
    pub(crate) fn last_cursor(&self, state: &TargetState) -> i64 {
        let held = state.cursor.unwrap_or(i64::MIN);
        held.max(self.window.last_cursor).min(self.window.last_final_cursor)
    }

    /// The last day that is requested: what the user wants, and what the destination already holds; never the future.
    pub(crate) fn last_day(&self, state: &TargetState) -> Date {
        let window = &self.window;
        let held = state.cursor.map(|cursor| self.calendar.last_day(cursor));
        held.map_or(window.last_day, |day| day.max(window.last_day).min(window.today))
    }

    /// The days at the end of the history that every sync requests: those whose blocks are verified on every sync, and
    /// all that follow. With `verify_newest`, the newest older block is verified with the same request.
    pub(crate) fn tail(&self, state: &TargetState, verify_newest: bool) -> DateRange {
        let individual = self.individual(state) + usize::from(verify_newest);
        let first = state.blocks.len().saturating_sub(individual);
        let from = match state.blocks.get(first) {
            // Bars that appear before the first block are noticed with it.
            Some(block) if first > 0 || self.layout() == Layout::Days => block.from,
            _ => state.since,
        };
        DateRange { from, to: self.last_day(state) }
    }

    /// How many blocks at the end are verified on every sync.
    fn individual(&self, state: &TargetState) -> usize {
        match self.layout() {
            Layout::Bars => state.blocks.len(),
            Layout::Sessions => 2,
            Layout::Days => last_day_with_rows(state),
        }
    }

    /// Whether an older block was verified today.
    pub(crate) fn was_verified_today(&self, state: &TargetState) -> bool {
        let older = state.blocks.len().saturating_sub(self.individual(state));
        state.blocks[..older].iter().any(|block| block.verified == Some(self.window.today))
    }

    /// The older blocks to verify on this sync, by their first days: those for which that has to happen as soon as
    /// possible, and once a day also the least recently verified ones. Data that was fetched today counts as verified
    /// today; a date in the future, which a wrong clock left behind, as never verified.
    pub(crate) fn due(&self, state: &TargetState, was_verified_today: bool) -> Vec<Date> {
        let (recent, others) = match self.layout() {
            Layout::Bars => return Vec::new(),
            Layout::Sessions => (0, 1),
            Layout::Days => (2, 6),
        };
        let today = self.window.today;
        let newest = self.newest_older(state).map(|block| block.from);
        let older = &state.blocks[..state.blocks.len().saturating_sub(self.individual(state))];
        // A clock that was ahead can have left days behind that are still to come.
        let is_due = |block: &&Block| block.from <= today && !state.backlog.contains(block.from);
        let older: Vec<&Block> = older.iter().filter(is_due).collect();
        let (others_of, recent_of) = older.split_at(older.len().saturating_sub(recent));
        let mut by_age: Vec<_> = others_of
            .iter()
            .filter(|block| block.verified != Some(today))
            .map(|block| (block.verified.map(|day| if day < today { day } else { MIN_DATE }), block.from))
            .filter(|(verified, _)| !was_verified_today || verified.is_none())
            .collect();
        by_age.sort_unstable();
        let (mut due, mut counted) = (Vec::new(), 0);
        for (verified, from) in by_age {
            due.push(from);
            // One request returns the newest intraday block together with the days that follow it.
            let is_free = self.layout() != Layout::Days && Some(from) == newest;
            counted += usize::from(verified.is_some() && !is_free);
            if counted == others {
                break;
            }
        }
        let recent = recent_of.iter().filter(|_| !was_verified_today);
        due.extend(recent.map(|block| block.from));
        due
    }

    /// The newest of the blocks that are not verified on every sync.
    pub(crate) fn newest_older<'a>(&self, state: &'a TargetState) -> Option<&'a Block> {
        let place = state.blocks.len().checked_sub(self.individual(state) + 1)?;
        state.blocks.get(place)
    }

    /// The days in `days`, the first excluded, at which a range of intraday bars may be divided: where a block begins, and
    /// where a page's worth of calendar months begins unless a block covers it.
    pub(crate) fn boundaries(&self, state: &TargetState, days: DateRange) -> Vec<Date> {
        if self.layout() != Layout::Sessions {
            return Vec::new();
        }
        let is_pending = |range: &DateRange| range.from <= days.to && range.to >= days.from;
        let is_pending = state.backlog.ranges().iter().any(is_pending);
        let known = state.blocks.iter().filter(|block| days.contains(block.from));
        let mut months = known.map(|block| self.block_start(block.from));
        let first = months.next();
        let last = state.cursor.map(|cursor| self.calendar.date(cursor));
        let is_new = |day: Date| last.is_none_or(|last| day > last);
        // A single block is read as a whole, also if it has come in parts.
        if !is_pending && !is_new(days.to) && months.all(|start| Some(start) == first) {
            return Vec::new();
        }
        let after_first = DateRange { from: day_after(days.from), ..days };
        let blocks = state.blocks.iter().map(|block| block.from);
        let is_free =
            |day: &Date| is_new(*day) || state.block_of(*day).is_none_or(|place| state.blocks[place].from == *day);
        let mut boundaries: Vec<_> =
            blocks.chain(self.months(days).filter(is_free)).filter(|day| after_first.contains(*day)).collect();
        boundaries.sort_unstable();
        boundaries.dedup();
        boundaries
    }

    /// The first days of the pages' worths of calendar months that begin after the first of `days`.
    fn months(&self, days: DateRange) -> impl Iterator<Item = Date> + use<> {
        let months = Months::new(months_per_block(self.calendar.zone));
        let mut next = self.block_start(days.from);
        std::iter::from_fn(move || {
            next = next.checked_add_months(months)?;
            (next <= days.to).then_some(next)
        })
    }

    /// The first of `days`, up to the end of the calendar months that can be in one block with it.
    pub(crate) fn within_block(&self, days: DateRange) -> DateRange {
        DateRange { to: self.months(days).next().map_or(days.to, day_before), ..days }
    }

    /// The first day that the block of an intraday bar of `day` can have.
    pub(crate) fn block_start(&self, day: Date) -> Date {
        let months = months_per_block(self.calendar.zone);
        let month = day.month0() / months * months;
        Date::from_ymd_opt(day.year(), month + 1, 1).unwrap_or(day)
    }

    /// How many days of trading, holidays included, are over after `day`, up to the last wanted one.
    pub(crate) fn trading_days_after(&self, day: Date) -> usize {
        let to = self.window.last_day.min(day_before(self.window.today));
        let days = DateRange { from: day_after(day), to };
        days.days().filter(|day| self.market.trades_on(*day)).count()
    }
}

/// How many days of a whole market there are from the last one with rows on.
fn last_day_with_rows(state: &TargetState) -> usize {
    let has_rows = |block: &Block| block.contents.bars > 0;
    let place = state.blocks.iter().rposition(has_rows).unwrap_or(0);
    state.blocks.len() - place
}

/// How many calendar months of minute bars fit into one page: two of New York's sixteen hours of trading a day, one of
/// UTC's twenty-four.
fn months_per_block(zone: Zone) -> u32 {
    match zone {
        Zone::NewYork => 2,
        Zone::Utc => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::parse_date;
    use serde_json::{Value, json};

    use crate::sync::StreamState;

    fn target(stream: &str, start: Option<&str>, end: Option<&str>) -> Target {
        let config = json!({"stock_ticker": "T", "api_key": "none", "start_date": start, "end_date": end});
        let config = Config::from_value(config).unwrap();
        let noon = "2026-11-25T17:00:00Z".parse().unwrap();
        Target::all(Stream::by_name(stream).unwrap(), &config, noon).remove(0)
    }

    fn state(target: &Target, json: &Value) -> TargetState {
        let json = if target.ticker.is_empty() { json.clone() } else { json!({"T": json}) };
        let state = StreamState::from_json(&json, target.stream, true).unwrap();
        state.target(&target.ticker).unwrap().clone()
    }

    #[test]
    fn what_the_state_lacks_goes_into_the_backlog() {
        let known = json!({"since": "2026-03-02", "date": "2026-11-20", "blocks": "20260302=AAAAAAAA"});
        let unadjusted =
            json!({"since": "2026-03-02", "date": "2026-11-20", "blocks": "20260302=AAAAAAAA", "adjusted": false});
        let empty = json!({"since": "2026-03-02"});
        for (start, end, known, expected) in [
            (Some("2026-01-05"), None, None, "2026-01-05 to 2026-11-24"),
            (None, None, None, "2026-11-18 to 2026-11-24"),
            (Some("2026-01-05"), None, Some(&empty), "2026-01-05 to 2026-11-24"),
            (None, None, Some(&empty), "2026-03-02 to 2026-11-24"),
            (Some("2026-01-05"), None, Some(&known), "2026-01-05 to 2026-03-01"),
            (Some("2026-06-01"), None, Some(&known), ""),
            (None, None, Some(&known), ""),
            (None, Some("2026-02-10"), Some(&known), "2026-02-04 to 2026-03-01"),
            (Some("2026-01-05"), Some("2026-02-10"), Some(&known), "2026-01-05 to 2026-03-01"),
            (None, None, Some(&unadjusted), "2026-03-02 to 2026-11-20"),
        ] {
            let target = target("stock_prices", start, end);
            let (state, is_restated) = target.begin(known.map(|json| state(&target, json)));
            let backlog: Vec<String> = state.backlog.ranges().iter().map(DateRange::to_string).collect();
            assert_eq!(backlog.join(", "), expected, "{start:?} {end:?} {known:?}");
            assert_eq!(is_restated, known == Some(&unadjusted));
        }
    }

    /// Sixteen months of hours in blocks of two, and two sessions.
    fn hours() -> Value {
        json!({"since": "2025-07-01", "timestamp": "2026-11-24T20:00:00Z", "blocks":
            "20250701=2*AAAAAAAAAAAAAAAA@20261120 20250901=2*AAAAAAAAAAAAAAAA@20261122 20260101=2*AAAAAAAAAAAAAAAA@20261119 \
             20260901=2*AAAAAAAAAAAAAAAA@20261118 20261123=2*AAAAAAAAAAAAAAAA@20261124 20261124=2*AAAAAAAAAAAAAAAA@20261124"})
    }

    fn due(target: &Target, json: &Value) -> Vec<String> {
        let state = state(target, json);
        let due = target.due(&state, target.was_verified_today(&state));
        due.iter().map(Date::to_string).collect()
    }

    #[test]
    fn the_least_recently_verified_block_is_due_once_a_day() {
        let target = target("stock_prices_by_hour", None, None);
        for (verified, expected, why) in [
            (vec![], vec!["2026-09-01", "2026-01-01"], "the newest one comes with the tail"),
            (vec![("@20261118", "@20261123")], vec!["2026-01-01"], "the newest one was verified later"),
            (vec![("@20261118", "@20261125")], vec![], "one was verified today"),
            (
                vec![("@20261118", "@20261125"), ("@20261122", "")],
                vec!["2025-09-01"],
                "one was not verified since it was read",
            ),
            (
                vec![("@20261122", "@20991231"), ("@20261118", "@20261123")],
                vec!["2025-09-01"],
                "the future is not today",
            ),
        ] {
            let mut json = hours();
            let blocks = json["blocks"].as_str().unwrap().to_owned();
            json["blocks"] = verified.iter().fold(blocks, |blocks, (from, to)| blocks.replace(from, to)).into();
            assert_eq!(due(&target, &json), expected, "{why}");
        }
    }

    #[test]
    fn eight_older_days_of_a_market_are_due_once_a_day() {
        let target = target("market_prices", None, None);
        let days: Vec<_> = (1..=20).map(|day| format!("202611{day:02}=AAAAAAAA@202611{:02}", day + 1)).collect();
        let mut json = json!({"since": "2026-11-01", "date": "2026-11-20", "blocks": days.join(" ")});
        assert_eq!(due(&target, &json), [1, 2, 3, 4, 5, 6, 18, 19].map(|day| format!("2026-11-{day:02}")));
        json["blocks"] = days.join(" ").replace("@20261105", "@20261125").into();
        assert_eq!(due(&target, &json), Vec::<String>::new());
    }

    #[test]
    fn days_that_a_clock_which_was_ahead_has_left_behind_are_not_due() {
        let target = target("market_prices", None, None);
        let days: Vec<_> = (23..=30).map(|day| format!("202611{day:02}=AAAAAAAA@20261130")).collect();
        let json = json!({"since": "2026-11-01", "date": "2026-11-30", "blocks": days.join(" ")});
        assert_eq!(due(&target, &json), ["2026-11-23", "2026-11-24", "2026-11-25"]);
    }

    #[test]
    fn the_tail_begins_with_the_blocks_that_every_sync_verifies() {
        let hours_target = target("stock_prices_by_hour", None, None);
        let known = state(&hours_target, &hours());
        assert_eq!(hours_target.tail(&known, false).to_string(), "2026-11-23 to 2026-11-25");
        assert_eq!(hours_target.tail(&known, true).to_string(), "2026-09-01 to 2026-11-25");
        let days = target("stock_prices", None, None);
        let known = state(&days, &json!({"since": "2026-03-02", "date": "2026-11-20", "blocks": "20260302=AAAAAAAA"}));
        assert_eq!(days.tail(&known, false).to_string(), "2026-03-02 to 2026-11-24");
        let market = target("market_prices", None, None);
        let known = state(
            &market,
            &json!({"since": "2026-11-19", "date": "2026-11-20", "blocks": "20261119=AAAAAAAA 20261120=AAAAAAAA"}),
        );
        assert_eq!(market.tail(&known, false).to_string(), "2026-11-20 to 2026-11-24");
        let ahead = state(&days, &json!({"since": "2026-03-02", "date": "2030-11-20", "blocks": "20260302=AAAAAAAA"}));
        assert_eq!(days.tail(&ahead, false).to_string(), "2026-03-02 to 2026-11-25", "never the future");
    }

    #[test]
    fn a_range_is_divided_where_blocks_and_pages_of_months_begin() {
        let target = target("stock_prices_by_hour", None, None);
        let mut known = state(&target, &hours());
        let days = |from: &str, to: &str| DateRange { from: parse_date(from).unwrap(), to: parse_date(to).unwrap() };
        let boundaries =
            |state: &TargetState, days| target.boundaries(state, days).iter().map(Date::to_string).collect::<Vec<_>>();
        assert_eq!(
            boundaries(&known, days("2025-07-01", "2026-11-25")),
            ["2025-09-01", "2026-01-01", "2026-09-01", "2026-11-23", "2026-11-24"],
            "not within a block"
        );
        assert_eq!(boundaries(&known, days("2025-09-01", "2025-12-31")), [""; 0], "a block is read as a whole");
        known.backlog.add(days("2025-01-15", "2025-06-30"));
        assert_eq!(boundaries(&known, days("2025-01-15", "2025-06-30")), ["2025-03-01", "2025-05-01"]);
    }
}
