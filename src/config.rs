//! The configuration: checked against `spec.json`, then for sense. All problems come in one message.

use std::collections::BTreeMap;
use std::fmt;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

use crate::calendar::{Date, parse_date};
use crate::error::{Failure, FailureType};
use crate::market::{Market, PREFIXES};
use crate::polygon::Origin;
use crate::secret::Secret;

/// `spec.json` as it is embedded in the binary, an Airbyte `ConnectorSpecification`.
pub(crate) fn specification() -> Value {
    serde_json::from_str(include_str!("../spec.json")).unwrap_or_default()
}

/// A configuration that makes sense. Its properties are described in `spec.json`.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The tickers in the order given with their markets, none twice, at least one.
    pub(crate) tickers: Vec<(String, Market)>,
    /// The key of the API.
    pub(crate) api_key: Secret,
    /// The first day to sync, if one is set.
    pub(crate) start_date: Option<Date>,
    /// The last day to sync, if one is set; not before `start_date`.
    pub(crate) end_date: Option<Date>,
    /// Whether prices are adjusted for splits.
    pub(crate) adjusted: bool,
    /// Where the API is.
    pub(crate) api_url: Origin,
}

/// What is wrong with one property. The texts stand here and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A required property is not there.
    Missing,
    /// A value of another JSON type; the expected type, and the value unless it is a secret.
    WrongType(String, Option<String>),
    /// A text that is no date of the calendar.
    InvalidDate(String),
    /// A text that has another form than the schema's pattern; the value unless it is a secret, and the form.
    InvalidForm(Option<String>, String),
    /// The same ticker twice.
    DuplicateTicker(String),
    /// A ticker with a prefix that no market has.
    UnknownPrefix(String),
    /// The first day comes after the last one.
    StartAfterEnd(Date, Date),
    /// The API's address can't be used; why.
    Url(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing => f.write_str("missing required field"),
            Problem::WrongType(expected, Some(value)) => {
                write!(f, "expected a {expected}, got {value}")
            }
            Problem::WrongType(expected, None) => write!(f, "expected a {expected}"),
            Problem::InvalidDate(text) => write!(f, "{text} is not a valid date (YYYY-MM-DD)"),
            Problem::InvalidForm(Some(value), form) => {
                write!(f, "invalid value {value}; expected {form}")
            }
            Problem::InvalidForm(None, form) => write!(f, "invalid value; expected {form}"),
            Problem::DuplicateTicker(ticker) => write!(f, "duplicate ticker \"{ticker}\""),
            Problem::UnknownPrefix(ticker) => {
                let known =
                    PREFIXES.map(|(prefix, market)| format!("{prefix} ({})", market.name()));
                write!(
                    f,
                    "unknown prefix in \"{ticker}\"; known are {}, and none for stocks",
                    known.join(", ")
                )
            }
            Problem::StartAfterEnd(start, end) => write!(f, "{start} is after end_date {end}"),
            Problem::Url(problem) => f.write_str(problem),
        }
    }
}

/// The first problem of each property.
#[derive(Debug, Default)]
struct Problems(BTreeMap<String, Problem>);

impl Problems {
    fn add(&mut self, property: &str, problem: Problem) {
        self.0.entry(property.to_owned()).or_insert(problem);
    }

    /// The failure that names all problems, in the order in which `properties` names them. A value that holds the key
    /// in any property is not shown.
    fn into_failure(self, properties: &Map<String, Value>, api_key: Option<&Secret>) -> Failure {
        let unknown = self.0.keys().filter(|name| !properties.contains_key(*name));
        let lines = properties
            .keys()
            .chain(unknown)
            .filter_map(|name| Some((name, self.0.get(name)?)))
            .map(|(name, problem)| {
                let text = problem.to_string();
                let hides_key = api_key.is_some_and(|key| key.redact(&text) != text);
                if hides_key {
                    format!("\n{name}: the value contains the API key")
                } else {
                    format!("\n{name}: {text}")
                }
            });
        Failure::config(format!(
            "Invalid configuration:{}",
            lines.collect::<String>()
        ))
    }
}

/// The key of a configuration, whatever else is wrong with it.
pub(crate) fn api_key_of(raw: &Value) -> Option<Secret> {
    raw["api_key"]
        .as_str()
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .map(Secret::new)
}

impl Config {
    /// Checks a configuration. The failure names every problem by its property, and never the value of `api_key`.
    pub(crate) fn from_value(raw: Value) -> Result<Config, Failure> {
        let api_key = api_key_of(&raw);
        let Value::Object(mut raw) = raw else {
            return Err(Failure::config(
                "Invalid configuration: it must be a JSON object.",
            ));
        };
        let schema = specification()["connectionSpecification"].take();
        apply_defaults(&mut raw, &schema);
        let raw = Value::Object(raw);
        let mut problems = schema_problems(&raw, &schema)?;
        let config = parse_config(&raw, &mut problems);
        let properties = schema["properties"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let is_valid = problems.0.is_empty();
        config
            .filter(|_| is_valid)
            .ok_or_else(|| problems.into_failure(&properties, api_key.as_ref()))
    }
}

/// Drops an optional property that is null or empty, as forms send it when a field is cleared, and sets defaults.
fn apply_defaults(raw: &mut Map<String, Value>, schema: &Value) {
    let required = schema["required"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let is_optional = !required.iter().any(|required| required == name);
        if is_optional
            && raw
                .get(name)
                .is_some_and(|value| value.is_null() || value == "")
        {
            raw.remove(name);
        }
        if let (false, Some(default)) = (raw.contains_key(name), property.get("default")) {
            raw.insert(name.clone(), default.clone());
        }
    }
}

/// What `spec.json` finds wrong.
fn schema_problems(raw: &Value, schema: &Value) -> Result<Problems, Failure> {
    let validator = jsonschema::draft7::options()
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| {
            Failure::new(
                FailureType::SystemError,
                "The connector's spec.json is not a valid schema.",
            )
            .caused_by(&anyhow::Error::msg(error.to_string()))
        })?;
    let mut problems = Problems::default();
    for error in validator.iter_errors(raw) {
        let property = match error.kind() {
            ValidationErrorKind::Required { property } => {
                property.as_str().unwrap_or_default().to_owned()
            }
            _ => error
                .instance_path()
                .as_str()
                .trim_start_matches('/')
                .to_owned(),
        };
        problems.add(
            &property,
            schema_problem(&error, &schema["properties"][&property]),
        );
    }
    Ok(problems)
}

fn schema_problem(error: &ValidationError<'_>, property: &Value) -> Problem {
    // The value of a secret is never part of the text, nor anything that jsonschema says of it, nor what stands before
    // an `@` or behind a `?`: an address may hold a password or a key there.
    let value = error.instance().to_string();
    let shows_value = property.get("airbyte_secret").is_none() && !value.contains(['@', '?']);
    let value = shows_value.then_some(value);
    let text = |key: &str| property[key].as_str().unwrap_or_default().to_owned();
    match error.kind() {
        ValidationErrorKind::Required { .. } => Problem::Missing,
        ValidationErrorKind::Type { .. } => Problem::WrongType(text("type"), value),
        ValidationErrorKind::Format { .. } => {
            Problem::InvalidDate(value.unwrap_or_else(|| "the value".to_owned()))
        }
        _ => Problem::InvalidForm(value, text("pattern_descriptor")),
    }
}

/// Takes the properties that fit, and adds to `problems` what can't be meant. `None` where a property is missing that
/// `problems` already names.
fn parse_config(raw: &Value, problems: &mut Problems) -> Option<Config> {
    let mut date = |name: &str| {
        let date = raw[name].as_str().map(|text| (text, parse_date(text)));
        if let Some((text, None)) = date {
            problems.add(name, Problem::InvalidDate(format!("\"{text}\"")));
        }
        date.and_then(|(_, date)| date)
    };
    let (start_date, end_date) = (date("start_date"), date("end_date"));
    if let (Some(start), Some(end)) = (start_date, end_date)
        && start > end
    {
        problems.add("start_date", Problem::StartAfterEnd(start, end));
    }
    let api_url = raw["api_url"].as_str().and_then(|url| {
        Origin::parse(url.trim())
            .map_err(|problem| problems.add("api_url", Problem::Url(problem)))
            .ok()
    });
    Some(Config {
        tickers: parse_tickers(raw["stock_ticker"].as_str().unwrap_or_default(), problems),
        api_key: api_key_of(raw)?,
        start_date,
        end_date,
        adjusted: raw["adjusted"].as_bool()?,
        api_url: api_url?,
    })
}

fn parse_tickers(list: &str, problems: &mut Problems) -> Vec<(String, Market)> {
    let mut tickers: Vec<(String, Market)> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for ticker in list.split(',').map(str::trim) {
        match Market::of(ticker) {
            None => problems.add("stock_ticker", Problem::UnknownPrefix(ticker.to_owned())),
            Some(_) if !seen.insert(ticker) => {
                problems.add("stock_ticker", Problem::DuplicateTicker(ticker.to_owned()));
            }
            Some(market) => tickers.push((ticker.to_owned(), market)),
        }
    }
    tickers
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failure_message(value: Value) -> String {
        Config::from_value(value).unwrap_err().message
    }

    #[test]
    fn takes_the_smallest_configuration_and_fills_in_the_defaults() {
        let config = Config::from_value(json!({"stock_ticker": "TSLA", "api_key": "k"})).unwrap();
        assert_eq!(config.tickers, [("TSLA".to_owned(), Market::Stocks)]);
        assert!(config.adjusted);
        assert_eq!(
            config.api_url,
            Origin::parse("https://api.polygon.io").unwrap()
        );
        assert_eq!((config.start_date, config.end_date), (None, None));
    }

    #[test]
    fn keeps_the_case_of_tickers_and_drops_the_space_around_them() {
        let raw = json!({"stock_ticker": " GSpB , BRK.B,X:BTCUSD", "api_key": " k "});
        let config = Config::from_value(raw).unwrap();
        let names: Vec<_> = config
            .tickers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["GSpB", "BRK.B", "X:BTCUSD"]);
        assert_eq!(config.tickers[2].1, Market::Crypto);
        assert_eq!(config.api_key.expose(), "k");
    }

    #[test]
    fn an_optional_property_that_is_null_or_empty_counts_as_not_given() {
        let raw = json!({
            "stock_ticker": "TSLA", "api_key": "k", "start_date": "", "end_date": null, "adjusted": null, "api_url": ""
        });
        let config = Config::from_value(raw).unwrap();
        assert!(config.adjusted && config.start_date.is_none() && config.end_date.is_none());
    }

    #[test]
    fn properties_that_spec_json_does_not_know_are_allowed() {
        assert!(
            Config::from_value(
                json!({"stock_ticker": "TSLA", "api_key": "k", "__injected": {"a": 1}})
            )
            .is_ok()
        );
    }

    #[test]
    fn names_all_problems_one_a_property_in_the_order_of_spec_json() {
        let message = failure_message(json!({
            "stock_ticker": "TSLA,,AAPL", "start_date": "2026-02-30", "end_date": "yesterday", "adjusted": "yes",
            "api_url": "ftp://api.polygon.io",
        }));
        let lines: Vec<_> = message.lines().collect();
        assert_eq!(lines[0], "Invalid configuration:");
        let properties: Vec<_> = lines[1..]
            .iter()
            .map(|line| line.split(':').next().unwrap())
            .collect();
        assert_eq!(
            properties,
            [
                "stock_ticker",
                "api_key",
                "start_date",
                "end_date",
                "adjusted",
                "api_url"
            ]
        );
        assert!(
            lines[1].starts_with("stock_ticker: invalid value \"TSLA,,AAPL\"; expected "),
            "{message}"
        );
        assert_eq!(lines[2], "api_key: missing required field");
        assert_eq!(
            lines[3],
            "start_date: \"2026-02-30\" is not a valid date (YYYY-MM-DD)"
        );
        assert_eq!(lines[5], "adjusted: expected a boolean, got \"yes\"");
    }

    #[test]
    fn rejects_contradictory_values() {
        let with = |name: &str, value: &str| {
            let mut config =
                json!({"stock_ticker": "TSLA", "api_key": "k", "start_date": "2024-01-02"});
            config[name] = json!(value);
            failure_message(config)
        };
        assert!(
            with("end_date", "2024-01-01")
                .contains("start_date: 2024-01-02 is after end_date 2024-01-01")
        );
        assert!(
            with("stock_ticker", "B,A,TSLA, A,B").contains("stock_ticker: duplicate ticker \"A\"")
        );
        assert!(
            with("stock_ticker", "Z:ABC")
                .contains("known are O: (options), I: (indices), X: (crypto), C: (forex)")
        );
        for (name, value) in [
            ("stock_ticker", ""),
            ("stock_ticker", ".."),
            ("api_key", ""),
            ("api_url", "https://api.polygon.io/v2"),
        ] {
            assert!(with(name, value).contains(&format!("\n{name}: ")), "{name}");
        }
    }

    #[test]
    fn a_problem_never_shows_the_key_wherever_it_was_pasted() {
        for key in [
            json!("my secret"),
            json!(12345),
            json!(["my secret"]),
            json!("my\nsecret"),
        ] {
            let failure =
                Config::from_value(json!({"stock_ticker": "TSLA", "api_key": key})).unwrap_err();
            assert!(failure.message.contains("api_key: "));
            assert!(
                !format!("{failure:?}").contains("secret")
                    && !format!("{failure:?}").contains("12345")
            );
        }
        for (property, value) in [
            ("api_url", "https://api.polygon.io/v2?apiKey=pk_secret_1"),
            ("api_url", "https://api.polygon.io/?apiKey=other"),
            ("api_url", "ftp://user:other@host"),
            ("api_url", "user:other@host"),
            ("api_url", "https://user:other@h^st"),
            ("start_date", "pk_secret_1"),
            ("stock_ticker", "pk_secret_1,pk_secret_1"),
        ] {
            let mut raw = json!({"stock_ticker": "TSLA", "api_key": "pk_secret_1"});
            raw[property] = json!(value);
            let message = failure_message(raw);
            assert!(
                !message.contains("pk_secret_1") && !message.contains("other"),
                "{message}"
            );
            assert!(message.contains(&format!("{property}: ")), "{message}");
        }
    }

    #[test]
    fn a_configuration_that_is_no_object_is_refused() {
        for value in [json!(null), json!([]), json!("TSLA"), json!(7)] {
            assert!(failure_message(value).contains("it must be a JSON object"));
        }
    }
}
