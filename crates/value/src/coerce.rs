//! What converts by itself, and the JSON form of values.
//!
//! Conversions lose nothing: `Int` to `Float`, `Int` to `Seed` if it is not negative, one `T` to a list of it, `T` to
//! `T?`, and a `Mask` to a grey `Image`. Everything else is a node with a name.

use serde_json::json;

use crate::bundle::Kind;
use crate::image::{Image, Mask};
use crate::latent::FAMILY_KEY;
use crate::types::{Choices, Family, Type};
use crate::value::{Json, Value};

/// A value that does not fit a type.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CoerceError {
    #[error("{wanted} wanted, {found} given")]
    Type { wanted: String, found: String },
    #[error("a seed is not negative, {0} is")]
    NegativeSeed(i64),
    #[error("a size has two positive sides, {0}x{1} was given")]
    EmptySize(i64, i64),
    #[error("`{found}` is none of {offered}")]
    NotOffered { found: String, offered: String },
    #[error("`{variant}` takes {expected}")]
    Fields { variant: String, expected: String },
    #[error("{0} is not a finite number")]
    NotFinite(f64),
    #[error("{wanted} of family {wanted_family} wanted, this one is of {found}")]
    Family { wanted: String, wanted_family: String, found: String },
}

/// Whether a value of type `given` can stand where `wanted` is asked for; families are left to unification.
pub fn fits(given: &Type, wanted: &Type) -> bool {
    match (given, wanted) {
        (Type::Optional(given), Type::Optional(wanted)) => fits(given, wanted),
        (Type::Optional(_), _) => false,
        (_, Type::Optional(wanted)) => fits(given, wanted),
        (Type::List(given), Type::List(wanted)) => fits(given, wanted),
        (_, Type::List(wanted)) => fits(given, wanted),
        (Type::Int, Type::Float | Type::Seed) | (Type::Mask, Type::Image) => true,
        (Type::Choice(given), Type::Choice(wanted)) => {
            given.0.iter().all(|variant| wanted.get(&variant.name) == Some(variant))
        }
        (Type::Latent(_), Type::Latent(_))
        | (Type::Conditioning(_), Type::Conditioning(_))
        | (Type::Model(_), Type::Model(_)) => true,
        // JSON holds what has a JSON form.
        (Type::Saved | Type::Text | Type::Int | Type::Float | Type::Bool, Type::Json) => true,
        (given, wanted) => given == wanted,
    }
}

/// Brings `value` into the form of `ty`, or says why that cannot be.
pub fn to(value: &Value, ty: &Type) -> Result<Value, CoerceError> {
    Ok(match (ty, value) {
        (Type::Optional(_), Value::None) => Value::None,
        (Type::Optional(inner), value) => to(value, inner)?,
        (Type::List(inner), Value::List(items)) => {
            Value::List(items.iter().map(|item| to(item, inner)).collect::<Result<_, _>>()?)
        }
        (Type::List(inner), value) => Value::list([to(value, inner)?]),
        (Type::Float, Value::Int(i)) => Value::Float(*i as f64),
        (Type::Float, Value::Float(f)) if !f.is_finite() => return Err(CoerceError::NotFinite(*f)),
        (Type::Seed, Value::Int(i)) => Value::Seed(u64::try_from(*i).map_err(|_| CoerceError::NegativeSeed(*i))?),
        (Type::Size, Value::Pair([w, h])) if *w <= 0 || *h <= 0 => return Err(CoerceError::EmptySize(*w, *h)),
        (Type::Choice(choices), Value::Text(name)) => {
            choice(choices, name, &serde_json::Value::Null)?;
            value.clone()
        }
        (Type::Choice(choices), Value::Json(json)) => from_json_choice(&json.to_value(), choices)?,
        (Type::Image, Value::Bundle(bundle)) if bundle.kind() == Kind::Mask => {
            let mask = Mask::try_from(bundle.clone()).map_err(|_| mismatch(ty, value))?;
            Value::Bundle(Image::from(&mask).into())
        }
        (Type::Json, Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_)) => {
            Value::Json(Json::new(&to_json(value)))
        }
        (Type::Latent(family) | Type::Conditioning(family), Value::Bundle(bundle)) if holds(value, ty) => {
            let found = bundle.meta().get(FAMILY_KEY).map_or("none", String::as_str);
            same_family(ty, family, found)?;
            value.clone()
        }
        (Type::Model(family), Value::Json(json)) => {
            let descriptor = json.to_value();
            same_family(ty, family, descriptor["family"].as_str().unwrap_or("none"))?;
            value.clone()
        }
        (ty, value) if holds(value, ty) => value.clone(),
        (ty, value) => return Err(mismatch(ty, value)),
    })
}

/// Whether the value has the form that the type takes at the boundary.
fn holds(value: &Value, ty: &Type) -> bool {
    let is_bundle = |kind: Kind| matches!(value, Value::Bundle(bundle) if bundle.kind() == kind);
    match ty {
        Type::Bool => matches!(value, Value::Bool(_)),
        Type::Int | Type::Duration => matches!(value, Value::Int(_)),
        Type::Float => matches!(value, Value::Float(_)),
        Type::Text => matches!(value, Value::Text(_)),
        Type::Seed => matches!(value, Value::Seed(_)),
        Type::Size => matches!(value, Value::Pair(_)),
        Type::Json | Type::Saved | Type::Model(_) => matches!(value, Value::Json(_)),
        Type::Choice(_) => matches!(value, Value::Text(_) | Value::Json(_)),
        Type::Image => is_bundle(Kind::Image),
        Type::Mask => is_bundle(Kind::Mask),
        Type::Tensor => is_bundle(Kind::Tensor),
        Type::Latent(_) => is_bundle(Kind::Latent),
        Type::Conditioning(_) => is_bundle(Kind::Conditioning),
        Type::List(inner) => matches!(value, Value::List(items) if items.iter().all(|item| holds(item, inner))),
        Type::Optional(inner) => matches!(value, Value::None) || holds(value, inner),
    }
}

fn same_family(ty: &Type, family: &Family, found: &str) -> Result<(), CoerceError> {
    match family {
        Family::Named(wanted) if wanted != found => Err(CoerceError::Family {
            wanted: ty.with_family(&Family::Variable('F')).plain(),
            wanted_family: wanted.clone(),
            found: found.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn mismatch(ty: &Type, value: &Value) -> CoerceError {
    let found = match value {
        Value::None => "nothing".to_owned(),
        Value::Bool(_) => "Bool".to_owned(),
        Value::Int(_) => "Int".to_owned(),
        Value::Float(_) => "Float".to_owned(),
        Value::Seed(_) => "Seed".to_owned(),
        Value::Text(_) => "Text".to_owned(),
        Value::Json(_) => "Json".to_owned(),
        Value::Pair(_) => "Size".to_owned(),
        Value::Bundle(bundle) => bundle.kind().to_string(),
        Value::List(_) => "a list".to_owned(),
    };
    CoerceError::Type { wanted: ty.plain(), found }
}

/// Reads the JSON form of a value of type `ty`.
///
/// Bool, Int, Float, Text, Seed and Json are themselves; Size is `[w, h]`; Duration is nanoseconds; a choice is its name, or
/// `{"Name": {"field": value}}`; a list is an array; `null` is nothing. Pictures and other bundles have no JSON form.
pub fn from_json(json: &serde_json::Value, ty: &Type) -> Result<Value, CoerceError> {
    use serde_json::Value as J;
    let value = match (ty, json) {
        (Type::Optional(_), J::Null) => return Ok(Value::None),
        (Type::Optional(inner), json) => return from_json(json, inner),
        (Type::List(inner), J::Array(items)) => {
            return Ok(Value::List(items.iter().map(|item| from_json(item, inner)).collect::<Result<_, _>>()?));
        }
        (Type::List(inner), json) => return Ok(Value::list([from_json(json, inner)?])),
        (Type::Json | Type::Saved | Type::Model(_), json) => Value::Json(Json::new(json)),
        (Type::Choice(choices), json) => return from_json_choice(json, choices),
        (Type::Seed, J::Number(n)) if n.is_u64() => Value::Seed(n.as_u64().unwrap_or_default()),
        (Type::Size, J::Array(sides)) => match sides.iter().map(J::as_i64).collect::<Option<Vec<_>>>().as_deref() {
            Some(&[w, h]) => Value::Pair([w, h]),
            _ => return Err(CoerceError::Type { wanted: ty.plain(), found: json.to_string() }),
        },
        (_, J::Bool(b)) => Value::Bool(*b),
        (_, J::Number(n)) => match n.as_i64() {
            Some(i) => Value::Int(i),
            None => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        (_, J::String(text)) => Value::text(text.as_str()),
        (ty, json) => return Err(CoerceError::Type { wanted: ty.plain(), found: json.to_string() }),
    };
    to(&value, ty)
}

fn from_json_choice(json: &serde_json::Value, choices: &Choices) -> Result<Value, CoerceError> {
    match json {
        serde_json::Value::String(name) => {
            choice(choices, name, &serde_json::Value::Null)?;
            Ok(Value::text(name.as_str()))
        }
        serde_json::Value::Object(object) if object.len() == 1 => {
            let (name, fields) = object.iter().next().expect("one entry");
            let fields = choice(choices, name, fields)?;
            Ok(Value::Json(Json::new(&json!({ name.as_str(): fields }))))
        }
        other => Err(CoerceError::Type { wanted: "Choice".to_owned(), found: other.to_string() }),
    }
}

/// Checks a member of a choice and brings its fields into canonical form.
fn choice(choices: &Choices, name: &str, given: &serde_json::Value) -> Result<serde_json::Value, CoerceError> {
    let variant = choices.get(name).ok_or_else(|| CoerceError::NotOffered {
        found: name.to_owned(),
        offered: choices.names().collect::<Vec<_>>().join(", "),
    })?;
    let expected = || CoerceError::Fields { variant: name.to_owned(), expected: variant.to_string() };
    let by_place;
    let given = match given {
        serde_json::Value::Null => &serde_json::Map::new(),
        serde_json::Value::Object(fields) => fields,
        // `Only("fal")`: without names, in the order of the fields.
        serde_json::Value::Array(items) if !items.is_empty() && items.len() == variant.fields.len() => {
            by_place = variant.fields.iter().map(|(field, _)| field.clone()).zip(items.iter().cloned()).collect();
            &by_place
        }
        _ => return Err(expected()),
    };
    if given.keys().any(|key| !variant.fields.iter().any(|(field, _)| field == key)) {
        return Err(expected());
    }
    let mut fields = serde_json::Map::new();
    for (field, ty) in &variant.fields {
        let value = match given.get(field) {
            Some(json) => from_json(json, ty)?,
            None if ty.is_optional() => Value::None,
            None => return Err(expected()),
        };
        fields.insert(field.clone(), to_json(&value));
    }
    Ok(serde_json::Value::Object(fields))
}

/// The JSON form of a value; a bundle, which has none, is shown as an object with its kind and digest.
pub fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::None => serde_json::Value::Null,
        Value::Bool(b) => json!(b),
        Value::Int(i) => json!(i),
        Value::Float(f) => json!(f),
        Value::Seed(seed) => json!(seed),
        Value::Text(text) => json!(text),
        Value::Json(json) => json.to_value(),
        Value::Pair(sides) => json!(sides),
        Value::Bundle(bundle) => json!({ "kind": bundle.kind().name(), "digest": bundle.digest() }),
        Value::List(items) => items.iter().map(to_json).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: serde_json::Value, ty: &str, expected: Result<Value, &str>) {
        let ty: Type = ty.parse().unwrap();
        let found = from_json(&json, &ty).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn what_converts_by_itself_does() {
        check(json!(4), "Float", Ok(Value::Float(4.0)));
        check(json!(4), "Seed?", Ok(Value::Seed(4)));
        check(json!(4), "List<Int>", Ok(Value::list([Value::Int(4)])));
        check(json!(null), "Int?", Ok(Value::None));
        check(json!("Euler"), "Choice(Euler, Heun)", Ok(Value::text("Euler")));
        check(
            json!({"Shifted": {"mu": 2}}),
            "Choice(Auto, Shifted(mu: Float))",
            Ok(Value::Json(Json::parse(r#"{"Shifted":{"mu":2.0}}"#).unwrap())),
        );
        check(
            json!({"Shifted": [2]}),
            "Choice(Auto, Shifted(mu: Float))",
            Ok(Value::Json(Json::parse(r#"{"Shifted":{"mu":2.0}}"#).unwrap())),
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        check(json!(2.5), "Int", Err("Int wanted, Float given"));
        check(json!(-1), "Seed", Err("a seed is not negative, -1 is"));
        check(json!([0, 5]), "Size", Err("a size has two positive sides, 0x5 was given"));
        check(json!("euler"), "Choice(Euler, Heun)", Err("`euler` is none of Euler, Heun"));
        check(json!({"Shifted": {}}), "Choice(Shifted(mu: Float))", Err("`Shifted` takes Shifted(mu: Float)"));
    }

    #[test]
    fn a_mask_becomes_a_grey_picture() {
        let mask = Mask::new(2, 1, &[0.0, 1.0]).unwrap();
        let image = to(&Value::Bundle(mask.into()), &Type::Image).unwrap();
        let Value::Bundle(bundle) = image else { panic!("a bundle") };
        assert_eq!(Image::try_from(bundle).unwrap().to_u8()[..], [0, 255]);
    }

    #[test]
    fn types_fit_as_values_do() {
        let fits = |given: &str, wanted: &str| fits(&given.parse().unwrap(), &wanted.parse().unwrap());
        assert!(fits("Int", "Float"));
        assert!(fits("Image", "List<Image>?"));
        assert!(fits("Mask", "Image"));
        assert!(fits("Latent<F>", "Latent<Flux2>"));
        assert!(!fits("Float", "Int"));
        assert!(!fits("Int?", "Int"));
        assert!(!fits("Conditioning<F>", "Latent<F>"));
    }
}
