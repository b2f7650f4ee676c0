//! Weeks of syncs on a simulated calendar: afterwards the destination holds the truth.

use jiff::civil::{Date, Weekday, date};
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::support::connector::{Connector, Table};
use crate::support::fake_api::FakeApi;
use crate::support::market::{Market, TradedBar, new_york_midnight};

#[test]
fn four_weeks_of_daily_syncs_bring_each_trading_day_once() {
    let holidays = [date(2026, 11, 26), date(2026, 12, 25)];
    let is_open = |day: Date| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !holidays.contains(&day);
    let days = || date(2026, 11, 20).series(1.day()).take(42);
    let api = FakeApi::start(Market::at("2026-11-20T00:00:00Z"));
    for (number, day) in days().filter(|day| is_open(*day)).enumerate() {
        api.market().day("TSLA", day, TradedBar::closing_at(400.0 + number as f64));
    }
    let mut connector = Connector::new(&api, "TSLA");
    connector.set("start_date", "2026-11-20");
    let mut emitted: Vec<String> = Vec::new();
    for day in days() {
        // Before the opening, during the session, in the evening: each day at another hour, in UTC.
        let hour = i8::try_from(emitted.len() * 7 % 24).unwrap();
        let now = day.at(hour, 30, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
        api.market().now = now;
        let output = connector.at(&now.to_string(), "read").succeeded();
        assert_eq!(output.logs("WARN").iter().filter(|text| !text.contains("no bars from 2026-11-20")).count(), 0);
        emitted.extend(output.prices().iter().map(|price| price.1.to_owned()));
        connector.go_on_from(&output);
    }
    let expected: Vec<_> = days().filter(|day| is_open(*day)).map(|day| day.to_string()).collect();
    assert!(emitted.len() >= 20);
    assert_eq!(emitted, expected[..emitted.len()]);
    assert!(expected.len() - emitted.len() <= 2, "only what is not final at the last sync may be missing");
}

/// Something that happens between or during syncs.
#[derive(Debug, Clone)]
enum Event {
    /// Time passes, and a sync runs.
    Sync { hours: u32 },
    /// So many good requests, and then an outage: a sync is broken off.
    BrokenSync { hours: u32, good_requests: usize },
    /// A split takes effect tomorrow.
    Split { ticker: usize, ratio: u8 },
    /// The last bar before today is corrected.
    Correction { ticker: usize, cents: u8 },
    /// The tickers are changed, as a set of bits.
    Tickers { selected: u8 },
    /// The start is moved by so many days.
    Start { days: i8 },
    /// Adjusted prices, or not.
    Basis { adjusted: bool },
}

const TICKERS: [&str; 3] = ["AAPL", "BRK.B", "GSpB"];

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (1_u32..100).prop_map(|hours| Event::Sync { hours }),
        3 => ((1_u32..100), (0_usize..4)).prop_map(|(hours, good_requests)| Event::BrokenSync { hours, good_requests }),
        1 => ((0_usize..3), (2_u8..5)).prop_map(|(ticker, ratio)| Event::Split { ticker, ratio }),
        1 => ((0_usize..3), (1_u8..50)).prop_map(|(ticker, cents)| Event::Correction { ticker, cents }),
        2 => (1_u8..8).prop_map(|selected| Event::Tickers { selected }),
        1 => (-20_i8..20).prop_map(|days| Event::Start { days }),
        1 => any::<bool>().prop_map(|adjusted| Event::Basis { adjusted }),
    ]
}

/// Runs the events on a stream; at the end, a last sync of all tickers must leave the truth in the destination.
fn play(
    stream: &str,
    timespan: &'static str,
    seed: u64,
    page_size: usize,
    events: &[Event],
) -> Result<(), TestCaseError> {
    let mut now: Timestamp = "2026-03-02T15:00:00Z".parse().unwrap();
    let mut random = seed;
    let mut chance = |one_in: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33).is_multiple_of(one_in)
    };
    let mut market = Market::at(&now.to_string());
    market.page_size = page_size;
    for (number, ticker) in TICKERS.iter().enumerate() {
        for day in date(2026, 2, 1).series(1.day()).take(90) {
            // Weekends, holidays, and days on which a small stock is not traded.
            if matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) || chance(8) {
                continue;
            }
            let starts: Vec<i64> = match timespan {
                "day" => vec![new_york_midnight(day)],
                _ => (4..20)
                    .filter(|_| !chance(4))
                    .map(|hour| crate::support::market::new_york_time(day, hour, 0))
                    .collect(),
            };
            for (place, start) in starts.into_iter().enumerate() {
                let close = 100.0 * (number + 1) as f64 + f64::from(day.day_of_year()) + place as f64 / 100.0;
                market.bar(timespan, ticker, start, TradedBar::closing_at(close));
            }
        }
    }
    let api = FakeApi::start(market);
    let mut connector = Connector::new(&api, &TICKERS.join(","));
    let mut start = date(2026, 2, 20);
    connector.stream(stream, "incremental").set("start_date", start.to_string());
    let (mut table, mut may_double) = (Table::default(), false);
    let last_sync = [Event::Tickers { selected: 7 }, Event::Start { days: 0 }, Event::Sync { hours: 24 }];
    for event in events.iter().chain(&last_sync) {
        let sync = match event {
            Event::Sync { hours } => Some((*hours, usize::MAX)),
            Event::BrokenSync { hours, good_requests } => Some((*hours, *good_requests)),
            Event::Split { ticker, ratio } => {
                let tomorrow = crate::support::market::new_york_date(now).tomorrow().unwrap();
                api.market().splits.push((TICKERS[*ticker].to_owned(), tomorrow, f64::from(*ratio)));
                may_double = true;
                None
            }
            Event::Correction { ticker, cents } => {
                // What was emitted last, whenever that was, is what a sync can notice.
                let state = connector
                    .state
                    .as_ref()
                    .and_then(|state| state[0]["stream"]["stream_state"].get(TICKERS[*ticker]).cloned());
                let cursor = state.and_then(|state| state.get("date").or(state.get("timestamp")).cloned());
                if let Some(cursor) = cursor.as_ref().and_then(|cursor| cursor.as_str()) {
                    let at = cursor
                        .parse::<Timestamp>()
                        .map_or_else(|_| new_york_midnight(cursor.parse().unwrap()), Timestamp::as_millisecond);
                    if let Some(bar) =
                        api.market().bars.get_mut(&(timespan, TICKERS[*ticker].to_owned())).unwrap().get_mut(&at)
                    {
                        bar.close += f64::from(*cents) / 100.0;
                        may_double = true;
                    }
                }
                None
            }
            Event::Tickers { selected } => {
                let selected = TICKERS.iter().enumerate().filter(|(number, _)| selected >> number & 1 == 1);
                connector.set("stock_ticker", selected.map(|(_, ticker)| *ticker).collect::<Vec<_>>().join(","));
                None
            }
            Event::Start { days } => {
                start = start.min(start + i64::from(*days).days());
                connector.set("start_date", (start + i64::from((*days).max(0)).days()).to_string());
                None
            }
            Event::Basis { adjusted } => {
                connector.set("adjusted", *adjusted);
                may_double = true;
                None
            }
        };
        if let Some((hours, good_requests)) = sync {
            now += SignedDuration::from_hours(i64::from(hours));
            api.market().now = now;
            api.take_requests();
            api.misbehave(move |number, _| {
                (number >= good_requests).then(|| crate::support::fake_api::Fault::status(400, "", "{}"))
            });
            let output = connector.at(&now.to_string(), "read");
            prop_assert!(good_requests < usize::MAX || output.exit_code == 0, "{:?}", output.errors());
            let doubles = table.load(&output);
            prop_assert!(doubles == 0 || may_double, "{doubles} doubles, and no history had changed");
            connector.go_on_from(&output);
        }
    }
    let mut truth = Table::default();
    let mut fresh = connector.afresh(stream);
    fresh.set("start_date", start.to_string());
    truth.load(&fresh.at(&now.to_string(), "read").succeeded());
    let wrong: Vec<_> = truth.0.iter().filter(|(key, record)| table.0.get(key) != Some(record)).collect();
    prop_assert!(wrong.is_empty(), "missing or not as they should be: {:?}", wrong);
    prop_assert_eq!(table.0.len(), truth.0.len(), "there are rows that should not be");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_history_the_destination_holds_the_truth(
        seed in any::<u64>(), page_size in 3_usize..40, events in prop::collection::vec(event(), 1..25),
    ) {
        play("stock_prices", "day", seed, page_size, &events)?;
    }

    #[test]
    fn after_any_history_of_hours_the_destination_holds_the_truth(
        seed in any::<u64>(), page_size in 5_usize..200, events in prop::collection::vec(event(), 1..15),
    ) {
        play("stock_prices_by_hour", "hour", seed, page_size, &events)?;
    }
}
