//! The API's answers: a page of bars, each of which knows where in the page's text its numbers stand.

use std::num::NonZeroU32;

use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use super::scan;

/// Where in a page's text a JSON number or string stands, quotes included: 8 bytes instead of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    at: u32,
    length: NonZeroU32,
}

impl Token {
    /// The token from `at` to `end` of a text; `None` if there is nothing between, or no page is as long.
    pub(super) fn between(at: usize, end: usize) -> Option<Token> {
        let length = NonZeroU32::new(u32::try_from(end.checked_sub(at)?).ok()?)?;
        Some(Token { at: u32::try_from(at).ok()?, length })
    }

    /// The token that `part` is of `text`, which it borrows from.
    fn of(part: &str, text: &str) -> Option<Token> {
        let at = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        Token::between(at, at + part.len())
    }
}

/// One aggregate bar. Its tokens are read with [`Page::text_of`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// What orders and identifies the bar (see [`crate::streams::BarSize::key`]), epoch milliseconds. As parsed, it is
    /// the start of the bar.
    pub key: i64,
    /// The ticker, a string; only the grouped endpoint says it.
    pub ticker: Option<Token>,
    /// First price, USD.
    pub open: Token,
    /// Highest price, USD.
    pub high: Token,
    /// Lowest price, USD.
    pub low: Token,
    /// Last price, USD.
    pub close: Token,
    /// Shares traded, fractional since February 2026.
    pub volume: Token,
    /// Volume-weighted average price, USD; missing on bars without volume.
    pub vwap: Option<Token>,
    /// Number of trades; missing on bars without volume.
    pub transactions: Option<Token>,
}

/// A JSON number exactly as the API wrote it: `695`, `1.81724024e+08`, `41120042.153782`.
#[derive(Debug)]
struct Number<'a>(&'a str);

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
#[derive(Debug)]
struct Text<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        if text.starts_with('"') { Ok(Text(text)) } else { Err(D::Error::custom(format_args!("{text} is not a text"))) }
    }
}

/// A bar in the API's words.
#[derive(Debug, Deserialize)]
struct WrittenBar<'a> {
    #[serde(rename = "T", borrow)]
    ticker: Option<Text<'a>>,
    #[serde(deserialize_with = "milliseconds")]
    t: i64,
    #[serde(borrow)]
    o: Number<'a>,
    #[serde(borrow)]
    h: Number<'a>,
    #[serde(borrow)]
    l: Number<'a>,
    #[serde(borrow)]
    c: Number<'a>,
    #[serde(borrow)]
    v: Number<'a>,
    #[serde(borrow)]
    vw: Option<Number<'a>>,
    #[serde(borrow)]
    n: Option<Number<'a>>,
}

impl WrittenBar<'_> {
    /// The bar, whose words were borrowed from `text`.
    fn in_text(&self, text: &str) -> Option<Bar> {
        let token = |part: &str| Token::of(part, text);
        Some(Bar {
            key: self.t,
            ticker: self.ticker.as_ref().and_then(|ticker| token(ticker.0)),
            open: token(self.o.0)?,
            high: token(self.h.0)?,
            low: token(self.l.0)?,
            close: token(self.c.0)?,
            volume: token(self.v.0)?,
            vwap: self.vw.as_ref().and_then(|vwap| token(vwap.0)),
            transactions: self.n.as_ref().and_then(|transactions| token(transactions.0)),
        })
    }
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

/// An answer in the API's words, as far as it matters here.
#[derive(Debug, Deserialize)]
struct WrittenPage<'a> {
    #[serde(flatten)]
    answer: Answer,
    #[serde(borrow)]
    results: Option<Vec<WrittenBar<'a>>>,
}

/// What an answer says besides its bars.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Answer {
    pub status: Option<String>,
    /// Whether prices are adjusted for splits.
    pub adjusted: Option<bool>,
    /// Where the next page is; absent on the last one.
    pub next_url: Option<String>,
    /// What went wrong, where `status` is `ERROR`.
    pub error: Option<String>,
    /// What went wrong, where `status` is `NOT_AUTHORIZED` or `NOT_FOUND`.
    pub message: Option<String>,
}

/// A page of bars together with its text.
#[derive(Debug)]
pub struct Page {
    text: String,
    bars: Vec<Bar>,
    pub(super) answer: Answer,
}

/// Why a text is no page.
#[derive(Debug)]
pub enum Unreadable {
    /// It is not JSON, or breaks off: what gateways and broken connections produce.
    NotJson(serde_json::Error),
    /// It is JSON that does not mean what we expect; asking again would not help.
    Unexpected(String),
}

impl Page {
    /// Reads an answer; its bars are as the API sent them.
    pub fn parse(text: String) -> Result<Page, Unreadable> {
        match quickly(&text).map_or_else(|| generally(&text), Ok) {
            Ok((bars, answer)) => Ok(Page { text, bars, answer }),
            Err(error) if error.is_data() => Err(Unreadable::Unexpected(explain(&text, &error))),
            Err(error) => Err(Unreadable::NotJson(error)),
        }
    }

    /// The bars.
    pub fn bars(&self) -> &[Bar] {
        &self.bars
    }

    /// The bars, to be sorted and sifted.
    pub fn bars_mut(&mut self) -> &mut Vec<Bar> {
        &mut self.bars
    }

    /// The text of a token of one of this page's bars, as the API wrote it.
    pub fn text_of(&self, token: Token) -> &str {
        text_of(&self.text, token)
    }

    /// Keeps the bars that `keep` wants, of which it is told the ticker as well, as the API wrote it.
    pub fn retain_by_ticker<'a>(&'a mut self, mut keep: impl FnMut(&mut Bar, Option<&'a str>) -> bool) {
        let Page { text, bars, .. } = self;
        bars.retain_mut(|bar| {
            let ticker = bar.ticker.map(|ticker| text_of(text, ticker));
            keep(bar, ticker)
        });
    }
}

fn text_of(text: &str, token: Token) -> &str {
    let at = token.at as usize;
    text.get(at..at + token.length.get() as usize).unwrap_or("null")
}

/// The bars in their usual form, and what else is there.
fn quickly(text: &str) -> Option<(Vec<Bar>, Answer)> {
    let (bars, rest) = scan::bars(text)?;
    let WrittenPage { answer, .. } = serde_json::from_str(&rest).ok()?;
    Some((bars, answer))
}

/// The bars in any form, and what else is there.
fn generally(text: &str) -> serde_json::Result<(Vec<Bar>, Answer)> {
    let WrittenPage { answer, results } = serde_json::from_str(text)?;
    let bars = results.iter().flatten().map(|bar| bar.in_text(text)).collect::<Option<_>>();
    Ok((bars.ok_or_else(|| serde_json::Error::custom("a bar is not part of its page"))?, answer))
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
    let unreadable =
        bars.iter().find_map(|bar| Some((bar.get(), serde_json::from_str::<WrittenBar<'_>>(bar.get()).err()?)));
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
        let both = [quickly(text).map_or_else(|| generally(text), Ok), generally(text)];
        both.map(|answer| answer.ok().map(|answer| format!("{answer:?}")))
    }

    /// Nearly always a JSON number.
    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            30 => "-?(0|[1-9][0-9]{0,4})([.][0-9]{1,3})?([eE][-+]?[0-9])?",
            1 => "0[0-9]|[0-9][.]|[0-9][eE][-+]?|-|[0-9][.][eE]1|[+][0-9]|[-+.0-9eE]{1,4}",
            1 => "null|true|\"1\"|\\{\\}|\\[1\\]| 1|1 ",
        ]
    }

    fn time() -> impl Strategy<Value = String> {
        prop_oneof![9 => "-?[1-9][0-9]{0,12}", 1 => "[0-9.e]{1,3}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever the text, the quick way does not change what it is taken for.
        #[test]
        fn the_quick_way_leads_where_the_general_one_does(
            bars in prop::collection::vec((prop::collection::vec(number(), 7), time()), 1..3),
            head in prop::sample::select(&["{", "{", "{", "{", "{\"x\":{", "{\"x\":\"[\",", "{\"adjusted\":true,", " {", "[{"][..]),
            tail in prop::sample::select(&["}", "}", "}", ",\"status\":\"OK\"}", ",\"results\":[]}", "}}", "", ",", "]}"][..]),
            cut in 0_usize..1_000, planted in any::<char>(),
        ) {
            let keys = ["v", "vw", "o", "c", "h", "l", "n"];
            let bars = bars.iter().map(|(numbers, time)| {
                let fields = keys.iter().zip(numbers).map(|(key, number)| format!("\"{key}\":{number}"));
                format!("{{{},\"t\":{time}}}", fields.collect::<Vec<_>>().join(","))
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
        let shown = [bars[0].volume, bars[1].close].map(|token| text_of(text, token));
        assert_eq!((bars.len(), shown, bars[1].key), (2, ["1.5e+3", "-1"], 8));
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
        assert_eq!((page.text_of(first.volume), page.text_of(first.close)), ("1.81724024e+08", "695"));
        assert_eq!(
            (page.text_of(second.volume), page.text_of(second.open), second.key),
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
        assert_eq!(page.text_of(page.bars()[0].close), "162.45");
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
