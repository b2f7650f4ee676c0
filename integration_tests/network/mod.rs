//! The path to the API: TLS, proxies, rate limits.

mod proxies;
mod rate_limits;
mod tls;
