//! The commands: arguments, messages, exit codes, and secrets.

mod check;
mod command_line;
mod fuzz;
pub mod read;
mod secrets;
mod stdout;
