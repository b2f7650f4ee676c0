//! The configuration: checked against `spec.json`, then for sense. All problems come in one message.

use std::collections::HashSet;
use std::fmt;

use jiff::civil::Date;
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

use crate::error::Failure;
use crate::polygon::Origin;
use crate::spec;

/// A text that must not be shown: it has no Display, and its Debug tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that must not be shown.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the one place that sends it and the one that keeps it out of messages.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// A configuration that makes sense. Its properties are described in `spec.json`.
#[derive(Debug, Clone)]
pub struct Config {
    /// The tickers in the order given, none twice, at least one.
    pub tickers: Vec<String>,
    /// The key of the API.
    pub api_key: Secret,
    /// The first day to read (New York), if one is set.
    pub start_date: Option<Date>,
    /// The last day to read (New York), if one is set; not before `start_date`.
    pub end_date: Option<Date>,
    /// Whether prices are adjusted for splits.
    pub adjusted: bool,
    /// Where the API is.
    pub api_url: Origin,
}

impl Config {
    /// Checks a configuration. The failure names every problem by its property, and never a value of `api_key`.
    pub fn from_value(value: Value) -> Result<Config, Failure> {
        let Value::Object(mut given) = value else {
            return Err(invalid(&["it must be a JSON object".to_owned()]));
        };
        let schema = spec::connection_specification();
        fill_in_defaults(&mut given, &schema);
        let given = Value::Object(given);
        let mut problems = schema_problems(&given, &schema)?;
        let config = sensible(&given, &mut problems);
        config.filter(|_| problems.is_empty()).ok_or_else(|| invalid(&problems))
    }
}

fn invalid(problems: &[String]) -> Failure {
    Failure::config(format!("The configuration is not valid: {}.", problems.join("; ")))
}

/// An optional property that is null or empty counts as not given, as forms send it when a field is cleared.
fn fill_in_defaults(given: &mut Map<String, Value>, schema: &Value) {
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let is_optional = !required.iter().any(|required| required == name);
        if is_optional && given.get(name).is_some_and(|value| value.is_null() || value == "") {
            given.remove(name);
        }
        if let (false, Some(default)) = (given.contains_key(name), property.get("default")) {
            given.insert(name.clone(), default.clone());
        }
    }
}

/// What `spec.json` finds wrong, one text a property.
fn schema_problems(given: &Value, schema: &Value) -> Result<Vec<String>, Failure> {
    let validator = jsonschema::draft7::options()
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| Failure::config("spec.json is not a valid schema.").caused_by(error))?;
    let mut named = HashSet::new();
    let mut problems = Vec::new();
    for error in validator.iter_errors(given) {
        let property = match error.kind() {
            ValidationErrorKind::Required { property } => property.as_str().unwrap_or_default().to_owned(),
            _ => error.instance_path().as_str().trim_start_matches('/').to_owned(),
        };
        let description = &schema["properties"][&property];
        let problem = describe(&error, description);
        if named.insert(property.clone()) {
            problems.push(format!("{property}: {problem}"));
        }
    }
    Ok(problems)
}

fn describe(error: &ValidationError<'_>, property: &Value) -> String {
    // The value of a secret property is never part of the text, nor is anything that jsonschema says of it.
    let value =
        if property.get("airbyte_secret").is_some() { "the value".to_owned() } else { error.instance().to_string() };
    match error.kind() {
        ValidationErrorKind::Required { .. } => "is required".to_owned(),
        ValidationErrorKind::Type { .. } => {
            format!("must be a {}, and {value} is not", property["type"].as_str().unwrap_or("value of another type"))
        }
        ValidationErrorKind::Format { format } => format!("{value} is not a {format} of the calendar"),
        _ => format!("{value} does not have the form: {}", property["pattern_descriptor"].as_str().unwrap_or_default()),
    }
}

/// Takes the properties that fit, and adds to `problems` what can't be meant. `None` where a property is missing that
/// `problems` already names.
fn sensible(given: &Value, problems: &mut Vec<String>) -> Option<Config> {
    let date = |name: &str| given[name].as_str().and_then(|text| text.parse::<Date>().ok());
    let (start_date, end_date) = (date("start_date"), date("end_date"));
    if let (Some(start), Some(end)) = (start_date, end_date)
        && start > end
    {
        problems.push(format!("start_date: {start} is after end_date {end}"));
    }

    let tickers: Vec<String> = given["stock_ticker"]
        .as_str()
        .into_iter()
        .flat_map(|list| list.split(','))
        .map(|t| t.trim().to_owned())
        .collect();
    let mut seen = HashSet::new();
    for doubled in tickers.iter().filter(|ticker| !seen.insert(ticker.as_str())).collect::<HashSet<_>>() {
        problems.push(format!("stock_ticker: {doubled} is there more than once"));
    }

    let api_url = given["api_url"]
        .as_str()
        .and_then(|url| Origin::parse(url.trim()).map_err(|problem| problems.push(format!("api_url: {problem}"))).ok());
    Some(Config {
        tickers,
        api_key: Secret::new(given["api_key"].as_str()?.trim()),
        start_date,
        end_date,
        adjusted: given["adjusted"].as_bool()?,
        api_url: api_url?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problem(value: Value) -> String {
        Config::from_value(value).unwrap_err().message
    }

    #[test]
    fn takes_the_smallest_configuration_and_fills_in_the_defaults() {
        let config = Config::from_value(json!({"stock_ticker": "TSLA", "api_key": "k"})).unwrap();
        assert_eq!(config.tickers, ["TSLA"]);
        assert!(config.adjusted);
        assert_eq!(config.api_url, Origin::parse("https://api.polygon.io").unwrap());
        assert_eq!((config.start_date, config.end_date), (None, None));
    }

    #[test]
    fn keeps_the_case_of_tickers_and_drops_the_space_around_them() {
        let config = Config::from_value(json!({"stock_ticker": " GSpB , BRK.B,GM.WS.B", "api_key": " k "})).unwrap();
        assert_eq!(config.tickers, ["GSpB", "BRK.B", "GM.WS.B"]);
        assert_eq!(config.api_key.expose(), "k");
    }

    #[test]
    fn an_optional_property_that_is_null_or_empty_counts_as_not_given() {
        let value =
            json!({"stock_ticker": "TSLA", "api_key": "k", "start_date": null, "end_date": "", "adjusted": null});
        let config = Config::from_value(value).unwrap();
        assert_eq!((config.start_date, config.end_date, config.adjusted), (None, None, true));
    }

    #[test]
    fn properties_that_spec_json_does_not_know_are_allowed() {
        assert!(Config::from_value(json!({"stock_ticker": "TSLA", "api_key": "k", "__injected": {"a": 1}})).is_ok());
    }

    #[test]
    fn names_all_problems_in_one_message() {
        let message = problem(json!({
            "stock_ticker": "TSLA,,AAPL", "start_date": "2026-02-30", "end_date": "yesterday", "adjusted": "yes",
            "api_url": "http://api.polygon.io",
        }));
        for expected in [
            "stock_ticker: \"TSLA,,AAPL\" does not have the form: TICKER",
            "api_key: is required",
            "start_date: \"2026-02-30\" is not a date of the calendar",
            "end_date: \"yesterday\" ",
            "adjusted: must be a boolean, and \"yes\" is not",
            "api_url: http:// would send the key in clear text",
        ] {
            assert!(message.contains(expected), "{expected} is not in {message}");
        }
    }

    #[test]
    fn what_can_not_be_meant_is_a_problem() {
        let with = |name: &str, value: &str| {
            let mut config = json!({"stock_ticker": "TSLA", "api_key": "k", "start_date": "2024-01-02"});
            config[name] = json!(value);
            problem(config)
        };
        assert!(with("end_date", "2024-01-01").contains("start_date: 2024-01-02 is after end_date 2024-01-01"));
        assert!(with("stock_ticker", "TSLA, AAPL,TSLA").contains("stock_ticker: TSLA is there more than once"));
        assert!(with("stock_ticker", "").contains("stock_ticker"));
        assert!(with("stock_ticker", "..").contains("stock_ticker"));
        assert!(with("api_key", "").contains("api_key"));
        assert!(with("api_url", "https://api.polygon.io/v2").contains("api_url"));
    }

    #[test]
    fn a_problem_with_the_key_never_shows_the_key() {
        for key in [json!("my secret"), json!(12345), json!(["my secret"]), json!("my\nsecret")] {
            let failure = Config::from_value(json!({"stock_ticker": "TSLA", "api_key": key})).unwrap_err();
            assert!(failure.message.contains("api_key: "));
            assert!(!format!("{failure:?}").contains("secret") && !format!("{failure:?}").contains("12345"));
        }
        assert_eq!(format!("{:?}", Secret::new("my secret")), "(redacted)");
    }

    #[test]
    fn a_configuration_that_is_no_object_is_refused() {
        for value in [json!(null), json!([]), json!("TSLA"), json!(7)] {
            assert!(problem(value).contains("it must be a JSON object"));
        }
    }
}
