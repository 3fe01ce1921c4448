//! Puts a value into a graph's text, and leaves every other byte as it is: comments, blanks, the order of things.
//!
//! What comes of it is read again before it is handed on: the input has the value, and all else stands where it stood.

mod again;
#[cfg(test)]
mod tests;

use rondel_value::{Type, Value};

use crate::diagnostic::Diagnostic;
use crate::graph::{Expr, Graph};
use crate::inputs::set_input;
use crate::literal;
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
    /// Found when the new text was read.
    #[error("`{name}` would not be read as what was written: {reason}")]
    NotTheSame { name: String, reason: String },
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
                let first = fields.first().ok_or_else(not_declared)?.name.start;
                // The name of a field may be a raw one, `r#doc`.
                let start = if text[..first].ends_with("r#") { first - 2 } else { first };
                (start..start, format!("default: {literal}, "))
            }
        },
        Form::Call(_, Args::Positional(items)) if items.is_empty() => {
            let start = declaration.start + declaration.opened().ok_or_else(not_declared)? + 1;
            (start..start, format!("default: {literal}"))
        }
        _ => return Err(not_declared()),
    };
    let mut new = text.to_owned();
    new.replace_range(span, &with);
    let reason = again::difference(text, &new, name, &expr);
    match reason {
        Some(reason) => Err(SpliceError::NotTheSame { name: name.to_owned(), reason }),
        None => Ok(new),
    }
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

/// A value as it is written in a graph.
fn literal(ty: &Type, expr: &Expr, typed: &str) -> Option<String> {
    match (ty.required(), expr) {
        // As it was typed, `1m30s`: the value itself is a number of nanoseconds.
        (Type::Duration, Expr::Value(Value::Int(_))) => Some(format!("{:?}", typed.trim())),
        _ => literal::write(expr, ty),
    }
}
