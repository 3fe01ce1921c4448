//! Where a tensor is in a file and how it becomes numbers.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use candle_core::Device;
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use float8::F8E4M3;
use safetensors::Dtype;

use super::file::WeightFile;

/// How the elements of a tensor are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    F32,
    F16,
    Bf16,
    /// Eight bits, of which four are exponent and three are mantissa, without infinities.
    F8E4m3,
    /// Blocks of a row with a scale of their own.
    Blocks(GgmlDType),
    /// What is not read; its name.
    Other(String),
}

impl Storage {
    pub(super) fn of_safetensors(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::BF16 => Self::Bf16,
            Dtype::F8_E4M3 => Self::F8E4m3,
            other => Self::Other(format!("{other:?}")),
        }
    }

    pub(super) fn of_ggml(dtype: GgmlDType) -> Self {
        match dtype {
            GgmlDType::F32 => Self::F32,
            GgmlDType::F16 => Self::F16,
            GgmlDType::BF16 => Self::Bf16,
            blocks => Self::Blocks(blocks),
        }
    }

    /// The bytes that some elements take; of blocks, their number must be a multiple of a block.
    pub(super) fn bytes(&self, n_elements: usize) -> usize {
        match self {
            Self::F32 => n_elements * 4,
            Self::F16 | Self::Bf16 => n_elements * 2,
            Self::F8E4m3 => n_elements,
            Self::Blocks(dtype) => n_elements / dtype.block_size() * dtype.type_size(),
            Self::Other(_) => 0,
        }
    }
}

/// A tensor in a file, under whatever name.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub file_idx: usize,
    pub storage: Storage,
    pub shape: Vec<usize>,
    pub bytes: Range<usize>,
    pub order: RowOrder,
    pub scale: Scale,
}

/// In which order the rows of a tensor lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowOrder {
    AsStored,
    /// The second half first.
    HalvesSwapped,
    /// Within each head, what turns together lies side by side instead of half a head apart.
    PairsTogether {
        head_width: usize,
    },
}

/// What stored values are multiplied by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scale {
    None,
    All(f32),
    /// One factor for each stored row.
    Rows(Vec<f32>),
}

impl Entry {
    /// The length of the first axis.
    pub fn n_rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    fn row_length(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Whether the bytes are the values: in order and unscaled.
    pub fn is_plain(&self) -> bool {
        self.order == RowOrder::AsStored && self.scale == Scale::None
    }

    /// The rows of query, key and value, if the tensor holds as many of each.
    pub fn thirds(&self) -> Option<[Self; 3]> {
        let third = self.shape.first()? / 3;
        let is_threefold = third * 3 == self.n_rows() && third > 0;
        is_threefold.then(|| [0, 1, 2].map(|idx| self.narrowed(idx * third..(idx + 1) * third)))
    }

    /// The same tensor with only some of its rows.
    fn narrowed(&self, rows: Range<usize>) -> Self {
        let row_bytes = self.bytes.len() / self.n_rows().max(1);
        let shape = std::iter::once(rows.len()).chain(self.shape.iter().skip(1).copied());
        Self {
            shape: shape.collect(),
            bytes: self.bytes.start + rows.start * row_bytes..self.bytes.start + rows.end * row_bytes,
            scale: match &self.scale {
                Scale::Rows(factors) => Scale::Rows(factors[rows].to_vec()),
                scale => scale.clone(),
            },
            ..self.clone()
        }
    }

    /// Reads some rows as float32, in the order of the model.
    pub fn values(&self, file: &WeightFile, rows: Range<usize>) -> Vec<f32> {
        let mut values = Vec::with_capacity(rows.len() * self.row_length());
        match self.order {
            RowOrder::AsStored => self.read(file, rows, &mut values),
            order => {
                for row_idx in rows {
                    let stored = order.stored_row(row_idx, self.n_rows());
                    self.read(file, stored..stored + 1, &mut values);
                }
            }
        }
        values
    }

    /// Where some stored rows lie in the file.
    fn range(&self, rows: Range<usize>) -> Range<usize> {
        let row_bytes = self.storage.bytes(self.row_length());
        self.bytes.start + rows.start * row_bytes..self.bytes.start + rows.end * row_bytes
    }

    /// Says that some stored rows were read and will not be soon.
    pub fn let_go(&self, file: &WeightFile, rows: Range<usize>) {
        file.let_go(self.range(rows));
    }

    /// Some rows of blocks as they are stored, in the order of the model.
    pub fn block_rows<'a>(&self, file: &'a WeightFile, rows: Range<usize>) -> Cow<'a, [u8]> {
        let bytes_of = |rows| file.bytes(self.range(rows));
        match self.order {
            RowOrder::AsStored => Cow::Borrowed(bytes_of(rows)),
            order => {
                let stored = rows.map(|row_idx| order.stored_row(row_idx, self.n_rows()));
                Cow::Owned(stored.flat_map(|row_idx| bytes_of(row_idx..row_idx + 1)).copied().collect())
            }
        }
    }

    /// Appends stored rows.
    fn read(&self, file: &WeightFile, rows: Range<usize>, values: &mut Vec<f32>) {
        let row_length = self.row_length();
        let range = self.range(rows.clone());
        let from = values.len();
        widen(file.bytes(range.clone()), &self.storage, rows.len(), row_length, values);
        file.let_go(range);
        let read = &mut values[from..];
        match &self.scale {
            Scale::None => {}
            Scale::All(factor) => read.iter_mut().for_each(|value| *value *= factor),
            Scale::Rows(factors) => {
                for (row, factor) in read.chunks_mut(row_length.max(1)).zip(&factors[rows]) {
                    row.iter_mut().for_each(|value| *value *= factor);
                }
            }
        }
    }
}

impl RowOrder {
    /// Where row `row_idx` of the model lies among the stored ones.
    fn stored_row(self, row_idx: usize, n_rows: usize) -> usize {
        match self {
            Self::AsStored => row_idx,
            Self::HalvesSwapped => (row_idx + n_rows / 2) % n_rows,
            Self::PairsTogether { head_width } => {
                let (head, within) = (row_idx / head_width, row_idx % head_width);
                let (half, pair) = (within / (head_width / 2), within % (head_width / 2));
                head * head_width + 2 * pair + half
            }
        }
    }
}

fn widen(bytes: &[u8], storage: &Storage, n_rows: usize, row_length: usize, values: &mut Vec<f32>) {
    let halves = || bytes.as_chunks::<2>().0.iter().copied();
    match storage {
        Storage::F32 => values.extend(bytes.as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes)),
        Storage::F16 => values.extend(halves().map(|half| half::f16::from_le_bytes(half).to_f32())),
        Storage::Bf16 => values.extend(halves().map(|half| half::bf16::from_le_bytes(half).to_f32())),
        Storage::F8E4m3 => values.extend(bytes.iter().map(|byte| EIGHT_BITS[usize::from(*byte)])),
        Storage::Blocks(dtype) => values.extend(widen_blocks(bytes, *dtype, n_rows * row_length)),
        Storage::Other(dtype) => unreachable!("a tensor of {dtype} was claimed"),
    }
}

/// Reads the values of blocks.
pub(super) fn widen_blocks(bytes: &[u8], dtype: GgmlDType, n_elements: usize) -> Vec<f32> {
    let read = || {
        let storage = QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, dtype)?;
        QTensor::new(storage, n_elements)?.dequantize(&Device::Cpu)?.to_vec1()
    };
    // Whole blocks of a type that candle reads, on the CPU: checked when the file was opened.
    read().unwrap_or_else(|error| unreachable!("blocks could not be read: {error}"))
}

/// The value of each byte.
static EIGHT_BITS: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|i| F8E4M3::from_bits(i as u8).to_f32()));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bits_reach_448_and_have_no_infinity() {
        assert_eq!(EIGHT_BITS[0x7e], 448.0);
        assert_eq!(EIGHT_BITS[0x38], 1.0);
        assert_eq!(EIGHT_BITS[0x01], 2f32.powi(-9));
        assert_eq!(EIGHT_BITS[0xb8], -1.0);
        assert!(EIGHT_BITS[0x7f].is_nan());
    }

    #[test]
    fn rows_that_turn_together_come_apart_by_half_a_head() {
        let order = RowOrder::PairsTogether { head_width: 4 };
        let stored: Vec<usize> = (0..8).map(|row_idx| order.stored_row(row_idx, 8)).collect();
        // Row 1 of the model is the second pair's first half, which lies third in the file.
        assert_eq!(stored, [0, 2, 1, 3, 4, 6, 5, 7]);
    }

    #[test]
    fn swapped_halves_come_back() {
        let stored: Vec<usize> = (0..4).map(|row_idx| RowOrder::HalvesSwapped.stored_row(row_idx, 4)).collect();
        assert_eq!(stored, [2, 3, 0, 1]);
    }
}
