//! The beginning of a run: what is known by recipe, what is wanted, and what is known to fail.

use rondel_event::{GraphRef, How, StepInfo, What, Why};
use rondel_value::Digest;

use super::super::{outputs, step};
use super::{Dispatcher, Phase};
use crate::plan::explain::{self, Finding};
use crate::plan::{Plan, StepId};

impl Dispatcher<'_, '_> {
    pub(super) fn start(&mut self) {
        let steps = self.plan.ids().map(|id| {
            let step = self.plan.step(id);
            StepInfo {
                name: step.name.clone(),
                kind: step.spec.kind.clone(),
                lane: step.spec.lane,
                after: self.plan.before(id).map(|before| self.plan.step(before).name.clone()).collect(),
                label: step.with.label.clone(),
            }
        });
        let graph = &self.plan.graph;
        let started = What::RunStarted {
            graph: GraphRef {
                name: graph.name.clone(),
                path: graph.source.name.clone(),
                digest: Some(Digest::of(graph.text.as_bytes())),
            },
            inputs: self.plan.inputs.iter().map(|(name, input)| (name.clone(), input.json.clone())).collect(),
            steps: steps.collect(),
            points: outputs::points(self.plan),
        };
        self.emitter.emit(started);

        let mut wanted = self.plan.wanted.clone();
        for id in self.plan.ids() {
            if self.options.rerun.iter().any(|name| Plan::is_called(self.plan.step(id), name)) {
                self.reasons[id.index()] = Some(Why::Forced);
                wanted.push(id);
                continue;
            }
            if self.plan.step(id).is_lazy() {
                self.look_at_alternatives(id);
                continue;
            }
            match explain::look_up(self.plan, self.cache, id) {
                Finding::Known(known) => self.known(id, known, How::KnownByRecipe),
                Finding::Spoilt(why) => self.reasons[id.index()] = Some(why),
                Finding::Unknown => {}
            }
        }
        wanted.iter().for_each(|id| self.is_end[id.index()] = true);
        wanted.iter().for_each(|id| self.want(*id));
        self.refuse(&wanted);
    }

    /// Ends the steps that are known to fail, before anything runs; of the rest only what is still of use is wanted.
    pub(super) fn refuse(&mut self, wanted: &[StepId]) {
        let refused = self.options.needs.iter().filter_map(|need| Some((need.step, need.refusal()?)));
        for (id, failure) in refused {
            if matches!(self.phases[id.index()], Phase::Waiting) {
                self.failed(id, step::failure(self.plan, id, failure.clone()), 0.0);
            }
        }
        if self.n_failed == 0 {
            return;
        }
        self.open.clear();
        for phase in self.phases.iter_mut().filter(|phase| matches!(phase, Phase::Waiting)) {
            *phase = Phase::InVain;
        }
        wanted.iter().for_each(|id| self.want(*id));
    }

    /// Asks for a step and for all that it needs.
    pub(super) fn want(&mut self, id: StepId) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if !matches!(self.phases[id.index()], Phase::Idle | Phase::InVain) {
                continue;
            }
            self.phases[id.index()] = Phase::Waiting;
            let asked: Vec<StepId> = self.asked(id).into_iter().filter(|before| !self.is_done(*before)).collect();
            match asked.is_empty() || asked.iter().any(|before| self.is_over(*before)) {
                true => self.open.push_back(id),
                false => open.extend(asked),
            }
        }
    }
}
