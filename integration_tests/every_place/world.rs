//! A sync that is to be disturbed: what is held before it, the market that it reads, and what the table must hold then.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{LazyLock, Mutex};

use serde_json::json;

use super::faults::{Effect, Fault};
use super::held::{Held, states_in};
use super::markets::{
    SATURDAY, START_DATE, TICKERS, TUESDAY, before_late_bars, corrected, on_tuesday, plain, split,
};
use super::trial::Planned;
use crate::support::answers::answer;
use crate::support::backend::Request;
use crate::support::bar_size::BarSize;
use crate::support::clock::SimulatedClock;
use crate::support::connector::{Connector, Destination, Output, configured};
use crate::support::days::moment;
use crate::support::destination::primary_key;
use crate::support::market::Market;
use crate::support::output::Scrutiny;
use crate::support::raw_api::RawApi;
use crate::support::truth::final_records;

/// How many servers take turns: a request of a run that has ended may still be under way, and must not take the fault
/// that is meant for a later one.
const SERVERS: usize = 3;

/// From where it was tried to go on, in which world: most faults lead to the same few places.
static TRIED: LazyLock<Mutex<HashSet<u64>>> = LazyLock::new(Mutex::default);

/// A sync that is to be disturbed.
pub struct World {
    pub name: &'static str,
    /// What is held before the sync.
    pub before: Held,
    /// What it writes if nothing goes wrong.
    pub output: Output,
    /// The requests that it makes then, in the order of their paths.
    pub requests: Vec<Request>,
    truth: Destination,
    /// A server, and the truth, after the corrections have been taken back.
    taken_back: Option<(RawApi, Destination)>,
    now: &'static str,
    connector: Connector,
    servers: Vec<RawApi>,
}

impl World {
    /// A first sync; a second one after corrections and late bars; one after a split as well.
    pub fn all() -> [World; 3] {
        [
            World::new("first sync", Held::default(), &plain(), None, SATURDAY),
            World::after_saturday("corrected bars", |market| market),
            World::after_saturday("a split", split),
        ]
    }

    fn after_saturday(name: &'static str, also: fn(Market) -> Market) -> World {
        let (market, taken_back) = (also(corrected()), also(on_tuesday()));
        World::new(name, on_saturday(), &market, Some(taken_back), TUESDAY)
    }

    fn new(
        name: &'static str,
        before: Held,
        market: &Market,
        taken_back: Option<Market>,
        now: &'static str,
    ) -> World {
        let truth_now = truth(market);
        let taken_back = taken_back.map(|market| {
            let truth = truth(&market);
            (RawApi::start(market), truth)
        });
        let servers: Vec<RawApi> = (0..SERVERS)
            .map(|_| RawApi::start(market.clone()))
            .collect();
        let connector = connector();
        let mut world = World {
            name,
            before,
            output: Output::new(Vec::new(), 0),
            requests: Vec::new(),
            truth: truth_now,
            taken_back,
            now,
            connector,
            servers,
        };
        world.output = world.sync(&world.before.clone(), None, |_| {}).succeeded();
        world.requests = world.servers[SERVERS - 1].take_requests();
        world.requests.sort_unstable_by_key(target);
        world.requests.dedup_by_key(|request| target(request));
        world
    }

    /// A sync from what is held, cut off after so many lines if there is a number; `disturb` is given its server.
    pub fn sync(
        &mut self,
        held: &Held,
        lines: Option<usize>,
        disturb: impl FnOnce(&RawApi),
    ) -> Output {
        self.servers.rotate_left(1);
        let server = &self.servers[SERVERS - 1];
        server.take_requests();
        server.heal();
        disturb(server);
        let url = server.url();
        self.run(&url, held, lines)
    }

    fn run(&mut self, url: &str, held: &Held, lines: Option<usize>) -> Output {
        self.connector.set("api_url", url);
        self.connector.state = held.state();
        let clock = SimulatedClock::at(moment(self.now));
        match lines {
            Some(lines) => self.connector.run_until_line(&clock, "read", lines),
            None => self.connector.run_with_clock(&clock, "read"),
        }
    }

    /// The faults of each request: the ways in which its answer can go wrong.
    pub fn faults(&self, of: &'static [Fault]) -> Vec<Planned> {
        let market = self.servers[0].market();
        let mut planned = Vec::new();
        for (number, request) in self.requests.iter().enumerate() {
            let (_, body) = answer(&market, &request.path, &request.query);
            let is_possible = |fault: &&Fault| {
                let is_lost = fault.effect == Effect::Unnoticed && self.is_never_compared(request);
                fault.spoil(request, &body).is_some() && !is_lost
            };
            let possible = of.iter().filter(is_possible);
            planned.extend(possible.map(|fault| Planned {
                request: number,
                fault,
                lasts: false,
            }));
        }
        planned
    }

    /// Whether it asks for hours that no later sync compares: only the last two sessions are. An answer that says
    /// twice, or on a further page, that there are none in another session is believed for good.
    fn is_never_compared(&self, request: &Request) -> bool {
        self.now == TUESDAY && request.path.ends_with("/2026-11-12")
    }

    /// Asserts that every record is a true one.
    pub fn assert_records_are_true(&self, output: &Output, context: &str) {
        for record in output.records() {
            let true_row = self.truth.rows.get(&primary_key(record));
            assert_eq!(Some(record), true_row, "{context}");
        }
    }

    /// Asserts that the table holds the truth.
    pub fn assert_is_true(&self, held: &Held, context: &str) {
        let differences = held.table.differences(&self.truth);
        assert_eq!(differences, [""; 0], "{context}");
    }

    /// Asserts that after a sync in which nothing goes wrong the table holds the truth, and that it does so if the
    /// corrections have been taken back before that sync.
    pub fn assert_can_go_on(&mut self, held: &Held, context: &str) {
        let mut hasher = DefaultHasher::new();
        format!("{} {held:?}", self.name).hash(&mut hasher);
        if !TRIED.lock().expect("no panic").insert(hasher.finish()) {
            return;
        }
        self.assert_can_go_on_now(held, context);
        if let Some((server, truth)) = self.taken_back.clone() {
            server.take_requests();
            let output = self.run(&server.url(), held, None);
            let context = format!("{context}, then taken back");
            assert_leads_to(held, &output, &truth, &context);
        }
    }

    /// Asserts that after a sync of the market as it is, in which nothing goes wrong, the table holds the truth.
    pub fn assert_can_go_on_now(&mut self, held: &Held, context: &str) {
        let output = self.sync(held, None, |_| {});
        self.assert_records_are_true(&output, context);
        assert_leads_to(held, &output, &self.truth, context);
    }

    /// The same from each STATE that a sync wrote, where what came after it is lost.
    pub fn assert_can_go_on_from_states(&mut self, held: &Held, output: &Output, context: &str) {
        for end in states_in(&output.messages) {
            let mut kept = held.clone();
            kept.take(&output.messages[..end]);
            let context = format!("{context}, from the STATE in line {end}");
            self.assert_can_go_on(&kept, &context);
        }
    }
}

/// Asserts that a sync has succeeded and that the table holds the truth then.
fn assert_leads_to(held: &Held, output: &Output, truth: &Destination, context: &str) {
    assert_eq!(
        output.exit_code,
        Some(0),
        "{context}: {:?}",
        output.errors()
    );
    let mut after = held.clone();
    after.take(&output.messages);
    assert_eq!(after.table.differences(truth), [""; 0], "{context}");
}

/// Path and query.
pub fn target(request: &Request) -> String {
    format!("{}?{}", request.path, request.query)
}

/// Reads days and hours of both tickers.
fn connector() -> Connector {
    let mut connector = Connector::with_url("", &TICKERS.join(","));
    let streams =
        ["stock_prices", "stock_prices_by_hour"].map(|stream| configured(stream, "incremental"));
    connector.catalog = json!({ "streams": streams });
    connector.set("start_date", START_DATE);
    connector.scrutiny = Scrutiny::FirstRecord;
    connector
}

/// What is held after the first of two syncs.
fn on_saturday() -> Held {
    let mut connector = connector();
    connector.set("api_url", RawApi::start(before_late_bars()).url());
    let mut held = Held::default();
    held.take(&connector.run_at(SATURDAY, "read").succeeded().messages);
    held
}

/// What the table must hold: days and hours.
fn truth(market: &Market) -> Destination {
    let mut truth = Destination::default();
    for size in [BarSize::DAY, BarSize::HOUR] {
        for ticker in TICKERS {
            for record in final_records(market, size, ticker, true, market.now).values() {
                truth.insert(record);
            }
        }
    }
    truth
}
