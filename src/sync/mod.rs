//! Keeps the destination correct: which days to request, what to emit, what to remember.
//!
//! The state remembers what was emitted, in [`blocks`] with checksums. Whatever is missing or differs goes into the
//! [`backlog`], and a sync processes the backlog. [`history`] does so for one ticker, [`market_days`] for a whole market,
//! [`corporate_actions`] for splits and dividends, [`run`] for all of them. A range of days is read by [`range`] and
//! [`reader`], compared by [`compare`], and emitted by [`apply`].

mod apply;
mod backlog;
mod blocks;
mod checksum;
mod chunk;
mod compare;
mod corporate_actions;
mod emitted_events;
mod filter;
mod history;
mod holidays;
mod market_day;
mod market_days;
mod notices;
mod plan_start;
mod range;
mod reader;
mod run;
mod state;
mod state_pace;
mod stream_run;
mod target;
mod target_sync;
mod window;
mod writer;

pub(crate) use run::sync;
pub(crate) use state::StreamState;
