//! What a person sees at a terminal while stdout goes elsewhere. The terminal is a file.

mod inputs;
mod sessions;

use std::io::{self, Seek};

use source_stock_ticker_api::{Environment, Screen, Terminal, run};

use crate::support::clock::SimulatedClock;
use crate::support::days::moment;

/// The capabilities of stderr, and the target of stdout.
#[derive(Clone, Copy)]
enum Kind {
    /// stdout is a file.
    File,
    /// stdout is a pipe: there is no progress line.
    Pipe,
    /// stdout is a file, and `NO_COLOR` is set.
    FileWithoutColors,
    /// stderr is not a terminal.
    None,
}

/// A command that ran in a terminal.
struct Session {
    exit_code: u8,
    stdout: String,
    /// With `\e` for the escape character, and a new line before each sequence that clears the line.
    stderr: String,
}

impl Session {
    fn run(now: &str, kind: Kind, arguments: &[String]) -> Session {
        let mut stderr = tempfile::tempfile().expect("a file");
        let screen = Screen {
            sink: Box::new(stderr.try_clone().expect("a handle")),
            width: 80,
            has_colors: !matches!(kind, Kind::FileWithoutColors),
            shows_progress: !matches!(kind, Kind::Pipe),
        };
        let environment = Environment {
            clock: SimulatedClock::for_threads_at(moment(now)),
            terminal: match kind {
                Kind::None => Terminal::default(),
                _ => Terminal::new(screen),
            },
            exchange: None,
            ..Environment::system()
        };
        let program = "source-stock-ticker-api".to_owned();
        let arguments = std::iter::once(program).chain(arguments.iter().cloned());
        let mut stdout = Vec::new();
        let exit_code = run(arguments, &environment, &mut stdout);
        stderr.rewind().expect("a file");
        let stderr = io::read_to_string(stderr).expect("UTF-8");
        let stderr = stderr.replace("\r\x1b[2K", "\n\\r\\e[2K").replace('\x1b', "\\e");
        Session { exit_code, stdout: String::from_utf8(stdout).expect("UTF-8"), stderr }
    }
}
