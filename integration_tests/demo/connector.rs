//! Runs the connector like Airbyte, and shows its messages.

use anyhow::{Result, ensure};
use source_stock_ticker_api::{Environment, Terminal};

use crate::screen;
use crate::support::connector::{Connector, Output};

/// Runs a command, shows its output, and returns it. The output is checked like every output in the tests.
pub(crate) fn run(connector: &Connector, command: &str) -> Result<Output> {
    let arguments = connector.arguments(command);
    screen::command(&arguments)?;
    // The messages on stdout are shown below, so stderr is not needed.
    let environment = Environment { terminal: Terminal::default(), ..Environment::system() };
    let program = env!("CARGO_PKG_NAME").to_owned();
    let mut stdout = Vec::new();
    let code = source_stock_ticker_api::run([program].into_iter().chain(arguments), &environment, &mut stdout);
    let output = Output::new(stdout, code.into());
    for message in &output.messages {
        screen::message(message);
    }
    ensure!(code == 0, "{command} ended with exit code {code}");
    Ok(output)
}
