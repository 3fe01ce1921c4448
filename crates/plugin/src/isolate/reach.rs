//! What a child may reach for one run, as far as its kind declares it.
//!
//! ```text
//! always                    the system's libraries, its own copy, a folder for what is temporary
//! an input of type Model    the files of the parts that the input names
//! an input that is a file   that file, if it was given one
//! `effect`                  the folder that the run writes to
//! lane `net`                the network
//! lane `gpu`                devices
//! ```

use std::collections::BTreeSet;
use std::path::PathBuf;

use rondel_value::{InputSpec, Lane, ModelRef, NodeSpec, Type, Value};
use serde::{Deserialize, Serialize};

use crate::call::CallHost;

/// What a child may reach beside what all may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reach {
    /// Files that may be read.
    pub(super) reads: BTreeSet<PathBuf>,
    /// The folder that may be written to.
    pub(super) writes: Option<PathBuf>,
    pub(super) network: bool,
    pub(super) devices: bool,
}

impl Reach {
    /// What a run of this kind with these inputs may reach.
    pub(super) fn of_run(spec: &NodeSpec, inputs: &[Value], call: &dyn CallHost) -> Reach {
        Reach { writes: spec.effect.then(|| call.output_folder()), ..Reach::of_estimate(spec, inputs, call) }
    }

    /// What it may reach to say what a run would need: nothing to write to, and else the same, so that the run finds the child.
    pub(super) fn of_estimate(spec: &NodeSpec, inputs: &[Value], call: &dyn CallHost) -> Reach {
        let (network, devices) = (spec.lane == Lane::Net, spec.lane == Lane::Gpu);
        let mut reach = Reach { network, devices, ..Reach::default() };
        for (input, value) in spec.inputs.iter().zip(inputs) {
            reach.add(input, &input.ty, value, call);
        }
        reach
    }

    fn add(&mut self, input: &InputSpec, ty: &Type, value: &Value, call: &dyn CallHost) {
        match (ty, value) {
            (Type::Optional(ty), value) => self.add(input, ty, value, call),
            (Type::List(ty), Value::List(items)) => items.iter().for_each(|item| self.add(input, ty, item, call)),
            (Type::Model(_), value) => {
                let Some(model) = ModelRef::from_value(value) else { return };
                let all = || model.parts.keys().cloned().collect();
                let mut parts: Vec<String> = if input.parts.is_empty() { all() } else { input.parts.clone() };
                parts.extend((0..model.loras.len()).map(|index| format!("lora.{index}")));
                // A part that is not there is told when the node asks for it.
                let files = parts.iter().filter_map(|part| call.model_part(&model, part).ok()).flatten();
                self.reads.extend(files.filter(|file| file.is_file()));
            }
            // Neither a default, which the plugin chose, nor what another step says opens a file, and none opens a folder.
            (Type::Text, Value::Text(path)) if input.file && call.gave_file(&input.name) => {
                self.reads.extend(Some(PathBuf::from(&**path)).filter(|file| file.is_file()));
            }
            _ => {}
        }
    }

    /// Whether a child with this reach may do what takes that one. What it may read can be more: what its plugin was given
    /// before, it may have kept in mind anyway. The rest is exactly what the kind declares.
    pub(super) fn covers(&self, other: &Reach) -> bool {
        let declared = |reach: &Reach| (reach.writes.clone(), reach.network, reach.devices);
        self.reads.is_superset(&other.reads) && declared(self) == declared(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(reads: &[&str], writes: Option<&str>, network: bool) -> Reach {
        let reads = reads.iter().map(PathBuf::from).collect();
        Reach { reads, writes: writes.map(PathBuf::from), network, devices: false }
    }

    #[test]
    fn more_covers_less_and_another_folder_covers_nothing() {
        let wide = reach(&["/a", "/b"], Some("/out"), true);
        assert!(wide.covers(&reach(&["/b"], Some("/out"), true)) && wide.covers(&wide));
        assert!(!wide.covers(&reach(&["/b"], None, true)), "nor does who declares no effect find where to write");
        assert!(
            !wide.covers(&reach(&["/b"], None, false)),
            "who does not declare the network does not get it by chance"
        );
        assert!(!wide.covers(&reach(&["/c"], None, true)));
        assert!(!wide.covers(&reach(&[], Some("/other"), true)));
        assert!(!reach(&["/a"], None, false).covers(&reach(&[], None, true)));
        assert!(!reach(&["/a"], None, false).covers(&reach(&[], Some("/out"), false)));
    }
}
