//! The files around the code: what they name, what is kept in them, and how hosts run the binary.

mod dependencies;
mod files;
mod golden;
mod launcher;
mod messages;
mod source;
