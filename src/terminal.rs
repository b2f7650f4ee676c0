//! stderr, for a person at a terminal: messages that a person should see, and a progress line.
//!
//! Nothing is shown unless stderr is a terminal and stdout is not: a terminal as stdout shows the messages themselves. The
//! progress line also stays away when stdout is a pipe: what reads it, such as `tee`, may print to the same terminal.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::sync::{Arc, Mutex, PoisonError};

use console::{Term, colors_enabled_stderr};

use crate::log_level::LogLevel;
use crate::text::{count, truncate, wrap};

const CLEAR_LINE: &str = "\r\x1b[2K";

/// A terminal that shows more than the messages on stdout; none by default.
#[derive(Clone, Default)]
pub struct Terminal(Option<Arc<Mutex<Screen>>>);

/// What a [`Terminal`] writes to, and what that can show.
pub struct Screen {
    /// stderr.
    pub sink: Box<dyn Write + Send>,
    /// Characters per line.
    pub width: usize,
    /// Whether errors are red.
    pub has_colors: bool,
    /// Whether there is a progress line.
    pub shows_progress: bool,
}

impl Terminal {
    /// A terminal that writes to `screen`.
    #[must_use]
    pub fn new(screen: Screen) -> Terminal {
        Terminal(Some(Arc::new(Mutex::new(screen))))
    }

    /// The process's own. `NO_COLOR` and `TERM=dumb` are honoured.
    pub(crate) fn system() -> Terminal {
        if !io::stderr().is_terminal() || io::stdout().is_terminal() {
            return Terminal::default();
        }
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Terminal::new(Screen {
            sink: Box::new(io::stderr()),
            width: usize::from(Term::stderr().size().1),
            has_colors: colors_enabled_stderr(),
            shows_progress: !is_dumb && !is_pipe(&io::stdout()),
        })
    }

    /// Shows a message, the level in color.
    pub(crate) fn show(&self, level: LogLevel, text: &str) {
        let (label, color) = match level {
            LogLevel::Error => ("error: ", "\x1b[1;31m"),
            LogLevel::Warn => ("warning: ", "\x1b[1;33m"),
            LogLevel::Info | LogLevel::Debug => ("", ""),
        };
        self.write(|screen| {
            let clear = if screen.shows_progress { CLEAR_LINE } else { "" };
            let mut text = wrap(&format!("{label}{text}"), screen.width);
            if screen.has_colors && !label.is_empty() {
                text.replace_range(..label.len(), &format!("{color}{label}\x1b[0m"));
            }
            writeln!(screen.sink, "{clear}{text}")
        });
    }

    fn draw_progress(&self, line: &str) {
        self.write(|screen| match truncate(line, screen.width.saturating_sub(1)) {
            line if screen.shows_progress => write!(screen.sink, "{CLEAR_LINE}{line}"),
            _ => Ok(()),
        });
    }

    /// A terminal that can't be written to is no reason to fail.
    fn write(&self, write: impl FnOnce(&mut Screen) -> io::Result<()>) {
        if let Some(screen) = &self.0 {
            let _ = write(&mut screen.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

fn is_pipe(stream: &impl AsFd) -> bool {
    let file = stream.as_fd().try_clone_to_owned().map(File::from);
    let kind = file.and_then(|file| Ok(file.metadata()?.file_type()));
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}

/// The progress of the stream that is being read, on the last line of a terminal:
/// `stock_prices_by_hour: 5/12 tickers, rate limited, 40 s, about 3 min left`.
pub(crate) struct Progress {
    terminal: Terminal,
    /// What is done, such as `stock_prices_by_hour: 5/12 tickers`.
    done: String,
}

impl Progress {
    /// Draws its line on `terminal` until it is dropped.
    pub(crate) fn new(terminal: &Terminal) -> Progress {
        Progress { terminal: terminal.clone(), done: String::new() }
    }

    /// Shows how much of a stream is done; `unit` is `ticker` or `day`.
    pub(crate) fn show(&mut self, stream: &str, done: usize, all: usize, unit: &str) {
        self.done = format!("{stream}: {done}/{}", count(all, unit));
        self.terminal.draw_progress(&self.done);
    }

    /// Shows what the stream is waiting for, until there is progress.
    pub(crate) fn wait(&self, what: &str) {
        self.terminal.draw_progress(&format!("{}, {what}", self.done));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.terminal.draw_progress("");
    }
}
