//! What `#[derive(Choice)]` writes its functions with.
//!
//! A member without fields crosses as its name, one with fields as `{"Shifted": {"mu": 2.0}}`.

use rondel_value::coerce::{self, CoerceError};
use rondel_value::{Choices, Json, Type, Value, Variant};
use serde_json::Map;

use crate::port::{Port, PortError};

/// The type of a choice among `variants`.
pub fn ty<const N: usize>(variants: [Variant; N]) -> Type {
    Type::Choice(Choices(variants.into()))
}

/// One member and its fields.
pub fn variant<const N: usize>(name: &str, fields: [(&str, Type); N]) -> Variant {
    Variant { name: name.to_owned(), fields: fields.into_iter().map(|(field, ty)| (field.to_owned(), ty)).collect() }
}

/// The value of a member with fields.
pub fn value<const N: usize>(name: &str, fields: [(&str, Value); N]) -> Value {
    let fields: Map<_, _> = fields.into_iter().map(|(field, v)| (field.to_owned(), coerce::to_json(&v))).collect();
    Value::Json(Json::new(&Map::from_iter([(name.to_owned(), fields.into())]).into()))
}

/// A member that was chosen, not yet known to be one of those offered.
pub struct Chosen {
    name: String,
    fields: Map<String, serde_json::Value>,
}

impl Chosen {
    pub fn read(value: &Value) -> Result<Chosen, PortError> {
        match value {
            Value::Text(name) => return Ok(Chosen { name: name.as_ref().to_owned(), fields: Map::new() }),
            Value::Json(json) => {
                if let serde_json::Value::Object(object) = json.to_value()
                    && object.len() == 1
                    && let Some((name, serde_json::Value::Object(fields))) = object.into_iter().next()
                {
                    return Ok(Chosen { name, fields });
                }
            }
            _ => {}
        }
        Err(PortError::Type { wanted: "Choice".to_owned(), found: value.display(60) })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn field<T: Port>(&self, field: &str) -> Result<T, PortError> {
        let json = self.fields.get(field).unwrap_or(&serde_json::Value::Null);
        T::from_value(coerce::from_json(json, &T::ty())?)
    }

    pub fn not_offered(&self, ty: &Type) -> PortError {
        let offered = match ty {
            Type::Choice(choices) => choices.names().collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        CoerceError::NotOffered { found: self.name.clone(), offered }.into()
    }
}
