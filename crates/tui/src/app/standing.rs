//! How the steps of a run stand and hang together, by their indices.
//!
//! Events tell names, and a run may have ten thousand of them. What every frame asks for, how many are done, what runs, what comes
//! after what, is therefore kept up to date event by event, so that drawing costs what is drawn and not what there is.

use std::collections::{BTreeSet, HashMap};

use rondel_event::{How, RunView, State, StepName, What};

use super::App;

/// How many steps stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([usize; Tally::STATES.len()]);

impl Tally {
    const STATES: [State; 10] = [
        State::Waiting,
        State::Running,
        State::Over(How::Ran),
        State::Over(How::KnownByRecipe),
        State::Over(How::KnownByContent),
        State::Over(How::UpToDate),
        State::Over(How::Took),
        State::Over(How::Failed),
        State::Over(How::Blocked),
        State::Over(How::NotNeeded),
    ];

    const fn place(state: State) -> usize {
        match state {
            State::Waiting => 0,
            State::Running => 1,
            State::Over(How::Ran) => 2,
            State::Over(How::KnownByRecipe) => 3,
            State::Over(How::KnownByContent) => 4,
            State::Over(How::UpToDate) => 5,
            State::Over(How::Took) => 6,
            State::Over(How::Failed) => 7,
            State::Over(How::Blocked) => 8,
            State::Over(How::NotNeeded) => 9,
        }
    }

    pub fn of(states: impl IntoIterator<Item = State>) -> Tally {
        let mut tally = Tally::default();
        states.into_iter().for_each(|state| tally.0[Tally::place(state)] += 1);
        tally
    }

    fn change(&mut self, before: State, after: State) {
        self.0[Tally::place(before)] -= 1;
        self.0[Tally::place(after)] += 1;
    }

    pub fn count(&self, state: State) -> usize {
        self.0[Tally::place(state)]
    }

    pub fn n_steps(&self) -> usize {
        self.0.iter().sum()
    }

    /// How many have ended.
    pub fn n_over(&self) -> usize {
        self.n_steps() - self.count(State::Waiting) - self.count(State::Running)
    }

    /// How many had their result before the run.
    pub fn n_known(&self) -> usize {
        [How::KnownByRecipe, How::KnownByContent, How::UpToDate].map(|how| self.count(State::Over(how))).iter().sum()
    }

    /// How they stand all together: what failed or runs says most.
    pub fn state(&self) -> State {
        let has = |state: State| self.count(state) > 0;
        match self.count(State::Waiting) {
            _ if has(State::Over(How::Failed)) => State::Over(How::Failed),
            _ if has(State::Running) => State::Running,
            0 if has(State::Over(How::Blocked)) => State::Over(How::Blocked),
            0 if has(State::Over(How::Ran)) => State::Over(How::Ran),
            0 => Tally::STATES.into_iter().find(|state| has(*state)).unwrap_or_default(),
            // Half done is under way, too.
            n if n < self.n_steps() => State::Running,
            _ => State::Waiting,
        }
    }
}

/// What is kept beside the steps themselves.
#[derive(Default)]
pub struct Standing {
    pub tally: Tally,
    /// What runs, in the order of the plan.
    pub running: BTreeSet<usize>,
    /// Of each step those before it and those after it.
    pub before: Vec<Vec<usize>>,
    pub after: Vec<Vec<usize>>,
    /// The steps of one node at all points of a sweep, and of each step where it is among them.
    pub nodes: Vec<Vec<usize>>,
    pub node_of: Vec<usize>,
}

impl Standing {
    /// Of a run that begins.
    pub fn of(view: &RunView) -> Standing {
        let mut standing = Standing {
            tally: Tally::of(view.steps.values().map(|step| step.state)),
            before: vec![Vec::new(); view.steps.len()],
            after: vec![Vec::new(); view.steps.len()],
            ..Standing::default()
        };
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        for (index, (name, step)) in view.steps.iter().enumerate() {
            for before in step.info.after.iter().filter_map(|name| view.steps.get_index_of(name)) {
                standing.before[index].push(before);
                standing.after[before].push(index);
            }
            let node = *by_name.entry(node_name(name)).or_insert(standing.nodes.len());
            if node == standing.nodes.len() {
                standing.nodes.push(Vec::new());
            }
            standing.nodes[node].push(index);
            standing.node_of.push(node);
        }
        standing
    }

    /// How many steps the node of a step has.
    pub fn n_points_of(&self, step: usize) -> usize {
        self.nodes[self.node_of[step]].len()
    }
}

/// The name of a step without its point of a sweep.
pub fn node_name(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

/// The point of a sweep that a step is for: `seed=7` of `latent[seed=7]`.
pub fn point_name(name: &str) -> Option<&str> {
    name.split_once('[')?.1.split(']').next()
}

impl App {
    /// Takes an event into the view, and counts what it changed.
    pub(super) fn count(&mut self, what: &What, take_in: impl FnOnce(&mut RunView)) {
        let index = step_of(what).and_then(|step| self.view.steps.get_index_of(step));
        let state = |view: &RunView| index.and_then(|index| view.steps.get_index(index)).map(|(_, step)| step.state);
        let before = state(&self.view);
        take_in(&mut self.view);
        let (Some(index), Some(before), Some(after)) = (index, before, state(&self.view)) else { return };
        if before == after {
            return;
        }
        self.ui.standing.tally.change(before, after);
        if let Some(group) = self.ui.graph.group_of.get(index) {
            self.ui.graph.groups[*group].tally.change(before, after);
        }
        match after {
            State::Running => self.ui.standing.running.insert(index),
            _ => self.ui.standing.running.remove(&index),
        };
    }
}

/// The step that an event changes.
const fn step_of(what: &What) -> Option<&StepName> {
    match what {
        What::StepStarted { step, .. }
        | What::StepProgress { step, .. }
        | What::StepPreview { step, .. }
        | What::StepFinished { step, .. }
        | What::StepFailed { step, .. }
        | What::StepVerified { step, .. }
        | What::StepBlocked { step, .. }
        | What::StepTook { step, .. }
        | What::StepNotNeeded { step } => Some(step),
        What::RunStarted { .. }
        | What::Log { .. }
        | What::RemoteUsed(_)
        | What::Resources { .. }
        | What::RunFinished { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_or_runs_says_how_all_stand() {
        let known = State::Over(How::KnownByRecipe);
        let ran = State::Over(How::Ran);
        let failed = State::Over(How::Failed);
        let of = |states: &[State]| Tally::of(states.iter().copied()).state();
        assert_eq!(of(&[known, known]), known);
        assert_eq!(of(&[known, ran]), ran);
        assert_eq!(of(&[ran, State::Waiting]), State::Running);
        assert_eq!(of(&[ran, failed, State::Running]), failed);
        assert_eq!(of(&[]), State::Waiting);
    }

    #[test]
    fn every_state_has_a_place_of_its_own() {
        for (place, state) in Tally::STATES.into_iter().enumerate() {
            assert_eq!(Tally::place(state), place);
        }
    }

    #[test]
    fn a_step_of_a_sweep_is_named_by_its_node_and_its_point() {
        assert_eq!((node_name("a.b[seed=7]"), point_name("a.b[seed=7]")), ("a.b", Some("seed=7")));
        assert_eq!((node_name("a.b"), point_name("a.b")), ("a.b", None));
    }
}
