//! Random histories.

use fastrand::Rng;

use crate::support::days::{Date, date};

use super::days::{Zone, day};
use super::market::{Plan, Split};
use super::steps::{Fault, Field, Kill, KnownFrom, MAX_PAUSE, Pick, Setup, Step};
use super::streams::Stream;
use super::world::ALWAYS_TRADED;

/// Days near which histories begin: both changes of the clocks, a turn of the year, and ordinary days.
const BEGINNINGS: [Date; 5] =
    [date(2026, 3, 3), date(2026, 10, 27), date(2025, 12, 24), date(2026, 6, 15), date(2026, 1, 29)];

/// A history of one of these streams, or of two.
pub fn history(seed: u64, streams: &[&'static Stream]) -> (Setup, Vec<Step>) {
    let mut rng = Rng::with_seed(seed);
    let setup = setup(&mut rng, streams);
    let mut steps = vec![random_sync(&mut rng, &setup)];
    let count = rng.usize(4..14);
    // Changes of a kind come together: else a rare one is hidden by the others.
    let kinds: Vec<u8> = (0..3).map(|_| rng.u8(..)).collect();
    while steps.iter().filter(|step| step.is_sync()).count() < count {
        for _ in 0..rng.u8(..3) {
            steps.push(random_event(&mut rng, &setup, &kinds));
        }
        steps.push(random_pause(&mut rng, &setup));
        steps.push(random_sync(&mut rng, &setup));
    }
    // In the end, nothing but days.
    let days = if rng.u8(..8) == 0 { rng.u8(4..16) } else { rng.u8(..4) };
    for _ in 0..days {
        steps.extend([Step::NextDay(rng.i64(400..1_300)), Step::sync()]);
    }
    (setup, steps)
}

fn setup(rng: &mut Rng, streams: &[&'static Stream]) -> Setup {
    let first = streams[rng.usize(..streams.len())];
    let mut chosen = vec![first];
    if rng.u8(..8) == 0 {
        let other = streams[rng.usize(..streams.len())];
        if other != first {
            chosen.push(other);
        }
    }
    let is_market = chosen.iter().any(|stream| stream.is_market());
    let is_events = chosen.iter().all(|stream| stream.is_events());
    let reads_all = chosen.iter().any(|stream| stream.reads_all);
    let is_intraday = chosen.iter().any(|stream| stream.size.is_intraday());
    let is_long = chosen.iter().any(|stream| stream.size.is_long());
    let tickers = match rng.u8(..6) {
        _ if reads_all => vec![ALWAYS_TRADED, "AAPL", "BRK.B", "GSpB", "TSLA", "F"],
        0 if is_intraday => vec![if rng.bool() { "X:BTCUSD" } else { "C:EURUSD" }, "AAPL"],
        1 => vec!["I:SPX", "AAPL", "GSpB"],
        _ => vec!["AAPL", "BRK.B", "GSpB"],
    };
    let today = day(BEGINNINGS[rng.usize(..BEGINNINGS.len())]) + rng.i64(0..6);
    let dense = if is_market { rng.i64(3..30) } else { rng.i64(5..30) };
    let sparse = match rng.u8(..4) {
        _ if is_market => rng.i64(0..30),
        0 if is_events => 1_200,
        0 => 0,
        1 => rng.i64(30..200),
        _ => rng.i64(300..800),
    };
    let start = match rng.u8(..8) {
        0 => None,
        1 => Some(rng.i64(1..12)),
        2..4 if !is_market => Some(731 + rng.i64(-3..40)),
        4 => Some(dense + sparse + 5),
        _ => Some(rng.i64(1..dense + sparse + 40)),
    };
    Setup {
        seed: rng.u64(..),
        selected: if is_market { tickers.len() } else { rng.usize(1..=tickers.len()) },
        tickers,
        plan: Plan {
            years: (rng.u8(..4) > 0).then_some(2),
            refuses_earlier: rng.u8(..3) == 0,
            shows_today: rng.bool(),
        },
        page_size: match rng.u8(..4) {
            0 | 1 if is_events => rng.usize(2..12),
            0 | 1 => rng.usize(20..120),
            _ => 50_000,
        },
        now: Zone::NewYork.midnight(today) + rng.i64(0..1_440) * 60_000 + 17_000,
        start,
        dense,
        sparse,
        every: match is_long {
            _ if is_events => rng.i64(15..90),
            true => 6,
            false => rng.i64(4..20),
        },
        has_unusable_rows: (is_market || is_events) && rng.u8(..3) == 0,
        is_full_refresh: rng.u8(..8) == 0,
        streams: chosen,
    }
}

fn random_pause(rng: &mut Rng, setup: &Setup) -> Step {
    let is_long = setup.streams.iter().any(|stream| stream.size.is_long());
    match rng.u8(..10) {
        0 => Step::Wait(0),
        1 => Step::Wait(rng.i64(0..MAX_PAUSE * 8)),
        2 | 3 => Step::Wait(rng.i64(0..MAX_PAUSE)),
        _ if is_long && rng.bool() => Step::Wait(rng.i64(0..MAX_PAUSE * 6)),
        _ => Step::NextDay(rng.i64(1..1_400)),
    }
}

fn random_sync(rng: &mut Rng, setup: &Setup) -> Step {
    let mut faults: Vec<(usize, Fault)> = Vec::new();
    let count = if rng.u8(..3) == 0 { rng.u8(1..3) } else { 0 };
    for _ in 0..count {
        let latest = if rng.bool() { 2 } else { 10 };
        let at = rng.usize(..latest);
        let ticker = rng.usize(..setup.tickers.len());
        // Two empty responses in a row are believed.
        let kinds = if faults.is_empty() { 0..19 } else { 4..19 };
        let fault = match rng.u8(kinds) {
            0 | 1 => Fault::Empty,
            2 | 3 => Fault::EmptyNextPage,
            4 => Fault::Doubled,
            5 | 6 => Fault::CutAtPageEnd,
            7 => Fault::Strays,
            8 => Fault::OtherTicker,
            9 => Fault::Truncated,
            10 => Fault::Hiccup,
            11 => Fault::Outage(if rng.bool() { 400 } else { 500 }),
            12 => Fault::Caches(rng.u64(..)),
            13 if !setup.tickers[ticker].contains(':') => {
                let first_day = Zone::NewYork.day_at(setup.now) + rng.i64(0..20);
                Fault::SplitMeanwhile {
                    ticker,
                    split: Split { first_day, ratio: 4.0, known_from: 0, known_until: i64::MAX },
                }
            }
            14 => Fault::Reversed,
            // The day that is requested again must have bars.
            15 if faults.is_empty() => return Step::Sync { faults: vec![(at, Fault::Conflict)], kill: None },
            _ => Fault::Slow(rng.i64(1..9)),
        };
        faults.push((at, fault));
    }
    let kill = (rng.u8(..5) == 0).then(|| Kill {
        after: rng.usize(..=1000),
        back: if rng.bool() { 0 } else { rng.usize(..6) },
        keeps_rest: rng.bool(),
    });
    Step::Sync { faults, kill }
}

fn random_pick(rng: &mut Rng) -> Pick {
    match rng.u8(..6) {
        0..3 => Pick::Last(rng.usize(..15)),
        3 => Pick::First(rng.usize(..3)),
        _ => Pick::Any(rng.usize(..=1000)),
    }
}

fn random_event(rng: &mut Rng, setup: &Setup, kinds: &[u8]) -> Step {
    let ticker = rng.usize(..setup.tickers.len());
    let kind = if rng.bool() { kinds[rng.usize(..kinds.len())] } else { rng.u8(..) };
    let may_be_bad = setup.streams.iter().any(|stream| stream.is_market() || stream.is_events());
    // Bars may be emitted twice after a clock was wrong.
    let is_events = setup.streams.iter().all(|stream| stream.is_events());
    match kind % 20 {
        0..3 => {
            let field = [Field::Open, Field::Close, Field::Volume, Field::Vwap, Field::Trades][rng.usize(..5)];
            Step::Correct { ticker, pick: random_pick(rng), field, by: rng.u32(1..500) }
        }
        3 => Step::TakeBack,
        4 => Step::Settle { ticker },
        5 => Step::Late { ticker, pick: random_pick(rng), count: few_or_many(rng, 100) },
        6 => Step::Late { ticker, pick: Pick::First(0), count: few_or_many(rng, 10) },
        7 => Step::Remove { ticker, pick: random_pick(rng), count: few_or_many(rng, 1_000) },
        8..11 => {
            // No two of them make up for each other.
            let ratio = [2.0, 3.0, 10.0, 0.2][rng.usize(..4)];
            let (in_days, known) = match rng.u8(..4) {
                0 => (rng.i64(0..3), KnownFrom::Midnight),
                1 => (rng.i64(0..3), KnownFrom::Evening),
                2 => (-rng.i64(0..20), KnownFrom::Now),
                _ => (-rng.i64(20..700), KnownFrom::Now),
            };
            Step::Split { ticker, in_days, ratio, known }
        }
        11 if rng.bool() => Step::Unsplit { ticker },
        11 => Step::Redate { ticker, days: rng.i64(1..20) },
        12 => Step::Delist { ticker },
        13 | 14 if may_be_bad => {
            Step::BadDay { days_ago: rng.i64(0..20), is_empty: rng.bool(), requests: rng.u32(1..9) }
        }
        13..16 => Step::Start(match rng.u8(..8) {
            0 => None,
            1..4 if !may_be_bad => Some(690 + rng.i64(0..80)),
            4 | 5 => Some(rng.i64(1..60)),
            _ => Some(rng.i64(1..setup.dense + setup.sparse + 20)),
        }),
        16 if rng.u8(..4) == 0 => Step::Lapse,
        17 if is_events && rng.u8(..4) == 0 => Step::SetBack(rng.i64(1..9)),
        16 if rng.u8(..8) == 0 => Step::End(Some(700 + rng.i64(0..50))),
        16 => Step::End(rng.bool().then(|| rng.i64(-2..30))),
        17 => Step::ToggleAdjusted,
        18 => Step::AddTicker(ticker),
        _ => Step::RemoveTicker(ticker),
    }
}

fn few_or_many(rng: &mut Rng, many: usize) -> usize {
    match rng.u8(..6) {
        0 => rng.usize(1..many),
        _ => rng.usize(1..4),
    }
}
