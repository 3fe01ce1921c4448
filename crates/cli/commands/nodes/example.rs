//! A graph that uses a kind, made from specifications alone.
//!
//! What has to be given and can come from outside becomes an input of the graph. What only a node can make, a latent for one, is
//! made by the kind that asks for least; its inputs are found in the same way.

use std::fmt::Write;

use rondel_value::{Family, InputSpec, NodeSpec, Type, coerce};
use serde_json::Value as Json;

/// How many kinds may stand in a row before the one that is shown.
const DEEPEST: usize = 4;

/// A graph with one node of the kind, and what that needs; `weights` is a name of weights.
///
/// None if no installed kind makes what it takes.
pub fn graph(spec: &NodeSpec, all: &[&NodeSpec], weights: &str) -> Option<String> {
    let mut example = Example { all, weights, imports: vec![], inputs: vec![], models: vec![], nodes: vec![] };
    let node = example.node(spec, 0)?;
    let outputs = vec![(spec.outputs.first()?.name.clone(), node)];
    let Example { imports, inputs, models, nodes, .. } = example;
    let mut text = "Graph(\n    format: 1,\n".to_owned();
    let sections =
        [("imports", imports), ("inputs", inputs), ("models", models), ("nodes", nodes), ("outputs", outputs)];
    for (section, lines) in sections.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        let _ = writeln!(text, "    {section}: (");
        for (name, value) in &lines {
            let _ = writeln!(text, "        {name}: {value},");
        }
        text.push_str("    ),\n");
    }
    text.push(')');
    Some(text)
}

/// The sections of a graph, as names with what stands behind their colon.
struct Example<'a> {
    all: &'a [&'a NodeSpec],
    weights: &'a str,
    imports: Vec<(String, String)>,
    inputs: Vec<(String, String)>,
    models: Vec<(String, String)>,
    nodes: Vec<(String, String)>,
}

impl<'a> Example<'a> {
    /// Adds a node, after those that it needs; its name.
    fn node(&mut self, spec: &NodeSpec, depth: usize) -> Option<String> {
        let mut args = Vec::new();
        for input in &spec.inputs {
            let value = match &input.default {
                // Of the kinds on the way only the shortest form is of interest.
                Some(default) if depth == 0 => literal(default, &input.ty),
                _ if input.is_required() => Some(self.argument(input, &input.ty, spec, depth)?),
                _ => None,
            };
            args.extend(value.map(|value| format!("{}: {value}", input.name)));
        }
        let local = spec.kind.rsplit('.').next().unwrap_or(&spec.kind).to_owned();
        if local != spec.kind && !self.imports.iter().any(|(name, _)| *name == local) {
            self.imports.push((local.clone(), format!("Node(\"{}\")", spec.kind)));
        }
        let name = self.free(&local);
        self.nodes.push((name.clone(), format!("{local}({})", args.join(", "))));
        Some(name)
    }

    /// What stands at a port that has to be given.
    fn argument(&mut self, input: &InputSpec, ty: &Type, of: &NodeSpec, depth: usize) -> Option<String> {
        match ty {
            Type::Model(family) => Some(self.model(family)),
            Type::Latent(_) | Type::Conditioning(_) | Type::Tensor | Type::Saved => {
                let maker = self.maker(ty, of).filter(|_| depth < DEEPEST)?;
                self.node(maker, depth + 1)
            }
            Type::List(inner) => Some(format!("[{}]", self.argument(input, inner, of, depth)?)),
            Type::Optional(inner) => self.argument(input, inner, of, depth),
            _ => {
                let name = self.free(&input.name);
                self.inputs.push((name.clone(), declaration(input, ty)));
                Some(name)
            }
        }
    }

    fn model(&mut self, family: &Family) -> String {
        let family = match family {
            Family::Named(name) => name.as_str(),
            Family::Variable(_) => "Flux2",
        };
        let written = format!("{family}(weights: {:?})", self.weights);
        if let Some((name, _)) = self.models.iter().find(|(_, model)| *model == written) {
            return name.clone();
        }
        let name = self.free(&family.trim_end_matches(|c: char| c.is_ascii_digit()).to_lowercase());
        self.models.push((name.clone(), written));
        name
    }

    /// The kind that makes a type and asks for least; files are harder to come by than anything else.
    fn maker(&self, ty: &Type, not: &NodeSpec) -> Option<&'a NodeSpec> {
        let cost = |spec: &NodeSpec| -> usize {
            let required = spec.inputs.iter().filter(|input| input.is_required());
            required.map(|input| if matches!(input.ty, Type::Image | Type::Mask) { 3 } else { 1 }).sum()
        };
        let makes = |spec: &&&NodeSpec| {
            !spec.effect
                && spec.kind != not.kind
                && spec.outputs.first().is_some_and(|output| coerce::fits(&output.ty, ty))
        };
        self.all.iter().filter(makes).min_by_key(|spec| cost(spec)).copied()
    }

    /// A name that nothing has yet.
    fn free(&self, wanted: &str) -> String {
        let sections = [&self.inputs, &self.models, &self.nodes];
        let is_taken = |name: &str| sections.iter().any(|section| section.iter().any(|(known, _)| known == name));
        let numbered = (2..).map(|number| format!("{wanted}{number}"));
        std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !is_taken(name)).expect("numbers do not end")
    }
}

fn declaration(input: &InputSpec, ty: &Type) -> String {
    let mut fields = Vec::new();
    let name = match ty {
        Type::Choice(choices) => {
            fields.push(format!("of: [{}]", choices.names().collect::<Vec<_>>().join(", ")));
            "Choice".to_owned()
        }
        ty => ty.plain(),
    };
    let doc = input.doc.lines().next().unwrap_or_default();
    let doc = doc.split_once(". ").map_or(doc, |(sentence, _)| sentence).trim_end_matches('.');
    if !doc.is_empty() {
        fields.push(format!("doc: {doc:?}"));
    }
    format!("{name}({})", fields.join(", "))
}

/// A default as it is written in a graph; none if that would say nothing.
fn literal(default: &Json, ty: &Type) -> Option<String> {
    coerce::from_json(default, ty).ok()?;
    Some(match (ty.required(), default) {
        (_, Json::Null) => return None,
        (Type::Choice(_), Json::String(name)) => name.clone(),
        (Type::Text, Json::String(text)) => format!("{text:?}"),
        (Type::Size, Json::Array(sides)) => format!("({}, {})", sides.first()?, sides.get(1)?),
        (Type::Float, Json::Number(number)) => format!("{:?}", number.as_f64()?),
        (Type::Bool | Type::Int | Type::Seed, plain) => plain.to_string(),
        // Choices with fields, lists and JSON: the page shows them, and whoever needs them knows more than their default.
        _ => return None,
    })
}
