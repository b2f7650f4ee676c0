//! What goes wrong with the API's answers during a sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::Days;
use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::clock::SimulatedClock;
use crate::support::days::{Date, midnight, zone_of};
use crate::support::fake_api::{FakeApi, Fault, Request};

/// By how much answers of some syncs are delayed at random, in real time.
const LONGEST_DELAY: Duration = Duration::from_millis(4);

/// What goes wrong during one sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    None,
    /// One answer about bars that were emitted is empty.
    EmptyOnce,
    /// One answer holds another ticker's rows.
    OtherTickerOnce,
    /// One answer holds prices on another basis.
    OtherBasisOnce,
    /// One answer holds every bar twice.
    DoubledOnce,
    /// One answer holds fewer bars than it says.
    ShortOnce,
    /// One answer is a 503.
    HiccupOnce,
    /// From some request on there are only errors of this status.
    Outage(u16),
    /// So many minutes pass with every request, from shortly before a midnight.
    Slow(u8),
}

impl Disturbance {
    pub fn random(rng: &mut Rng) -> Disturbance {
        match rng.u8(..24) {
            0 => Disturbance::EmptyOnce,
            1 => Disturbance::OtherTickerOnce,
            2 => Disturbance::DoubledOnce,
            3 => Disturbance::HiccupOnce,
            4 => Disturbance::Outage(400),
            5 => Disturbance::Outage(500),
            6 | 7 => Disturbance::Slow(rng.u8(1..7)),
            8 => Disturbance::ShortOnce,
            9 => Disturbance::OtherBasisOnce,
            _ => Disturbance::None,
        }
    }

    /// Whether a sync may fail for it.
    pub fn excuses_failure(self) -> bool {
        matches!(
            self,
            Disturbance::OtherTickerOnce | Disturbance::OtherBasisOnce | Disturbance::Outage(_)
        )
    }

    /// Arranges for it. `cursor` tells the start of the last bar that a ticker's state names.
    pub fn inject(
        self,
        api: &FakeApi,
        clock: &Arc<SimulatedClock>,
        number: usize,
        cursor: impl Fn(&str) -> Option<i64> + Send + 'static,
    ) {
        api.follow(clock.clone());
        let clock = clock.clone();
        let is_done = AtomicBool::new(false);
        let once = move || !is_done.swap(true, Ordering::Relaxed);
        match self {
            // Answers overtake each other: what is asked for at the same time must come out in order.
            Disturbance::None if number.is_multiple_of(4) => {
                api.inject_faults(|_, _| Some(Fault::random_delay(LONGEST_DELAY)));
            }
            Disturbance::None => api.heal(),
            Disturbance::EmptyOnce => api.inject_faults(move |_, request| {
                let is_known = asks_for(request, &cursor);
                (is_known && once()).then(|| Fault::changed(|body| without_results(&body)))
            }),
            Disturbance::OtherTickerOnce => api.inject_faults(move |at, request| {
                let is_range = request.path.contains("/range/");
                (at >= number && is_range && once())
                    .then(|| Fault::changed(|body| of_another_ticker(&body)))
            }),
            Disturbance::OtherBasisOnce => api.inject_faults(move |at, _| {
                (at >= number && once()).then(|| Fault::changed(|body| on_another_basis(&body)))
            }),
            Disturbance::DoubledOnce => api.inject_faults(move |at, _| {
                (at >= number && once()).then(|| Fault::changed(|body| doubled(&body)))
            }),
            Disturbance::ShortOnce => api.inject_faults(move |at, _| {
                (at >= number && once()).then(|| Fault::changed(|body| shortened(&body)))
            }),
            Disturbance::HiccupOnce => {
                api.inject_faults(move |at, _| {
                    (at >= number && once()).then(|| Fault::status(503, "", ""))
                });
            }
            Disturbance::Outage(status) => {
                api.inject_faults(move |at, _| {
                    (at >= number).then(|| Fault::status(status, "", "{}"))
                });
            }
            Disturbance::Slow(minutes) => api.inject_faults(move |at, _| {
                if at * usize::from(minutes) < 180 {
                    clock.advance(Duration::from_secs(60 * u64::from(minutes)));
                }
                None
            }),
        }
    }
}

/// What a request to the API asks for.
pub struct Asked {
    /// The ticker; none for the whole market.
    pub ticker: Option<String>,
    /// The first and the last moment, epoch milliseconds.
    pub from: i64,
    pub to: i64,
}

impl Asked {
    /// What a path asks for, if it is one of bars.
    pub fn parse(path: &str) -> Option<Asked> {
        let segments: Vec<&str> = path.split('/').skip(3).collect();
        match segments[..] {
            ["ticker", ticker, "range", _, _, from, to] => {
                let ticker = percent_encoding::percent_decode_str(ticker)
                    .decode_utf8_lossy()
                    .into_owned();
                let (from, to) = (bound(&ticker, from, 0)?, bound(&ticker, to, 1)?);
                Some(Asked {
                    ticker: Some(ticker),
                    from,
                    to,
                })
            }
            ["grouped", _, _, _, _, day] => {
                let start = bound("", day, 0)?;
                Some(Asked {
                    ticker: None,
                    from: start,
                    to: start,
                })
            }
            _ => None,
        }
    }

    pub fn covers(&self, start: i64) -> bool {
        (self.from..=self.to).contains(&start)
    }
}

/// A Unix time as it is; of a date its midnight, or the last moment before the midnight `days` later.
fn bound(ticker: &str, text: &str, days: u64) -> Option<i64> {
    let of_date =
        |day: Date| midnight(zone_of(ticker), day + Days::new(days)) - i64::from(days > 0);
    text.parse::<i64>()
        .ok()
        .or_else(|| text.parse().ok().map(of_date))
}

/// Whether the request asks for the last bar that a state names.
fn asks_for(request: &Request, cursor: &impl Fn(&str) -> Option<i64>) -> bool {
    let asked = Asked::parse(&request.path).filter(|_| request.is_first_page());
    asked.is_some_and(|asked| {
        cursor(asked.ticker.as_deref().unwrap_or("")).is_some_and(|cursor| asked.covers(cursor))
    })
}

fn without_results(body: &str) -> String {
    changed(body, |answer| {
        for name in ["results", "count", "next_url"] {
            answer.as_object_mut().expect("an object").remove(name);
        }
        (answer["resultsCount"], answer["queryCount"]) = (json!(0), json!(0));
    })
}

fn of_another_ticker(body: &str) -> String {
    changed(body, |answer| {
        answer["ticker"] = json!("OTHER");
        set_closes(answer);
    })
}

fn on_another_basis(body: &str) -> String {
    changed(body, |answer| {
        answer["adjusted"] = json!(answer["adjusted"] != true);
        set_closes(answer);
    })
}

/// Gives all bars a close that no bar of the market has.
fn set_closes(answer: &mut Value) {
    for row in answer["results"].as_array_mut().into_iter().flatten() {
        row["c"] = json!(0.01);
    }
}

fn doubled(body: &str) -> String {
    changed(body, |answer| {
        let Some(rows) = answer["results"].as_array() else {
            return;
        };
        let rows: Vec<Value> = rows
            .iter()
            .flat_map(|row| [row.clone(), row.clone()])
            .collect();
        for name in ["resultsCount", "queryCount", "count"] {
            answer[name] = json!(rows.len());
        }
        answer["results"] = rows.into();
    })
}

fn shortened(body: &str) -> String {
    changed(body, |answer| {
        if let Some(rows) = answer["results"].as_array_mut() {
            rows.truncate(rows.len() / 2);
        }
    })
}

/// A good answer changed; another stays as it is.
fn changed(body: &str, change: impl Fn(&mut Value)) -> String {
    let mut answer: Value = serde_json::from_str(body).expect("JSON");
    if answer.get("results").is_some() {
        change(&mut answer);
    }
    answer.to_string()
}
