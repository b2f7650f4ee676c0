//! The program itself: its start-up time and its size.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::medians;
use crate::{BINARY, Bench, report};

/// `spec` against a process that does nothing.
pub(crate) fn spec(bench: &Bench) -> Result<()> {
    let mut spec = Command::new(BINARY);
    spec.arg("spec");
    let [of_spec, of_nothing] = medians(bench.runs(101), [&mut spec, &mut Command::new("/bin/true")])?;
    let more = (of_spec - of_nothing) * 1e3;
    report("spec against /bin/true", &format!("{more:+.2} ms"), "+2 ms");
    Ok(())
}

/// The size of the stripped binary as released: built without features that only the tests enable.
pub(crate) fn size(_: &Bench) -> Result<()> {
    let benchmark = std::env::current_exe()?;
    let target = benchmark.ancestors().nth(3);
    let target = target.context("the benchmark is not where Cargo puts it")?;
    let target = target.join("shipped");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--quiet", "--locked"]);
    build.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    let status = build.arg("--target-dir").arg(&target).status()?;
    ensure!(status.success(), "the connector can't be built");
    let binary = target.join("release").join(env!("CARGO_PKG_NAME"));
    let size = fs::metadata(binary)?.len() as f64 / 1e6;
    report("the stripped binary", &format!("{size:.2} MB"), "8.5 MB");
    Ok(())
}
