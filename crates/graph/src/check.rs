//! Reads a graph file and finds every mistake in it.
//!
//! The order is: sections, imports, inputs and models, kinds of nodes, parameters, types along the edges, outputs,
//! presets and sweeps. A name whose declaration has a mistake is *poisoned*: what hangs on it is not reported a second time.

mod cycles;
mod declarations;
mod each;
mod imports;
mod lazy;
mod models;
mod nodes;
mod outputs;
pub(crate) mod scope;
mod sweeps;
pub(crate) mod types;
mod with;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::diagnostic::Diagnostic;
use crate::diagnostics::{bad_name, duplicate_name, holds_a_key, unknown_swap};
use crate::document::{self, Document};
use crate::graph::{Graph, Input};
use crate::source::{Source, Span};
use crate::syntax::{Field, Word};
use crate::world::World;

use scope::Scope;

/// Kinds that are no plugin's.
pub(crate) const OWN_KINDS: [&str; 3] = [each::EACH, lazy::FIRST_OK, lazy::CHOOSE];

/// A graph if there are no mistakes, and the mistakes.
#[derive(Debug, Clone)]
pub struct Checked {
    pub graph: Option<Arc<Graph>>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a graph file with all that it imports, and finds every mistake in them.
///
/// `swaps` are other weights by the name of a model in the graph, as `--model NAME=OTHER` gives them; they reach models
/// of imported graphs too. Mistakes come in the order of the file.
pub fn check(source: &Source, world: &dyn World, swaps: &BTreeMap<String, String>) -> Checked {
    let mut session = Checker {
        world,
        swaps,
        swapped: BTreeSet::new(),
        model_names: BTreeSet::new(),
        chain: Vec::new(),
        done: HashMap::new(),
        diagnostics: Vec::new(),
    };
    let mut graph = session.file(&Arc::new(source.clone()));
    let mut diagnostics = session.diagnostics;
    // If a file could not be read to its end, its models are unknown, and so whether a swap reaches one.
    if diagnostics.is_empty() {
        for name in swaps.keys().filter(|name| !session.swapped.contains(*name)) {
            diagnostics.push(unknown_swap::unknown_swap(name, &swaps[name], &session.model_names));
        }
    }
    if !diagnostics.is_empty() {
        graph = None;
    }
    Checked { graph, diagnostics }
}

/// The inputs of a text whose other sections are of no interest, or its first mistake in them or in the presets.
pub(crate) fn inputs_alone(source: &Arc<Source>, world: &dyn World) -> Result<IndexMap<String, Input>, Diagnostic> {
    let (mut names, mut mistakes) = (Names::default(), Vec::new());
    let document = document::read(source, &mut mistakes).unwrap_or_default();
    names.declare(source, &document.inputs, &mut mistakes);
    let inputs = declarations::inputs(world, source, &document.inputs, &mut names, &mut mistakes);
    declarations::presets(world, source, &document.presets, &inputs, &names, &mut mistakes);
    mistakes.into_iter().next().map_or(Ok(inputs), Err)
}

/// One call of [`check`]: what its files have in common.
struct Checker<'w> {
    world: &'w dyn World,
    swaps: &'w BTreeMap<String, String>,
    swapped: BTreeSet<String>,
    model_names: BTreeSet<String>,
    /// Files that are being read, each imported by the one before: path and name.
    chain: Vec<(PathBuf, String)>,
    /// Files that were read before; a graph that is imported twice is one graph.
    done: HashMap<PathBuf, Option<Arc<Graph>>>,
    diagnostics: Vec<Diagnostic>,
}

/// What is known of names while a file is read.
#[derive(Debug, Default)]
struct Names {
    declared: HashMap<String, Span>,
    poisoned: HashSet<String>,
}

impl Checker<'_> {
    /// Checks one file. `None` if it has mistakes, which are then reported.
    fn file(&mut self, source: &Arc<Source>) -> Option<Arc<Graph>> {
        let keys = holds_a_key::holds_a_key(source);
        if !keys.is_empty() {
            self.diagnostics.extend(keys);
            return None;
        }
        let mut found = Vec::new();
        let before = self.diagnostics.len();
        let graph =
            document::read(source, &mut found).and_then(|document| self.document(source, &document, &mut found));
        let is_good = found.is_empty() && self.diagnostics.len() == before;
        // Mistakes of imported files are there already, and come first: they are the cause.
        found.sort_by_key(|diagnostic| diagnostic.primary().map_or(0, |label| label.span.start));
        self.diagnostics.extend(found);
        graph.filter(|_| is_good).map(Arc::new)
    }

    fn document(
        &mut self,
        source: &Arc<Source>,
        document: &Document<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Graph> {
        let kinds = self.imports(source, &document.imports, diagnostics);
        let mut names = Names::default();
        let sections = [("input", &document.inputs), ("model", &document.models), ("node", &document.nodes)];
        for (_, fields) in sections {
            names.declare(source, fields, diagnostics);
        }
        let inputs = declarations::inputs(self.world, source, &document.inputs, &mut names, diagnostics);
        let models = self.models(source, &document.models, &mut names, diagnostics);
        let (heads, written) = self.heads(source, &document.nodes, &kinds, &mut names, diagnostics);
        let scope = Scope {
            inputs: &inputs,
            models: &models,
            nodes: &heads,
            declared: &names.declared,
            poisoned: &names.poisoned,
        };
        let (mut nodes, edges, rules) = nodes::nodes(self.world, source, &scope, &written, diagnostics);
        let types = types::check(source, &scope, &edges, &rules, diagnostics);
        for (index, rule) in rules.iter().enumerate() {
            if let (Some(rule), Some(ty)) = (rule, types.common(index)) {
                nodes[index].kind = rule.kind(ty.clone());
            }
        }
        let outputs = outputs::outputs(self.world, source, &scope, &types, &document.outputs, diagnostics);
        let presets = declarations::presets(self.world, source, &document.presets, &inputs, &names, diagnostics);
        let sweeps = sweeps::sweeps(self.world, source, &document.sweeps, &inputs, &names, diagnostics);
        Some(Graph {
            name: source.stem(),
            path: source.path.clone(),
            text: source.text.clone(),
            source: source.clone(),
            doc: document.doc.clone(),
            inputs,
            models,
            nodes,
            outputs,
            presets,
            sweeps,
        })
    }
}

impl Names {
    /// Takes the names of a section, which share one namespace with those of other sections.
    fn declare(&mut self, source: &Arc<Source>, fields: &[Field<'_>], diagnostics: &mut Vec<Diagnostic>) {
        for field in fields {
            let name = field.name.text;
            if !is_name(name) {
                diagnostics.push(bad_name::bad_name(source, &field.name));
                self.poison(name);
            }
            if let Some(first) = self.declared.get(name) {
                let what = "input, model or node";
                diagnostics.push(duplicate_name::duplicate_name(source, &field.name, first, what));
                self.poison(name);
            } else {
                self.declared.insert(name.to_owned(), field.name.span());
            }
        }
    }

    fn poison(&mut self, name: &str) {
        self.poisoned.insert(name.to_owned());
    }

    /// Whether this is the first declaration of the name; others are reported already.
    fn is_first(&self, word: &Word<'_>) -> bool {
        self.declared.get(word.text) == Some(&word.span())
    }
}

/// Whether a text is a name as inputs, models and nodes may have it.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests;
