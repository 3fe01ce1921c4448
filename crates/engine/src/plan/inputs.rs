//! The values of a graph's inputs, from the command line, a preset, or the file.

use indexmap::IndexMap;
use rondel_graph::{Diagnostic, Expr, Graph};

/// What a caller gives for the inputs of a graph.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The name of one of the graph's presets.
    pub preset: Option<String>,
    /// Input to text, as after `--set`; of two for one input the later holds.
    pub set: Vec<(String, String)>,
}

/// Where the value of an input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    Preset(String),
    Set,
}

impl Origin {
    /// As shown beside a value.
    pub fn words(&self) -> String {
        match self {
            Origin::Default => "default".to_owned(),
            Origin::Preset(name) => format!("preset {name}"),
            Origin::Set => "--set".to_owned(),
        }
    }
}

/// The value of an input as it goes into a plan.
#[derive(Clone, Debug)]
pub struct InputValue {
    /// For reports; a drawn seed is the number that was drawn, a file its path.
    pub json: serde_json::Value,
    pub origin: Origin,
}

/// Chooses for each input what holds: `--set` before preset before default. Every mistake is reported.
pub fn choose(graph: &Graph, given: &Given) -> Result<IndexMap<String, (Expr, Origin)>, Vec<Diagnostic>> {
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
                for (name, arg) in values {
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
    mistakes.extend(rondel_graph::missing_inputs(graph, |name| chosen.contains_key(name)));
    // In the graph's order, whatever the order in which they were given.
    chosen.sort_by_cached_key(|name, _| graph.inputs.get_index_of(name));
    match mistakes.is_empty() {
        true => Ok(chosen),
        false => Err(mistakes),
    }
}
