//! The commands as one calls them: arguments, messages, exit codes, and what is never shown.

mod check;
mod check_failures;
mod command_line;
mod debug_logs;
mod fuzz;
pub mod read;
mod secrets;
mod stdout;
