//! Steps that hand on one of several alternatives, and compute nothing: `first_ok`, and `choose` where a step says which.
//!
//! They are no kinds of a plugin, because they return whatever type their alternatives have, and because only the dispatcher
//! can ask for one alternative after the other.
//!
//! In a *recipe* the result of `first_ok` is the result of its first alternative: a graph that gets a fallback keeps its keys, and
//! what was made from a fallback is never known under the recipe of what it stood in for. What stands in the recipe of a step
//! below once another alternative was taken is in `run/dispatcher/lazy.rs`. The recipe of `choose` is made of all its
//! branches, because which one is taken is not known yet; the *content* is that of the one that was.

use std::sync::Arc;

use rondel_cache::{Record, Stored, StoredValue};
use rondel_plugin::NodeKind;
use rondel_value::{Digest, InputSpec, NodeSpec, OutputSpec, Type, Value};

use super::keys;
use super::{Plan, Slot, Step, StepId};

/// Who makes the result of a step.
pub enum Work {
    Plugin(Arc<NodeKind>),
    /// The first of the slots that can be made.
    FirstOk {
        /// How each alternative is written.
        names: Vec<String>,
    },
    /// The slot after the one whose key is the value of the first slot.
    Choose {
        keys: Vec<Value>,
        names: Vec<String>,
    },
}

/// The value of a constant that stands for a branch of `choose`.
pub fn branch(keys: &[Value], on: &Value) -> Option<usize> {
    let plain = match on {
        // A choice with fields.
        Value::Json(json) => {
            json.to_value().as_object().and_then(|fields| fields.keys().next().cloned()).map(Value::text)
        }
        _ => None,
    };
    keys.iter().position(|key| *key == *plain.as_ref().unwrap_or(on))
}

impl Step {
    /// The kind that runs; only for steps of a plugin.
    pub fn plugin(&self) -> &Arc<NodeKind> {
        match &self.work {
            Work::Plugin(kind) => kind,
            _ => unreachable!("alternatives are handed on, and never run"),
        }
    }

    pub fn is_lazy(&self) -> bool {
        !matches!(self.work, Work::Plugin(_))
    }

    /// How its alternatives are written.
    pub fn names(&self) -> &[String] {
        match &self.work {
            Work::Plugin(_) => &[],
            Work::FirstOk { names } | Work::Choose { names, .. } => names,
        }
    }

    /// One of its alternatives.
    pub fn alternative(&self, turn: usize) -> &Slot {
        match &self.work {
            Work::Choose { .. } => &self.slots[turn + 1],
            _ => &self.slots[turn],
        }
    }

    /// The slots without which it cannot go on, where `turn` is the alternative that it is at, if that is known.
    pub fn asked(&self, turn: Option<usize>) -> Vec<&Slot> {
        match &self.work {
            Work::Plugin(_) => self.slots.iter().collect(),
            Work::FirstOk { .. } => vec![self.alternative(turn.unwrap_or(0))],
            Work::Choose { .. } => {
                std::iter::once(&self.slots[0]).chain(turn.map(|turn| self.alternative(turn))).collect()
            }
        }
    }

    /// What stands in a recipe for one of its outputs.
    ///
    /// `recipe` is that of the step, or what it is once another alternative was taken, which is then `turn`.
    pub fn recipe_of_output(&self, recipe: &Digest, turn: usize, port: usize) -> Digest {
        match &self.work {
            Work::FirstOk { .. } if port == 0 => *recipe,
            Work::FirstOk { names } => {
                let mut hasher = blake3::Hasher::new();
                hasher.update(b"source").update(&recipe.0).update(names[turn].as_bytes());
                hasher.finalize().into()
            }
            _ => keys::recipe_of_output(recipe, port),
        }
    }
}

impl Slot {
    /// The steps whose results it takes.
    pub fn steps(&self) -> Vec<StepId> {
        let mut steps = Vec::new();
        self.for_each_step(&mut |step| steps.push(step));
        steps
    }

    /// The outputs of steps that it takes.
    pub fn outputs(&self) -> Vec<(StepId, usize)> {
        match self {
            Slot::Step { step, port } => vec![(*step, *port)],
            Slot::List(items) => items.iter().flat_map(Slot::outputs).collect(),
            Slot::Value(_) | Slot::Model(_) | Slot::File { .. } => Vec::new(),
        }
    }
}

/// The record of what a step hands on, if the records of all that it takes from there are known.
pub fn handed_on<'a>(
    plan: &Plan,
    id: StepId,
    turn: usize,
    record: &impl Fn(StepId) -> Option<&'a Record>,
) -> Option<Record> {
    let step = plan.step(id);
    let stored = stored(step.alternative(turn), record)?;
    let mut outputs = vec![Stored { port: step.spec.outputs[0].name.clone(), ..stored }];
    if let Some(source) = step.spec.outputs.get(1) {
        outputs.push(Stored::of(&source.name, &Value::text(step.names()[turn].as_str())));
    }
    let (kind, version) = (step.spec.kind.clone(), step.spec.version);
    Some(Record { kind, version, outputs, ms: 0.0, peak_bytes: 0, at: 0, parts: Vec::new() })
}

/// What stands at a slot, without fetching any of it. Its digest is what the slot itself would be in a key.
fn stored<'a>(slot: &Slot, record: &impl Fn(StepId) -> Option<&'a Record>) -> Option<Stored> {
    Some(match slot {
        Slot::Step { step, port } => record(*step)?.outputs[*port].clone(),
        Slot::Value(value) => Stored::of("", value),
        Slot::Model(model) => Stored::of("", &model.to_value()),
        // Only a port of a plugin's kind takes a file by its path.
        Slot::File { .. } => return None,
        Slot::List(items) => {
            let items: Vec<Stored> = items.iter().map(|item| self::stored(item, record)).collect::<Option<_>>()?;
            Stored {
                port: String::new(),
                digest: keys::list_digest(items.iter().map(|item| &item.digest)),
                bytes: items.iter().map(|item| item.bytes).sum(),
                value: StoredValue::List(items.into_iter().map(|item| item.value).collect()),
            }
        }
    })
}

/// What is known of the step itself, in the form in which kinds of plugins say it.
pub fn spec(kind: &str, inputs: Vec<(String, Type)>, outputs: Vec<(&str, Type)>) -> NodeSpec {
    NodeSpec {
        inputs: inputs.into_iter().map(|(name, ty)| InputSpec::new(&name, ty, "")).collect(),
        outputs: outputs.into_iter().map(|(name, ty)| OutputSpec::new(name, ty, "")).collect(),
        ..NodeSpec::new(kind, 1, "")
    }
}
