//! Moving start and end dates: no gaps between old and new bars, and one price basis for all.

use super::{DAYS_AND_HOURS, history};
use crate::support::days::date;

const NOW: &str = "2026-11-20T12:00:00Z";

#[test]
fn history_that_is_read_backwards_in_chunks_has_no_gaps() {
    for stream in DAYS_AND_HOURS {
        for chunks in [
            [("2024-01-01", "2024-03-31"), ("2023-01-01", "2023-03-31"), ("2022-01-01", "2022-03-31")],
            [("2024-06-01", "2024-08-31"), ("2024-03-01", "2024-04-15"), ("2024-02-01", "2024-04-15")],
        ] {
            let mut scenario = history(stream, date(2022, 1, 3), 1_000, "2024-01-01");
            for (start, end) in chunks {
                scenario.set("start_date", start).set("end_date", end).sync(NOW);
                scenario.set("end_date", chunks[0].1);
                scenario.assert_true(&format!("{stream} {start}"));
            }
        }
    }
}

#[test]
fn start_date_that_is_moved_back_after_another_value_of_adjusted_misses_nothing() {
    for stream in DAYS_AND_HOURS {
        let mut scenario = history(stream, date(2024, 1, 1), 300, "2024-06-01");
        scenario.api.market().split("AAPL", date(2024, 7, 1), 2.0);
        scenario.set("end_date", "2024-08-31").sync(NOW);
        scenario.set("end_date", "2024-06-15").set("adjusted", false).sync(NOW);
        scenario.set("start_date", "2024-02-01").sync(NOW);
        scenario.set("end_date", "2024-08-31").assert_true(stream);
    }
}

#[test]
fn split_with_an_end_date_before_the_last_bar_leaves_one_basis() {
    for stream in DAYS_AND_HOURS {
        for start_date in ["2023-10-02", "2024-01-01"] {
            let mut scenario = history(stream, date(2023, 9, 4), 310, "2024-01-01");
            scenario.api.market().split("AAPL", date(2024, 7, 1), 2.0);
            scenario.sync("2024-06-29T12:00:00Z");
            scenario.set("start_date", start_date).set("end_date", "2024-05-31").sync("2024-07-02T12:00:00Z");
            scenario.set("end_date", "2024-06-30");
            scenario.assert_true(&format!("{stream} {start_date}"));
        }
    }
}
