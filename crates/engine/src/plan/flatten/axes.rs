//! Which axes of a sweep an expression depends on, seen in the graph alone.

use rondel_graph::{Expr, Graph, Node, NodeKind, Piece};

use super::lazy::exprs;
use super::{Made, Planner, Scope};
use crate::plan::points::Axes;

impl Planner<'_> {
    /// The axes that a node's parameters depend on; `turn` is the branch that it is known to take.
    pub(super) fn node_axes(&self, scope: &Scope, node: &Node, turn: Option<usize>) -> Axes {
        if !self.points.is_sweep() {
            return Axes::NONE;
        }
        let own = exprs(node, turn).map(|expr| self.axes(scope, expr)).collect::<Axes>();
        match &node.kind {
            NodeKind::Graph(imported) | NodeKind::Each { graph: imported, .. } if names_point(imported) => {
                self.points.all_axes()
            }
            _ => own,
        }
    }

    pub(super) fn axes(&self, scope: &Scope, expr: &Expr) -> Axes {
        if !self.points.is_sweep() {
            return Axes::NONE;
        }
        let input = |name: &String| scope.input_axes.get(name).copied().unwrap_or_default();
        match expr {
            Expr::Value(_) | Expr::File { .. } | Expr::RandomSeed | Expr::Model(_) => Axes::NONE,
            Expr::Input(name) => input(name),
            Expr::Output { node, port } => match scope.nodes.get(node) {
                Some(Made::Step(_, axes)) => *axes,
                Some(Made::Graph(outputs)) => outputs.get(port).map(|(_, axes)| *axes).unwrap_or_default(),
                None => Axes::NONE,
            },
            Expr::List(items) => items.iter().map(|item| self.axes(scope, item)).collect(),
            Expr::Template(pieces) => {
                let piece = |piece: &Piece| match piece {
                    Piece::Text(_) | Piece::Graph => Axes::NONE,
                    Piece::Point { .. } => self.points.all_axes(),
                    Piece::Input { name, .. } => input(name),
                };
                pieces.iter().map(piece).collect()
            }
        }
    }
}

/// Whether a text of the graph has the number of the point in it.
fn names_point(graph: &Graph) -> bool {
    let is_point = |piece: &Piece| matches!(piece, Piece::Point { .. });
    graph.nodes.values().any(|node| {
        let in_args = node.args.values().any(|arg| match &arg.expr {
            Expr::Template(pieces) => pieces.iter().any(is_point),
            _ => false,
        });
        in_args
            || matches!(&node.kind, NodeKind::Graph(inner) | NodeKind::Each { graph: inner, .. } if names_point(inner))
    })
}
