//! Numbers, texts, sizes and spans of time.

use rondel_value::{Type, Value};

use crate::syntax::Form;

/// The value of a literal; `None` if it has another type.
pub(crate) fn read(form: &Form<'_>, ty: &Type) -> Option<Value> {
    Some(match (ty, form) {
        (Type::Bool, Form::Bool(b)) => Value::Bool(*b),
        (Type::Text, Form::Text(text)) => Value::text(text.as_str()),
        (Type::Int, Form::Number(text)) => Value::Int(::ron::from_str(text).ok()?),
        (Type::Float, Form::Number(text)) => Value::Float(::ron::from_str(text).ok()?),
        (Type::Seed, Form::Number(text)) => match ::ron::from_str::<u64>(text) {
            Ok(seed) => Value::Seed(seed),
            Err(_) => Value::Int(::ron::from_str(text).ok()?),
        },
        (Type::Duration, Form::Text(text)) => Value::Int(duration(text)?),
        (Type::Size, Form::Tuple(sides)) => match sides.as_slice() {
            [width, height] => match (width.form(), height.form()) {
                (Form::Number(width), Form::Number(height)) => {
                    Value::Pair([::ron::from_str(width).ok()?, ::ron::from_str(height).ok()?])
                }
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    })
}

/// Nanoseconds of `90s`, `1.5h`, `1m30s`.
pub(crate) fn duration(text: &str) -> Option<i64> {
    const UNITS: [(&str, f64); 7] =
        [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9), ("d", 86_400e9)];
    let mut rest = text.trim();
    let mut nanoseconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        let letters = &rest[digits..];
        let end = letters.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(letters.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &letters[..end])?;
        nanoseconds += number * unit;
        rest = letters[end..].trim_start();
    }
    (nanoseconds < i64::MAX as f64).then_some(nanoseconds.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_read() {
        assert_eq!(duration("90s"), Some(90_000_000_000));
        assert_eq!(duration("1m30s"), Some(90_000_000_000));
        assert_eq!(duration("1.5ms"), Some(1_500_000));
        for text in ["", "90", "s", "5 weeks", "-1s", "1e99d"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
