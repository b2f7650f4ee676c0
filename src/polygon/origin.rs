//! Where the API is: the only place that the key is ever sent to.

use std::net::IpAddr;

use ureq::http::Uri;

/// Scheme, host and port, nothing else. Plain http is for this machine alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Takes `https://HOST[:PORT]` or `http://LOOPBACK[:PORT]`; otherwise says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Origin, String> {
        let uri: Uri = text.parse().map_err(|error| format!("{text:?} is not a URL ({error})"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(format!("{text:?} is not a URL of the form https://HOST"));
        };
        if authority.as_str().contains('@') {
            return Err("must not hold a user name or password".to_owned());
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(format!("{text:?} must end after the host, without a path or query"));
        }
        match scheme {
            "https" => {}
            "http" if is_loopback(authority.host()) => {}
            "http" => return Err("http:// would send the key in clear text; use https://".to_owned()),
            _ => return Err(format!("{text:?} must begin with https://")),
        }
        Ok(Origin(format!("{scheme}://{authority}")))
    }

    /// The URL of a path and query at this origin.
    pub(super) fn url(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.0)
    }

    /// Whether requests are encrypted; if not, they don't leave this machine.
    pub(super) fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_goes_anywhere_and_http_only_to_this_machine() {
        for text in [
            "https://api.polygon.io",
            "https://api.massive.com/",
            "https://10.0.0.7:8443",
            "http://127.0.0.1:8080",
            "http://localhost:1",
            "http://[::1]:9",
            "http://127.9.9.9",
        ] {
            assert!(Origin::parse(text).is_ok(), "{text}: {:?}", Origin::parse(text));
        }
        for text in [
            "http://api.polygon.io",
            "http://10.0.0.7",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com",
            "https://user:pw@api.polygon.io",
            "https://api.polygon.io/v2",
            "https://api.polygon.io?x=1",
            "ftp://api.polygon.io",
            "file:///etc/passwd",
            "api.polygon.io",
            "/v2",
            "https://",
            "",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_place_is_the_same_origin() {
        assert_eq!(Origin::parse("https://api.polygon.io/"), Origin::parse("https://api.polygon.io"));
    }
}
