//! The API's responses: pages of bars and of corporate actions.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::values::{Spans, milliseconds};
use super::{Request, fast_parse};
use crate::bars::{Bar, Page, UnusableRow, decode, has_prices};
use crate::events::{EventPage, EventRow};

/// Why a text is no page.
#[derive(Debug)]
pub(crate) enum ParseError {
    /// It is not JSON, or is truncated: what gateways and broken connections produce.
    InvalidJson(serde_json::Error),
    /// It is JSON that does not mean what we expect, such as a row with a price that is no number.
    UnexpectedShape(String),
}

/// What a response says besides its rows, or instead of them.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Envelope {
    pub(super) status: Option<String>,
    pub(super) request_id: Option<String>,
    /// Only the range endpoint names it.
    pub(super) ticker: Option<String>,
    /// The number of rows that the page should have.
    #[serde(rename = "resultsCount")]
    pub(super) results_count: Option<f64>,
    /// Whether prices are adjusted for splits.
    pub(super) adjusted: Option<bool>,
    /// The number of rows that the page has, unusable ones included.
    #[serde(skip)]
    pub(super) found: usize,
    /// Absent on the last page.
    next_url: Option<String>,
    error: Option<String>,
    message: Option<String>,
}

impl Envelope {
    /// What went wrong: in `error` if `status` is `ERROR`, in `message` if it is `NOT_AUTHORIZED` or `NOT_FOUND`.
    pub(super) fn words(&self) -> Option<&str> {
        self.error.as_deref().or(self.message.as_deref())
    }
}

/// A response in the API's words.
#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(flatten)]
    envelope: Envelope,
    #[serde(borrow)]
    results: Option<Vec<&'a RawValue>>,
}

/// A page, and what else the response says.
pub(crate) type Parsed<P> = Result<(P, Envelope), ParseError>;

/// A page that a response can hold.
pub(crate) trait ResponsePage: Sized {
    /// Parses the text of a response to `request`.
    fn parse(text: String, request: &Request) -> Parsed<Self>;
}

impl ResponsePage for Page {
    fn parse(text: String, request: &Request) -> Parsed<Page> {
        if let Some((rows, rest)) = fast_parse::parse(&text, request.is_of_market())
            && let Ok(RawPage { mut envelope, .. }) = serde_json::from_str(&rest)
        {
            envelope.found = rows.len();
            let next_url = envelope.next_url.take();
            return Ok((Page { text, rows, unusable: Vec::new(), next_url }, envelope));
        }
        parse_page(text, request, bar)
    }
}

impl ResponsePage for EventPage {
    fn parse(text: String, request: &Request) -> Parsed<EventPage> {
        parse_page(text, request, event)
    }
}

/// Parses a page of any rows.
fn parse_page<R>(
    mut text: String,
    request: &Request,
    parse: impl Fn(&Row<'_>, &Request, &mut Spans<'_>) -> ParsedRow<R>,
) -> Parsed<Page<R>> {
    let RawPage { mut envelope, results } = serde_json::from_str(&text).map_err(|error| {
        if error.is_data() { ParseError::UnexpectedShape(error.to_string()) } else { ParseError::InvalidJson(error) }
    })?;
    let results = results.unwrap_or_default();
    envelope.found = results.len();
    let (mut rows, mut unusable, mut spans) = (Vec::with_capacity(results.len()), Vec::new(), Spans::new(&text));
    for row in results {
        let values = serde_json::from_str(row.get()).map_err(|error| error.to_string());
        let parsed = values.and_then(|values| parse(&values, request, &mut spans));
        match parsed.map_err(|what| ParseError::UnexpectedShape(format!("bad row, {what}: {row}")))? {
            Ok(row) => rows.push(row),
            Err(row) => unusable.push(row),
        }
    }
    let appended = spans.appended;
    text.push_str(&appended);
    let next_url = envelope.next_url.take();
    Ok((Page { text, rows, unusable, next_url }, envelope))
}

/// The values of a row by their keys.
type Row<'a> = HashMap<String, Option<&'a RawValue>>;

/// A row, or what is known of an unusable one; or why the whole page must not be trusted.
type ParsedRow<R> = Result<Result<R, UnusableRow>, String>;

/// The bar of a row.
fn bar(row: &Row<'_>, request: &Request, spans: &mut Spans<'_>) -> ParsedRow<Bar> {
    let value = |key: &str| row.get(key).copied().flatten();
    let (start, ticker) = (value("t").map(milliseconds).transpose()?, spans.name(value("T"))?);
    let values = spans.fields(request.fields, value)?;
    if !has_prices(&values) || request.is_of_market() && ticker.is_none() {
        return Ok(Err(UnusableRow { ticker: value("T").map(shown), start }));
    }
    Ok(Ok(Bar { cursor: start.ok_or("a bar has no start")?, ticker, values }))
}

/// The split or dividend of a row.
fn event(row: &Row<'_>, request: &Request, spans: &mut Spans<'_>) -> ParsedRow<EventRow> {
    let value = |key: &str| row.get(key).copied().flatten();
    match (spans.name(value("id"))?, spans.name(value("ticker"))?) {
        (Some(id), Some(ticker)) => Ok(Ok(EventRow { id, ticker, fields: spans.fields(request.fields, value)? })),
        _ => Ok(Err(UnusableRow { ticker: value("ticker").map(shown), start: None })),
    }
}

/// A JSON string for a message.
fn shown(string: &RawValue) -> String {
    decode(string.get()).map_or(string.to_string(), |value| value.escape_debug().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::events::ActionKind;
    use crate::fields::BAR_FIELDS;
    use crate::polygon::test_pages::{parse_bars, request_bars};

    /// Like [`parse_bars`], but without the fast path.
    fn parse_any_bars(text: String, is_of_market: bool) -> Parsed<Page> {
        parse_page(text, &request_bars(is_of_market), bar)
    }

    fn page(text: &str) -> Page {
        parse_bars(text.to_owned(), false).unwrap().0
    }

    /// The text of a value of a bar, by the field's name.
    fn value<'t>(text: &'t str, bar: &Bar, name: &str) -> Option<&'t str> {
        let place = BAR_FIELDS.iter().position(|field| field.name == name).unwrap();
        bar.values[place].map(|span| span.in_text(text))
    }

    /// The texts of a value of all bars of a page.
    fn values<'p>(page: &'p Page, name: &str) -> Vec<Option<&'p str>> {
        page.rows.iter().map(|bar| value(&page.text, bar, name)).collect()
    }

    /// What a text is taken for with the fast path, and without.
    fn both_ways(text: &str, is_of_market: bool) -> [Option<String>; 2] {
        let both = [parse_bars, parse_any_bars].map(|parse| parse(text.to_owned(), is_of_market).ok());
        both.map(|answer| answer.map(|answer| format!("{answer:?}")))
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
            ticker in prop::sample::select(&["", "", "\"T\":\"A\",", "\"T\":\"BRK.A\",", "\"T\":\"\",", "\"T\":\"\\u0041\",", "\"T\":\"A B\",", "\"T\":\"\u{e9}\",", "\"T\":null,", "\"T\":7,"][..]),
            is_of_market in any::<bool>(),
        ) {
            let keys = ["v", "vw", "o", "c", "h", "l", "n"];
            let bars = bars.iter().map(|(numbers, time)| {
                let fields = keys.iter().zip(numbers).enumerate().filter(|(at, _)| *at != left_out).map(|(_, field)| field).map(|(key, number)| format!("\"{key}\":{number}"));
                format!("{{{ticker}{},\"t\":{time}}}", fields.collect::<Vec<_>>().join(","))
            });
            let text = format!("{head}\"results\":[{}]{tail}", bars.collect::<Vec<_>>().join(","));
            let [fast, general] = both_ways(&text, is_of_market);
            prop_assert_eq!(fast, general);
            let changed: String = text.chars().enumerate().map(|(at, was)| if at == cut { planted } else { was }).collect();
            let [fast, general] = both_ways(&changed, is_of_market);
            prop_assert_eq!(fast, general);
        }
    }

    #[test]
    fn the_usual_form_is_taken_the_fast_path_with_or_without_volume_and_digits_are_kept() {
        let text = r#"{"ticker":"A","results":[{"v":1.5e+3,"vw":1,"o":1,"c":1,"h":1,"l":1,"t":7,"n":1},{"o":1,"c":-1,"h":1,"l":1,"t":8}],"count":2}"#;
        let (bars, rest) = fast_parse::parse(text, false).expect("the canonical form");
        let shown = [value(text, &bars[0], "volume"), value(text, &bars[1], "price")];
        assert_eq!((bars.len(), shown, bars[1].cursor), (2, [Some("1.5e+3"), Some("-1")], 8));
        // An index has none.
        assert_eq!(["volume", "transactions"].map(|name| value(text, &bars[1], name)), [None, None]);
        assert_eq!(rest, r#"{"ticker":"A","results":[],"count":2}"#);
    }

    #[test]
    fn numbers_keep_their_digits_and_keys_that_nobody_documented_are_passed_over() {
        let page = page(
            r#"{"status":"OK","adjusted":true,"results":[
                {"v":1.81724024e+08,"vw":134.7747,"o":133.65,"c":695,"h":136.45,"l":131.29,"t":1736917200000,"n":1417114},
                {"v":41120042.153782,"vw":257.0768,"a":161.1786,"o":258.630,"c":257.46,"h":258.77,"l":254.37,
                "t":1.7727732e12,"n":1,"op":161.68,"otc":true,"x":{"y":[1]}}],"surprise":[{}]}"#,
        );
        assert_eq!(values(&page, "volume"), [Some("1.81724024e+08"), Some("41120042.153782")]);
        assert_eq!(values(&page, "price"), [Some("695"), Some("257.46")]);
        assert_eq!(values(&page, "open"), [Some("133.65"), Some("258.630")]);
        assert_eq!(page.rows[1].cursor, 1_772_773_200_000);
    }

    #[test]
    fn an_answer_without_results_is_an_empty_page() {
        for text in [
            r#"{"ticker":"AAMC","queryCount":0,"resultsCount":0,"adjusted":true,"status":"OK"}"#,
            r#"{"status":"OK","queryCount":0,"resultsCount":0,"adjusted":true,"results":null}"#,
            r#"{"status":"OK","results":[]}"#,
        ] {
            assert_eq!(page(text).rows, []);
        }
    }

    #[test]
    fn a_bar_without_volume_has_neither_vwap_nor_transactions() {
        let page = page(
            r#"{"results":[{"v":0,"o":1,"c":1,"h":1,"l":1,"t":0},{"v":0,"o":1,"c":1,"h":1,"l":1,"t":1,"vw":null,"n":null}]}"#,
        );
        assert_eq!((values(&page, "vwap"), values(&page, "transactions")), (vec![None, None], vec![None, None]));
    }

    #[test]
    fn a_page_of_a_whole_market_takes_the_fast_path_if_every_bar_has_a_plain_ticker() {
        let page = |ticker: &str| format!(r#"{{"results":[{{{ticker}"o":1,"c":2,"h":3,"l":1,"t":7}}]}}"#);
        let text = page(r#""T":"BRK.A","#);
        let (bars, _) = fast_parse::parse(&text, true).expect("the canonical form");
        assert_eq!(bars[0].ticker.map(|span| span.in_text(&text)), Some(r#""BRK.A""#));
        for ticker in ["", r#""T":"","#, r#""T":"\u0041","#, r#""T":null,"#, r#""T":"A","T":"B","#] {
            assert_eq!(fast_parse::parse(&page(ticker), true), None, "{ticker}");
        }
    }

    fn refused(text: &str, is_of_market: bool) -> String {
        match parse_bars(text.to_owned(), is_of_market) {
            Err(ParseError::UnexpectedShape(what)) => what,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn row(fields: &str) -> String {
        format!(r#"{{"v":1,"o":1,"h":1,"l":1,"t":7,{fields}}}"#)
    }

    fn rows(rows: &[&str]) -> String {
        format!(r#"{{"status":"OK","results":[{}]}}"#, rows.join(","))
    }

    #[test]
    fn a_row_with_values_of_the_wrong_type_is_quoted() {
        let good = row(r#""c":1"#);
        for close in ["\"633.25\"", "[1]", "{}", "true"] {
            let bad = row(&format!(r#""c":{close}"#));
            let what = refused(&rows(&[&good, &bad, &good]), false);
            assert!(what.contains("is not a number") && what.ends_with(&bad), "{what}");
        }
        for (fields, why) in [
            (r#""c":1,"n":1.5"#, "is not a whole number"),
            (r#""c":1,"n":1e-1"#, "is not a whole number"),
            (r#""c":1,"n":"1""#, "is not a number"),
            (r#""c":1,"T":7"#, "is not a text"),
        ] {
            let what = refused(&rows(&[&row(fields)]), false);
            assert!(what.contains(why), "{what}");
        }
        for start in ["", r#","t":null"#, r#","t":1.5"#, r#","t":"7""#] {
            let what = refused(&rows(&[&format!(r#"{{"o":1,"h":1,"l":1,"c":1{start}}}"#)]), false);
            assert!(what.contains("start") || what.contains("milliseconds"), "{what}");
        }
    }

    #[test]
    fn a_row_without_a_price_is_left_out_and_all_others_are_kept() {
        let (good, null) = (row(r#""c":1,"T":"A""#), row(r#""c":null,"T":"B""#));
        let missing = r#"{"T":"C","o":1,"h":1,"c":1}"#;
        for is_of_market in [false, true] {
            let text = rows(&[&null, &good, missing, &good]);
            let (page, _) = parse_bars(text, is_of_market).unwrap();
            assert_eq!(page.rows.len(), 2);
            let unusable = |ticker: &str, start| UnusableRow { ticker: Some(ticker.to_owned()), start };
            assert_eq!(page.unusable, [unusable("B", Some(7)), unusable("C", None)]);
        }
    }

    #[test]
    fn a_row_of_a_market_without_a_usable_ticker_is_left_out() {
        for (ticker, shown) in [
            ("", None),
            (r#","T":null"#, None),
            (r#","T":"""#, Some("")),
            (r#","T":"A\u0000B""#, Some("A\\0B")),
            (r#","T":"A\u001b[31m""#, Some("A\\u{1b}[31m")),
            (",\"T\":\"A\u{fffd}\"", Some("A\u{fffd}")),
            (r#","T":"\ud800""#, Some(r#""\ud800""#)),
        ] {
            let text = rows(&[&row(&format!(r#""c":1{ticker}"#)), &row(r#""c":1,"T":"OK""#)]);
            let (page, _) = parse_bars(text.clone(), true).unwrap();
            let expected = UnusableRow { ticker: shown.map(str::to_owned), start: Some(7) };
            assert_eq!((page.rows.len(), page.unusable), (1, vec![expected]));
            // Elsewhere the request says which ticker it is.
            assert_eq!(parse_bars(text, false).unwrap().0.rows.len(), 2);
        }
    }

    #[test]
    fn what_is_not_json_or_is_truncated_is_told_from_json_that_is_no_response() {
        // Truncated it is not JSON, and so is retried, although a row is bad.
        let whole = rows(&[&row(r#""c":"1""#), &row(r#""c":1"#)]);
        for text in [whole.as_str(), r#"{"results":7}"#, "[]", "null"] {
            refused(text, false);
        }
        let truncated = (0..whole.len()).map(|end| &whole[..end]);
        for text in truncated.chain(["<html>502 Bad Gateway</html>", r#"{"results":[]} trailing"#]) {
            let parsed = parse_bars(text.to_owned(), false);
            assert!(matches!(parsed, Err(ParseError::InvalidJson(_))), "{text}: {parsed:?}");
        }
    }

    #[test]
    fn a_number_that_no_double_holds_is_refused_and_one_that_fits_is_not() {
        let long = "9".repeat(400);
        for close in ["1e400", "-1E+309", "9e308", long.as_str()] {
            let what = refused(&rows(&[&row(&format!(r#""c":{close}"#))]), false);
            assert!(what.contains("out of range") && what.contains(close), "{what}");
        }
        let digits = "9".repeat(250);
        for close in ["1e308", "1e-400", "1.7e+99", "-0.0", digits.as_str()] {
            page(&rows(&[&row(&format!(r#""c":{close}"#))]));
        }
    }

    #[test]
    fn the_number_of_trades_is_an_integer_regardless_of_how_it_is_written() {
        for (written, expected) in [
            ("0", "0"),
            ("12", "12"),
            ("1.0", "1"),
            ("1.5643e+04", "15643"),
            ("-2e0", "-2"),
            ("9007199254740991", "9007199254740991"),
        ] {
            let plain = row(r#""c":1,"n":7"#);
            let odd = row(&format!(r#""c":1,"n":{written}"#));
            let page = page(&rows(&[&plain, &odd, &odd]));
            assert_eq!(values(&page, "transactions"), ["7", expected, expected].map(Some));
        }
        refused(&rows(&[&row(r#""c":1,"n":1e16"#)]), false);
    }

    #[test]
    fn a_response_says_what_went_wrong_in_either_field() {
        let words = |text: &str| serde_json::from_str::<Envelope>(text).unwrap().words().map(str::to_owned);
        assert_eq!(words(r#"{"status":"ERROR","error":"a"}"#).as_deref(), Some("a"));
        assert_eq!(words(r#"{"status":"NOT_AUTHORIZED","message":"b"}"#).as_deref(), Some("b"));
        assert_eq!(words("{}"), None);
    }

    #[test]
    fn corporate_actions_with_values_of_the_wrong_type_are_refused() {
        for (field, why) in [
            (r#""cash_amount":"1""#, "cash_amount: \"1\" is not a number"),
            (r#""frequency":1.5"#, "frequency: 1.5 is not a whole number"),
            (r#""ex_dividend_date":7"#, "ex_dividend_date: 7 is not a text"),
        ] {
            let row = format!(r#"{{"id":"E","ticker":"A",{field}}}"#);
            let text = format!(r#"{{"results":[{row}]}}"#);
            match EventPage::parse(text, &Request::actions(ActionKind::Dividends, &[])) {
                Err(ParseError::UnexpectedShape(what)) => assert!(what.contains(why), "{what}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
