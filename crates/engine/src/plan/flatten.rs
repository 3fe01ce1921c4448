//! From a checked graph and its inputs to a plan.
//!
//! The graph is gone through once for each point of a sweep. A node that depends on nothing that changed since an earlier point is
//! taken from there without a look at it; so is a step that turns out to have the recipe key of an earlier one.
//!
//! Nodes are taken in topological order, imports where they stand, so that what a step takes exists before it does. An
//! imported graph's effects never happen, and its steps are in the plan only if something wanted needs them.

mod axes;
mod import;
mod lazy;
mod places;
mod sheet;
mod steps;
mod sweep;
mod tidy;
mod values;
mod wanted;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use petgraph::stable_graph::StableDiGraph;
use rondel_event::StepName;
use rondel_graph::{Arg, Diagnostic, Expr, Graph, Node, NodeKind, Source, Span};
use rondel_value::{Digest, InputSpec, Value, spec};

use self::lazy::Part;
pub(crate) use self::values::LOAD_IMAGE;
use self::values::Wanted;
use self::wanted::Gathered;
use super::inputs::{self, Given};
use super::points::{Axes, Points};
use super::{Edge, LeftOut, Plan, Slot, Step, StepId, StepPlace, mistakes};
use crate::site::Site;
use crate::weights::Weights;

/// Tells what the name of a hosted model stands for, where that is not what everybody means by it.
pub type Meaning<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What a plan depends on besides graph and inputs.
pub struct PlanOptions<'a> {
    /// The folder that effects write to, absolute.
    pub out: PathBuf,
    /// Where relative paths of `--set` start.
    pub current_folder: PathBuf,
    /// The other weights that were put in place of the graph's when it was checked; for provenance.
    pub swaps: BTreeMap<String, String>,
    /// Only these outputs are wanted; all, and every effect, if empty.
    pub only: Vec<String>,
    /// The file, below the output folder, for the pictures of all points of a sweep.
    pub sheet: Option<String>,
    /// Makes the keys of results that are not kept unique; another one for each plan.
    pub nonce: u64,
    /// The content of a plugin's file is part of its kinds' keys: for who works on plugins.
    pub counts_code: bool,
    pub meaning: Option<Meaning<'a>>,
    /// Draws the seeds that are `Random`, each for a place in the graph.
    pub draw: &'a mut dyn FnMut(&str) -> u64,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum PlanError {
    /// The graph, the inputs or the files they name are wrong.
    Wrong(Vec<Diagnostic>),
    /// `only` names nothing of the graph.
    NothingMatches { only: Vec<String>, outputs: Vec<String> },
}

/// After so many mistakes no more points are looked at: what is wrong at one point is often wrong at all.
const MAX_MISTAKES: usize = 20;

/// Makes the plan of a graph.
pub fn plan<'a>(
    site: &'a Site,
    graph: &Arc<Graph>,
    given: &Given,
    options: PlanOptions<'a>,
) -> Result<Plan, PlanError> {
    let chosen = inputs::choose(graph, given).map_err(PlanError::Wrong)?;
    let out = options.out.clone();
    let only = options.only.clone();
    let swaps = options.swaps.clone();
    let mut planner = Planner::new(site, graph, options);
    let mut root = Scope::new(graph, String::new());
    let inputs = planner.fixed_inputs(&mut root, chosen.fixed);
    let swept = planner.factors(&mut root, given, chosen.factors);
    let mut sheet = planner.begin_sheet(graph);
    let mut gathered = Gathered::default();
    for point in 0..planner.points.n_points() {
        planner.enter(&mut root, &swept, point);
        planner.graph(&mut root, &only);
        planner.gather(&mut root, &only, &mut gathered);
        if let Some(sheet) = &mut sheet {
            planner.add_to_sheet(&mut root, sheet);
        }
        if planner.mistakes.len() >= MAX_MISTAKES {
            break;
        }
    }
    // Where points are wrong, what is asked for may be missing only because of that.
    planner.right_so_far()?;
    let mut wanted = planner.wanted(graph, &only, &mut gathered)?;
    wanted.extend(sheet.and_then(|sheet| planner.end_sheet(graph, sheet)));
    planner.check_places(&wanted);
    planner.right_so_far()?;
    let left_out = planner.left_out();
    let Planner { points, steps, weights, .. } = planner;
    let outputs = gathered.outputs;
    let (graph, remote_before) = (graph.clone(), Default::default());
    let plan = Plan { graph, steps, inputs, points, outputs, wanted, weights, left_out, swaps, out, remote_before };
    let plan = tidy::without_unused_imports(plan);
    match tidy::missing_parts(&plan) {
        mistakes if mistakes.is_empty() => Ok(plan),
        mistakes => Err(PlanError::Wrong(mistakes)),
    }
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

/// One graph in its place: the file that is run, or an import of it.
struct Scope {
    graph: Arc<Graph>,
    /// The names of the imports around it, each with a dot after it.
    prefix: String,
    /// The indices of the nodes, each after what it takes.
    order: Vec<usize>,
    inputs: HashMap<String, Slot>,
    /// The axes that an input depends on, if any.
    input_axes: HashMap<String, Axes>,
    models: HashMap<String, Slot>,
    nodes: HashMap<String, Made>,
    /// Pictures that are read, by path: one step each.
    pictures: HashMap<PathBuf, StepId>,
}

/// What became of a node, and the axes that it depends on.
#[derive(Clone)]
enum Made {
    Step(StepId, Axes),
    Graph(Arc<HashMap<String, (Slot, Axes)>>),
}

impl Scope {
    fn new(graph: &Arc<Graph>, prefix: String) -> Scope {
        Scope {
            graph: graph.clone(),
            prefix,
            order: topological(graph),
            inputs: HashMap::new(),
            input_axes: HashMap::new(),
            models: HashMap::new(),
            nodes: HashMap::new(),
            pictures: HashMap::new(),
        }
    }
}

struct Planner<'a> {
    site: &'a Site,
    options: PlanOptions<'a>,
    root: Arc<Graph>,
    points: Points,
    /// The point that is planned now.
    point: usize,
    steps: StableDiGraph<Step, Edge>,
    weights: Weights,
    /// The models of a graph file, by its path; found once. None for those that have mistakes.
    models: HashMap<(PathBuf, String), Option<Slot>>,
    /// The content of files that nodes read.
    files: HashMap<PathBuf, Digest>,
    /// Seeds that were drawn, by the place that they are drawn for: all points have the same.
    drawn: HashMap<String, u64>,
    /// What became of nodes at earlier points, by name and the first point that is alike for them.
    made: HashMap<(String, usize), Made>,
    /// The steps of a node at earlier points by their recipe keys.
    shared: HashMap<(StepName, Digest), StepId>,
    /// The first step with a recipe key.
    leaders: HashMap<Digest, StepId>,
    /// Nodes that a point does without, and why.
    left_out: IndexMap<String, String>,
    mistakes: Vec<Diagnostic>,
}

impl<'a> Planner<'a> {
    fn new(site: &'a Site, graph: &Arc<Graph>, options: PlanOptions<'a>) -> Planner<'a> {
        Planner {
            site,
            options,
            root: graph.clone(),
            points: Points::default(),
            point: 0,
            steps: StableDiGraph::new(),
            weights: Weights::default(),
            models: HashMap::new(),
            files: HashMap::new(),
            drawn: HashMap::new(),
            made: HashMap::new(),
            shared: HashMap::new(),
            leaders: HashMap::new(),
            left_out: IndexMap::new(),
            mistakes: Vec::new(),
        }
    }
}

impl Planner<'_> {
    /// Fails with the mistakes that were found, if any were.
    fn right_so_far(&mut self) -> Result<(), PlanError> {
        match mem::take(&mut self.mistakes) {
            mistakes if mistakes.is_empty() => Ok(()),
            mistakes => Err(PlanError::Wrong(mistakes::distinct(mistakes))),
        }
    }

    /// Plans the nodes of a graph; `only` names nodes that take part in any case.
    fn graph(&mut self, scope: &mut Scope, only: &[String]) {
        let graph = scope.graph.clone();
        // Which nodes take part may depend on what is swept.
        let part = self.part(scope, only);
        if scope.models.len() < graph.models.len() {
            self.find_models(scope, &part);
        }
        for order in 0..scope.order.len() {
            let index = scope.order[order];
            let (name, node) = graph.nodes.get_index(index).expect("an index of the graph");
            if !part.is_alive[index] {
                // It may be there from an earlier point.
                scope.nodes.remove(name);
                continue;
            }
            let axes = self.node_axes(scope, node, part.turn(index));
            let first = self.points.first_like(axes, self.point);
            let key = (format!("{}{name}", scope.prefix), first);
            let known = self.made.get(&key).cloned();
            let made = known.or_else(|| match &node.kind {
                NodeKind::Plugin(_) => self.node(scope, name, node, axes).map(|step| Made::Step(step, axes)),
                NodeKind::Graph(imported) => {
                    Some(Made::Graph(Arc::new(self.import(scope, name, node, imported, None))))
                }
                NodeKind::Each { graph, element } => {
                    Some(Made::Graph(Arc::new(self.each(scope, name, node, graph, element, axes))))
                }
                NodeKind::FirstOk { .. } | NodeKind::Choose { .. } => {
                    self.lazy(scope, name, node, part.turn(index), axes)
                }
            });
            let Some(made) = made else {
                scope.nodes.remove(name);
                continue;
            };
            if self.points.is_sweep() {
                self.made.insert(key, made.clone());
            }
            scope.nodes.insert(name.clone(), made);
        }
    }

    fn find_models(&mut self, scope: &mut Scope, part: &Part) {
        let graph = scope.graph.clone();
        for name in Self::models_of(&graph, part) {
            let key = (graph.path.clone(), name.clone());
            if !self.models.contains_key(&key) {
                let slot = match self.site.model(&graph, &graph.models[&name]) {
                    Ok(found) => {
                        self.weights.add(&found);
                        Some(Slot::Model(Arc::new(found.reference)))
                    }
                    Err(mistakes) => {
                        self.mistakes.extend(mistakes);
                        None
                    }
                };
                self.models.insert(key.clone(), slot);
            }
            if let Some(slot) = &self.models[&key] {
                scope.models.insert(name, slot.clone());
            }
        }
    }

    /// What stands for an output of a graph.
    fn output(&mut self, scope: &mut Scope, name: &str, output: &rondel_graph::Output, axes: Axes) -> Slot {
        let base = folder_of(&scope.graph.path);
        let wanted = Wanted {
            ty: &output.ty,
            is_file: false,
            step_name: format!("{}{name}", scope.prefix),
            suffix: self.points.suffix(axes, self.point),
            span: output.span.clone(),
        };
        self.slot(scope, &output.expr, &base, &wanted)
    }

    fn node(&mut self, scope: &mut Scope, name: &str, node: &Node, axes: Axes) -> Option<StepId> {
        let NodeKind::Plugin(spec) = &node.kind else { return None };
        let spec = spec.clone();
        let base = folder_of(&scope.graph.path);
        let mut slots = Vec::with_capacity(spec.inputs.len());
        let mut arg_spans = Vec::with_capacity(spec.inputs.len());
        for input in &spec.inputs {
            let arg = node.args.get(&input.name);
            arg_spans.push(arg.map(|arg| arg.span.clone()));
            slots.push(match arg {
                Some(arg) => self.argument(scope, name, input, arg, &base),
                None => Slot::Value(input.default_value().unwrap_or(Value::None)),
            });
        }
        let place = StepPlace { source: scope.graph.source.clone(), span: node.span.clone(), arg_spans };
        self.step(format!("{}{name}", scope.prefix), axes, &spec.kind, slots, node.with.clone(), place)
    }

    fn argument(&mut self, scope: &mut Scope, node: &str, input: &InputSpec, arg: &Arg, base: &Path) -> Slot {
        let axes = self.axes(scope, &arg.expr);
        let wanted = Wanted {
            ty: &input.ty,
            is_file: input.file,
            step_name: format!("{}{node}.{}", scope.prefix, input.name),
            suffix: self.points.suffix(axes, self.point),
            span: arg.span.clone(),
        };
        let slot = self.slot(scope, &arg.expr, base, &wanted);
        let at = format!("{node}.{}", input.name);
        let source = scope.graph.source.clone();
        self.check(&slot, &at, input.range, input.multiple_of, &source, &arg.span);
        slot
    }

    /// Checks numbers that came through an input of the graph, which may be wider than the port it lands on.
    fn check(
        &mut self,
        slot: &Slot,
        at: &str,
        range: Option<spec::Range>,
        multiple_of: Option<i64>,
        source: &Arc<Source>,
        span: &Span,
    ) {
        if let Slot::Value(value) = slot
            && let Err(error) = spec::bounds(value, range, multiple_of)
        {
            self.mistakes.push(mistakes::out_of_bounds(at, &error, source, span));
        }
    }

    /// The nodes that no point needs.
    fn left_out(&self) -> Vec<LeftOut> {
        let made: HashSet<&String> = self.made.keys().map(|(name, _)| name).collect();
        let left_out = self.left_out.iter().filter(|(name, _)| !made.contains(name));
        left_out.map(|(name, why)| LeftOut { name: name.clone(), why: why.clone() }).collect()
    }
}

/// The indices of a graph's nodes, each after what it takes, otherwise in the order of the file.
pub(super) fn topological(graph: &Graph) -> Vec<usize> {
    let mut n_open = vec![0; graph.nodes.len()];
    let mut takers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, node) in graph.nodes.values().enumerate() {
        for arg in node.args.values() {
            for_each_node(&arg.expr, &mut |name: &str| {
                if let Some(from) = graph.nodes.get_index_of(name) {
                    n_open[index] += 1;
                    takers.entry(from).or_default().push(index);
                }
            });
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        n_open.iter().enumerate().filter(|(_, open)| **open == 0).map(|(index, _)| Reverse(index)).collect();
    let mut order = Vec::with_capacity(n_open.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for taker in takers.get(&index).into_iter().flatten() {
            n_open[*taker] -= 1;
            if n_open[*taker] == 0 {
                ready.push(Reverse(*taker));
            }
        }
    }
    order
}

fn for_each_node(expr: &Expr, visit: &mut impl FnMut(&str)) {
    match expr {
        Expr::Output { node, .. } => visit(node),
        Expr::List(items) => items.iter().for_each(|item| for_each_node(item, visit)),
        _ => {}
    }
}
