//! `cargo run --example demo`: the whole connector at work, without a key and without a network.
//!
//! It serves Polygon-shaped answers with real figures on loopback, runs the built binary's spec, check, discover and
//! two incremental reads against it, and shows the messages. `cargo run --example demo -- serve` only serves, for
//! clients of other kinds.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fake_api::{FakeApi, KEY};
use jiff::civil::date;
use market::{AAPL, Market, TradedBar, new_york_time};
use serde_json::{Value, json};

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "support/fake_api.rs"]
mod fake_api;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "support/market.rs"]
mod market;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => show(),
        Some("serve") => serve(),
        Some(other) => Err(format!("unknown argument {other:?}; there is only: serve").into()),
    }
}

fn market() -> Market {
    let mut market = Market::at("2023-01-11T12:00:00Z");
    for (day, bar) in AAPL {
        market.day("AAPL", day, bar);
        // The session's first hours and minutes, on other figures.
        for number in 0..3 {
            let bar = TradedBar::closing_at(bar.close - f64::from(number));
            market.bar("hour", "AAPL", new_york_time(day, 10 + number as i8, 0), bar);
            market.bar("minute", "AAPL", new_york_time(day, 10, number as i8), bar);
        }
    }
    // The closes of the tutorial's transcripts.
    let tsla = [(15, 633.25), (16, 622.77), (17, 655.9), (18, 695.0), (21, 649.86)];
    market.days("TSLA", &tsla.map(|(day, close)| (date(2020, 12, day), close)));
    market
}

/// Serves until stdin ends. A line `split TICKER YYYY-MM-DD RATIO` on stdin makes a split known.
fn serve() -> Result<(), Box<dyn Error>> {
    let api = FakeApi::start(market());
    println!("{}", json!({"api_url": api.url(), "api_key": KEY}));
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["split", ticker, day, ratio] => {
                api.market().splits.push((ticker.to_owned(), day.parse()?, ratio.parse()?))
            }
            [] => {}
            _ => return Err(format!("can't do {line:?}; there is only: split TICKER YYYY-MM-DD RATIO").into()),
        }
        println!("ok");
    }
    Ok(())
}

fn show() -> Result<(), Box<dyn Error>> {
    let binary = built_binary()?;
    let folder = tempfile::tempdir()?;
    let api = FakeApi::start(market());
    let file = |name: &str, value: &Value| -> io::Result<String> {
        let path = folder.path().join(name);
        fs::write(&path, value.to_string())?;
        Ok(path.display().to_string())
    };
    let config = |end_date: &str| {
        json!({
            "stock_ticker": "AAPL", "api_key": KEY, "api_url": api.url(),
            "start_date": "2023-01-03", "end_date": end_date,
        })
    };
    let friday = file("config.json", &config("2023-01-06"))?;
    let monday = file("config_monday.json", &config("2023-01-09"))?;
    let catalog: Value = serde_json::from_str(include_str!("configured_catalog.json"))?;
    let catalog = file("catalog.json", &catalog)?;

    run(&binary, "What the configuration looks like", &["spec"])?;
    run(&binary, "Do the key and the ticker work?", &["check", "--config", &friday])?;
    run(&binary, "The streams", &["discover", "--config", &friday])?;
    let first = run(&binary, "A first read, up to Friday", &["read", "--config", &friday, "--catalog", &catalog])?;
    let state = first.iter().rfind(|message| message["type"] == "STATE").ok_or("the first read wrote no STATE")?;
    let state = file("state.json", &json!([state["state"]]))?;
    let second = run(
        &binary,
        "A second read from its state, up to Monday: only what is new",
        &["read", "--config", &monday, "--catalog", &catalog, "--state", &state],
    )?;

    let prices = |messages: &[Value]| -> Vec<Value> {
        let records = messages.iter().filter(|message| message["type"] == "RECORD");
        records.map(|message| message["record"]["data"]["price"].clone()).collect()
    };
    let (first, second) = (prices(&first), prices(&second));
    if first != [json!(125.07), json!(126.36), json!(125.02), json!(129.62)] || second != [json!(130.15)] {
        return Err(format!("the wrong prices came out: {first:?}, then {second:?}").into());
    }
    println!("\nEvery bar came once: four up to Friday, one on Monday.");
    Ok(())
}

/// Builds the connector and says where it is.
fn built_binary() -> Result<PathBuf, Box<dyn Error>> {
    let example = std::env::current_exe()?;
    let folder = example.parent().and_then(Path::parent).ok_or("the demo is not where Cargo puts examples")?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--bins", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    if !build.status()?.success() {
        return Err("the connector can't be built".into());
    }
    Ok(folder.join(env!("CARGO_PKG_NAME")))
}

/// Runs a command of the binary, shows what it writes, and returns its messages.
fn run(binary: &Path, title: &str, arguments: &[&str]) -> Result<Vec<Value>, Box<dyn Error>> {
    let shown: Vec<_> = arguments.iter().map(|argument| argument.rsplit('/').next().unwrap_or(argument)).collect();
    println!("\n# {title}\n$ {} {}", env!("CARGO_PKG_NAME"), shown.join(" "));
    io::stdout().flush()?;
    let ended = Command::new(binary).args(arguments).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(ended.stdout)?;
    print!("{text}");
    if !ended.status.success() {
        return Err(format!("{} failed", arguments[0]).into());
    }
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}
