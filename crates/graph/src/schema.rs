//! The JSON Schema of graphs, with every kind that is installed, for editors and for tools that write graphs.
//!
//! It is of the form that [`json`](crate::json) gives a file, and says what stands where: sections, kinds, ports, ranges and choices. What
//! a name leads to, and whether types fit along the edges, only checking can tell.

use std::collections::BTreeMap;

use rondel_value::{InputSpec, NodeSpec, Type};
use serde_json::{Map, Value as Json, json};

use crate::check::OWN_KINDS;

/// The schema of graphs with nodes of these kinds.
pub fn schema<'a>(specs: impl IntoIterator<Item = &'a NodeSpec>) -> Json {
    let mut kinds = Map::new();
    let mut definitions = Map::new();
    definitions.insert("reference".to_owned(), reference());
    let mut by_end: BTreeMap<&str, Vec<Json>> = BTreeMap::new();
    for spec in specs {
        let definition = format!("kind-{}", spec.kind);
        let place = json!({ "$ref": format!("#/$defs/{definition}") });
        definitions.insert(definition, kind(spec));
        match spec.kind.rsplit_once('.') {
            None => drop(kinds.insert(spec.kind.clone(), place)),
            // A kind with a maker is imported, as a rule under the end of its name.
            Some((_, end)) => by_end.entry(end).or_default().push(place),
        }
    }
    for (end, mut makers) in by_end {
        // What needs no import has its name for itself, whoever else has one that ends so.
        kinds.entry(end).or_insert_with(|| match makers.len() {
            1 => makers.remove(0),
            _ => json!({ "anyOf": makers }),
        });
    }
    for word in OWN_KINDS {
        kinds.insert(word.to_owned(), json!({ "type": "object" }));
    }
    let any = json!({ "type": "object", "additionalProperties": true });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A graph of Rondel",
        "type": "object",
        "required": ["format", "nodes"],
        "additionalProperties": false,
        "properties": {
            "format": { "const": 1 },
            "doc": { "type": "string" },
            "imports": { "type": "object", "additionalProperties": { "type": "object", "minProperties": 1, "maxProperties": 1 } },
            "inputs": { "type": "object", "additionalProperties": { "type": ["object", "string"] } },
            "models": { "type": "object", "additionalProperties": { "type": "object", "minProperties": 1, "maxProperties": 1 } },
            "nodes": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "properties": kinds,
                    // What an import calls a kind is the graph's own choice.
                    "additionalProperties": { "type": "object" },
                },
            },
            "outputs": { "type": "object", "additionalProperties": true },
            "presets": any,
            "sweeps": any,
        },
        "$defs": definitions,
    })
}

fn reference() -> Json {
    json!({
        "description": "An input, a model or a node, or with a port behind a dot another output of a node",
        "type": "object",
        "properties": { "$": { "type": "string" } },
        "required": ["$"],
        "additionalProperties": false,
    })
}

fn kind(spec: &NodeSpec) -> Json {
    let required: Vec<&str> =
        spec.inputs.iter().filter(|input| input.is_required()).map(|input| input.name.as_str()).collect();
    let mut ports: Map<String, Json> = spec.inputs.iter().map(|input| (input.name.clone(), port(input))).collect();
    let with = "What the engine does with the node, and not what it computes";
    ports.insert("with".to_owned(), json!({ "description": with, "type": "object" }));
    json!({
        "description": spec.doc,
        "type": "object",
        "properties": ports,
        "required": required,
        "additionalProperties": false,
    })
}

fn port(input: &InputSpec) -> Json {
    let mut port = json!({ "anyOf": [{ "$ref": "#/$defs/reference" }, value(&input.ty, input)] });
    if !input.doc.is_empty() {
        port["description"] = input.doc.clone().into();
    }
    if let Some(default) = &input.default {
        port["default"] = default.clone();
    }
    port
}

/// What may be written at a port, beside a name.
fn value(ty: &Type, input: &InputSpec) -> Json {
    let bounded = |kind: &str| {
        let mut number = json!({ "type": kind });
        let (min, max) = input.range.map_or((None, None), |range| (range.min, range.max));
        for (word, bound) in [("minimum", min), ("maximum", max)] {
            if let Some(bound) = bound {
                number[word] = bound.into();
            }
        }
        if let Some(multiple_of) = input.multiple_of {
            number["multipleOf"] = multiple_of.into();
        }
        number
    };
    let file = json!({ "type": "object", "properties": { "File": { "type": "string" } }, "required": ["File"] });
    match ty {
        Type::Bool => json!({ "type": "boolean" }),
        Type::Int => bounded("integer"),
        Type::Float => bounded("number"),
        Type::Seed => json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "const": "Random" }] }),
        Type::Size => json!({ "type": "array", "items": bounded("integer"), "minItems": 2, "maxItems": 2 }),
        Type::Text if input.file => json!({ "anyOf": [{ "type": "string" }, file] }),
        Type::Text | Type::Duration => json!({ "type": "string" }),
        Type::Json => json!(true),
        Type::Image | Type::Mask => file,
        Type::Choice(choices) => {
            let plain: Vec<&str> = choices.0.iter().filter(|one| one.fields.is_empty()).map(|one| &*one.name).collect();
            let with_fields = choices.0.iter().filter(|one| !one.fields.is_empty()).map(|one| {
                let fields: Map<String, Json> =
                    one.fields.iter().map(|(name, _)| (name.clone(), json!(true))).collect();
                let names: Vec<&str> = one.fields.iter().map(|(name, _)| name.as_str()).collect();
                let inner =
                    json!({ "type": "object", "properties": fields, "required": names, "additionalProperties": false });
                json!({ "type": "object", "properties": { one.name.as_str(): inner }, "required": [one.name] })
            });
            let mut any: Vec<Json> = with_fields.collect();
            if !plain.is_empty() {
                any.insert(0, json!({ "enum": plain }));
            }
            json!({ "anyOf": any })
        }
        Type::Tensor | Type::Latent(_) | Type::Conditioning(_) | Type::Model(_) | Type::Saved => {
            json!({ "$ref": "#/$defs/reference" })
        }
        Type::List(of) => {
            let item = json!({ "anyOf": [{ "$ref": "#/$defs/reference" }, value(of, input)] });
            // One value stands for a list of it.
            json!({ "anyOf": [{ "type": "array", "items": item }, value(of, input)] })
        }
        Type::Optional(of) => value(of, input),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of(name: &str, kinds: &[&str]) -> String {
        let specs: Vec<NodeSpec> = kinds.iter().map(|kind| NodeSpec::new(kind, 1, "")).collect();
        schema(&specs)["properties"]["nodes"]["additionalProperties"]["properties"][name].to_string()
    }

    #[test]
    fn a_kind_without_a_maker_keeps_its_name() {
        for kinds in [["acme.resize", "resize"], ["resize", "acme.resize"]] {
            assert_eq!(place_of("resize", &kinds), r##"{"$ref":"#/$defs/kind-resize"}"##);
        }
    }

    #[test]
    fn a_name_that_several_makers_share_means_any_of_theirs() {
        assert_eq!(place_of("glow", &["acme.glow"]), r##"{"$ref":"#/$defs/kind-acme.glow"}"##);
        assert_eq!(
            place_of("glow", &["acme.glow", "other.glow"]),
            r##"{"anyOf":[{"$ref":"#/$defs/kind-acme.glow"},{"$ref":"#/$defs/kind-other.glow"}]}"##
        );
    }
}
