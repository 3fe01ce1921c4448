//! Imports: graph files and plugin kinds under a name of this file.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::Checker;
use super::scope::Signature;
use crate::diagnostic::Diagnostic;
use crate::diagnostics::*;
use crate::document;
use crate::source::{Source, Span};
use crate::syntax::{Args, Field, Form};

/// Kinds by the name that this file gives them; none for an import that failed.
pub(super) type Kinds = HashMap<String, Option<Arc<Signature>>>;

/// No sensible project nests deeper, and the checker's own stack is finite.
const DEEPEST: usize = 64;

impl Checker<'_> {
    pub(super) fn imports(
        &mut self,
        source: &Arc<Source>,
        fields: &[Field<'_>],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Kinds {
        let mut kinds = Kinds::new();
        for field in document::distinct(source, fields, "import", diagnostics) {
            if !super::is_name(field.name.text) {
                diagnostics.push(bad_name::bad_name(source, &field.name));
            }
            let signature = self.import(source, field, diagnostics);
            kinds.insert(field.name.text.to_owned(), signature.map(Arc::new));
        }
        kinds
    }

    fn import(
        &mut self,
        source: &Arc<Source>,
        field: &Field<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Signature> {
        if let Form::Call(word, Args::Positional(items)) = field.value.form()
            && let [item] = items.as_slice()
            && let Form::Text(text) = item.form()
        {
            match word.text {
                "Graph" => return self.graph(source, field.name.text, &text, &item.span(), diagnostics),
                "Node" => return self.node(source, field.name.text, &text, &item.span(), diagnostics),
                _ => {}
            }
        }
        let example = "Graph(\"lib/fit.ron\")` or `Node(\"acme.glow@2\")";
        diagnostics.push(malformed::malformed(source, &field.value.span(), "an import", example));
        None
    }

    fn graph(
        &mut self,
        source: &Arc<Source>,
        name: &str,
        path: &str,
        span: &Span,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Signature> {
        let imported = match self.world.import(&source.path, path) {
            Ok(imported) => imported,
            Err(error) => {
                diagnostics.push(unknown_import::unknown_import(source, span, &error));
                return None;
            }
        };
        let key = normal(&imported.path);
        let here = (normal(&source.path), source.name.clone());
        if let Some(known) = self.done.get(&key) {
            match known {
                Some(graph) => return Some(Signature::of_graph(name, graph.clone())),
                None => {
                    diagnostics.push(bad_import::bad_import(source, span, path));
                    return None;
                }
            }
        }
        self.chain.push(here);
        let open = self.chain.iter().position(|(path, _)| *path == key);
        let graph = if open.is_some() || self.chain.len() > DEEPEST {
            let names: Vec<&str> = self.chain[open.unwrap_or(0)..].iter().map(|(_, name)| name.as_str()).collect();
            // By the name under which the file was met first, if it was.
            let again = open.map_or(imported.name.as_str(), |_| names[0]);
            diagnostics.push(import_cycle::import_cycle(source, span, &names, again));
            None
        } else {
            let graph = self.file(&Arc::new(imported));
            self.done.insert(key, graph.clone());
            if graph.is_none() {
                diagnostics.push(bad_import::bad_import(source, span, path));
            }
            graph
        };
        self.chain.pop();
        let graph = graph?;
        if graph.outputs.is_empty() {
            diagnostics.push(bad_import::no_outputs(source, span, path));
            return None;
        }
        Some(Signature::of_graph(name, graph))
    }

    /// `acme.glow@2`
    fn node(
        &mut self,
        source: &Arc<Source>,
        name: &str,
        text: &str,
        span: &Span,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Signature> {
        let (kind, version) = match text.split_once('@') {
            Some((kind, version)) => (kind, Some(version)),
            None => (text, None),
        };
        let Some(spec) = self.world.spec(kind) else {
            let (known, missing) = (self.world.kinds(), self.world.missing_kind(kind));
            diagnostics.push(unknown_kind::unknown_kind(source, span, kind, known, true, missing));
            return None;
        };
        if let Some(version) = version
            && version.parse() != Ok(spec.version)
        {
            diagnostics.push(wrong_version::wrong_version(source, span, kind, version, spec.version));
            return None;
        }
        Some(Signature::of_plugin(name, spec))
    }
}

/// The path without `.` and `..`, so that one file has one path.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}
