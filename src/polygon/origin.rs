//! Where the API is: the only place that the key is ever sent to.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

/// Scheme, host and port, nothing else. Plain http is for this machine alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin(String);

impl Origin {
    /// Takes `https://HOST[:PORT]` or `http://LOOPBACK[:PORT]`; otherwise says what is wrong with
    /// the text. What may hold a password or a key is not quoted: neither what stands before an `@`
    /// nor what stands in a path or query.
    pub(crate) fn parse(text: &str) -> Result<Origin, String> {
        if text.contains('@') {
            return Err("must not hold a user name or password".to_owned());
        }
        let too_long = || Err("must end after the host, without a path or query".to_owned());
        if text.contains(['?', '#']) {
            return too_long();
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(if text.contains('/') {
                "must have the form https://HOST".to_owned()
            } else {
                format!("{text:?} does not have the form https://HOST")
            });
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '\\']) {
            return too_long();
        }
        let scheme = scheme.to_ascii_lowercase();
        let is_host = Url::parse(text).is_ok_and(|url| url.has_host()) && is_plain(authority);
        match scheme.as_str() {
            _ if !is_host => return Err(format!("{text:?} is not a URL of the form https://HOST")),
            "https" => {}
            "http" if is_loopback(authority) => {}
            "http" => {
                return Err("http:// would send the key in clear text; use https://".to_owned());
            }
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

    /// The host, without port and brackets.
    pub(super) fn host(&self) -> &str {
        host_of(
            self.0
                .split_once("://")
                .map_or("", |(_, authority)| authority),
        )
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether all characters are such as a host and a port are written with; anything else would be
/// rewritten on the way.
fn is_plain(authority: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !authority.is_empty() && authority.bytes().all(is_plain)
}

fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or(address),
        None => authority.split(':').next().unwrap_or(authority),
    }
}

/// Asks the text, not the parsed URL, which reads `127.1` and `0x7f000001` as addresses.
fn is_loopback(authority: &str) -> bool {
    let host = host_of(authority);
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
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
            assert!(
                Origin::parse(text).is_ok(),
                "{text}: {:?}",
                Origin::parse(text)
            );
        }
        for text in [
            "http://api.polygon.io",
            "http://10.0.0.7",
            "http://localhost.example.com",
            "http://localhost.",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com",
            "http://127.1",
            "http://2130706433",
            "http://[::ffff:127.0.0.1]",
            "http://localhost\\@example.com",
            "http://localhost#@example.com",
            "https://user:pw@api.polygon.io",
            "https://api.polygon.io/v2",
            "https://api.polygon.io//",
            "https://api.polygon.io?x=1",
            "https://api.polygon.io:port",
            "https://\u{430}pi.polygon.io",
            "https://api%2Epolygon.io",
            "https://api.poly\tgon.io",
            "ftp://api.polygon.io",
            "file:///etc/passwd",
            "api.polygon.io",
            "/v2",
            "https://",
            "https:///",
            "",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn http_to_another_machine_is_told_as_such() {
        let told = Origin::parse("http://api.polygon.io").unwrap_err();
        assert!(told.contains("clear text"), "{told}");
        let told = Origin::parse("ftp://api.polygon.io").unwrap_err();
        assert!(told.ends_with("must begin with https://"), "{told}");
    }

    #[test]
    fn the_same_place_is_the_same_origin() {
        assert_eq!(
            Origin::parse("https://api.polygon.io/"),
            Origin::parse("https://api.polygon.io")
        );
        assert_eq!(
            Origin::parse("HTTPS://api.polygon.io/"),
            Origin::parse("https://api.polygon.io")
        );
        assert_eq!(Origin::parse("http://[::1]:9").unwrap().host(), "::1");
        assert_eq!(
            Origin::parse("https://api.polygon.io:443").unwrap().host(),
            "api.polygon.io"
        );
    }

    #[test]
    fn a_password_or_key_in_the_text_is_never_quoted() {
        for text in [
            "ftp://user:SECRET@host",
            "user:SECRET@host",
            "https://user:SECRET@h^st",
            "https://user:SECRET@",
            "https://api.polygon.io/v2?apiKey=SECRET",
            "https://api.polygon.io/?apiKey=SECRET",
            "api.polygon.io?apiKey=SECRET",
            "https://api.polygon.io/SECRET/x",
            "api.polygon.io/SECRET",
            "https://h st?SECRET",
            "https://api.polygon.io#SECRET",
        ] {
            let problem = Origin::parse(text).unwrap_err();
            assert!(!problem.contains("SECRET"), "{text}: {problem}");
        }
    }
}
