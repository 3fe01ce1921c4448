//! Effects that would write to one place.

use std::collections::{HashMap, HashSet};

use rondel_value::Digest;

use super::Planner;
use crate::plan::{Slot, Step, StepId, StepName, mistakes};

impl Planner<'_> {
    /// Refuses effects that write to one place: of their files only one would be left.
    pub(super) fn check_places(&mut self, wanted: &[StepId]) {
        let mut places: HashMap<Vec<Digest>, StepId> = HashMap::new();
        let mut told: HashSet<StepName> = HashSet::new();
        for id in wanted.iter().filter(|id| self.steps[**id].spec.effect) {
            let step = &self.steps[*id];
            let Some(place) = place(step) else { continue };
            let first = match places.get(&place) {
                None => {
                    places.insert(place, *id);
                    continue;
                }
                Some(first) => &self.steps[*first],
            };
            // What is said of a node at one point need not be said of all.
            if !told.insert(step.node.clone()) {
                continue;
            }
            let ports = step.spec.inputs.iter().zip(&step.place.arg_spans).filter(|(input, _)| input.expand);
            let span = ports.filter_map(|(_, span)| span.clone()).next_back().unwrap_or(step.place.span.clone());
            let source = &step.place.source;
            self.mistakes.push(match step.node == first.node {
                true => {
                    let axes = self.points.differing(step.axes, step.point, first.point);
                    let input = |axis: &&str| self.root.inputs.get(*axis);
                    let has_text_form = |axis: &&str| input(axis).is_some_and(|input| input.has_text_form());
                    let holes: Vec<&str> = axes.iter().copied().filter(has_text_form).collect();
                    mistakes::same_place_at_points(&step.name, &first.name, &axes, &holes, source, &span)
                }
                false => mistakes::same_place(&step.name, &first.name, source, &span, &first.place.span),
            });
        }
    }
}

/// What an effect writes to: a place is what placeholders are for. None if it has no such port.
fn place(step: &Step) -> Option<Vec<Digest>> {
    let ports = step.spec.inputs.iter().zip(&step.slots).filter(|(input, _)| input.expand);
    let parts = ports.map(|(_, slot)| match slot {
        Slot::Value(value) => value.digest(),
        _ => step.recipe,
    });
    let place: Vec<Digest> = std::iter::once(Digest::of(step.spec.kind.as_bytes())).chain(parts).collect();
    (place.len() > 1).then_some(place)
}
