//! Timeouts and retries of requests.

use std::time::Duration;

/// Timeouts and retries.
#[derive(Debug, Clone, Copy)]
pub struct RequestPolicy {
    /// The number of attempts at a request that fails in a way that a retry may cure.
    pub max_attempts: u32,
    /// Whether to wait when the API rejects requests because of their rate (429).
    pub wait_on_rate_limit: bool,
    /// How long to wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// How long the other side may be silent.
    pub read_timeout: Duration,
    /// How long a whole response may take.
    pub total_timeout: Duration,
}

impl RequestPolicy {
    /// For a sync, which may take hours.
    pub const SYNC: RequestPolicy = RequestPolicy {
        max_attempts: 6,
        wait_on_rate_limit: true,
        connect_timeout: Duration::from_secs(15),
        read_timeout: Duration::from_secs(60),
        total_timeout: Duration::from_secs(300),
    };

    /// For a check, for which a person waits.
    pub const CHECK: RequestPolicy = RequestPolicy {
        max_attempts: 2,
        wait_on_rate_limit: false,
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(10),
        total_timeout: Duration::from_secs(15),
    };
}
