//! How much memory encoding or decoding a picture takes, from the sizes alone.
//!
//! The walk below follows that of [`PictureEncoder`](super::PictureEncoder) and
//! [`PictureDecoder`](super::PictureDecoder), and counts at each layer the tensors that are held at once. What the
//! allocator sees is compared with it in `tests/memory.rs`, so a change of a layer that takes more is noticed there.

use super::tiles::TileSize;
use crate::flux2::AutoencoderConfig;

/// Which way through an autoencoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Encode,
    Decode,
}

/// What encoding or decoding a picture may take where nobody says otherwise: enough for 1024 × 1024 pixels in one piece.
pub const PICTURE_BUDGET_BYTES: u64 = 4 << 30;

/// What layers take beside their tensors: packed blocks of a product, tables, small change.
const WORKSPACE_BYTES: u64 = 8 << 20;

/// How many scores of the attention are held at once; see `layers/attention.rs`.
const MAX_SCORES: u64 = 16 << 20;

/// How many columns of a convolution are held at once; see `layers/conv2d.rs`.
const MAX_COLUMNS: u64 = 4 << 20;

const BYTES_PER_VALUE: u64 = 4;

/// Estimates the bytes that encoding or decoding one picture takes beside the weights, in tiles or in one piece.
///
/// Of several pictures, which follow each other, the results stay: `3·4` bytes more for each pixel of each.
pub fn peak_bytes(
    config: &AutoencoderConfig,
    direction: Direction,
    width_px: usize,
    height_px: usize,
    tile: Option<TileSize>,
) -> u64 {
    let (width, height) = tile.map_or((width_px, height_px), |tile| (tile.width_px, tile.height_px));
    let n_pixels = (width.min(width_px) * height.min(height_px)) as u64;
    let run = Walk { n_pixels, peak: 0 }.peak(config, direction);
    let picture = 3 * (width_px * height_px) as u64;
    // The picture as it is given or made; with tiles also the canvas and the tiles of two rows.
    let around = match tile {
        Some(_) => 4 * picture,
        None => picture,
    };
    (run + around) * BYTES_PER_VALUE + WORKSPACE_BYTES
}

/// Counts values, not bytes.
struct Walk {
    /// Of the picture, not of the place where the walk is.
    n_pixels: u64,
    peak: u64,
}

impl Walk {
    fn peak(mut self, config: &AutoencoderConfig, direction: Direction) -> u64 {
        let latent_channels = config.latent_channels as u64;
        let n_values = self.n_pixels / (config.value_px() as u64).pow(2);
        match direction {
            Direction::Encode => {
                let widths = config.encoder_widths();
                let mut n_in = widths[0] as u64;
                let mut n_here = self.n_pixels;
                self.conv(3, n_in, n_here);
                for (stage_idx, &n_out) in widths.iter().enumerate() {
                    let n_out = n_out as u64;
                    self.resnets(config.layers_per_block, n_in, n_out, n_here);
                    n_in = n_out;
                    if stage_idx + 1 < widths.len() {
                        self.note(n_out * n_here + 2 * n_out * (n_here / 4));
                        n_here /= 4;
                    }
                }
                self.middle(n_in, n_values);
                self.conv(n_in, 2 * latent_channels, n_values);
            }
            Direction::Decode => {
                let widths = config.decoder_widths();
                let mut n_in = widths[widths.len() - 1] as u64;
                let mut n_here = n_values;
                self.conv(latent_channels, n_in, n_here);
                self.middle(n_in, n_here);
                for (stage_idx, &n_out) in widths.iter().rev().enumerate() {
                    let n_out = n_out as u64;
                    self.resnets(config.layers_per_block + 1, n_in, n_out, n_here);
                    n_in = n_out;
                    if stage_idx + 1 < widths.len() {
                        n_here *= 4;
                        self.conv(n_out, n_out, n_here);
                    }
                }
                self.note(2 * n_in * n_here);
                self.conv(n_in, 3, n_here);
            }
        }
        self.peak
    }

    fn note(&mut self, n_values: u64) {
        self.peak = self.peak.max(n_values);
    }

    /// A convolution of 3×3 holds what goes in; and what comes out twice, in bands and joined, or once with columns.
    fn conv(&mut self, n_in: u64, n_out: u64, n_pixels: u64) {
        self.conv_beside(0, n_in, n_out, n_pixels);
    }

    /// As [`conv`](Self::conv), while something else is held.
    fn conv_beside(&mut self, n_held: u64, n_in: u64, n_out: u64, n_pixels: u64) {
        let columns = MAX_COLUMNS.min(9 * n_in * n_pixels);
        self.note((n_held + n_in + n_out) * n_pixels + columns.max(n_out * n_pixels));
    }

    fn resnets(&mut self, n_blocks: usize, n_in: u64, n_out: u64, n_pixels: u64) {
        let mut n_in = n_in;
        for _ in 0..n_blocks {
            // What came in is held for the shortcut.
            self.conv_beside(n_in, n_in, n_out, n_pixels);
            self.conv_beside(n_in, n_out, n_out, n_pixels);
            n_in = n_out;
        }
    }

    fn middle(&mut self, width: u64, n_pixels: u64) {
        self.resnets(2, width, width, n_pixels);
        // What goes in, normalised and in order, the three projections, two of them laid out anew, and the sums in
        // blocks and joined; then scores before and after the softmax.
        let scores = (n_pixels * n_pixels).min(MAX_SCORES.max(n_pixels));
        self.note(9 * width * n_pixels + 2 * scores);
    }
}
