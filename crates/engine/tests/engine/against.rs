//! Random graphs, run by the engine and by a loop of twenty lines.
//!
//! A random graph is a list of [`Raw`] numbers that [`read`] makes nodes of, so that every list is a graph, and a shorter list a
//! smaller one.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;

use proptest::prelude::*;
use rondel_event::How;
use rondel_testkit::pictures::picture;
use rondel_value::{Digest, Value};

use crate::lab::{Lab, Ran, Setup};

/// One output of an earlier node: its index, and whether it is the second output.
type From = (usize, bool);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Number(i64),
    Add(From, From),
    AddOne(From),
    Join(Vec<From>),
    Halve(From),
    Paint(From),
    Look(From),
    Fail(From),
}

#[derive(Clone, Debug)]
struct Node {
    name: String,
    kind: Kind,
    /// `with: (cache: Never)`
    is_volatile: bool,
    is_output: bool,
}

/// What a node makes: numbers, or a picture of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Made {
    Numbers(Vec<i64>),
    Picture(i64),
    Failed,
    Blocked,
}

/// Computes all nodes, each after those that it takes.
fn evaluate(nodes: &[Node]) -> Vec<Made> {
    let mut made: Vec<Made> = Vec::new();
    for node in nodes {
        let number = |(from, is_second): From| match &made[from] {
            Made::Numbers(numbers) => Ok(numbers[usize::from(is_second)]),
            Made::Picture(number) => Ok(*number),
            Made::Failed | Made::Blocked => Err(Made::Blocked),
        };
        let result = match &node.kind {
            Kind::Number(n) => Ok(Made::Numbers(vec![*n])),
            Kind::Add(a, b) => number(*a).and_then(|a| Ok(Made::Numbers(vec![a.wrapping_add(number(*b)?)]))),
            Kind::AddOne(a) => number(*a).map(|a| Made::Numbers(vec![a.wrapping_add(1)])),
            Kind::Join(items) => items
                .iter()
                .try_fold(0i64, |sum, item| Ok(sum.wrapping_add(number(*item)?)))
                .map(|sum| Made::Numbers(vec![sum])),
            Kind::Halve(a) => number(*a).map(|a| Made::Numbers(vec![a.div_euclid(2), a.rem_euclid(2)])),
            Kind::Paint(a) => number(*a).map(Made::Picture),
            Kind::Look(a) => number(*a).map(|a| Made::Numbers(vec![a])),
            Kind::Fail(a) => number(*a).and(Err(Made::Failed)),
        };
        made.push(result.unwrap_or_else(|made| made));
    }
    made
}

impl Kind {
    fn takes(&self) -> Vec<From> {
        match self {
            Kind::Number(_) => Vec::new(),
            Kind::Add(a, b) => vec![*a, *b],
            Kind::Join(items) => items.clone(),
            Kind::AddOne(a) | Kind::Halve(a) | Kind::Paint(a) | Kind::Look(a) | Kind::Fail(a) => vec![*a],
        }
    }
}

/// What a node is made of: which kind, whom it takes, a number, flags.
type Raw = (u8, u16, u16, i64, u8);

fn raw() -> impl Strategy<Value = Vec<Raw>> {
    // Few numbers, so that much is equal.
    proptest::collection::vec((0u8..20, any::<u16>(), any::<u16>(), 0i64..4, any::<u8>()), 1..25)
}

fn read(raw: &[Raw]) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for (i, (kind, a, b, n, flags)) in raw.iter().enumerate() {
        let earlier = |is_picture: bool, pick: u16| -> Option<From> {
            let fitting: Vec<usize> =
                (0..i).filter(|at| matches!(nodes[*at].kind, Kind::Paint(_)) == is_picture).collect();
            let at = *fitting.get(usize::from(pick) % fitting.len().max(1))?;
            Some((at, matches!(nodes[at].kind, Kind::Halve(_)) && pick & 0x8000 != 0))
        };
        let (a, second, image) = (earlier(false, *a), earlier(false, *b), earlier(true, *a));
        let kind = match (kind, a, second, image) {
            (0..=1, ..) | (_, None, ..) | (_, _, None, _) => Kind::Number(*n),
            (2..=5, Some(a), Some(b), _) => Kind::Add(a, b),
            (6..=7, Some(a), ..) => Kind::AddOne(a),
            (8..=9, Some(a), Some(b), _) => Kind::Join(vec![a, b, a]),
            (10..=12, Some(a), ..) => Kind::Halve(a),
            (13..=15, Some(a), ..) => Kind::Paint(a),
            (16..=18, _, _, Some(image)) => Kind::Look(image),
            (19, Some(a), ..) => Kind::Fail(a),
            (_, Some(a), ..) => Kind::Halve(a),
        };
        nodes.push(Node { name: format!("n{i}"), kind, is_volatile: flags % 16 == 0, is_output: flags & 0x40 == 0 });
    }
    if !nodes.iter().any(|node| node.is_output) {
        nodes.last_mut().expect("at least one").is_output = true;
    }
    nodes
}

/// The graph as text; in reverse order on demand, since the order of declarations means nothing.
fn text(nodes: &[Node], is_reversed: bool, comment: &str) -> String {
    let port = |(from, is_second): &From| match is_second {
        false => nodes[*from].name.clone(),
        true => format!("{}(rest)", nodes[*from].name),
    };
    let mut lines: Vec<String> = Vec::new();
    for node in nodes {
        let call = match &node.kind {
            Kind::Number(n) => format!("number(value: {n}"),
            Kind::Add(a, b) => format!("add(a: {}, b: {}", port(a), port(b)),
            Kind::AddOne(a) => format!("add(a: {}", port(a)),
            Kind::Join(items) => {
                format!("join(items: [{}]", items.iter().map(port).collect::<Vec<_>>().join(", "))
            }
            Kind::Halve(a) => format!("halve(a: {}", port(a)),
            Kind::Paint(a) => format!("paint(value: {}", port(a)),
            Kind::Look(a) => format!("look(image: {}", port(a)),
            Kind::Fail(a) => format!("fail(a: {}", port(a)),
        };
        let with = if node.is_volatile { ", with: (cache: Never)" } else { "" };
        lines.push(format!("{}: {call}{with}),", node.name));
    }
    if is_reversed {
        lines.reverse();
    }
    let mut outputs = String::new();
    for node in nodes.iter().filter(|node| node.is_output) {
        write!(outputs, "{0}: {0}, ", node.name).unwrap();
    }
    format!("{comment}\nnodes: ({}\n), outputs: ({outputs}),", lines.join("\n"))
}

/// What a run must be like, whatever was known before it.
fn check(nodes: &[Node], ran: &Ran) {
    let made = evaluate(nodes);
    let mut is_needed: Vec<bool> = nodes.iter().map(|node| node.is_output).collect();
    for (at, node) in nodes.iter().enumerate().rev() {
        if is_needed[at] {
            node.kind.takes().iter().for_each(|(from, _)| is_needed[*from] = true);
        }
    }
    let table = ran.table();
    for (at, node) in nodes.iter().enumerate().filter(|(at, _)| is_needed[*at]) {
        let how = ran.how(&node.name);
        let fits = match &made[at] {
            // One that another has failed for already is blocked by it.
            Made::Failed => matches!(how, How::Failed | How::Blocked),
            Made::Blocked => how == How::Blocked,
            // What follows is known, so nobody may have asked.
            Made::Numbers(_) | Made::Picture(_) => how.is_done() || how == How::NotNeeded,
        };
        assert!(fits, "{} should be {:?}\n{table}", node.name, made[at]);
        if node.is_output {
            assert_eq!(ran.output(&node.name).digest, digest(&made[at]), "{}\n{table}", node.name);
        }
    }
    let n_bad = nodes.iter().zip(&made).filter(|(node, made)| node.is_output && digest(made).is_none()).count();
    assert_eq!(ran.report.exit_code, u8::from(n_bad > 0), "{table}");
}

/// Of the first output.
fn digest(made: &Made) -> Option<Digest> {
    match made {
        Made::Numbers(numbers) => Some(Value::Int(numbers[0]).digest()),
        Made::Picture(number) => Some(Value::Bundle(picture(*number).unwrap().into()).digest()),
        Made::Failed | Made::Blocked => None,
    }
}

/// A kind and what it takes: what no cache has a reason to do twice.
type Work = (std::mem::Discriminant<Kind>, i64, Vec<(Made, bool)>);

/// The work of every step that ran, but for those whose results are not kept.
fn work(nodes: &[Node], ran: &Ran) -> Vec<Work> {
    let made = evaluate(nodes);
    let is_kept = |node: &&Node| !node.is_volatile && ran.how(&node.name) == How::Ran;
    let work = |node: &Node| {
        let number = if let Kind::Number(n) = node.kind { n } else { 0 };
        // `add(a)` is `add(a, 1)`, which some node may make of another 1.
        let (kind, one) = match node.kind {
            Kind::AddOne(a) => (Kind::Add(a, a), Some((Made::Numbers(vec![1]), false))),
            ref other => (other.clone(), None),
        };
        let takes = node.kind.takes().into_iter().map(|(from, is_second)| match &made[from] {
            Made::Numbers(numbers) => (Made::Numbers(vec![numbers[usize::from(is_second)]]), false),
            other => (other.clone(), false),
        });
        (std::mem::discriminant(&kind), number, takes.chain(one).collect())
    };
    nodes.iter().filter(is_kept).map(work).collect()
}

/// Changes a graph a little.
fn edit(raw: &mut Vec<Raw>, prefix: &mut &'static str, comment: &mut &'static str, (what, at, n): (u8, u16, i64)) {
    let numbers: Vec<usize> = (0..raw.len()).filter(|i| matches!(read(raw)[*i].kind, Kind::Number(_))).collect();
    match what {
        0..=2 => {
            let number = &mut raw[numbers[usize::from(at) % numbers.len()]].3;
            *number = (*number + 1 + n) % 5;
        }
        3 => *prefix = "renamed_",
        4 => *comment = "// another word",
        _ => raw.push((2, at, at / 3, n, 0)),
    }
}

fn renamed(mut nodes: Vec<Node>, prefix: &str) -> Vec<Node> {
    nodes.iter_mut().for_each(|node| node.name.insert_str(0, prefix));
    nodes
}

/// Loses and damages some of the cache's files; `dice` says which and how.
fn damage(lab: &Lab, dice: &[u8]) {
    let mut dice = dice.iter().cycle();
    for part in ["action", "recipe", "blob"] {
        for path in lab.cache_files(part) {
            let bytes = fs::read(&path).unwrap();
            match dice.next().expect("it goes round") % 8 {
                0 | 1 => fs::remove_file(&path).unwrap(),
                2 => fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
                3 => fs::write(&path, b"something else").unwrap(),
                4 if part != "action" => {
                    let flipped: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
                    fs::write(&path, flipped).unwrap();
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn any_graph_gives_what_a_simple_loop_gives(
        raw in raw(),
        change in (0u8..6, any::<u16>(), 0i64..4),
        dice in proptest::collection::vec(any::<u8>(), 1..20),
        is_reversed in any::<bool>(),
        jobs in 1usize..5,
    ) {
        let lab = Lab::new();
        let setup = Setup { jobs: Some(jobs), ..Setup::default() };
        let mut done: HashSet<Work> = HashSet::new();
        let mut no_work_twice = |nodes: &[Node], ran: &Ran| {
            for work in work(nodes, ran) {
                assert!(done.insert(work.clone()), "{work:?} was done twice\n{}", ran.table());
            }
        };

        let nodes = read(&raw);
        let first = lab.run_with(&text(&nodes, is_reversed, ""), &setup);
        check(&nodes, &first);
        no_work_twice(&nodes, &first);

        let (mut raw, mut prefix, mut comment) = (raw, "", "");
        edit(&mut raw, &mut prefix, &mut comment, change);
        let nodes = renamed(read(&raw), prefix);
        let edited = text(&nodes, is_reversed, comment);
        let second = lab.run_with(&edited, &setup);
        check(&nodes, &second);
        no_work_twice(&nodes, &second);

        damage(&lab, &dice);
        check(&nodes, &lab.run_with(&edited, &setup));
        check(&nodes, &lab.run_with(&edited, &setup));
    }
}
