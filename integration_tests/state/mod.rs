//! States: the next run resumes from them, regardless of how the last one ended.

mod cut_off;
pub mod interrupted;
mod resumed;
