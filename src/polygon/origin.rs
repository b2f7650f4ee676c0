//! Where the API is: the only place that the key is ever sent to.

use std::fmt;

use reqwest::Url;

/// Scheme, host and port. Plain http is for this machine only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin(String);

impl Origin {
    /// Takes `https://HOST[:PORT]` or `http://LOOPBACK[:PORT]`; otherwise returns what is wrong, quoting only texts that
    /// can't contain a password or a key.
    pub(crate) fn parse(text: &str) -> Result<Origin, String> {
        let too_long = || Err("must end after the host, without a path or query".to_owned());
        if text.contains('@') {
            return Err("must not hold a user name or password".to_owned());
        }
        if text.contains(['?', '#']) {
            return too_long();
        }
        let Some((_, rest)) = text.split_once("://") else {
            return Err("must have the form https://HOST".to_owned());
        };
        if rest.trim_end_matches('/').contains(['/', '\\']) || rest.ends_with("//") {
            return too_long();
        }
        // Url would drop tabs, and encode letters of other alphabets that look like Latin ones.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%');
        let url = Url::parse(text).ok().filter(|url| is_plain && url.has_host());
        let Some(url) = url else {
            return Err(format!("{text:?} is not a URL of the form https://HOST"));
        };
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err("http:// would send the key in clear text; use https://".to_owned()),
            _ => return Err(format!("{text:?} must begin with https://")),
        }
        Ok(Origin(url.origin().ascii_serialization()))
    }

    /// Whether requests are encrypted; if not, they don't leave this machine.
    pub(super) fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
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
            "http://127.1",
        ] {
            assert!(Origin::parse(text).is_ok(), "{text}: {:?}", Origin::parse(text));
        }
        let told = Origin::parse("http://api.polygon.io").unwrap_err();
        assert!(told.contains("clear text"), "{told}");
    }

    #[test]
    fn what_is_no_origin_is_refused_and_a_password_or_key_in_it_never_quoted() {
        for text in [
            "http://10.0.0.7",
            "http://localhost.example.com",
            "http://localhost.",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com",
            "http://[::ffff:127.0.0.1]",
            "http://localhost\\@example.com",
            "http://localhost#@example.com",
            "https://user:SECRET@api.polygon.io",
            "https://user:SECRET@h^st",
            "https://user:SECRET@",
            "user:SECRET@host",
            "ftp://user:SECRET@host",
            "ftp://api.polygon.io",
            "https://api.polygon.io/v2",
            "https://api.polygon.io/v2?apiKey=SECRET",
            "https://api.polygon.io/?apiKey=SECRET",
            "https://api.polygon.io?apiKey=SECRET",
            "api.polygon.io?apiKey=SECRET",
            "https://api.polygon.io/SECRET/x",
            "api.polygon.io/SECRET",
            "https://h st?SECRET",
            "https://api.polygon.io#SECRET",
            "https://api.polygon.io//",
            "https://api.polygon.io:port",
            "https://\u{430}pi.polygon.io",
            "https://api%2Epolygon.io",
            "https://api.poly\tgon.io",
            "file:///etc/passwd",
            "api.polygon.io",
            "/v2",
            "https://",
            "https:///",
            "",
        ] {
            let problem = Origin::parse(text).expect_err(text);
            assert!(!problem.contains("SECRET"), "{text}: {problem}");
        }
    }

    #[test]
    fn the_same_place_is_the_same_origin() {
        assert_eq!(Origin::parse("https://api.polygon.io/"), Origin::parse("https://api.polygon.io"));
        assert_eq!(Origin::parse("HTTPS://api.polygon.io/"), Origin::parse("https://api.polygon.io"));
        for (text, origin) in
            [("http://[::1]:9", "http://[::1]:9"), ("https://API.polygon.io:443", "https://api.polygon.io")]
        {
            assert_eq!(Origin::parse(text).unwrap().to_string(), origin);
        }
    }
}
