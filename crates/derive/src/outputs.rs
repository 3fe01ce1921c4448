//! `#[derive(Outputs)]`: a struct of outputs.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Result};

use crate::param::Param;
use crate::read;

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let fields = read::fields(input)?;
    if fields.is_empty() {
        return Err(Error::new(input.ident.span(), "a node has at least one output"));
    }
    let params = fields.iter().map(|field| Param::of_output(field)).collect::<Result<Vec<_>>>()?;

    let ident = &input.ident;
    let ports = params.iter().zip(&fields).map(|(param, field)| {
        let (name, doc, ty) = (&param.name, &param.doc, param.port_type(&field.ty));
        quote!(::rondel_sdk::__private::OutputSpec::new(#name, #ty, #doc))
    });
    let names = fields.iter().map(|field| &field.ident);

    Ok(quote! {
        #[automatically_derived]
        impl ::rondel_sdk::Outputs for #ident {
            fn declare() -> Vec<::rondel_sdk::__private::OutputSpec> {
                vec![#(#ports),*]
            }

            fn into_values(self) -> Vec<::rondel_sdk::__private::Value> {
                vec![#(::rondel_sdk::Port::into_value(self.#names)),*]
            }
        }
    })
}
