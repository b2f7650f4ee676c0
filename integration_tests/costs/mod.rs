//! What a sync costs in requests, and how large its states are.

mod large_runs;
mod requests;
