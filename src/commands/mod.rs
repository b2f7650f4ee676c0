//! The commands, one plain function each. Each writes Airbyte messages.

mod check;
mod discover;
mod read;
mod spec;

pub(crate) use check::check;
pub(crate) use discover::discover;
pub(crate) use read::read;
pub(crate) use spec::spec;
