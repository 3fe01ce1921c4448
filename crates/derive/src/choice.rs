//! `#[derive(Choice)]`: an enum as a closed set.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, Result, Variant};

use crate::read;

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    read::no_generics(input)?;
    let Data::Enum(data) = &input.data else {
        return Err(Error::new(input.ident.span(), "a choice is an enum"));
    };
    if data.variants.is_empty() {
        return Err(Error::new(input.ident.span(), "a choice offers something"));
    }
    let arms = data.variants.iter().map(Arms::of).collect::<Result<Vec<_>>>()?;

    let ident = &input.ident;
    let declare = arms.iter().map(|arms| &arms.declare);
    let read = arms.iter().map(|arms| &arms.read);
    let write = arms.iter().map(|arms| &arms.write);

    Ok(quote! {
        #[automatically_derived]
        impl ::rondel_sdk::Port for #ident {
            fn ty() -> ::rondel_sdk::__private::Type {
                ::rondel_sdk::choice::ty([#(#declare),*])
            }

            fn from_value(value: ::rondel_sdk::__private::Value) -> Result<Self, ::rondel_sdk::PortError> {
                let chosen = ::rondel_sdk::choice::Chosen::read(&value)?;
                match chosen.name() {
                    #(#read)*
                    _ => Err(chosen.not_offered(&Self::ty())),
                }
            }

            fn into_value(self) -> ::rondel_sdk::__private::Value {
                match self {
                    #(#write)*
                }
            }
        }
    })
}

/// What one variant adds to each function.
struct Arms {
    declare: TokenStream,
    read: TokenStream,
    write: TokenStream,
}

impl Arms {
    fn of(variant: &Variant) -> Result<Arms> {
        let ident = &variant.ident;
        let name = read::name(ident);
        match &variant.fields {
            Fields::Unit => Ok(Arms {
                declare: quote!(::rondel_sdk::choice::variant(#name, [])),
                read: quote!(#name => Ok(Self::#ident),),
                write: quote!(Self::#ident => ::rondel_sdk::__private::Value::text(#name),),
            }),
            Fields::Named(fields) => {
                let idents: Vec<_> = fields.named.iter().filter_map(|field| field.ident.as_ref()).collect();
                let names: Vec<_> = idents.iter().map(|ident| read::name(ident)).collect();
                let types = fields.named.iter().map(|field| &field.ty);
                Ok(Arms {
                    declare: quote! {
                        ::rondel_sdk::choice::variant(
                            #name,
                            [#((#names, <#types as ::rondel_sdk::Port>::ty())),*],
                        )
                    },
                    read: quote!(#name => Ok(Self::#ident { #(#idents: chosen.field(#names)?),* }),),
                    write: quote! {
                        Self::#ident { #(#idents),* } => ::rondel_sdk::choice::value(
                            #name,
                            [#((#names, ::rondel_sdk::Port::into_value(#idents))),*],
                        ),
                    },
                })
            }
            Fields::Unnamed(fields) => {
                Err(Error::new(fields.span(), "the values of a choice need names: write `Shifted { mu: f64 }`"))
            }
        }
    }
}
