//! Which inputs of a graph are the seeds that a node hangs on.

use std::collections::HashSet;

use rondel_graph::{Expr, Graph};
use rondel_value::Type;

/// The seeds that lead to a node of the graph, in its order.
pub fn leading_to<'g>(graph: &'g Graph, node: &str) -> Vec<&'g str> {
    let (mut seen, mut inputs) = (HashSet::new(), HashSet::new());
    let mut open = vec![node];
    while let Some(name) = open.pop() {
        let Some(node) = graph.nodes.get(name).filter(|_| seen.insert(name)) else { continue };
        for arg in node.args.values() {
            collect(&arg.expr, &mut open, &mut inputs);
        }
    }
    let is_one = |name: &&str| matches!(graph.inputs[*name].ty.required(), Type::Seed) && inputs.contains(name);
    graph.inputs.keys().map(String::as_str).filter(is_one).collect()
}

fn collect<'g>(expr: &'g Expr, nodes: &mut Vec<&'g str>, inputs: &mut HashSet<&'g str>) {
    match expr {
        Expr::Input(name) => {
            inputs.insert(name);
        }
        Expr::Output { node, .. } => nodes.push(node),
        Expr::List(items) => items.iter().for_each(|item| collect(item, nodes, inputs)),
        // A seed in the name of a file makes no other picture.
        Expr::Value(_) | Expr::File { .. } | Expr::RandomSeed | Expr::Model(_) | Expr::Template(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::watch::write_back::tests::read;

    #[test]
    fn a_seed_leads_to_all_that_is_made_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph.ron");
        std::fs::write(
            &path,
            r#"Graph(
                format: 1,
                imports: (draw: Graph("draw.ron")),
                inputs: (a: Seed(default: Random), b: Seed(default: 7)),
                nodes: (first: draw(seed: b), second: draw(seed: a, over: first), alone: draw(seed: 1)),
                outputs: (second: second, alone: alone),
            )"#,
        )
        .unwrap();
        let draw = r##"Graph(
            format: 1,
            inputs: (seed: Seed(), over: Image(default: None)),
            nodes: (it: solid(size: (16, 16), color: "#777777")),
            outputs: (it: it),
        )"##;
        std::fs::write(folder.path().join("draw.ron"), draw).unwrap();
        let graph = read(&path);
        assert_eq!(leading_to(&graph, "second"), ["a", "b"]);
        assert_eq!(leading_to(&graph, "first"), ["b"]);
        assert!(leading_to(&graph, "alone").is_empty());
    }
}
