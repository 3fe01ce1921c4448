//! How the values of a part are to be kept and computed with.

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device};

use super::LoraUse;

/// How a part is loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// What is computed in: `F32`, `BF16` or `F16`. Norms, softmax and rotations are float32 inside whatever this is.
    pub dtype: DType,
    /// What large matrices become when they are read; those that are stored in blocks stay as they are.
    pub quant: Option<GgmlDType>,
    pub device: Device,
    /// Added to the matrices they belong to, in this order.
    pub loras: Vec<LoraUse>,
    /// The memory that the weights may take. A part that needs more keeps what it can and reads the rest again for
    /// each use, if it knows how to; `None` is no limit.
    pub budget_bytes: Option<u64>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { dtype: DType::F32, quant: None, device: Device::Cpu, loras: Vec::new(), budget_bytes: None }
    }
}

/// A word for an element type or a quantisation that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}: {found}` is not known; there are: {known}")]
pub struct UnknownNumbers {
    pub field: &'static str,
    pub found: String,
    pub known: String,
}

const DTYPES: [(&str, DType); 3] = [("F32", DType::F32), ("Bf16", DType::BF16), ("F16", DType::F16)];

const QUANTS: [(&str, GgmlDType); 10] = [
    ("Q4_0", GgmlDType::Q4_0),
    ("Q4_1", GgmlDType::Q4_1),
    ("Q5_0", GgmlDType::Q5_0),
    ("Q5_1", GgmlDType::Q5_1),
    ("Q8_0", GgmlDType::Q8_0),
    ("Q2K", GgmlDType::Q2K),
    ("Q3K", GgmlDType::Q3K),
    ("Q4K", GgmlDType::Q4K),
    ("Q5K", GgmlDType::Q5K),
    ("Q6K", GgmlDType::Q6K),
];

impl LoadOptions {
    /// Reads the words of a graph file: `dtype` of `F32`, `Bf16`, `F16`; `quant` of `Q8_0`, `Q4K` (or `Q4_K`), ….
    pub fn of_words(dtype: Option<&str>, quant: Option<&str>) -> Result<Self, UnknownNumbers> {
        Ok(Self {
            dtype: dtype.map_or(Ok(DType::F32), |word| find("dtype", word, &DTYPES))?,
            quant: quant.map(|word| find("quant", &word.replace("_K", "K"), &QUANTS)).transpose()?,
            ..Self::default()
        })
    }
}

fn find<T: Copy>(field: &'static str, word: &str, known: &[(&str, T)]) -> Result<T, UnknownNumbers> {
    let found = known.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    found.ok_or_else(|| UnknownNumbers {
        field,
        found: word.to_owned(),
        known: known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
    })
}

/// The nearest type with blocks that fit into rows of `row_length`: one step finer where 256 do not divide it, none
/// where 32 do not.
pub(super) fn fitting(quant: GgmlDType, row_length: usize) -> Option<GgmlDType> {
    let smaller = match quant {
        GgmlDType::Q2K | GgmlDType::Q3K => GgmlDType::Q4_0,
        GgmlDType::Q4K => GgmlDType::Q5_0,
        GgmlDType::Q5K => GgmlDType::Q5_1,
        GgmlDType::Q6K => GgmlDType::Q8_0,
        other => other,
    };
    [quant, smaller].into_iter().find(|dtype| row_length.is_multiple_of(dtype.block_size()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_k_quant_are_one() {
        let quant = |word| LoadOptions::of_words(None, Some(word)).unwrap().quant;
        assert_eq!(quant("Q4_K"), Some(GgmlDType::Q4K));
        assert_eq!(quant("Q4K"), quant("Q4_K"));
        let refused = LoadOptions::of_words(None, Some("Q9")).unwrap_err().to_string();
        assert!(refused.starts_with("`quant: Q9` is not known; there are: Q4_0, "), "{refused}");
    }

    #[test]
    fn rows_that_256_do_not_divide_are_quantised_one_step_finer() {
        assert_eq!(fitting(GgmlDType::Q4K, 512), Some(GgmlDType::Q4K));
        assert_eq!(fitting(GgmlDType::Q4K, 96), Some(GgmlDType::Q5_0));
        assert_eq!(fitting(GgmlDType::Q8_0, 40), None);
    }
}
