//! `read`: the bars of the selected streams, with the states from which the next run goes on.

use serde_json::Value;

use crate::airbyte::{Output, configured_streams};
use crate::config::Config;
use crate::environment::Environment;
use crate::error::{Error, Failure};
use crate::polygon::Client;
use crate::progress::Progress;
use crate::sync::{StateFile, sync};

/// Reads the streams of the configured catalog `catalog`, going on from `states`, as `read` is handed them.
pub(crate) fn read(
    config: &Config,
    catalog: &Value,
    states: &Value,
    environment: &Environment,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let states = StateFile::parse(states)?;
    let streams = configured_streams(catalog)?
        .into_iter()
        .map(|stream| Ok((stream, states.stream(stream, stream.price_basis(config))?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    for notice in states.notices() {
        output.log(notice.level(), &notice.to_string())?;
    }
    if streams.is_empty() {
        return Ok(());
    }
    let Environment {
        clock,
        sync_policy,
        shows_progress,
        ..
    } = environment;
    let client = Client::new(
        config.api_url.clone(),
        &config.api_key,
        *sync_policy,
        clock.clone(),
    )?;
    let mut progress = Progress::new(*shows_progress);
    sync(config, streams, client, clock, output, &mut progress)
}
