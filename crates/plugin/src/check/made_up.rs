//! Inputs that fit a specification and nothing else.
//!
//! Their bundles count themselves, so that it can be told whether a plugin still holds them when it should not.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rondel_value::{
    Bundle, Conditioning, DType, Family, Image, InputSpec, Json, Kind, Latent, Meta, NodeSpec, Range, Tensor, Type,
    Value,
};

/// Side of a made-up picture; its latent is an eighth.
const SIDE_PX: usize = 16;

/// A family that every variable stands for.
const FAMILY: &str = "MadeUp";

/// A picture of one pixel, for ports that take a file.
pub(super) const PIXEL_PNG: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\x0aIDATx\x9cch\x00\x00\x00\x82\x00\x81w\xcdr\xb6\x00\x00\x00\x00IEND\xaeB`\x82";

/// Which inputs are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Those that have to be.
    Required,
    /// All that can be made up.
    All,
}

/// Which inputs are given, and whether those that enter no key have other values than elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) extent: Extent,
    pub(super) other_unkeyed: bool,
}

impl From<Extent> for Given {
    fn from(extent: Extent) -> Given {
        Given { extent, other_unkeyed: false }
    }
}

/// Inputs for one run, in the order of the specification.
pub(super) struct MadeUp {
    pub(super) values: Vec<Value>,
    alive: Arc<AtomicUsize>,
}

impl MadeUp {
    /// Inputs for a kind; the name of one that cannot be made up if it has to be given. `file` is what stands for any file.
    pub(super) fn new(spec: &NodeSpec, given: impl Into<Given>, file: &Path) -> Result<MadeUp, String> {
        let Given { extent, other_unkeyed } = given.into();
        let maker = Maker { alive: Arc::default(), file, is_other: false };
        let value = |input: &InputSpec| match (extent, input.default_value()) {
            (Extent::Required, Some(default)) => Ok(default),
            (_, default) => maker.value(input, &input.ty).or(default).ok_or_else(|| input.name.clone()),
        };
        let others = Maker { is_other: true, alive: maker.alive.clone(), file };
        let other = |input: &InputSpec, value: &Value| {
            let candidates = [others.value(input, &input.ty), maker.value(input, &input.ty), input.default_value()];
            candidates.into_iter().flatten().find(|candidate| candidate != value)
        };
        let value = |input: &InputSpec| {
            let value: Value = value(input)?;
            let other = (other_unkeyed && input.unkeyed).then(|| other(input, &value)).flatten();
            Ok::<Value, String>(other.unwrap_or(value))
        };
        let values = spec.inputs.iter().map(value).collect::<Result<_, _>>()?;
        Ok(MadeUp { values, alive: maker.alive })
    }

    /// Lets go of the inputs.
    pub(super) fn let_go(self) -> Held {
        Held(self.alive)
    }
}

/// What became of inputs after their run.
pub(super) struct Held(Arc<AtomicUsize>);

impl Held {
    /// Whether somebody still holds one of their tensors.
    pub(super) fn is_held(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }
}

struct Maker<'a> {
    alive: Arc<AtomicUsize>,
    file: &'a Path,
    /// Makes others than by itself, as far as a port admits more than one.
    is_other: bool,
}

impl Maker<'_> {
    fn value(&self, input: &InputSpec, ty: &Type) -> Option<Value> {
        let whole = |wanted: f64| {
            let first = whole(wanted, input.range, input.multiple_of)?;
            let step = input.multiple_of.unwrap_or(1).max(1);
            self.one_of([first, first + step, first - step].into_iter(), input.range, |number| number as f64)
        };
        let number = |wanted: f64, range: Option<Range>| {
            let first = within(wanted, range);
            let ends = range.into_iter().flat_map(|range| [range.max, range.min]).flatten();
            self.one_of([first, first + 0.25, first - 0.25].into_iter().chain(ends), range, |number| number)
        };
        Some(match ty {
            Type::Bool => Value::Bool(!self.is_other),
            Type::Int => Value::Int(whole(1.0)?),
            Type::Float => Value::Float(number(0.5, input.soft.or(input.range))?),
            Type::Seed => Value::Seed(number(7.0, input.range)?.round() as u64),
            Type::Text if input.file => Value::text(self.file.to_string_lossy()),
            Type::Text => Value::text(if self.is_other { "made up otherwise" } else { "made up" }),
            Type::Size => Value::Pair([whole(SIDE_PX as f64)?; 2]),
            Type::Duration => Value::Int(if self.is_other { 2_000_000 } else { 1_000_000 }),
            Type::Json if self.is_other => Value::Json(Json::new(&serde_json::json!({ "made": "up" }))),
            Type::Json => Value::Json(Json::new(&serde_json::json!({}))),
            Type::Choice(choices) => {
                let mut names = choices.0.iter().filter(|variant| variant.fields.is_empty());
                Value::text(if self.is_other { names.next_back()? } else { names.next()? }.name.clone())
            }
            Type::Image => Value::Bundle(self.image()?),
            Type::Mask => self.bundle(Kind::Mask, "mask", &[SIDE_PX, SIDE_PX]),
            Type::Tensor => self.bundle(Kind::Tensor, "tensor", &[2, 3]),
            Type::Latent(family) => {
                let tensor = self.tensor("latent", &[1, 4, SIDE_PX / 8, SIDE_PX / 8]);
                Value::Bundle(Latent::new(name(family), (SIDE_PX, SIDE_PX), tensor).ok()?.into())
            }
            Type::Conditioning(family) => {
                let tensor = self.tensor("text", &[1, 3, 4]);
                Value::Bundle(Conditioning::new(name(family), tensor).ok()?.into())
            }
            // Weights cannot be made up, and nothing but a `save` says that something is saved.
            Type::Model(_) | Type::Saved => return None,
            Type::List(of) => Value::list([self.value(input, of)?, self.value(input, of)?]),
            Type::Optional(of) => self.value(input, of)?,
        })
        .filter(|value| input.admits(value).is_ok())
    }

    /// The first number that a port admits, or the next one, if another is wanted.
    fn one_of<T: Copy + PartialEq>(
        &self,
        numbers: impl Iterator<Item = T>,
        range: Option<Range>,
        as_float: impl Fn(T) -> f64,
    ) -> Option<T> {
        let mut numbers = numbers.filter(|number| range.is_none_or(|range| range.contains(as_float(*number))));
        let first = numbers.next()?;
        if self.is_other { numbers.find(|number| *number != first) } else { Some(first) }
    }

    /// A number that pixels and tensors follow.
    fn stride(&self) -> usize {
        if self.is_other { 5 } else { 7 }
    }

    fn image(&self) -> Option<Bundle> {
        let pixels = self.counted((0..SIDE_PX * SIDE_PX * 3).map(|i| (i * self.stride() % 251) as u8).collect());
        Some(Image::from_u8(SIDE_PX, SIDE_PX, 3, pixels).ok()?.into())
    }

    fn bundle(&self, kind: Kind, name: &str, shape: &[usize]) -> Value {
        Value::Bundle(Bundle::new(kind, Meta::new(), [self.tensor(name, shape)]))
    }

    /// Numbers between 0 and 1.
    fn tensor(&self, name: &str, shape: &[usize]) -> Tensor {
        let n: usize = shape.iter().product();
        let data = (0..n).flat_map(|i| ((i * self.stride() % 11) as f32 / 11.0).to_le_bytes()).collect();
        Tensor::new(name, DType::F32, shape.to_vec(), self.counted(data)).expect("as many numbers as the shape takes")
    }

    fn counted(&self, bytes: Vec<u8>) -> Bytes {
        self.alive.fetch_add(1, Ordering::Relaxed);
        Bytes::from_owner(Counted(bytes, self.alive.clone()))
    }
}

/// Memory that counts itself.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Release);
    }
}

fn name(family: &Family) -> &str {
    match family {
        Family::Variable(_) => FAMILY,
        Family::Named(name) => name,
    }
}

fn within(wanted: f64, range: Option<Range>) -> f64 {
    let Some(Range { min, max }) = range else { return wanted };
    wanted.max(min.unwrap_or(wanted)).min(max.unwrap_or(f64::INFINITY))
}

/// A whole number near the wanted one that a port admits.
fn whole(wanted: f64, range: Option<Range>, multiple_of: Option<i64>) -> Option<i64> {
    let number = within(wanted, range);
    let step = multiple_of.unwrap_or(1).max(1) as f64;
    let up = (number / step).ceil() * step;
    let down = (number / step).floor() * step;
    [up, down].into_iter().find(|number| range.is_none_or(|range| range.contains(*number))).map(|number| number as i64)
}
