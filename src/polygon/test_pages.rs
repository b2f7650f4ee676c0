//! Pages for tests, parsed as responses to requests that don't matter.

use super::response::Parsed;
use super::{Request, ResponsePage};
use crate::bars::Page;
use crate::calendar::{DateRange, MIN_DATE};
use crate::market::Market;
use crate::timespan::Timespan;

/// A request for the bars of a ticker, or of a whole market.
pub(super) fn request_bars(is_of_market: bool) -> Request {
    if is_of_market {
        Request::grouped(Market::Stocks, MIN_DATE, true)
    } else {
        Request::range("A", Market::Stocks, Timespan::Day, DateRange::day(MIN_DATE), true)
    }
}

/// Parses a page of the bars of a ticker, or of a whole market.
pub(crate) fn parse_bars(text: String, is_of_market: bool) -> Parsed<Page> {
    Page::parse(text, &request_bars(is_of_market))
}
