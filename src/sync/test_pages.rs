//! Pages for unit tests.

use crate::bars::Page;
use crate::polygon::parse_bars;

/// A page of bars: each with its start in epoch milliseconds and its price.
pub(crate) fn page(bars: &[(i64, f64)]) -> Page {
    let bars: Vec<_> = bars
        .iter()
        .map(|(start, price)| {
            format!(r#"{{"v":100,"vw":{price},"o":{price},"c":{price},"h":{price},"l":{price},"t":{start},"n":7}}"#)
        })
        .collect();
    parse(&format!(r#"{{"status":"OK","results":[{}]}}"#, bars.join(",")))
}

/// The page of a response's text.
pub(crate) fn parse(text: &str) -> Page {
    parse_bars(text.to_owned(), false).expect("a page").0
}
