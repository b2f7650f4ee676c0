//! The number of requests of a sync, and the size of its states.

mod large_runs;
mod requests;
