//! Nodes that need themselves.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::scope::Scope;
use super::types::dependencies;
use crate::diagnostic::Diagnostic;
use crate::diagnostics::cycle;
use crate::graph::Expr;
use crate::literal::Reference;
use crate::source::Source;

/// Reports one cycle for each group of nodes that need each other; `rest` are the nodes that may be in one.
///
/// Kosaraju's algorithm because petgraph's `tarjan_scc` recurses, and a graph may be longer than the stack is deep.
pub(super) fn report(
    source: &Arc<Source>,
    scope: &Scope<'_>,
    references: &[Vec<Reference>],
    rest: &[usize],
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut flow: DiGraph<usize, ()> = DiGraph::with_capacity(rest.len(), rest.len());
    let places: HashMap<usize, NodeIndex> = rest.iter().map(|&node| (node, flow.add_node(node))).collect();
    for &node in rest {
        for dependency in dependencies(scope, &references[node]) {
            if let Some(&from) = places.get(&dependency) {
                flow.update_edge(from, places[&node], ());
            }
        }
    }
    let mut groups: Vec<Vec<usize>> = kosaraju_scc(&flow)
        .into_iter()
        .filter(|group| group.len() > 1 || flow.contains_edge(group[0], group[0]))
        .map(|group| group.into_iter().map(|place| flow[place]).collect())
        .collect();
    for group in &mut groups {
        group.sort_unstable();
    }
    groups.sort_unstable();
    for group in groups {
        let path = shortest(&flow, &places, &group);
        let name = |node: usize| scope.nodes.get_index(node).map_or("", |(name, _)| name.as_str());
        // The first node in the file refers to one further down: that is the edge against the order of reading.
        let edges: Vec<(&str, &Reference)> = (0..path.len())
            .filter_map(|at| {
                let before = path[(at + path.len() - 1) % path.len()];
                let reference = references[path[at]]
                    .iter()
                    .find(|reference| matches!(&reference.expr, Expr::Output { node, .. } if node == name(before)))?;
                Some((name(path[at]), reference))
            })
            .collect();
        diagnostics.push(cycle::cycle(source, scope, &edges));
    }
}

/// The shortest way from the first node of a group back to it, in the direction of the flow.
fn shortest(flow: &DiGraph<usize, ()>, places: &HashMap<usize, NodeIndex>, group: &[usize]) -> Vec<usize> {
    let start = places[&group[0]];
    let mut came_from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(place) = queue.pop_front() {
        for next in flow.neighbors(place) {
            if next == start {
                let mut path = vec![flow[place]];
                let mut at = place;
                while let Some(&before) = came_from.get(&at) {
                    path.push(flow[before]);
                    at = before;
                }
                path.reverse();
                return path;
            }
            if let std::collections::hash_map::Entry::Vacant(entry) = came_from.entry(next) {
                entry.insert(place);
                queue.push_back(next);
            }
        }
    }
    group.to_vec()
}
