//! What is to be done for one run: steps, what each takes, and which are wanted.
//!
//! ```text
//! graph file ─ check ─► Graph ─ inputs ─► flatten ─► Plan ─ lookup, explain ─► forecast
//!                                                     └──── run ────────────► result
//! ```
//!
//! A plan is a petgraph of [`Step`]s. Imports are flattened into it (`person_fit.resized` keeps its path as a name),
//! literals are in the form that the ports want, seeds are drawn, and every step has its recipe key. All points of a sweep are in
//! one plan, and steps that they have in common are there once, see [`points`]. The order of indices is a topological one,
//! and equal for equal files.

pub mod asks;
pub mod explain;
pub mod flatten;
pub mod inputs;
pub mod keys;
pub mod lazy;
pub mod mistakes;
pub mod needs;
pub mod points;
pub mod remote;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::{Dfs, EdgeRef, Reversed};
use rondel_cache::{Part, RemoteCounts};
use rondel_event::StepName;
use rondel_graph::{Graph, Source, Span, With};
use rondel_value::{Digest, ModelRef, NodeSpec, Value};

use self::lazy::Work;
use crate::weights::Weights;
pub use inputs::{InputValue, Origin, Repeat};
use points::{Axes, Points};

/// The index of a step in its plan.
pub type StepId = NodeIndex;

/// What is to be done for one run.
pub struct Plan {
    pub graph: Arc<Graph>,
    pub steps: StableDiGraph<Step, Edge>,
    /// The graph's inputs in its order, but for those that are swept.
    pub inputs: IndexMap<String, InputValue>,
    pub points: Points,
    pub outputs: Vec<Output>,
    /// What the run is for: the sources of the outputs, and the effects of the file that is run.
    pub wanted: Vec<StepId>,
    pub weights: Weights,
    /// Nodes that no run of this plan can need.
    pub left_out: Vec<LeftOut>,
    /// The other weights that were put in place of the graph's.
    pub swaps: BTreeMap<String, String>,
    /// The folder that effects write to, absolute.
    pub out: PathBuf,
    /// What the remote tier had done in this process when it was first asked for this plan. Not kept in the cache: the next
    /// plan may be asked for while a run of this one is on.
    pub(crate) remote_before: OnceLock<RemoteCounts>,
}

/// A node that was not planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub name: String,
    /// What would have to be otherwise: "only if `style` is Hard".
    pub why: String,
}

/// Why one step comes after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// It takes a result.
    Takes,
    /// It takes a result if it comes to that.
    May,
    /// It would compute the same, so it waits for what the other leaves in the cache.
    Repeats,
}

/// One execution of a node.
pub struct Step {
    /// That of the node, and behind it the point if there are several: `latent[seed=3]`.
    pub name: StepName,
    /// That of the node, with the names of the imports around it.
    pub node: StepName,
    /// What it depends on of that which is swept.
    pub axes: Axes,
    /// The first point that it is for.
    pub point: usize,
    pub work: Work,
    pub spec: Arc<NodeSpec>,
    /// What is part of its key besides inputs and what its kind says.
    pub besides: Vec<Part>,
    /// In the order of the specification's inputs.
    pub slots: Vec<Slot>,
    pub with: With,
    /// The key of all that is known of the step before anything runs.
    pub recipe: Digest,
    /// Results are not kept beyond the run.
    pub is_volatile: bool,
    /// Near or far, it takes what a `first_ok` hands on, so that its recipe may not tell what it is made of.
    pub has_fallback: bool,
    pub place: StepPlace,
}

/// Where a step was declared.
#[derive(Clone)]
pub struct StepPlace {
    pub source: Arc<Source>,
    pub span: Span,
    /// In the order of the specification's inputs; none where the default holds.
    pub arg_spans: Vec<Option<Span>>,
}

/// Where the value of an input comes from.
#[derive(Clone, Debug)]
pub enum Slot {
    Value(Value),
    Model(Arc<ModelRef>),
    /// A file to be read by the node; known by its content.
    File {
        path: PathBuf,
        digest: Digest,
    },
    Step {
        step: StepId,
        port: usize,
    },
    List(Vec<Slot>),
}

impl Slot {
    /// Calls `visit` with each step whose result the slot takes.
    pub fn for_each_step(&self, visit: &mut impl FnMut(StepId)) {
        match self {
            Slot::Step { step, .. } => visit(*step),
            Slot::List(items) => items.iter().for_each(|item| item.for_each_step(visit)),
            Slot::Value(_) | Slot::Model(_) | Slot::File { .. } => {}
        }
    }
}

/// One of the graph's outputs, at one point or at all points that have it in common.
pub struct Output {
    pub name: String,
    pub slot: Slot,
}

impl Plan {
    pub fn step(&self, id: StepId) -> &Step {
        &self.steps[id]
    }

    /// All steps, what a step takes before the step itself.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = StepId> + use<> {
        (0..self.steps.node_count()).map(StepId::new)
    }

    /// The recipe keys of all steps.
    pub fn recipes(&self) -> HashSet<Digest> {
        self.steps.node_weights().map(|step| step.recipe).collect()
    }

    pub fn find(&self, name: &str) -> Option<StepId> {
        self.ids().find(|id| &*self.steps[*id].name == name)
    }

    /// The steps that must be over before this one.
    pub fn before(&self, id: StepId) -> impl Iterator<Item = StepId> + '_ {
        self.steps.neighbors_directed(id, Direction::Incoming)
    }

    /// The steps that wait for this one.
    pub fn after(&self, id: StepId) -> impl Iterator<Item = StepId> + '_ {
        self.steps.neighbors_directed(id, Direction::Outgoing)
    }

    /// Whether another step computes the same before this one.
    pub fn is_twin(&self, id: StepId) -> bool {
        self.steps.edges_directed(id, Direction::Incoming).any(|edge| *edge.weight() == Edge::Repeats)
    }

    /// For each step whether the run is for it, or for what takes its result whatever becomes of others: no alternative stands in for
    /// it.
    pub fn sure(&self) -> Vec<bool> {
        let mut sure = vec![false; self.steps.node_count()];
        self.wanted.iter().for_each(|wanted| sure[wanted.index()] = true);
        for id in self.ids().rev() {
            if sure[id.index()] {
                let takes = self.steps.edges_directed(id, Direction::Incoming);
                takes.filter(|edge| *edge.weight() == Edge::Takes).for_each(|edge| sure[edge.source().index()] = true);
            }
        }
        sure
    }

    /// For each step whether one of `ends` needs it, or it is one.
    pub fn needed_by(&self, ends: impl IntoIterator<Item = StepId>) -> Vec<bool> {
        let mut needed = vec![false; self.steps.node_count()];
        let reversed = Reversed(&self.steps);
        let mut walk = Dfs::empty(reversed);
        for end in ends {
            walk.move_to(end);
            while let Some(step) = walk.next(reversed) {
                needed[step.index()] = true;
            }
        }
        needed
    }

    /// For each step the number of steps on the shortest way from it to something that is wanted; the most there can be for
    /// one that leads to nothing wanted.
    pub fn distances(&self) -> Vec<u32> {
        let mut distances = vec![u32::MAX; self.steps.node_count()];
        self.wanted.iter().for_each(|id| distances[id.index()] = 0);
        for id in self.ids().rev() {
            let next = self.after(id).map(|next| distances[next.index()].saturating_add(1)).min();
            distances[id.index()] = distances[id.index()].min(next.unwrap_or(u32::MAX));
        }
        distances
    }

    /// For each step the number of steps on the longest way from it to an end of the graph.
    pub fn heights(&self) -> Vec<u32> {
        let mut heights = vec![0; self.steps.node_count()];
        for id in self.ids().rev() {
            heights[id.index()] = self.after(id).map(|next| heights[next.index()] + 1).max().unwrap_or(0);
        }
        heights
    }
}
