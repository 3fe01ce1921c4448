//! The transformer: which way a noisy picture should move, given a text and how noisy it is.
//!
//! Source: diffusers `transformer_flux2.py`, `Flux2Transformer2DModel`; recorded in `tests/recorded/transformer.rs`.

use candle_core::{D, Device, Tensor};

use super::blocks::{DoubleBlock, ModulationLinear, SingleBlock};
use super::{Place, Rope, TransformerConfig};
use crate::layers::{Linear, layer_norm};
use crate::{LoadError, Observe, PartFiles, Result, Weights};

/// A FLUX.2 transformer.
pub struct Transformer {
    config: TransformerConfig,
    image_in: Linear,
    text_in: Linear,
    timestep_in: Linear,
    timestep_out: Linear,
    double_image_modulation: ModulationLinear<2>,
    double_text_modulation: ModulationLinear<2>,
    single_modulation: ModulationLinear<1>,
    double_blocks: Vec<DoubleBlock>,
    single_blocks: Vec<SingleBlock>,
    out_modulation: Linear,
    out: Linear,
    weight_bytes: u64,
}

impl Transformer {
    /// Loads a transformer: `config.json` and weights with the names of the diffusers layout.
    pub fn load(part: &PartFiles) -> Result<Self, LoadError> {
        let config = TransformerConfig::read(part)?;
        let weights = Weights::open(part)?;
        let linear = |name, n_in, n_out| Linear::load(&weights.at(name), n_in, n_out);
        let width = config.width();
        let embedder = weights.at("time_guidance_embed.timestep_embedder");
        let double_blocks = weights.at("transformer_blocks");
        let single_blocks = weights.at("single_transformer_blocks");
        Ok(Self {
            image_in: linear("x_embedder", config.channels, width)?,
            text_in: linear("context_embedder", config.text_width, width)?,
            timestep_in: Linear::load(&embedder.at("linear_1"), config.timestep_width, width)?,
            timestep_out: Linear::load(&embedder.at("linear_2"), width, width)?,
            double_image_modulation: ModulationLinear::load(&weights.at("double_stream_modulation_img"), width)?,
            double_text_modulation: ModulationLinear::load(&weights.at("double_stream_modulation_txt"), width)?,
            single_modulation: ModulationLinear::load(&weights.at("single_stream_modulation"), width)?,
            double_blocks: (0..config.n_double_blocks)
                .map(|block_idx| DoubleBlock::load(&double_blocks.at(block_idx), &config))
                .collect::<Result<_, _>>()?,
            single_blocks: (0..config.n_single_blocks)
                .map(|block_idx| SingleBlock::load(&single_blocks.at(block_idx), &config))
                .collect::<Result<_, _>>()?,
            out_modulation: linear("norm_out.linear", width, 2 * width)?,
            out: linear("proj_out", width, config.channels)?,
            weight_bytes: weights.resident_bytes(),
            config,
        })
    }

    /// The sizes of the transformer.
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// Says how many bytes of memory the weights take.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Prepares the rotations for a text and one picture of `height` × `width` tokens, in the order of the sequence.
    pub fn rope(&self, n_text_tokens: usize, height: usize, width: usize) -> Result<Rope> {
        let places = Place::of_text(n_text_tokens).chain(Place::of_picture(0, height, width));
        Rope::new(places, self.config.rope_widths, self.config.rope_theta)
    }

    /// Computes the velocity of a picture, from data to noise.
    ///
    /// `image` is `[b, tokens, channels]`, like the result; `text` is `[b, text tokens, text width]`; `timestep` is
    /// the noise level, 0 to 1.
    pub fn velocity(&self, image: &Tensor, text: &Tensor, timestep: f32, rope: &Rope) -> Result<Tensor> {
        self.velocity_observed(image, text, timestep, rope, &mut |_, _| ())
    }

    /// As [`velocity`](Self::velocity), and shows every stage to `observe`.
    pub fn velocity_observed(
        &self,
        image: &Tensor,
        text: &Tensor,
        timestep: f32,
        rope: &Rope,
        observe: &mut Observe,
    ) -> Result<Tensor> {
        let conditioning = self.embed_timestep(timestep, observe)?;
        let activated = candle_nn::ops::silu(&conditioning)?;
        let image_modulation = self.double_image_modulation.forward(&activated, |raw| observe("mod_img", raw))?;
        let text_modulation = self.double_text_modulation.forward(&activated, |raw| observe("mod_txt", raw))?;
        let [single_modulation] = self.single_modulation.forward(&activated, |raw| observe("mod_single", raw))?;

        let mut image = self.image_in.forward(image)?;
        observe("x_embed", &image);
        let mut text = self.text_in.forward(text)?;
        observe("context_embed", &text);
        for (block_idx, block) in self.double_blocks.iter().enumerate() {
            (image, text) = block.forward(&image, &text, &image_modulation, &text_modulation, rope)?;
            observe(&format!("double.{block_idx}.img"), &image);
            observe(&format!("double.{block_idx}.txt"), &text);
        }

        let (n_text, n_image) = (text.dim(1)?, image.dim(1)?);
        let mut both = Tensor::cat(&[text, image], 1)?; // [b, text tokens + tokens, width]
        for (block_idx, block) in self.single_blocks.iter().enumerate() {
            both = block.forward(&both, &single_modulation, rope)?;
            observe(&format!("single.{block_idx}"), &both);
        }

        let image = both.narrow(1, n_text, n_image)?;
        let image = self.modulate_out(&image, &activated)?;
        observe("norm_out", &image);
        self.out.forward(&image)
    }

    fn embed_timestep(&self, timestep: f32, observe: &mut Observe) -> Result<Tensor> {
        let waves = sinusoid(timestep * 1000.0, self.config.timestep_width)?;
        observe("time_proj", &waves);
        let hidden = candle_nn::ops::silu(&self.timestep_in.forward(&waves)?)?;
        let conditioning = self.timestep_out.forward(&hidden)?;
        observe("temb", &conditioning);
        Ok(conditioning)
    }

    /// The last normalisation. Its rows are scale, then shift: the other way round than in every block.
    fn modulate_out(&self, image: &Tensor, activated: &Tensor) -> Result<Tensor> {
        let rows = self.out_modulation.forward(activated)?.reshape((2, ()))?;
        let (scale, shift) = (rows.get(0)?, rows.get(1)?);
        layer_norm(image, &(scale + 1.0)?, &shift, self.config.eps)
    }
}

/// Spreads a number over waves of many lengths, `[1, width]`: all cosines, then all sines.
pub fn sinusoid(value: f32, width: usize) -> Result<Tensor> {
    let half = width / 2;
    let frequencies: Vec<f32> = (0..half).map(|i| frequency(i, half)).collect();
    let angles = (Tensor::from_vec(frequencies, (1, half), &Device::Cpu)? * f64::from(value))?;
    Tensor::cat(&[angles.cos()?, angles.sin()?], D::Minus1)
}

/// Returns frequency `i` of `half`: 10000 to the power of −`i` / `half`, with the roundings of the reference.
///
/// The angle is up to a thousand times the frequency, so its last bit shows in every later stage. The reference's
/// exponential is not rounded correctly: of 128 frequencies, two come out one unit too high. Without them, the
/// recorded guided draw ends 2.5e-4 away from the reference; with them, 3.4e-5.
fn frequency(i: usize, half: usize) -> f32 {
    let exponent = -(10_000f64.ln()) as f32 * i as f32 / half as f32;
    let frequency = f64::from(exponent).exp() as f32;
    match [13 * half, 44 * half].contains(&(128 * i)) {
        true => frequency.next_up(),
        false => frequency,
    }
}
