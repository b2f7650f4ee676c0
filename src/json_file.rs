//! The files named on the command line: JSON in files of any name.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::{Deserializer, Value};

use crate::error::Failure;

/// A kind of file: its name, and an example of what is expected.
pub(crate) struct InputFile(&'static str, &'static str);

impl InputFile {
    /// The configuration.
    pub(crate) const CONFIG: InputFile = InputFile("configuration", r#"{"stock_ticker": …}"#);
    /// The catalog of `read`.
    pub(crate) const CATALOG: InputFile = InputFile("catalog", r#"{"streams": […]}"#);
    /// The state of `read`.
    pub(crate) const STATE: InputFile = InputFile("state", "the STATE messages of an earlier read");

    /// Reads the only JSON value of the file. If an object has a key twice, the last one counts (`PyAirbyte` writes such
    /// states).
    pub(crate) fn read(&self, path: &Path) -> Result<Value, Failure> {
        let mut values = Vec::new();
        let is_whole = self.read_each(path, |value| {
            values.push(value);
            Ok(())
        })?;
        match values.pop() {
            Some(value) if is_whole && values.is_empty() => Ok(value),
            _ => Err(self.unexpected(path, "goes on after the end of the JSON value")),
        }
    }

    /// Calls `take` with each JSON value of the file, which is never in memory as a whole: the output of a read can be
    /// large. Returns whether the last value was whole: the output of a run that was killed may end within a line.
    pub(crate) fn read_each(
        &self,
        path: &Path,
        mut take: impl FnMut(Value) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        let mut reader =
            BufReader::with_capacity(1 << 16, File::open(path).map_err(|error| self.unreadable(path, &error))?);
        let start = reader.fill_buf().map_err(|error| self.unreadable(path, &error))?;
        let is_yaml = looks_like_yaml(&String::from_utf8_lossy(start));
        let byte_order_mark = b"\xef\xbb\xbf";
        if start.starts_with(byte_order_mark) {
            reader.consume(byte_order_mark.len());
        }
        let mut is_empty = true;
        for value in Deserializer::from_reader(reader).into_iter() {
            match value {
                Ok(value) => take(value)?,
                Err(error) if error.is_eof() && !is_empty => return Ok(false),
                Err(_) if is_yaml => return Err(self.unexpected(path, "is not JSON (it looks like YAML)")),
                // serde_json's text does not quote the content, which may hold the key.
                Err(error) => return Err(self.unexpected(path, &format!("is not JSON ({error})"))),
            }
            is_empty = false;
        }
        if is_empty {
            return Err(self.unexpected(path, "is empty"));
        }
        Ok(true)
    }

    fn unexpected(&self, path: &Path, problem: &str) -> Failure {
        let InputFile(name, expected) = self;
        let path = path.display();
        Failure::config(format!("The {name} file {path} {problem}; expected {expected}."))
    }

    fn unreadable(&self, path: &Path, error: &io::Error) -> Failure {
        let problem = match error.kind() {
            io::ErrorKind::NotFound => "no such file".to_owned(),
            io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
            io::ErrorKind::PermissionDenied => format!("permission denied{}", running_as()),
            _ => error.to_string(),
        };
        let path = path.display();
        Failure::config(format!("Can't read the {} file {path}: {problem}.", self.0))
    }
}

/// The image has its own user, who may not be allowed to read mounted files. Linux only.
fn running_as() -> String {
    let process = fs::metadata("/proc/self");
    process.map_or_else(|_| String::new(), |process| format!(" (running as uid {})", process.uid()))
}

fn looks_like_yaml(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let line = lines.next().unwrap_or_default();
    let is_word = |key: &str| key.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    line.starts_with("---") || line.starts_with("- ") || line.split_once(':').is_some_and(|(key, _)| is_word(key))
}
