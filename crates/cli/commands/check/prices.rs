//! What a graph's hosted models would cost, said by `check`: without a key, without values for inputs, without weights.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use rondel_engine::{Ask, Site, asks};
use rondel_graph::{Graph, NodeKind};
use rondel_hosted::span::span;
use serde_json::json;

use crate::args::{MessageFormat, Places};
use crate::output::hosted::{Quoted, machine, print};
use crate::{hosted, words};

/// Fields of a request that change no price.
const FREE: [&str; 2] = ["prompt", "seed"];

/// Says what each step would cost, and whether each can be asked for what it asks.
pub fn say(places: &Places, path: &Path, site: &Site, graph: &Arc<Graph>, format: MessageFormat) -> Result<bool> {
    let asks = asks(site, graph);
    if asks.is_empty() {
        return Ok(true);
    }
    let hosted = hosted::open(places, Some(path))?;
    let mut quoted = Vec::new();
    let mut is_right = true;
    for Ask { name, request, unknown } in &asks {
        let request = match request {
            Ok(request) => request,
            Err(failure) => {
                is_right = false;
                words::say(format!("error: `{name}` cannot run: {failure}: {}", path.display()));
                continue;
            }
        };
        let unknown = unknown.iter().filter(|(field, _)| !FREE.contains(&&***field));
        let unknown: Vec<(String, String)> = unknown.map(|(field, from)| (field.clone(), from.clone())).collect();
        let fields: Vec<&str> = unknown.iter().map(|(field, _)| &**field).collect();
        let mut candidates = hosted.candidates(request).map_err(anyhow::Error::msg)?;
        if !fields.is_empty() {
            for candidate in candidates.iter_mut().filter(|candidate| candidate.misfit.is_none()) {
                candidate.quote = span(&candidate.offer, request, &fields);
            }
        }
        quoted.push(Quoted { step: name, request, candidates, unknown });
    }
    // Where there is an alternative, that nobody can be asked is what it is for; a name that nobody has is a mistake all the same.
    let has_alternatives = graph.nodes.values().any(|node| matches!(node.kind, NodeKind::FirstOk { .. }));
    for quoted in &quoted {
        let is_excused = has_alternatives && hosted.unknown_names(&quoted.request.route).is_none();
        if let Some(nobody) = quoted.nobody(&hosted).filter(|_| !is_excused) {
            is_right = false;
            words::say(format!("error: {nobody}: {}", path.display()));
        }
    }
    match format {
        MessageFormat::Human => print(&quoted, &hosted),
        MessageFormat::Json => {
            words::data(json!({ "file": path, "hosted": machine(&quoted) }));
        }
    }
    Ok(is_right)
}
