//! Puts a value into a graph's text, and leaves every other byte as it is: comments, blanks, the order of things.

use rondel_value::{Type, Value};

use crate::diagnostic::Diagnostic;
use crate::graph::{Expr, Graph};
use crate::inputs::set_input;
use crate::syntax::{self, Args, Field, Form, Raw};

/// Why a value is not written into a graph.
#[derive(Debug, thiserror::Error)]
pub enum SpliceError {
    /// It is no value of the input.
    #[error("{}", .0.message)]
    Wrong(Diagnostic),
    #[error("`{name}` is {ty}, of which the value is written by hand")]
    ByHand { name: String, ty: Type },
    #[error("`{name}` is not declared in this text")]
    NotDeclared { name: String },
}

/// Makes `value`, as after `--set`, the default of an input. `text` is that of the graph, or what an earlier splice made of it.
pub fn set_default(graph: &Graph, text: &str, name: &str, value: &str) -> Result<String, SpliceError> {
    let expr = set_input(graph, name, value).map_err(SpliceError::Wrong)?;
    let input = &graph.inputs[name];
    let by_hand = || SpliceError::ByHand { name: name.to_owned(), ty: input.ty.clone() };
    let literal = literal(&input.ty, &expr, value).ok_or_else(by_hand)?;
    let not_declared = || SpliceError::NotDeclared { name: name.to_owned() };
    let declaration = declaration(text, name).ok_or_else(not_declared)?;
    let (span, with) = match declaration.form() {
        Form::Name(word) => (word.span().end..word.span().end, format!("(default: {literal})")),
        Form::Call(_, Args::Named(fields)) => match field(&fields, "default") {
            Some(old) => (old.span(), literal),
            None => {
                let start = fields.first().ok_or_else(not_declared)?.name.start;
                (start..start, format!("default: {literal}, "))
            }
        },
        Form::Call(_, Args::Positional(items)) if items.is_empty() => {
            let open = declaration.text.find('(').ok_or_else(not_declared)?;
            let start = declaration.start + open + 1;
            (start..start, format!("default: {literal}"))
        }
        _ => return Err(not_declared()),
    };
    let mut text = text.to_owned();
    text.replace_range(span, &with);
    Ok(text)
}

/// The value of `inputs.name` in a text.
fn declaration<'a>(text: &'a str, name: &str) -> Option<Raw<'a>> {
    let fields = match syntax::parse(text).ok()?.form() {
        Form::Call(_, Args::Named(fields)) | Form::Fields(fields) => fields,
        _ => return None,
    };
    let Form::Fields(inputs) = field(&fields, "inputs")?.form() else { return None };
    field(&inputs, name)
}

fn field<'a>(fields: &[Field<'a>], name: &str) -> Option<Raw<'a>> {
    fields.iter().find(|field| field.name.text == name).map(|field| field.value)
}

/// A value as it is written in a graph; none for what has no form that holds everywhere, such as a path.
fn literal(ty: &Type, expr: &Expr, typed: &str) -> Option<String> {
    match (ty, expr) {
        (Type::Optional(inner), Expr::Value(value)) if *value != Value::None => literal(inner, expr, typed),
        (_, Expr::RandomSeed) => Some("Random".to_owned()),
        // As it was typed: the value itself is a number of nanoseconds, or a name without its quotes.
        (Type::Duration, _) => Some(format!("{:?}", typed.trim())),
        (Type::Choice(_), _) => Some(typed.trim().to_owned()),
        (_, Expr::Value(value)) => of_value(value),
        _ => None,
    }
}

fn of_value(value: &Value) -> Option<String> {
    match value {
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Seed(_) => {
            Some(value.display(usize::MAX))
        }
        Value::Text(text) => ron::to_string(&**text).ok(),
        Value::Pair([width, height]) => Some(format!("({width}, {height})")),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(of_value).collect::<Option<_>>()?;
            Some(format!("[{}]", items.join(", ")))
        }
        Value::Json(_) | Value::Bundle(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{checked, graph_with_inputs};

    /// The declaration after a value was written into it.
    fn spliced(declaration: &str, value: &str) -> String {
        let graph = graph_with_inputs(&format!("x: {declaration}"));
        match set_default(&graph, &graph.text, "x", value) {
            Ok(text) => {
                let again = checked(&text, &[]).unwrap_or_else(|mistakes| panic!("{text}\n{mistakes:?}"));
                let wanted = set_input(&again, "x", value).unwrap();
                assert_eq!(again.inputs["x"].default.as_ref(), Some(&wanted), "{text}");
                let (_, from) = text.split_once("x: ").unwrap();
                let after = graph.text.len() - graph.text.find(declaration).unwrap() - declaration.len();
                from[..from.len() - after].to_owned()
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_default_is_replaced_where_it_stands() {
        assert_eq!(spliced("Seed(default: 7, doc: \"a // b\")", "8"), "Seed(default: 8, doc: \"a // b\")");
        assert_eq!(
            spliced("Text(default: \"a\" /* old */)", "a \"fox\"\n"),
            "Text(default: \"a \\\"fox\\\"\\n\" /* old */)"
        );
        assert_eq!(spliced("Size(default: (64, 64))", "128x64"), "Size(default: (128, 64))");
        assert_eq!(spliced("Seed(default: 7)", "random"), "Seed(default: Random)");
        assert_eq!(
            spliced("Choice(of: [Euler, Heun], default: Euler)", "Heun"),
            "Choice(of: [Euler, Heun], default: Heun)"
        );
        assert_eq!(spliced("List(of: Int, default: [1])", "[2, 3]"), "List(of: Int, default: [2, 3])");
    }

    #[test]
    fn a_default_is_added_where_there_was_none() {
        assert_eq!(spliced("Int()", "4"), "Int(default: 4)");
        assert_eq!(spliced("Int(doc: \"n\")", "4"), "Int(default: 4, doc: \"n\")");
    }

    #[test]
    fn what_cannot_be_written_says_why() {
        assert_eq!(spliced("Int(default: 4)", "four"), "`--set x=four` is not Int");
        assert_eq!(spliced("Image()", "a.png"), "`x` is Image, of which the value is written by hand");
    }

    #[test]
    fn all_around_it_stays() {
        let graph = graph_with_inputs("/* one */ x: Int(default: 1, /* two */), // three\n y : Int(default: 2)");
        let first = set_default(&graph, &graph.text, "x", "10").unwrap();
        let both = set_default(&graph, &first, "y", "20").unwrap();
        assert_eq!(both, graph.text.replace("default: 1", "default: 10").replace("default: 2", "default: 20"));
    }
}
