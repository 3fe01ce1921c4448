//! `rondel schema`: the JSON Schema of graphs with every installed kind, and graphs in the form that it is of.

use std::path::Path;

use anyhow::Result;
use rondel_engine::site::reason;
use rondel_graph::{Diagnostic, Source};
use rondel_value::NodeSpec;

use super::{Exit, site};
use crate::args::{MessageFormat, Places, SchemaArgs};
use crate::output::diagnostics;
use crate::words;

pub fn run(places: &Places, args: &SchemaArgs) -> Result<Exit> {
    if let Some(graph) = &args.graph {
        let name = graph.display().to_string();
        let source = match std::fs::read(graph) {
            Ok(bytes) => Source::from_bytes(&name, graph, bytes),
            Err(error) => Err(Diagnostic::unreadable(&name, &reason(&error))),
        };
        return match source.and_then(|source| rondel_graph::json::json(&source)) {
            Ok(json) => {
                words::data(serde_json::to_string_pretty(&json)?);
                Ok(Exit::Done)
            }
            Err(mistake) => {
                diagnostics::print(&[mistake], MessageFormat::Human);
                Ok(Exit::Wrong)
            }
        };
    }
    // As seen from a graph in the current folder.
    let (site, _) = site(places, Some(Path::new("graph.ron")), None)?;
    let specs: Vec<&NodeSpec> = site.registry().kinds().map(|kind| &**kind.spec()).collect();
    words::data(serde_json::to_string_pretty(&rondel_graph::schema::schema(specs))?);
    Ok(Exit::Done)
}
