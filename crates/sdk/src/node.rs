//! What a kind declares, and what it does.
//!
//! [`Node`] and [`Outputs`] are written by the derives; [`Run`] is the one trait that an author implements.

use rondel_value::{Family, NodeSpec, OutputSpec, Type, Value, coerce};

use crate::cx::Cx;
use crate::error::{NodeError, NodeResult};
use crate::estimate::Estimate;
use crate::port::Port;

/// A node kind: from inputs to outputs.
pub trait Run: Node {
    /// One port, or a struct with `#[derive(Outputs)]`.
    type Output: Outputs;

    /// Computes the outputs. A function of the inputs alone, unless the kind declares otherwise.
    fn run(self, cx: &mut Cx) -> NodeResult<Self::Output>;

    /// Says what a run would need, before anything is loaded; nothing if that cannot be said.
    ///
    /// Of the inputs only those that are known are there, see [`Inputs::get`]. `cx` knows the files of models and the memory;
    /// nothing else can be asked of it.
    fn cost(inputs: &Inputs<'_>, cx: &Cx) -> NodeResult<Option<Estimate>> {
        let _ = (inputs, cx);
        Ok(None)
    }
}

/// The inputs of a kind; see `#[derive(Node)]`.
pub trait Node: Sized {
    /// The specification, still without outputs.
    fn declare() -> NodeSpec;

    /// Reads the inputs of one call.
    fn take(inputs: &mut Inputs) -> NodeResult<Self>;
}

/// The outputs of a kind: any one [`Port`], or a struct with `#[derive(Outputs)]`.
pub trait Outputs {
    /// The primary output first.
    fn declare() -> Vec<OutputSpec>;

    /// In the order of [`Outputs::declare`].
    fn into_values(self) -> Vec<Value>;
}

impl<T: Port> Outputs for T {
    fn declare() -> Vec<OutputSpec> {
        let ty = T::ty();
        vec![OutputSpec::new(name_of(&ty), ty, "")]
    }

    fn into_values(self) -> Vec<Value> {
        vec![self.into_value()]
    }
}

/// The name of a single output: what it is.
fn name_of(ty: &Type) -> &'static str {
    match ty {
        Type::Text => "text",
        Type::Seed => "seed",
        Type::Size => "size",
        Type::Duration => "duration",
        Type::Json => "json",
        Type::Choice(_) => "choice",
        Type::Image => "image",
        Type::Mask => "mask",
        Type::Tensor => "tensor",
        Type::Latent(_) => "latent",
        Type::Conditioning(_) => "conditioning",
        Type::Model(_) => "model",
        Type::Saved => "saved",
        Type::Bool | Type::Int | Type::Float => "value",
        Type::List(_) => "list",
        Type::Optional(inner) => name_of(inner),
    }
}

/// The specification of a kind, as its plugin carries it across the boundary.
pub fn spec<N: Run>() -> NodeSpec {
    NodeSpec { outputs: N::Output::declare(), ..N::declare() }
}

/// The inputs of one call, taken in any order.
pub struct Inputs<'a> {
    spec: &'a NodeSpec,
    values: Vec<Value>,
}

impl<'a> Inputs<'a> {
    /// `values` are in the order of the specification; those left out count as not given.
    pub fn new(spec: &'a NodeSpec, mut values: Vec<Value>) -> Inputs<'a> {
        values.resize(spec.inputs.len(), Value::None);
        Inputs { spec, values }
    }

    /// Takes the input `name`.
    ///
    /// Type and bounds are checked here once more: a value that another node computed was never in a file, and hosts differ
    /// in what they check.
    pub fn take<T: Port>(&mut self, name: &str) -> NodeResult<T> {
        let index = self.spec.inputs.iter().position(|port| port.name == name);
        let index = index.ok_or_else(|| NodeError::failed(format!("the specification has no input `{name}`")))?;
        let port = &self.spec.inputs[index];
        let at_port = |error: &dyn std::error::Error| NodeError::input(name, error);

        let mut value = std::mem::replace(&mut self.values[index], Value::None);
        if value == Value::None {
            value = port.default_value().ok_or_else(|| NodeError::input(name, "nothing was given"))?;
        }
        let value = coerce::to(&value, &port.ty).map_err(|error| at_port(&error))?;
        port.admits(&value).map_err(|error| at_port(&error))?;
        T::from_value(value).map_err(|error| at_port(&error))
    }
}

impl Inputs<'_> {
    /// The input `name`, for [`Run::cost`]: `None` if it is not known yet, not set, or not what it should be.
    ///
    /// A bundle may be a stand-in: its shapes and metadata hold, its content means nothing.
    pub fn get<T: Port>(&self, name: &str) -> Option<T> {
        let index = self.spec.inputs.iter().position(|port| port.name == name)?;
        let value = self.values.get(index).filter(|value| **value != Value::None)?;
        T::from_value(coerce::to(value, &self.spec.inputs[index].ty).ok()?).ok()
    }
}

/// The same type for one family; one capital letter is a variable.
pub fn of_family(ty: Type, family: &str) -> Type {
    let mut letters = family.chars();
    let family = match (letters.next(), letters.next()) {
        (Some(letter), None) if letter.is_ascii_uppercase() => Family::Variable(letter),
        _ => Family::Named(family.to_owned()),
    };
    ty.with_family(&family)
}
