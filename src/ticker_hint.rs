//! Other notations of tickers, and what Polygon.io writes instead.

/// Yahoo's symbols of indices whose names differ at Polygon.io.
const INDICES: [(&str, &str); 6] = [
    ("^GSPC", "I:SPX"),
    ("^IXIC", "I:COMP"),
    ("^DJI", "I:DJI"),
    ("^NDX", "I:NDX"),
    ("^RUT", "I:RUT"),
    ("^VIX", "I:VIX"),
];

const CURRENCIES: [&str; 10] = ["AUD", "CAD", "CHF", "CNY", "EUR", "GBP", "JPY", "NZD", "USD", "USDT"];

/// What was probably meant by a ticker that is not in Polygon.io's notation, or that the API does not know.
pub(crate) fn hint(ticker: &str) -> Option<String> {
    let lower_case = ticker.chars().filter(char::is_ascii_lowercase).count();
    let upper_case = ticker.chars().filter(char::is_ascii_uppercase).count();
    // A single small letter has a meaning: `BACpB` is a preferred stock.
    let name = if lower_case > upper_case { ticker.to_ascii_uppercase() } else { ticker.to_owned() };
    let meant = other_notation(&name).unwrap_or(name);
    (meant != ticker && !meant.is_empty()).then_some(meant)
}

fn other_notation(name: &str) -> Option<String> {
    if let Some((_, index)) = INDICES.iter().find(|(symbol, _)| *symbol == name) {
        return Some((*index).to_owned());
    }
    if let Some(stock) = name.strip_prefix('$') {
        return Some(stock.to_owned());
    }
    if let Some(pair) = name.strip_suffix("=X") {
        return Some(if pair.len() == 3 { format!("C:USD{pair}") } else { format!("C:{pair}") });
    }
    let (prefix, rest) = name.split_once(':').unwrap_or(("", name));
    // An exchange: `NASDAQ:TSLA`.
    if prefix.len() > 1 {
        return Some(rest.to_owned());
    }
    let (base, quote) = rest.split_once(['-', '/'])?;
    match (prefix, CURRENCIES.contains(&base), quote) {
        ("C", ..) => Some(format!("C:{base}{quote}")),
        ("", true, _) if CURRENCIES.contains(&quote) => Some(format!("C:{base}{quote}")),
        ("X", ..) => Some(format!("X:{base}{quote}")),
        ("", ..) if CURRENCIES.contains(&quote) => Some(format!("X:{base}{quote}")),
        // A class of shares.
        ("", ..) if quote.len() == 1 => Some(format!("{base}.{quote}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_notations_are_recognized() {
        for (ticker, meant) in [
            ("BRK-B", "BRK.B"),
            ("BRK/B", "BRK.B"),
            ("brk-b", "BRK.B"),
            ("^GSPC", "I:SPX"),
            ("^DJI", "I:DJI"),
            ("^IXIC", "I:COMP"),
            ("^NDX", "I:NDX"),
            ("^VIX", "I:VIX"),
            ("^RUT", "I:RUT"),
            ("^gspc", "I:SPX"),
            ("$AAPL", "AAPL"),
            ("BTC-USD", "X:BTCUSD"),
            ("BTC/USDT", "X:BTCUSDT"),
            ("X:BTC-USD", "X:BTCUSD"),
            ("x:btcusd", "X:BTCUSD"),
            ("EURUSD=X", "C:EURUSD"),
            ("JPY=X", "C:USDJPY"),
            ("EUR/USD", "C:EURUSD"),
            ("C:EUR-USD", "C:EURUSD"),
            ("NASDAQ:TSLA", "TSLA"),
            ("aapl", "AAPL"),
            ("Aapl", "AAPL"),
        ] {
            assert_eq!(hint(ticker).as_deref(), Some(meant), "{ticker}");
        }
    }

    #[test]
    fn nothing_is_made_of_polygons_own_notation() {
        for ticker in
            ["AAPL", "BRK.B", "BACpB", "I:SPX", "X:BTCUSD", "C:EURUSD", "O:SPY251219C00650000", "Z:ABC", "^", "$", ""]
        {
            assert_eq!(hint(ticker), None, "{ticker}");
        }
    }
}
