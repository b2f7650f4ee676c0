//! What went wrong in 0.1.0, one test a finding: rows that were missing, on the wrong price basis, or half finished.

use std::sync::Arc;
use std::time::Duration;

use crate::scenario::Scenario;
use crate::support::bar_size::BarSize;
use crate::support::clock::SimulatedClock;
use crate::support::connector::{Destination, Output};
use crate::support::days::{Date, date, moment, new_york_midnight, new_york_time};
use crate::support::fake_api::Fault;
use crate::support::market::{Market, TradedBar, weekdays};

/// A close of its own for every day.
pub fn close(day: Date) -> f64 {
    200.0 + f64::from((day - date(2020, 1, 1)).num_days() as i32)
}

/// Days or two hours a day of AAPL on so many days from `first` on.
pub fn history(stream: &str, first: Date, days: u64, start_date: &str) -> Scenario {
    let mut market = Market::at("2026-11-20T12:00:00Z");
    for day in weekdays(first, days) {
        let bar = TradedBar::closing_at(close(day));
        match stream {
            "stock_prices" => market.day("AAPL", day, bar),
            _ => market
                .bar(BarSize::HOUR, "AAPL", new_york_time(day, 10, 0), bar)
                .bar(BarSize::HOUR, "AAPL", new_york_time(day, 15, 0), bar),
        };
    }
    Scenario::new(market, "AAPL", stream, start_date)
}

pub const DAYS_AND_HOURS: [&str; 2] = ["stock_prices", "stock_prices_by_hour"];

/// How many warnings hold a text.
pub fn warns_of(output: &Output, text: &str) -> usize {
    output
        .logs("WARN")
        .iter()
        .filter(|warning| warning.contains(text))
        .count()
}

// Finding 2

#[test]
pub fn history_that_is_loaded_in_chunks_backwards_has_no_holes() {
    for stream in DAYS_AND_HOURS {
        let mut scenario = history(stream, date(2022, 1, 3), 900, "2024-01-01");
        for (start, end) in [
            ("2024-01-01", "2024-03-31"),
            ("2023-01-01", "2023-03-31"),
            ("2022-01-01", "2022-03-31"),
        ] {
            scenario
                .set("start_date", start)
                .set("end_date", end)
                .sync("2026-11-20T12:00:00Z");
            scenario
                .set("end_date", "2024-03-31")
                .assert_true(&format!("{stream} {start}"));
        }
    }
}

#[test]
fn start_date_that_is_moved_back_twice_before_an_end_date_misses_nothing() {
    for stream in DAYS_AND_HOURS {
        let mut scenario = history(stream, date(2024, 1, 1), 300, "2024-06-01");
        for (start, end) in [
            ("2024-06-01", "2024-08-31"),
            ("2024-03-01", "2024-04-15"),
            ("2024-02-01", "2024-04-15"),
        ] {
            scenario
                .set("start_date", start)
                .set("end_date", end)
                .sync("2026-11-20T12:00:00Z");
            scenario
                .set("end_date", "2024-08-31")
                .assert_true(&format!("{stream} {start}"));
        }
    }
}

#[test]
fn start_date_that_is_moved_back_after_adjusted_was_flipped_misses_nothing() {
    for stream in DAYS_AND_HOURS {
        let mut scenario = history(stream, date(2024, 1, 1), 300, "2024-06-01");
        scenario.api.market().split("AAPL", date(2024, 7, 1), 2.0);
        scenario
            .set("end_date", "2024-08-31")
            .sync("2026-11-20T12:00:00Z");
        scenario
            .set("end_date", "2024-06-15")
            .set("adjusted", false);
        scenario.sync("2026-11-20T12:00:00Z");
        scenario
            .set("start_date", "2024-02-01")
            .sync("2026-11-20T12:00:00Z");
        scenario.set("end_date", "2024-08-31").assert_true(stream);
    }
}

// Finding 3

#[test]
fn hours_of_an_api_that_is_fifteen_minutes_and_five_seconds_behind_are_emitted_finished() {
    let day = date(2026, 3, 10);
    let starts: Vec<i64> = (9..16).map(|hour| new_york_time(day, hour, 0)).collect();
    let mut market = Market::at("2026-03-10T15:15:02Z");
    market.bar(
        BarSize::HOUR,
        "AAPL",
        starts[0],
        TradedBar::closing_at(170.0),
    );
    let mut scenario = Scenario::new(market, "AAPL", "stock_prices_by_hour", "2026-03-10");
    let mut emitted = 0;
    for hour in 15..=21 {
        let now = format!("2026-03-10T{hour}:15:02Z");
        for (number, start) in starts.iter().enumerate() {
            let is_finished = start + 3_600_000 + 905_000 <= moment(&now).timestamp_millis();
            let close = 170.0 + number as f64 + if is_finished { 0.5 } else { 0.0 };
            scenario
                .api
                .market()
                .bar(BarSize::HOUR, "AAPL", *start, TradedBar::closing_at(close));
        }
        let output = scenario.sync(&now);
        assert_eq!(output.logs("WARN"), [""; 0], "{now}");
        emitted += output.records().len();
        assert_eq!(scenario.requests().len(), 1, "{now}");
    }
    scenario.assert_true("at the end of the session");
    assert_eq!(emitted, 7, "each hour once");
}

// Finding 4

#[test]
fn minute_and_day_that_come_late_are_emitted() {
    let day = date(2026, 3, 10);
    let mut market = Market::at("2026-03-10T18:52:00Z");
    for minute in 25..50 {
        let bar = TradedBar::closing_at(247.0 + f64::from(minute) / 100.0);
        let late = bar.shown_from(moment("2026-03-10T18:55:00Z"));
        let bar = if minute == 30 { late } else { bar };
        market.bar(BarSize::MINUTE, "AAPL", new_york_time(day, 14, minute), bar);
    }
    let mut minutes = Scenario::new(market, "AAPL", "stock_prices_by_minute", "2026-03-10");
    assert_eq!(
        minutes.sync("2026-03-10T18:52:00Z").records().len(),
        6,
        "14:25 to 14:31"
    );
    let second = minutes.sync("2026-03-10T18:56:00Z");
    minutes.assert_true("the minute is there");
    assert_eq!(warns_of(&second, ""), 0);

    let mut days = history("stock_prices", date(2026, 3, 2), 20, "2026-03-02");
    let late = moment("2026-03-12T12:00:00Z");
    let start = new_york_midnight(date(2026, 3, 9));
    days.correct(BarSize::DAY, "AAPL", start, |bar| {
        bar.shown_from = Some(late);
    });
    days.sync("2026-03-11T12:00:00Z");
    assert_eq!(days.sync("2026-03-12T12:00:00Z").records().len(), 2);
    days.assert_true("the day is there");
}

// Finding 6

/// A history in small pages, half a minute before a midnight in New York at which a split takes effect.
fn before_the_split_at_midnight(stream: &str) -> (Scenario, Arc<SimulatedClock>) {
    let scenario = history(stream, date(2026, 1, 5), 66, "2026-01-05");
    scenario
        .api
        .market()
        .split("AAPL", date(2026, 3, 11), 2.0)
        .page_size = 6;
    let clock = SimulatedClock::for_threads_at(moment("2026-03-11T03:59:30Z"));
    scenario.api.follow(clock.clone());
    (scenario, clock)
}

#[test]
fn split_that_takes_effect_between_two_pages_leaves_one_basis() {
    for stream in DAYS_AND_HOURS {
        let (mut scenario, clock) = before_the_split_at_midnight(stream);
        // The key lets five requests a minute through.
        scenario.api.set_quota(5, clock.clone());
        let output = scenario
            .connector
            .run_with_clock(&clock, "read")
            .succeeded();
        scenario.table.load(&output);
        let midnight = moment("2026-03-11T04:00:00Z");
        let requests = scenario.requests();
        let of_first_day = requests
            .iter()
            .filter(|request| request.time < midnight)
            .count();
        assert!(
            (2..requests.len()).contains(&of_first_day),
            "pages before and after midnight: {of_first_day} of {}",
            requests.len()
        );
        // The last day became final during the run; whether it is emitted is open.
        scenario.set("end_date", "2026-03-09");
        scenario
            .table
            .rows
            .retain(|key, _| key.1.as_str() < "2026-03-10");
        scenario.assert_true(stream);
    }
}

#[test]
fn split_between_two_pages_of_a_run_that_was_cut_off_left_two_bases() {
    for stream in DAYS_AND_HOURS {
        let (mut scenario, clock) = before_the_split_at_midnight(stream);
        let time = clock.clone();
        scenario.api.inject_faults(move |_, _| {
            time.advance(Duration::from_secs(10));
            None
        });
        let output = scenario.connector.run_with_clock(&clock, "read");
        let noon = "2026-03-12T12:00:00Z";
        scenario.api.heal();
        scenario.api.follow(SimulatedClock::at(moment(noon)));
        scenario.api.market().page_size = 50_000;
        let is_state = |line: &usize| output.messages[*line]["type"] == "STATE";
        let states: Vec<usize> = (0..output.messages.len()).filter(is_state).collect();
        assert!(states.len() > 2, "{stream}: {} STATEs", states.len());
        for line in states {
            let cut_off = output.first_lines(line + 1);
            scenario.table = Destination::default();
            scenario.table.load(&cut_off);
            scenario.connector.resume_from(&cut_off);
            scenario.sync(noon);
            scenario.assert_true(&format!("{stream}, cut off after line {line}"));
        }
    }
}

#[test]
fn midnight_that_passes_while_a_single_page_is_waited_for_asks_nothing_again() {
    for stream in DAYS_AND_HOURS {
        let scenario = history(stream, date(2026, 1, 5), 66, "2026-03-02");
        let clock = SimulatedClock::for_threads_at(moment("2026-03-11T03:59:30Z"));
        scenario.api.follow(clock.clone());
        scenario
            .api
            .inject_faults(|number, _| (number == 0).then(|| Fault::status(429, "", "{}")));
        let output = scenario.connector.run_with_clock(&clock, "read");
        output.succeeded();
        assert_eq!(scenario.requests().len(), 2, "{stream}");
    }
}

// Finding 7

#[test]
fn split_while_the_end_date_lies_before_the_last_bar_leaves_one_basis() {
    for stream in DAYS_AND_HOURS {
        for start_date in ["2023-10-02", "2024-01-01"] {
            let mut scenario = history(stream, date(2023, 9, 4), 310, "2024-01-01");
            scenario.api.market().split("AAPL", date(2024, 7, 1), 2.0);
            scenario.sync("2024-06-29T12:00:00Z");
            scenario
                .set("start_date", start_date)
                .set("end_date", "2024-05-31");
            scenario.sync("2024-07-02T12:00:00Z");
            scenario
                .set("end_date", "2024-06-30")
                .assert_true(&format!("{stream} {start_date}"));
        }
    }
}

// Finding 13

#[test]
fn adjusted_that_is_flipped_twice_around_a_cut_leaves_one_basis() {
    for stream in DAYS_AND_HOURS {
        for lines in 0..16 {
            let mut scenario = history(stream, date(2026, 3, 2), 10, "2026-03-02");
            scenario
                .api
                .market()
                .split("AAPL", date(2026, 3, 6), 2.0)
                .page_size = 4;
            scenario.sync("2026-03-10T12:00:00Z");
            // The destination keeps all that was written, also what no STATE followed.
            scenario
                .set("adjusted", false)
                .sync_until_line("2026-03-10T12:00:00Z", lines);
            scenario.set("adjusted", true).sync("2026-03-10T12:00:00Z");
            scenario.assert_true(&format!("{stream}, cut off after {lines} lines"));
        }
    }
}

#[test]
fn correction_that_is_taken_back_around_a_cut_leaves_the_true_bars() {
    for stream in DAYS_AND_HOURS {
        for lines in 0..16 {
            let mut scenario = history(stream, date(2026, 3, 2), 10, "2026-03-02");
            scenario.sync("2026-03-10T12:00:00Z");
            let start = match stream {
                "stock_prices" => new_york_midnight(date(2026, 3, 9)),
                _ => new_york_time(date(2026, 3, 9), 15, 0),
            };
            let size = crate::scenario::bar_size_of(stream);
            let mut known = None;
            scenario.correct(size, "AAPL", start, |bar| {
                known = Some(bar.volume.take());
                bar.volume = Some(7.0);
            });
            scenario.sync_until_line("2026-03-10T12:00:00Z", lines);
            scenario.correct(size, "AAPL", start, |bar| bar.volume = known.flatten());
            scenario.sync("2026-03-10T12:00:00Z");
            scenario.assert_true(&format!("{stream}, cut off after {lines} lines"));
        }
    }
}

// Findings 2 and 7 at once

#[test]
fn reread_that_is_cut_off_goes_as_far_as_the_old_rows_whatever_the_end_date() {
    for stream in DAYS_AND_HOURS {
        for lines in 0..24 {
            let mut scenario = history(stream, date(2026, 3, 2), 12, "2026-03-02");
            scenario.sync("2026-03-12T12:00:00Z");
            scenario
                .api
                .market()
                .split("AAPL", date(2026, 3, 12), 2.0)
                .page_size = 3;
            scenario.set("end_date", "2026-03-05");
            scenario.sync_until_line("2026-03-13T12:00:00Z", lines);
            scenario
                .set("end_date", "2026-03-03")
                .sync("2026-03-13T12:00:00Z");
            scenario.set("end_date", "2026-03-11");
            scenario.assert_true(&format!("{stream}, cut off after {lines} lines"));
        }
    }
}
