//! `first_ok(of: [a, b])` and `choose(on: x, from: {"k": a})`: alternatives, of which a run needs one.
//!
//! They are no kinds of a plugin: what they return has whatever type the alternatives have in common, and they make nothing. An
//! alternative is a reference, or a literal that says of itself which type it has.

use std::sync::Arc;

use indexmap::IndexMap;
use rondel_value::{Family, Type, Value, coerce};

use super::scope::{Scope, Signature};
use super::types::Types;
use crate::diagnostic::Diagnostic;
use crate::diagnostics::*;
use crate::graph::{Arg, Expr, NodeKind};
use crate::literal::{Port, Reader};
use crate::source::{Source, Span};
use crate::syntax::{Form, Raw};

pub(super) const FIRST_OK: &str = "first_ok";
pub(super) const CHOOSE: &str = "choose";

/// What stands in a signature for the type that the alternatives turn out to have.
const OPEN: Type = Type::Json;

/// What is to be checked of a node with alternatives once the types of all that it refers to are known.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The place of all alternatives.
    span: Span,
    items: Vec<Item>,
    on: Option<On>,
}

#[derive(Debug)]
struct Item {
    expr: Expr,
    /// None for a reference.
    ty: Option<Type>,
    span: Span,
}

#[derive(Debug)]
struct On {
    item: Item,
    keys: Vec<Key>,
}

/// The value that a branch of `choose` is for.
#[derive(Debug)]
pub(crate) struct Key {
    pub value: Value,
    /// Written without quotes.
    pub is_choice: bool,
    pub span: Span,
}

/// The signature of a kind with alternatives.
pub(super) fn signature(kind: &str) -> Option<Signature> {
    let (kind, outputs) = match kind {
        FIRST_OK => (NodeKind::FirstOk { ty: OPEN }, vec![("value", OPEN), ("source", Type::Text)]),
        CHOOSE => (NodeKind::Choose { ty: OPEN, keys: Vec::new() }, vec![("value", OPEN)]),
        _ => return None,
    };
    Some(Signature {
        name: if matches!(kind, NodeKind::FirstOk { .. }) { FIRST_OK } else { CHOOSE }.to_owned(),
        kind,
        params: IndexMap::new(),
        outputs: outputs.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect(),
    })
}

/// The names of the parameters of a kind with alternatives.
pub(super) fn params(kind: &NodeKind) -> &'static [&'static str] {
    match kind {
        NodeKind::FirstOk { .. } => &["of"],
        NodeKind::Choose { .. } => &["on", "from"],
        _ => &[],
    }
}

/// Reads a parameter of a kind with alternatives into the arguments and the rule of its node.
pub(super) fn read(
    reader: &mut Reader<'_>,
    kind: &str,
    name: &str,
    raw: &Raw<'_>,
    args: &mut IndexMap<String, Arg>,
    rule: &mut Rule,
) {
    let mut take = |reader: &mut Reader<'_>, name: String, raw: &Raw<'_>| {
        let item = item(reader, kind, &name, raw)?;
        args.insert(name, Arg { expr: item.expr.clone(), span: item.span.clone() });
        Some(item)
    };
    match (name, raw.form()) {
        ("of", Form::List(items)) if !items.is_empty() => {
            rule.span = raw.span();
            for (i, raw) in items.iter().enumerate() {
                rule.items.extend(take(reader, format!("of.{i}"), raw));
            }
        }
        ("on", _) => {
            let keys = rule.on.take().map(|on| on.keys).unwrap_or_default();
            rule.on = take(reader, "on".to_owned(), raw).map(|item| On { item, keys });
        }
        ("from", Form::Map(pairs)) if !pairs.is_empty() => {
            rule.span = raw.span();
            let mut keys: Vec<Key> = Vec::new();
            for (raw_key, raw) in &pairs {
                let Some(key) = key(raw_key) else {
                    reader.diagnostics.push(choose::no_key(reader.source, raw_key));
                    continue;
                };
                if let Some(first) = keys.iter().find(|first| first.value == key.value) {
                    reader.diagnostics.push(choose::twice(reader.source, &key.span, &first.span));
                    continue;
                }
                rule.items.extend(take(reader, format!("from.{}", raw_key.text), raw));
                keys.push(key);
            }
            rule.set_keys(keys);
        }
        ("of", _) => reader.diagnostics.push(malformed::malformed(
            reader.source,
            &raw.span(),
            "`first_ok.of`",
            "of: [hosted, local]",
        )),
        _ => reader.diagnostics.push(malformed::malformed(
            reader.source,
            &raw.span(),
            "`choose.from`",
            "from: {\"soft\": a, \"hard\": b}",
        )),
    }
}

/// A value and, if it is a literal, the type that it says it has.
fn item(reader: &mut Reader<'_>, kind: &str, name: &str, raw: &Raw<'_>) -> Option<Item> {
    let form = raw.form();
    let ty = match &form {
        Form::Text(_) => Some(Type::Text),
        Form::Bool(_) => Some(Type::Bool),
        Form::Number(text) if ::ron::from_str::<i64>(text).is_ok() => Some(Type::Int),
        Form::Number(_) => Some(Type::Float),
        Form::Tuple(items) if items.len() == 2 => Some(Type::Size),
        Form::Call(word, _) if word.text == "File" => Some(Type::Image),
        Form::Name(word) | Form::Call(word, _) if word.is_lowercase() => None,
        _ => {
            reader.diagnostics.push(choose::no_alternative(reader.source, raw, &form.describe()));
            return None;
        }
    };
    let port = Port {
        owner: Some(kind),
        name,
        ty: ty.as_ref().unwrap_or(&OPEN),
        range: None,
        multiple_of: None,
        range_span: None,
        multiple_of_span: None,
        expand: false,
    };
    let expr = reader.read(raw, &port)?;
    Some(Item { expr, ty, span: raw.span() })
}

fn key(raw: &Raw<'_>) -> Option<Key> {
    let (value, is_choice) = match raw.form() {
        Form::Text(text) => (Value::text(text), false),
        Form::Bool(b) => (Value::Bool(b), false),
        Form::Number(text) => (Value::Int(::ron::from_str(text).ok()?), false),
        Form::Name(word) if !word.is_lowercase() => (Value::text(word.text), true),
        _ => return None,
    };
    Some(Key { value, is_choice, span: raw.span() })
}

impl Rule {
    pub fn new(span: Span) -> Rule {
        Rule { span, items: Vec::new(), on: None }
    }

    fn set_keys(&mut self, keys: Vec<Key>) {
        match &mut self.on {
            Some(on) => on.keys = keys,
            // `on` comes later, and replaces this one.
            None => {
                let item = Item { expr: Expr::Value(Value::None), ty: None, span: self.span.clone() };
                self.on = Some(On { item, keys });
            }
        }
    }

    /// The kind as it is planned, with the type that its alternatives have in common.
    pub fn kind(&self, ty: Type) -> NodeKind {
        match &self.on {
            None => NodeKind::FirstOk { ty },
            Some(on) => NodeKind::Choose { ty, keys: on.keys.iter().map(|key| key.value.clone()).collect() },
        }
    }

    /// Checks that the alternatives have a type in common, which is returned, and that each branch can be taken.
    pub fn check(
        &self,
        source: &Arc<Source>,
        scope: &Scope<'_>,
        types: &Types,
        node: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Type> {
        let of = |item: &Item| item.ty.clone().or_else(|| types.of(scope, &item.expr));
        if let Some(on) = &self.on
            && let Some(ty) = of(&on.item)
        {
            diagnostics.extend(on.check(source, &ty));
        }
        let found: Vec<Type> = self.items.iter().map(of).collect::<Option<_>>()?;
        let family = |ty: &Type| match ty.family() {
            Some(Family::Named(name)) => Some(name.clone()),
            _ => None,
        };
        let holds = |wide: &&Type| {
            found.iter().all(|ty| coerce::fits(ty, wide) && (ty.family().is_none() || family(ty) == family(wide)))
        };
        let wide = found.iter().find(holds);
        if wide.is_none() && !found.is_empty() {
            let odd = found.iter().position(|ty| !coerce::fits(ty, &found[0]) || family(ty) != family(&found[0]));
            let odd = odd.unwrap_or(0);
            let (odd_item, first) = (&self.items[odd], &self.items[0]);
            diagnostics.push(type_mismatch::alternatives(
                source,
                node,
                (&first.span, &found[0]),
                (&odd_item.span, &found[odd]),
            ));
        }
        wide.cloned()
    }
}

impl On {
    fn check(&self, source: &Arc<Source>, ty: &Type) -> Vec<Diagnostic> {
        let fits = |key: &Key| match (ty, &key.value) {
            (Type::Text, Value::Text(_)) => !key.is_choice,
            (Type::Int, Value::Int(_)) | (Type::Bool, Value::Bool(_)) => true,
            (Type::Choice(choices), Value::Text(name)) => key.is_choice && choices.get(name).is_some(),
            _ => false,
        };
        match ty {
            Type::Text | Type::Int | Type::Bool | Type::Choice(_) => {
                let wrong = self.keys.iter().filter(|key| !fits(key));
                wrong.map(|key| choose::wrong_key(source, &key.span, &self.item.span, ty)).collect()
            }
            _ => vec![choose::wrong_on(source, &self.item.span, ty)],
        }
    }
}
