//! The path to the API: TLS, proxies, rate limits.

mod proxies;
mod rate_limits;
mod tls;

use crate::support::connector::Connector;

/// A connector that reads one day of TSLA.
fn connector(url: &str) -> Connector {
    let mut connector = Connector::with_url(url, "TSLA");
    connector.set("start_date", "2026-11-19").set("end_date", "2026-11-19");
    connector
}
