//! One named array in host memory.

use bytes::Bytes;
use half::{bf16, f16};

/// The type of a tensor's elements. Names are those of the safetensors format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    Bool,
    U8,
    I32,
    U32,
    I64,
    F16,
    Bf16,
    F32,
    F64,
}

impl DType {
    pub const ALL: [DType; 9] =
        [DType::Bool, DType::U8, DType::I32, DType::U32, DType::I64, DType::F16, DType::Bf16, DType::F32, DType::F64];

    /// Bytes of one element.
    pub const fn bytes(self) -> usize {
        match self {
            DType::Bool | DType::U8 => 1,
            DType::F16 | DType::Bf16 => 2,
            DType::I32 | DType::U32 | DType::F32 => 4,
            DType::I64 | DType::F64 => 8,
        }
    }

    /// The name in a safetensors header.
    pub const fn name(self) -> &'static str {
        match self {
            DType::Bool => "BOOL",
            DType::U8 => "U8",
            DType::I32 => "I32",
            DType::U32 => "U32",
            DType::I64 => "I64",
            DType::F16 => "F16",
            DType::Bf16 => "BF16",
            DType::F32 => "F32",
            DType::F64 => "F64",
        }
    }

    /// The type with this name in a safetensors header.
    pub fn named(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

/// A tensor whose bytes do not fit its shape.
#[derive(Debug, Clone, thiserror::Error)]
#[error("tensor `{name}` of shape {shape:?} takes {expected} bytes, {found} were given")]
pub struct TensorError {
    pub name: String,
    pub shape: Vec<usize>,
    pub expected: usize,
    pub found: usize,
}

/// Name, element type, shape and bytes: contiguous, row-major, little-endian, in host memory.
///
/// Cheap to clone; the bytes may be owned, a slice of a mapped file, or another image's bundle.
#[derive(Clone, Debug)]
pub struct Tensor {
    name: String,
    dtype: DType,
    shape: Vec<usize>,
    data: Bytes,
}

impl Tensor {
    /// Names `data`. Fails if its length is not that of the shape.
    pub fn new(name: impl Into<String>, dtype: DType, shape: Vec<usize>, data: Bytes) -> Result<Tensor, TensorError> {
        let name = name.into();
        let expected = shape.iter().try_fold(dtype.bytes(), |bytes, &n| bytes.checked_mul(n));
        if expected != Some(data.len()) {
            return Err(TensorError { name, shape, expected: expected.unwrap_or(usize::MAX), found: data.len() });
        }
        Ok(Tensor { name, dtype, shape, data })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The same tensor under another name.
    pub fn renamed(self, name: impl Into<String>) -> Tensor {
        Tensor { name: name.into(), ..self }
    }

    /// The elements as float32, converted if they are another type.
    pub fn to_f32(&self) -> Vec<f32> {
        let bytes = &self.data[..];
        match self.dtype {
            DType::Bool | DType::U8 => bytes.iter().map(|&b| f32::from(b)).collect(),
            DType::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
            DType::U32 => each(bytes, |b| u32::from_le_bytes(b) as f32),
            DType::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
            DType::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            DType::Bf16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            DType::F32 => each(bytes, f32::from_le_bytes),
            DType::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        }
    }

    /// A tensor of zeros: what stands in for one of which only the shape is known. Fails if there is no memory for it.
    pub fn zeros(name: impl Into<String>, dtype: DType, shape: Vec<usize>) -> Result<Tensor, TensorError> {
        let bytes = shape.iter().try_fold(dtype.bytes(), |bytes, &n| bytes.checked_mul(n));
        // Asked for first, because `vec!` ends the process where there is no memory.
        let is_there = |bytes: &usize| {
            let mut memory = Vec::<u8>::new();
            let is_there = memory.try_reserve_exact(*bytes).is_ok();
            // Memory that nobody looks at might not be asked for at all.
            std::hint::black_box(&memory);
            is_there
        };
        // Memory that is zero already costs nothing until it is read.
        Tensor::new(name, dtype, shape, vec![0; bytes.filter(is_there).unwrap_or(0)].into())
    }

    /// A float32 tensor.
    pub fn from_f32(name: impl Into<String>, shape: Vec<usize>, elements: &[f32]) -> Result<Tensor, TensorError> {
        let data: Vec<u8> = elements.iter().flat_map(|x| x.to_le_bytes()).collect();
        Tensor::new(name, DType::F32, shape, data.into())
    }
}

fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_without_memory_for_them_are_an_error() {
        assert_eq!(Tensor::zeros("few", DType::F32, vec![2, 3]).unwrap().data().len(), 24);
        for side in [1 << 19, usize::MAX] {
            let error = Tensor::zeros("many", DType::F32, vec![side, side, 1 << 20]).unwrap_err();
            assert_eq!((error.name.as_str(), error.found), ("many", 0));
        }
    }
}
