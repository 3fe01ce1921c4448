//! Where tokens are, as rotations of their queries and keys.
//!
//! A token has a place on four axes; each axis turns its own share of every head. Channels `2i` and `2i + 1` make a
//! pair (the text encoder pairs the two halves instead).
//!
//! Source: diffusers `transformer_flux2.py`, `Flux2PosEmbed`; recorded in `tests/recorded/transformer.rs`.

use candle_core::{DType, Device, Tensor};

use crate::Result;

/// The place of a token: time (which picture), row, column, and number in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(pub [usize; 4]);

impl Place {
    /// Places `n_tokens` of text: only the last axis tells them apart.
    pub fn of_text(n_tokens: usize) -> impl Iterator<Item = Self> {
        (0..n_tokens).map(|token_idx| Self([0, 0, 0, token_idx]))
    }

    /// Places the tokens of a picture row by row; `time` is 0 for the one that is drawn.
    pub fn of_picture(time: usize, height: usize, width: usize) -> impl Iterator<Item = Self> {
        (0..height * width).map(move |i| Self([time, i / width, i % width, 0]))
    }
}

/// The rotations of a sequence of tokens.
#[derive(Clone)]
pub struct Rope {
    /// `[tokens, head width / 2]`
    cos: Tensor,
    sin: Tensor,
}

impl Rope {
    /// Prepares the rotations of tokens at `places`.
    ///
    /// Angles are computed in float64, because an axis can be thousands of tokens long; the results are float32.
    pub fn new(places: impl IntoIterator<Item = Place>, axis_widths: [usize; 4], theta: f64) -> Result<Self> {
        let frequencies = axis_widths.map(|width| {
            let exponents = (0..width / 2).map(move |i| (2 * i) as f64 / width as f64);
            exponents.map(|exponent| theta.powf(-exponent)).collect::<Vec<_>>()
        });
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for place in places {
            for (position, frequencies) in place.0.iter().zip(&frequencies) {
                for frequency in frequencies {
                    let angle = *position as f64 * frequency;
                    cos.push(angle.cos() as f32);
                    sin.push(angle.sin() as f32);
                }
            }
        }
        let n_pairs: usize = axis_widths.iter().sum::<usize>() / 2;
        Ok(Self {
            cos: Tensor::from_vec(cos, ((), n_pairs), &Device::Cpu)?,
            sin: Tensor::from_vec(sin, ((), n_pairs), &Device::Cpu)?,
        })
    }

    /// Rotates `[b, heads, tokens, head width]`, in float32 whatever its type.
    pub fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        let wide = x.to_dtype(DType::F32)?.contiguous()?;
        let (cos, sin) = (self.cos.to_device(x.device())?, self.sin.to_device(x.device())?);
        candle_nn::rotary_emb::rope_i(&wide, &cos, &sin)?.to_dtype(x.dtype())
    }

    /// Moves the tables to where they will be used, so that no rotation has to.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        Ok(Self { cos: self.cos.to_device(device)?, sin: self.sin.to_device(device)? })
    }

    /// The cosines and sines of each pair, `[tokens, head width / 2]`.
    pub fn tables(&self) -> (&Tensor, &Tensor) {
        (&self.cos, &self.sin)
    }
}
