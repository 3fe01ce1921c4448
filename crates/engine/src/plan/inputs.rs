//! The values of a graph's inputs, from the command line, a preset, or the file.

mod sweeping;

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use rondel_graph::{Diagnostic, Expr, Graph, Source};
use rondel_value::{Type, Value};

pub use sweeping::ChosenFactor;

/// What a caller gives for the inputs of a graph.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The name of one of the graph's presets.
    pub preset: Option<String>,
    /// Input to text, as after `--set`; of two for one input the later holds.
    pub set: Vec<(String, String)>,
    /// What is swept over; each multiplies the points.
    pub sweeps: Vec<Sweeping>,
    /// A file of points, one a line.
    pub batch: Option<Arc<Source>>,
    /// Inputs of which a preset says nothing, whatever it says.
    pub beyond_presets: BTreeSet<String>,
}

/// One thing to sweep over.
#[derive(Clone, Debug)]
pub enum Sweeping {
    /// One of the graph's sweeps, by its name.
    Named(String),
    /// An input and its values.
    Axis((String, AxisText)),
    /// Inputs that move together.
    Zip(Vec<(String, AxisText)>),
}

/// The values of an axis as they were given.
#[derive(Clone, Debug)]
pub enum AxisText {
    /// As after `--sweep name=`.
    Values(String),
    /// Each by itself.
    Lines(Vec<String>),
}

/// Where the value of an input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    Preset(String),
    /// A line of a batch file, as `batch.jsonl:3`.
    Batch(String),
    Set,
    /// A sweep of the graph, by its name.
    Sweep(String),
    /// A sweep of the command line, by its option: `--sweep`, or `--zip` for inputs that move together.
    Swept(&'static str),
}

impl Origin {
    /// As shown beside a value.
    pub fn words(&self) -> String {
        match self {
            Origin::Default => "default".to_owned(),
            Origin::Preset(name) => format!("preset {name}"),
            Origin::Batch(line) => line.clone(),
            Origin::Set => "--set".to_owned(),
            Origin::Sweep(name) => format!("sweep {name}"),
            Origin::Swept(option) => (*option).to_owned(),
        }
    }

    /// The option with which a sweep is given.
    pub fn option(&self) -> &'static str {
        match self {
            Origin::Swept(option) => option,
            _ => "--sweep",
        }
    }
}

/// The value of an input as it goes into a plan.
#[derive(Clone, Debug)]
pub struct InputValue {
    /// For reports; a drawn seed is the number that was drawn, a file its path.
    pub json: serde_json::Value,
    pub origin: Origin,
    /// Whether the JSON is a path, or a list of them.
    pub is_file: bool,
    pub repeat: Repeat,
}

/// How to give the value again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It is what the graph says anyway.
    Default,
    /// With `--set`, as this text.
    Set(String),
    /// There is no text that stands for it everywhere, as for a file.
    ByHand,
}

impl Repeat {
    /// The text after `--set name=`, if that is how.
    pub fn text(&self) -> Option<String> {
        match self {
            Repeat::Set(text) => Some(text.clone()),
            Repeat::Default | Repeat::ByHand => None,
        }
    }

    /// How to give a constant again.
    pub fn of(value: &Value, ty: &Type) -> Repeat {
        set_text(value, ty.required()).map_or(Repeat::ByHand, Repeat::Set)
    }
}

/// The text after `--set name=` that is read as this value.
fn set_text(value: &Value, ty: &Type) -> Option<String> {
    Some(match (ty, value) {
        // Read as the name of a file, and as standard input.
        (Type::Text, Value::Text(text)) if text.starts_with('@') || **text == *"-" => return None,
        (Type::Text, Value::Text(text)) => text.to_string(),
        (Type::Size, Value::Pair([width, height])) => format!("{width}x{height}"),
        (Type::Duration, Value::Int(ns)) if ns % 1_000_000_000 == 0 => format!("{}s", ns / 1_000_000_000),
        (Type::Duration, Value::Int(ns)) if ns % 1_000_000 == 0 => format!("{}ms", ns / 1_000_000),
        (Type::Json, Value::Json(json)) => json.as_str().to_owned(),
        (ty, value) => literal(value, ty)?,
    })
}

/// The value as it stands in a graph file.
fn literal(value: &Value, ty: &Type) -> Option<String> {
    Some(match (ty, value) {
        (Type::Bool | Type::Int | Type::Float | Type::Seed, value) => value.display(usize::MAX),
        (Type::Text, Value::Text(text)) => serde_json::Value::from(&**text).to_string(),
        (Type::Size, Value::Pair([width, height])) => format!("({width}, {height})"),
        (Type::Choice(_), Value::Text(name)) => name.to_string(),
        (Type::Choice(_), Value::Json(json)) => {
            let json = json.to_value();
            let (name, fields) = json.as_object()?.iter().next()?;
            let fields: Vec<String> =
                fields.as_object()?.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            format!("{name}({})", fields.join(", "))
        }
        (Type::List(inner), Value::List(items)) => {
            let items: Option<Vec<String>> = items.iter().map(|item| literal(item, inner)).collect();
            format!("[{}]", items?.join(", "))
        }
        _ => return None,
    })
}

/// What holds for the inputs of a graph.
pub struct Chosen {
    /// Of inputs that are the same at all points.
    pub fixed: IndexMap<String, (Expr, Origin)>,
    pub factors: Vec<ChosenFactor>,
}

/// Chooses for each input what holds: a sweep before `--set` before a batch file before preset before default. Every mistake is
/// reported.
pub fn choose(graph: &Graph, given: &Given) -> Result<Chosen, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let mut chosen: IndexMap<String, (Expr, Origin)> = IndexMap::new();
    for (name, input) in &graph.inputs {
        if let Some(default) = &input.default {
            chosen.insert(name.clone(), (default.clone(), Origin::Default));
        }
    }
    if let Some(preset) = &given.preset {
        match rondel_graph::preset(graph, preset) {
            Ok(values) => {
                for (name, arg) in values.iter().filter(|(name, _)| !given.beyond_presets.contains(*name)) {
                    chosen.insert(name.clone(), (arg.expr.clone(), Origin::Preset(preset.clone())));
                }
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    for (name, text) in &given.set {
        match rondel_graph::set_input(graph, name, text) {
            Ok(expr) => {
                chosen.insert(name.clone(), (expr, Origin::Set));
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    let factors = sweeping::factors(graph, given, &chosen, &mut mistakes);
    let is_swept = |name: &str| factors.iter().any(|factor| factor.axes.contains_key(name));
    mistakes.extend(rondel_graph::missing_inputs(graph, |name| chosen.contains_key(name) || is_swept(name)));
    chosen.retain(|name, _| !is_swept(name));
    // In the graph's order, whatever the order in which they were given.
    chosen.sort_by_cached_key(|name, _| graph.inputs.get_index_of(name));
    match mistakes.is_empty() {
        true => Ok(Chosen { fixed: chosen, factors }),
        false => Err(mistakes),
    }
}

#[cfg(test)]
mod tests {
    use rondel_value::{Json, coerce};

    use super::*;

    #[test]
    fn a_value_is_written_as_set_reads_it() {
        let text = |json: serde_json::Value, ty: &str| {
            let ty: Type = ty.parse().unwrap();
            set_text(&coerce::from_json(&json, &ty).unwrap(), &ty)
        };
        assert_eq!(text(7.into(), "Seed").unwrap(), "7");
        assert_eq!(text("a fox".into(), "Text").unwrap(), "a fox");
        assert_eq!(text("@home".into(), "Text"), None);
        assert_eq!(text(serde_json::json!([64, 48]), "Size").unwrap(), "64x48");
        assert_eq!(text(90_000_000_000i64.into(), "Duration").unwrap(), "90s");
        assert_eq!(text(serde_json::json!([3, 4]), "List<Int>").unwrap(), "[3, 4]");
        assert_eq!(text(serde_json::json!(["a", "b"]), "List<Text>").unwrap(), r#"["a", "b"]"#);
        let shifted = serde_json::json!({"Shifted": {"mu": 2.0}});
        assert_eq!(text(shifted, "Choice(Auto, Shifted(mu: Float))").unwrap(), "Shifted(mu: 2.0)");
        let json = Value::Json(Json::parse(r#"{"a": 1}"#).unwrap());
        assert_eq!(set_text(&json, &Type::Json).unwrap(), r#"{"a":1}"#);
    }
}
