//! What is tried at a place, and what must hold of it.

use std::sync::{Arc, Mutex};

use super::faults::{Effect, Fault};
use super::held::{Held, states_in};
use super::world::{World, target};
use crate::support::answers::answer;
use crate::support::connector::Output;
use crate::support::raw_api::RawApi;

/// What is tried at a place of a world.
#[derive(Debug, Clone)]
pub enum Trial {
    /// Answers go wrong.
    Faults(Vec<Planned>),
    /// The sync is killed after so many lines.
    Killed { lines: usize, rest: Rest },
    /// Of the whole sync, the STATE that is the last of so many messages is handed over.
    Resumed { state: usize, rest: Rest },
}

/// What becomes of the records after the STATE that is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    Kept,
    Lost,
}

/// A fault that is to come with the answer to a request.
#[derive(Debug, Clone, Copy)]
pub struct Planned {
    pub request: usize,
    pub fault: &'static Fault,
    /// Whether it comes every time, and not once.
    pub lasts: bool,
}

/// A planned fault, and whether it came.
struct Armed {
    planned: Planned,
    target: String,
    came: bool,
}

impl World {
    /// Tries it and asserts what must hold.
    pub fn try_out(&mut self, trial: &Trial) {
        let context = format!("{}: {trial:?}", self.name);
        let before = self.before.clone();
        match trial {
            Trial::Faults(planned) => self.try_faults(planned, before, &context),
            Trial::Killed { lines, rest } => {
                let output = self.sync(&before, Some(*lines), |_| {});
                self.assert_records_are_true(&output, &context);
                let state = states_in(&output.messages).last().unwrap_or(0);
                let held = self.held_after(&output, state, *rest);
                self.assert_can_go_on(&held, &context);
            }
            Trial::Resumed { state, rest } => {
                let held = self.held_after(&self.output, *state, *rest);
                match rest {
                    // Not if a bar that came after a lost STATE is changed back: that STATE said that it may be another.
                    Rest::Kept => self.assert_can_go_on_now(&held, &context),
                    Rest::Lost => self.assert_can_go_on(&held, &context),
                }
            }
        }
    }

    /// What is held after the sync if the last of so many messages is the STATE that is handed over.
    fn held_after(&self, output: &Output, state: usize, rest: Rest) -> Held {
        let mut held = self.before.clone();
        held.take(&output.messages[..state]);
        if rest == Rest::Kept {
            held.take_records(&output.messages[state..]);
        }
        held
    }

    /// Syncs until the faults have come, but no more often than there are faults: the first may keep a sync from what the
    /// second is meant for.
    fn try_faults(&mut self, planned: &[Planned], mut held: Held, context: &str) {
        let mut left = planned.to_vec();
        for sync in 1..=planned.len() {
            let context = format!("{context}, sync {sync}");
            // Each sync has a list of its own: an answer may still go wrong when the sync is over.
            let arm = |planned: &Planned| Armed {
                planned: *planned,
                target: target(&self.requests[planned.request]),
                came: false,
            };
            let armed = Arc::new(Mutex::new(left.iter().map(arm).collect::<Vec<_>>()));
            let output = self.sync(&held, None, |api| inject(api, armed.clone()));
            let came: Vec<Planned>;
            (came, left) = split_by_came(&armed);
            assert!(sync > 1 || !came.is_empty(), "{context}: no fault came");
            self.assert_records_are_true(&output, &context);
            self.assert_can_go_on_from_states(&held, &output, &context);
            held.take(&output.messages);
            assert_ends_as_it_should(&output, &came, &context);
            let is_noticed = |planned: &Planned| planned.fault.effect != Effect::Unnoticed;
            if output.exit_code == Some(0) && came.iter().all(is_noticed) {
                self.assert_is_true(&held, &context);
            }
            self.assert_can_go_on(&held, &context);
            if left.is_empty() {
                break;
            }
        }
    }
}

/// From now on the armed faults come with the answers to their requests, one after another.
fn inject(api: &RawApi, armed: Arc<Mutex<Vec<Armed>>>) {
    let server = api.clone();
    api.inject_faults(move |_, request| {
        let mut armed = armed.lock().expect("no panic");
        let target = target(request);
        let is_due =
            |armed: &&mut Armed| armed.target == target && (armed.planned.lasts || !armed.came);
        let due = armed.iter_mut().find(is_due)?;
        due.came = true;
        let (_, body) = answer(&server.market(), &request.path, &request.query);
        due.planned.fault.spoil(request, &body)
    });
}

/// The faults that came, and those that did not.
fn split_by_came(armed: &Mutex<Vec<Armed>>) -> (Vec<Planned>, Vec<Planned>) {
    let armed = armed.lock().expect("no panic");
    let (came, left): (Vec<&Armed>, Vec<&Armed>) = armed.iter().partition(|armed| armed.came);
    let planned = |armed: Vec<&Armed>| armed.iter().map(|armed| armed.planned).collect();
    (planned(came), planned(left))
}

/// Asserts that the sync ends as the faults that came make it end.
fn assert_ends_as_it_should(output: &Output, came: &[Planned], context: &str) {
    let failure_type = |planned: &Planned| match planned.fault.effect {
        Effect::Fails(failure_type) => Some(failure_type),
        Effect::Retried if planned.lasts => Some("transient_error"),
        Effect::Retried | Effect::Harmless | Effect::Unnoticed => None,
    };
    let failure_types: Vec<&str> = came.iter().filter_map(failure_type).collect();
    if failure_types.is_empty() {
        assert_eq!(
            output.exit_code,
            Some(0),
            "{context}: {:?}",
            output.errors()
        );
    } else {
        assert_eq!(output.exit_code, Some(1), "{context}: it succeeded");
        let (failure_type, message) = output.failure();
        assert!(
            failure_types.contains(&failure_type),
            "{context}: {failure_type}: {message}"
        );
    }
}
