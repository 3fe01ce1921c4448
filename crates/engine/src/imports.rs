//! The graphs that a graph imports, near and far, by where they are.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::sync::Arc;

use rondel_graph::{Graph, NodeKind};

/// Every graph that `graph` imports, or one of those does, by its path from the folder of `graph`.
pub fn imports(graph: &Graph) -> BTreeMap<String, Arc<Graph>> {
    let mut found = BTreeMap::new();
    let folder = graph.path.parent();
    let mut open: Vec<Arc<Graph>> = imported(graph).cloned().collect();
    while let Some(next) = open.pop() {
        let path = folder.and_then(|folder| relative(&next.path, folder)).unwrap_or_else(|| next.name.clone());
        if let Entry::Vacant(place) = found.entry(path) {
            open.extend(imported(&next).cloned());
            place.insert(next);
        }
    }
    found
}

fn imported(graph: &Graph) -> impl Iterator<Item = &Arc<Graph>> {
    graph.nodes.values().filter_map(|node| match &node.kind {
        NodeKind::Graph(graph) | NodeKind::Each { graph, .. } => Some(graph),
        _ => None,
    })
}

/// The way from `folder` to `path`, with `..` where it leads upwards; slashes on every system.
fn relative(path: &Path, folder: &Path) -> Option<String> {
    let mut ups = String::new();
    folder.ancestors().find_map(|base| {
        let rest = path.strip_prefix(base).ok();
        let rest = rest.map(|rest| rest.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/"));
        let whole = rest.map(|rest| format!("{ups}{rest}"));
        ups.push_str("../");
        whole
    })
}
