//! The transformer: which way a noisy picture should move, given a text and how noisy it is.
//!
//! What it looks at besides is laid out once for all steps by [`Transformer::prepare`]. All tensors are brought to the
//! device and the type of the weights; a velocity is float32.
//!
//! Source: diffusers `transformer_flux2.py`, `Flux2Transformer2DModel`; recorded in `tests/recorded/transformer.rs`.

use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};

use super::blocks::{DoubleBlock, Kept, KeyValues, ModulationLinear, Modulations, SingleBlock};
use super::embedder::NumberEmbedder;
use super::residence::{Residence, Turns, Weighted};
use super::sequence::repeated;
use super::{Rope, Scene, Sequence, TransformerConfig, sinusoid};
use crate::layers::{Linear, layer_norm};
use crate::weights::{LoadOptions, Looks};
use crate::{LoadError, Observe, PartFiles, Result, Weights};

/// A FLUX.2 transformer.
pub struct Transformer {
    config: TransformerConfig,
    image_in: Linear,
    text_in: Linear,
    timestep: NumberEmbedder,
    guidance: Option<NumberEmbedder>,
    double_image_modulation: ModulationLinear<2>,
    double_text_modulation: ModulationLinear<2>,
    single_modulation: ModulationLinear<1>,
    blocks: Blocks,
    out_modulation: Linear,
    out: Linear,
    weight_bytes: u64,
    residence: Residence,
    /// Where the weights are, and the type of the streams.
    device: Device,
    dtype: DType,
}

impl Transformer {
    /// Opens a transformer to be computed in float32 on the CPU, with memory for all of it.
    pub fn load(part: &PartFiles) -> Result<Self, LoadError> {
        Self::load_with(part, &LoadOptions::default())
    }

    /// Opens a transformer as `options` say: checks every tensor, and reads what is small.
    ///
    /// The large matrices are read when they are first used; [`LoadOptions::budget_bytes`] decides which of them stay.
    /// Without a `config.json`, the sizes are those of the tensors.
    pub fn load_with(part: &PartFiles, options: &LoadOptions) -> Result<Self, LoadError> {
        let weights = Weights::open_with(part, options)?;
        weights.expect(Looks::Flux2Transformer)?;
        let config = TransformerConfig::of_part(part, &weights)?;
        // Few and sensitive, so they keep their digits: the published quantised files do the same.
        let exact = weights.exact();
        let linear = |name, n_in, n_out| Linear::load(&exact.at(name), n_in, n_out);
        let width = config.width();
        let embedder = exact.at("time_guidance_embed");
        let blocks = Blocks::load(&weights, &config)?;
        let block_bytes: Vec<u64> = blocks.weighted().iter().map(|block| block.resident_bytes()).collect();
        let transformer = Self {
            image_in: linear("x_embedder", config.channels, width)?,
            text_in: linear("context_embedder", config.text_width, width)?,
            timestep: NumberEmbedder::load(&embedder.at("timestep_embedder"), &config)?,
            guidance: match config.takes_guidance {
                true => Some(NumberEmbedder::load(&embedder.at("guidance_embedder"), &config)?),
                false => None,
            },
            double_image_modulation: ModulationLinear::load(&weights.at("double_stream_modulation_img"), width)?,
            double_text_modulation: ModulationLinear::load(&weights.at("double_stream_modulation_txt"), width)?,
            single_modulation: ModulationLinear::load(&weights.at("single_stream_modulation"), width)?,
            blocks,
            out_modulation: linear("norm_out.linear", width, 2 * width)?,
            out: linear("proj_out", width, config.channels)?,
            weight_bytes: weights.resident_bytes(),
            residence: Residence { n_kept: block_bytes.len(), peak_bytes: weights.resident_bytes() },
            device: weights.device().clone(),
            dtype: weights.options().dtype,
            config,
        };
        weights.refuse_extras(|_| false)?;
        for used in &options.loras {
            if let Some(module) = used.lora.modules().find(|module| !weights.at(module).has("weight")) {
                let reason = format!("it changes `{module}`, which this transformer does not have");
                return Err(LoadError::Lora { reason, path: used.lora.path().to_owned() });
            }
        }
        let outside_bytes = weights.resident_bytes() - block_bytes.iter().sum::<u64>();
        let residence = Residence::within(options.budget_bytes, outside_bytes, &block_bytes)?;
        Ok(Self { residence, ..transformer })
    }

    /// The sizes of the transformer.
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// Says how many bytes of memory all weights take.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Says how many bytes of weights are in memory at most: fewer than all of them if the budget is smaller.
    pub fn peak_weight_bytes(&self) -> u64 {
        self.residence.peak_bytes
    }

    /// Whether some blocks are read again in every step.
    pub fn is_streamed(&self) -> bool {
        self.residence.n_kept < self.config.n_double_blocks + self.config.n_single_blocks
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Lays out a scene for all steps of a draw.
    pub fn prepare(&self, scene: &Scene) -> Result<Sequence> {
        let mut sequence = Sequence::new(&self.config, scene)?;
        sequence.rope = sequence.rope.to_device(&self.device)?;
        if let Some(memory) = &mut sequence.memory {
            memory.rope = memory.rope.to_device(&self.device)?;
        }
        Ok(sequence)
    }

    /// Computes the velocity of a picture, from data to noise.
    ///
    /// `image` is `[b, tokens, channels]`, like the result; `timestep` is the noise level, 0 to 1. The first call may
    /// leave in `sequence` what later ones need of its reference pictures.
    pub fn velocity(&self, image: &Tensor, sequence: &mut Sequence, timestep: f32) -> Result<Tensor> {
        self.velocity_while(image, sequence, timestep, &|| ControlFlow::Continue(()))
    }

    /// As [`velocity`](Self::velocity), and asks before each block whether to go on; fails if not.
    pub fn velocity_while(
        &self,
        image: &Tensor,
        sequence: &mut Sequence,
        timestep: f32,
        go_on: &dyn Fn() -> ControlFlow<()>,
    ) -> Result<Tensor> {
        std::thread::scope(|scope| {
            let mut turns = Turns::new(scope, self.blocks.weighted(), self.residence, go_on);
            self.velocity_in_turns(image, sequence, timestep, &mut turns, &mut |_, _| ())
        })
    }

    /// As [`velocity`](Self::velocity), and shows every stage to `observe`.
    ///
    /// The stages of reference pictures that are looked at once have names of their own, which begin with `once.`.
    pub fn velocity_observed(
        &self,
        image: &Tensor,
        sequence: &mut Sequence,
        timestep: f32,
        observe: &mut Observe,
    ) -> Result<Tensor> {
        std::thread::scope(|scope| {
            let mut turns = Turns::new(scope, self.blocks.weighted(), self.residence, &|| ControlFlow::Continue(()));
            self.velocity_in_turns(image, sequence, timestep, &mut turns, observe)
        })
    }

    fn velocity_in_turns(
        &self,
        image: &Tensor,
        sequence: &mut Sequence,
        timestep: f32,
        turns: &mut Turns,
        observe: &mut Observe,
    ) -> Result<Tensor> {
        let (b, n_image, _) = image.dims3()?;
        let conditioning = self.conditioning(timestep, sequence.guidance, observe)?;
        let activated = candle_nn::ops::silu(&conditioning)?;
        let modulations = self.modulations(&activated, observe)?;
        let mut recall = self.recall(sequence, observe)?;
        let rope = &sequence.rope;

        let mut image = self.image_in.forward(&self.taken(image)?)?;
        if let Some(followers) = &sequence.followers {
            let followers = self.image_in.forward(&self.taken(followers)?)?;
            image = Tensor::cat(&[image, repeated(&followers, b)?], 1)?;
        }
        observe("x_embed", &image);
        let text = self.text_in.forward(&self.taken(&sequence.text)?)?;
        let mut text = repeated(&text, b)?;
        observe("context_embed", &text);
        let n_text = text.dim(1)?;

        for block_idx in 0..self.config.n_double_blocks {
            let block = self.blocks.double(block_idx);
            turns.begin(block_idx)?;
            recall.advance(|references, modulations, rope| block.remember(references, modulations, rope))?;
            (image, text) = block.forward(&image, &text, &modulations, rope, recall.kept(block_idx, n_text))?;
            turns.end(block_idx);
            recall.observe(&format!("once.double.{block_idx}.img"), observe);
            observe(&format!("double.{block_idx}.img"), &image);
            observe(&format!("double.{block_idx}.txt"), &text);
        }

        let mut both = Tensor::cat(&[text, image], 1)?; // [b, text tokens + tokens, width]
        for block_idx in 0..self.config.n_single_blocks {
            let block = self.blocks.single(block_idx);
            let turn = self.config.n_double_blocks + block_idx;
            turns.begin(turn)?;
            recall.advance(|references, modulations, rope| block.remember(references, modulations, rope))?;
            both = block.forward(&both, &modulations, rope, recall.kept(turn, n_text))?;
            turns.end(turn);
            recall.observe(&format!("once.single.{block_idx}"), observe);
            observe(&format!("single.{block_idx}"), &both);
        }
        if let Some(memory) = &mut sequence.memory {
            memory.kept = Some(recall.kept);
        }

        // Reference pictures, if any are in the sequence, are its end: they stay as they are.
        let image = both.narrow(1, n_text, n_image)?;
        let image = self.modulate_out(&image, &activated)?;
        observe("norm_out", &image);
        self.out.forward(&image)?.to_dtype(DType::F32)
    }

    /// Brings an input to the device and the type of the weights.
    fn taken(&self, x: &Tensor) -> Result<Tensor> {
        x.to_device(&self.device)?.to_dtype(self.dtype)
    }

    fn conditioning(&self, timestep: f32, guidance: f64, observe: &mut Observe) -> Result<Tensor> {
        let waves = sinusoid(timestep * 1000.0, self.config.timestep_width)?;
        observe("time_proj", &waves);
        let timestep = self.timestep.forward(&self.taken(&waves)?)?;
        observe("timestep_emb", &timestep);
        let conditioning = match &self.guidance {
            Some(embedder) => {
                let waves = sinusoid(guidance as f32 * 1000.0, self.config.timestep_width)?;
                let guidance = embedder.forward(&self.taken(&waves)?)?;
                observe("guidance_emb", &guidance);
                (timestep + guidance)?
            }
            None => timestep,
        };
        observe("temb", &conditioning);
        Ok(conditioning)
    }

    fn modulations(&self, activated: &Tensor, observe: &mut Observe) -> Result<Modulations> {
        Ok(Modulations {
            image: self.double_image_modulation.forward(activated, |raw| observe("mod_img", raw))?,
            text: self.double_text_modulation.forward(activated, |raw| observe("mod_txt", raw))?,
            single: self.single_modulation.forward(activated, |raw| observe("mod_single", raw))?,
        })
    }

    /// Begins to look at reference pictures, or takes out what is kept of them.
    ///
    /// They are pictures without noise at every noise level of the drawn one.
    fn recall(&self, sequence: &mut Sequence, observe: &mut Observe) -> Result<Recall> {
        let Some(memory) = &mut sequence.memory else {
            return Ok(Recall { kept: Vec::new(), looking: None });
        };
        if let Some(kept) = memory.kept.take() {
            return Ok(Recall { kept, looking: None });
        }
        let conditioning = self.conditioning(0.0, sequence.guidance, &mut |_, _| ())?;
        let modulations = self.modulations(&candle_nn::ops::silu(&conditioning)?, &mut |_, _| ())?;
        let references = self.image_in.forward(&self.taken(&memory.tokens)?)?;
        observe("once.x_embed", &references);
        Ok(Recall { kept: Vec::new(), looking: Some(Looking { references, modulations, rope: memory.rope.clone() }) })
    }

    /// The last normalisation. Its rows are scale, then shift: the other way round than in every block.
    fn modulate_out(&self, image: &Tensor, activated: &Tensor) -> Result<Tensor> {
        let rows = self.out_modulation.forward(activated)?.reshape((2, ()))?;
        let (scale, shift) = (rows.get(0)?, rows.get(1)?);
        layer_norm(image, &(scale + 1.0)?, &shift, self.config.eps)
    }
}

/// The blocks of a transformer, in order.
struct Blocks {
    double: Vec<DoubleBlock>,
    single: Vec<SingleBlock>,
}

impl Blocks {
    fn load(weights: &Weights, config: &TransformerConfig) -> Result<Self, LoadError> {
        let double = weights.at("transformer_blocks");
        let single = weights.at("single_transformer_blocks");
        Ok(Self {
            double: (0..config.n_double_blocks)
                .map(|block_idx| DoubleBlock::load(&double.at(block_idx), config))
                .collect::<Result<_, _>>()?,
            single: (0..config.n_single_blocks)
                .map(|block_idx| SingleBlock::load(&single.at(block_idx), config))
                .collect::<Result<_, _>>()?,
        })
    }

    /// All blocks in the order of their turns.
    fn weighted(&self) -> Vec<&dyn Weighted> {
        let double = self.double.iter().map(|block| block as &dyn Weighted);
        double.chain(self.single.iter().map(|block| block as &dyn Weighted)).collect()
    }

    fn double(&self, block_idx: usize) -> &DoubleBlock {
        &self.double[block_idx]
    }

    fn single(&self, block_idx: usize) -> &SingleBlock {
        &self.single[block_idx]
    }
}

/// Reference pictures that are looked at once.
///
/// The first call sends them through the blocks beside the drawn picture, so that each block is touched once; later
/// calls only read what was kept. Either way they are computed by themselves: the bits do not depend on which it was.
struct Recall {
    kept: Vec<KeyValues>,
    looking: Option<Looking>,
}

/// Reference pictures on their way through the blocks.
struct Looking {
    references: Tensor,
    modulations: Modulations,
    rope: Rope,
}

impl Recall {
    /// Sends the reference pictures through the next block, if they are on their way.
    fn advance(
        &mut self,
        remember: impl FnOnce(&Tensor, &Modulations, &Rope) -> Result<(Tensor, KeyValues)>,
    ) -> Result<()> {
        if let Some(Looking { references, modulations, rope }) = &mut self.looking {
            let (next, kept) = remember(references, modulations, rope)?;
            *references = next;
            self.kept.push(kept);
        }
        Ok(())
    }

    /// What a block sees of the reference pictures.
    fn kept(&self, block_idx: usize, n_text: usize) -> Option<Kept<'_>> {
        self.kept.get(block_idx).map(|others| Kept { others, n_text })
    }

    fn observe(&self, name: &str, observe: &mut Observe) {
        if let Some(looking) = &self.looking {
            observe(name, &looking.references);
        }
    }
}
