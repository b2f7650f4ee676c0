//! `serve`: the fake API for other clients, which send the market's events to stdin.

use std::io;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::figures::{correct, market};
use crate::support::bar_size::BarSize;
use crate::support::fake_api::{FakeApi, KEY};

/// Prints its address and serves until stdin ends. Answers each line on stdin with `ok` once it has taken effect.
pub(crate) fn serve() -> Result<()> {
    let api = FakeApi::start(market());
    println!("{}", json!({"api_url": api.url(), "api_key": KEY}));
    for line in io::stdin().lines() {
        let line = line?;
        obey(&api, &line).with_context(|| format!("can't do {line:?}"))?;
        println!("ok");
    }
    Ok(())
}

fn obey(api: &FakeApi, line: &str) -> Result<()> {
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["split", ticker, first_day, ratio] => {
            api.market().split(ticker, first_day.parse()?, ratio.parse()?);
        }
        ["dividend", ticker, ex_day, amount] => {
            api.market().dividend(ticker, ex_day.parse()?, amount.parse()?);
        }
        ["correct", timespan, ticker, day, close] => {
            let size = BarSize::parse("1", timespan).context("no such timespan")?;
            let is_there = correct(&mut api.market(), size, ticker, day.parse()?, close.parse()?);
            ensure!(is_there, "there is no such bar");
        }
        _ => bail!(
            "there is only: split TICKER DAY RATIO, dividend TICKER DAY AMOUNT, and correct TIMESPAN TICKER DAY CLOSE"
        ),
    }
    Ok(())
}
