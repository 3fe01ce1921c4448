//! Reads a value by the type that is wanted: literals, files, choices and references.

mod json;
mod scalar;
mod template;
mod write;

use std::fmt;
use std::sync::Arc;

use rondel_value::spec::{BoundsError, bounds};
use rondel_value::{Choices, Range, Type, Value, coerce};

use crate::check::scope::{Found, Scope};
use crate::diagnostic::Diagnostic;
use crate::diagnostics::*;
use crate::graph::Expr;
use crate::source::{Source, Span};
use crate::syntax::{Args, Form, Raw, Word};
use crate::world::World;

pub(crate) use scalar::duration;
pub use write::write;

/// What a value is wanted for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Port<'p> {
    /// The kind of the node; none for inputs of the graph.
    pub owner: Option<&'p str>,
    pub name: &'p str,
    pub ty: &'p Type,
    pub range: Option<Range>,
    pub multiple_of: Option<i64>,
    /// Where range and multiple are written, if in this file.
    pub range_span: Option<&'p Span>,
    pub multiple_of_span: Option<&'p Span>,
    pub expand: bool,
}

impl fmt::Display for Port<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner {
            Some(owner) => write!(f, "{owner}.{}", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// A name in a value, whose type is to be checked once all types are known.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub span: Span,
    pub param: String,
    pub expr: Expr,
    pub wanted: Type,
}

/// A value that is a literal.
pub(crate) struct NotAReference;

/// Reads values of one file.
pub(crate) struct Reader<'r> {
    pub source: &'r Arc<Source>,
    pub world: &'r dyn World,
    /// None where only literals may stand.
    pub scope: Option<&'r Scope<'r>>,
    /// The node that the values are for.
    pub node: Option<&'r str>,
    pub diagnostics: &'r mut Vec<Diagnostic>,
    pub references: Vec<Reference>,
}

impl Reader<'_> {
    /// Reads a value for a port. `None` if it is not one, which is then reported, or if it hangs on another mistake.
    pub fn read(&mut self, raw: &Raw<'_>, port: &Port<'_>) -> Option<Expr> {
        self.read_as(raw, port, port.ty)
    }

    /// Reads a reference to anything; fails silently if the value is not a reference at all.
    pub fn read_reference(&mut self, raw: &Raw<'_>, port: &Port<'_>) -> Result<Option<Expr>, NotAReference> {
        match raw.form() {
            Form::Name(word) if word.is_lowercase() => Ok(self.reference(word, None, port, None)),
            Form::Call(word, args) if word.is_lowercase() => Ok(self.output(raw, word, &args, port, None)),
            _ => Err(NotAReference),
        }
    }

    fn read_as(&mut self, raw: &Raw<'_>, port: &Port<'_>, ty: &Type) -> Option<Expr> {
        let form = raw.form();
        match (ty, &form) {
            (Type::Optional(_), Form::Name(word)) if word.text == "None" => return Some(Expr::Value(Value::None)),
            (Type::Optional(inner), _) => return self.read_as(raw, port, inner),
            (_, Form::Name(word)) if word.is_lowercase() => return self.reference(*word, None, port, Some(ty)),
            (_, Form::Call(word, args)) if word.is_lowercase() => return self.output(raw, *word, args, port, Some(ty)),
            (_, Form::Call(word, args)) if word.text == "File" => return self.file(raw, args, port, ty),
            (Type::List(inner), Form::List(items)) => return self.list(items, port, inner),
            (Type::List(inner), _) => {
                return Some(match self.read_as(raw, port, inner)? {
                    Expr::Value(value) => Expr::Value(Value::list([value])),
                    other => other,
                });
            }
            (Type::Seed, Form::Name(word)) if word.text == "Random" => return Some(Expr::RandomSeed),
            (Type::Text, Form::Text(text)) if port.expand => return self.template(raw, text, port),
            _ => {}
        }
        let value = match ty {
            Type::Choice(choices) => self.choice(raw, &form, choices, port)?,
            Type::Json => match json::read(raw) {
                Ok(json) => Value::Json(rondel_value::Json::new(&json)),
                Err(span) => {
                    self.diagnostics.push(bad_value::not_json(self.source, &span, port));
                    return None;
                }
            },
            _ => match scalar::read(&form, ty) {
                Some(value) => match coerce::to(&value, ty) {
                    Ok(value) => value,
                    Err(error) => {
                        self.diagnostics.push(bad_value::bad_value(self.source, &raw.span(), port, &error.to_string()));
                        return None;
                    }
                },
                None => {
                    self.diagnostics.push(self.mismatch(raw, &form, port, ty));
                    return None;
                }
            },
        };
        self.admit(raw, &value, port).then_some(Expr::Value(value))
    }

    /// Checks the numbers of a value against range and multiple.
    fn admit(&mut self, raw: &Raw<'_>, value: &Value, port: &Port<'_>) -> bool {
        let span = raw.span();
        let diagnostic = match bounds(value, port.range, port.multiple_of.filter(|multiple| *multiple > 0)) {
            Ok(()) => return true,
            Err(BoundsError::OutOfRange { number, range }) => {
                out_of_range::out_of_range(self.source, &span, port, number, range)
            }
            Err(BoundsError::NotAMultiple { number, multiple_of }) => {
                not_a_multiple::not_a_multiple(self.source, &span, port, number, multiple_of)
            }
        };
        self.diagnostics.push(diagnostic);
        false
    }

    fn list(&mut self, items: &[Raw<'_>], port: &Port<'_>, inner: &Type) -> Option<Expr> {
        // Every item is read, so that each mistake is found.
        let read: Vec<Option<Expr>> = items.iter().map(|item| self.read_as(item, port, inner)).collect();
        let exprs: Vec<Expr> = read.into_iter().collect::<Option<_>>()?;
        Some(Expr::list(exprs))
    }

    fn file(&mut self, raw: &Raw<'_>, args: &Args<'_>, port: &Port<'_>, ty: &Type) -> Option<Expr> {
        let element = match ty {
            Type::List(inner) => inner,
            other => other,
        };
        if !matches!(element, Type::Image | Type::Mask | Type::Json | Type::Text) {
            let found = Form::Name(Word { text: "File", start: raw.start });
            self.diagnostics.push(self.mismatch(raw, &found, port, ty));
            return None;
        }
        let path = match args {
            Args::Positional(items) => match items.as_slice() {
                [item] => match item.form() {
                    Form::Text(path) => Some((path, item.span())),
                    _ => None,
                },
                _ => None,
            },
            Args::Named(_) => None,
        };
        let Some((path, span)) = path else {
            self.diagnostics.push(malformed::malformed(self.source, &raw.span(), "a file", "File(\"coat.png\")"));
            return None;
        };
        if !self.world.file_exists(&self.source.path, &path) {
            self.diagnostics.push(missing_file::missing_file(self.source, &span, port, &path));
            return None;
        }
        Some(Expr::File { path })
    }

    fn choice(&mut self, raw: &Raw<'_>, form: &Form<'_>, choices: &Choices, port: &Port<'_>) -> Option<Value> {
        let (name, written) = match form {
            Form::Name(word) => (word.text, serde_json::json!(word.text)),
            Form::Call(word, _) => match json::choice(raw) {
                Ok(json) => (word.text, json),
                Err(span) => {
                    self.diagnostics.push(bad_value::not_json(self.source, &span, port));
                    return None;
                }
            },
            other => {
                self.diagnostics.push(self.mismatch(raw, other, port, &Type::Choice(choices.clone())));
                return None;
            }
        };
        if choices.get(name).is_none() {
            let span = raw.start..raw.start + name.len();
            self.diagnostics.push(unknown_choice::unknown_choice(self.source, &span, port, name, choices));
            return None;
        }
        match coerce::from_json(&written, &Type::Choice(choices.clone())) {
            Ok(value) => Some(value),
            Err(error) => {
                self.diagnostics.push(bad_value::bad_value(self.source, &raw.span(), port, &error.to_string()));
                None
            }
        }
    }

    fn mismatch(&self, raw: &Raw<'_>, form: &Form<'_>, port: &Port<'_>, wanted: &Type) -> Diagnostic {
        type_mismatch::literal(self.source, &raw.span(), port, wanted, form, self.scope, self.node)
    }

    /// `node(port)`
    fn output(
        &mut self,
        raw: &Raw<'_>,
        word: Word<'_>,
        args: &Args<'_>,
        port: &Port<'_>,
        wanted: Option<&Type>,
    ) -> Option<Expr> {
        if let Args::Positional(items) = args
            && let [item] = items.as_slice()
            && let Form::Name(output) = item.form()
        {
            return self.reference(word, Some((output, raw.span())), port, wanted);
        }
        self.diagnostics.push(malformed::nested_call(self.source, &raw.span(), word.text));
        None
    }

    fn reference(
        &mut self,
        word: Word<'_>,
        output: Option<(Word<'_>, Span)>,
        port: &Port<'_>,
        wanted: Option<&Type>,
    ) -> Option<Expr> {
        let lowercase_choice = |choices: &Choices| {
            let meant = crate::suggest::closest(word.text, choices.names())?;
            Some(lowercase_choice::lowercase_choice(self.source, &word.span(), port, meant, choices))
        };
        let Some(scope) = self.scope else {
            let diagnostic = match wanted {
                Some(Type::Choice(choices)) => lowercase_choice(choices),
                _ => None,
            };
            let span = output.map_or(word.span(), |(_, span)| span);
            self.diagnostics.push(diagnostic.unwrap_or_else(|| not_a_literal::not_a_literal(self.source, &span, port)));
            return None;
        };
        let found = scope.find(word.text);
        let expr =
            match (found, &output) {
                (Found::Poisoned, _) => return None,
                (Found::Nothing, _) => {
                    let diagnostic = match wanted {
                        Some(Type::Choice(choices)) => lowercase_choice(choices),
                        _ => None,
                    };
                    self.diagnostics.push(diagnostic.unwrap_or_else(|| {
                        unknown_name::unknown_name(self.source, &word, scope, port, wanted, self.node)
                    }));
                    return None;
                }
                (Found::Input, None) => Expr::Input(word.text.to_owned()),
                (Found::Model, None) => Expr::Model(word.text.to_owned()),
                (Found::Input | Found::Model, Some((_, span))) => {
                    self.diagnostics.push(unknown_output::no_outputs(self.source, span, word.text, scope));
                    return None;
                }
                (Found::Node(signature), None) => {
                    let port = signature.outputs.first().map(|(name, _)| name.clone())?;
                    Expr::Output { node: word.text.to_owned(), port }
                }
                (Found::Node(signature), Some((output, _))) => {
                    if signature.output(output.text).is_none() {
                        self.diagnostics.push(unknown_output::unknown_output(
                            self.source,
                            output,
                            word.text,
                            &signature,
                            scope,
                        ));
                        return None;
                    }
                    Expr::Output { node: word.text.to_owned(), port: output.text.to_owned() }
                }
            };
        let span = output.map_or(word.span(), |(_, span)| span);
        self.references.extend(wanted.map(|wanted| Reference {
            span,
            param: port.name.to_owned(),
            expr: expr.clone(),
            wanted: wanted.clone(),
        }));
        Some(expr)
    }
}

/// The JSON form of a choice that stands alone; `None` if it is a reference or something else.
pub(crate) fn choice_json(raw: &Raw<'_>) -> Option<serde_json::Value> {
    match raw.form() {
        Form::Name(word) | Form::Call(word, _) if !word.is_lowercase() => json::choice(raw).ok(),
        _ => None,
    }
}
