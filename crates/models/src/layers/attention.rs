//! Softmax attention over whole sequences.

use candle_core::{D, DType, Tensor};

use crate::Result;

/// How many scores are held at once: 64 MiB of them.
const MAX_SCORES: usize = 16 << 20;

/// Computes softmax(q·kᵀ·scale + mask)·v.
///
/// `q`, `k` and `v` are `[b, heads, tokens, head size]`; `mask` is added to the scores and is
/// `[query tokens, key tokens]`. Queries are taken in blocks, so that memory grows with the number of tokens and not
/// with its square.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f64, mask: Option<&Tensor>) -> Result<Tensor> {
    let (b, n_heads, n_queries, _) = q.dims4()?;
    let k = k.transpose(2, 3)?.contiguous()?; // [b, heads, head size, keys]
    let v = v.contiguous()?;
    let q = (q.contiguous()? * scale)?;
    let per_query = b * n_heads * k.dim(D::Minus1)?;
    let block = (MAX_SCORES / per_query).clamp(1, n_queries);
    let mut outs = Vec::new();
    for start in (0..n_queries).step_by(block) {
        let len = block.min(n_queries - start);
        // In float32 from here to the shares, as the reference does whatever the rest is computed in.
        let scores = q.narrow(2, start, len)?.contiguous()?.matmul(&k)?.to_dtype(DType::F32)?;
        let scores = match mask {
            Some(mask) => scores.broadcast_add(&mask.narrow(0, start, len)?)?,
            None => scores,
        };
        let shares = candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(v.dtype())?;
        outs.push(shares.matmul(&v)?);
    }
    match outs.len() {
        1 => Ok(outs.remove(0)),
        _ => Tensor::cat(&outs, 2),
    }
}
