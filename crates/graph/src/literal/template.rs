//! Placeholders in a text literal: `out/{graph}-{seed:04}.png`.

use rondel_value::{Type, Value};

use super::{Port, Reader};
use crate::diagnostics::unknown_placeholder;
use crate::graph::{Expr, Input, Piece};
use crate::source::Span;
use crate::syntax::Raw;

/// A text cut at its placeholders.
enum Part<'t> {
    Text(String),
    /// What stands between braces.
    Hole(&'t str),
    /// A brace that nothing closes; the rest of the text.
    Open(&'t str),
}

impl Reader<'_> {
    /// Reads a text for a port that expands placeholders; without any it is a plain value.
    pub(super) fn template(&mut self, raw: &Raw<'_>, text: &str, port: &Port<'_>) -> Option<Expr> {
        let Some(scope) = self.scope else { return Some(Expr::Value(Value::text(text))) };
        let mut pieces = Vec::new();
        let mut good = true;
        for part in parts(text) {
            let hole = match part {
                Part::Text(text) => {
                    pieces.push(Piece::Text(text));
                    continue;
                }
                Part::Open(rest) => {
                    let span = place(raw, rest);
                    self.diagnostics.push(unknown_placeholder::never_closed(self.source, &span, port));
                    good = false;
                    continue;
                }
                Part::Hole(hole) => hole,
            };
            let span = place(raw, hole);
            let (name, format) = match hole.split_once(':') {
                Some((name, format)) => (name.trim(), Some(format)),
                None => (hole.trim(), None),
            };
            if name == "graph" && format.is_none() {
                pieces.push(Piece::Graph);
                continue;
            }
            // An input of that name has the word.
            if name == "point" && !scope.inputs.contains_key(name) {
                match format.map_or(Some(0), width) {
                    Some(width) => pieces.push(Piece::Point { width }),
                    None => {
                        self.diagnostics.push(unknown_placeholder::bad_format(self.source, &span, port, hole));
                        good = false;
                    }
                }
                continue;
            }
            let Some(input) = scope.inputs.get(name) else {
                // An input that is declared with a mistake is there nevertheless.
                if !scope.is_poisoned(name) {
                    self.diagnostics.push(unknown_placeholder::unknown_placeholder(
                        self.source,
                        &span,
                        port,
                        name,
                        scope,
                    ));
                }
                good = false;
                continue;
            };
            if !input.has_text_form() {
                let diagnostic = unknown_placeholder::no_text_form(self.source, &span, port, input);
                self.diagnostics.push(diagnostic);
                good = false;
                continue;
            }
            let width = match format.map(width) {
                None => 0,
                Some(Some(width)) if matches!(input.ty, Type::Int | Type::Seed) => width,
                Some(_) => {
                    self.diagnostics.push(unknown_placeholder::bad_format(self.source, &span, port, hole));
                    good = false;
                    continue;
                }
            };
            pieces.push(Piece::Input { name: name.to_owned(), width });
        }
        if !good {
            return None;
        }
        Some(match pieces.as_slice() {
            [] => Expr::Value(Value::text("")),
            [Piece::Text(text)] => Expr::Value(Value::text(text.as_str())),
            _ => Expr::Template(pieces),
        })
    }
}

impl Input {
    /// Whether a text may have the input in it.
    pub fn has_text_form(&self) -> bool {
        matches!(self.ty, Type::Text | Type::Int | Type::Float | Type::Bool | Type::Seed | Type::Size | Type::Choice(_))
    }
}

/// `04` and `4`: filled up with zeros to four digits.
fn width(format: &str) -> Option<usize> {
    format.trim().parse().ok().filter(|width| *width <= 64)
}

/// Where a part of the text stands in the file; the whole literal if escapes hide it.
fn place(raw: &Raw<'_>, part: &str) -> Span {
    match raw.text.find(&format!("{{{part}")) {
        Some(found) if !part.is_empty() => raw.start + found + 1..raw.start + found + 1 + part.len(),
        _ => raw.span(),
    }
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        plain.push_str(&rest[..at]);
        let brace = &rest[at..at + 1];
        rest = &rest[at + 1..];
        // A doubled brace stands for one, and so does a single closing one, which can mean nothing else.
        if rest.starts_with(brace) || brace == "}" {
            plain.push_str(brace);
            rest = rest.strip_prefix(brace).unwrap_or(rest);
            continue;
        }
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        match rest.find('}') {
            Some(end) => {
                parts.push(Part::Hole(&rest[..end]));
                rest = &rest[end + 1..];
            }
            None => {
                parts.push(Part::Open(rest));
                rest = "";
            }
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}
