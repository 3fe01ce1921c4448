//! The graph as it is drawn: one box for each step, or one for all steps that fold into one.

use indexmap::IndexMap;
use rondel_event::{How, State};

use super::App;
use crate::layers::{self, Drawing, Node};

/// With more steps than this, imported graphs and sweeps are one box each.
const FOLDS_OVER: usize = 40;

/// The drawn graph, and what its boxes are.
#[derive(Default)]
pub struct Picture {
    pub groups: Vec<Group>,
    pub drawing: Drawing,
    /// The box of each step, by the index of the step.
    pub group_of: Vec<usize>,
}

/// A box.
pub struct Group {
    pub name: String,
    /// The indices of its steps.
    pub steps: Vec<usize>,
}

impl Group {
    /// Two columns for the glyph, and the name.
    fn label(&self) -> String {
        match self.steps.len() {
            1 => format!("  {}", self.name),
            n => format!("  {} ×{n}", self.name),
        }
    }
}

impl App {
    /// Draws the graph anew, for a new plan or after folding.
    pub(super) fn arrange(&mut self) {
        let folds = self.ui.folds.unwrap_or(self.view.steps.len() > FOLDS_OVER);
        let mut by_name: IndexMap<&str, Vec<usize>> = IndexMap::new();
        let mut group_of = Vec::with_capacity(self.view.steps.len());
        for (index, name) in self.view.steps.keys().enumerate() {
            let key = if folds { folded(name) } else { name };
            let entry = by_name.entry(key);
            group_of.push(entry.index());
            entry.or_default().push(index);
        }
        let mut nodes: Vec<Node> = Vec::with_capacity(by_name.len());
        let groups: Vec<Group> =
            by_name.iter().map(|(name, steps)| Group { name: (*name).to_owned(), steps: steps.clone() }).collect();
        for (at, group) in groups.iter().enumerate() {
            let before = group.steps.iter().flat_map(|step| &self.view.steps[*step].info.after);
            let mut after: Vec<usize> =
                before.filter_map(|name| Some(group_of[self.view.steps.get_index_of(name)?])).collect();
            after.sort_unstable();
            after.dedup();
            // A box may stand before and after another once it is folded; then only the first way is drawn.
            after.retain(|before| *before < at);
            nodes.push(Node { label: group.label(), after });
        }
        let drawing = layers::draw(&nodes);
        self.ui.graph = Picture { groups, drawing, group_of };
    }

    /// How the steps of a box stand, all together.
    pub fn group_state(&self, group: &Group) -> State {
        let states = || group.steps.iter().map(|step| self.view.steps[*step].state);
        let has = |wanted: State| states().any(|state| state == wanted);
        if has(State::Over(How::Failed)) {
            return State::Over(How::Failed);
        }
        if has(State::Running) {
            return State::Running;
        }
        // Half done is under way, too.
        let n_waiting = states().filter(|state| *state == State::Waiting).count();
        match n_waiting {
            0 if has(State::Over(How::Blocked)) => State::Over(How::Blocked),
            0 if has(State::Over(How::Ran)) => State::Over(How::Ran),
            0 => states().next().unwrap_or_default(),
            n if n < group.steps.len() => State::Running,
            _ => State::Waiting,
        }
    }

    /// The box of the selected step.
    pub fn selected_group(&self) -> Option<usize> {
        self.ui.graph.group_of.get(self.selected_index()?).copied()
    }

    /// Selects a step of a box: one that runs or failed, else the first.
    pub(super) fn select_group(&mut self, at: usize) {
        let Some(group) = self.ui.graph.groups.get(at) else { return };
        let is_of_interest =
            |step: &&usize| matches!(self.view.steps[**step].state, State::Running | State::Over(How::Failed));
        let step = group.steps.iter().find(is_of_interest).or(group.steps.first());
        self.ui.selected = step.and_then(|step| self.view.steps.get_index(*step)).map(|(name, _)| name.clone());
        self.ui.is_following = false;
    }
}

/// The name of the box that a step folds into: without the point of a sweep, and of an imported graph only its node.
fn folded(name: &str) -> &str {
    let name = name.split('[').next().unwrap_or(name);
    name.split('.').next().unwrap_or(name)
}
