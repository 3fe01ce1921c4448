//! Nodes: their kinds, then their parameters.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::each;
use super::imports::Kinds;
use super::lazy::{self, Rule};
use super::scope::{NodeHead, Scope, Signature};
use super::{Checker, Names, OWN_KINDS, with};
use crate::diagnostic::Diagnostic;
use crate::diagnostics::*;
use crate::document;
use crate::graph::{Arg, Node, With};
use crate::literal::{Port, Reader, Reference};
use crate::source::{Source, Span};
use crate::suggest;
use crate::syntax::{Args, Field, Form, Word};
use crate::world::World;

/// A node as written, once its kind is known.
pub(super) struct Written<'a> {
    name: Word<'a>,
    kind: Word<'a>,
    args: Vec<Field<'a>>,
    signature: Arc<Signature>,
    span: Span,
}

impl Checker<'_> {
    /// Finds the kind of each node. Both results have the same order.
    pub(super) fn heads<'a>(
        &mut self,
        source: &Arc<Source>,
        fields: &[Field<'a>],
        kinds: &Kinds,
        names: &mut Names,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> (IndexMap<String, NodeHead>, Vec<Written<'a>>) {
        let mut heads = IndexMap::with_capacity(fields.len());
        let mut written = Vec::with_capacity(fields.len());
        let mut plugins: HashMap<&str, Option<Arc<Signature>>> = HashMap::new();
        for field in fields {
            if !names.is_first(&field.name) {
                continue;
            }
            let name = field.name.text;
            let (kind, mut args) = match field.value.form() {
                Form::Call(kind, Args::Named(args)) => (kind, args),
                Form::Call(kind, Args::Positional(items)) if items.is_empty() => (kind, Vec::new()),
                _ => {
                    diagnostics.push(malformed::node(source, &field.value.span(), name));
                    names.poison(name);
                    continue;
                }
            };
            let known = match kinds.get(kind.text) {
                Some(imported) => imported.is_some().then(|| imported.clone()),
                None if kind.text == each::EACH => each::signature(source, &kind, &mut args, kinds, diagnostics)
                    .map(|signature| Some(signature.into())),
                None if matches!(kind.text, lazy::FIRST_OK | lazy::CHOOSE) => {
                    Some(lazy::signature(kind.text).map(Arc::new))
                }
                None => Some(
                    plugins
                        .entry(kind.text)
                        .or_insert_with(|| {
                            let spec = self.world.spec(kind.text)?;
                            Some(Arc::new(Signature::of_plugin(kind.text, spec)))
                        })
                        .clone(),
                ),
            };
            match known {
                Some(Some(signature)) => {
                    let head = NodeHead { signature: signature.clone(), kind_span: kind.span() };
                    heads.insert(name.to_owned(), head);
                    written.push(Written { name: field.name, kind, args, signature, span: field.span() });
                }
                Some(None) => {
                    let all = self.world.kinds().into_iter().chain(kinds.keys().cloned());
                    let all = all.chain(OWN_KINDS.map(str::to_owned)).collect();
                    let missing = self.world.missing_kind(kind.text);
                    diagnostics.push(unknown_kind::unknown_kind(source, &kind.span(), kind.text, all, false, missing));
                    names.poison(name);
                }
                // That is reported already.
                None => names.poison(name),
            }
        }
        (heads, written)
    }
}

/// Nodes, and for each of them what it refers to and what is to be checked of its alternatives.
type Read = (IndexMap<String, Node>, Vec<Vec<Reference>>, Vec<Option<Rule>>);

/// Reads the parameters of all nodes.
pub(super) fn nodes(
    world: &dyn World,
    source: &Arc<Source>,
    scope: &Scope<'_>,
    written: &[Written<'_>],
    diagnostics: &mut Vec<Diagnostic>,
) -> Read {
    let mut rules = Vec::with_capacity(written.len());
    let mut nodes = IndexMap::with_capacity(written.len());
    let mut references = Vec::with_capacity(written.len());
    for node in written {
        let (args, with, found, rule) = parameters(world, source, scope, node, diagnostics);
        references.push(found);
        rules.push(rule);
        nodes.insert(
            node.name.text.to_owned(),
            Node {
                name: node.name.text.to_owned(),
                kind: node.signature.kind.clone(),
                args,
                with,
                span: node.span.clone(),
            },
        );
    }
    (nodes, references, rules)
}

fn parameters(
    world: &dyn World,
    source: &Arc<Source>,
    scope: &Scope<'_>,
    node: &Written<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> (IndexMap<String, Arg>, With, Vec<Reference>, Option<Rule>) {
    let signature = &node.signature;
    let lazy_params = lazy::params(&signature.kind);
    let mut rule = (!lazy_params.is_empty()).then(|| Rule::new(node.span.clone()));
    let mut args = IndexMap::with_capacity(node.args.len());
    let mut with = With::default();
    let mut given: Vec<&str> = Vec::with_capacity(node.args.len());
    let fields = document::distinct(source, &node.args, "parameter", diagnostics);
    let written: Vec<&str> = fields.iter().map(|field| field.name.text).collect();
    let mut reader =
        Reader { source, world, scope: Some(scope), node: Some(node.name.text), diagnostics, references: Vec::new() };
    for field in fields {
        let name = field.name.text;
        if name == "with" {
            with = with::read(source, field, &signature.kind, reader.diagnostics);
            continue;
        }
        if let Some(rule) = rule.as_mut().filter(|_| lazy_params.contains(&name)) {
            given.push(name);
            lazy::read(&mut reader, &signature.name, name, &field.value, &mut args, rule);
            continue;
        }
        let Some(param) = signature.params.get(name) else {
            let all = signature.params.keys().map(String::as_str).chain(lazy_params.iter().copied());
            let open = all.filter(|param| !written.contains(param));
            // A slip of the pen is not a missing parameter as well.
            given.extend(suggest::closest(name, open.clone()));
            let open: Vec<&str> = open.collect();
            reader.diagnostics.push(unknown_param::unknown_param(source, &field.name, &signature.name, &open));
            continue;
        };
        given.push(name);
        let port = Port {
            owner: Some(&signature.name),
            name,
            ty: &param.ty,
            range: param.range,
            multiple_of: param.multiple_of,
            range_span: None,
            multiple_of_span: None,
            expand: param.expand,
        };
        if let Some(expr) = reader.read(&field.value, &port) {
            args.insert(name.to_owned(), Arg { expr, span: field.value.span() });
        }
    }
    let references = std::mem::take(&mut reader.references);
    // Wherever it is written, what chooses stands before the branches.
    if let Some(at) = args.get_index_of("on").filter(|_| rule.is_some()) {
        args.move_index(at, 0);
    }
    let missing: Vec<(&str, &rondel_value::Type)> = signature
        .params
        .iter()
        .filter(|(name, param)| param.required && !given.contains(&name.as_str()))
        .map(|(name, param)| (name.as_str(), &param.ty))
        .collect();
    if let Some(open) = lazy_params.iter().find(|name| !given.contains(name)) {
        diagnostics.push(missing_param::alternatives(source, &node.kind, open));
    }
    if !missing.is_empty() {
        diagnostics.push(missing_param::missing_param(source, &node.kind, &missing, scope, node.name.text));
    }
    (args, with, references, rule)
}
