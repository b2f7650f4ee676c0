//! Many histories, and the shortest one that fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::generator;
use super::history::Player;
use super::steps::{Setup, Step};
use super::streams::STREAMS;
use super::sync::Runner;

/// What all histories together came to.
#[derive(Debug, Default)]
pub struct Totals {
    pub histories: AtomicU64,
    pub syncs: AtomicU64,
    pub requests: AtomicU64,
    failure: Mutex<Option<String>>,
    is_over: AtomicBool,
}

impl Totals {
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().expect("no panic").clone()
    }

    /// The counts, for people.
    pub fn tell(&self) -> String {
        let number = |total: &AtomicU64| with_commas(total.load(Ordering::Relaxed));
        format!(
            "{} histories, {} syncs, {} requests",
            number(&self.histories),
            number(&self.syncs),
            number(&self.requests)
        )
    }

    pub fn add(&self, syncs: u64, requests: u64) {
        self.histories.fetch_add(1, Ordering::Relaxed);
        self.syncs.fetch_add(syncs, Ordering::Relaxed);
        self.requests.fetch_add(requests, Ordering::Relaxed);
    }

    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Keeps the first failure, and ends the others.
    pub fn fail(&self, told: impl FnOnce() -> String) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            *self.failure.lock().expect("no panic") = Some(told());
        }
    }
}

/// The places of the streams that a list names: all of them, if it is empty.
pub fn streams_named(names: &[String]) -> Result<Vec<usize>, String> {
    if names.is_empty() {
        return Ok((0..STREAMS.len()).collect());
    }
    let mut places = Vec::new();
    for name in names {
        let is_named = |place: &usize| {
            let stream = &STREAMS[*place];
            stream.short == name || (name == "actions" && stream.is_events())
        };
        let before = places.len();
        places.extend((0..STREAMS.len()).filter(is_named));
        if places.len() == before {
            let known: Vec<&str> = STREAMS.iter().map(|stream| stream.short).collect();
            return Err(format!("no stream is called {name:?}; there are {}, and actions", known.join(", ")));
        }
    }
    Ok(places)
}

/// Plays random histories, from a seed on.
pub fn random(first: u64, count: u64, streams: &[usize], threads: usize) -> Totals {
    let (next, totals) = (AtomicU64::new(first), Totals::default());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let runner = Runner::new();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || totals.is_over() {
                        return;
                    }
                    let (setup, steps) = generator::history(seed, streams);
                    let mut player = Player::new(&runner, &setup, false);
                    let problem = play(&mut player, &steps);
                    totals.add(player.syncs, player.requests);
                    if let Err(problem) = problem {
                        totals.fail(|| {
                            format!("seed {seed}: {}", tell_failure(&runner, &setup, &steps[..problem.steps]))
                        });
                    }
                }
            });
        }
    });
    totals
}

/// Plays the steps of a history; an error says what is wrong, and after how many steps.
pub fn play(player: &mut Player, steps: &[Step]) -> Result<(), Problem> {
    for (number, step) in steps.iter().enumerate() {
        let result = catch_unwind(AssertUnwindSafe(|| player.play(step)));
        let text = match result {
            Ok(Ok(())) => continue,
            Ok(Err(text)) => text,
            Err(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
                (Some(text), _) => text.clone(),
                (_, Some(text)) => (*text).to_owned(),
                _ => "a panic without a text".to_owned(),
            },
        };
        return Err(Problem { text, steps: number + 1 });
    }
    Ok(())
}

/// What is wrong, and after how many steps.
#[derive(Debug, Clone)]
pub struct Problem {
    pub text: String,
    pub steps: usize,
}

/// Shrinks a failing history to the steps that make it fail, and describes it.
pub fn tell_failure(runner: &Runner, setup: &Setup, steps: &[Step]) -> String {
    let mut steps = steps.to_vec();
    let mut setup = setup.clone();
    let fails = |setup: &Setup, steps: &[Step]| play(&mut Player::new(runner, setup, false), steps).err();
    let mut is_shorter = true;
    while is_shorter {
        is_shorter = false;
        let mut length = steps.len().div_ceil(2).max(1);
        loop {
            let mut first = 0;
            while first < steps.len() {
                let mut fewer = steps.clone();
                fewer.drain(first..(first + length).min(steps.len()));
                match fails(&setup, &fewer) {
                    Some(problem) => {
                        fewer.truncate(problem.steps);
                        (steps, is_shorter) = (fewer, true);
                    }
                    None => first += length,
                }
            }
            if length == 1 {
                break;
            }
            length /= 2;
        }
        for place in 0..steps.len() {
            for simpler in steps[place].simpler() {
                let mut fewer = steps.clone();
                fewer[place] = simpler;
                if fails(&setup, &fewer).is_some() {
                    (steps, is_shorter) = (fewer, true);
                    break;
                }
            }
        }
        for simpler in setup.simpler() {
            if fails(&simpler, &steps).is_some() {
                (setup, is_shorter) = (simpler, true);
                break;
            }
        }
    }
    let mut player = Player::new(runner, &setup, true);
    let problem = play(&mut player, &steps).expect_err("it failed before");
    let story = player.story.unwrap_or_default().join("\n");
    let streams: Vec<&str> = setup.streams.iter().map(|stream| STREAMS[*stream].short).collect();
    format!("{}\n{}\n{story}\n=> {}\n({} steps)", streams.join(" and "), setup.tell(), problem.text, steps.len())
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).expect("digits")).collect();
    groups.join(",")
}
