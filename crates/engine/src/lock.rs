//! What a graph stands on, by content: the kinds of its nodes, their plugins, its weights and the graphs that it imports.
//!
//! A [`Lock`] stands in `<graph>.lock.ron` beside the graph, and says what was there when its author was content with it. It
//! names no folder, so it holds on every machine. The graph itself is not in it: whoever changes the one looks at the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use rondel_graph::{Diagnostic, Expr, Graph, NodeKind, World};
use rondel_plugin::{Origin, PluginInfo};
use rondel_value::{Digest, Type};
use serde::{Deserialize, Serialize};

use crate::imports::imports;
use crate::plan::flatten::LOAD_IMAGE;
use crate::site::Site;

/// The version of the form.
pub const FORMAT: u32 = 1;

/// What a graph stands on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    pub format: u32,
    /// Kind to version.
    pub kinds: BTreeMap<String, u32>,
    /// Those that are not linked into the program, by name.
    #[serde(default)]
    pub plugins: BTreeMap<String, LockedPlugin>,
    /// By the name of the weights.
    #[serde(default)]
    pub models: BTreeMap<String, LockedModel>,
    #[serde(default)]
    pub loras: BTreeMap<String, Digest>,
    /// By path from the graph.
    #[serde(default)]
    pub imports: BTreeMap<String, Digest>,
}

/// A plugin that is not linked into the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPlugin {
    pub version: String,
    /// System, such as `linux-x86_64`, to the content of the file: it is another file on each.
    pub files: BTreeMap<String, Digest>,
}

/// The weights of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedModel {
    /// What they were made for, where `models.ron` says so.
    pub variant: Option<String>,
    pub parts: BTreeMap<String, Digest>,
}

/// Where what is there departs from what is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It is used, and the lock does not know it.
    New { what: String },
    /// The lock has it, and it is used no more.
    Gone { what: String },
    /// It is another.
    Changed { what: String, locked: String, found: String },
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Departure::New { what } => write!(f, "{what} is used and not locked"),
            Departure::Gone { what } => write!(f, "{what} is locked and not used"),
            Departure::Changed { what, locked, found } => write!(f, "{what} was {locked} and is {found}"),
        }
    }
}

impl Lock {
    /// What a graph stands on now. Weights are hashed, unless their digests are remembered.
    ///
    /// `system` is what this machine is called, as in [`LockedPlugin::files`].
    pub fn of(site: &Site, graph: &Arc<Graph>, system: &str) -> Result<Lock, Vec<Diagnostic>> {
        let imports = imports(graph);
        let mut lock = Lock {
            format: FORMAT,
            kinds: BTreeMap::new(),
            plugins: BTreeMap::new(),
            models: BTreeMap::new(),
            loras: BTreeMap::new(),
            imports: imports.iter().map(|(path, graph)| (path.clone(), Digest::of(graph.text.as_bytes()))).collect(),
        };
        let mut mistakes = Vec::new();
        // The graph that is run comes first: its names are as they are, those of others only if they mean something else.
        let graphs =
            [(None, graph)].into_iter().chain(imports.iter().map(|(path, graph)| (Some(path.as_str()), graph)));
        for (path, graph) in graphs {
            lock.add_kinds(site, graph, system);
            if let Err(more) = lock.add_models(site, graph, path) {
                mistakes.extend(more);
            }
        }
        if mistakes.is_empty() { Ok(lock) } else { Err(mistakes) }
    }

    fn add_kinds(&mut self, site: &Site, graph: &Graph, system: &str) {
        let written = graph.nodes.values().filter_map(|node| match &node.kind {
            NodeKind::Plugin(spec) => Some(spec.clone()),
            _ => None,
        });
        let reads = reads_pictures(graph).then(|| site.spec(LOAD_IMAGE)).flatten();
        for spec in written.chain(reads) {
            self.kinds.insert(spec.kind.clone(), spec.version);
            let offers = |plugin: &&Arc<PluginInfo>| plugin.kinds.contains(&spec.kind);
            let Some(plugin) = site.registry().plugins().iter().find(offers) else { continue };
            if let (Origin::File(_), Some(digest)) = (&plugin.origin, plugin.digest) {
                let files = BTreeMap::from([(system.to_owned(), digest)]);
                self.plugins.insert(plugin.name.clone(), LockedPlugin { version: plugin.version.clone(), files });
            }
        }
    }

    fn add_models(&mut self, site: &Site, graph: &Graph, path: Option<&str>) -> Result<(), Vec<Diagnostic>> {
        let mut mistakes = Vec::new();
        for model in graph.models.values() {
            match site.model(graph, model) {
                Ok(found) => {
                    let variant = found.reference.options.get("variant").cloned();
                    let locked = LockedModel { variant, parts: found.reference.parts };
                    put(&mut self.models, &model.weights, path, locked);
                    for lora in found.reference.loras {
                        put(&mut self.loras, &lora.name, path, lora.digest);
                    }
                }
                Err(more) => mistakes.extend(more),
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    /// Takes over from `before` what other systems know of the same plugins, so that one lock serves all.
    pub fn keep_other_systems(&mut self, before: &Lock) {
        for (name, plugin) in &mut self.plugins {
            if let Some(known) = before.plugins.get(name).filter(|known| known.version == plugin.version) {
                for (system, digest) in &known.files {
                    plugin.files.entry(system.clone()).or_insert(*digest);
                }
            }
        }
    }

    /// Where `found`, which the machine called `system` has, departs from this lock.
    pub fn departures(&self, found: &Lock, system: &str) -> Vec<Departure> {
        let (locked, found) = (self.lines(system), found.lines(system));
        let all: BTreeSet<&String> = locked.keys().chain(found.keys()).collect();
        let departures = all.into_iter().map(|what| match (locked.get(what), found.get(what)) {
            (Some(locked), Some(found)) if locked == found => None,
            (Some(locked), Some(found)) => {
                Some(Departure::Changed { what: what.clone(), locked: locked.to_string(), found: found.to_string() })
            }
            (None, Some(_)) => Some(Departure::New { what: what.clone() }),
            (_, None) => Some(Departure::Gone { what: what.clone() }),
        });
        departures.flatten().collect()
    }

    /// All that is locked for one system, each with what it is.
    fn lines(&self, system: &str) -> BTreeMap<String, Is<'_>> {
        let kinds =
            self.kinds.iter().map(|(kind, version)| (format!("kind `{kind}`"), Is::Version(version.to_string())));
        let mut lines: BTreeMap<String, Is> = kinds.collect();
        for (name, plugin) in &self.plugins {
            lines.insert(format!("plugin `{name}`"), Is::Version(plugin.version.clone()));
            if let Some(digest) = plugin.files.get(system) {
                lines.insert(format!("the file of plugin `{name}` for {system}"), Is::Content(digest));
            }
        }
        for (name, model) in &self.models {
            let variant = model.variant.as_deref().unwrap_or("of no variant");
            lines.insert(format!("model `{name}`"), Is::Variant(variant));
            for (part, digest) in &model.parts {
                lines.insert(format!("the part `{part}` of model `{name}`"), Is::Content(digest));
            }
        }
        lines.extend(self.loras.iter().map(|(name, digest)| (format!("LoRA `{name}`"), Is::Content(digest))));
        lines.extend(self.imports.iter().map(|(path, digest)| (format!("import `{path}`"), Is::Content(digest))));
        lines
    }
}

/// What stands behind a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Is<'a> {
    Version(String),
    Variant(&'a str),
    Content(&'a Digest),
}

impl fmt::Display for Is<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Is::Version(version) => write!(f, "version {version}"),
            Is::Variant(variant) => f.write_str(variant),
            Is::Content(digest) => f.write_str(&digest.short()),
        }
    }
}

/// Whether a picture may be read that no node is written for.
fn reads_pictures(graph: &Graph) -> bool {
    fn names_file(expr: &Expr) -> bool {
        match expr {
            Expr::File { .. } => true,
            Expr::List(items) => items.iter().any(names_file),
            _ => false,
        }
    }
    fn is_picture(ty: &Type) -> bool {
        match ty {
            Type::Image => true,
            Type::List(of) | Type::Optional(of) => is_picture(of),
            _ => false,
        }
    }
    graph.inputs.values().any(|input| is_picture(&input.ty))
        || graph.nodes.values().flat_map(|node| node.args.values()).any(|arg| names_file(&arg.expr))
}

/// Puts an entry under its name; under that of the graph at `path` and its name, if the name means something else already.
fn put<T: PartialEq>(entries: &mut BTreeMap<String, T>, name: &str, path: Option<&str>, entry: T) {
    match (entries.get(name), path) {
        (Some(there), Some(path)) if *there != entry => drop(entries.insert(format!("{path}: {name}"), entry)),
        _ => drop(entries.insert(name.to_owned(), entry)),
    }
}
