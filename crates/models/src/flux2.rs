//! FLUX.2 klein: text to picture.
//!
//! ```text
//! prompt ── TextEncoder ── conditioning ─┐
//! seed ──── noise ──────── latent ───────┼─ Draw (Transformer) ── latent ── PictureDecoder ── to_u8
//! pictures ─ PictureEncoder ── references, start ─┘         └─ PreviewMap, after each step
//! ```
//!
//! [`Settings`] says how a model wants to be used, and a host asks it before anything else. Sizes come from the
//! `config.json` of each part: nothing below knows whether a model is the one of four billion parameters or a toy.
//!
//! # Treacherous details
//!
//! Each of these yields a picture when it is wrong, only not the right one. The test that would notice is named after
//! each; those not in this crate's sources are in `tests/recorded`.
//!
//! Text:
//!
//! 1. Hidden state `k` is the stream *after* `k` layers, and is not normalised unless it is the very last.
//!    `every_hidden_state_is_the_recorded_one`
//! 2. The text is padded to a fixed length, for klein on the right and for dev on the left, and *all* rows reach the
//!    transformer, which has no mask. `a_prompt_becomes_the_recorded_conditioning`
//! 3. Padding is seen by no token, not even by itself. Behind the text its rows see the text and must be computed; ahead
//!    of it they are one vector, of layers without attention, and not zero.
//!    `padding_is_seen_by_nobody_and_sees_the_text`, `padding_behind_a_text_depends_on_the_text_and_on_its_place`,
//!    `padding_ahead_of_a_text_is_one_vector_that_is_not_zero`
//! 4. The template of klein ends with an empty thought; that of dev has a line break inside its instruction, and begins
//!    with the only token of a beginning. `a_prompt_becomes_the_recorded_tokens`
//! 5. A prompt that is too long loses its end together with the end of the template.
//!    `a_long_prompt_loses_its_end_and_the_end_of_the_template`
//! 6. Special tokens that are spelled out in a prompt are special tokens, but `[IMG]` is taken out for dev.
//!    `a_special_token_spelled_out_in_a_prompt_is_one`, `the_mark_of_a_picture_is_taken_out_of_a_prompt_for_dev`
//! 7. The rotation of the text encoders pairs the two halves of a head; that of the transformer pairs neighbours.
//!    `every_hidden_state_is_the_recorded_one`, `rotation_at_the_published_sizes_is_the_recorded_one`
//!
//! Transformer:
//!
//! 8. Text tokens are told apart on the fourth axis, picture tokens on the second and third.
//!    `every_token_is_at_its_recorded_place`
//! 9. The sequence is text, then picture; a single block's output reads attention, then MLP.
//!    `every_stage_of_the_first_call_is_the_recorded_one`, as for the next three
//! 10. The gate of an MLP is the *first* half of its rows.
//! 11. All blocks of a kind share one modulation; its rows are shift, scale, gate, but the last normalisation of the
//!     model has scale before shift.
//! 12. The timestep is multiplied by 1000 inside the model, and its waves are cosines first.
//! 13. Two frequencies of those waves carry a rounding error of the reference, which a draw amplifies.
//!     `the_sinusoid_of_a_timestep_is_the_recorded_one`
//! 14. Guidance that is an input is multiplied by 1000 like the timestep, has an embedder of its own, and is not switched
//!     off by 1. `every_stage_of_the_first_call_is_the_recorded_one`
//! 15. Reference pictures are told apart by the first axis, which is 10 for the first and 20 for the second, and stand
//!     behind the picture. `every_token_is_at_its_recorded_place`
//! 16. Where references are looked at once, they stand between text and picture, are modulated as pictures without noise,
//!     and see only themselves. `every_stage_of_the_first_call_is_the_recorded_one`,
//!     `references_that_are_looked_at_once_leave_the_same_bits_whenever_that_is`
//! 17. In float16 the streams outgrow the type and are cut after each block. `only_float16_is_kept_finite`
//!
//! Draw:
//!
//! 18. Noise is drawn as `[1, channels, height, width]` and laid out as tokens afterwards.
//!     `a_latent_of_noise_has_the_recorded_bits`, `every_step_of_every_run_is_the_recorded_one`
//! 19. Fewer than sixteen values of noise come from another formula, and a length that is not a multiple of sixteen
//!     overwrites its end. `draws_of_any_length_have_the_recorded_bits`
//! 20. The shift of the schedule depends on size and steps, and jumps between 4300 tokens and one more.
//!     References do not count. `the_shift_jumps_after_4300_tokens`
//! 21. Given levels are shifted too. `given_levels_are_shifted_like_those_of_the_model`
//! 22. A start leaves out the first steps, of a schedule that is made for all of them.
//!     `strength_leaves_out_the_first_steps_and_never_all`
//! 23. Guidance by a second pass needs a negative text, the encoding of the empty prompt; a distilled model never takes
//!     one, whatever the guidance, and neither does dev. `a_guided_draw_is_the_recorded_one`,
//!     `a_distilled_model_never_needs_a_negative_text`, `a_variant_says_how_it_is_used`
//!
//! Picture:
//!
//! 24. Latents are normalised *after* folding, with 1e-4 added to the variance, while the normalisations inside add
//!     1e-6. `every_stage_of_decoding_is_the_recorded_one`, `every_stage_of_encoding_is_the_recorded_one`
//! 25. A folded channel is `4·channel + 2·row + column`. `a_folded_channel_goes_to_its_row_and_column_and_back`
//! 26. The decoder may be narrower than the encoder, and has one block more in every stage.
//!     `every_stage_of_decoding_is_the_recorded_one`
//! 27. A half goes to the even byte. `a_half_goes_to_the_even_byte_and_what_is_beyond_white_and_black_is_cut`
//! 28. Halving pads on the right and below only.
//!     `a_halving_convolution_has_zeros_on_the_right_and_below_only`, `every_stage_of_encoding_is_the_recorded_one`
//! 29. Encoding takes the mean, the first half of the moments, and never a sample.
//!     `every_stage_of_encoding_is_the_recorded_one`
//! 30. A tile is blended with the one above first, then with the one on the left, both blended by then; over a quarter
//!     of a tile, where the new one begins with nothing. `decoding_in_tiles_gives_the_recorded_picture`,
//!     `encoding_in_tiles_gives_the_recorded_latent`
//! 31. A reference is cut to cells and never stretched; the odd pixel is cut on the right and below.
//!     `recorded_pictures_are_shrunk_and_cut_to_the_byte`
//! 32. References are shrunk as bytes in two passes, with alpha multiplied in, before alpha is dropped.
//!     `recorded_pictures_are_shrunk_and_cut_to_the_byte`, `alpha_is_multiplied_in_while_a_picture_is_shrunk`

mod blocks;
mod config;
mod draw;
mod embedder;
mod enhance;
mod infer;
mod inpaint;
mod lanczos;
mod latent;
mod pixels;
mod preview;
mod reference;
mod residence;
mod rope;
mod samplers;
mod schedule;
mod sequence;
mod settings;
mod template;
mod text;
mod transformer;
mod vae;

pub use config::{AutoencoderConfig, TransformerConfig};
pub use draw::{Draw, DrawError, DrawOptions, DrawState, StepInfo};
pub use embedder::sinusoid;
pub use enhance::{EnhanceError, Enhanced, Enhancer};
pub use inpaint::{FoldMaskError, Start, fold_mask};
pub use latent::{NoiseError, ShapeError, noise, pack, unpack};
pub use pixels::{Pixels, to_u8};
pub use preview::PreviewMap;
pub use reference::{MAX_AREA_PX, MAX_ASPECT, MIN_SIDE_PX, ReferenceError, prepare_reference, prepared_size};
pub use rope::{Place, Rope};
pub use samplers::Sampler;
pub use schedule::{Schedule, ScheduleError, empirical_mu};
pub use sequence::{ReferenceMode, Scene, Sequence};
pub use settings::{Settings, UnknownVariant, Variant};
pub use text::{EncodeError, TextEncoder, Tokens};
pub use transformer::Transformer;
pub use vae::{
    Direction, PICTURE_BUDGET_BYTES, PictureDecoder, PictureEncoder, PictureError, TileSize, Tiling, TilingError, fold,
    peak_bytes, unfold,
};
