//! Steps, as they are added to a plan: their names, their recipe keys, and what they come after.
//!
//! A step that an earlier point has already made is found instead of added.

use rondel_event::StepName;
use rondel_graph::{With, World as _};
use rondel_value::Digest;

use super::Planner;
use crate::plan::keys::{self, Domain};
use crate::plan::lazy::Work;
use crate::plan::points::Axes;
use crate::plan::{Edge, Slot, Step, StepId, StepPlace, mistakes};

impl Planner<'_> {
    /// Adds the step of a node at the point that is planned now, or finds it where an earlier point made the same.
    pub(super) fn step(
        &mut self,
        node: String,
        axes: Axes,
        kind: &str,
        slots: Vec<Slot>,
        with: With,
        place: StepPlace,
    ) -> Option<StepId> {
        // The checker found the kind in the same registry; only `load_image` is asked for here first.
        let Some(kind) = self.site.registry().kind(kind).cloned() else {
            let missing = self.site.missing_kind(kind);
            self.mistakes.push(mistakes::kind_not_loaded(kind, missing, &place.source, &place.span));
            return None;
        };
        let spec = kind.spec().clone();
        let (node, name) = self.names(node, axes);
        let is_volatile = spec.impure || with.never_cache;
        let code = if self.options.counts_code { kind.plugin().digest } else { None };
        let besides = keys::besides(&spec, &slots, code, self.options.meaning);
        let mut parts = keys::parts(&spec, &slots, &with, &besides, &self.options.out, |from, port| {
            Some((self.recipe_of(from, port), String::new()))
        });
        if is_volatile {
            let nonce = format!("{} {name}", self.options.nonce);
            let digest = Digest::of(nonce.as_bytes());
            parts.push(rondel_cache::Part { port: "#run".to_owned(), digest, shown: nonce });
        }
        let recipe = keys::key(Domain::Recipe, &parts);
        let mut before: Vec<(StepId, Edge)> = Vec::new();
        for slot in &slots {
            slot.for_each_step(&mut |from| before.push((from, Edge::Takes)));
        }
        // Effects are no twins: each looks at its own file. Nor is what lies below a `first_ok`: equal recipes may become
        // unlike, or one of two may have a fallback that the other has not.
        let has_fallback = before.iter().any(|(from, _)| self.steps[*from].has_fallback);
        if !spec.effect
            && !has_fallback
            && let Some(leader) = self.leaders.get(&recipe)
        {
            before.push((*leader, Edge::Repeats));
        }
        let (point, work) = (self.point, Work::Plugin(kind));
        Some(self.add(
            Step {
                name,
                node,
                axes,
                point,
                work,
                spec,
                besides,
                slots,
                with,
                recipe,
                is_volatile,
                has_fallback,
                place,
            },
            before,
        ))
    }

    /// The name of a node, and that of its step at the point that is planned now.
    pub(super) fn names(&self, node: String, axes: Axes) -> (StepName, StepName) {
        let suffix = self.points.suffix(axes, self.point);
        let node: StepName = node.into();
        let name = if suffix.is_empty() { node.clone() } else { format!("{node}{suffix}").into() };
        (node, name)
    }

    /// Adds a step with what it comes after, if no earlier point has the same.
    pub(super) fn add(&mut self, step: Step, mut before: Vec<(StepId, Edge)>) -> StepId {
        // Where recipes do not tell everything, names do: the same values of all that a step depends on.
        let same = (if step.has_fallback { &step.name } else { &step.node }, step.recipe);
        let same = self.points.is_sweep().then(|| (same.0.clone(), same.1));
        if let Some(known) = same.as_ref().and_then(|same| self.shared.get(same)) {
            return *known;
        }
        before.sort_by_key(|(from, edge)| (*from, *edge != Edge::Takes));
        before.dedup_by_key(|(from, _)| *from);
        let (recipe, has_fallback) = (step.recipe, step.has_fallback);
        let is_lazy = step.is_lazy();
        let id = self.steps.add_node(step);
        self.shared.extend(same.map(|same| (same, id)));
        if !has_fallback && !is_lazy {
            self.leaders.entry(recipe).or_insert(id);
        }
        for (from, edge) in before {
            self.steps.add_edge(from, id, edge);
        }
        id
    }
}
