//! What every history ends with: a sync at once after the last one, and one whose state is ahead of the clock.

use chrono::Days;
use serde_json::Value;

use super::faults::Disturbance;
use super::history::History;
use super::memory::{Claim, Series};
use super::requests;
use super::run::Run;
use crate::support::days::Date;

/// How far a state is put ahead; whole weeks, so that weeks stay weeks.
const AHEAD: Days = Days::new(520 * 7);

impl History<'_> {
    /// Where nothing changed since the last sync, nothing is emitted, nothing is told again, and the claims stand.
    pub fn sync_again(&mut self) -> Result<(), String> {
        let run = self.run(Disturbance::None);
        self.story.push(run.tell(&self.settings, Some(0)));
        let (records, warnings) = (run.output.records().len(), run.output.logs("WARN").len());
        if !run.succeeded() || records + warnings > 0 {
            return Err(format!(
                "at once after a sync: {records} records, {warnings} warnings"
            ));
        }
        let all_series = Series::of(self.stream, &self.settings.tickers);
        all_series
            .iter()
            .try_for_each(|series| self.check_claims_stand(&run, series))
    }

    fn check_claims_stand(&self, run: &Run, series: &Series) -> Result<(), String> {
        let before = Claim::of(self.state.as_ref(), self.stream, series);
        let claims = run.claims(self.stream, series);
        if claims.iter().all(|claim| *claim == before) {
            return Ok(());
        }
        Err(format!(
            "{:?}: {claims:?} instead of {before:?}",
            series.ticker
        ))
    }

    /// A cursor that no bar can have yet is kept as it is, and nothing is read.
    pub fn sync_ahead_of_the_clock(&mut self) -> Result<(), String> {
        let mut begun = Series::of(self.stream, &self.settings.tickers);
        begun.retain(|series| {
            Claim::of(self.state.as_ref(), self.stream, series)
                .is_some_and(|claim| claim.cursor.is_some())
        });
        for series in &begun {
            let state = self.state.as_mut().expect("it claims something");
            let entries = &mut state["stream"]["stream_state"];
            put_ahead(match series.ticker {
                Some(ticker) => &mut entries[ticker],
                None => entries,
            });
        }
        let run = self.run(Disturbance::None);
        self.story.push(run.tell(&self.settings, Some(0)));
        begun
            .iter()
            .try_for_each(|series| self.check_nothing_was_read(&run, series))
    }

    fn check_nothing_was_read(&self, run: &Run, series: &Series) -> Result<(), String> {
        let requests = requests::of_series(&run.requests, series.ticker).len();
        if run.succeeded() && run.records(series).is_empty() && requests == 0 {
            return self.check_claims_stand(run, series);
        }
        Err(format!(
            "the cursor of {:?} is ahead of the clock, and there were {requests} requests",
            series.ticker
        ))
    }
}

/// Puts the cursor of a state's entry ahead.
fn put_ahead(entry: &mut Value) {
    for name in ["date", "timestamp"] {
        let Some(cursor) = entry.get_mut(name) else {
            continue;
        };
        let text = cursor.as_str().expect("a cursor is a text");
        let day_end = text.find('T').unwrap_or(text.len());
        let day: Date = text[..day_end].parse().expect("a date");
        let ahead = format!("{}{}", day + AHEAD, &text[day_end..]);
        *cursor = ahead.into();
    }
}
