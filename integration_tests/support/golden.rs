//! Expected outputs that are kept as files in `integration_tests`.

use std::path::Path;
use std::{env, fs};

/// The characters shown of a differing line, and those before the difference.
const SHOWN: usize = 300;
const SHOWN_BEFORE: usize = 60;

/// Compares a text with a kept file line by line; `UPDATE_GOLDEN=1` writes the file instead.
#[track_caller]
pub fn assert_golden(name: &str, written: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration_tests").join(name);
    if env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
        return fs::write(&path, written).expect("a writable file");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let (mut kept, mut written) = (kept.split_inclusive('\n'), written.split_inclusive('\n'));
    for number in 1.. {
        let (kept, written) = match (kept.next(), written.next()) {
            (None, None) => return,
            (kept, written) => (kept.unwrap_or(""), written.unwrap_or("")),
        };
        let shown = |line: &str| {
            let same = kept.chars().zip(written.chars()).take_while(|(kept, written)| kept == written).count();
            line.chars().skip(same.saturating_sub(SHOWN_BEFORE)).take(SHOWN).collect::<String>()
        };
        assert!(
            kept == written,
            "{name}, line {number}\nkept:    {:?}\nwritten: {:?}\nIf the change is intended, `UPDATE_GOLDEN=1 cargo test -- project sessions` writes the file.",
            shown(kept),
            shown(written),
        );
    }
}
