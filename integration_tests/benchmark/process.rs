//! Processes, and what they cost.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Whether a program can be run.
pub(crate) fn is_there(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// How long a process runs that must succeed; its output goes to /dev/null.
pub(crate) fn seconds(command: &mut Command) -> Result<f64> {
    let started = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(started.elapsed().as_secs_f64())
}

/// The medians of processes that run by turns.
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

/// What a sync wrote, and what it cost.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) succeeded: bool,
    pub(crate) seconds: f64,
    /// The most memory that it ever had resident, in bytes.
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

/// Runs the connector and looks at its lines; whether it succeeded is the caller's matter.
pub(crate) fn observed(command: &mut Command) -> Result<Run> {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("no stdout")?;
    let mut run = Run::default();
    let peak = with_peak(&child, || run.read(BufReader::with_capacity(1 << 18, stdout)))?;
    run.succeeded = child.wait()?.success();
    run.peak = peak;
    run.seconds = started.elapsed().as_secs_f64();
    Ok(run)
}

impl Run {
    fn read(&mut self, mut stdout: impl BufRead) -> Result<()> {
        let mut line = Vec::new();
        while stdout.read_until(b'\n', &mut line)? > 0 {
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

/// The peak memory of a process that must succeed; its output goes to /dev/null.
pub(crate) fn peak_memory(command: &mut Command) -> Result<f64> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let id = child.id();
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        peak = peak_so_far(id).unwrap_or(peak);
        thread::sleep(Duration::from_millis(2));
    }
    ensure!(child.wait()?.success(), "{command:?} failed");
    Ok(peak as f64 / 1e6)
}

/// Looks at the memory of a process while something goes on.
fn with_peak(child: &Child, work: impl FnOnce() -> Result<()>) -> Result<u64> {
    let (peak, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let id = child.id();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                peak.fetch_max(peak_so_far(id).unwrap_or(0), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let result = work();
        is_over.store(true, Ordering::Relaxed);
        result
    })?;
    Ok(peak.into_inner())
}

/// The kernel keeps count.
fn peak_so_far(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes * 1024)
}
