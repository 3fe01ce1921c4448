//! Which Rust types may stand at a port.
//!
//! | Rust | port |
//! | --- | --- |
//! | `bool`, integers, `f32` `f64`, `String` | `Bool`, `Int`, `Float`, `Text` |
//! | [`Seed`], [`Size`], `std::time::Duration` | `Seed`, `Size`, `Duration` |
//! | [`Json`], `serde_json::Value` | `Json` |
//! | [`Image`], [`Mask`], [`Bundle`] | `Image`, `Mask`, `Tensor` |
//! | [`Latent`], [`Conditioning`], [`ModelRef`] | `Latent<F>`, `Conditioning<F>`, `Model<F>` |
//! | [`Saved`] | `Saved` |
//! | `Option<T>`, `Vec<T>` | `T?`, `List<T>` |
//! | an enum with `#[derive(Choice)]` | `Choice(…)` |

use std::time::Duration;

use rondel_value::coerce::CoerceError;
use rondel_value::{Bundle, Conditioning, Digest, Family, Image, Json, Latent, Mask, ModelRef, Type, Value, ViewError};
use serde::{Deserialize, Serialize};

/// A type that may stand at a port.
pub trait Port: Sized {
    /// The type as the specification has it.
    fn ty() -> Type;

    /// Reads a value that [`Port::ty`] admits.
    fn from_value(value: Value) -> Result<Self, PortError>;

    fn into_value(self) -> Value;
}

/// A value that is not what a port's Rust type holds.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PortError {
    #[error("{wanted} wanted, {found} given")]
    Type { wanted: String, found: String },
    #[error("{number} is not a number from {min} to {max}")]
    Integer { number: i64, min: i128, max: i128 },
    #[error("a model descriptor is wanted, this is {0}")]
    Model(String),
    #[error("a saved file is wanted, this is {0}")]
    Saved(String),
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Choice(#[from] CoerceError),
}

/// Longest value that an error message shows.
const SHOWN: usize = 60;

impl PortError {
    fn mismatch<T: Port>(found: &Value) -> PortError {
        PortError::Type { wanted: T::ty().plain(), found: found.display(SHOWN) }
    }
}

/// Where chance starts: equal seeds draw equal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seed(pub u64);

/// Width and height in pixels; neither is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    pub width: usize,
    pub height: usize,
}

/// A file that a node wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    pub path: String,
    /// The blake3 of the file's bytes.
    pub digest: Digest,
    pub bytes: u64,
}

/// Implements [`Port`] for what one member of [`Value`] holds.
macro_rules! port {
    ($rust:ty, $ty:expr, $member:ident($inner:ident) => $read:expr, $self:ident => $write:expr) => {
        impl Port for $rust {
            fn ty() -> Type {
                $ty
            }

            fn from_value(value: Value) -> Result<Self, PortError> {
                match value {
                    Value::$member($inner) => $read,
                    other => Err(PortError::mismatch::<Self>(&other)),
                }
            }

            fn into_value($self) -> Value {
                $write
            }
        }
    };
}

port!(bool, Type::Bool, Bool(b) => Ok(b), self => Value::Bool(self));
port!(f64, Type::Float, Float(f) => Ok(f), self => Value::Float(self));
port!(f32, Type::Float, Float(f) => Ok(f as f32), self => Value::Float(f64::from(self)));
port!(String, Type::Text, Text(text) => Ok(text.as_ref().to_owned()), self => Value::text(self));
port!(Seed, Type::Seed, Seed(seed) => Ok(Seed(seed)), self => Value::Seed(self.0));
port!(Json, Type::Json, Json(json) => Ok(json), self => Value::Json(self));
port!(serde_json::Value, Type::Json, Json(json) => Ok(json.to_value()), self => Value::Json(Json::new(&self)));
port!(Bundle, Type::Tensor, Bundle(bundle) => Ok(bundle), self => Value::Bundle(self));
port!(Image, Type::Image, Bundle(bundle) => Ok(Image::try_from(bundle)?), self => Value::Bundle(self.into()));
port!(Mask, Type::Mask, Bundle(bundle) => Ok(Mask::try_from(bundle)?), self => Value::Bundle(self.into()));
port!(Latent, Type::Latent(FAMILY), Bundle(bundle) => Ok(Latent::try_from(bundle)?), self => Value::Bundle(self.into()));
port!(
    Conditioning, Type::Conditioning(FAMILY),
    Bundle(bundle) => Ok(Conditioning::try_from(bundle)?), self => Value::Bundle(self.into())
);
port!(
    ModelRef, Type::Model(FAMILY),
    Json(json) => serde_json::from_str(json.as_str()).map_err(|_| PortError::Model(Value::Json(json).display(SHOWN))),
    self => self.to_value()
);
port!(
    Saved, Type::Saved,
    Json(json) => serde_json::from_str(json.as_str()).map_err(|_| PortError::Saved(Value::Json(json).display(SHOWN))),
    self => Value::Json(Json::of(&self).expect("text and numbers have a JSON form"))
);
port!(
    Size, Type::Size,
    Pair(sides) => match sides.map(usize::try_from) {
        [Ok(width @ 1..), Ok(height @ 1..)] => Ok(Size { width, height }),
        _ => Err(PortError::mismatch::<Size>(&Value::Pair(sides))),
    },
    self => Value::Pair([self.width as i64, self.height as i64])
);
port!(
    Duration, Type::Duration,
    Int(nanoseconds) => u64::try_from(nanoseconds).map(Duration::from_nanos).map_err(|_| PortError::Integer {
        number: nanoseconds, min: 0, max: i64::MAX.into(),
    }),
    self => Value::Int(i64::try_from(self.as_nanos()).unwrap_or(i64::MAX))
);

/// The family of a port that says nothing else: any one, the same all over the node.
const FAMILY: Family = Family::Variable('F');

/// Integers differ in what they hold; the port's type is the same. An output beyond `Int` is its largest number.
macro_rules! integers {
    ($($rust:ty),*) => {$(
        port!(
            $rust, Type::Int,
            Int(i) => <$rust>::try_from(i).map_err(|_| PortError::Integer {
                number: i, min: <$rust>::MIN as i128, max: (<$rust>::MAX as i128).min(i64::MAX.into()),
            }),
            self => Value::Int(i64::try_from(self).unwrap_or(i64::MAX))
        );
    )*};
}

integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl<T: Port> Port for Option<T> {
    fn ty() -> Type {
        Type::optional(T::ty())
    }

    fn from_value(value: Value) -> Result<Self, PortError> {
        match value {
            Value::None => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }

    fn into_value(self) -> Value {
        self.map_or(Value::None, T::into_value)
    }
}

impl<T: Port> Port for Vec<T> {
    fn ty() -> Type {
        Type::list(T::ty())
    }

    fn from_value(value: Value) -> Result<Self, PortError> {
        match value {
            Value::List(items) => items.iter().cloned().map(T::from_value).collect(),
            other => Err(PortError::mismatch::<Self>(&other)),
        }
    }

    fn into_value(self) -> Value {
        Value::list(self.into_iter().map(T::into_value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survives<T: Port + Clone + PartialEq + std::fmt::Debug>(value: T) {
        assert_eq!(T::from_value(value.clone().into_value()), Ok(value));
    }

    #[test]
    fn what_is_written_is_read() {
        survives(true);
        survives(-3i32);
        survives(0.5f32);
        survives("fox".to_owned());
        survives(Seed(u64::MAX));
        survives(Size { width: 64, height: 48 });
        survives(Duration::from_secs(90));
        survives(vec![Some(1u8), None]);
        survives(Saved { path: "a.png".to_owned(), digest: Digest::of(b"a"), bytes: 1 });
        survives(Image::from_u8(1, 1, 1, vec![7]).unwrap());
    }

    #[test]
    fn a_number_that_does_not_fit_is_refused() {
        let error = u8::from_value(Value::Int(300)).unwrap_err();
        assert_eq!(error.to_string(), "300 is not a number from 0 to 255");
    }

    #[test]
    fn another_member_is_refused_with_what_it_is() {
        let error = Image::from_value(Value::text("fox")).unwrap_err();
        assert_eq!(error.to_string(), "Image wanted, \"fox\" given");
    }
}
