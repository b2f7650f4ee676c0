//! `read`: syncs the streams of the catalog.

use std::path::Path;

use crate::airbyte::{Output, Selection, StateFile};
use crate::config::Config;
use crate::environment::Environment;
use crate::error::{Error, Failure};
use crate::log_level::LogLevel;
use crate::polygon::PageSource;
use crate::streams::Stream;
use crate::sync::{StreamState, sync};
use crate::terminal::Progress;

/// Reads the streams that the file `catalog` selects, and continues from the file `state`.
pub(crate) fn read(
    config: &Config,
    catalog: &Path,
    state: Option<&Path>,
    environment: &Environment,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let selection = Selection::read(catalog)?;
    let states = state.map_or_else(|| Ok(StateFile::default()), StateFile::read)?;
    for warning in &states.warnings {
        output.show(LogLevel::Warn, warning)?;
    }
    if let Some(notice) = selection.notice() {
        output.show(LogLevel::Info, &notice)?;
    }
    let with_state = |stream: &'static Stream| {
        let Some(state) = states.stream(stream.name) else {
            return Ok((stream, StreamState::default()));
        };
        let state = StreamState::from_json(state, stream, stream.is_adjusted(config.adjusted));
        let state = state.map_err(|error| StateFile::invalid_stream(stream.name, &error))?;
        Ok((stream, state))
    };
    let streams = selection.streams.into_iter().map(with_state);
    let streams = streams.collect::<Result<Vec<_>, Failure>>()?;
    if streams.is_empty() {
        return Ok(());
    }
    let Environment { clock, sync_policy, terminal, exchange, .. } = environment;
    let pages = PageSource::new(&config.api_url, &config.api_key, *sync_policy, clock, exchange.as_ref())?;
    let mut progress = Progress::new(terminal);
    sync(config, streams, pages, clock, output, &mut progress)
}
