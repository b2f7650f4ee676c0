//! What is asserted of every fault, whichever server makes it: a request that fails once, and one that fails always.

use std::thread;

use serde_json::json;

use crate::support::backend::Api;
use crate::support::connector::{Connector, Destination};
use crate::support::days::date;
use crate::support::market::Market;

pub const NOW: &str = "2026-11-20T15:00:00Z";

/// The first page, the middle one, the last; and the sync mode, which must not matter.
const PLACES: [(usize, &str); 4] = [
    (0, "incremental"),
    (1, "incremental"),
    (2, "incremental"),
    (1, "full_refresh"),
];

/// What becomes of a sync in which one request fails this way once, and of one in which it always does.
pub struct FaultRow<F> {
    pub name: &'static str,
    pub fault: fn() -> F,
    /// Whether the next attempt may succeed.
    pub is_transient: bool,
    /// The failure's type where no attempt succeeds.
    pub failure_type: &'static str,
    /// Attempts of the failing request where none succeeds.
    pub attempts: usize,
    /// Part of the message.
    pub says: &'static str,
}

pub const fn transient<F>(name: &'static str, fault: fn() -> F, says: &'static str) -> FaultRow<F> {
    FaultRow {
        name,
        fault,
        is_transient: true,
        failure_type: "transient_error",
        attempts: 6,
        says,
    }
}

pub const fn permanent<F>(name: &'static str, fault: fn() -> F, says: &'static str) -> FaultRow<F> {
    FaultRow {
        name,
        fault,
        is_transient: false,
        failure_type: "system_error",
        attempts: 1,
        says,
    }
}

/// Six days of one ticker, on three pages.
pub fn three_pages() -> Market {
    let mut market = Market::at(NOW);
    market.page_size = 2;
    for number in 0..6 {
        market.days(
            "TSLA",
            &[(date(2026, 11, 12 + number), 400.0 + f64::from(number))],
        );
    }
    market
}

/// A connector that reads these pages.
pub fn connector<F>(api: &Api<F>, sync_mode: &str) -> Connector {
    let mut connector = Connector::new(api, "TSLA");
    connector
        .set("start_date", "2026-11-12")
        .stream("stock_prices", sync_mode);
    connector
}

/// Takes the rows on, some at a time: their runs wait more than they work. Each of the threads has one server.
fn for_each_row<F>(
    rows: &'static [FaultRow<F>],
    start: fn(Market) -> Api<F>,
    assert: impl Fn(&'static FaultRow<F>, &Api<F>, usize, &str) + Sync,
) {
    const THREADS: usize = 4;
    let assert = &assert;
    thread::scope(|scope| {
        for first in 0..THREADS {
            scope.spawn(move || {
                let api = start(three_pages());
                for row in rows.iter().skip(first).step_by(THREADS) {
                    for (page, sync_mode) in PLACES {
                        api.take_requests();
                        assert(row, &api, page, sync_mode);
                    }
                }
            });
        }
    });
}

/// Every transient fault that happens once, on any page and in either sync mode, costs one request more and no record.
pub fn assert_transient_faults_are_retried<F>(
    rows: &'static [FaultRow<F>],
    start: fn(Market) -> Api<F>,
) {
    for_each_row(rows, start, |row, api, page, sync_mode| {
        let context = format!("{} on page {page}, {sync_mode}", row.name);
        assert!(row.is_transient, "{context}");
        api.inject_faults(move |number, _| (number == page).then(row.fault));
        let output = connector(api, sync_mode).run_at(NOW, "read").succeeded();
        assert_eq!(output.records().len(), 6, "{context}");
        assert_eq!(api.take_requests().len(), 4, "{context}");
        assert_eq!(
            output.logs("WARN").len() + output.logs("ERROR").len(),
            0,
            "{context}"
        );
    });
}

/// Every fault that stays ends the sync with its class and its cause, after the attempts that are worth it; what came
/// before is there, and another sync brings the rest.
pub fn assert_permanent_faults_fail<F>(rows: &'static [FaultRow<F>], start: fn(Market) -> Api<F>) {
    for_each_row(rows, start, assert_permanent_fault_fails);
}

fn assert_permanent_fault_fails<F>(
    row: &'static FaultRow<F>,
    api: &Api<F>,
    page: usize,
    sync_mode: &str,
) {
    let broken = if row.is_transient {
        page..usize::MAX
    } else {
        page..page + 1
    };
    api.inject_faults(move |number, _| broken.contains(&number).then(row.fault));
    let mut connector = connector(api, sync_mode);
    let output = connector.run_at(NOW, "read");
    let (failure_type, message) = output.failure();
    let context = format!("{} on page {page}, {sync_mode}: {message}", row.name);
    assert_eq!(failure_type, row.failure_type, "{context}");
    assert!(
        message.starts_with("TSLA: ") && message.contains(row.says),
        "{context}"
    );
    assert_eq!(output.logs("ERROR"), [message], "{context}");
    // An answer with a bad next_url still has good bars; nothing of it is emitted, and it will come again.
    assert_eq!(output.records().len(), 2 * page, "{context}");
    assert_eq!(output.statuses().last(), Some(&"INCOMPLETE"), "{context}");
    let cursor = output.last_state()["TSLA"]["date"].clone();
    let expected = if page == 0 {
        json!(null)
    } else {
        json!(format!("2026-11-{}", 11 + 2 * page))
    };
    assert_eq!(cursor, expected, "{context}");
    let requests = api.take_requests().len() - page;
    // A page that went through before the refusals shifts them against the quarter of an hour.
    let tolerance = if row.attempts > 6 { 2 } else { 0 };
    assert!(
        requests.abs_diff(row.attempts) <= tolerance,
        "{context}: {requests} requests"
    );

    api.heal();
    let mut destination = Destination::default();
    destination.load(&output);
    let rest = connector
        .resume_from(&output)
        .run_at(NOW, "read")
        .succeeded();
    assert_eq!(destination.load(&rest), 0, "{context}: nothing comes twice");
    assert_eq!(destination.rows.len(), 6, "{context}");
}
