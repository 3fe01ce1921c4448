//! What a run is for: outputs and effects, at every point.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rondel_graph::Graph;

use super::{Made, PlanError, Planner, Scope};
use crate::plan::{Edge, Output, Plan, Slot, StepId};

/// What was found to be wanted at the points so far.
#[derive(Default)]
pub(super) struct Gathered {
    pub outputs: Vec<Output>,
    by_name: HashMap<String, usize>,
    wanted: HashSet<StepId>,
    /// The steps of the file's own nodes, if nothing says what the graph is for.
    own: HashSet<StepId>,
    /// Which names of `only` were met.
    met: HashSet<String>,
}

impl Gathered {
    fn want(&mut self, slot: &Slot) {
        slot.for_each_step(&mut |id| {
            self.wanted.insert(id);
        });
    }

    /// Notes an output; points that have it in common note it once.
    fn output(&mut self, name: String, slot: Slot) -> usize {
        if let Some(index) = self.by_name.get(&name) {
            return *index;
        }
        self.want(&slot);
        self.by_name.insert(name.clone(), self.outputs.len());
        self.outputs.push(Output { name, slot });
        self.outputs.len() - 1
    }
}

impl Planner<'_> {
    /// Notes what is wanted at the point that is planned now.
    pub(super) fn gather(&mut self, root: &mut Scope, only: &[String], gathered: &mut Gathered) {
        let graph = root.graph.clone();
        let mut at_point = Vec::new();
        for (name, output) in &graph.outputs {
            let axes = self.axes(root, &output.expr);
            let full = format!("{name}{}", self.points.suffix(axes, self.point));
            let meant = only.iter().find(|only| *only == name || **only == full);
            gathered.met.extend(meant.cloned());
            if only.is_empty() || meant.is_some() {
                let slot = self.output(root, name, output, axes);
                at_point.push(gathered.output(full, slot));
            }
        }
        for (name, made) in graph.nodes.keys().filter_map(|name| Some((name, root.nodes.get(name)?))) {
            if only.contains(name) {
                gathered.met.insert(name.clone());
                match made {
                    Made::Step(id, _) => gathered.want(&Slot::Step { step: *id, port: 0 }),
                    Made::Graph(outputs) => outputs.values().for_each(|(slot, _)| gathered.want(slot)),
                }
            }
            let Made::Step(id, _) = made else { continue };
            if graph.outputs.is_empty() {
                gathered.own.insert(*id);
            }
            let step = &self.steps[*id];
            if !step.spec.effect || !(only.is_empty() || only.contains(name) || only.iter().any(|o| **o == *step.name))
            {
                continue;
            }
            gathered.wanted.insert(*id);
            // Whoever looks at a point wants to find every file of it.
            let is_named = at_point.iter().any(|index| {
                let mut is_in = false;
                gathered.outputs[*index].slot.for_each_step(&mut |other| is_in |= other == *id);
                is_in
            });
            if self.points.is_sweep() && !is_named {
                at_point.push(gathered.output(step.name.to_string(), Slot::Step { step: *id, port: 0 }));
            }
        }
        if self.points.is_sweep() {
            self.points.outputs.push(at_point);
        }
    }

    /// What the run is for, or that nothing matches.
    pub(super) fn wanted(
        &self,
        graph: &Arc<Graph>,
        only: &[String],
        gathered: &mut Gathered,
    ) -> Result<Vec<StepId>, PlanError> {
        for name in only.iter().filter(|name| !gathered.met.contains(*name)) {
            // A step of an import or of a point, by its whole name.
            let steps: Vec<StepId> =
                self.steps.node_indices().filter(|id| Plan::is_called(&self.steps[*id], name)).collect();
            if steps.is_empty() {
                let outputs = graph.outputs.keys().cloned().collect();
                return Err(PlanError::NothingMatches { only: vec![name.clone()], outputs });
            }
            gathered.wanted.extend(steps);
        }
        if only.is_empty() && graph.outputs.is_empty() && gathered.wanted.is_empty() {
            // Nothing says what the graph is for: everything that nothing else takes.
            let is_taken = |id: &StepId| self.steps.edges(*id).any(|edge| *edge.weight() != Edge::Repeats);
            gathered.wanted.extend(gathered.own.iter().filter(|id| !is_taken(id)));
        }
        let mut wanted: Vec<StepId> = gathered.wanted.iter().copied().collect();
        wanted.sort();
        Ok(wanted)
    }
}
