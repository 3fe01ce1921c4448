//! The last look at a plan: what it does not need, and what it needs and lacks.

use std::collections::HashMap;
use std::sync::Arc;

use petgraph::stable_graph::StableDiGraph;
use rondel_graph::Diagnostic;

use crate::plan::{Plan, Slot, Step, StepId, mistakes};

/// What steps that may run need of models that lack it.
pub(super) fn missing_parts(plan: &Plan) -> Vec<Diagnostic> {
    let needed = plan.needed_by(plan.wanted.iter().copied());
    let steps = plan.ids().filter(|id| needed[id.index()]).map(|id| plan.step(id));
    mistakes::distinct(steps.flat_map(missing_parts_of))
}

/// Two parts are never missed here: a text encoder may bring a tokenizer along, and defaults stand in for a config.
fn missing_parts_of(step: &Step) -> Vec<Diagnostic> {
    const DISPENSABLE: [&str; 2] = ["tokenizer", "config"];
    let mut mistakes = Vec::new();
    let ports = step.spec.inputs.iter().zip(&step.slots).zip(&step.place.arg_spans);
    for ((input, slot), span) in ports {
        let Slot::Model(model) = slot else { continue };
        let is_missing = |part: &&String| !model.parts.contains_key(*part) && !DISPENSABLE.contains(&part.as_str());
        let place = span.as_ref().unwrap_or(&step.place.span);
        let missing = input.parts.iter().filter(is_missing);
        mistakes.extend(missing.map(|part| mistakes::part_missing(&step.node, part, model, &step.place.source, place)));
    }
    mistakes
}

/// Drops the steps of imported graphs that nothing wanted needs; those of the file itself stay, to be reported.
pub(super) fn without_unused_imports(mut plan: Plan) -> Plan {
    let is_own = |id: &StepId| Arc::ptr_eq(&plan.step(*id).place.source, &plan.graph.source);
    let keep = plan.needed_by(plan.ids().filter(is_own).chain(plan.wanted.iter().copied()));
    if keep.iter().all(|keep| *keep) {
        return plan;
    }
    // Indices stay dense, because everything beside the plan is kept in vectors by index.
    let mut moved = HashMap::new();
    let mut steps = StableDiGraph::new();
    let (nodes, edges): (Vec<_>, Vec<_>) = {
        let edges = plan.steps.edge_indices().map(|edge| {
            let (from, to) = plan.steps.edge_endpoints(edge).expect("an edge of the plan");
            (from, to, plan.steps[edge])
        });
        (plan.ids().collect(), edges.collect())
    };
    for id in nodes {
        let step = plan.steps.remove_node(id).expect("a step of the plan");
        if keep[id.index()] {
            moved.insert(id, steps.add_node(step));
        }
    }
    for step in steps.node_weights_mut() {
        step.slots.iter_mut().for_each(|slot| slot.renumber(&moved));
    }
    for (from, to, edge) in edges {
        if let (Some(from), Some(to)) = (moved.get(&from), moved.get(&to)) {
            steps.add_edge(*from, *to, edge);
        }
    }
    plan.outputs.iter_mut().for_each(|output| output.slot.renumber(&moved));
    plan.wanted.iter_mut().for_each(|id| *id = moved[id]);
    plan.steps = steps;
    plan
}

impl Slot {
    fn renumber(&mut self, moved: &HashMap<StepId, StepId>) {
        match self {
            Slot::Step { step, .. } => *step = moved[step],
            Slot::List(items) => items.iter_mut().for_each(|item| item.renumber(moved)),
            Slot::Value(_) | Slot::Model(_) | Slot::File { .. } => {}
        }
    }
}
