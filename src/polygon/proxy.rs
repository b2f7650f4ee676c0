//! The proxy that the environment names. reqwest would silently ignore a value that it can't use, and connect directly.

use std::ffi::OsString;
use std::fmt;

use reqwest::{NoProxy, Proxy, Url};

use crate::error::Failure;

/// The variables that can name a proxy for https, most important first.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// A proxy. It is displayed as its variable and host: its URL may contain a password.
#[derive(Debug)]
pub(super) struct EnvironmentProxy {
    variable: &'static str,
    url: Url,
}

impl EnvironmentProxy {
    /// Reads variables with `variable`; fails if the value of the first one that is not empty can't be used.
    pub(super) fn find(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<EnvironmentProxy>, Failure> {
        let values = VARIABLES.into_iter().filter_map(|name| Some((name, variable(name)?)));
        let Some((variable, value)) = values.into_iter().find(|(_, value)| !value.is_empty()) else {
            return Ok(None);
        };
        let value = value.to_string_lossy();
        let fail = |problem| Err(unusable(variable, problem));
        if value.trim() != value {
            return fail("there are blanks around it");
        }
        let with_scheme = if value.contains("://") { value.into_owned() } else { format!("http://{value}") };
        match Url::parse(&with_scheme) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                fail("only http:// and https:// proxies are supported")
            }
            Ok(url) if url.has_host() => Ok(Some(EnvironmentProxy { variable, url })),
            _ => fail("it is not a URL"),
        }
    }

    /// Whether the proxy itself is reached through TLS.
    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The proxy for reqwest, with the exceptions of `NO_PROXY`.
    pub(super) fn to_reqwest(&self) -> Result<Proxy, Failure> {
        let proxy = Proxy::https(self.url.clone()).map_err(|_| unusable(self.variable, "it is not a URL"))?;
        Ok(proxy.no_proxy(NoProxy::from_env()))
    }
}

/// The value is not shown, because it may contain a password.
fn unusable(variable: &str, problem: &str) -> Failure {
    Failure::config(format!(
        "The proxy in the environment variable {variable} can't be used: {problem}. Set it to http://HOST:PORT, or remove it."
    ))
}

impl fmt::Display for EnvironmentProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or_default();
        write!(f, "the proxy {host}:{port} ({})", self.variable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let value = |name: &str| {
            let found = variables.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let proxy = EnvironmentProxy::find(value).map_err(|failure| failure.message)?;
        Ok(proxy.map(|proxy| {
            proxy.to_reqwest().expect("a proxy");
            proxy.to_string()
        }))
    }

    #[test]
    fn a_proxy_that_can_be_used_is_named_without_its_password() {
        for (value, host) in [
            ("http://proxy:3128", "proxy:3128"),
            ("https://proxy", "proxy:443"),
            ("proxy:3128", "proxy:3128"),
            ("http://user:p%40ss@10.0.0.1:3128/", "10.0.0.1:3128"),
            ("http://u:SECRET^@p", "p:80"),
        ] {
            let shown = format!("the proxy {host} (HTTPS_PROXY)");
            assert_eq!(find(&[("HTTPS_PROXY", value)]), Ok(Some(shown)), "{value}");
        }
    }

    #[test]
    fn a_proxy_that_can_not_be_used_is_refused_without_its_value() {
        for (value, why) in [
            ("socks5://u:SECRET@proxy:1", "only http:// and https://"),
            ("ftp://u:SECRET@proxy", "only http:// and https://"),
            (" http://SECRET", "blanks"),
            ("http://SECRET ", "blanks"),
            ("http://", "it is not a URL"),
            ("http://h st?SECRET", "it is not a URL"),
        ] {
            for name in VARIABLES {
                let message = find(&[(name, value)]).unwrap_err();
                assert!(
                    message.contains(name) && message.contains(why) && !message.contains("SECRET"),
                    "{value}: {message}"
                );
            }
        }
    }

    #[test]
    fn the_first_variable_that_is_not_empty_counts() {
        assert_eq!(find(&[]), Ok(None));
        assert_eq!(find(&[("HTTPS_PROXY", ""), ("ALL_PROXY", "")]), Ok(None));
        let both = [("ALL_PROXY", "socks5://x"), ("HTTPS_PROXY", "http://proxy")];
        let shown = "the proxy proxy:80 (HTTPS_PROXY)".to_owned();
        assert_eq!(find(&both), Ok(Some(shown)));
        assert!(find(&[("HTTPS_PROXY", ""), ("all_proxy", "socks5://x")]).is_err());
    }
}
