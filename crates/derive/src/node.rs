//! `#[derive(Node)]`: a struct of inputs.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{DeriveInput, Error, Ident, LitInt, LitStr, Result};

use crate::param::Param;
use crate::read;

const LANES: [&str; 4] = ["Cpu", "Gpu", "Net", "Disk"];

/// What `#[node(…)]` says.
struct Head {
    kind: LitStr,
    version: LitInt,
    lane: Ident,
    category: Option<LitStr>,
    /// `effect`, `seeded`, `impure`, `serial`.
    flags: Vec<Ident>,
}

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let head = head(input)?;
    let fields = read::fields(input)?;
    let params = fields.iter().map(|field| Param::of_input(field)).collect::<Result<Vec<_>>>()?;

    let Head { kind, version, lane, category, flags } = head;
    let ident = &input.ident;
    let doc = read::doc(&input.attrs);
    let category = category.map(|category| category.value()).unwrap_or_default();
    let ports = params.iter().zip(&fields).map(|(param, field)| {
        let (name, doc, ty, settings) = (&param.name, &param.doc, param.port_type(&field.ty), param.settings());
        let make = quote!(::rondel_sdk::__private::InputSpec::new(#name, #ty, #doc));
        match settings {
            [] => make,
            _ => quote!({ let mut port = #make; #(#settings;)* port }),
        }
    });
    let takes = params.iter().zip(&fields).map(|(param, field)| {
        let (ident, name) = (&field.ident, &param.name);
        quote!(#ident: inputs.take(#name)?)
    });
    // A node without inputs takes nothing, and must not warn of it.
    let inputs = if fields.is_empty() { quote!(_inputs) } else { quote!(inputs) };

    Ok(quote! {
        #[automatically_derived]
        impl ::rondel_sdk::Node for #ident {
            fn declare() -> ::rondel_sdk::__private::NodeSpec {
                let mut spec = ::rondel_sdk::__private::NodeSpec::new(#kind, #version, #doc);
                spec.lane = ::rondel_sdk::__private::Lane::#lane;
                spec.category = #category.to_owned();
                #(spec.#flags = true;)*
                spec.inputs = vec![#(#ports),*];
                spec
            }

            fn take(#inputs: &mut ::rondel_sdk::node::Inputs) -> ::rondel_sdk::NodeResult<Self> {
                Ok(Self { #(#takes),* })
            }
        }
    })
}

fn head(input: &DeriveInput) -> Result<Head> {
    let (mut kind, mut version, mut category) = (None, None, None);
    let mut lane = Ident::new("Cpu", Span::call_site());
    let mut flags = Vec::new();
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("node")) {
        attribute.parse_nested_meta(|meta| {
            let word = meta.path.require_ident()?;
            match word.to_string().as_str() {
                "kind" => kind = Some(meta.value()?.parse()?),
                "version" => version = Some(meta.value()?.parse()?),
                "category" => category = Some(meta.value()?.parse()?),
                "lane" => {
                    lane = meta.value()?.parse()?;
                    if LANES.iter().all(|known| lane != known) {
                        return Err(Error::new(lane.span(), format!("a lane is one of {}", LANES.join(", "))));
                    }
                }
                "effect" | "seeded" | "impure" | "serial" => flags.push(word.clone()),
                _ => {
                    return Err(meta
                        .error("unknown: a node takes kind, version, lane, category, effect, seeded, impure, serial"));
                }
            }
            Ok(())
        })?;
    }
    let missing = |example| Error::new(input.ident.span(), format!("`#[node({example})]` is missing"));
    Ok(Head {
        kind: kind.ok_or_else(|| missing(r#"kind = "…""#))?,
        version: version.ok_or_else(|| missing("version = 1"))?,
        lane,
        category,
        flags,
    })
}
