//! The API's answers: a page of bars, each of which knows where in the page's text its numbers
//! stand.

use std::borrow::Cow;
use std::num::NonZeroU32;

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::value::RawValue;

use super::fast_parse;
use super::raw_response::{Envelope, RawBar, RawPage, decode};

/// Where in a page's text a JSON number or string stands, quotes included: 8 bytes instead of a
/// copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    at: u32,
    length: NonZeroU32,
}

impl Span {
    /// The span from `at` to `end` of a text; `None` if there is nothing between, or no page is as
    /// long.
    pub(super) fn between(at: usize, end: usize) -> Option<Span> {
        let length = NonZeroU32::new(u32::try_from(end.checked_sub(at)?).ok()?)?;
        Some(Span {
            at: u32::try_from(at).ok()?,
            length,
        })
    }

    /// The span that `part` is of `text`, which it borrows from.
    pub(super) fn of(part: &str, text: &str) -> Option<Span> {
        let at = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        Span::between(at, at + part.len())
    }
}

/// One aggregate bar. Its spans are read with [`Page::text`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bar {
    /// What orders and identifies the bar (see [`crate::timespan::Timespan::cursor`]), epoch
    /// milliseconds. As parsed, it is the start of the bar.
    pub(crate) cursor: i64,
    /// The ticker, a string; only the grouped endpoint says it.
    pub(crate) ticker: Option<Span>,
    /// First price, USD.
    pub(crate) open: Span,
    /// Highest price, USD.
    pub(crate) high: Span,
    /// Lowest price, USD.
    pub(crate) low: Span,
    /// Last price, USD.
    pub(crate) close: Span,
    /// Shares traded, fractional since February 2026; indices have none.
    pub(crate) volume: Option<Span>,
    /// Volume-weighted average price, USD; missing on bars without volume.
    pub(crate) vwap: Option<Span>,
    /// Number of trades, whole; missing on bars without volume.
    pub(crate) transactions: Option<Span>,
}

/// A page of bars together with its text.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    bars: Vec<Bar>,
    pub(super) envelope: Envelope,
}

/// Why a text is no page.
#[derive(Debug)]
pub(crate) enum ParseError {
    /// It is not JSON, or breaks off: what gateways and broken connections produce.
    InvalidJson(serde_json::Error),
    /// It is JSON that does not mean what we expect; asking again would not help.
    UnexpectedShape {
        /// What is wrong.
        problem: String,
        /// The bar that is meant, whole: to be redacted before it is cut.
        bar: Option<String>,
    },
}

impl Page {
    /// Reads an answer; its bars are as the API sent them.
    pub(crate) fn parse(text: String) -> Result<Page, ParseError> {
        match parse_fast(&text).map_or_else(|| parse_any(&text), Ok) {
            Ok((bars, envelope)) => Ok(Page {
                text,
                bars,
                envelope,
            }),
            Err(error) if error.is_data() => Err(describe_bad_bar(&text, &error)),
            Err(error) => Err(ParseError::InvalidJson(error)),
        }
    }

    /// The bars.
    pub(crate) fn bars(&self) -> &[Bar] {
        &self.bars
    }

    /// The bars, to be sorted and filtered.
    pub(crate) fn bars_mut(&mut self) -> &mut Vec<Bar> {
        &mut self.bars
    }

    /// The text of a span of one of this page's bars, as the API wrote it.
    pub(crate) fn text(&self, span: Span) -> &str {
        slice(&self.text, span)
    }

    /// The ticker of a bar of the grouped endpoint, decoded.
    pub(crate) fn ticker_of(&self, bar: &Bar) -> Option<Cow<'_, str>> {
        decode(self.text(bar.ticker?))
    }

    /// A bar without a ticker, or with an empty one, and how it closes.
    pub(super) fn nameless_bar(&self) -> Option<&str> {
        let is_nameless = |bar: &&Bar| bar.ticker.is_none_or(|ticker| self.text(ticker) == r#""""#);
        self.bars
            .iter()
            .find(is_nameless)
            .map(|bar| self.text(bar.close))
    }
}

fn slice(text: &str, span: Span) -> &str {
    let at = span.at as usize;
    text.get(at..at + span.length.get() as usize)
        .unwrap_or("null")
}

/// The bars in their canonical form, and what else is there.
fn parse_fast(text: &str) -> Option<(Vec<Bar>, Envelope)> {
    let (bars, rest) = fast_parse::parse(text)?;
    let RawPage { envelope, .. } = serde_json::from_str(&rest).ok()?;
    Some((bars, envelope))
}

/// The bars in any form, and what else is there.
fn parse_any(text: &str) -> serde_json::Result<(Vec<Bar>, Envelope)> {
    let RawPage { envelope, results } = serde_json::from_str(text)?;
    let bars = results
        .iter()
        .flatten()
        .map(|bar| bar.in_text(text))
        .collect::<Option<_>>();
    Ok((
        bars.ok_or_else(|| serde_json::Error::custom("a bar is not part of its page"))?,
        envelope,
    ))
}

/// Finds the bar that can't be read.
fn describe_bad_bar(text: &str, error: &serde_json::Error) -> ParseError {
    #[derive(Deserialize)]
    struct Bars<'a> {
        #[serde(borrow)]
        results: Option<Vec<&'a RawValue>>,
    }
    let bars = serde_json::from_str::<Bars<'_>>(text)
        .ok()
        .and_then(|bars| bars.results)
        .unwrap_or_default();
    let bad = bars.iter().find_map(|bar| {
        Some((
            bar.get(),
            serde_json::from_str::<RawBar<'_>>(bar.get()).err()?,
        ))
    });
    match bad {
        Some((bar, error)) => ParseError::UnexpectedShape {
            problem: error.to_string(),
            bar: Some(bar.to_owned()),
        },
        None => ParseError::UnexpectedShape {
            problem: error.to_string(),
            bar: None,
        },
    }
}

/// What an error's body says, if it is the API's: `error` or `message`.
pub(super) fn error_text(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct ErrorBody {
        error: Option<String>,
        message: Option<String>,
    }
    serde_json::from_str::<ErrorBody>(body)
        .ok()
        .and_then(|body| body.error.or(body.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(text: &str) -> Page {
        Page::parse(text.to_owned()).unwrap()
    }

    /// What a text is taken for with the fast path, and without.
    fn both_ways(text: &str) -> [Option<String>; 2] {
        let both = [
            parse_fast(text).map_or_else(|| parse_any(text), Ok),
            parse_any(text),
        ];
        both.map(|answer| answer.ok().map(|answer| format!("{answer:?}")))
    }

    /// Nearly always a JSON number.
    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            30 => "-?(0|[1-9][0-9]{0,4})([.][0-9]{1,3})?([eE][-+]?[0-9])?",
            1 => "[0-9]{198,203}|[1-9][0-9]{305,312}|[1-9][eE][-+]?[0-9]{2,3}",
            1 => "0[0-9]|[0-9][.]|[0-9][eE][-+]?|-|[0-9][.][eE]1|[+][0-9]|[-+.0-9eE]{1,4}",
            1 => "null|true|\"1\"|\\{\\}|\\[1\\]| 1|1 ",
        ]
    }

    fn time() -> impl Strategy<Value = String> {
        prop_oneof![9 => "-?[1-9][0-9]{0,12}", 1 => "[0-9.e]{1,3}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever the text, the fast path does not change what it is taken for.
        #[test]
        fn the_fast_path_leads_where_the_general_parser_does(
            bars in prop::collection::vec((prop::collection::vec(number(), 7), time()), 1..3),
            head in prop::sample::select(&["{", "{", "{", "{", "{\"x\":{", "{\"x\":\"[\",", "{\"adjusted\":true,", " {", "[{"][..]),
            tail in prop::sample::select(&["}", "}", "}", ",\"status\":\"OK\"}", ",\"results\":[]}", "}}", "", ",", "]}"][..]),
            cut in 0_usize..1_000, left_out in 0_usize..14, planted in any::<char>(),
        ) {
            let keys = ["v", "vw", "o", "c", "h", "l", "n"];
            let bars = bars.iter().map(|(numbers, time)| {
                let fields = keys.iter().zip(numbers).enumerate().filter(|(at, _)| *at != left_out).map(|(_, field)| field).map(|(key, number)| format!("\"{key}\":{number}"));
                format!("{{{},\"t\":{time}}}", fields.collect::<Vec<_>>().join(","))
            });
            let text = format!("{head}\"results\":[{}]{tail}", bars.collect::<Vec<_>>().join(","));
            let [fast, general] = both_ways(&text);
            prop_assert_eq!(fast, general);
            let changed: String = text.chars().enumerate().map(|(at, was)| if at == cut { planted } else { was }).collect();
            let [fast, general] = both_ways(&changed);
            prop_assert_eq!(fast, general);
        }
    }

    #[test]
    fn the_usual_form_is_taken_the_fast_path() {
        let text = r#"{"ticker":"A","results":[{"v":1.5e+3,"vw":1,"o":1,"c":1,"h":1,"l":1,"t":7,"n":1},{"v":1,"o":1,"c":-1,"h":1,"l":1,"t":8}],"count":2}"#;
        let (bars, rest) = fast_parse::parse(text).expect("the canonical form");
        let shown = [bars[0].volume, Some(bars[1].close)]
            .map(|span| slice(text, span.expect("it is there")));
        assert_eq!(
            (bars.len(), shown, bars[1].cursor),
            (2, ["1.5e+3", "-1"], 8)
        );
        assert_eq!(rest, r#"{"ticker":"A","results":[],"count":2}"#);
    }

    #[test]
    fn numbers_keep_their_digits() {
        let page = page(
            r#"{"status":"OK","adjusted":true,"results":[
                {"v":1.81724024e+08,"vw":134.7747,"o":133.65,"c":695,"h":136.45,"l":131.29,"t":1736917200000,"n":1417114},
                {"v":41120042.153782,"vw":257.0768,"o":258.630,"c":257.46,"h":258.77,"l":254.37,"t":1.7727732e12,"n":1}]}"#,
        );
        let [first, second] = page.bars() else {
            panic!("two bars")
        };
        assert_eq!(
            (page.text(first.volume.unwrap()), page.text(first.close)),
            ("1.81724024e+08", "695")
        );
        assert_eq!(
            (
                page.text(second.volume.unwrap()),
                page.text(second.open),
                second.cursor
            ),
            ("41120042.153782", "258.630", 1_772_773_200_000)
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
        assert_eq!(page.text(page.bars()[0].close), "162.45");
    }

    #[test]
    fn a_bar_without_volume_has_neither_vwap_nor_transactions() {
        let page = page(
            r#"{"results":[{"v":0,"o":1,"c":1,"h":1,"l":1,"t":0},{"v":0,"o":1,"c":1,"h":1,"l":1,"t":1,"vw":null,"n":null}]}"#,
        );
        assert!(
            page.bars()
                .iter()
                .all(|bar| bar.vwap.is_none() && bar.transactions.is_none())
        );
    }

    #[test]
    fn a_bar_that_can_not_be_read_is_quoted() {
        for close in ["null", "\"633.25\"", "[1]", "{}", "true"] {
            let bar = format!(r#"{{"v":1,"o":1,"c":{close},"h":1,"l":1,"t":1736917200000}}"#);
            let good = r#"{"v":1,"o":1,"c":1,"h":1,"l":1,"t":0}"#;
            match Page::parse(format!(
                r#"{{"status":"OK","results":[{good},{bar},{good}]}}"#
            )) {
                Err(ParseError::UnexpectedShape { bar: quoted, .. }) => {
                    assert_eq!(quoted, Some(bar));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_json_or_breaks_off_is_told_apart_from_json_that_is_not_an_answer() {
        for text in [
            "",
            "<html>502 Bad Gateway</html>",
            r#"{"results":[{"v":1,"#,
            r#"{"results":[]} trailing"#,
        ] {
            assert!(
                matches!(
                    Page::parse(text.to_owned()),
                    Err(ParseError::InvalidJson(_))
                ),
                "{text}"
            );
        }
        for text in [
            r#"{"results":7}"#,
            "[]",
            "null",
            r#"{"results":[{"t":1.5,"v":1,"o":1,"c":1,"h":1,"l":1}]}"#,
        ] {
            assert!(
                matches!(
                    Page::parse(text.to_owned()),
                    Err(ParseError::UnexpectedShape { .. })
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn what_an_error_says_is_found_in_either_field() {
        assert_eq!(
            error_text(r#"{"status":"ERROR","error":"Unknown API Key"}"#).as_deref(),
            Some("Unknown API Key")
        );
        assert_eq!(
            error_text(r#"{"status":"NOT_AUTHORIZED","message":"no"}"#).as_deref(),
            Some("no")
        );
        assert_eq!(error_text("404 page not found"), None);
        assert_eq!(error_text(""), None);
    }

    #[test]
    fn an_index_has_no_volume_and_takes_the_fast_path_all_the_same() {
        let text = r#"{"ticker":"I:SPX","results":[{"o":1,"c":2,"h":3,"l":1,"t":7}]}"#;
        let (bars, _) = fast_parse::parse(text).expect("the canonical form");
        assert_eq!(
            (bars.len(), bars[0].volume, bars[0].transactions),
            (1, None, None)
        );
    }

    #[test]
    fn a_number_that_no_double_holds_is_refused_and_one_that_fits_is_not() {
        let parse = |close: &str| {
            Page::parse(format!(
                r#"{{"results":[{{"v":1,"o":1,"c":{close},"h":1,"l":1,"t":7}}]}}"#
            ))
        };
        let long = "9".repeat(400);
        for close in ["1e400", "-1E+309", "9e308", long.as_str()] {
            match parse(close) {
                Err(ParseError::UnexpectedShape { problem, bar }) => {
                    assert!(
                        problem.contains("out of range")
                            && bar.is_some_and(|bar| bar.contains(close)),
                        "{problem}"
                    );
                }
                other => panic!("{close}: {other:?}"),
            }
        }
        let digits = "9".repeat(250);
        for close in ["1e308", "1e-400", "1.7e+99", "-0.0", digits.as_str()] {
            assert!(parse(close).is_ok(), "{close}");
        }
    }

    #[test]
    fn the_number_of_trades_is_whole() {
        let parse = |n: &str| {
            Page::parse(format!(
                r#"{{"results":[{{"v":1,"o":1,"c":1,"h":1,"l":1,"t":7,"n":{n}}}]}}"#
            ))
        };
        for n in ["1.5", "1e-1", "\"1\""] {
            assert!(
                matches!(parse(n), Err(ParseError::UnexpectedShape { .. })),
                "{n}"
            );
        }
        for n in ["0", "12", "1.0", "1.2e+03", "null"] {
            assert!(parse(n).is_ok(), "{n}");
        }
    }

    #[test]
    fn two_spellings_of_a_ticker_are_one_and_half_a_character_is_none() {
        let parse = |ticker: &str| {
            Page::parse(format!(
                r#"{{"results":[{{"T":{ticker},"v":1,"o":1,"c":1,"h":1,"l":1,"t":7}}]}}"#
            ))
        };
        for ticker in [r#""A""#, r#""\u0041""#] {
            let page = parse(ticker).unwrap();
            assert_eq!(page.ticker_of(&page.bars()[0]).as_deref(), Some("A"));
            assert_eq!(page.nameless_bar(), None);
        }
        for ticker in [r#""\ud800""#, r#""\udc00x""#, "7", "[]"] {
            assert!(
                matches!(parse(ticker), Err(ParseError::UnexpectedShape { .. })),
                "{ticker}"
            );
        }
        for ticker in ["null", r#""""#] {
            assert_eq!(parse(ticker).unwrap().nameless_bar(), Some("1"));
        }
    }
}
