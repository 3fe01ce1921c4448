//! `#[param(…)]`: what a port says beyond its name and type.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Error, Expr, ExprLit, ExprRange, ExprUnary, Field, Lit, LitFloat, LitInt, LitStr, Member, RangeLimits, Result,
    Token, UnOp, parenthesized,
};

use crate::read;

/// The attributes of one port.
pub struct Param {
    pub name: String,
    pub doc: String,
    family: Option<LitStr>,
    /// Assignments to fields of the port's specification.
    settings: Vec<TokenStream>,
}

impl Param {
    pub fn of_input(field: &Field) -> Result<Param> {
        read_param(field, Param::input_setting)
    }

    pub fn of_output(field: &Field) -> Result<Param> {
        read_param(field, |_, meta| Err(meta.error("an output takes `rename` and `family` only")))
    }

    /// The type of the port, given the type of its field.
    pub fn port_type(&self, ty: &syn::Type) -> TokenStream {
        match &self.family {
            None => quote!(<#ty as ::rondel_sdk::Port>::ty()),
            Some(family) => quote!(::rondel_sdk::node::of_family(<#ty as ::rondel_sdk::Port>::ty(), #family)),
        }
    }

    pub fn settings(&self) -> &[TokenStream] {
        &self.settings
    }

    fn input_setting(&mut self, meta: &ParseNestedMeta) -> Result<()> {
        let word = meta.path.require_ident()?.to_string();
        let setting = match word.as_str() {
            "default" => {
                let json = json(&meta.value()?.parse()?)?;
                quote!(port.default = Some(::rondel_sdk::__private::json!(#json)))
            }
            "range" => {
                let range = range(&meta.value()?.parse()?)?;
                quote!(port.range = Some(#range))
            }
            "soft" => {
                let range = range(&meta.value()?.parse()?)?;
                quote!(port.soft = Some(#range))
            }
            "step" => {
                let step = number(&meta.value()?.parse()?)?;
                quote!(port.step = Some(#step))
            }
            "unit" => {
                let unit: LitStr = meta.value()?.parse()?;
                quote!(port.unit = Some(#unit.to_owned()))
            }
            "multiple_of" => {
                let multiple: LitInt = meta.value()?.parse()?;
                if multiple.base10_parse::<i64>()? == 0 {
                    return Err(Error::new(multiple.span(), "nothing is a multiple of 0"));
                }
                quote!(port.multiple_of = Some(#multiple))
            }
            "expand" => quote!(port.expand = true),
            "file" => quote!(port.file = true),
            "unkeyed" => quote!(port.unkeyed = true),
            "hosted" => quote!(port.hosted = true),
            "parts" => {
                let content;
                parenthesized!(content in meta.input);
                let parts = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
                let parts = parts.iter();
                quote!(port.parts = vec![#(#parts.to_owned()),*])
            }
            _ => {
                return Err(meta.error(
                    "unknown: a port takes default, range, soft, step, unit, multiple_of, expand, file, unkeyed, hosted, \
                     parts, rename, family",
                ));
            }
        };
        self.settings.push(setting);
        Ok(())
    }
}

fn read_param(field: &Field, other: impl Fn(&mut Param, &ParseNestedMeta) -> Result<()>) -> Result<Param> {
    let ident = field.ident.as_ref().ok_or_else(|| Error::new(field.span(), "a port needs a name"))?;
    let mut param = Param { name: read::name(ident), doc: read::doc(&field.attrs), family: None, settings: Vec::new() };
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("param")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") {
                param.name = meta.value()?.parse::<LitStr>()?.value();
            } else if meta.path.is_ident("family") {
                param.family = Some(meta.value()?.parse()?);
            } else {
                other(&mut param, &meta)?;
            }
            Ok(())
        })?;
    }
    Ok(param)
}

/// A default as the argument of `json!`: literals, `Euler`, `Shifted { mu: 2.0 }`, `(64, 64)`, `[1, 2]`.
fn json(expr: &Expr) -> Result<TokenStream> {
    Ok(match expr {
        Expr::Lit(ExprLit { lit: lit @ (Lit::Int(_) | Lit::Float(_) | Lit::Bool(_) | Lit::Str(_)), .. }) => {
            quote!(#lit)
        }
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), .. }) => {
            let number = number(expr)?;
            // An integer stays one: -1 is no Int if it is written -1.0.
            if number.fract() == 0.0 && !quote!(#expr).to_string().contains('.') {
                let whole = number as i64;
                quote!(#whole)
            } else {
                quote!(#number)
            }
        }
        Expr::Path(path) => {
            let last = path.path.segments.last().expect("a path has a segment");
            let name = read::name(&last.ident);
            quote!(#name)
        }
        Expr::Tuple(tuple) => list(tuple.elems.iter())?,
        Expr::Array(array) => list(array.elems.iter())?,
        Expr::Struct(literal) => {
            let last = literal.path.segments.last().expect("a path has a segment");
            let name = read::name(&last.ident);
            let mut fields = Vec::new();
            for field in &literal.fields {
                let Member::Named(ident) = &field.member else {
                    return Err(Error::new(field.span(), "a choice has named fields"));
                };
                let (key, value) = (read::name(ident), json(&field.expr)?);
                fields.push(quote!(#key: #value));
            }
            quote!({ #name: { #(#fields),* } })
        }
        other => {
            return Err(Error::new(
                other.span(),
                "a default is a literal, a choice like `Euler` or `Shifted { mu: 2.0 }`, a size like `(64, 64)`, or a list",
            ));
        }
    })
}

fn list<'a>(items: impl Iterator<Item = &'a Expr>) -> Result<TokenStream> {
    let items = items.map(json).collect::<Result<Vec<_>>>()?;
    Ok(quote!([#(#items),*]))
}

/// `a..=b`, `a..` or `..=b` as a range of the specification.
fn range(expr: &Expr) -> Result<TokenStream> {
    let Expr::Range(ExprRange { start, limits, end, .. }) = expr else {
        return Err(Error::new(expr.span(), "a range is written `0.0..=1.0`"));
    };
    if let (RangeLimits::HalfOpen(dots), Some(_)) = (limits, end) {
        return Err(Error::new(dots.span(), "both ends belong to a range: write `..=`"));
    }
    let bound = |side: &Option<Box<Expr>>| match side {
        None => Ok(quote!(None)),
        Some(expr) => number(expr).map(|number| quote!(Some(#number))),
    };
    let (min, max) = (bound(start)?, bound(end)?);
    Ok(quote!(::rondel_sdk::__private::Range { min: #min, max: #max }))
}

fn number(expr: &Expr) -> Result<f64> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => int.base10_parse(),
        Expr::Lit(ExprLit { lit: Lit::Float(float), .. }) => LitFloat::base10_parse(float),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => number(expr).map(|number| -number),
        other => Err(Error::new(other.span(), "a number is wanted here, as a literal")),
    }
}
