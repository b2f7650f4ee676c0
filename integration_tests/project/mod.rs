//! The files around the code: they agree with it and with each other. And how hosts run the binary.

mod dependencies;
mod files;
mod launcher;
mod messages;
mod source;
