//! FLUX.2 klein: text to picture.
//!
//! ```text
//! prompt ── TextEncoder ── conditioning ─┐
//! seed ──── noise ──────── latent ───────┴─ sample (Transformer) ── latent ── PictureDecoder ── to_u8
//! picture ─ prepare_reference ─ PictureEncoder ── latent
//! ```
//!
//! [`Settings`] says how a model wants to be used, and a host asks it before anything else. Sizes come from the
//! `config.json` of each part: nothing below knows whether a model is the one of four billion parameters or a toy.
//!
//! Absent, and where they would go: FLUX.2 dev (its text encoder beside [`TextEncoder`], a second embedder beside the
//! one of the timestep), reference pictures ([`Place::of_picture`] takes their time already), the layouts of other
//! programs (in [`Weights`](crate::Weights), which knows names), and quantised weights (in
//! [`layers`](crate::layers)). Models that need any of these are refused when they are loaded.
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
//! 2. The text is padded on the right to a fixed length and *all* rows reach the transformer, which has no mask.
//!    `a_prompt_becomes_the_recorded_conditioning`
//! 3. Padding is seen by no token, not even by itself, but its rows see the text and must be computed.
//!    `padding_is_seen_by_nobody_and_sees_the_text`, `padded_rows_depend_on_the_prompt_and_on_their_place`
//! 4. The template ends with an empty thought; no token is added beyond it.
//!    `a_prompt_becomes_the_recorded_tokens`
//! 5. A prompt that is too long loses its end together with the end of the template.
//!    `a_long_prompt_loses_its_end_and_the_end_of_the_template`
//! 6. Special tokens that are spelled out in a prompt are special tokens.
//!    `a_special_token_spelled_out_in_a_prompt_is_one`
//! 7. The rotation of the text encoder pairs the two halves of a head; that of the transformer pairs neighbours.
//!    `every_hidden_state_is_the_recorded_one`, `rotation_at_the_published_sizes_is_the_recorded_one`
//!
//! Transformer:
//!
//! 8. Text tokens are told apart on the fourth axis, picture tokens on the second and third.
//!    `every_stage_of_the_first_call_is_the_recorded_one`, which compares the tables of the rotation too, as it does
//!    for the next four
//! 9. The sequence is text, then picture; a single block's output reads attention, then MLP.
//! 10. The gate of an MLP is the *first* half of its rows.
//! 11. All blocks of a kind share one modulation; its rows are shift, scale, gate, but the last normalisation of the
//!     model has scale before shift.
//! 12. The timestep is multiplied by 1000 inside the model, and its waves are cosines first.
//! 13. Two frequencies of those waves carry a rounding error of the reference, which a draw amplifies.
//!     `the_sinusoid_of_a_timestep_is_the_recorded_one`
//!
//! Draw:
//!
//! 14. Noise is drawn as `[1, channels, height, width]` and laid out as tokens afterwards.
//!     `a_latent_of_noise_has_the_recorded_bits`, `a_distilled_draw_is_the_recorded_one`
//! 15. Fewer than sixteen values of noise come from another formula, and a length that is not a multiple of sixteen
//!     overwrites its end. `draws_of_any_length_have_the_recorded_bits`
//! 16. The shift of the schedule depends on size and steps, and jumps between 4300 tokens and one more.
//!     `the_shift_jumps_after_4300_tokens`
//! 17. Guidance needs a negative text, the encoding of the empty prompt; a distilled model never takes one, whatever
//!     the guidance. `a_guided_draw_is_the_recorded_one`, `a_distilled_model_never_needs_a_negative_text`
//!
//! Picture:
//!
//! 18. Latents are normalised *after* folding, with 1e-4 added to the variance, while the normalisations inside add
//!     1e-6. `every_stage_of_decoding_is_the_recorded_one`, `every_stage_of_encoding_is_the_recorded_one`
//! 19. A folded channel is `4·channel + 2·row + column`. `a_folded_channel_goes_to_its_row_and_column_and_back`
//! 20. The decoder may be narrower than the encoder, and has one block more in every stage.
//!     `every_stage_of_decoding_is_the_recorded_one`
//! 21. A half goes to the even byte. `a_half_goes_to_the_even_byte_and_what_is_beyond_white_and_black_is_cut`
//! 22. Halving pads on the right and below only.
//!     `a_halving_convolution_has_zeros_on_the_right_and_below_only`, `every_stage_of_encoding_is_the_recorded_one`
//! 23. Encoding takes the mean, the first half of the moments, and never a sample.
//!     `every_stage_of_encoding_is_the_recorded_one`
//! 24. A tile is blended with the one above first, then with the one on the left, both blended by then; over a quarter
//!     of a tile, where the new one begins with nothing. `decoding_in_tiles_gives_the_recorded_picture`,
//!     `encoding_in_tiles_gives_the_recorded_latent`
//! 25. A reference is cut to cells and never stretched; the odd pixel is cut on the right and below.
//!     `recorded_pictures_are_shrunk_and_cut_to_the_byte`
//! 26. References are shrunk as bytes in two passes, with alpha multiplied in, before alpha is dropped.
//!     `recorded_pictures_are_shrunk_and_cut_to_the_byte`, `alpha_is_multiplied_in_while_a_picture_is_shrunk`

mod blocks;
mod config;
mod lanczos;
mod mask;
mod pixels;
mod reference;
mod rope;
mod sample;
mod schedule;
mod settings;
mod text;
mod transformer;
mod vae;

pub use config::{AutoencoderConfig, TransformerConfig};
pub use mask::mask_to_latent;
pub use pixels::{Pixels, to_u8};
pub use reference::{MAX_AREA_PX, MAX_ASPECT, MIN_SIDE_PX, ReferenceError, prepare_reference};
pub use rope::{Place, Rope};
pub use sample::{NoiseError, SampleError, SampleOptions, Sampler, ShapeError, noise, pack, sample, unpack};
pub use schedule::{Schedule, empirical_mu};
pub use settings::Settings;
pub use text::{EncodeError, TextEncoder, Tokens};
pub use transformer::{Transformer, sinusoid};
pub use vae::{
    Direction, PICTURE_BUDGET_BYTES, PictureDecoder, PictureEncoder, PictureError, TileSize, Tiling, TilingError, fold,
    peak_bytes, unfold,
};
