//! Derives for node authors: [`Node`](macro@Node), [`Outputs`](macro@Outputs), [`Choice`](macro@Choice).
//!
//! Each derive only writes down what the source says (names, docs, attributes) as calls into `rondel-sdk`; what a type
//! means is decided there, by traits, where errors are readable.
//!
//! - `node`: a struct of inputs
//! - `outputs`: a struct of outputs
//! - `choice`: an enum as a closed set
//! - `param`: the attribute on ports
//! - `read`: doc comments and names

mod choice;
mod node;
mod outputs;
mod param;
mod read;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct the inputs of a node kind.
///
/// On the struct: `#[node(kind = "acme.glow", version = 1, lane = Cpu, category = "finish")]`, and where they hold the
/// words `effect`, `seeded`, `impure`, `serial`. On fields: `#[param(default = …, range = a..=b, soft = a..=b, step = …,
/// unit = "px", multiple_of = 16, expand, file, parts("text"), rename = "…", family = "Flux2")]`. Doc comments become the
/// documentation of kind and ports.
#[proc_macro_derive(Node, attributes(node, param))]
pub fn derive_node(input: TokenStream) -> TokenStream {
    expand(&parse_macro_input!(input as DeriveInput), node::derive)
}

/// Makes a struct the outputs of a node; its first field is the primary one.
///
/// Fields take `#[param(rename = "…", family = "Flux2")]`; doc comments become the documentation of the ports.
#[proc_macro_derive(Outputs, attributes(param))]
pub fn derive_outputs(input: TokenStream) -> TokenStream {
    expand(&parse_macro_input!(input as DeriveInput), outputs::derive)
}

/// Makes an enum a choice: variants without fields, or with named fields.
#[proc_macro_derive(Choice)]
pub fn derive_choice(input: TokenStream) -> TokenStream {
    expand(&parse_macro_input!(input as DeriveInput), choice::derive)
}

fn expand(input: &DeriveInput, derive: fn(&DeriveInput) -> syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    derive(input).unwrap_or_else(syn::Error::into_compile_error).into()
}
