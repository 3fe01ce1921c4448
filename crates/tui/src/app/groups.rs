//! The graph as it is drawn: one box for each step, or one for all steps that fold into one.

use indexmap::IndexMap;
use rondel_event::{How, State};

use super::App;
use super::standing::{Tally, node_name, point_name};
use crate::layers::{self, Drawing, Node};
use crate::text;

/// With more steps than this, imported graphs are one box each. Of a sweep, the points of a node are one in any case: their names
/// are long, and differ in a few letters.
const FOLDS_OVER: usize = 40;

/// The most columns of a name in the graph.
const MOST_NAME: usize = 28;

/// The drawn graph, and what its boxes are.
#[derive(Default)]
pub struct Picture {
    pub groups: Vec<Group>,
    pub drawing: Drawing,
    /// The box of each step, by the index of the step.
    pub group_of: Vec<usize>,
    /// Some box has several steps.
    pub is_folded: bool,
}

/// A box.
pub struct Group {
    pub name: String,
    /// The indices of its steps.
    pub steps: Vec<usize>,
    /// How they stand.
    pub tally: Tally,
    /// The boxes before and after it, where there is a line to them.
    pub beside: Vec<usize>,
}

impl Group {
    /// The name, and of how many steps.
    pub fn label(&self) -> String {
        let name = text::cut_inside(&self.name, MOST_NAME);
        match self.steps.len() {
            1 => name,
            n => format!("{name} ×{n}"),
        }
    }
}

impl App {
    /// Draws the graph anew, for a new plan or after folding.
    pub(super) fn arrange(&mut self) {
        let is_large = self.view.steps.len() > FOLDS_OVER || self.view.points.len() > 1;
        let folds = self.ui.folds.unwrap_or(is_large);
        let mut by_name: IndexMap<&str, Vec<usize>> = IndexMap::new();
        let mut group_of = Vec::with_capacity(self.view.steps.len());
        for (index, name) in self.view.steps.keys().enumerate() {
            let key = if folds { folded(name) } else { name };
            let entry = by_name.entry(key);
            group_of.push(entry.index());
            entry.or_default().push(index);
        }
        let group = |(name, steps): (&str, Vec<usize>)| {
            let tally = Tally::of(steps.iter().map(|step| self.view.steps[*step].state));
            Group { name: name.to_owned(), steps, tally, beside: Vec::new() }
        };
        let mut groups: Vec<Group> = by_name.into_iter().map(group).collect();
        let node = |(at, group): (usize, &Group)| {
            let before = group.steps.iter().flat_map(|step| &self.ui.standing.before[*step]);
            let mut after: Vec<usize> = before.map(|step| group_of[*step]).collect();
            after.sort_unstable();
            after.dedup();
            // A box may stand before and after another once it is folded; then only the first way is drawn.
            after.retain(|before| *before < at);
            // Two columns for the glyph.
            Node { label: format!("  {}", group.label()), after }
        };
        let nodes: Vec<Node> = groups.iter().enumerate().map(node).collect();
        for (at, node) in nodes.iter().enumerate() {
            groups[at].beside.extend(&node.after);
            node.after.iter().for_each(|before| groups[*before].beside.push(at));
        }
        let is_folded = groups.len() < self.view.steps.len();
        self.ui.graph = Picture { drawing: layers::draw(&nodes), groups, group_of, is_folded };
    }

    /// The box of the selected step.
    pub fn selected_group(&self) -> Option<usize> {
        self.ui.graph.group_of.get(self.selected_index()?).copied()
    }

    /// Selects a step of a box: of the point that is selected, else one that runs or failed, else the first.
    pub(super) fn select_group(&mut self, at: usize) {
        let Some(group) = self.ui.graph.groups.get(at) else { return };
        self.ui.is_following = false;
        if self.selected_group() == Some(at) {
            return;
        }
        let point = self.ui.selected.as_deref().and_then(point_name);
        let is_of_point = |step: &&usize| {
            let (name, _) = self.view.steps.get_index(**step).expect("boxes are made of the steps");
            point.is_some() && point_name(name) == point
        };
        let is_of_interest =
            |step: &&usize| matches!(self.view.steps[**step].state, State::Running | State::Over(How::Failed));
        let steps = || group.steps.iter();
        let step = steps().find(is_of_point).or_else(|| steps().find(is_of_interest)).or(group.steps.first());
        self.ui.selected = step.and_then(|step| self.view.steps.get_index(*step)).map(|(name, _)| name.clone());
    }

    /// Whether the list of steps has a row for each box instead of one for each step.
    pub fn has_rows_of_groups(&self) -> bool {
        self.ui.graph.is_folded
    }

    /// How many rows the list of steps has, and the selected one.
    pub fn step_rows(&self) -> (usize, Option<usize>) {
        match self.has_rows_of_groups() {
            true => (self.ui.graph.groups.len(), self.selected_group()),
            false => (self.view.steps.len(), self.selected_index()),
        }
    }

    /// Selects what stands in a row of the list of steps.
    pub(super) fn select_row(&mut self, row: usize) {
        match self.has_rows_of_groups() {
            true => self.select_group(row),
            false => {
                self.ui.selected = self.view.steps.get_index(row).map(|(name, _)| name.clone());
                self.ui.is_following = false;
            }
        }
    }

    /// Selects another step of the same box, as far as there is one; false if the box has only one.
    pub(super) fn select_beside(&mut self, by: isize) -> bool {
        let Some(group) = self.selected_group().map(|at| &self.ui.graph.groups[at]) else { return false };
        if group.steps.len() < 2 {
            return false;
        }
        let at = group.steps.iter().position(|step| Some(*step) == self.selected_index());
        let to = at.and_then(|at| group.steps.get(at.checked_add_signed(by)?));
        if let Some((name, _)) = to.and_then(|to| self.view.steps.get_index(*to)) {
            self.ui.selected = Some(name.clone());
            self.ui.is_following = false;
        }
        true
    }
}

/// The name of the box that a step folds into: without the point of a sweep, and of an imported graph only its node.
fn folded(name: &str) -> &str {
    let name = node_name(name);
    name.split('.').next().unwrap_or(name)
}
