//! A line on stderr that shows how a sync gets on, for a person who watches it in a terminal.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the line is drawn anew while nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// The progress of the stream that is being read. Without a terminal it shows nothing.
pub(crate) struct Progress {
    bar: ProgressBar,
    bars: u64,
}

/// Whether a progress line is of use: somebody watches stderr, and the messages go elsewhere.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal() && !io::stdout().is_terminal()
}

impl Progress {
    /// A line that is drawn only if `is_shown`.
    pub(crate) fn new(is_shown: bool) -> Progress {
        let bar = if is_shown {
            ProgressBar::no_length()
        } else {
            ProgressBar::hidden()
        };
        if is_shown {
            let style =
                ProgressStyle::with_template("{spinner} {prefix}: {pos}/{len} {msg} [{elapsed}]");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(TICK);
        }
        Progress { bar, bars: 0 }
    }

    /// Begins a stream of so many tickers.
    pub(crate) fn start_stream(&mut self, name: &str, tickers: usize) {
        self.bars = 0;
        self.bar.reset();
        self.bar.set_prefix(name.to_owned());
        self.bar.set_length(tickers as u64);
        self.show("");
    }

    /// Notes that a ticker is done.
    pub(crate) fn finish_ticker(&mut self) {
        self.bar.inc(1);
    }

    /// Notes that bars were written.
    pub(crate) fn add_bars(&mut self, bars: usize) {
        self.bars += bars as u64;
        self.show("");
    }

    /// Notes what is being waited for.
    pub(crate) fn wait(&mut self, what: &str) {
        self.show(&format!(", {what}"));
    }

    fn show(&self, waiting: &str) {
        if self.bar.is_hidden() {
            return;
        }
        let seconds = self.bar.elapsed().as_secs_f64().max(0.1);
        let rate = (self.bars as f64 / seconds) as u64;
        self.bar
            .set_message(format!("tickers, {} bars ({rate}/s){waiting}", self.bars));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
