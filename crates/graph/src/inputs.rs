//! Values for the inputs of a graph, from a command line.

use rondel_value::spec::{BoundsError, bounds};
use rondel_value::{Type, Value, coerce};

use indexmap::IndexMap;

use crate::diagnostic::Diagnostic;
use crate::diagnostics::{bad_value, missing_input, not_a_multiple, out_of_range, unknown_input, unknown_preset};
use crate::graph::{Arg, Expr, Graph, Input};
use crate::literal::duration;

/// Reads `--set name=text` by the declared type of the input.
///
/// Text is taken as it is, `1024x768` is a size, a path is a picture, `random` is a seed, `[a, b]` is a list. A path comes
/// back in [`Expr::File`] as it was given; it is the caller's to resolve, since only the caller knows the current folder.
pub fn set_input(graph: &Graph, name: &str, text: &str) -> Result<Expr, Diagnostic> {
    let input = find(graph, "--set", name)?;
    read(input, &input.ty, text).map_err(|refusal| refusal.told(graph, input, &format!("--set {name}={text}")))
}

/// The input that a value is given for with `option`.
pub(crate) fn find<'g>(graph: &'g Graph, option: &str, name: &str) -> Result<&'g Input, Diagnostic> {
    graph.inputs.get(name).ok_or_else(|| unknown_input::set(graph, option, name))
}

/// The values of a preset.
pub fn preset<'g>(graph: &'g Graph, name: &str) -> Result<&'g IndexMap<String, Arg>, Diagnostic> {
    graph.presets.get(name).ok_or_else(|| unknown_preset::unknown_preset(graph, name))
}

/// Inputs that have neither a default nor a value.
pub fn missing_inputs(graph: &Graph, is_given: impl Fn(&str) -> bool) -> Vec<Diagnostic> {
    let is_missing = |input: &&Input| input.default.is_none() && !input.ty.is_optional() && !is_given(&input.name);
    graph.inputs.values().filter(is_missing).map(|input| missing_input::missing_input(graph, input)).collect()
}

/// Why a text is no value of an input.
pub(crate) enum Refusal {
    Type,
    Reason(String),
    Bounds(BoundsError),
}

impl Refusal {
    /// In words; `said` is how the value was given.
    pub(crate) fn told(self, graph: &Graph, input: &Input, said: &str) -> Diagnostic {
        match self {
            Refusal::Type => bad_value::set(graph, input, said, None),
            Refusal::Reason(reason) => bad_value::set(graph, input, said, Some(&reason)),
            Refusal::Bounds(BoundsError::OutOfRange { range, .. }) => out_of_range::set(graph, input, said, range),
            Refusal::Bounds(BoundsError::NotAMultiple { number, multiple_of }) => {
                not_a_multiple::set(graph, input, said, number, multiple_of)
            }
        }
    }
}

/// Reads a text by a type, which is that of the input or one within it.
pub(crate) fn read(input: &Input, ty: &Type, text: &str) -> Result<Expr, Refusal> {
    let trimmed = text.trim();
    match ty {
        Type::Optional(_) if trimmed == "None" => return Ok(Expr::Value(Value::None)),
        Type::Optional(inner) => return read(input, inner, text),
        Type::List(inner) => return list(input, inner, text),
        Type::Image | Type::Mask if trimmed.is_empty() => return Err(Refusal::Type),
        Type::Image | Type::Mask => return Ok(Expr::File { path: text.to_owned() }),
        Type::Seed if trimmed.eq_ignore_ascii_case("random") => return Ok(Expr::RandomSeed),
        _ => {}
    }
    let value = match ty {
        Type::Text => Value::text(text),
        Type::Bool => Value::Bool(trimmed.parse().map_err(|_| Refusal::Type)?),
        Type::Int => Value::Int(trimmed.parse().map_err(|_| Refusal::Type)?),
        Type::Float => Value::Float(trimmed.parse().map_err(|_| Refusal::Type)?),
        Type::Seed => Value::Seed(trimmed.parse().map_err(|_| Refusal::Type)?),
        Type::Duration => Value::Int(duration(trimmed).ok_or(Refusal::Type)?),
        Type::Size => Value::Pair(size(trimmed).ok_or(Refusal::Type)?),
        Type::Json => match serde_json::from_str::<serde_json::Value>(trimmed) {
            Ok(json) => Value::Json(rondel_value::Json::new(&json)),
            Err(error) => return Err(Refusal::Reason(format!("not JSON: {error}"))),
        },
        Type::Choice(_) => choice(ty, trimmed)?,
        _ => return Err(Refusal::Type),
    };
    let value = coerce::to(&value, ty).map_err(|error| Refusal::Reason(error.to_string()))?;
    admit(input, value)
}

/// A value that is within what the input declares.
pub(crate) fn admit(input: &Input, value: Value) -> Result<Expr, Refusal> {
    bounds(&value, input.range, input.multiple_of).map_err(Refusal::Bounds)?;
    Ok(Expr::Value(value))
}

/// `Euler`, or `Shifted(mu: 2.0)` as in a graph.
fn choice(ty: &Type, text: &str) -> Result<Value, Refusal> {
    let raw = crate::syntax::parse(text).map_err(|_| Refusal::Type)?;
    let json = crate::literal::choice_json(&raw).ok_or_else(|| match ty {
        Type::Choice(choices) => match crate::suggest::closest(text, choices.names()) {
            Some(meant) => Refusal::Reason(format!("choices start with a capital, `{meant}`")),
            None => Refusal::Type,
        },
        _ => Refusal::Type,
    })?;
    coerce::from_json(&json, ty).map_err(|error| Refusal::Reason(error.to_string()))
}

/// `1024x768`, or `(1024, 768)` as in a graph.
fn size(text: &str) -> Option<[i64; 2]> {
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let (width, height) = match inner {
        Some(inner) => inner.split_once(',')?,
        None => text.split_once(['x', 'X', '×'])?,
    };
    Some([width.trim().parse().ok()?, height.trim().parse().ok()?])
}

/// `[a, b]`, or one item without brackets. A comma within quotes or brackets does not separate.
fn list(input: &Input, inner: &Type, text: &str) -> Result<Expr, Refusal> {
    let brackets = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let items = match brackets {
        Some(inside) => split(inside),
        None => vec![text],
    };
    let exprs: Vec<Expr> = items
        .into_iter()
        .map(|item| match (inner, brackets) {
            (Type::Text | Type::Image | Type::Mask, Some(_)) => read(input, inner, &unquoted(item)),
            _ => read(input, inner, item),
        })
        .collect::<Result<_, _>>()?;
    Ok(Expr::list(exprs))
}

pub(crate) fn split(text: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut start, mut depth, mut quoted, mut escaped) = (0, 0_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                items.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&text[start..]);
    // A comma at the end is allowed, as in a graph.
    if items.last().is_some_and(|last| last.trim().is_empty()) {
        items.pop();
    }
    items
}

pub(crate) fn unquoted(item: &str) -> String {
    let item = item.trim();
    match item.starts_with('"') {
        true => ::ron::from_str(item).unwrap_or_else(|_| item.to_owned()),
        false => item.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::graph_with_inputs;

    fn set(declaration: &str, text: &str) -> String {
        let graph = graph_with_inputs(&format!("x: {declaration}"));
        match set_input(&graph, "x", text) {
            Ok(Expr::Value(value)) => value.display(80),
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("{}: {}", error.code, error.message),
        }
    }

    #[test]
    fn text_is_taken_as_it_is() {
        assert_eq!(set("Text()", " a \"fox\", {x} "), r#"" a \"fox\", {x} ""#);
    }

    #[test]
    fn each_type_has_its_form() {
        assert_eq!(set("Size()", "1024x768"), "1024x768");
        assert_eq!(set("Size()", "(64, 32)"), "64x32");
        assert_eq!(set("Seed()", "random"), "RandomSeed");
        assert_eq!(set("Seed()", "18446744073709551615"), "18446744073709551615");
        assert_eq!(set("Float()", "4"), "4.0");
        assert_eq!(set("Bool()", "true"), "true");
        assert_eq!(set("Duration()", "2s"), "2000000000");
        assert_eq!(set("Image()", "a/b.png"), r#"File { path: "a/b.png" }"#);
        assert_eq!(set("Mask(default: None)", "None"), "None");
        assert_eq!(set("Choice(of: [Euler, Heun])", "Heun"), "\"Heun\"");
        assert_eq!(set("Json()", "{\"b\": 1, \"a\": [2]}"), r#"{"a":[2],"b":1}"#);
    }

    #[test]
    fn lists_have_brackets_or_one_item() {
        assert_eq!(set("List(of: Int)", "[1, 2,]"), "[1, 2]");
        assert_eq!(set("List(of: Int)", "3"), "[3]");
        assert_eq!(set("List(of: Text)", r#"[one, "two, three"]"#), r#"["one", "two, three"]"#);
        assert_eq!(set("List(of: Image)", "[a.png]"), r#"List([File { path: "a.png" }])"#);
        assert_eq!(set("List(of: Size)", "[(1, 2), 3x4]"), "[1x2, 3x4]");
        assert_eq!(set("List(of: Int)", "[]"), "[]");
    }

    #[test]
    fn what_is_no_value_is_refused() {
        assert_eq!(set("Int()", "4.5"), "input::bad-value: `--set x=4.5` is not Int");
        assert_eq!(set("Float()", "nan"), "input::bad-value: `--set x=nan`: NaN is not a finite number");
        assert_eq!(
            set("Size()", "0x4"),
            "input::bad-value: `--set x=0x4`: a size has two positive sides, 0x4 was given"
        );
        assert_eq!(
            set("Choice(of: [Euler])", "euler"),
            "input::bad-value: `--set x=euler`: choices start with a capital, `Euler`"
        );
        assert_eq!(
            set("List(of: Int(), range: 1..=3)", "[1, 4]"),
            "input::out-of-range: `--set x=[1, 4]` is out of range"
        );
    }
}
