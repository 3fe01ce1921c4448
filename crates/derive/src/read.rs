//! What the source says besides attributes: doc comments, names, fields.

use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Expr, ExprLit, Field, Fields, Ident, Lit, Meta, Result};

/// The doc comment as text, without the blank that follows `///`.
pub fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<String> = lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    lines.join("\n").trim().to_owned()
}

/// The name of a field as it stands in graph files: without `r#`.
pub fn name(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// The named fields of a struct; none for a unit struct.
pub fn fields(input: &DeriveInput) -> Result<Vec<&Field>> {
    no_generics(input)?;
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => Ok(named.named.iter().collect()),
            Fields::Unit => Ok(Vec::new()),
            Fields::Unnamed(fields) => {
                Err(Error::new(fields.span(), "ports need names: write a struct with named fields"))
            }
        },
        _ => Err(Error::new(input.ident.span(), "ports are the fields of a struct")),
    }
}

pub fn no_generics(input: &DeriveInput) -> Result<()> {
    match input.generics.params.first() {
        None => Ok(()),
        Some(param) => Err(Error::new(param.span(), "a port has one type: generic parameters have no place here")),
    }
}
