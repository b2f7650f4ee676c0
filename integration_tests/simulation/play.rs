//! Many histories, and the shortest one that fails.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::generator;
use super::history::Player;
use super::steps::{Setup, Step};
use super::streams::{STREAMS, Stream};

/// What all histories together came to.
#[derive(Debug, Default)]
pub struct Totals {
    histories: u64,
    syncs: u64,
    requests: u64,
    /// The first failure.
    pub failure: Option<String>,
}

impl Totals {
    /// The counts, for people.
    pub fn tell(&self) -> String {
        let [histories, syncs, requests] = [self.histories, self.syncs, self.requests].map(with_separators);
        format!("{histories} histories, {syncs} syncs, {requests} requests")
    }
}

/// `1,234,567`.
fn with_separators(number: u64) -> String {
    match number / 1_000 {
        0 => number.to_string(),
        thousands => format!("{},{:03}", with_separators(thousands), number % 1_000),
    }
}

/// The streams that a list names: all of them, if it is empty.
pub fn streams_named(names: &[String]) -> Result<Vec<&'static Stream>, String> {
    let is_named = |stream: &Stream, name: &str| stream.short == name || (name == "actions" && stream.is_events());
    if let Some(name) = names.iter().find(|name| !STREAMS.iter().any(|stream| is_named(stream, name))) {
        let known: Vec<&str> = STREAMS.iter().map(|stream| stream.short).collect();
        return Err(format!("no stream is called {name:?}; there are {}, and actions", known.join(", ")));
    }
    let is_chosen = |stream: &&Stream| names.iter().any(|name| is_named(stream, name));
    Ok(STREAMS.iter().filter(|stream| names.is_empty() || is_chosen(stream)).collect())
}

/// Plays the histories of some numbers, on several threads, until one fails. `name` says what a number is.
pub fn play_all<H, P>(name: &str, numbers: Range<u64>, threads: usize, history: H, play: P) -> Totals
where
    H: Fn(u64) -> (Setup, Vec<Step>) + Sync,
    P: Fn(&mut Player, &[Step]) -> Result<(), Problem> + Sync,
{
    let (next, is_over) = (AtomicU64::new(numbers.start), AtomicBool::new(false));
    let totals = Mutex::new(Totals::default());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        return;
                    }
                    let (setup, steps) = history(number);
                    let mut player = Player::new(&setup, false);
                    let problem = play(&mut player, &steps).err();
                    let first = problem.filter(|_| !is_over.swap(true, Ordering::Relaxed));
                    let failure = first.map(|first| format!("{name} {number}: {}", tell_failure(&setup, &first.steps)));
                    let mut totals = totals.lock().expect("no panic");
                    totals.histories += 1;
                    totals.syncs += player.syncs;
                    totals.requests += player.requests;
                    totals.failure = totals.failure.take().or(failure);
                }
            });
        }
    });
    totals.into_inner().expect("no panic")
}

/// Plays random histories, from a seed on.
pub fn random(first: u64, count: u64, streams: &[&'static Stream], threads: usize) -> Totals {
    play_all("seed", first..first + count, threads, |seed| generator::history(seed, streams), play)
}

/// Plays the steps of a history.
pub fn play(player: &mut Player, steps: &[Step]) -> Result<(), Problem> {
    for (number, step) in steps.iter().enumerate() {
        let result = without_panic(|| player.play(step));
        result.map_err(|text| Problem { text, steps: steps[..=number].to_vec() })?;
    }
    Ok(())
}

/// Lets something happen; a panic is an error with its text.
pub fn without_panic<T>(happens: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(happens)).unwrap_or_else(|panic| {
        Err(match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(text), _) => text.clone(),
            (_, Some(text)) => (*text).to_owned(),
            _ => "a panic without a text".to_owned(),
        })
    })
}

/// What is wrong, and after which steps.
#[derive(Debug, Clone)]
pub struct Problem {
    pub text: String,
    pub steps: Vec<Step>,
}

/// Shrinks a failing history for as long as it fails, and describes it.
fn tell_failure(setup: &Setup, steps: &[Step]) -> String {
    let (mut setup, mut steps) = (setup.clone(), steps.to_vec());
    let failing = |(setup, steps): (Setup, Vec<Step>)| {
        let problem = play(&mut Player::new(&setup, false), &steps).err()?;
        Some((setup, problem.steps))
    };
    while let Some(simpler) = simpler(&setup, &steps).into_iter().find_map(failing) {
        (setup, steps) = simpler;
    }
    let mut player = Player::new(&setup, true);
    let problem = play(&mut player, &steps).expect_err("it failed before");
    let story = player.story.unwrap_or_default().join("\n");
    format!("{setup:?}\n{story}\n=> {}\n({} steps)", problem.text, steps.len())
}

/// Histories with fewer steps, with a simpler step, or with less to begin with.
fn simpler(setup: &Setup, steps: &[Step]) -> Vec<(Setup, Vec<Step>)> {
    let lengths = std::iter::successors(Some(steps.len().div_ceil(2)), |length| Some(length / 2));
    let parts = lengths.take_while(|length| *length > 0).flat_map(|length| {
        let firsts = (0..steps.len()).step_by(length);
        firsts.map(move |first| [&steps[..first], &steps[(first + length).min(steps.len())..]].concat())
    });
    let changed = (0..steps.len()).flat_map(|place| {
        let simpler = steps[place].simpler().into_iter();
        simpler.map(move |step| [&steps[..place], &[step], &steps[place + 1..]].concat())
    });
    let fewer = parts.chain(changed).map(|steps| (setup.clone(), steps));
    fewer.chain(setup.simpler().into_iter().map(|setup| (setup, steps.to_vec()))).collect()
}
