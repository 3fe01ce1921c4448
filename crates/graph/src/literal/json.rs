//! RON as JSON, for ports that take any JSON value and for the fields of choices.

use serde_json::{Map, Value};

use crate::source::Span;
use crate::syntax::{Args, Field, Form, Raw};

/// The JSON that a value stands for; fails with the place of what has no JSON form.
pub(crate) fn read(raw: &Raw<'_>) -> Result<Value, Span> {
    Ok(match raw.form() {
        Form::Text(text) => Value::String(text),
        Form::Bool(b) => Value::Bool(b),
        Form::Number(text) => number(text).ok_or_else(|| raw.span())?,
        Form::List(items) | Form::Tuple(items) => items.iter().map(read).collect::<Result<_, _>>()?,
        Form::Fields(entries) => Value::Object(fields(&entries)?),
        Form::Map(pairs) => {
            let mut object = Map::new();
            for (key, value) in &pairs {
                let Form::Text(key) = key.form() else { return Err(key.span()) };
                object.insert(key, read(value)?);
            }
            Value::Object(object)
        }
        Form::Name(word) if word.text == "None" => Value::Null,
        Form::Name(word) if !word.is_lowercase() => Value::String(word.text.to_owned()),
        Form::Name(_) | Form::Call(..) | Form::Range(_) | Form::Other => return Err(raw.span()),
    })
}

/// The JSON of `Shifted(mu: 2.0)`: `{"Shifted": {"mu": 2.0}}`.
pub(crate) fn choice(raw: &Raw<'_>) -> Result<Value, Span> {
    match raw.form() {
        Form::Call(word, Args::Named(entries)) => Ok(serde_json::json!({ word.text: fields(&entries)? })),
        Form::Call(word, Args::Positional(items)) => {
            let items: Vec<Value> = items.iter().map(read).collect::<Result<_, _>>()?;
            Ok(serde_json::json!({ word.text: items }))
        }
        _ => read(raw),
    }
}

fn fields(entries: &[Field<'_>]) -> Result<Map<String, Value>, Span> {
    entries.iter().map(|field| Ok((field.name.text.to_owned(), nested(&field.value)?))).collect()
}

/// A field of a choice may itself be a choice with fields.
fn nested(raw: &Raw<'_>) -> Result<Value, Span> {
    match raw.form() {
        Form::Call(word, _) if !word.is_lowercase() => choice(raw),
        _ => read(raw),
    }
}

fn number(text: &str) -> Option<Value> {
    if let Ok(whole) = ::ron::from_str::<i64>(text) {
        return Some(whole.into());
    }
    if let Ok(whole) = ::ron::from_str::<u64>(text) {
        return Some(whole.into());
    }
    ::ron::from_str::<f64>(text).ok().and_then(serde_json::Number::from_f64).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Result<String, Span> {
        read(&crate::syntax::parse(text).unwrap()).map(|json| json.to_string())
    }

    #[test]
    fn ron_has_a_json_form() {
        assert_eq!(
            json(r#"{"a": [1, 2.5, None], "b": (limit: 0.1, in: Usd)}"#).unwrap(),
            r#"{"a":[1,2.5,null],"b":{"limit":0.1,"in":"Usd"}}"#
        );
    }

    #[test]
    fn a_reference_has_none_and_is_pointed_at() {
        assert_eq!(json("(a: 1, b: noise)"), Err(10..15));
    }
}
