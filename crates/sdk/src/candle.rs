//! Tensors of values to candle's and back, through host memory.

use candle_core::{DType as CandleDType, Device, Result};
use rondel_value::{DType, Tensor};

/// Copies a tensor into one of candle's, on the CPU. Truth values become bytes.
pub fn to_candle(tensor: &Tensor) -> Result<candle_core::Tensor> {
    let dtype = match tensor.dtype() {
        DType::Bool | DType::U8 => CandleDType::U8,
        DType::I32 => CandleDType::I32,
        DType::U32 => CandleDType::U32,
        DType::I64 => CandleDType::I64,
        DType::F16 => CandleDType::F16,
        DType::Bf16 => CandleDType::BF16,
        DType::F32 => CandleDType::F32,
        DType::F64 => CandleDType::F64,
    };
    candle_core::Tensor::from_raw_buffer(tensor.data(), dtype, tensor.shape(), &Device::Cpu)
}

/// Copies one of candle's tensors from whatever device and layout, and names it.
///
/// Fails for the element types that values do not have: 16-bit integers and floats below 16 bits.
pub fn from_candle(name: &str, tensor: &candle_core::Tensor) -> Result<Tensor> {
    let dtype = match tensor.dtype() {
        CandleDType::U8 => DType::U8,
        CandleDType::I32 => DType::I32,
        CandleDType::U32 => DType::U32,
        CandleDType::I64 => DType::I64,
        CandleDType::F16 => DType::F16,
        CandleDType::BF16 => DType::Bf16,
        CandleDType::F32 => DType::F32,
        CandleDType::F64 => DType::F64,
        other => candle_core::bail!("a value has no tensors of {other:?}"),
    };
    let mut bytes = Vec::with_capacity(tensor.elem_count() * dtype.bytes());
    tensor.write_bytes(&mut bytes)?;
    Tensor::new(name, dtype, tensor.dims().to_vec(), bytes.into()).map_err(candle_core::Error::wrap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_both_ways() {
        for dtype in DType::ALL {
            let bytes: Vec<u8> = (0..6 * dtype.bytes()).map(|i| (i % 2) as u8).collect();
            let tensor = Tensor::new("x", dtype, vec![2, 3], bytes.into()).unwrap();
            let back = from_candle("x", &to_candle(&tensor).unwrap()).unwrap();
            let expected = if dtype == DType::Bool { DType::U8 } else { dtype };
            assert_eq!((back.dtype(), back.shape(), back.data()), (expected, tensor.shape(), tensor.data()));
        }
    }

    #[test]
    fn a_transposed_tensor_is_written_in_row_order() {
        let tensor = candle_core::Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap().t().unwrap();
        assert_eq!(from_candle("x", &tensor).unwrap().to_f32(), [1.0, 3.0, 2.0, 4.0]);
    }
}
