//! The API's answers: a page of bars that borrows every number from the text it came in.

use self_cell::self_cell;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use super::scan;

/// A JSON number exactly as the API wrote it: `695`, `1.81724024e+08`, `41120042.153782`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number<'a>(pub(super) &'a str);

impl<'a> Number<'a> {
    /// The digits as they were written.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Number<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        match text.as_bytes()[0] {
            b'-' | b'0'..=b'9' => Ok(Number(text)),
            _ => Err(D::Error::custom(format_args!("{text} is not a number"))),
        }
    }
}

/// A JSON string exactly as the API wrote it, quotes and escapes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// The JSON, with its quotes.
    pub fn as_json(self) -> &'a str {
        self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        if text.starts_with('"') { Ok(Text(text)) } else { Err(D::Error::custom(format_args!("{text} is not a text"))) }
    }
}

/// One aggregate bar.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Bar<'a> {
    /// The ticker; only the grouped endpoint says it.
    #[serde(rename = "T", borrow)]
    pub ticker: Option<Text<'a>>,
    /// What orders and identifies the bar (see [`crate::streams::BarSize::key`]), epoch milliseconds. As parsed, it is
    /// the start of the bar.
    #[serde(rename = "t", deserialize_with = "milliseconds")]
    pub key: i64,
    /// First price, USD.
    #[serde(rename = "o", borrow)]
    pub open: Number<'a>,
    /// Highest price, USD.
    #[serde(rename = "h", borrow)]
    pub high: Number<'a>,
    /// Lowest price, USD.
    #[serde(rename = "l", borrow)]
    pub low: Number<'a>,
    /// Last price, USD.
    #[serde(rename = "c", borrow)]
    pub close: Number<'a>,
    /// Shares traded, fractional since February 2026.
    #[serde(rename = "v", borrow)]
    pub volume: Number<'a>,
    /// Volume-weighted average price, USD; missing on bars without volume.
    #[serde(rename = "vw", borrow)]
    pub vwap: Option<Number<'a>>,
    /// Number of trades; missing on bars without volume.
    #[serde(rename = "n", borrow)]
    pub transactions: Option<Number<'a>>,
}

/// The bars of a page, or none where the API says null.
fn bars<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Bar<'a>>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Epoch milliseconds, in any of the forms in which the API writes integers.
fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct Milliseconds;
    impl Visitor<'_> for Milliseconds {
        type Value = i64;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("whole epoch milliseconds")
        }

        fn visit_i64<E>(self, value: i64) -> Result<i64, E> {
            Ok(value)
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<i64, E> {
            i64::try_from(value).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
        }

        fn visit_f64<E: de::Error>(self, value: f64) -> Result<i64, E> {
            const EXACT: f64 = (1_u64 << 53) as f64;
            if value.fract() == 0.0 && value.abs() < EXACT {
                Ok(value as i64)
            } else {
                Err(E::invalid_value(de::Unexpected::Float(value), &self))
            }
        }
    }
    deserializer.deserialize_i64(Milliseconds)
}

/// The answer to a request for bars, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Answer<'a> {
    pub status: Option<String>,
    /// Whether prices are adjusted for splits.
    pub adjusted: Option<bool>,
    /// Where the next page is; absent on the last one.
    pub next_url: Option<String>,
    #[serde(borrow, default, deserialize_with = "bars")]
    pub results: Vec<Bar<'a>>,
    /// What went wrong, where `status` is `ERROR`.
    pub error: Option<String>,
    /// What went wrong, where `status` is `NOT_AUTHORIZED` or `NOT_FOUND`.
    pub message: Option<String>,
}

impl<'a> Answer<'a> {
    fn parse(text: &'a str) -> serde_json::Result<Answer<'a>> {
        let quickly = scan::bars(text).and_then(|(results, rest)| {
            let rest = serde_json::from_str::<Answer<'_>>(&rest).ok()?;
            let Answer { status, adjusted, next_url, error, message, .. } = rest;
            Some(Answer { status, adjusted, next_url, results, error, message })
        });
        quickly.map_or_else(|| serde_json::from_str(text), Ok)
    }
}

self_cell! {
    /// A page of bars together with the text that they borrow from.
    pub struct Page {
        owner: String,
        #[covariant]
        dependent: Answer,
    }

    impl {Debug}
}

/// Why a text is no page.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It is not JSON, or breaks off: what gateways and broken connections produce.
    NotJson(serde_json::Error),
    /// It is JSON that does not mean what we expect; asking again would not help.
    Unexpected(String),
}

impl Page {
    /// Reads an answer; its bars are as the API sent them.
    pub(super) fn parse(text: String) -> Result<Page, Unreadable> {
        Page::try_new_or_recover(text, |text| Answer::parse(text)).map_err(|(text, error)| {
            if error.is_data() { Unreadable::Unexpected(explain(&text, &error)) } else { Unreadable::NotJson(error) }
        })
    }

    /// The bars.
    pub fn bars(&self) -> &[Bar<'_>] {
        &self.borrow_dependent().results
    }

    /// Hands over the bars to be sorted and sifted.
    pub fn edit_bars<T>(&mut self, edit: impl FnOnce(&mut Vec<Bar<'_>>) -> T) -> T {
        self.with_dependent_mut(|_, answer| edit(&mut answer.results))
    }

    pub(super) fn answer(&self) -> &Answer<'_> {
        self.borrow_dependent()
    }
}

/// Finds the bar that can't be read and quotes it.
fn explain(text: &str, error: &serde_json::Error) -> String {
    const QUOTED: usize = 300;
    #[derive(Deserialize)]
    struct Bars<'a> {
        #[serde(borrow)]
        results: Option<Vec<&'a RawValue>>,
    }
    let bars = serde_json::from_str::<Bars<'_>>(text).ok().and_then(|bars| bars.results).unwrap_or_default();
    let unreadable = bars.iter().find_map(|bar| Some((bar.get(), serde_json::from_str::<Bar<'_>>(bar.get()).err()?)));
    match unreadable {
        Some((bar, error)) => {
            format!("the bar {} can't be read: {error}", bar.chars().take(QUOTED).collect::<String>())
        }
        None => error.to_string(),
    }
}

/// The words of the API in an error's body, if it has any: `error` or `message`.
pub(super) fn error_text(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct ErrorBody {
        error: Option<String>,
        message: Option<String>,
    }
    serde_json::from_str::<ErrorBody>(body).ok().and_then(|body| body.error.or(body.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(text: &str) -> Page {
        Page::parse(text.to_owned()).unwrap()
    }

    /// What a text is taken for with the quick way, and without.
    fn both_ways(text: &str) -> [Option<String>; 2] {
        let general = serde_json::from_str::<Answer<'_>>(text);
        [Answer::parse(text), general].map(|answer| answer.ok().map(|answer| format!("{answer:?}")))
    }

    proptest! {
        /// Whatever the text, the quick way does not change what it is taken for.
        #[test]
        fn the_quick_way_leads_where_the_general_one_does(
            numbers in prop::collection::vec("-?(0|[1-9][0-9]{0,4})([.][0-9]{1,3})?([eE][-+]?[0-9])?|[-+.0-9eE]{1,4}|null|\\{", 8..17),
            head in prop::sample::select(&["{", "{\"x\":{", "{\"x\":\"[\",", "{\"adjusted\":true,", " {", "[{"][..]),
            tail in prop::sample::select(&["}", ",\"status\":\"OK\"}", ",\"results\":[]}", "}}", "", ",", "]}"][..]),
            cut in 0_usize..1_000, planted in any::<char>(),
        ) {
            let keys = ["v", "vw", "o", "c", "h", "l", "t", "n"];
            let bars = numbers.chunks(8).map(|numbers| {
                let fields = keys.iter().zip(numbers).map(|(key, number)| format!("\"{key}\":{number}"));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            });
            let text = format!("{head}\"results\":[{}]{tail}", bars.collect::<Vec<_>>().join(","));
            let [quick, general] = both_ways(&text);
            prop_assert_eq!(quick, general);
            let changed: String = text.chars().enumerate().map(|(at, was)| if at == cut { planted } else { was }).collect();
            let [quick, general] = both_ways(&changed);
            prop_assert_eq!(quick, general);
        }
    }

    #[test]
    fn the_usual_form_is_taken_the_quick_way() {
        let text = r#"{"ticker":"A","results":[{"v":1.5e+3,"vw":1,"o":1,"c":1,"h":1,"l":1,"t":7,"n":1},{"v":1,"o":1,"c":-1,"h":1,"l":1,"t":8}],"count":2}"#;
        let (bars, rest) = scan::bars(text).expect("the usual form");
        assert_eq!((bars.len(), bars[0].volume.as_str(), bars[1].close.as_str(), bars[1].key), (2, "1.5e+3", "-1", 8));
        assert_eq!(rest, r#"{"ticker":"A","results":[],"count":2}"#);
    }

    #[test]
    fn numbers_keep_their_digits() {
        let page = page(
            r#"{"status":"OK","adjusted":true,"results":[
                {"v":1.81724024e+08,"vw":134.7747,"o":133.65,"c":695,"h":136.45,"l":131.29,"t":1736917200000,"n":1417114},
                {"v":41120042.153782,"vw":257.0768,"o":258.630,"c":257.46,"h":258.77,"l":254.37,"t":1.7727732e12,"n":1}]}"#,
        );
        let [first, second] = page.bars() else { panic!("two bars") };
        assert_eq!((first.volume.as_str(), first.close.as_str()), ("1.81724024e+08", "695"));
        assert_eq!(
            (second.volume.as_str(), second.open.as_str(), second.key),
            ("41120042.153782", "258.630", 1772773200000)
        );
    }

    #[test]
    fn an_answer_without_results_is_an_empty_page() {
        for text in [
            r#"{"ticker":"AAMC","queryCount":0,"resultsCount":0,"adjusted":true,"status":"OK"}"#,
            r#"{"status":"OK","queryCount":0,"resultsCount":0,"adjusted":true,"results":null}"#,
            r#"{"status":"OK","results":[]}"#,
        ] {
            assert!(page(text).bars().is_empty());
        }
    }

    #[test]
    fn keys_that_nobody_documented_are_passed_over() {
        let page = page(
            r#"{"results":[{"v":2.384421e+06,"vw":161.8688,"a":161.1786,"o":161.68,"c":162.45,"h":162.5,"l":161.63,
                "t":1637591400000,"n":15643,"op":161.68,"otc":true,"x":{"y":[1]}}],"surprise":[{}]}"#,
        );
        assert_eq!(page.bars()[0].close.as_str(), "162.45");
    }

    #[test]
    fn a_bar_without_volume_has_neither_vwap_nor_transactions() {
        let page = page(
            r#"{"results":[{"v":0,"o":1,"c":1,"h":1,"l":1,"t":0},{"v":0,"o":1,"c":1,"h":1,"l":1,"t":1,"vw":null,"n":null}]}"#,
        );
        assert!(page.bars().iter().all(|bar| bar.vwap.is_none() && bar.transactions.is_none()));
    }

    #[test]
    fn a_bar_that_can_not_be_read_is_quoted() {
        for close in ["null", "\"633.25\"", "[1]", "{}", "true"] {
            let bar = format!(r#"{{"v":1,"o":1,"c":{close},"h":1,"l":1,"t":1736917200000}}"#);
            let good = r#"{"v":1,"o":1,"c":1,"h":1,"l":1,"t":0}"#;
            match Page::parse(format!(r#"{{"status":"OK","results":[{good},{bar},{good}]}}"#)) {
                Err(Unreadable::Unexpected(text)) => assert!(text.contains(&bar), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_json_or_breaks_off_is_told_apart_from_json_that_is_not_an_answer() {
        for text in ["", "<html>502 Bad Gateway</html>", r#"{"results":[{"v":1,"#, r#"{"results":[]} trailing"#] {
            assert!(matches!(Page::parse(text.to_owned()), Err(Unreadable::NotJson(_))), "{text}");
        }
        for text in [r#"{"results":7}"#, "[]", "null", r#"{"results":[{"t":1.5,"v":1,"o":1,"c":1,"h":1,"l":1}]}"#] {
            assert!(matches!(Page::parse(text.to_owned()), Err(Unreadable::Unexpected(_))), "{text}");
        }
    }

    #[test]
    fn the_words_of_an_error_are_found_in_either_field() {
        assert_eq!(error_text(r#"{"status":"ERROR","error":"Unknown API Key"}"#).as_deref(), Some("Unknown API Key"));
        assert_eq!(error_text(r#"{"status":"NOT_AUTHORIZED","message":"no"}"#).as_deref(), Some("no"));
        assert_eq!(error_text("404 page not found"), None);
        assert_eq!(error_text(""), None);
    }
}
