//! Reads the source code.

use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] }).collect()
}

/// A source file without its unit tests.
pub(super) fn code(source: &str) -> &str {
    source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default()
}
