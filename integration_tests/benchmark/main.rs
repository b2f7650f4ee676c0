//! `cargo bench`: how a sync compares with the bare download, on one machine in one run.
//!
//! A loopback server holds ready-made, gzipped pages of 50,000 minute bars. Whole processes are measured against each
//! other, by turns, and their medians compared: seconds mean little on a noisy machine, ratios something. Output goes to
//! /dev/null. A part whose program is missing is left out with a word.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jiff::civil::{Date, date};
use serde_json::json;

mod pages;

use pages::{BARS_PER_PAGE, Pages};

const BINARY: &str = env!("CARGO_BIN_EXE_source-stock-ticker-api");
const PYTHON_CONNECTOR: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/integration_tests/benchmark/tutorial_connector.py");
const RUNS: usize = 7;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    // `cargo test --benches` and the like ask for a list of tests; there is none.
    if std::env::args().any(|argument| argument == "--list") {
        return Ok(());
    }
    println!("making pages …");
    let (one, three, ten, hundred) = (Pages::serve(1)?, Pages::serve(3)?, Pages::serve(10)?, Pages::serve(100)?);
    let folder = tempfile::tempdir()?;
    let read_stream = |pages: &Pages, stream: &str, (first_day, last_day): (Date, Date)| -> Result<Command> {
        let file = |name: &str, text: String| -> Result<String> {
            let path = folder.path().join(format!("{stream}_{last_day}_{name}"));
            fs::write(&path, text)?;
            Ok(path.display().to_string())
        };
        let config = json!({
            "stock_ticker": pages::TICKER, "api_key": "benchmark", "api_url": pages.url(),
            "start_date": first_day.to_string(), "end_date": last_day.to_string(),
        });
        let catalog = json!({"streams": [{"stream": {"name": stream}, "sync_mode": "full_refresh"}]});
        let mut command = Command::new(BINARY);
        command.args(["read", "--config", &file("config.json", config.to_string())?]);
        command.args(["--catalog", &file("catalog.json", catalog.to_string())?]);
        Ok(command)
    };
    let read = |pages: &Pages| read_stream(pages, "stock_prices_by_minute", pages.days());
    let ten_pages = 10 * BARS_PER_PAGE;
    println!(
        "{ten_pages} bars on 10 pages, two years of a ticker's minutes: {} MB of JSON, {} MB gzipped\n",
        ten.json_bytes() / 1_000_000,
        ten.gzipped_bytes() / 1_000_000
    );

    compare_reads(&ten, &mut read(&ten)?)?;
    compare_spec()?;
    for (pages, limit) in [(&ten, "40 MB"), (&hundred, "40 MB, and at most 10 % from the one before")] {
        let peak = peak_memory(&mut read(pages)?)?;
        println!("peak memory, {} pages: {:.1} MB   (to reach: {limit})", pages.count(), peak as f64 / 1e6);
    }
    for last_day in [date(2024, 1, 31), date(2024, 12, 31)] {
        let days = (date(2024, 1, 1), last_day);
        let peak = peak_memory(&mut read_stream(&one, "market_prices", days)?)?;
        let stocks = pages::STOCKS;
        println!(
            "peak memory, market_prices of {stocks} stocks up to {last_day}: {:.1} MB   (not to grow)",
            peak as f64 / 1e6
        );
    }
    let size = fs::metadata(BINARY)?.len();
    println!("the binary: {:.1} MB   (to reach: 8 MB)", size as f64 / 1e6);
    instructions_per_bar(&read(&one)?, &read(&three)?)
}

/// `read` against curl and against Python.
fn compare_reads(pages: &Pages, read: &mut Command) -> Result<()> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--compressed"]);
    for url in pages.urls() {
        curl.args(["--output", "/dev/null", &url]);
    }
    let mut python = Command::new("python3");
    python.arg(PYTHON_CONNECTOR).arg(pages.urls().next().ok_or("no page")?).arg("10");

    let has_curl = is_there("curl");
    let (mut of_read, mut of_curl) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        of_read.push(seconds(read)?);
        if has_curl {
            of_curl.push(seconds(&mut curl)?);
        }
    }
    let read_time = median(of_read);
    let written = String::from_utf8(read.stdout(Stdio::piped()).output()?.stdout)?;
    let count = |kind: &str| written.lines().filter(|line| line.starts_with(&format!(r#"{{"type":"{kind}""#))).count();
    let (records, states, megabytes) = (count("RECORD"), count("STATE"), written.len() / 1_000_000);
    println!("read of 10 pages: {read_time:.3} s for {records} records and {states} states, {megabytes} MB");
    if has_curl {
        let curl_time = median(of_curl);
        println!("… against curl's download ({curl_time:.3} s): {:.2} ×   (to reach: 1.30 ×)", read_time / curl_time);
    } else {
        println!("… against curl's download: left out, curl is not there");
    }
    if is_there("python3") {
        let python_time = median((0..5).map(|_| seconds(&mut python)).collect::<Result<_>>()?);
        println!(
            "… against the tutorial's kind of connector ({python_time:.3} s): {:.3} ×   (to reach: 0.1 ×)",
            read_time / python_time
        );
    } else {
        println!("… against the tutorial's kind of connector: left out, python3 is not there");
    }
    Ok(())
}

/// `spec` against a process that does nothing.
fn compare_spec() -> Result<()> {
    let (mut of_spec, mut of_nothing) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        of_spec.push(seconds(Command::new(BINARY).arg("spec"))?);
        of_nothing.push(seconds(&mut Command::new("/bin/true"))?);
    }
    let more = (median(of_spec) - median(of_nothing)) * 1e3;
    println!("spec against /bin/true: {more:+.2} ms   (to reach: +5 ms)");
    Ok(())
}

/// From runs of one and of three pages, so that starting up does not count.
fn instructions_per_bar(one_page: &Command, three_pages: &Command) -> Result<()> {
    if !is_there("valgrind") {
        println!("instructions per bar: left out, valgrind is not there");
        return Ok(());
    }
    let count = |plain: &Command| -> Result<u64> {
        let log = tempfile::NamedTempFile::new()?;
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        command.arg(format!("--log-file={}", log.path().display())).arg(plain.get_program()).args(plain.get_args());
        seconds(&mut command)?;
        let text = fs::read_to_string(log.path())?;
        let line = text.lines().find(|line| line.contains("Collected :")).ok_or("callgrind counted nothing")?;
        Ok(line.split(':').next_back().unwrap_or_default().trim().parse()?)
    };
    let per_bar = (count(three_pages)? - count(one_page)?) / (2 * BARS_PER_PAGE) as u64;
    println!("instructions per bar, from the gzipped bytes to the line: {per_bar}");
    Ok(())
}

fn is_there(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

fn start(command: &mut Command) -> Result<Child> {
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)
}

fn seconds(command: &mut Command) -> Result<f64> {
    let started = Instant::now();
    let status = start(command)?.wait()?;
    if !status.success() {
        return Err(format!("{command:?} failed: {status}").into());
    }
    Ok(started.elapsed().as_secs_f64())
}

/// The most memory that the process ever had resident, in bytes; the kernel keeps count.
fn peak_memory(command: &mut Command) -> Result<u64> {
    let mut child = start(command)?;
    let status = Path::new("/proc").join(child.id().to_string()).join("status");
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = kilobytes.map_or(peak, |kilobytes| peak.max(kilobytes * 1024));
        thread::sleep(Duration::from_millis(2));
    }
    if !child.wait()?.success() {
        return Err("the read failed".into());
    }
    Ok(peak)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
