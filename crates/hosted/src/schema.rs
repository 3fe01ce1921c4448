//! What a provider itself says that a model takes, checked before anything is sent that costs money.
//!
//! A schema is asked for once a day and kept beside the ledger, `schemas/<provider>-<model>.json`:
//!
//! ```text
//! {"at": 1764028800, "address": "https://…/models/flux.2-dev?schema=true", "schema": {"type": "object", "properties": …}}
//! ```
//!
//! If it cannot be had, the last one holds, however old; without any, what `providers.ron` says is all that is checked. So neither being
//! offline nor a provider without schemas keeps anybody from asking.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::endpoint::Endpoint;
use crate::fault::words;
use crate::ledger::private;
use crate::painter::Hosted;
use crate::protocol::{self, Ask};
use crate::wire::Request;

/// How long a schema holds before it is asked for again.
const DAY_S: u64 = 86_400;

/// How long an answer may take: without one, the last holds.
const PATIENCE: Duration = Duration::from_secs(4);

/// By address: whether a schema was not to be had there, and is not asked for twice by one process.
///
/// Each is held by whoever asks: others who want the same wait for that answer, and do not go on as if there were none.
#[derive(Default)]
pub struct Missed(Mutex<HashMap<String, Arc<Mutex<bool>>>>);

#[derive(Serialize, Deserialize)]
struct Kept {
    at: u64,
    address: String,
    schema: Value,
}

impl Hosted {
    /// [blocking] What a provider's own schema has against a request; nothing if it has none, or nobody waits for it any more.
    pub(crate) fn against_schema(
        &self,
        endpoint: &Endpoint,
        ask: &Ask<'_>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Option<String> {
        let input = protocol::of(endpoint.api).input(ask)?;
        let schema = self.schema(endpoint, ask.model(), is_cancelled)?;
        let reason = misfit(&schema, &input)?;
        Some(format!("its own schema says: {}", self.without_key(endpoint, &words(&reason))))
    }

    /// A schema, from the disk or from the provider.
    fn schema(&self, endpoint: &Endpoint, model: &str, is_cancelled: &dyn Fn() -> bool) -> Option<Value> {
        let protocol = protocol::of(endpoint.api);
        let addresses = protocol.schemas_at(endpoint, model);
        let address = addresses.first()?.to_string();
        let file = self.schema_file(endpoint, model);
        let kept = || {
            let kept = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
            kept.filter(|kept| kept.address == address)
        };
        let is_fresh = |kept: &Kept| self.now().saturating_sub(kept.at) < DAY_S;
        if let Some(kept) = kept().filter(is_fresh) {
            return Some(kept.schema);
        }
        let of_address = {
            let mut missed = self.missed_schemas().0.lock().expect("nobody panics while holding it");
            missed.entry(address.clone()).or_default().clone()
        };
        let mut is_missed = loop {
            match of_address.try_lock() {
                Ok(is_missed) => break is_missed,
                Err(TryLockError::Poisoned(_)) => panic!("nobody panics while holding it"),
                Err(TryLockError::WouldBlock) if is_cancelled() => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        // Whoever was asked meanwhile may have said it.
        let kept = kept();
        if *is_missed || self.is_offline() || kept.as_ref().is_some_and(is_fresh) {
            return kept.map(|kept| kept.schema);
        }
        let asked = addresses.iter().find_map(|address| {
            let request = Request::get(address.clone());
            let response = self.ask_unless(endpoint, &request, PATIENCE, is_cancelled).ok()?;
            protocol.schema(&response.json().filter(|_| response.is_success())?)
        });
        let Some(schema) = asked else {
            *is_missed = !is_cancelled();
            return kept.map(|kept| kept.schema);
        };
        let kept = Kept { at: self.now(), address: address.clone(), schema };
        let text = serde_json::to_vec(&kept).expect("JSON has a JSON form");
        // An answer may hold what it was sent. Without a copy it is asked for again.
        let text = self.without_key(endpoint, &String::from_utf8(text).expect("JSON is UTF-8"));
        let _ = fs::create_dir_all(file.parent().unwrap_or(&file)).and_then(|()| replace(&file, text.as_bytes()));
        Some(kept.schema)
    }

    fn schema_file(&self, endpoint: &Endpoint, model: &str) -> PathBuf {
        let name: String = model.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        self.ledger().folder().join("schemas").join(format!("{}-{name}.json", endpoint.name))
    }
}

/// In one piece, for another process may read it.
fn replace(file: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = file.with_extension(format!("{}.new", std::process::id()));
    let mut written = private().write(true).create(true).truncate(true).open(&new)?;
    written.write_all(bytes).and_then(|()| fs::rename(&new, file))
}

/// What a JSON schema has against an object.
///
/// What it does not know of is passed on, unless it says that there is no more; pictures go along in forms of their own.
pub fn misfit(schema: &Value, input: &Map<String, Value>) -> Option<String> {
    let properties = schema.get("properties").and_then(Value::as_object)?;
    let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    for (name, value) in input {
        match properties.get(name) {
            Some(property) => {
                if let Some(reason) = against(resolved(schema, property), value) {
                    return Some(format!("`{name}` {reason}"));
                }
            }
            None if is_closed => return Some(format!("`{name}` is not known there")),
            None => {}
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let missing = required.filter(|name| !name.contains("image")).find(|name| !input.contains_key(*name));
    missing.map(|name| format!("`{name}` must be given"))
}

/// A property, or what it stands for: `{"allOf": [{"$ref": "#/$defs/ratio"}]}`.
fn resolved<'a>(schema: &'a Value, property: &'a Value) -> &'a Value {
    let inner = property.get("allOf").and_then(|all| all.get(0)).unwrap_or(property);
    let name = inner.get("$ref").and_then(Value::as_str).and_then(|link| link.rsplit('/').next());
    name.and_then(|name| schema.get("$defs")?.get(name)).unwrap_or(inner)
}

fn against(property: &Value, value: &Value) -> Option<String> {
    if let Some(choices) = property.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        let choices: Vec<String> = choices.iter().map(plain).collect();
        return Some(format!("is {}, and one of {} is taken", plain(value), choices.join(", ")));
    }
    let is_of_type = match property.get("type").and_then(Value::as_str) {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    if !is_of_type {
        return Some(format!("is {}, which is no {}", plain(value), plain(&property["type"])));
    }
    let limit = |name: &str| property.get(name).and_then(Value::as_f64);
    let (number, length) = (value.as_f64(), value.as_array().map(Vec::len));
    let letters = value.as_str().map(|text| text.chars().count());
    let most = |what: Option<f64>, name: &str| what.zip(limit(name)).filter(|(is, most)| is > most);
    if let Some((is, most)) = most(number, "maximum") {
        return Some(format!("is {is}, and {most} is the most"));
    }
    if let Some((is, least)) = number.zip(limit("minimum")).filter(|(is, least)| is < least) {
        return Some(format!("is {is}, and {least} is the least"));
    }
    if let Some((is, most)) = most(length.map(|n| n as f64), "maxItems") {
        return Some(format!("has {is} entries, and {most} is the most"));
    }
    let (is, most) = most(letters.map(|n| n as f64), "maxLength")?;
    Some(format!("has {is} characters, and {most} is the most"))
}

/// A text without quotes, and no longer than a message may be.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.chars().count() > 60 { text.chars().take(59).chain(['…']).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(input: Value, expected: &str) {
        let schema = json!({
            "type": "object", "required": ["prompt", "image"],
            "$defs": { "ratio": { "enum": ["1:1", "16:9"] } },
            "properties": {
                "prompt": { "type": "string", "maxLength": 10 },
                "n": { "type": "integer", "minimum": 1, "maximum": 4 },
                "ratio": { "allOf": [{ "$ref": "#/components/schemas/ratio" }] },
                "input_images": { "type": "array", "maxItems": 1 },
            },
        });
        let Value::Object(mut input) = input else { panic!("an object") };
        input.entry("prompt").or_insert_with(|| json!("a boat"));
        assert_eq!(misfit(&schema, &input).unwrap_or_default(), expected);
    }

    #[test]
    fn what_a_schema_refuses_is_said_with_what_it_takes() {
        check(json!({ "n": 4, "ratio": "16:9", "seed": 7 }), "");
        check(json!({ "n": 5 }), "`n` is 5, and 4 is the most");
        check(json!({ "n": 0 }), "`n` is 0, and 1 is the least");
        check(json!({ "n": "two" }), "`n` is two, which is no integer");
        check(json!({ "ratio": "2:1" }), "`ratio` is 2:1, and one of 1:1, 16:9 is taken");
        check(json!({ "input_images": ["a", "b"] }), "`input_images` has 2 entries, and 1 is the most");
        check(json!({ "prompt": "a large boat" }), "`prompt` has 12 characters, and 10 is the most");
        let closed = json!({ "properties": {}, "additionalProperties": false });
        let seed = json!({ "seed": 1 }).as_object().unwrap().clone();
        assert_eq!(misfit(&closed, &seed).unwrap(), "`seed` is not known there");
        let missing = json!({ "properties": {}, "required": ["prompt", "image"] });
        assert_eq!(misfit(&missing, &seed).unwrap(), "`prompt` must be given");
    }
}
