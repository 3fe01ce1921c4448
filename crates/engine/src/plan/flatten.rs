//! From a checked graph and its inputs to a plan.
//!
//! Nodes are taken in topological order, imports where they stand, so that what a step takes exists before it does. An
//! imported graph's effects never happen, and its steps are in the plan only if something wanted needs them.

mod import;
mod lazy;
mod values;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use petgraph::stable_graph::StableDiGraph;
use rondel_graph::{Arg, Diagnostic, Expr, Graph, Node, NodeKind, Source, Span, With};
use rondel_value::{Digest, InputSpec, Value, coerce, spec};

use self::values::Wanted;
use super::inputs::{self, Given, InputValue, Repeat};
use super::keys::{self, Domain};
use super::lazy::Work;
use super::{Edge, LeftOut, Output, Plan, Slot, Step, StepId, StepPlace, mistakes};
use crate::site::Site;
use crate::weights::Weights;

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
    /// Draws the seeds that are `Random`, and the number that makes the keys of results that are not kept unique.
    pub draw: &'a mut dyn FnMut() -> u64,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum PlanError {
    /// The graph, the inputs or the files they name are wrong.
    Wrong(Vec<Diagnostic>),
    /// `only` names nothing of the graph.
    NothingMatches { only: Vec<String>, outputs: Vec<String> },
}

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
    let mut planner = Planner {
        site,
        nonce: (options.draw)(),
        options,
        root: graph.clone(),
        steps: StableDiGraph::new(),
        weights: Weights::default(),
        leaders: HashMap::new(),
        left_out: Vec::new(),
        mistakes: Vec::new(),
    };

    let mut root = Scope::new(graph, String::new());
    let mut input_values = IndexMap::new();
    for (name, (expr, origin)) in chosen {
        let input = &graph.inputs[&name];
        let base = match origin {
            inputs::Origin::Set => planner.options.current_folder.clone(),
            _ => folder_of(&graph.path),
        };
        let wanted = Wanted { ty: &input.ty, is_file: false, step_name: name.clone(), span: input.span.clone() };
        let slot = planner.slot(&mut root, &expr, &base, &wanted);
        let repeat = match (&slot, &expr) {
            (Slot::Value(value), Expr::RandomSeed) => Repeat::of(value, &input.ty),
            _ if origin == inputs::Origin::Default => Repeat::Default,
            (Slot::Value(value), Expr::Value(_)) => Repeat::of(value, &input.ty),
            _ => Repeat::ByHand,
        };
        let value = InputValue { json: input_json(&expr, &slot), origin, is_file: names_file(&expr), repeat };
        input_values.insert(name.clone(), value);
        root.inputs.insert(name, slot);
    }
    planner.graph(&mut root, &only);

    let outputs: Vec<Output> =
        planner.outputs(&mut root).into_iter().map(|(name, slot)| Output { name, slot }).collect();
    let wanted = planner.wanted(&root, &outputs, &only)?;
    planner.check_places(&wanted);
    if !planner.mistakes.is_empty() {
        return Err(PlanError::Wrong(planner.mistakes));
    }
    let outputs = outputs.into_iter().filter(|output| only.is_empty() || only.contains(&output.name)).collect();
    let plan = Plan {
        graph: graph.clone(),
        steps: planner.steps,
        inputs: input_values,
        outputs,
        wanted,
        weights: planner.weights,
        left_out: planner.left_out,
        swaps,
        out,
    };
    let plan = without_unused_imports(plan);
    match missing_parts(&plan) {
        mistakes if mistakes.is_empty() => Ok(plan),
        mistakes => Err(PlanError::Wrong(mistakes)),
    }
}

/// What steps that may run need of models that lack it.
///
/// Two parts are never missed here: a text encoder may bring a tokenizer along, and defaults stand in for a config.
fn missing_parts(plan: &Plan) -> Vec<Diagnostic> {
    const DISPENSABLE: [&str; 2] = ["tokenizer", "config"];
    let needed = plan.needed_by(plan.wanted.iter().copied());
    let mut mistakes = Vec::new();
    for id in plan.ids().filter(|id| needed[id.index()]) {
        let step = plan.step(id);
        let ports = step.spec.inputs.iter().zip(&step.slots).zip(&step.place.arg_spans);
        for ((input, slot), span) in ports {
            let Slot::Model(model) = slot else { continue };
            let is_missing = |part: &&String| !model.parts.contains_key(*part) && !DISPENSABLE.contains(&part.as_str());
            let place = span.as_ref().unwrap_or(&step.place.span);
            mistakes.extend(
                input
                    .parts
                    .iter()
                    .filter(is_missing)
                    .map(|part| mistakes::part_missing(&step.name, part, model, &step.place.source, place)),
            );
        }
    }
    mistakes
}

/// Drops the steps of imported graphs that nothing wanted needs; those of the file itself stay, to be reported.
fn without_unused_imports(mut plan: Plan) -> Plan {
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

/// An input as reports show it: files by their paths as given, everything else by its value.
fn input_json(expr: &Expr, slot: &Slot) -> serde_json::Value {
    match (expr, slot) {
        (Expr::File { path }, _) => path.as_str().into(),
        (Expr::List(exprs), Slot::List(slots)) => {
            exprs.iter().zip(slots).map(|(expr, slot)| input_json(expr, slot)).collect()
        }
        (_, slot) => slot_json(slot),
    }
}

fn names_file(expr: &Expr) -> bool {
    match expr {
        Expr::File { .. } => true,
        Expr::List(items) => items.iter().any(names_file),
        _ => false,
    }
}

fn slot_json(slot: &Slot) -> serde_json::Value {
    match slot {
        Slot::Value(value) => coerce::to_json(value),
        Slot::Model(model) => model.name.clone().into(),
        Slot::File { path, .. } => path.display().to_string().into(),
        Slot::Step { .. } => serde_json::Value::Null,
        Slot::List(items) => items.iter().map(slot_json).collect(),
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
    inputs: HashMap<String, Slot>,
    models: HashMap<String, Slot>,
    nodes: HashMap<String, Made>,
    /// Pictures that are read, by path: one step each.
    pictures: HashMap<PathBuf, StepId>,
}

/// What became of a node.
enum Made {
    Step(StepId),
    Graph(HashMap<String, Slot>),
}

impl Scope {
    fn new(graph: &Arc<Graph>, prefix: String) -> Scope {
        Scope {
            graph: graph.clone(),
            prefix,
            inputs: HashMap::new(),
            models: HashMap::new(),
            nodes: HashMap::new(),
            pictures: HashMap::new(),
        }
    }
}

struct Planner<'a> {
    site: &'a Site,
    options: PlanOptions<'a>,
    /// Makes the keys of results that are not kept unlike any others.
    nonce: u64,
    root: Arc<Graph>,
    steps: StableDiGraph<Step, Edge>,
    weights: Weights,
    /// The first step with a recipe key.
    leaders: HashMap<Digest, StepId>,
    left_out: Vec<LeftOut>,
    mistakes: Vec<Diagnostic>,
}

impl Planner<'_> {
    /// Plans the nodes of a graph; `only` names nodes that take part in any case.
    fn graph(&mut self, scope: &mut Scope, only: &[String]) {
        let graph = scope.graph.clone();
        let order = topological(&graph);
        let part = self.part(scope, &order, only);
        for name in Self::models_of(&graph, &part) {
            match self.site.model(&graph, &graph.models[&name]) {
                Ok(found) => {
                    self.weights.add(&found);
                    scope.models.insert(name, Slot::Model(Arc::new(found.reference)));
                }
                Err(mistakes) => self.mistakes.extend(mistakes),
            }
        }
        for index in order.into_iter().filter(|index| part.is_alive[*index]) {
            let (name, node) = graph.nodes.get_index(index).expect("an index of the graph");
            let made = match &node.kind {
                NodeKind::Plugin(_) => self.node(scope, name, node).map(Made::Step),
                NodeKind::Graph(imported) => Some(Made::Graph(self.import(scope, name, node, imported, None))),
                NodeKind::Each { graph, element } => Some(Made::Graph(self.each(scope, name, node, graph, element))),
                NodeKind::FirstOk { .. } | NodeKind::Choose { .. } => self.lazy(scope, index, name, node, &part),
            };
            if let Some(made) = made {
                scope.nodes.insert(name.clone(), made);
            }
        }
    }

    fn outputs(&mut self, scope: &mut Scope) -> Vec<(String, Slot)> {
        let graph = scope.graph.clone();
        let base = folder_of(&graph.path);
        let outputs = graph.outputs.iter().map(|(name, output)| {
            let wanted = Wanted {
                ty: &output.ty,
                is_file: false,
                step_name: format!("{}{name}", scope.prefix),
                span: output.span.clone(),
            };
            (name.clone(), self.slot(scope, &output.expr, &base, &wanted))
        });
        outputs.collect()
    }

    /// What the run is for, or that nothing matches.
    fn wanted(&self, root: &Scope, outputs: &[Output], only: &[String]) -> Result<Vec<StepId>, PlanError> {
        let known: Vec<String> = outputs.iter().map(|output| output.name.clone()).collect();
        let mut wanted = Vec::new();
        if only.is_empty() {
            let made = root.graph.nodes.keys().filter_map(|name| match root.nodes.get(name) {
                Some(Made::Step(id)) => Some(*id),
                _ => None,
            });
            wanted.extend(made.clone().filter(|id| self.steps[*id].spec.effect));
            if outputs.is_empty() && wanted.is_empty() {
                // Nothing says what the graph is for: everything that nothing else takes.
                let is_taken = |id: &StepId| self.steps.edges(*id).any(|edge| *edge.weight() != Edge::Repeats);
                wanted.extend(made.filter(|id| !is_taken(id)));
            }
        }
        for name in only {
            let mut steps = Vec::new();
            match root.nodes.get(name) {
                Some(Made::Step(id)) => steps.push(*id),
                Some(Made::Graph(outputs)) => {
                    outputs.values().for_each(|slot| slot.for_each_step(&mut |id| steps.push(id)))
                }
                // A step of an import, by its whole name.
                None => steps.extend(self.steps.node_indices().find(|id| *self.steps[*id].name == **name)),
            }
            if steps.is_empty() && !known.contains(name) {
                return Err(PlanError::NothingMatches { only: vec![name.clone()], outputs: known });
            }
            wanted.extend(steps);
        }
        for output in outputs.iter().filter(|output| only.is_empty() || only.contains(&output.name)) {
            output.slot.for_each_step(&mut |id| wanted.push(id));
        }
        wanted.sort();
        wanted.dedup();
        Ok(wanted)
    }

    /// Refuses effects that write to one place: of their files only one would be left.
    fn check_places(&mut self, wanted: &[StepId]) {
        let mut places: HashMap<Vec<Digest>, StepId> = HashMap::new();
        for id in wanted.iter().filter(|id| self.steps[**id].spec.effect) {
            let step = &self.steps[*id];
            // A place is what placeholders are for.
            let ports = step
                .spec
                .inputs
                .iter()
                .zip(&step.slots)
                .zip(&step.place.arg_spans)
                .filter(|((input, _), _)| input.expand);
            let mut span = step.place.span.clone();
            let mut place = vec![Digest::of(step.spec.kind.as_bytes())];
            for ((_, slot), arg_span) in ports {
                match slot {
                    Slot::Value(value) => place.push(value.digest()),
                    _ => place.push(step.recipe),
                }
                span = arg_span.clone().unwrap_or(span);
            }
            if place.len() == 1 {
                continue;
            }
            match places.get(&place) {
                None => drop(places.insert(place, *id)),
                Some(first) => {
                    let first = &self.steps[*first];
                    let mistake =
                        mistakes::same_place(&step.name, &first.name, &step.place.source, &span, &first.place.span);
                    self.mistakes.push(mistake);
                }
            }
        }
    }

    fn node(&mut self, scope: &mut Scope, name: &str, node: &Node) -> Option<StepId> {
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
        self.step(format!("{}{name}", scope.prefix), &spec.kind, slots, node.with.clone(), place)
    }

    fn argument(&mut self, scope: &mut Scope, node: &str, input: &InputSpec, arg: &Arg, base: &Path) -> Slot {
        let wanted = Wanted {
            ty: &input.ty,
            is_file: input.file,
            step_name: format!("{}{node}.{}", scope.prefix, input.name),
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

    fn step(&mut self, name: String, kind: &str, slots: Vec<Slot>, with: With, place: StepPlace) -> Option<StepId> {
        // The checker found the kind in the same registry; only `load_image` is asked for here first.
        let Some(kind) = self.site.registry().kind(kind).cloned() else {
            self.mistakes.push(mistakes::kind_not_loaded(kind, &place.source, &place.span));
            return None;
        };
        let spec = kind.spec().clone();
        let is_volatile = spec.impure || with.never_cache;
        let mut parts = keys::parts(&spec, &slots, &with, &self.options.out, |from, port| {
            Some((self.recipe_of(from, port), String::new()))
        });
        if is_volatile {
            let nonce = format!("{} {name}", self.nonce);
            let digest = Digest::of(nonce.as_bytes());
            parts.push(rondel_cache::Part { port: "#run".to_owned(), digest, shown: nonce });
        }
        let recipe = keys::key(Domain::Recipe, &parts);
        let mut before: Vec<(StepId, Edge)> = Vec::new();
        for slot in &slots {
            slot.for_each_step(&mut |from| before.push((from, Edge::Takes)));
        }
        // Effects are not shared: each looks at its own file. Nor is what lies below a `first_ok`: equal recipes may become
        // unlike, or one of two may have a fallback that the other has not.
        let has_fallback = before.iter().any(|(from, _)| self.steps[*from].has_fallback);
        if !spec.effect
            && !has_fallback
            && let Some(leader) = self.leaders.get(&recipe)
        {
            before.push((*leader, Edge::Repeats));
        }
        before.sort_by_key(|(from, _)| *from);
        before.dedup_by_key(|(from, _)| *from);
        let (name, work) = (name.into(), Work::Plugin(kind));
        let step = Step { name, work, spec, slots, with, recipe, is_volatile, has_fallback, place };
        let id = self.steps.add_node(step);
        if !has_fallback {
            self.leaders.entry(recipe).or_insert(id);
        }
        for (from, edge) in before {
            self.steps.add_edge(from, id, edge);
        }
        Some(id)
    }
}

/// The indices of a graph's nodes, each after what it takes, otherwise in the order of the file.
fn topological(graph: &Graph) -> Vec<usize> {
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
