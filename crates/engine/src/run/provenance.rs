//! What a written picture may say of how it was made.
//!
//! ```json
//! {"format": 1, "program": "rondel 0.1.0",
//!  "graph": {"name": "text_to_image", "text": "…", "imports": {"lib/fit.ron": "…"}},
//!  "inputs": {"prompt": "…", "seed": 7}, "set": {"seed": "7"}, "by_hand": [], "swaps": {"klein": "tiny-flux2"},
//!  "models": {"tiny-flux2": {"family": "Flux2", "name": "tiny-flux2", "parts": {"vae": "…"}}},
//!  "kinds": {"encode": 1, "save": 1}}
//! ```
//!
//! `set` and `swaps` are what `--set` and `--model` take to make it again; `by_hand` are inputs that no text stands for. No folder
//! of the machine is in it: of a file that was given as an input there is only the name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use rondel_value::ModelRef;
use serde::{Deserialize, Serialize};

use crate::imports::imports;
use crate::plan::{InputValue, Plan, Repeat, Slot, StepId};

/// The version of the form.
pub const FORMAT: u32 = 1;

/// How a picture was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Made {
    pub format: u32,
    pub program: String,
    pub graph: GraphText,
    pub inputs: serde_json::Map<String, serde_json::Value>,
    /// Input to the text after `--set`; those that the graph sets anyway are left out.
    #[serde(default)]
    pub set: IndexMap<String, String>,
    /// Inputs that have to be given again and that no text stands for.
    #[serde(default)]
    pub by_hand: Vec<String>,
    /// Name of a model in the graph to that of the weights in its place.
    #[serde(default)]
    pub swaps: BTreeMap<String, String>,
    /// By the name of the weights, with what is done to them.
    pub models: BTreeMap<String, ModelRef>,
    /// Kind to version.
    pub kinds: BTreeMap<String, u32>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GraphText {
    pub name: String,
    pub text: String,
    /// Imported files by the path under which they are imported, relative to the graph.
    pub imports: BTreeMap<String, String>,
}

/// Written when first asked for: most runs write no picture.
pub struct Provenance {
    plan: Arc<Plan>,
    program: String,
    /// What is the same at all points of a sweep.
    made: OnceLock<Made>,
}

impl Provenance {
    pub fn new(plan: Arc<Plan>, program: String) -> Provenance {
        Provenance { plan, program, made: OnceLock::new() }
    }

    /// What a step may say, with the inputs of its point.
    pub fn text(&self, step: StepId) -> String {
        let made = self.made.get_or_init(|| describe(&self.plan, &self.program));
        let text = match self.plan.points.is_sweep() {
            true => serde_json::to_string(&at_point(&self.plan, made, self.plan.step(step).point)),
            false => serde_json::to_string(made),
        };
        text.expect("text, numbers and digests")
    }
}

fn at_point(plan: &Plan, made: &Made, point: usize) -> Made {
    let mut made = made.clone();
    for (name, input) in plan.points.inputs(point) {
        made.inputs.insert(name.clone(), without_folders(input));
        match (input.repeat.text(), &input.repeat) {
            (Some(text), _) => drop(made.set.insert(name.clone(), text)),
            (None, Repeat::ByHand) => made.by_hand.push(name.clone()),
            (None, _) => {}
        }
    }
    made
}

fn describe(plan: &Plan, program: &str) -> Made {
    let graph = &plan.graph;
    let imports = imports(graph).into_iter().map(|(path, imported)| (path, imported.text.to_string())).collect();
    let mut models = BTreeMap::new();
    let mut kinds = BTreeMap::new();
    for step in plan.steps.node_weights() {
        kinds.insert(step.spec.kind.clone(), step.spec.version);
        for slot in &step.slots {
            if let Slot::Model(model) = slot {
                models.insert(model.to_string(), ModelRef::clone(model));
            }
        }
    }
    Made {
        format: FORMAT,
        program: program.to_owned(),
        graph: GraphText { name: graph.name.clone(), text: graph.text.to_string(), imports },
        inputs: plan.inputs.iter().map(|(name, input)| (name.clone(), without_folders(input))).collect(),
        set: plan.inputs.iter().filter_map(|(name, input)| Some((name.clone(), input.repeat.text()?))).collect(),
        by_hand: names(plan, |input| input.repeat == Repeat::ByHand),
        swaps: plan.swaps.clone(),
        models,
        kinds,
    }
}

fn names(plan: &Plan, is_meant: impl Fn(&InputValue) -> bool) -> Vec<String> {
    plan.inputs.iter().filter(|(_, input)| is_meant(input)).map(|(name, _)| name.clone()).collect()
}

/// An input, with nothing but the names of files.
fn without_folders(input: &InputValue) -> serde_json::Value {
    fn cut(json: &serde_json::Value) -> serde_json::Value {
        match json {
            serde_json::Value::String(path) => {
                Path::new(path).file_name().map_or(path.as_str().into(), |name| name.to_string_lossy().into())
            }
            serde_json::Value::Array(items) => items.iter().map(cut).collect(),
            other => other.clone(),
        }
    }
    if input.is_file { cut(&input.json) } else { input.json.clone() }
}
