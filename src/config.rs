//! The configuration: validated against `spec.json`, then semantically. All problems come in one message.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use chrono::DateTime;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use crate::calendar::{Date, parse_date};
use crate::error::Failure;
use crate::market::{Market, PREFIXES};
use crate::polygon::Origin;
use crate::secret::Secret;
use crate::ticker_hint::hint;

/// `spec.json` as it is embedded in the binary, an Airbyte `ConnectorSpecification`.
pub(crate) static SPECIFICATION: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../spec.json")).expect("spec.json is JSON"));

/// Compiled once: that takes longer than a whole simulated sync.
static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let options = jsonschema::draft7::options().should_validate_formats(true);
    options.build(&SPECIFICATION["connectionSpecification"]).expect("spec.json has a valid schema")
});

/// The properties of a configuration, each with its schema.
fn properties() -> &'static Value {
    &SPECIFICATION["connectionSpecification"]["properties"]
}

/// A valid configuration. Its properties are described in `spec.json`.
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

/// The key of a configuration, regardless of what else is wrong with it.
pub(crate) fn api_key_of(raw: &Value) -> Option<Secret> {
    let key = raw["api_key"].as_str().map(str::trim);
    key.filter(|key| !key.is_empty()).map(Secret::new)
}

/// A warning for each property that `spec.json` does not have. Airbyte adds properties that begin with two underscores.
pub(crate) fn unknown_properties(raw: &Value) -> Vec<String> {
    let known: Vec<_> = names(properties()).collect();
    let is_unknown = |name: &&str| !known.contains(name) && !name.starts_with("__");
    let warning = |name: &str| {
        let distance = |known: &&&str| strsim::damerau_levenshtein(known, name);
        let closest = known.iter().min_by_key(distance);
        let suggestion = match closest.filter(|known| distance(known) <= known.len() / 3) {
            Some(closest) => format!("did you mean {closest}?"),
            None => format!("known are {}", known.join(", ")),
        };
        format!("The configuration has an unknown property, {name:?}, which is ignored; {suggestion}")
    };
    names(raw).filter(is_unknown).map(warning).collect()
}

fn names(object: &Value) -> impl Iterator<Item = &str> {
    object.as_object().into_iter().flat_map(Map::keys).map(String::as_str)
}

impl Config {
    /// Validates a configuration. The failure names every problem by its property, in the order of `spec.json`, and never
    /// contains the key.
    pub(crate) fn from_value(raw: Value) -> Result<Config, Failure> {
        let api_key = api_key_of(&raw);
        let Value::Object(raw) = raw else {
            return Err(Failure::config("Invalid configuration: it must be a JSON object."));
        };
        let raw = normalized(raw);
        let mut problems = Problems(schema_problems(&raw));
        match Config::from_properties(&raw, &mut problems) {
            Some(config) if problems.0.is_empty() => Ok(config),
            _ => Err(problems.into_failure(api_key.as_ref())),
        }
    }

    /// `None` only if `problems` has a reason.
    fn from_properties(raw: &Value, problems: &mut Problems) -> Option<Config> {
        let tickers = problems.take(raw, "stock_ticker", parse_tickers);
        let api_key = problems.take(raw, "api_key", parse_key);
        let api_url = problems.take(raw, "api_url", Origin::parse);
        let parse = |text: &str| parse_date(text).ok_or_else(|| format!("{text:?} is not a valid date (YYYY-MM-DD)"));
        let end_date = problems.take(raw, "end_date", parse);
        let start_date = problems.take(raw, "start_date", |text| match (parse(text)?, end_date) {
            (start, Some(end)) if start > end => Err(format!("{start} is after end_date {end}")),
            (start, _) => Ok(start),
        });
        Some(Config {
            tickers: tickers?,
            api_key: api_key?,
            start_date,
            end_date,
            adjusted: raw["adjusted"].as_bool()?,
            api_url: api_url?,
        })
    }
}

/// What is wrong with each property.
struct Problems(BTreeMap<String, String>);

impl Problems {
    /// Parses a property that is a text. Its semantic problem says more than that of the schema.
    fn take<T>(&mut self, raw: &Value, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let parsed = parse(raw[name].as_str()?.trim());
        parsed.map_err(|problem| self.0.insert(name.to_owned(), problem)).ok()
    }

    /// All problems in the order of `spec.json`. A value that contains the key is not shown.
    fn into_failure(self, api_key: Option<&Secret>) -> Failure {
        let line = |name| {
            let problem = self.0.get(name)?;
            Some(if api_key.is_some_and(|key| key.redact(problem) != *problem) {
                format!("\n{name}: the value contains the API key")
            } else if problem.starts_with("is ") {
                format!("\n{name} {problem}")
            } else {
                format!("\n{name}: {problem}")
            })
        };
        let lines: String = names(properties()).filter_map(line).collect();
        Failure::config(format!("Invalid configuration:{lines}"))
    }
}

/// Forms send null or an empty text for a property that is not set, and programs send a date with a time.
fn normalized(mut raw: Map<String, Value>) -> Value {
    let is_moment = |text: &str| DateTime::parse_from_rfc3339(text).is_ok();
    let required = SPECIFICATION["connectionSpecification"]["required"].as_array();
    for (name, property) in properties().as_object().into_iter().flatten() {
        let (default, is_date) = (property.get("default"), property["format"] == "date");
        let is_optional = required.is_none_or(|names| names.iter().all(|required| required != name));
        match raw.get_mut(name) {
            Some(value) if value.is_null() || is_optional && value == "" => drop(raw.remove(name)),
            Some(Value::String(text)) if is_date && (is_moment(text) || is_moment(&format!("{text}Z"))) => {
                text.truncate("YYYY-MM-DD".len());
            }
            _ => {}
        }
        if let (None, Some(default)) = (raw.get(name), default) {
            raw.insert(name.clone(), default.clone());
        }
    }
    Value::Object(raw)
}

/// The first problem of each property according to the schema.
fn schema_problems(raw: &Value) -> BTreeMap<String, String> {
    let mut problems = BTreeMap::new();
    for error in VALIDATOR.iter_errors(raw) {
        let name = match error.kind() {
            ValidationErrorKind::Required { property } => property.as_str().unwrap_or_default(),
            _ => error.instance_path().as_str().trim_start_matches('/'),
        };
        let problem = schema_problem(&error, &properties()[name]);
        problems.entry(name.to_owned()).or_insert(problem);
    }
    problems
}

fn schema_problem(error: &ValidationError<'_>, property: &Value) -> String {
    let value = error.instance().to_string();
    // Before an `@` there may be a password, and behind a `?` a key.
    let is_secret = property.get("airbyte_secret").is_some() || value.contains(['@', '?']);
    let value = if is_secret { "the value" } else { &value };
    let text = |key: &str| property[key].as_str().unwrap_or_default();
    match error.kind() {
        ValidationErrorKind::Required { .. } => "missing required field".to_owned(),
        ValidationErrorKind::Type { .. } => format!("{value} is not a {}", text("type")),
        ValidationErrorKind::Format { .. } => format!("{value} is not a valid date (YYYY-MM-DD)"),
        _ => format!("{value} is not valid; expected {}", text("pattern_descriptor")),
    }
}

fn parse_key(key: &str) -> Result<Secret, String> {
    let words = key.to_ascii_lowercase();
    if key.is_empty() {
        Err("is empty".to_owned())
    } else if words.contains("your") && words.contains("key") {
        Err("is still the placeholder; replace it with your Polygon.io key".to_owned())
    } else {
        Ok(Secret::new(key))
    }
}

fn parse_tickers(list: &str) -> Result<Vec<(String, Market)>, String> {
    let (mut tickers, mut problems, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    let separators = [',', ';', '\n', '\r'];
    for name in list.split(separators).map(str::trim).filter(|name| !name.is_empty()) {
        match parse_ticker(name) {
            Ok(_) if !seen.insert(name) => problems.push(format!("duplicate ticker {name:?}")),
            Ok(market) => tickers.push((name.to_owned(), market)),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems.join("; "));
    }
    if tickers.is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(tickers)
}

fn parse_ticker(name: &str) -> Result<Market, String> {
    let is_odd = |character: &char| !character.is_ascii_graphic() && !character.is_whitespace();
    if let Some(odd) = name.chars().find(is_odd) {
        return Err(format!("{name:?} contains {}", character_name(odd)));
    }
    let names: Vec<_> = name.split_whitespace().collect();
    if names.len() > 1 {
        return Err(format!("separate tickers with commas: {}", names.join(", ")));
    }
    let hint = hint(name).map_or_else(String::new, |meant| format!(" (did you mean {meant}?)"));
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Err(format!("{name:?} is not in Polygon.io's notation{hint}"));
    }
    Market::of(name).ok_or_else(|| {
        let known = PREFIXES.map(|(prefix, market)| format!("{prefix} ({})", market.name()));
        let known = known.join(", ");
        format!("unknown prefix in {name:?}{hint}; known are {known}, and none for stocks")
    })
}

/// The code point, and the name of a character that is invisible and likely to be pasted.
fn character_name(character: char) -> String {
    let name = match character {
        '\0' => " NULL",
        '\u{ad}' => " SOFT HYPHEN",
        '\u{200b}' => " ZERO WIDTH SPACE",
        '\u{200c}' => " ZERO WIDTH NON-JOINER",
        '\u{200d}' => " ZERO WIDTH JOINER",
        '\u{200e}' => " LEFT-TO-RIGHT MARK",
        '\u{2060}' => " WORD JOINER",
        '\u{feff}' => " BYTE ORDER MARK",
        _ => "",
    };
    format!("U+{:04X}{name}", u32::from(character))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(raw: Value) -> Result<Config, Failure> {
        Config::from_value(raw)
    }

    /// Parses the smallest configuration with one property changed.
    fn parse_with(property: &str, value: impl Into<Value>) -> Result<Config, Failure> {
        let mut raw = json!({"stock_ticker": "TSLA", "api_key": "k"});
        raw[property] = value.into();
        parse(raw)
    }

    fn message_with(property: &str, value: impl Into<Value>) -> String {
        let message = parse_with(property, value).unwrap_err().message;
        let (head, problem) = message.split_once('\n').unwrap();
        assert_eq!(head, "Invalid configuration:");
        problem.to_owned()
    }

    fn names(config: &Config) -> Vec<&str> {
        let names = config.tickers.iter().map(|(name, _)| name.as_str());
        names.collect()
    }

    #[test]
    fn every_property_of_the_specification_is_read() {
        let code = include_str!("config.rs").split("mod tests").next().unwrap();
        for name in super::names(properties()) {
            let is_read = code.contains(&format!("\"{name}\""));
            assert!(is_read, "read {name} in Config::from_properties (src/config.rs)");
        }
    }

    #[test]
    fn what_is_not_given_or_null_or_empty_has_its_default() {
        for raw in [
            json!({"stock_ticker": "TSLA", "api_key": "k"}),
            json!({
                "stock_ticker": "TSLA", "api_key": "k", "start_date": "", "end_date": null, "adjusted": null, "api_url": ""
            }),
        ] {
            let config = parse(raw).unwrap();
            assert_eq!(config.tickers, [("TSLA".to_owned(), Market::Stocks)]);
            assert!(config.adjusted);
            let api_url = Origin::parse("https://api.polygon.io").unwrap();
            assert_eq!(config.api_url, api_url);
            assert_eq!((config.start_date, config.end_date), (None, None));
        }
    }

    #[test]
    fn keeps_the_case_of_tickers_and_drops_the_space_around_them() {
        let raw = json!({"stock_ticker": " GSpB , BRK.B,X:BTCUSD", "api_key": " k "});
        let config = parse(raw).unwrap();
        assert_eq!(names(&config), ["GSpB", "BRK.B", "X:BTCUSD"]);
        assert_eq!(config.tickers[2].1, Market::Crypto);
        assert_eq!(config.api_key.expose(), "k");
    }

    #[test]
    fn tickers_may_be_separated_by_commas_semicolons_and_line_breaks() {
        for list in ["AAPL,MSFT", "AAPL;MSFT;", "AAPL\nMSFT\n", "AAPL,\r\nMSFT,\r\n", "\n AAPL , ; MSFT ,"] {
            let config = parse_with("stock_ticker", list).unwrap();
            assert_eq!(names(&config), ["AAPL", "MSFT"], "{list:?}");
        }
    }

    #[test]
    fn date_with_a_time_stands_for_its_day() {
        for text in [
            "2026-11-23",
            "2026-11-23T00:00:00Z",
            "2026-11-23T23:59:59.999999Z",
            "2026-11-23T00:00:00+09:00",
            "2026-11-23T00:00:00",
        ] {
            let config = parse_with("start_date", text).unwrap();
            assert_eq!(config.start_date.unwrap().to_string(), "2026-11-23", "{text}");
        }
        for text in ["2026-11-23T", "2026-11-23Tnoon", "2026-11-23T25:00:00Z"] {
            let expected = format!("start_date: \"{text}\" is not a valid date (YYYY-MM-DD)");
            assert_eq!(message_with("start_date", text), expected);
        }
    }

    #[test]
    fn form_accepts_what_is_accepted_here() {
        // Without the format, of which the form makes a date picker.
        let accepts = |name: &str, text: &str| jsonschema::is_valid(&properties()[name], &json!(text));
        for list in ["TSLA", "AAPL;MSFT,", "AAPL,\r\nX:BTCUSD\n", " BRK.B , I:SPX "] {
            assert!(accepts("stock_ticker", list), "{list:?}");
        }
        for list in ["", ",", "^GSPC", "TSLA AAPL", "$AAPL,TSLA"] {
            assert!(!accepts("stock_ticker", list), "{list:?}");
        }
        for date in ["2026-11-23", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00.000+01:00"] {
            assert!(accepts("start_date", date) && accepts("end_date", date), "{date}");
        }
        for date in ["23.11.2026", "2026-11-23T", "2026-11-23 ", "soon"] {
            assert!(!accepts("start_date", date), "{date}");
        }
    }

    #[test]
    fn unknown_properties_are_named_with_the_closest_known_one() {
        let raw = json!({
            "stock_ticker": "TSLA", "start_dat": "2024-01-02", "apiKey": "k", "colour": "red", "__injected": {"a": 1},
        });
        let warnings = unknown_properties(&raw);
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings[0].contains("\"start_dat\"") && warnings[0].ends_with("did you mean start_date?"));
        assert!(warnings[1].ends_with("did you mean api_key?"), "{}", warnings[1]);
        let known: Vec<_> = super::names(properties()).collect();
        assert!(warnings[2].ends_with(&format!("known are {}", known.join(", "))), "{}", warnings[2]);
        assert!(parse_with("start_dat", "2024-01-02").is_ok());
    }

    #[test]
    fn names_all_problems_one_per_property_in_the_order_of_spec_json() {
        let raw = json!({
            "api_url": "ftp://api.polygon.io", "adjusted": "yes", "end_date": "yesterday", "start_date": "2026-02-30",
            "stock_ticker": "^GSPC,TSLA,TSLA",
        });
        let expected = r#"Invalid configuration:
stock_ticker: "^GSPC" is not in Polygon.io's notation (did you mean I:SPX?); duplicate ticker "TSLA"
api_key: missing required field
start_date: "2026-02-30" is not a valid date (YYYY-MM-DD)
end_date: "yesterday" is not a valid date (YYYY-MM-DD)
adjusted: "yes" is not a boolean
api_url: "ftp://api.polygon.io" must begin with https://"#;
        assert_eq!(parse(raw).unwrap_err().message, expected);
    }

    #[test]
    fn tickers_that_can_not_be_meant_are_refused_with_what_is_wrong_and_a_hint() {
        for (list, expected) in [
            ("TSLA AAPL", "separate tickers with commas: TSLA, AAPL"),
            ("MSFT, TSLA\tAAPL", "separate tickers with commas: TSLA, AAPL"),
            ("..", "\"..\" is not in Polygon.io's notation"),
            (
                "NASDAQ:TSLA",
                "unknown prefix in \"NASDAQ:TSLA\" (did you mean TSLA?); known are O: (options), I: (indices), X: (crypto), \
                 C: (forex), and none for stocks",
            ),
            ("B,A,TSLA, A,B", "duplicate ticker \"A\"; duplicate ticker \"B\""),
            // Invisible characters, or those that look like others, are named.
            ("\u{feff}TSLA", r#""\u{feff}TSLA" contains U+FEFF BYTE ORDER MARK"#),
            ("AAPL,TS\u{200b}LA", r#""TS\u{200b}LA" contains U+200B ZERO WIDTH SPACE"#),
            ("TSLA\0", r#""TSLA\0" contains U+0000 NULL"#),
            ("TSLA\u{7}", r#""TSLA\u{7}" contains U+0007"#),
            ("\u{422}SLA", "\"\u{422}SLA\" contains U+0422"),
        ] {
            assert_eq!(message_with("stock_ticker", list), format!("stock_ticker: {expected}"));
        }
        let message = message_with("stock_ticker", "x:btcusd");
        assert!(message.contains("did you mean X:BTCUSD?"), "{message}");
        for empty in ["", " ", ",", " ;\n,"] {
            assert_eq!(message_with("stock_ticker", empty), "stock_ticker is empty");
        }
    }

    #[test]
    fn key_that_is_not_filled_in_is_recognized() {
        assert_eq!(message_with("api_key", ""), "api_key is empty");
        assert_eq!(message_with("api_key", " "), "api_key is empty");
        assert_eq!(message_with("api_key", Value::Null), "api_key: missing required field");
        let example = include_str!("../secrets.example/config.json");
        let example: Value = serde_json::from_str(example).unwrap();
        for placeholder in [example["api_key"].clone(), json!("YOUR_API_KEY"), json!("<your key>")] {
            let expected = "api_key is still the placeholder; replace it with your Polygon.io key";
            assert_eq!(message_with("api_key", placeholder), expected);
        }
    }

    #[test]
    fn dates_and_addresses_that_can_not_be_meant_are_refused() {
        let raw = json!({"stock_ticker": "TSLA", "api_key": "k", "start_date": "2024-01-02", "end_date": "2024-01-01"});
        let message = parse(raw).unwrap_err().message;
        assert!(message.ends_with("\nstart_date: 2024-01-02 is after end_date 2024-01-01"), "{message}");
        let message = message_with("api_url", "https://api.polygon.io/v2");
        assert!(message.starts_with("api_url: must end after the host"), "{message}");
    }

    /// In other properties: `key_or_password_in_another_property_is_not_shown`.
    #[test]
    fn problem_of_the_key_does_not_show_it() {
        for key in [json!("my secret"), json!(12345), json!(["my secret"]), json!("my\nsecret")] {
            let failure = parse_with("api_key", key).unwrap_err();
            assert!(failure.message.contains("api_key: "));
            let shown = format!("{failure:?}");
            assert!(!shown.contains("secret") && !shown.contains("12345"));
        }
    }

    #[test]
    fn configuration_that_is_no_object_is_refused() {
        for value in [json!(null), json!([]), json!("TSLA"), json!(7)] {
            let message = parse(value).unwrap_err().message;
            assert!(message.contains("it must be a JSON object"));
        }
    }
}
