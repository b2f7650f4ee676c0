//! How a sync keeps the destination true: what to ask, what to emit, what to remember.
//!
//! The pure core: [`window`] says what is final and wanted, [`steps`] what to do next with a [`stretch`], [`compare`] how
//! what the API has differs from the [`digest`]s of what was emitted. [`series`] carries the steps out; it reads pages
//! from a [`reader`] and hands bars to the [`writer`]. [`run`] does so for all series of all streams.

mod anchor;
mod compare;
mod digest;
mod digests;
mod emit;
mod history;
mod page_filter;
mod plan_history;
mod reader;
mod run;
mod series;
mod source;
mod state_file;
mod state_json;
mod state_pace;
mod steps;
mod stretch;
mod window;
mod windows;
mod writer;

pub(crate) use run::sync;
pub(crate) use state_file::StateFile;
pub(crate) use window::SyncWindow;
