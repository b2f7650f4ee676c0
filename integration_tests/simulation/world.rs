//! The market of a history: random bars, dense around its beginning and sparse before.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::days::{DAY, HOUR, MINUTE, Zone, is_weekday, years_before};
use super::market::{Bar, Market, Ticker};
use super::steps::Setup;
use super::streams::Size;

/// For how many days after its beginning a history has bars.
const AHEAD: i64 = 75;

/// The ticker that always trades; a day on which it has no bar is a holiday of the whole market.
pub const ALWAYS_TRADED: &str = "SPY";

/// Builds the market of a history.
pub fn market(setup: &Setup) -> Market {
    let mut rng = Rng::with_seed(setup.seed);
    let smallest = setup.streams.iter().map(|stream| stream.size).min_by_key(|size| match size {
        Size::Minutes(count) => *count,
        Size::Hour => 60,
        _ => 1440,
    });
    let smallest = smallest.expect("a history has a stream");
    let is_market = setup.streams.iter().any(|stream| stream.is_market());
    let is_events = setup.streams.iter().all(|stream| stream.is_events());
    let holidays: Vec<i64> = (0..6).map(|_| rng.i64(-40..AHEAD)).collect();
    let tickers = setup.tickers.iter().map(|name| {
        let zone = if name.starts_with("X:") || name.starts_with("C:") { Zone::Utc } else { Zone::NewYork };
        let mut ticker = Ticker { name, zone, bars: BTreeMap::new(), hidden: BTreeMap::new(), splits: Vec::new() };
        let today = zone.day_at(setup.now);
        let first_day = today - setup.dense - setup.sparse;
        let mut day = first_day;
        // The beginning may come late.
        let last_late_day = if rng.u8(..4) == 0 { first_day + rng.i64(..5 * setup.every) } else { first_day - 1 };
        let is_about_to_age_out = is_events && rng.u8(..3) == 0;
        while day < today + AHEAD {
            // Where the plan's history begins, many bars leave it.
            let floor = years_before(today, 2);
            let is_dense = day >= today - setup.dense || (floor - 5..floor + 40).contains(&day);
            let is_dense = is_dense && !is_events;
            let is_open = zone == Zone::Utc || is_weekday(day);
            let is_closed = is_market && holidays.contains(&(day - today));
            let always = *name == ALWAYS_TRADED && !is_events;
            if is_open && !is_closed && (always || rng.u8(..8) > 0) {
                for start in starts(smallest, zone, day, &mut rng) {
                    let bar = random_bar(&mut rng);
                    if !always && (day <= last_late_day || rng.u8(..20) == 0) {
                        ticker.hidden.insert(start, bar);
                    } else {
                        ticker.bars.insert(start, bar);
                    }
                }
            }
            if is_about_to_age_out && day > years_before(today, 2) + 8 {
                break;
            }
            day += if is_dense || always { 1 } else { rng.i64(1..=2 * setup.every) };
        }
        ticker
    });
    Market { tickers: tickers.collect(), plan: setup.plan, page_size: setup.page_size }
}

/// When the bars of a day begin.
fn starts(size: Size, zone: Zone, day: i64, rng: &mut Rng) -> Vec<i64> {
    let midnight = zone.midnight(day);
    let (opening, closing) = if zone == Zone::Utc { (0, 24) } else { (4, 20) };
    let (length, count) = match size {
        Size::Minutes(count) => (count * MINUTE, rng.i64(2..6)),
        Size::Hour => (HOUR, rng.i64(1..5)),
        // Sometimes two events share a day.
        Size::Event if rng.u8(..6) == 0 => return vec![midnight, midnight + HOUR],
        _ => return vec![midnight],
    };
    // Clocks change on Sundays, when stocks do not trade.
    let slots = (closing - opening) * HOUR / length;
    let mut starts: Vec<i64> = (0..count).map(|_| midnight + opening * HOUR + rng.i64(0..slots) * length).collect();
    starts.retain(|start| *start < midnight + DAY);
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// A bar of random figures.
pub fn random_bar(rng: &mut Rng) -> Bar {
    let mut price = || f64::from(rng.u32(4_000..90_000)) / 100.0;
    let (open, high, low, close, vwap) = (price(), price(), price(), price(), price());
    let volume = f64::from(rng.u32(100..2_000_000)) / if rng.bool() { 1.0 } else { 64.0 };
    Bar { open, high, low, close, vwap, volume, trades: rng.u64(1..9_000) }
}
