//! Every history of a few events in a small world; each also killed after every line and resumed from every STATE.

use std::sync::Arc;

use crate::support::days::{Date, date};

use super::days::{Zone, day};
use super::history::Player;
use super::market::{Plan, Split};
use super::output::Line;
use super::play::{Problem, Totals, play, play_all};
use super::steps::{Fault, Field, Kill, KnownFrom, Pick, Setup, Step};
use super::streams::Stream;

/// When every history begins.
const BEGINNING: Date = date(2026, 6, 18);

/// What can happen, each with the sync that follows.
fn events() -> Vec<Vec<Step>> {
    let first = Pick::First(0);
    let (middle, last) = (Pick::Any(500), Pick::Last(0));
    let (ticker, count) = (0, 1);
    let mut events = vec![
        Step::TakeBack,
        Step::Late { ticker, pick: first, count },
        Step::Start(Some(9)),
        Step::End(Some(2)),
        Step::End(None),
        Step::ToggleAdjusted,
        Step::AddTicker(1),
    ];
    for pick in [first, middle, last] {
        events.push(Step::Correct { ticker, pick, field: Field::Close, by: 7 });
        events.push(Step::Remove { ticker, pick, count });
    }
    for in_days in -8..=1 {
        events.push(Step::Split { ticker, in_days, ratio: 10.0, known: KnownFrom::Now });
    }
    let mut events: Vec<Vec<Step>> =
        events.into_iter().map(|event| vec![event, Step::NextDay(600), Step::sync()]).collect();
    let split = Split { first_day: day(BEGINNING), ratio: 10.0, known_from: 0, known_until: i64::MAX };
    for at in 0..3 {
        for fault in [Fault::Empty, Fault::EmptyNextPage, Fault::SplitMeanwhile { ticker, split }] {
            events.push(vec![Step::NextDay(600), Step::Sync { faults: vec![(at, fault)], kill: None }]);
        }
    }
    events
}

/// Two tickers, a handful of days, two pages.
fn setup(stream: &'static Stream) -> Setup {
    let is_market = stream.reads_all;
    let is_events = stream.is_events();
    let (dense, start) = if stream.size.is_long() { (60, 30) } else { (12, 7) };
    Setup {
        seed: 3,
        streams: vec![stream],
        tickers: if is_market { vec!["SPY", "AAPL"] } else { vec!["AAPL", "BRK.B"] },
        selected: if is_market { 2 } else { 1 },
        plan: Plan { years: None, refuses_earlier: false, shows_today: false },
        page_size: 4,
        now: Zone::NewYork.midnight(day(BEGINNING)) + 36_000_000,
        start: Some(start),
        dense,
        sparse: if is_events { 60 } else { 0 },
        every: if is_events { 6 } else { 1 },
        has_unusable_rows: false,
        is_full_refresh: false,
    }
}

/// The steps of the history of a number; every digit is an event.
fn history(number: usize, length: u32, events: &[Vec<Step>]) -> Vec<Step> {
    // A bar is hidden at first, so that it can come late.
    let mut steps = vec![Step::Remove { ticker: 0, pick: Pick::Any(700), count: 1 }, Step::sync()];
    let mut rest = number;
    for _ in 0..length {
        steps.extend(events[rest % events.len()].iter().cloned());
        rest /= events.len();
    }
    for _ in 0..2 {
        steps.extend([Step::NextDay(500), Step::sync()]);
    }
    steps
}

/// Plays every history of `length` events, for each stream.
pub fn all(length: u32, kills: bool, streams: &[&'static Stream], threads: usize) -> Totals {
    let events = events();
    let count = events.len().pow(length);
    let numbers = 0..(count * streams.len()) as u64;
    let history = |number| {
        let number = number as usize;
        (setup(streams[number / count]), history(number % count, length, &events))
    };
    play_all("history", numbers, threads, history, if kills { with_kills } else { play })
}

/// Plays a history; also kills each of its syncs after every line, and plays the rest.
fn with_kills(player: &mut Player, steps: &[Step]) -> Result<(), Problem> {
    let problem = |text| Problem { text, steps: steps.to_vec() };
    for (number, step) in steps.iter().enumerate() {
        let Step::Sync { faults, .. } = step else {
            player.play(step).map_err(problem)?;
            continue;
        };
        let world = player.world.clone();
        let run = player.run(faults.clone()).map_err(problem)?;
        let market = player.api().market.clone();
        // The last one has nothing after it that could be resumed.
        let kills = if number + 1 < steps.len() { kills(&run.output.lines) } else { Vec::new() };
        for kill in kills {
            player.world = world.clone();
            player.api().market = market.clone();
            player.api().begin(Arc::default(), Vec::new());
            let killed = Step::Sync { faults: faults.clone(), kill: Some(kill) };
            let settled = player.settle(run.clone(), Some(kill)).map_err(|text| Problem { text, steps: Vec::new() });
            settled.and_then(|()| play(player, &steps[number + 1..])).map_err(|rest| {
                let steps = [&steps[..number], &[killed], &rest.steps].concat();
                Problem { steps, ..rest }
            })?;
        }
        player.world = world;
        player.api().market = market;
        player.settle(run, None).map_err(problem)?;
    }
    Ok(())
}

/// Every way in which a run that wrote these lines can be killed and resumed: after each record or STATE, from each STATE.
fn kills(lines: &[Line]) -> Vec<Kill> {
    let (mut kills, mut states) = (Vec::new(), 0);
    for (place, line) in lines.iter().enumerate() {
        let matters = matches!(line, Line::Record { .. } | Line::State { .. });
        states += usize::from(matches!(line, Line::State { .. }));
        let after = (1000 * (place + 1)).div_ceil(lines.len());
        for back in (0..=states).filter(|_| matters) {
            kills.push(Kill { after, back, keeps_rest: true });
        }
    }
    kills
}
