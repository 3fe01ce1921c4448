//! A plan as the screen shows it: its inputs as a form, and its command.

use rondel_engine::Plan;
use rondel_engine::plan::inputs::InputValue;
use rondel_graph::graph::{Expr, Input};
use rondel_tui::{Field, Planned, Preset};
use rondel_value::Type;
use serde_json::Value;

/// What the screen shows of a plan. `words` are those of the command line before the inputs, such as `rondel run graph.ron`.
pub fn planned(plan: &Plan, command: &str) -> Planned {
    let path = &plan.graph.path;
    let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    // Inputs that are swept have no one value.
    let given = plan.graph.inputs.values().filter_map(|input| Some((input, plan.inputs.get(&input.name)?)));
    let fields = given.map(|(input, value)| field(input, value)).collect();
    let presets = plan.graph.presets.iter().map(|(name, values)| Preset {
        name: name.clone(),
        text: values.iter().map(|(input, arg)| preset_text(plan, input, &arg.expr)).collect::<Vec<_>>().join(", "),
    });
    Planned { file, fields, presets: presets.collect(), command: with_inputs(plan, command) }
}

/// What a preset says of an input.
fn preset_text(plan: &Plan, input: &str, expr: &Expr) -> String {
    let text = plan.graph.inputs.get(input).and_then(|input| rondel_graph::literal_text(expr, &input.ty));
    match (text, expr) {
        (Some(text), _) => format!("{input} {text}"),
        (None, Expr::File { path }) => format!("{input} {path}"),
        (None, _) => input.to_owned(),
    }
}

fn field(input: &Input, value: &InputValue) -> Field {
    let mut range: Vec<String> = input.range.iter().map(ToString::to_string).collect();
    range.extend(input.multiple_of.map(|n| format!("a multiple of {n}")));
    Field {
        name: input.name.clone(),
        ty: input.ty.to_string(),
        doc: input.doc.clone(),
        value: typed(&input.ty, &value.json),
        origin: match (&input.default, value.origin.words()) {
            (Some(Expr::RandomSeed), words) if words == "default" => "drawn".to_owned(),
            (_, words) => words,
        },
        range: range.join(", "),
    }
}

/// A value as it would be typed after `--set`.
pub fn typed(ty: &Type, json: &Value) -> String {
    match (ty, json) {
        (Type::Optional(inner), _) if !json.is_null() => typed(inner, json),
        (Type::Size, Value::Array(sides)) if sides.len() == 2 => format!("{}x{}", sides[0], sides[1]),
        (_, Value::String(text)) => text.clone(),
        (_, Value::Null) => "None".to_owned(),
        (_, json) => json.to_string(),
    }
}

/// The command that gives the same inputs again, drawn seeds too.
fn with_inputs(plan: &Plan, command: &str) -> String {
    let mut command = command.to_owned();
    for (name, input) in &plan.inputs {
        if let Some(text) = input.repeat.text() {
            let pair = format!("{name}={text}");
            let quoted = shlex::try_quote(&pair).map_or_else(|_| pair.clone(), |quoted| quoted.into_owned());
            command.push_str(&format!(" --set {quoted}"));
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_they_would_be_typed() {
        let shown = |ty: Type, json: &str| typed(&ty, &serde_json::from_str(json).unwrap());
        assert_eq!(shown(Type::Size, "[64, 32]"), "64x32");
        assert_eq!(shown(Type::Text, "\"a \\\"b\\\"\""), "a \"b\"");
        assert_eq!(shown(Type::Optional(Box::new(Type::Size)), "[64, 32]"), "64x32");
        assert_eq!(shown(Type::Optional(Box::new(Type::Image)), "null"), "None");
        assert_eq!(shown(Type::List(Box::new(Type::Int)), "[1, 2]"), "[1,2]");
    }
}
