//! The proxies that the environment names. reqwest reads the variables itself, and passes silently
//! over a value that it can't use: the request would then go out directly. So they are looked at
//! beforehand.

use reqwest::Url;

use super::Origin;
use super::error::SetupError;
use crate::error::Failure;

/// Where a proxy for https is looked for, in reqwest's order; the first of a pair that is set
/// counts.
const VARIABLES: [[&str; 2]; 2] = [["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]];

/// Refuses a proxy that could not be used for this origin. `variable` reads a variable of the
/// environment.
pub(super) fn check(
    origin: &Origin,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(), Failure> {
    let no_proxy = ["NO_PROXY", "no_proxy"]
        .into_iter()
        .find_map(&variable)
        .unwrap_or_default();
    // reqwest takes no proxy from the environment of a CGI program.
    if !origin.is_https()
        || is_exempt(origin.host(), &no_proxy)
        || variable("REQUEST_METHOD").is_some()
    {
        return Ok(());
    }
    for names in VARIABLES {
        let Some((name, value)) = names
            .into_iter()
            .find_map(|name| Some((name, variable(name)?)))
        else {
            continue;
        };
        // What is set to nothing names no proxy.
        if value.is_empty() {
            continue;
        }
        return match problem(&value) {
            None => Ok(()),
            Some(problem) => Err(SetupError::Proxy {
                variable: name,
                problem,
            }
            .into_failure()),
        };
    }
    Ok(())
}

/// What is wrong with a proxy's address, without quoting it: it may hold a password.
fn problem(value: &str) -> Option<String> {
    if value.trim() != value {
        return Some("there are blanks around it".to_owned());
    }
    let has_scheme = value.contains("://");
    let url = Url::parse(&if has_scheme {
        value.to_owned()
    } else {
        format!("http://{value}")
    });
    match url {
        Ok(url) if matches!(url.scheme(), "http" | "https") && is_uri(value) => None,
        Ok(url) if matches!(url.scheme(), "http" | "https") => Some("it is not a URL".to_owned()),
        Ok(url) => Some(format!("{}:// is not supported", url.scheme())),
        Err(_) => Some("it is not a URL".to_owned()),
    }
}

/// Whether all characters may stand in a URL; reqwest passes over a value with others.
fn is_uri(value: &str) -> bool {
    let authority = value.split_once("://").map_or(value, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]@!$&'()*+,;=%".contains(&byte);
    let has_path_only_with_scheme = value.contains("://") || authority.len() == value.len();
    !authority.is_empty() && authority.bytes().all(is_allowed) && has_path_only_with_scheme
}

/// Whether `NO_PROXY` plainly exempts a host: by `*`, by name, or by a domain that it belongs to.
/// (reqwest also reads networks like `10.0.0.0/8`; a host in one of these is taken for not exempt
/// here, which can only refuse too much.)
fn is_exempt(host: &str, no_proxy: &str) -> bool {
    let (host, no_proxy) = (host.to_ascii_lowercase(), no_proxy.to_ascii_lowercase());
    no_proxy.split(',').map(str::trim).any(|entry| {
        let domain = entry.strip_prefix('.').unwrap_or(entry);
        let is_under = || {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        entry == "*" || (!domain.is_empty() && is_under())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(origin: &str, variables: &[(&str, &str)]) -> Result<(), String> {
        let find = |name: &str| {
            variables
                .iter()
                .find(|(set, _)| *set == name)
                .map(|(_, value)| (*value).to_owned())
        };
        check(&Origin::parse(origin).unwrap(), find).map_err(|failure| failure.message)
    }

    const API: &str = "https://api.polygon.io";

    #[test]
    fn a_proxy_that_can_be_used_is_accepted() {
        for value in [
            "http://proxy:3128",
            "https://proxy",
            "proxy:3128",
            "http://user:p%40ss@10.0.0.1:3128/",
            "",
        ] {
            assert_eq!(outcome(API, &[("HTTPS_PROXY", value)]), Ok(()), "{value}");
        }
    }

    #[test]
    fn a_proxy_that_would_be_passed_over_is_refused_without_its_value() {
        for (value, why) in [
            ("socks5://u:SECRET@proxy:1", "socks5:// is not supported"),
            ("ftp://u:SECRET@proxy", "ftp:// is not supported"),
            (" http://SECRET", "blanks"),
            ("http://SECRET ", "blanks"),
            ("http://u:SECRET^@p", "it is not a URL"),
            ("http://", "it is not a URL"),
        ] {
            for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
                let message = outcome(API, &[(name, value)]).unwrap_err();
                assert!(
                    message.contains(name) && message.contains(why) && !message.contains("SECRET"),
                    "{value}: {message}"
                );
            }
        }
    }

    #[test]
    fn the_first_variable_that_names_a_proxy_counts() {
        assert_eq!(
            outcome(
                API,
                &[("HTTPS_PROXY", "http://proxy"), ("ALL_PROXY", "socks5://x")]
            ),
            Ok(())
        );
        assert!(outcome(API, &[("HTTPS_PROXY", ""), ("ALL_PROXY", "socks5://x")]).is_err());
        assert_eq!(
            outcome(API, &[("HTTPS_PROXY", ""), ("https_proxy", "socks5://x")]),
            Ok(())
        );
    }

    #[test]
    fn what_goes_directly_anyway_needs_no_proxy() {
        let proxy = ("ALL_PROXY", "socks5://proxy");
        assert_eq!(outcome("http://127.0.0.1:80", &[proxy]), Ok(()));
        for exempt in [
            "*",
            "polygon.io",
            ".polygon.io",
            "other.org, API.polygon.io",
        ] {
            assert_eq!(
                outcome(API, &[proxy, ("NO_PROXY", exempt)]),
                Ok(()),
                "{exempt}"
            );
        }
        for other in ["", "gon.io", "example.com", ","] {
            assert!(
                outcome(API, &[proxy, ("NO_PROXY", other)]).is_err(),
                "{other}"
            );
        }
    }
}
