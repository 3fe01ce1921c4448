//! Values as they are written in a graph file: what [`Reader`](super::Reader) reads back as the same.

use rondel_value::{Type, Value};

use crate::graph::Expr;

/// A value of a type as it stands in a graph; none for what has no form that holds everywhere, such as a path.
pub fn write(expr: &Expr, ty: &Type) -> Option<String> {
    match (ty, expr) {
        (_, Expr::Value(Value::None)) => Some("None".to_owned()),
        (Type::Optional(inner), _) => write(expr, inner),
        (_, Expr::RandomSeed) => Some("Random".to_owned()),
        (Type::List(inner), Expr::List(items)) => list(items.iter().map(|item| write(item, inner))),
        (_, Expr::Value(value)) => of_value(value, ty),
        _ => None,
    }
}

fn of_value(value: &Value, ty: &Type) -> Option<String> {
    Some(match (ty, value) {
        (_, Value::None) => "None".to_owned(),
        (Type::Optional(inner), _) => return of_value(value, inner),
        (Type::List(inner), Value::List(items)) => return list(items.iter().map(|item| of_value(item, inner))),
        (Type::Duration, Value::Int(nanoseconds)) => format!("\"{}\"", span(*nanoseconds)),
        (Type::Choice(_), Value::Text(name)) => name.to_string(),
        (Type::Json, Value::Json(json)) => of_json(&json.to_value())?,
        (_, Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Seed(_)) => value.display(usize::MAX),
        (_, Value::Text(text)) => ron::to_string(&**text).ok()?,
        (_, Value::Pair([width, height])) => format!("({width}, {height})"),
        (_, Value::List(_) | Value::Json(_) | Value::Bundle(_)) => return None,
    })
}

fn list(items: impl Iterator<Item = Option<String>>) -> Option<String> {
    let items: Vec<String> = items.collect::<Option<_>>()?;
    Some(format!("[{}]", items.join(", ")))
}

fn of_json(json: &serde_json::Value) -> Option<String> {
    use serde_json::Value as Json;
    Some(match json {
        Json::Null => "None".to_owned(),
        Json::Bool(_) | Json::Number(_) => json.to_string(),
        Json::String(text) => ron::to_string(text).ok()?,
        Json::Array(items) => return list(items.iter().map(of_json)),
        Json::Object(entries) => {
            let entry =
                |(key, value): (&String, &Json)| Some(format!("{}: {}", ron::to_string(key).ok()?, of_json(value)?));
            let entries: Vec<String> = entries.iter().map(entry).collect::<Option<_>>()?;
            format!("{{{}}}", entries.join(", "))
        }
    })
}

/// Nanoseconds in the largest unit of which they are a whole number.
fn span(nanoseconds: i64) -> String {
    const UNITS: [(&str, i64); 6] = [
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1000),
        ("ns", 1),
    ];
    let whole = UNITS.iter().find(|(_, unit)| nanoseconds != 0 && nanoseconds % unit == 0);
    whole.map_or("0s".to_owned(), |(name, unit)| format!("{}{name}", nanoseconds / unit))
}
