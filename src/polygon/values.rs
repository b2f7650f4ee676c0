//! JSON values that are kept as the API wrote them, after checking what JSON readers disagree on.

use serde_json::value::RawValue;

use crate::bars::{Span, decode};
use crate::fields::{Field, FieldKind};

/// Checks values and finds their spans. A whole number that is not written as an integer is appended to the page's text as
/// one.
pub(super) struct Spans<'t> {
    text: &'t str,
    /// What must be appended to the text.
    pub(super) appended: String,
}

impl<'t> Spans<'t> {
    pub(super) fn new(text: &'t str) -> Spans<'t> {
        Spans { text, appended: String::new() }
    }

    /// A number within a double's range, such as `695`, `1.81724024e+08` or `41120042.153782`.
    fn number(&self, value: Option<&RawValue>) -> Result<Option<Span>, String> {
        let number = value.map(|value| number(value.get())).transpose()?;
        Ok(number.and_then(|number| Span::of(number, self.text)))
    }

    /// A whole number that a double holds exactly, in any of the forms in which the API writes it.
    fn whole(&mut self, value: Option<&RawValue>) -> Result<Option<Span>, String> {
        let Some(text) = value.map(RawValue::get) else { return Ok(None) };
        if number(text)?.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Span::of(text, self.text));
        }
        let whole = whole(text).ok_or_else(|| format!("{text} is not a whole number"))?;
        let begin = self.text.len() + self.appended.len();
        self.appended.push_str(&whole.to_string());
        Ok(Span::between(begin, self.text.len() + self.appended.len()))
    }

    /// A string; `None` also if it holds half of a surrogate pair.
    fn string(&self, value: Option<&RawValue>) -> Result<Option<Span>, String> {
        match value.map(RawValue::get) {
            Some(text) if !text.starts_with('"') => Err(format!("{text} is not a text")),
            text => Ok(text.filter(|text| decode(text).is_some()).and_then(|text| Span::of(text, self.text))),
        }
    }

    /// A string that can be a name: it is not empty, and holds nothing that no name contains and many databases can't store.
    pub(super) fn name(&self, value: Option<&RawValue>) -> Result<Option<Span>, String> {
        let is_odd = |character: char| character.is_control() || character == '\u{fffd}';
        let is_name = |text: &str| decode(text).is_some_and(|name| !name.is_empty() && !name.contains(is_odd));
        Ok(self.string(value)?.filter(|span| is_name(span.in_text(self.text))))
    }

    /// The values of these fields in their order; `value` finds a value by its key.
    pub(super) fn fields<'v, const COUNT: usize>(
        &mut self,
        fields: &[Field],
        value: impl Fn(&str) -> Option<&'v RawValue>,
    ) -> Result<[Option<Span>; COUNT], String> {
        let mut found = [None; COUNT];
        for (place, Field { key, kind, .. }) in found.iter_mut().zip(fields) {
            let span = match kind {
                FieldKind::Price | FieldKind::Number => self.number(value(key)),
                FieldKind::Integer => self.whole(value(key)),
                FieldKind::Text | FieldKind::Date => self.string(value(key)),
            };
            *place = span.map_err(|what| format!("{key}: {what}"))?;
        }
        Ok(found)
    }
}

/// Epoch milliseconds, in any of the forms in which the API writes integers.
pub(super) fn milliseconds(value: &RawValue) -> Result<i64, String> {
    let text = value.get();
    let value = text.parse().ok().or_else(|| whole(text));
    value.ok_or_else(|| format!("{text} is not a whole number of milliseconds"))
}

/// Few texts have to be parsed to know that a double can hold them.
fn number(text: &str) -> Result<&str, String> {
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(format!("{text} is not a number"));
    }
    let is_in_range = text.len() < 300 && !text.contains(['e', 'E']) || text.parse().is_ok_and(f64::is_finite);
    if is_in_range { Ok(text) } else { Err(format!("the number {text} is out of range")) }
}

/// The value of a number such as `1.5643e+04`.
fn whole(number: &str) -> Option<i64> {
    const EXACT: f64 = (1_u64 << 53) as f64;
    let value = number.parse::<f64>().ok()?;
    (value.fract() == 0.0 && value.abs() < EXACT).then_some(value as i64)
}
