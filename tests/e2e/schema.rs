//! Graphs of the source tree are what the schema says, and wrong ones are not.

use std::fs;

use serde_json::{Value, json};

use crate::fixture::{Project, root};

/// Why a value is not what a schema says; none if it is. Knows the words that the schema uses, and no others.
fn mistake(value: &Value, schema: &Value, whole: &Value) -> Option<String> {
    let Value::Object(words) = schema else {
        return (schema != &json!(true)).then(|| "nothing may stand here".to_owned());
    };
    let number = |word: &Value| word.as_f64().expect("a number");
    words.iter().find_map(|(word, meant)| match word.as_str() {
        "$schema" | "title" | "description" | "default" | "$defs" => None,
        "$ref" => {
            let place = meant.as_str().and_then(|place| place.strip_prefix("#")).expect("a place in the schema");
            mistake(value, whole.pointer(place).expect("a definition"), whole)
        }
        "type" => {
            let is = |name: &Value| match name.as_str().expect("a type") {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                other => panic!("{other}"),
            };
            let is_one = meant.as_array().map_or_else(|| is(meant), |types| types.iter().any(is));
            (!is_one).then(|| format!("{value} is no {meant}"))
        }
        "const" => (value != meant).then(|| format!("{value} is not {meant}")),
        "enum" => (!meant.as_array()?.contains(value)).then(|| format!("{value} is none of {meant}")),
        "minimum" => value.as_f64().filter(|n| *n < number(meant)).map(|n| format!("{n} is too small")),
        "maximum" => value.as_f64().filter(|n| *n > number(meant)).map(|n| format!("{n} is too large")),
        "multipleOf" => value.as_f64().filter(|n| n % number(meant) != 0.0).map(|n| format!("{n} is no multiple")),
        "minItems" => (value.as_array()?.len() < number(meant) as usize).then(|| "too few".to_owned()),
        "maxItems" => (value.as_array()?.len() > number(meant) as usize).then(|| "too many".to_owned()),
        "minProperties" => (value.as_object()?.len() < number(meant) as usize).then(|| "too few".to_owned()),
        "maxProperties" => (value.as_object()?.len() > number(meant) as usize).then(|| "too many".to_owned()),
        "required" => {
            let missing = |name: &&Value| value.get(name.as_str().expect("a name")).is_none();
            let missing = value.as_object().and_then(|_| meant.as_array()?.iter().find(missing));
            missing.map(|name| format!("{name} is missing"))
        }
        "items" => value.as_array()?.iter().find_map(|item| mistake(item, meant, whole)),
        "anyOf" => {
            let all: Vec<_> = meant.as_array()?.iter().map(|one| mistake(value, one, whole)).collect();
            (all.iter().all(Option::is_some)).then(|| format!("{value}: {all:?}"))
        }
        "properties" => meant.as_object()?.iter().find_map(|(name, of)| mistake(value.get(name)?, of, whole)),
        "additionalProperties" => {
            let known = words.get("properties").and_then(Value::as_object);
            let is_more = |name: &str| known.is_none_or(|known| !known.contains_key(name));
            let more = value.as_object()?.iter().filter(|(name, _)| is_more(name));
            more.filter(|_| meant != &json!(true)).find_map(|(name, item)| match meant {
                Value::Bool(false) => Some(format!("`{name}` is unknown")),
                schema => mistake(item, schema, whole),
            })
        }
        other => panic!("the test knows nothing of `{other}`"),
    })
}

fn print(project: &Project, args: &[&str]) -> Value {
    let said = project.rondel(&[&["schema"], args].concat());
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    serde_json::from_str(&said.stdout).expect("JSON")
}

#[test]
fn graphs_are_what_the_schema_says() {
    let project = Project::new();
    let schema = print(&project, &[]);
    let mut n_graphs = 0;
    for folder in ["graphs", "graphs/lib"] {
        for file in fs::read_dir(root().join(folder)).expect("graphs").map(|entry| entry.expect("an entry").path()) {
            let is_graph = fs::read_to_string(&file).is_ok_and(|text| text.lines().any(|line| line == "Graph("));
            if is_graph && file.extension().is_some_and(|extension| extension == "ron") {
                let graph = print(&project, &["--graph", file.to_str().expect("letters")]);
                assert_eq!(mistake(&graph, &schema, &schema), None, "{}", file.display());
                n_graphs += 1;
            }
        }
    }
    assert!(n_graphs > 8);
}

#[test]
fn what_is_wrong_in_a_graph_is_wrong_by_the_schema() {
    let project = Project::new();
    project.build_c("plugins", "glow", "#include <glow.c>");
    let schema = print(&project, &[]);
    let cases = [
        ("solid(size: (64, 64))", None),
        ("solid(size: 64)", Some("64 is no")),
        ("invert()", Some("\"image\" is missing")),
        ("invert(image: other, imag: other)", Some("`imag` is unknown")),
        ("glow(image: other(image), lift: 0.5)", None),
        ("glow(image: other, lift: 2.0)", Some("is too large")),
        ("resize(image: File(\"a.png\"), filter: Nearest)", None),
        ("resize(image: File(\"a.png\"), filter: Nearst)", Some("none of")),
        ("myself(anything: 1)", None),
    ];
    for (node, expected) in cases {
        project.write("case.ron", &format!("Graph(format: 1, nodes: (n: {node}))"));
        let graph = print(&project, &["--graph", "case.ron"]);
        let found = mistake(&graph, &schema, &schema);
        assert_eq!(found.is_some(), expected.is_some(), "{node}: {found:?}");
        assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{node}");
    }
}
