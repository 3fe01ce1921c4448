//! What a graph asks of hosted models, from its files alone: no value is asked for, no weight looked at, nothing planned.
//!
//! A plan knows every value, and needs all that the graph needs: values for its inputs, weights for its models. What pictures of hosted
//! models cost can be said before that, where it depends on nothing that is not known: by `check`, on a machine that has none of
//! it. What is known goes in: literals, defaults of inputs, the sizes of picture files. Everything else is named.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use rondel_graph::{Expr, Graph, Node, NodeKind};
use rondel_plugin::NodeFailure;
use rondel_value::{HostedRequest, Type, Value, coerce, spec::Lane};

use super::flatten::{LOAD_IMAGE, topological};
use crate::site::Site;

/// What one node asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// With the names of the imports around it.
    pub name: String,
    /// As far as it is known, or why it could not be asked.
    pub request: Result<HostedRequest, NodeFailure>,
    /// Ports whose values are known later, with what they come from.
    pub unknown: IndexMap<String, String>,
}

/// A value, or what it comes from that is not known yet.
type Known = Result<Value, String>;

/// What every node of a graph and its imports asks of hosted models, with the defaults of its inputs.
pub fn asks(site: &Site, graph: &Arc<Graph>) -> Vec<Ask> {
    let mut asker = Asker { site, asks: Vec::new() };
    let mut scope = Scope::new(graph, String::new());
    for (name, input) in &graph.inputs {
        let known = match &input.default {
            Some(default) => asker.known(&scope, default, &folder_of(graph), &input.ty),
            None => Err(format!("`{name}`, which has no default")),
        };
        scope.inputs.insert(name.clone(), known);
    }
    asker.graph(&mut scope);
    asker.asks
}

struct Asker<'a> {
    site: &'a Site,
    asks: Vec<Ask>,
}

/// One graph in its place.
struct Scope {
    graph: Arc<Graph>,
    prefix: String,
    inputs: HashMap<String, Known>,
    /// By node and port.
    made: HashMap<(String, String), Known>,
}

impl Scope {
    fn new(graph: &Arc<Graph>, prefix: String) -> Scope {
        Scope { graph: graph.clone(), prefix, inputs: HashMap::new(), made: HashMap::new() }
    }
}

fn folder_of(graph: &Graph) -> PathBuf {
    graph.path.parent().map(Path::to_owned).unwrap_or_default()
}

impl Asker<'_> {
    fn graph(&mut self, scope: &mut Scope) {
        let graph = scope.graph.clone();
        for index in topological(&graph) {
            let (name, node) = graph.nodes.get_index(index).expect("an index of the graph");
            for (port, known) in self.node(scope, name, node) {
                scope.made.insert((name.clone(), port), known);
            }
        }
    }

    /// What the ports of a node hand on.
    fn node(&mut self, scope: &Scope, name: &str, node: &Node) -> Vec<(String, Known)> {
        let base = folder_of(&scope.graph);
        let argument = |asker: &Self, name: &str, ty: &Type| {
            node.args.get(name).map(|arg| asker.known(scope, &arg.expr, &base, ty))
        };
        match &node.kind {
            NodeKind::Plugin(spec) => {
                let ports = spec.inputs.iter().map(|input| {
                    let given = argument(self, &input.name, &input.ty);
                    given.unwrap_or_else(|| Ok(input.default_value().unwrap_or(Value::None)))
                });
                let ports: Vec<Known> = ports.collect();
                let unknown = spec.inputs.iter().zip(&ports);
                let unknown = unknown.filter_map(|(input, known)| Some((input.name.clone(), known.clone().err()?)));
                let unknown: IndexMap<String, String> = unknown.collect();
                let values = ports.into_iter().map(|known| known.unwrap_or(Value::None)).collect::<Vec<_>>();
                let makes = match spec.lane == Lane::Net || unknown.is_empty() {
                    true => self.estimate(scope, name, &spec.kind, &values, unknown),
                    false => Vec::new(),
                };
                let ports = spec.outputs.iter().enumerate().map(|(i, output)| {
                    let known = makes.get(i).filter(|value| **value != Value::None).cloned();
                    (output.name.clone(), known.ok_or_else(|| format!("what `{}{name}` makes", scope.prefix)))
                });
                ports.collect()
            }
            NodeKind::Graph(imported) => self.import(scope, name, node, imported, None),
            NodeKind::Each { graph, element } => {
                let ty = &graph.inputs[element].ty;
                let over = argument(self, "over", &Type::list(ty.required().clone()));
                let elements = match over {
                    Some(Ok(Value::List(items))) => items.iter().cloned().map(Ok).collect(),
                    Some(Ok(one)) => vec![Ok(one)],
                    Some(Err(unknown)) => vec![Err(unknown)],
                    None => Vec::new(),
                };
                for (i, known) in elements.into_iter().enumerate() {
                    self.import(scope, &format!("{name}.{i}"), node, graph, Some((element, known)));
                }
                let ports = graph.outputs.keys();
                ports.map(|port| (port.clone(), Err(format!("what `{}{name}` makes", scope.prefix)))).collect()
            }
            // Alternatives are alike for what takes them.
            NodeKind::FirstOk { ty } | NodeKind::Choose { ty, .. } => {
                let arg = node.args.iter().find(|(name, _)| *name != "on").map(|(_, arg)| arg);
                let known = arg.map(|arg| self.known(scope, &arg.expr, &base, ty));
                let known = known.unwrap_or_else(|| Err(format!("what `{}{name}` hands on", scope.prefix)));
                vec![("value".to_owned(), known)]
            }
        }
    }

    fn import(
        &mut self,
        scope: &Scope,
        name: &str,
        node: &Node,
        imported: &Arc<Graph>,
        element: Option<(&str, Known)>,
    ) -> Vec<(String, Known)> {
        let mut inner = Scope::new(imported, format!("{}{name}.", scope.prefix));
        for (input_name, input) in &imported.inputs {
            let known = match (&element, node.args.get(input_name), &input.default) {
                (Some((element, known)), ..) if *element == input_name => known.clone(),
                (_, Some(arg), _) => self.known(scope, &arg.expr, &folder_of(&scope.graph), &input.ty),
                (_, None, Some(default)) => self.known(&inner, default, &folder_of(imported), &input.ty),
                (_, None, None) => Ok(Value::None),
            };
            inner.inputs.insert(input_name.clone(), known);
        }
        self.graph(&mut inner);
        let base = folder_of(imported);
        let outputs = imported.outputs.iter();
        outputs.map(|(name, output)| (name.clone(), self.known(&inner, &output.expr, &base, &output.ty))).collect()
    }

    /// What a node says that it makes; what it asks for is noted.
    fn estimate(
        &mut self,
        scope: &Scope,
        name: &str,
        kind: &str,
        values: &[Value],
        unknown: IndexMap<String, String>,
    ) -> Vec<Value> {
        let Some(kind) = self.site.registry().kind(kind) else { return Vec::new() };
        let no_files = |_: &rondel_value::ModelRef, _: &str| Err("weights are not looked at here".to_owned());
        let estimate = kind.estimate(values, &no_files);
        let is_hosted = kind.spec().lane == Lane::Net;
        let name = format!("{}{name}", scope.prefix);
        match estimate {
            Ok(Some(estimate)) => {
                if let Some(request) = estimate.cost.hosted {
                    self.asks.push(Ask { name, request: Ok(*request), unknown });
                }
                estimate.outputs
            }
            Ok(None) => Vec::new(),
            // What is not known yet may be all that is wrong.
            Err(failure) if is_hosted && !failure.input.as_ref().is_none_or(|port| unknown.contains_key(port)) => {
                self.asks.push(Ask { name, request: Err(failure), unknown });
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    fn known(&self, scope: &Scope, expr: &Expr, base: &Path, ty: &Type) -> Known {
        let value = match expr {
            Expr::Value(value) => value.clone(),
            // Which one it is changes no price.
            Expr::RandomSeed => Value::Seed(0),
            Expr::Input(name) => scope.inputs.get(name).cloned().unwrap_or(Ok(Value::None))?,
            Expr::Model(name) => return Err(format!("the model `{name}`")),
            Expr::Output { node, port } => {
                let known = scope.made.get(&(node.clone(), port.clone())).cloned();
                known.unwrap_or_else(|| Err(format!("what `{}{node}` makes", scope.prefix)))?
            }
            Expr::List(items) => {
                let inner = match ty.required() {
                    Type::List(inner) => inner,
                    other => other,
                };
                let items = items.iter().map(|item| self.known(scope, item, base, inner));
                Value::list(items.collect::<Result<Vec<_>, _>>()?)
            }
            // A text, whatever it says.
            Expr::Template(_) => Value::text(""),
            Expr::File { path } => match ty.required() {
                Type::Text | Type::Json => return Err(format!("the text of {path}")),
                _ => self.picture(&base.join(path)).ok_or_else(|| format!("the file {path}"))?,
            },
        };
        Ok(coerce::to(&value, ty).unwrap_or(value))
    }

    /// A picture as large as that of a file, if it can be read.
    fn picture(&self, path: &Path) -> Option<Value> {
        let kind = self.site.registry().kind(LOAD_IMAGE)?;
        let no_files = |_: &rondel_value::ModelRef, _: &str| Err("it takes no weights".to_owned());
        let made = kind.estimate(&[Value::text(path.to_string_lossy().as_ref())], &no_files).ok()??;
        made.outputs.into_iter().next().filter(|value| *value != Value::None)
    }
}
