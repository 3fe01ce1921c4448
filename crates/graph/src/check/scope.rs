//! Names of one file, and what kinds take and return.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;
use rondel_value::{Family, NodeSpec, Range, Type, coerce};

use crate::graph::{Graph, Input, ModelUse, NodeKind};
use crate::source::Span;

/// What a kind takes and returns; for a plugin's kind and an imported graph alike.
#[derive(Debug)]
pub(crate) struct Signature {
    /// The kind as it is called in the file.
    pub name: String,
    pub kind: NodeKind,
    pub params: IndexMap<String, Param>,
    /// The first is the primary one.
    pub outputs: Vec<(String, Type)>,
}

#[derive(Debug)]
pub(crate) struct Param {
    pub ty: Type,
    pub required: bool,
    pub range: Option<Range>,
    pub multiple_of: Option<i64>,
    pub expand: bool,
}

impl Signature {
    pub fn of_plugin(name: &str, spec: Arc<NodeSpec>) -> Signature {
        let param = |input: &rondel_value::InputSpec| Param {
            ty: input.ty.clone(),
            required: input.is_required(),
            range: input.range,
            multiple_of: input.multiple_of,
            expand: input.expand,
        };
        Signature {
            name: name.to_owned(),
            params: spec.inputs.iter().map(|input| (input.name.clone(), param(input))).collect(),
            outputs: spec.outputs.iter().map(|output| (output.name.clone(), output.ty.clone())).collect(),
            kind: NodeKind::Plugin(spec),
        }
    }

    pub fn of_graph(name: &str, graph: Arc<Graph>) -> Signature {
        let param = |input: &Input| Param {
            ty: input.ty.clone(),
            required: input.default.is_none(),
            range: input.range,
            multiple_of: input.multiple_of,
            expand: false,
        };
        Signature {
            name: name.to_owned(),
            params: graph.inputs.values().map(|input| (input.name.clone(), param(input))).collect(),
            outputs: graph.outputs.iter().map(|(name, output)| (name.clone(), output.ty.clone())).collect(),
            kind: NodeKind::Graph(graph),
        }
    }

    pub fn output(&self, name: &str) -> Option<&Type> {
        self.outputs.iter().find(|(output, _)| output == name).map(|(_, ty)| ty)
    }
}

/// A node whose kind is known.
#[derive(Debug)]
pub(crate) struct NodeHead {
    pub signature: Arc<Signature>,
    /// Where the kind is written.
    pub kind_span: Span,
}

/// The names of one file; inputs, models and nodes share one namespace.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub inputs: &'a IndexMap<String, Input>,
    pub models: &'a IndexMap<String, ModelUse>,
    pub nodes: &'a IndexMap<String, NodeHead>,
    /// Where each name is declared.
    pub declared: &'a HashMap<String, Span>,
    /// Names whose declaration has a mistake; whatever hangs on them is not reported again.
    pub poisoned: &'a HashSet<String>,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Input,
    Model,
    Node(Arc<Signature>),
    Poisoned,
    Nothing,
}

impl Scope<'_> {
    pub fn find(&self, name: &str) -> Found {
        if self.is_poisoned(name) {
            Found::Poisoned
        } else if self.inputs.contains_key(name) {
            Found::Input
        } else if self.models.contains_key(name) {
            Found::Model
        } else if let Some(node) = self.nodes.get(name) {
            Found::Node(node.signature.clone())
        } else {
            Found::Nothing
        }
    }

    pub fn is_poisoned(&self, name: &str) -> bool {
        self.poisoned.contains(name)
    }

    /// Everything that could be written where `wanted` is asked for, as it would be written, nodes last.
    ///
    /// Families are left out of account: a list of names is to be short, not exact.
    pub fn fitting(&self, wanted: &Type, except: Option<&str>) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let fits = |ty: &Type| coerce::fits(ty, wanted);
        names.extend(self.inputs.values().filter(|input| fits(&input.ty)).map(|input| input.name.clone()));
        let is_model = |model: &ModelUse| fits(&Type::Model(Family::Named(model.family.clone())));
        names.extend(self.models.values().filter(|model| is_model(model)).map(|model| model.name.clone()));
        names.extend(self.fitting_nodes(wanted, except));
        names
    }

    /// The nodes that return what is wanted: `noise`, or `change(heatmap)` if it is not the first output.
    pub fn fitting_nodes(&self, wanted: &Type, except: Option<&str>) -> Vec<String> {
        let mut names = Vec::new();
        for (name, node) in self.nodes.iter().filter(|(name, _)| Some(name.as_str()) != except) {
            let found = node.signature.outputs.iter().position(|(_, ty)| coerce::fits(ty, wanted));
            match found {
                Some(0) => names.push(name.clone()),
                Some(output) => names.push(format!("{name}({})", node.signature.outputs[output].0)),
                None => {}
            }
        }
        names
    }
}
