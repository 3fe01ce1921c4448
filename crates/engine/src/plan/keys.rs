//! The two keys of a step.
//!
//! Both are the blake3 of a domain and the step's [`Part`]s: each a port with the digest of what stands there. They differ in
//! what stands for a result of another step: in the *recipe key* that step's recipe key, so that the whole plan is
//! known before anything runs; in the *action key* the content, so that a step is known when what it takes came out as it was.
//!
//! What enters, and nothing else: kind, version, the user's `salt`, the class of the device, and every input that is set, in
//! canonical form with defaults filled in. Not the names of nodes and files, nor labels, nor time. An effect adds the
//! folder that it writes to. While plugins are worked on (`rondel watch`), the content of a plugin's file enters, too; and of a
//! model that others run, what its name stands for here, where that is not what everybody calls so.

use std::path::Path;

use rondel_cache::Part;
use rondel_graph::With;
use rondel_value::{Digest, InputSpec, NodeSpec, Value};

use crate::plan::flatten::Meaning;
use crate::plan::{Slot, StepId};

/// Results may differ between classes of devices in their last bits, so keys name the class.
const DEVICE_CLASS: &str = "cpu";

/// Stands before the names of parts that are no ports, and in no name of a port.
pub const FIXED: char = '#';

/// The content of a plugin's file.
pub const BUILD: &str = "#plugin";

/// Raised when the way of making keys changes; old results are then not found any more.
const VERSION: u32 = 1;

/// Which of the two keys is made.
#[derive(Clone, Copy)]
pub enum Domain {
    Recipe,
    Action,
}

/// The key that some parts make.
pub fn key(domain: Domain, parts: &[Part]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    let name = match domain {
        Domain::Recipe => "rondel recipe",
        Domain::Action => "rondel action",
    };
    hasher.update(name.as_bytes()).update(&VERSION.to_le_bytes());
    for part in parts {
        hasher.update(&(part.port.len() as u64).to_le_bytes()).update(part.port.as_bytes()).update(&part.digest.0);
    }
    hasher.finalize().into()
}

fn fixed(name: &str, text: String) -> Part {
    Part { port: format!("{FIXED}{name}"), digest: Digest::of(text.as_bytes()), shown: text }
}

/// The parts that are of the machine and the moment: the content of the plugin, where it counts, and what the names of hosted
/// models stand for, which `meaning` tells where it is not what everybody means.
pub fn besides(spec: &NodeSpec, slots: &[Slot], code: Option<Digest>, meaning: Option<Meaning<'_>>) -> Vec<Part> {
    let code = code.map(|code| Part { port: BUILD.to_owned(), digest: code, shown: code.short().to_string() });
    let names = spec.inputs.iter().zip(slots).filter(|(input, _)| input.hosted);
    let meant = names.filter_map(|(input, slot)| match slot {
        Slot::Value(Value::Text(name)) => Some(fixed(&format!("hosted {}", input.name), meaning?(name)?)),
        _ => None,
    });
    code.into_iter().chain(meant).collect()
}

/// The parts of a step's key.
///
/// `result` gives the digest that stands for an output of another step and how to show it; where it gives none, the part is
/// left out, which makes no key but serves to compare what is known. `besides` is what [`besides`] gave when the step was planned.
pub fn parts(
    spec: &NodeSpec,
    slots: &[Slot],
    with: &With,
    besides: &[Part],
    out: &Path,
    mut result: impl FnMut(StepId, usize) -> Option<(Digest, String)>,
) -> Vec<Part> {
    let mut parts = Vec::with_capacity(slots.len() + 3);
    parts.push(fixed("kind", spec.kind.clone()));
    parts.push(fixed("version", spec.version.to_string()));
    parts.push(fixed("device", DEVICE_CLASS.to_owned()));
    parts.extend_from_slice(besides);
    if with.salt != 0 {
        parts.push(fixed("salt", with.salt.to_string()));
    }
    if spec.effect {
        parts.push(fixed("out", out.display().to_string()));
    }
    for (input, slot) in spec.inputs.iter().zip(slots) {
        if let Some((digest, shown)) = part(input, slot, &mut result) {
            parts.push(Part { port: input.name.clone(), digest, shown });
        }
    }
    parts
}

/// What stands for a slot; none for an optional input that is not set, so that a new one keeps old keys, and none for one that
/// decides nothing about the result.
fn part(
    input: &InputSpec,
    slot: &Slot,
    result: &mut impl FnMut(StepId, usize) -> Option<(Digest, String)>,
) -> Option<(Digest, String)> {
    match slot {
        _ if input.unkeyed => None,
        Slot::Value(Value::None) => None,
        Slot::Value(value) => Some((value.digest(), value.display(60))),
        Slot::Model(model) => Some((model.digest(&input.parts), model.to_string())),
        Slot::File { path, digest } => {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            Some((*digest, format!("{name} ({})", digest.short())))
        }
        Slot::Step { step, port } => result(*step, *port),
        Slot::List(items) => {
            let items: Vec<_> = items.iter().map(|item| part(input, item, result)).collect::<Option<_>>()?;
            let digest = list_digest(items.iter().map(|(digest, _)| digest));
            let shown: Vec<String> = items.into_iter().map(|(_, shown)| shown).collect();
            Some((digest, format!("[{}]", shown.join(", "))))
        }
    }
}

/// What stands for a list of which not every item is a constant.
pub fn list_digest<'a>(items: impl Iterator<Item = &'a Digest>) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"list");
    for digest in items {
        hasher.update(&digest.0);
    }
    hasher.finalize().into()
}

/// What stands in a recipe key for an output of a step.
pub fn recipe_of_output(recipe: &Digest, port: usize) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"output").update(&recipe.0).update(&(port as u64).to_le_bytes());
    hasher.finalize().into()
}
