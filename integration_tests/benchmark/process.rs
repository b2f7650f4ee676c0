//! Runs processes and measures their time and memory.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::server::Requests;

pub(crate) fn is_installed(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// The duration of a process that must succeed; its output goes to /dev/null.
pub(crate) fn seconds(command: &mut Command) -> Result<f64> {
    let started = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(started.elapsed().as_secs_f64())
}

/// The medians of processes that run in turn.
pub(crate) fn medians<const N: usize>(runs: usize, mut commands: [&mut Command; N]) -> Result<[f64; N]> {
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..runs {
        for (times, command) in times.iter_mut().zip(&mut commands) {
            times.push(seconds(command)?);
        }
    }
    Ok(times.map(median))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The output of a sync, its time and its memory.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) succeeded: bool,
    pub(crate) seconds: f64,
    /// The peak of its resident memory, in bytes.
    pub(crate) peak: u64,
    pub(crate) records: usize,
    pub(crate) record_bytes: usize,
    pub(crate) states: usize,
    pub(crate) state_bytes: usize,
    /// The last STATE line.
    pub(crate) last_state: String,
    /// The TRACE ERROR line.
    pub(crate) error: String,
}

/// Runs the connector and evaluates its output; the caller decides whether it had to succeed.
pub(crate) fn observed(command: &mut Command) -> Result<Run> {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("no stdout")?;
    let mut run = Run::default();
    run.read(BufReader::with_capacity(1 << 18, stdout), child.id())?;
    run.succeeded = child.wait()?.success();
    run.seconds = started.elapsed().as_secs_f64();
    Ok(run)
}

impl Run {
    /// The sizes of the requests and of the output.
    pub(crate) fn described(&self, requests: &Requests) -> String {
        let megabytes = |bytes: usize| format!("{:.1} MB", bytes as f64 / 1e6);
        format!(
            "{} requests, {} gzipped, {} of JSON; {} records of {}, {} STATEs of {}",
            requests.targets.len(),
            megabytes(requests.sent_bytes),
            megabytes(requests.json_bytes),
            self.records,
            megabytes(self.record_bytes),
            self.states,
            megabytes(self.state_bytes),
        )
    }

    fn read(&mut self, mut stdout: impl BufRead, process: u32) -> Result<()> {
        let mut line = Vec::new();
        let mut lines = 0;
        while stdout.read_until(b'\n', &mut line)? > 0 {
            // The kernel keeps count, so it is enough to look now and then.
            if lines % 1_000 == 0 || line.starts_with(br#"{"type":"TRACE""#) {
                self.peak = peak_so_far(process).unwrap_or(self.peak);
            }
            lines += 1;
            if line.starts_with(br#"{"type":"RECORD""#) {
                self.records += 1;
                self.record_bytes += line.len();
            } else if line.starts_with(br#"{"type":"STATE""#) {
                self.states += 1;
                self.state_bytes += line.len();
                self.last_state = String::from_utf8_lossy(&line).into_owned();
            } else if line.starts_with(br#"{"type":"TRACE""#) {
                let text = String::from_utf8_lossy(&line);
                if text.contains(r#""type":"ERROR""#) {
                    self.error = text.into_owned();
                }
            }
            line.clear();
        }
        Ok(())
    }
}

fn peak_so_far(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes * 1024)
}
