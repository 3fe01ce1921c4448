//! A graph in which every name, type and literal has been checked.
//!
//! All that is left open is what differs from run to run: the values of inputs, seeds that are drawn, and files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use rondel_value::{NodeSpec, Range, Type, Value};

use crate::source::{Source, Span};

/// A graph in which every name, type and literal has been checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// The stem of the file name.
    pub name: String,
    pub path: PathBuf,
    pub text: Arc<str>,
    /// What every span of this graph points into.
    pub source: Arc<Source>,
    pub doc: String,
    pub inputs: IndexMap<String, Input>,
    pub models: IndexMap<String, ModelUse>,
    pub nodes: IndexMap<String, Node>,
    /// The first is the primary one where the graph is used as a node.
    pub outputs: IndexMap<String, Output>,
    pub presets: IndexMap<String, IndexMap<String, Arg>>,
    pub sweeps: IndexMap<String, Sweep>,
}

/// Values that inputs go through.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// Input to values, at least one each; literals, files or [`Expr::RandomSeed`].
    pub axes: IndexMap<String, Vec<Expr>>,
    /// The inputs move together, and all have as many values; else each value of one meets each of another.
    pub is_zip: bool,
    pub span: Span,
}

/// What may be set from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    pub name: String,
    /// Optional if the default is `None`.
    pub ty: Type,
    pub doc: String,
    /// A literal, a file or [`Expr::RandomSeed`]; never a reference.
    pub default: Option<Expr>,
    pub range: Option<Range>,
    pub multiple_of: Option<i64>,
    /// The whole declaration, from its name on.
    pub span: Span,
    /// Where `range` is written.
    pub range_span: Option<Span>,
    /// Where `multiple_of` is written.
    pub multiple_of_span: Option<Span>,
}

/// Weights that the graph needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelUse {
    pub name: String,
    pub family: String,
    /// The name in `models.ron`, after `--model`.
    pub weights: String,
    /// How to compute: `dtype`, `quant`.
    pub options: BTreeMap<String, String>,
    /// What is added to the weights, in this order.
    pub loras: Vec<LoraUse>,
    pub span: Span,
}

/// A LoRA that is added to a model's weights.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraUse {
    /// The name in `models.ron`.
    pub weights: String,
    /// What its difference is multiplied by; finite.
    pub scale: f64,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub name: String,
    pub kind: NodeKind,
    /// Only what is written; what is left out has its default.
    pub args: IndexMap<String, Arg>,
    pub with: With,
    /// The whole declaration, from its name on.
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    Plugin(Arc<NodeSpec>),
    /// An imported graph: its inputs are parameters, its outputs ports.
    Graph(Arc<Graph>),
    /// An imported graph, once for each element of a list, which is the parameter `over`.
    Each {
        graph: Arc<Graph>,
        /// The input that takes the element.
        element: String,
    },
    /// The first of the parameters `of.0`, `of.1`, … that can be made.
    FirstOk {
        /// What the alternatives have in common.
        ty: Type,
    },
    /// Of the parameters behind the first, which is `on`, the one whose key is the value of that.
    Choose {
        ty: Type,
        /// In the order of the branches.
        keys: Vec<Value>,
    },
}

impl NodeKind {
    /// The name of the primary output.
    pub fn primary(&self) -> Option<&str> {
        match self {
            NodeKind::Plugin(spec) => spec.outputs.first().map(|output| output.name.as_str()),
            NodeKind::FirstOk { .. } | NodeKind::Choose { .. } => Some("value"),
            NodeKind::Graph(graph) | NodeKind::Each { graph, .. } => graph.outputs.keys().next().map(String::as_str),
        }
    }
}

/// A value of a parameter with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Arg {
    pub expr: Expr,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    pub ty: Type,
    pub expr: Expr,
    pub span: Span,
}

/// What the engine does with a node, as opposed to what the node computes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct With {
    /// Another number is another try.
    pub salt: u64,
    pub label: Option<String>,
    pub never_cache: bool,
    pub timeout: Option<TimeLimit>,
    pub retry: Option<Retry>,
}

/// How long one attempt of a node may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeLimit {
    pub duration: Duration,
    /// Where it is written.
    pub span: Span,
}

/// What is done about failures that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How many more attempts there are after the first.
    pub times: u32,
    /// How long to wait before the second attempt; before each later one about twice as long as before.
    pub first_wait: Duration,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A literal in the form of the port's type.
    Value(Value),
    /// A file, relative to the file in which it is written. Read by the type of the port.
    File {
        path: String,
    },
    /// A seed that is drawn once per run.
    RandomSeed,
    Input(String),
    Model(String),
    /// The value has the type of the output; it may still have to be converted to that of the port.
    Output {
        node: String,
        port: String,
    },
    List(Vec<Expr>),
    /// A text literal with placeholders.
    Template(Vec<Piece>),
}

impl Expr {
    /// A list; one of literals is a literal.
    pub fn list(items: Vec<Expr>) -> Expr {
        let values: Option<Vec<Value>> = items
            .iter()
            .map(|item| match item {
                Expr::Value(value) => Some(value.clone()),
                _ => None,
            })
            .collect();
        match values {
            Some(values) => Expr::Value(Value::list(values)),
            None => Expr::List(items),
        }
    }
}

/// A part of a text literal with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    /// The name of the graph that is run.
    Graph,
    /// The number of the point of a sweep, from one.
    Point {
        width: usize,
    },
    /// The value of an input; a whole number is filled up with zeros to `width` digits.
    Input {
        name: String,
        width: usize,
    },
}
