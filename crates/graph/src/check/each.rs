//! `each(graph: fit, over: pictures)`: what an imported graph takes and returns where it runs once for each element of a list.
//!
//! An element stands for the first input of the graph that is not given by name, as a node stands for its first output.

use std::sync::Arc;

use rondel_value::Type;

use super::imports::Kinds;
use super::scope::{Param, Signature};
use crate::diagnostic::Diagnostic;
use crate::diagnostics::*;
use crate::graph::NodeKind;
use crate::source::Source;
use crate::syntax::{Field, Form, Word};

/// The name of the kind in a graph file.
pub(super) const EACH: &str = "each";

/// The parameter that names the graph, and the one that takes the list.
const GRAPH: &str = "graph";
const OVER: &str = "over";

/// Takes `graph` out of the parameters and returns what the others have to be.
///
/// `None` if the graph is not one, which is then reported, or was reported with its import.
pub(super) fn signature(
    source: &Arc<Source>,
    kind: &Word<'_>,
    args: &mut Vec<Field<'_>>,
    kinds: &Kinds,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Signature> {
    let graphs = || {
        let is_graph = |signature: &Arc<Signature>| matches!(signature.kind, NodeKind::Graph(_));
        let mut names: Vec<&str> = kinds
            .iter()
            .filter(|(_, signature)| signature.as_ref().is_some_and(is_graph))
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        names
    };
    let Some(at) = args.iter().position(|field| field.name.text == GRAPH) else {
        diagnostics.push(each::no_graph(source, &kind.span(), &graphs()));
        return None;
    };
    let named = args.remove(at).value;
    let signature = match named.form() {
        Form::Name(word) => kinds.get(word.text),
        _ => None,
    };
    let graph = match signature {
        Some(Some(signature)) => match &signature.kind {
            NodeKind::Graph(graph) => graph.clone(),
            _ => {
                diagnostics.push(each::not_a_graph(source, &named, &graphs()));
                return None;
            }
        },
        // The import failed, and that is reported.
        Some(None) => return None,
        None => {
            diagnostics.push(each::not_a_graph(source, &named, &graphs()));
            return None;
        }
    };
    let is_given = |name: &str| args.iter().any(|field| field.name.text == name && name != OVER);
    let Some(element) = graph.inputs.keys().find(|name| !is_given(name)).cloned() else {
        diagnostics.push(each::no_input_left(source, &named, &graph));
        return None;
    };
    let hidden = graph
        .inputs
        .values()
        .find(|input| input.name != element && input.default.is_none() && (input.name == GRAPH || input.name == OVER));
    if let Some(input) = hidden {
        diagnostics.push(each::hidden_input(source, &named, &input.name));
        return None;
    }
    let mut signature = Signature::of_graph(EACH, graph.clone());
    let param = signature.params.shift_remove(&element)?;
    signature.params.retain(|name, _| name != GRAPH && name != OVER);
    let over = Param { ty: Type::list(param.ty.required().clone()), required: true, ..param };
    signature.params.shift_insert(0, OVER.to_owned(), over);
    for (_, ty) in &mut signature.outputs {
        *ty = Type::list(ty.clone());
    }
    signature.kind = NodeKind::Each { graph, element };
    Some(signature)
}
