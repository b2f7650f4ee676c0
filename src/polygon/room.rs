//! The room that bodies take which wait for their turn: bounded, whatever their number and size.

use super::transport::Cancelled;
use super::worker::{Taken, Worker, hire};

/// The room that a body takes among those that wait.
pub(super) struct Room<'a> {
    pub(super) worker: &'a Worker,
    pub(super) taken: &'a Taken,
    /// Bytes that were booked for the body.
    pub(super) reserved: usize,
    /// Whether it had to wait for room.
    pub(super) has_paused: bool,
    /// Whether the rate limiter has heard that it was answered.
    pub(super) has_head: bool,
}

impl Room<'_> {
    /// Waits until there is room for more bytes, or the owner waits for just this body.
    pub(super) fn reserve(&mut self, bytes: usize) -> Result<(), Cancelled> {
        let Worker { client, queue, .. } = self.worker;
        let mut state = queue.lock();
        if !self.has_head {
            // The API has counted it. While its body waits for room, it must not keep others from
            // being sent.
            self.has_head = true;
            state
                .limiter
                .on_response(self.taken.started, client.clock().elapsed(), true);
            queue.work.notify_all();
        }
        loop {
            if state.is_closed || !state.wanted.contains(&self.taken.id) {
                return Err(Cancelled);
            }
            if state.has_room_for(self.taken.id, bytes) {
                state.buffered += bytes;
                self.reserved += bytes;
                return Ok(());
            }
            self.has_paused = true;
            state.resting += 1;
            hire(client, queue, &mut state);
            state = queue.wait_for_work(state);
            state.resting -= 1;
        }
    }
}
