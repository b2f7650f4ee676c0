//! States: where the next run goes on, whatever ended the one before.

mod cut_off;
mod handed_over;
mod interrupted;
mod resumed;
