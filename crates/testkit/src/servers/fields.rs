//! What a service takes, field by field, and what is wrong with what it was sent.
//!
//! Each service words it in its own way; what is wrong is found here, once. `null` is the same as leaving an optional field out.

use serde_json::{Map, Value, json};

/// A field of an input.
pub(super) struct Field {
    pub name: &'static str,
    pub rule: Rule,
    pub is_required: bool,
}

/// What a field may hold.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    Text,
    Texts,
    Flag,
    Whole(i64, i64),
    Number(f64, f64),
    Choice(&'static [&'static str]),
    /// Looked at by the service itself.
    Any,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wrong {
    pub field: String,
    pub how: How,
}

/// How a field is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum How {
    Missing,
    Unknown,
    /// Of another type than this.
    NotA(&'static str),
    Below(f64),
    Above(f64),
    NotOneOf(&'static [&'static str]),
}

impl Field {
    pub const fn required(name: &'static str, rule: Rule) -> Self {
        Self { name, rule, is_required: true }
    }

    pub const fn optional(name: &'static str, rule: Rule) -> Self {
        Self { name, rule, is_required: false }
    }
}

impl How {
    /// Says it in words that fit all services.
    pub fn words(self) -> String {
        match self {
            Self::Missing => "Field required".to_owned(),
            Self::Unknown => "Extra inputs are not permitted".to_owned(),
            Self::NotA(what) => format!("Input should be a valid {what}"),
            Self::Below(least) => format!("Input should be greater than or equal to {least}"),
            Self::Above(most) => format!("Input should be less than or equal to {most}"),
            Self::NotOneOf(choices) => format!("Input should be one of {}", choices.join(", ")),
        }
    }
}

/// Everything that is wrong with an input.
pub(super) fn check(fields: &[Field], input: &Map<String, Value>) -> Vec<Wrong> {
    let wrong = |field: &str, how| Wrong { field: field.to_owned(), how };
    let mut found = Vec::new();
    for field in fields {
        match input.get(field.name) {
            None if field.is_required => found.push(wrong(field.name, How::Missing)),
            Some(Value::Null) if field.is_required => found.push(wrong(field.name, How::Missing)),
            None | Some(Value::Null) => {}
            Some(value) => found.extend(field.rule.misses(value).map(|how| wrong(field.name, how))),
        }
    }
    let unknown = input.keys().filter(|name| !fields.iter().any(|field| field.name == **name));
    found.extend(unknown.map(|name| wrong(name, How::Unknown)));
    found
}

/// What the fields are, as a JSON schema.
pub(super) fn schema(fields: &[Field]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), field.rule.schema())).collect();
    let required: Vec<&str> = fields.iter().filter(|field| field.is_required).map(|field| field.name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

impl Rule {
    fn schema(self) -> Value {
        match self {
            Self::Any => json!({}),
            Self::Text => json!({ "type": "string" }),
            Self::Texts => json!({ "type": "array", "items": { "type": "string" } }),
            Self::Flag => json!({ "type": "boolean" }),
            Self::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Self::Number(least, most) => json!({ "type": "number", "minimum": least, "maximum": most }),
            Self::Choice(choices) => json!({ "type": "string", "enum": choices }),
        }
    }

    fn misses(self, value: &Value) -> Option<How> {
        let within = |number: f64, least: f64, most: f64| {
            if number < least { Some(How::Below(least)) } else { (number > most).then_some(How::Above(most)) }
        };
        match self {
            Self::Any => None,
            Self::Text => (!value.is_string()).then_some(How::NotA("string")),
            Self::Flag => (!value.is_boolean()).then_some(How::NotA("boolean")),
            Self::Texts => {
                let is_list = value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
                (!is_list).then_some(How::NotA("list of strings"))
            }
            // Seeds may need 64 bits without a sign.
            Self::Whole(least, most) if value.is_i64() || value.is_u64() => {
                within(value.as_f64().unwrap_or(f64::INFINITY), least as f64, most as f64)
            }
            Self::Whole(..) => Some(How::NotA("integer")),
            Self::Number(least, most) => match value.as_f64() {
                Some(number) => within(number, least, most),
                None => Some(How::NotA("number")),
            },
            Self::Choice(choices) => match value.as_str() {
                Some(text) if choices.contains(&text) => None,
                _ => Some(How::NotOneOf(choices)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_found_at_once() {
        let fields = [
            Field::required("prompt", Rule::Text),
            Field::optional("steps", Rule::Whole(4, 50)),
            Field::optional("guidance", Rule::Number(0.0, 20.0)),
            Field::optional("format", Rule::Choice(&["png"])),
            Field::optional("seed", Rule::Whole(0, i64::MAX)),
        ];
        let input = json!({ "steps": 3, "guidance": "2", "format": "gif", "seed": null, "style": 1 });
        let found = check(&fields, input.as_object().expect("an object"));
        let found: Vec<String> = found.iter().map(|wrong| format!("{}: {}", wrong.field, wrong.how.words())).collect();
        assert_eq!(
            found,
            [
                "prompt: Field required",
                "steps: Input should be greater than or equal to 4",
                "guidance: Input should be a valid number",
                "format: Input should be one of png",
                "style: Extra inputs are not permitted",
            ]
        );
    }
}
