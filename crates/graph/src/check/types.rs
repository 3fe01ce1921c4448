//! Types along the edges, and which family each node works in.
//!
//! A family variable in a signature is bound by the first thing that says which family it is, models before all else;
//! everything after it has to agree. A node's outputs carry what its inputs bound, so nodes are visited in the order of
//! the flow, by a worklist: recursion would limit how long a graph may be.

use std::collections::VecDeque;
use std::sync::Arc;

use rondel_value::{Family, Type, coerce};

use super::cycles;
use super::lazy::Rule;
use super::scope::Scope;
use crate::diagnostic::Diagnostic;
use crate::diagnostics::{family_mismatch, type_mismatch};
use crate::graph::{Expr, NodeKind};
use crate::literal::Reference;
use crate::source::{Source, Span};

/// Who said which family a variable is.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub letter: char,
    pub family: String,
    /// Where it was said.
    pub span: Span,
    /// What it was said by, as written.
    pub by: String,
}

/// The families that each node works in, by its index.
#[derive(Debug, Default)]
pub(crate) struct Types {
    bound: Vec<Vec<Bound>>,
    /// What nodes with alternatives return, as far as it is known.
    common: Vec<Option<Type>>,
}

/// Checks the references of all nodes, and that no node needs itself.
pub(super) fn check(
    source: &Arc<Source>,
    scope: &Scope<'_>,
    references: &[Vec<Reference>],
    rules: &[Option<Rule>],
    diagnostics: &mut Vec<Diagnostic>,
) -> Types {
    let n = references.len();
    let mut types = Types { bound: vec![Vec::new(); n], common: vec![None; n] };
    // For each node: how many references are not yet visited, and who waits for it.
    let mut open = vec![0_usize; references.len()];
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); references.len()];
    for (node, references) in references.iter().enumerate() {
        for dependency in dependencies(scope, references) {
            open[node] += 1;
            waiting[dependency].push(node);
        }
    }
    let mut ready: VecDeque<usize> = (0..references.len()).filter(|&node| open[node] == 0).collect();
    let mut visited = vec![false; references.len()];
    while let Some(node) = ready.pop_front() {
        visited[node] = true;
        types.visit(source, scope, node, &references[node], rules[node].as_ref(), diagnostics);
        for &next in &waiting[node] {
            open[next] -= 1;
            if open[next] == 0 {
                ready.push_back(next);
            }
        }
    }
    let rest: Vec<usize> = (0..references.len()).filter(|&node| !visited[node]).collect();
    if !rest.is_empty() {
        cycles::report(source, scope, references, &rest, diagnostics);
        // Behind a cycle families may be unknown, but types are not.
        for node in rest {
            types.visit(source, scope, node, &references[node], rules[node].as_ref(), diagnostics);
        }
    }
    types
}

/// The indices of the nodes that are referred to.
pub(super) fn dependencies(scope: &Scope<'_>, references: &[Reference]) -> impl Iterator<Item = usize> {
    references.iter().filter_map(|reference| match &reference.expr {
        Expr::Output { node, .. } => scope.nodes.get_index_of(node.as_str()),
        _ => None,
    })
}

impl Types {
    /// The type of what a name stands for.
    pub fn of(&self, scope: &Scope<'_>, expr: &Expr) -> Option<Type> {
        match expr {
            Expr::Input(name) => scope.inputs.get(name).map(|input| input.ty.clone()),
            Expr::Model(name) => scope.models.get(name).map(|model| Type::Model(Family::Named(model.family.clone()))),
            Expr::Output { node, port } => {
                let (index, _, head) = scope.nodes.get_full(node.as_str())?;
                let is_lazy = matches!(head.signature.kind, NodeKind::FirstOk { .. } | NodeKind::Choose { .. });
                if is_lazy && head.signature.kind.primary() == Some(port) {
                    return self.common[index].clone();
                }
                let ty = head.signature.output(port)?;
                Some(match self.binding(scope, expr) {
                    Some(bound) => ty.with_family(&Family::Named(bound.family.clone())),
                    None => ty.clone(),
                })
            }
            _ => None,
        }
    }

    /// What a node with alternatives returns.
    pub fn common(&self, node: usize) -> Option<&Type> {
        self.common[node].as_ref()
    }

    /// What bound the family of a node's output.
    pub fn binding(&self, scope: &Scope<'_>, expr: &Expr) -> Option<&Bound> {
        let Expr::Output { node, port } = expr else { return None };
        let (index, _, head) = scope.nodes.get_full(node.as_str())?;
        match head.signature.output(port)?.family()? {
            Family::Variable(letter) => self.bound.get(index)?.iter().find(|bound| bound.letter == *letter),
            Family::Named(_) => None,
        }
    }

    fn visit(
        &mut self,
        source: &Arc<Source>,
        scope: &Scope<'_>,
        node: usize,
        references: &[Reference],
        rule: Option<&Rule>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        if let Some(rule) = rule {
            // What they refer to may have any type.
            let name = scope.nodes.get_index(node).map_or("", |(name, _)| name.as_str());
            self.common[node] = rule.check(source, scope, self, name, diagnostics);
            return;
        }
        let is_model = |reference: &&Reference| matches!(reference.wanted.required(), Type::Model(_));
        let models = references.iter().filter(is_model);
        for reference in models.chain(references.iter().filter(|reference| !is_model(reference))) {
            self.reference(source, scope, node, reference, diagnostics);
        }
    }

    fn reference(
        &mut self,
        source: &Arc<Source>,
        scope: &Scope<'_>,
        node: usize,
        reference: &Reference,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let Some(given) = self.of(scope, &reference.expr) else { return };
        let Some((name, head)) = scope.nodes.get_index(node) else { return };
        let kind = &head.signature.name;
        if !coerce::fits(&given, &reference.wanted) {
            diagnostics.push(type_mismatch::reference(source, scope, kind, name, reference, &given));
            return;
        }
        let Some(Family::Named(family)) = given.family() else { return };
        let known = match reference.wanted.family() {
            None => return,
            Some(Family::Named(wanted)) if wanted == family => return,
            Some(Family::Named(wanted)) => (wanted.clone(), None),
            Some(Family::Variable(letter)) => match self.bound[node].iter().find(|bound| bound.letter == *letter) {
                Some(bound) if bound.family == *family => return,
                Some(bound) => (bound.family.clone(), Some(bound)),
                None => {
                    let bound = Bound {
                        letter: *letter,
                        family: family.clone(),
                        span: reference.span.clone(),
                        by: source.text[reference.span.clone()].to_owned(),
                    };
                    self.bound[node].push(bound);
                    return;
                }
            },
        };
        diagnostics.push(family_mismatch::family_mismatch(
            source,
            kind,
            reference,
            family,
            &known.0,
            known.1,
            self.binding(scope, &reference.expr),
        ));
    }
}
