//! `rondel nodes`: the catalogue of kinds, for people, machines and the documentation.

mod example;

use std::path::Path;

use anyhow::{Result, bail};
use rondel_graph::{World as _, closest};
use rondel_value::{InputSpec, NodeSpec, Type, Value, coerce};

use super::{Exit, site};
use crate::args::{NodesArgs, NodesFormat, Places};
use crate::words;

pub fn run(places: &Places, args: NodesArgs) -> Result<Exit> {
    // As seen from a graph in the current folder.
    let (site, _) = site(places, Some(Path::new("graph.ron")), None)?;
    let all: Vec<&NodeSpec> = site.registry().kinds().map(|kind| &**kind.spec()).collect();
    let mut specs = all.clone();
    if let Some(wanted) = &args.kind {
        let is_wanted = |spec: &&NodeSpec| spec.kind == *wanted;
        let is_end = |spec: &&NodeSpec| spec.kind.rsplit_once('.').is_some_and(|(_, end)| end == wanted);
        specs = all.iter().copied().filter(is_wanted).collect();
        if specs.is_empty() {
            specs = all.iter().copied().filter(is_end).collect();
        }
        if specs.is_empty() {
            let known: Vec<&str> = all.iter().map(|spec| spec.kind.as_str()).collect();
            let meant = closest(wanted, known.iter().copied()).map(|kind| format!("did you mean `{kind}`? "));
            let meant = meant.unwrap_or_default();
            words::say(format!("error: there is no kind `{wanted}`; {meant}kinds: {}", known.join(", ")));
            let missing = site.missing_kind(wanted);
            missing.offered_by.into_iter().chain(missing.looked_in).for_each(words::say);
            return Ok(Exit::NothingMatched);
        }
    }
    let models = site.models(&std::path::absolute("graph.ron")?);
    let weights = models.first().map_or("my-weights", |model| &model.name);
    let example = |spec| example::graph(spec, &all, weights);
    match args.format {
        NodesFormat::Json => words::data(serde_json::to_string_pretty(&specs)?),
        NodesFormat::Markdown => words::data(catalogue(&specs)),
        NodesFormat::Graph if args.kind.is_none() => bail!("say which kind: `rondel nodes KIND --format graph`"),
        NodesFormat::Graph => match specs.iter().find_map(|spec| example(spec)) {
            Some(graph) => words::data(graph),
            None => bail!("no kind that is installed makes what it takes"),
        },
        NodesFormat::Human if args.kind.is_some() => {
            specs.iter().for_each(|spec| words::data(page(spec, example(spec).as_deref())));
        }
        NodesFormat::Human => {
            let width = specs.iter().map(|spec| spec.kind.len()).max().unwrap_or(0);
            for spec in specs {
                words::data(format!("{:width$}  {}", spec.kind, spec.summary()));
            }
        }
    }
    Ok(Exit::Done)
}

/// A table with one line a kind.
fn catalogue(specs: &[&NodeSpec]) -> String {
    let mut text = "| kind | takes | gives | lane | what it does |\n| --- | --- | --- | --- | --- |".to_owned();
    for spec in specs {
        let ports = |names: Vec<String>| names.join(", ");
        let inputs = spec.inputs.iter().map(|input| {
            let mark = if input.is_required() || input.ty.is_optional() { "" } else { "?" };
            format!("{}: {}{mark}", input.name, short(&input.ty))
        });
        let outputs = spec.outputs.iter().map(|output| format!("{}: {}", output.name, short(&output.ty)));
        text.push_str(&format!(
            "\n| `{}` | {} | {} | {} | {} |",
            spec.kind,
            ports(inputs.collect()),
            ports(outputs.collect()),
            spec.lane.name(),
            spec.summary()
        ));
    }
    text
}

/// The type for a table: without the members of a choice, with `?` if it may be left out.
fn short(ty: &Type) -> String {
    format!("{}{}", ty.plain(), if ty.is_optional() { "?" } else { "" })
}

/// All that is known of a kind.
fn page(spec: &NodeSpec, example: Option<&str>) -> String {
    let mut text = format!("{}  (version {}, {} lane)\n\n{}\n", spec.kind, spec.version, spec.lane.name(), spec.doc);
    let flags = [(spec.effect, "writes outside of the graph"), (spec.seeded, "seeded"), (spec.impure, "impure")];
    for (_, words) in flags.iter().filter(|(holds, _)| *holds) {
        text.push_str(&format!("\n{words}\n"));
    }
    text.push_str("\ninputs\n");
    for input in &spec.inputs {
        text.push_str(&format!("  {}: {}{}\n", input.name, input.ty, remarks(input)));
        input.doc.lines().for_each(|line| text.push_str(&format!("      {line}\n")));
    }
    text.push_str("\noutputs\n");
    for output in &spec.outputs {
        text.push_str(&format!("  {}: {}\n", output.name, output.ty));
        output.doc.lines().for_each(|line| text.push_str(&format!("      {line}\n")));
    }
    if let Some(example) = example {
        text.push_str("\na graph with it\n");
        example.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    text.trim_end().to_owned()
}

fn remarks(input: &InputSpec) -> String {
    let mut remarks = Vec::new();
    match &input.default {
        Some(default) => {
            let value = match (input.ty.required(), coerce::from_json(default, &input.ty)) {
                // A choice is written without quotes.
                (Type::Choice(_), Ok(Value::Text(name))) => name.to_string(),
                (_, Ok(value)) => value.display(60),
                (_, Err(_)) => default.to_string(),
            };
            remarks.push(format!("default {value}"));
        }
        None if input.is_required() => remarks.push("required".to_owned()),
        None => {}
    }
    remarks.extend(input.range.map(|range| format!("range {range}")));
    remarks.extend(input.soft.map(|range| format!("usually {range}")));
    remarks.extend(input.multiple_of.map(|n| format!("multiple of {n}")));
    remarks.extend(input.unit.clone());
    match remarks.is_empty() {
        true => String::new(),
        false => format!("  ({})", remarks.join(", ")),
    }
}
