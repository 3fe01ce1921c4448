//! Nodes that hand on one of several alternatives, and what of a graph is left out because no run of this plan can need it.
//!
//! A `choose` whose value is known when the run is planned is no step: the branch stands in its place, so what takes it has the
//! key that it would have without the `choose`. Nodes that only other branches need are left out, with their models.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rondel_graph::{Expr, Graph, Node, NodeKind};
use rondel_value::{Type, Value};

use super::values::Wanted;
use super::{Made, Planner, Scope, folder_of, for_each_node};
use crate::plan::keys::{self, Domain};
use crate::plan::lazy::{self, Work, branch};
use crate::plan::points::Axes;
use crate::plan::{Edge, Slot, Step, StepId, StepPlace, mistakes};

/// Of a graph's nodes, by index: which branch each `choose` takes that is known to take one, and who takes part.
pub(super) struct Part {
    taken: HashMap<usize, usize>,
    pub is_alive: Vec<bool>,
}

impl Part {
    /// The branch that a node is known to take.
    pub fn turn(&self, index: usize) -> Option<usize> {
        self.taken.get(&index).copied()
    }
}

impl Planner<'_> {
    /// Finds out which nodes take part; `only` names nodes that do in any case.
    pub(super) fn part(&mut self, scope: &Scope, only: &[String]) -> Part {
        let (graph, order) = (&scope.graph, &scope.order);
        let mut constants: HashMap<usize, Value> = HashMap::new();
        let mut taken = HashMap::new();
        for index in order {
            let (_, node) = graph.nodes.get_index(*index).expect("an index of the graph");
            let NodeKind::Choose { keys, .. } = &node.kind else { continue };
            let constant = |expr: &Expr| constant(scope, expr, &constants);
            let Some(turn) = node.args.get("on").and_then(|on| branch(keys, &constant(&on.expr)?)) else { continue };
            taken.insert(*index, turn);
            if let Some(value) = constant(&node.args[turn + 1].expr) {
                constants.insert(*index, value);
            }
        }
        let needs = |index: usize| {
            let mut needs = Vec::new();
            for expr in exprs(&graph.nodes[index], taken.get(&index).copied()) {
                for_each_node(expr, &mut |name| needs.extend(graph.nodes.get_index_of(name)));
            }
            needs
        };
        let is_named = |name: &str| only.iter().any(|only| only.split(['.', '[']).next() == Some(name));
        let is_effect = |node: &Node| matches!(&node.kind, NodeKind::Plugin(spec) if spec.effect);
        let mut is_taken = vec![false; graph.nodes.len()];
        for node in graph.nodes.values() {
            for arg in node.args.values() {
                for_each_node(&arg.expr, &mut |name| {
                    graph.nodes.get_index_of(name).into_iter().for_each(|at| is_taken[at] = true);
                });
            }
        }
        let mut open: Vec<usize> = Vec::new();
        for output in graph.outputs.values() {
            for_each_node(&output.expr, &mut |name| open.extend(graph.nodes.get_index_of(name)));
        }
        let roots = graph.nodes.iter().enumerate();
        let roots = roots.filter(|(index, (name, node))| !is_taken[*index] || is_effect(node) || is_named(name));
        open.extend(roots.map(|(index, _)| index));
        let mut is_alive = vec![false; graph.nodes.len()];
        let walk = |open: &mut Vec<usize>, seen: &mut dyn FnMut(usize) -> bool| {
            while let Some(index) = open.pop() {
                if seen(index) {
                    open.extend(needs(index));
                }
            }
        };
        walk(&mut open, &mut |index| !std::mem::replace(&mut is_alive[index], true));

        // Each of the others hangs on a branch that is not taken.
        let mut told: HashSet<usize> = HashSet::new();
        for index in order.iter().filter(|index| is_alive[**index]) {
            let (Some(turn), Some((_, node))) = (taken.get(index), graph.nodes.get_index(*index)) else { continue };
            for (_, (name, arg)) in node.args.iter().skip(1).enumerate().filter(|(i, _)| i != turn) {
                let source = &graph.source.text;
                let key = &name["from.".len()..];
                let why = format!("only if `{}` is {key}", &source[node.args["on"].span.clone()]);
                let mut open = Vec::new();
                for_each_node(&arg.expr, &mut |name| open.extend(graph.nodes.get_index_of(name)));
                walk(&mut open, &mut |index| {
                    let is_new = !is_alive[index] && told.insert(index);
                    if is_new {
                        let name = graph.nodes.get_index(index).map_or("", |(name, _)| name);
                        self.left_out.entry(format!("{}{name}", scope.prefix)).or_insert_with(|| why.clone());
                    }
                    is_new
                });
            }
        }
        Part { taken, is_alive }
    }

    /// Plans a node that hands on an alternative.
    pub(super) fn lazy(
        &mut self,
        scope: &mut Scope,
        name: &str,
        node: &Node,
        turn: Option<usize>,
        axes: Axes,
    ) -> Option<Made> {
        let outputs = |value, source: Option<&str>| {
            let source = source.map(|source| ("source".to_owned(), Slot::Value(Value::text(source))));
            let outputs = std::iter::once(("value".to_owned(), value)).chain(source);
            Some(Made::Graph(Arc::new(outputs.map(|(port, slot)| (port, (slot, axes))).collect())))
        };
        match &node.kind {
            NodeKind::FirstOk { ty } => {
                let (mut slots, mut names) = (Vec::new(), Vec::new());
                for i in 0..node.args.len() {
                    let slot = self.alternative(scope, name, node, i, ty);
                    names.push(scope.graph.source.text[node.args[i].span.clone()].to_owned());
                    let is_constant = slot.steps().is_empty();
                    slots.push(slot);
                    // It cannot fail, so what follows is never needed.
                    if is_constant {
                        break;
                    }
                }
                if slots[0].steps().is_empty() {
                    return outputs(slots.remove(0), Some(&names[0]));
                }
                let ports = vec![("value", ty.clone()), ("source", Type::Text)];
                let step = self.lazy_step(scope, name, node, slots, ports, Work::FirstOk { names });
                Some(Made::Step(step, axes))
            }
            NodeKind::Choose { ty, keys } => {
                if let Some(turn) = turn {
                    return outputs(self.alternative(scope, name, node, turn + 1, ty), None);
                }
                let on = &node.args["on"];
                // The keys have the type of what chooses.
                let on_type = match keys.first() {
                    Some(Value::Int(_)) => Type::Int,
                    Some(Value::Bool(_)) => Type::Bool,
                    _ => Type::Text,
                };
                let wanted = Wanted {
                    ty: &on_type,
                    is_file: false,
                    step_name: format!("{}{name}.on", scope.prefix),
                    suffix: self.points.suffix(self.axes(scope, &on.expr), self.point),
                    span: on.span.clone(),
                };
                let base = folder_of(&scope.graph.path);
                let chooser = self.slot(scope, &on.expr, &base, &wanted);
                if let Slot::Value(value) = &chooser {
                    let Some(turn) = branch(keys, value) else {
                        // Without a value there is a mistake already.
                        if *value != Value::None {
                            self.mistakes.push(mistakes::no_branch(name, value, keys, &scope.graph.source, &on.span));
                        }
                        return None;
                    };
                    return outputs(self.alternative(scope, name, node, turn + 1, ty), None);
                }
                if let Type::Model(_) = ty.required() {
                    self.mistakes.push(mistakes::undecided_model(name, &scope.graph.source, &on.span));
                    return None;
                }
                let mut slots = vec![chooser];
                let mut names = Vec::new();
                for i in 1..node.args.len() {
                    slots.push(self.alternative(scope, name, node, i, ty));
                    names.push(scope.graph.source.text[node.args[i].span.clone()].to_owned());
                }
                let work = Work::Choose { keys: keys.clone(), names };
                let ports = vec![("value", ty.clone())];
                Some(Made::Step(self.lazy_step(scope, name, node, slots, ports, work), axes))
            }
            _ => None,
        }
    }

    /// What stands for one of a node's arguments, by its index.
    fn alternative(&mut self, scope: &mut Scope, name: &str, node: &Node, index: usize, ty: &Type) -> Slot {
        let (param, arg) = node.args.get_index(index).expect("an argument of the node");
        let wanted = Wanted {
            ty,
            is_file: false,
            step_name: format!("{}{name}.{param}", scope.prefix),
            suffix: self.points.suffix(self.axes(scope, &arg.expr), self.point),
            span: arg.span.clone(),
        };
        let (expr, base) = (arg.expr.clone(), folder_of(&scope.graph.path));
        self.slot(scope, &expr, &base, &wanted)
    }

    fn lazy_step(
        &mut self,
        scope: &Scope,
        name: &str,
        node: &Node,
        slots: Vec<Slot>,
        ports: Vec<(&str, Type)>,
        work: Work,
    ) -> StepId {
        let kind = if matches!(work, Work::Choose { .. }) { "choose" } else { "first_ok" };
        let inputs = node.args.iter().take(slots.len()).map(|(name, _)| (name.clone(), ports[0].1.clone())).collect();
        let spec = lazy::spec(kind, inputs, ports);
        let of_output = |from: StepId, port: usize| Some((self.recipe_of(from, port), String::new()));
        let parts = keys::parts(&spec, &slots, &node.with, &[], &self.options.out, of_output);
        let first = parts.iter().find(|part| !part.port.starts_with(keys::FIXED));
        let recipe = match (&work, first) {
            (Work::FirstOk { .. }, Some(first)) => first.digest,
            _ => keys::key(Domain::Recipe, &parts),
        };
        let mut before: Vec<(StepId, Edge)> = Vec::new();
        for (i, slot) in slots.iter().enumerate() {
            let edge = if i == 0 && kind == "choose" { Edge::Takes } else { Edge::May };
            before.extend(slot.steps().into_iter().map(|from| (from, edge)));
        }
        let has_fallback = kind == "first_ok" || before.iter().any(|(from, _)| self.steps[*from].has_fallback);
        let place = StepPlace {
            source: scope.graph.source.clone(),
            span: node.span.clone(),
            arg_spans: node.args.values().map(|arg| Some(arg.span.clone())).collect(),
        };
        let axes = self.node_axes(scope, node, None);
        let (node_name, name) = self.names(format!("{}{name}", scope.prefix), axes);
        let step = Step {
            name,
            node: node_name,
            axes,
            point: self.point,
            work,
            spec: spec.into(),
            besides: Vec::new(),
            slots,
            with: node.with.clone(),
            recipe,
            is_volatile: false,
            has_fallback,
            place,
        };
        self.add(step, before)
    }

    /// What stands in a recipe for an output of a step that is planned.
    pub(super) fn recipe_of(&self, from: StepId, port: usize) -> rondel_value::Digest {
        let step = &self.steps[from];
        step.recipe_of_output(&step.recipe, 0, port)
    }

    /// The models that nodes which take part refer to, and those to which nobody refers.
    pub(super) fn models_of(graph: &Graph, part: &Part) -> Vec<String> {
        let (mut alive, mut named) = (HashSet::new(), HashSet::new());
        for (index, node) in graph.nodes.values().enumerate() {
            let seen = |expr: &Expr, names: &mut HashSet<String>| {
                for_each_model(expr, &mut |name| names.extend([name.to_owned()]));
            };
            node.args.values().for_each(|arg| seen(&arg.expr, &mut named));
            if part.is_alive[index] {
                exprs(node, part.taken.get(&index).copied()).for_each(|expr| seen(expr, &mut alive));
            }
        }
        for output in graph.outputs.values() {
            for_each_model(&output.expr, &mut |name| alive.extend([name.to_owned()]));
        }
        graph.models.keys().filter(|name| alive.contains(*name) || !named.contains(*name)).cloned().collect()
    }
}

/// What a node takes, where `turn` is the branch that it is known to take.
pub(super) fn exprs(node: &Node, turn: Option<usize>) -> impl Iterator<Item = &Expr> {
    let args = node.args.values().enumerate();
    args.filter(move |(i, _)| *i == 0 || turn.is_none_or(|turn| *i == turn + 1)).map(|(_, arg)| &arg.expr)
}

fn for_each_model(expr: &Expr, visit: &mut impl FnMut(&str)) {
    match expr {
        Expr::Model(name) => visit(name),
        Expr::List(items) => items.iter().for_each(|item| for_each_model(item, visit)),
        _ => {}
    }
}

/// The value of an expression, if it is known before anything is planned.
fn constant(scope: &Scope, expr: &Expr, constants: &HashMap<usize, Value>) -> Option<Value> {
    match expr {
        Expr::Value(value) => Some(value.clone()),
        Expr::Input(name) => match scope.inputs.get(name) {
            Some(Slot::Value(value)) => Some(value.clone()),
            _ => None,
        },
        Expr::Output { node, .. } => constants.get(&scope.graph.nodes.get_index_of(node)?).cloned(),
        _ => None,
    }
}
