//! Random graphs of stub nodes, and what they give by a loop of twenty lines.
//!
//! A random graph is a list of [`Raw`] numbers that [`read`] makes nodes of, so that every list is a graph, and a shorter list a
//! smaller one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use rondel_testkit::pictures::picture;
use rondel_value::{Digest, Value};

use crate::lab::{Lab, graph_text};

/// One output of an earlier node: its index, and whether it is the second output.
pub type From = (usize, bool);

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Number(i64),
    Add(From, From),
    AddOne(From),
    Join(Vec<From>),
    Halve(From),
    Paint(From),
    Look(From),
    Fail(From),
    FirstOk(From, From),
    /// By a number that should be 0 or 1.
    Choose(From, From, From),
}

#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    pub kind: Kind,
    /// `with: (cache: Never)`
    pub is_volatile: bool,
    pub is_output: bool,
    /// It stands in a graph that an `each` runs, whose list the `Join` behind it takes.
    pub is_element: bool,
}

/// Why a node makes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    Failed,
    Blocked,
}

/// What a node makes: a number for each of its outputs. A picture stands for the number that it shows.
pub type Made = Result<Vec<i64>, Bad>;

/// Computes all nodes, each after those that it takes.
pub fn evaluate(nodes: &[Node]) -> Vec<Made> {
    let mut made: Vec<Made> = Vec::new();
    for node in nodes {
        let take = |(from, second): &From| made[*from].clone().map(|n| n[usize::from(*second)]).or(Err(Bad::Blocked));
        let result = match &node.kind {
            Kind::Number(n) => Ok(*n),
            Kind::Add(a, b) => take(a).and_then(|a| Ok(a + take(b)?)),
            Kind::AddOne(a) => take(a).map(|a| a + 1),
            Kind::Join(items) => items.iter().map(take).sum(),
            Kind::Halve(a) | Kind::Paint(a) | Kind::Look(a) => take(a),
            Kind::Fail(a) => take(a).and(Err(Bad::Failed)),
            Kind::FirstOk(a, b) => take(a).or_else(|_| take(b)),
            Kind::Choose(on, zero, _) if take(on) == Ok(0) => take(zero),
            Kind::Choose(on, _, one) if take(on) == Ok(1) => take(one),
            Kind::Choose(on, ..) => take(on).and(Err(Bad::Failed)),
        };
        let is_halved = matches!(node.kind, Kind::Halve(_));
        made.push(result.map(|n| if is_halved { vec![n.div_euclid(2), n.rem_euclid(2)] } else { vec![n] }));
    }
    made
}

impl Kind {
    pub fn takes(&self) -> Vec<From> {
        match self {
            Kind::Number(_) => Vec::new(),
            Kind::Add(a, b) | Kind::FirstOk(a, b) => vec![*a, *b],
            Kind::Join(items) => items.clone(),
            Kind::AddOne(a) | Kind::Halve(a) | Kind::Paint(a) | Kind::Look(a) | Kind::Fail(a) => vec![*a],
            Kind::Choose(on, zero, one) => vec![*on, *zero, *one],
        }
    }

    /// Of what it takes, what it comes to.
    fn asks(&self, made: &[Made]) -> Vec<From> {
        match self {
            Kind::FirstOk(a, _) if made[a.0].is_ok() => vec![*a],
            Kind::Choose(on, zero, one) => match made[on.0].as_ref().map(|n| n[usize::from(on.1)]) {
                Ok(0) => vec![*on, *zero],
                Ok(1) => vec![*on, *one],
                _ => vec![*on],
            },
            _ => self.takes(),
        }
    }

    pub fn is_lazy(&self) -> bool {
        matches!(self, Kind::FirstOk(..) | Kind::Choose(..))
    }

    /// The node's kind, and what stands at each of its ports.
    pub fn ports(&self, made: &[Made]) -> BTreeMap<&'static str, String> {
        let value = |from: &From| format!("{:?}", made[from.0].as_ref().map(|n| n[usize::from(from.1)]));
        let (kind, ports) = match self {
            Kind::Number(n) => ("number", vec![("value", n.to_string())]),
            Kind::Add(a, b) => ("add", vec![("a", value(a)), ("b", value(b))]),
            Kind::AddOne(a) => ("add", vec![("a", value(a)), ("b", "Ok(1)".to_owned())]),
            Kind::Join(items) => ("join", vec![("items", items.iter().map(value).collect())]),
            Kind::Halve(a) => ("halve", vec![("a", value(a))]),
            Kind::Paint(a) => ("paint", vec![("value", value(a))]),
            Kind::Look(a) => ("look", vec![("image", value(a))]),
            Kind::Fail(a) => ("fail", vec![("a", value(a)), ("message", String::new()), ("blame", String::new())]),
            Kind::FirstOk(..) => ("first_ok", Vec::new()),
            Kind::Choose(..) => ("choose", Vec::new()),
        };
        // A number may come from a step or stand in the graph: it is the same.
        let plain = ports.into_iter().map(|(port, value)| (port, value.replace("Ok(", "").replace(')', " ")));
        plain.map(|(port, value)| (port, value.trim_end().to_owned())).chain([("kind", kind.to_owned())]).collect()
    }
}

impl Node {
    /// The digests of what the node makes; none if it makes nothing.
    pub fn digests(&self, made: &Made) -> Option<Vec<Digest>> {
        let digest = |number: &i64| match self.kind {
            Kind::Paint(_) => Value::Bundle(picture(*number).unwrap().into()).digest(),
            _ => Value::Int(*number).digest(),
        };
        made.as_ref().ok().map(|numbers| numbers.iter().map(digest).collect())
    }
}

/// For each node whether the outputs, or one of `more`, come to need it.
pub fn needed(nodes: &[Node], made: &[Made], more: &[&str]) -> Vec<bool> {
    let ends = nodes.iter().map(|node| node.is_output || more.contains(&node.name.as_str()));
    asked(nodes, made, ends.collect())
}

/// The same with those that do what a needed one does: of twins it is the first that runs.
pub fn needed_with_twins(nodes: &[Node], made: &[Made], mut needed: Vec<bool>) -> Vec<bool> {
    let ports: Vec<_> = nodes.iter().map(|node| node.kind.ports(made)).collect();
    loop {
        let twins = (0..nodes.len()).map(|at| (0..nodes.len()).any(|other| needed[other] && ports[at] == ports[other]));
        let more = asked(nodes, made, twins.collect());
        if more == needed {
            return needed;
        }
        needed = more;
    }
}

fn asked(nodes: &[Node], made: &[Made], mut asked: Vec<bool>) -> Vec<bool> {
    for (at, node) in nodes.iter().enumerate().rev() {
        if asked[at] {
            node.kind.asks(made).iter().for_each(|(from, _)| asked[*from] = true);
        }
    }
    asked
}

/// What a node is made of: which kind, whom it takes, a number, flags.
pub type Raw = (u8, u16, u16, i64, u8);

pub fn raw(n_nodes: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Raw>> {
    // Few numbers, so that much is equal.
    proptest::collection::vec((0u8..26, any::<u16>(), any::<u16>(), 0i64..4, any::<u8>()), n_nodes)
}

pub fn read(raw: &[Raw], prefix: &str) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for (i, (kind, a, b, n, flags)) in raw.iter().enumerate() {
        let name = format!("{prefix}n{i}");
        let earlier = |is_picture: bool, pick: u16| -> Option<From> {
            let fits = |at: &usize| matches!(nodes[*at].kind, Kind::Paint(_)) == is_picture && !nodes[*at].is_element;
            let fitting: Vec<usize> = (0..nodes.len()).filter(fits).collect();
            let at = *fitting.get(usize::from(pick) % fitting.len().max(1))?;
            Some((at, matches!(nodes[at].kind, Kind::Halve(_)) && pick & 0x8000 != 0))
        };
        let (one, two, image) = (earlier(false, *a), earlier(false, *b), earlier(true, *a));
        let kind = match (kind, one, two, image) {
            (0..=1, ..) | (_, None, ..) | (_, _, None, _) => Kind::Number(*n),
            (2..=5, Some(a), Some(b), _) => Kind::Add(a, b),
            (6..=7, Some(a), ..) => Kind::AddOne(a),
            (8..=9, Some(a), Some(b), _) => Kind::Join(vec![a, b, a]),
            (13..=15, Some(a), ..) => Kind::Paint(a),
            (16..=18, _, _, Some(image)) => Kind::Look(image),
            (19..=20, Some(a), ..) => Kind::Fail(a),
            (21..=22, Some(a), Some(b), _) => Kind::FirstOk(a, b),
            (23..=24, Some(zero), Some(one), _) => {
                Kind::Choose(earlier(false, a.rotate_left(3)).unwrap_or(zero), zero, one)
            }
            (25, Some(a), Some(b), _) => {
                for (at, from) in [a, b].into_iter().enumerate() {
                    let (name, kind) = (format!("{name}_all.{at}.half"), Kind::Halve(from));
                    nodes.push(Node { name, kind, is_volatile: false, is_output: false, is_element: true });
                }
                Kind::Join(vec![(nodes.len() - 2, false), (nodes.len() - 1, false)])
            }
            (_, Some(a), ..) => Kind::Halve(a),
        };
        let is_volatile = flags % 16 == 0 && !kind.is_lazy();
        nodes.push(Node { name, kind, is_volatile, is_output: flags & 0x40 == 0, is_element: false });
    }
    if !nodes.iter().any(|node| node.is_output) {
        nodes.last_mut().expect("at least one").is_output = true;
    }
    nodes
}

/// A lab with the graph that an `each` runs.
pub fn lab() -> Lab {
    let lab = Lab::in_memory();
    lab.file("half.ron", &graph_text("inputs: (n: Int()), nodes: (half: halve(a: n)), outputs: (half: half),"));
    lab
}

/// The graph as text; in reverse order on demand, since the order of declarations means nothing.
pub fn text(nodes: &[Node], is_reversed: bool, comment: &str) -> String {
    let port = |(from, is_second): &From| match is_second {
        false => nodes[*from].name.clone(),
        true => format!("{}(rest)", nodes[*from].name),
    };
    let list = |items: &[From]| items.iter().map(port).collect::<Vec<_>>().join(", ");
    let mut lines: Vec<String> = Vec::new();
    for node in nodes.iter().filter(|node| !node.is_element) {
        let name = &node.name;
        let call = match &node.kind {
            Kind::Number(n) => format!("number(value: {n}"),
            Kind::Add(a, b) => format!("add(a: {}, b: {}", port(a), port(b)),
            Kind::AddOne(a) => format!("add(a: {}", port(a)),
            Kind::Join(items) if nodes[items[0].0].is_element => {
                let over: Vec<From> = items.iter().flat_map(|(at, _)| nodes[*at].kind.takes()).collect();
                lines.push(format!("{name}_all: each(graph: half, over: [{}]),", list(&over)));
                format!("join(items: {name}_all")
            }
            Kind::Join(items) => format!("join(items: [{}]", list(items)),
            Kind::Halve(a) => format!("halve(a: {}", port(a)),
            Kind::Paint(a) => format!("paint(value: {}", port(a)),
            Kind::Look(a) => format!("look(image: {}", port(a)),
            Kind::Fail(a) => format!("fail(a: {}", port(a)),
            Kind::FirstOk(a, b) => format!("first_ok(of: [{}, {}]", port(a), port(b)),
            Kind::Choose(on, zero, one) => {
                format!("choose(on: {}, from: {{0: {}, 1: {}}}", port(on), port(zero), port(one))
            }
        };
        let with = if node.is_volatile { ", with: (cache: Never)" } else { "" };
        lines.push(format!("{name}: {call}{with}),"));
    }
    if is_reversed {
        lines.reverse();
    }
    let mut outputs = String::new();
    for node in nodes.iter().filter(|node| node.is_output) {
        write!(outputs, "{0}: {0}, ", node.name).unwrap();
    }
    let imports = "imports: (half: Graph(\"half.ron\"), ),\n";
    format!("{imports}{comment}\nnodes: ({}\n), outputs: ({outputs}),", lines.join("\n"))
}
