//! Tiles: encoding and decoding large pictures with the memory of small ones.
//!
//! A tile is a quarter longer than the step to the next one. Where two overlap, the result goes from the one to the
//! other in a straight line, first with the tile above, then with the one on the left; both of these are blended
//! themselves by then. A tile normalises over itself alone, so tiled results differ a little everywhere from those
//! made in one piece; the blending keeps that from being seen as a line.
//!
//! Source: diffusers `autoencoder_kl_flux2.py`, `tiled_decode`, `_tiled_encode`, `blend_v` and `blend_h`.

use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};

use super::needs::{Direction, PICTURE_BUDGET_BYTES, peak_bytes};
use super::{PictureError, whole};
use crate::Result;
use crate::error::gigabytes;
use crate::flux2::AutoencoderConfig;

/// The sides that are tried when memory decides, from the one that differs least from a picture in one piece.
const SIDES_PX: [usize; 3] = [1024, 512, 256];

/// Whether a picture is encoded or decoded in tiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tiling {
    /// In one piece, whatever that takes.
    Off,
    /// In one piece if that fits, else in the largest tiles of at most 1024, 512 or 256 pixels that do.
    Auto { budget_bytes: u64 },
    /// In tiles of at most this side, about equal, unless the picture is not larger.
    AtMost { side_px: usize },
    /// In tiles of this side, as the reference divides: the last one may be a sliver. Unless the picture is not larger.
    Exactly { side_px: usize },
}

/// The sides of the tiles of a picture, or of the picture itself where that is not divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileSize {
    pub width_px: usize,
    pub height_px: usize,
}

/// Why a picture could not be divided.
#[derive(Debug, thiserror::Error)]
pub enum TilingError {
    #[error(
        "tiles of {side_px} pixels cannot overlap by a quarter of whole values; {} and {} can",
        whole(*side_px, *multiple_px), whole(*side_px, *multiple_px) + multiple_px
    )]
    Side { side_px: usize, multiple_px: usize },
    #[error(
        "{width_px} × {height_px} pixels need {} even in tiles of {side_px} pixels, and there may be {}",
        gigabytes(*needs_bytes), gigabytes(*budget_bytes)
    )]
    Memory { width_px: usize, height_px: usize, side_px: usize, needs_bytes: u64, budget_bytes: u64 },
}

impl Tiling {
    /// Decides by memory: as much as is free, but no more than for 1024 × 1024 pixels in one piece.
    pub fn within(free_bytes: Option<u64>) -> Self {
        Self::Auto { budget_bytes: free_bytes.unwrap_or(u64::MAX).min(PICTURE_BUDGET_BYTES) }
    }

    /// Chooses the tiles for one picture; none is in one piece.
    pub fn tile_size(
        &self,
        config: &AutoencoderConfig,
        direction: Direction,
        width_px: usize,
        height_px: usize,
    ) -> Result<Option<TileSize>, TilingError> {
        let is_larger = |side_px: usize| width_px > side_px || height_px > side_px;
        // A quarter of a tile must be whole values of the latent.
        let multiple_px = 4 * config.value_px();
        let at_most = |side_px: usize| TileSize {
            width_px: even_side(width_px, side_px, multiple_px),
            height_px: even_side(height_px, side_px, multiple_px),
        };
        match *self {
            Self::Off => Ok(None),
            Self::AtMost { side_px } if side_px < multiple_px => Err(TilingError::Side { side_px, multiple_px }),
            Self::AtMost { side_px } => {
                let side_px = whole(side_px, multiple_px);
                Ok(is_larger(side_px).then(|| at_most(side_px)))
            }
            Self::Exactly { side_px } if side_px == 0 || !side_px.is_multiple_of(multiple_px) => {
                Err(TilingError::Side { side_px, multiple_px })
            }
            Self::Exactly { side_px } => {
                Ok(is_larger(side_px).then_some(TileSize { width_px: side_px, height_px: side_px }))
            }
            Self::Auto { budget_bytes } => {
                let needs = |tile| peak_bytes(config, direction, width_px, height_px, tile);
                if needs(None) <= budget_bytes {
                    return Ok(None);
                }
                let sides = SIDES_PX.map(|side_px| whole(side_px, multiple_px));
                let mut tiles = sides.into_iter().filter(|side_px| is_larger(*side_px)).map(at_most);
                match tiles.find(|tile| needs(Some(*tile)) <= budget_bytes) {
                    Some(tile) => Ok(Some(tile)),
                    None => {
                        let side_px = sides[sides.len() - 1];
                        let needs_bytes = needs(Some(at_most(side_px)));
                        Err(TilingError::Memory { width_px, height_px, side_px, needs_bytes, budget_bytes })
                    }
                }
            }
        }
    }
}

/// Chooses a side of at most `max_px` that leaves the longest last tile; the whole length if that is not longer.
///
/// A tile of a few rows knows too little of the picture, and would leave a stripe.
fn even_side(length_px: usize, max_px: usize, multiple_px: usize) -> usize {
    if length_px <= max_px {
        return length_px;
    }
    let last = |side_px: &usize| {
        let step_px = side_px - side_px / 4;
        length_px - (length_px.div_ceil(step_px) - 1) * step_px
    };
    let sides = (1..=max_px / multiple_px).map(|n| n * multiple_px).filter(|side_px| 2 * side_px > max_px);
    // Of equals the last is taken, which is the largest.
    sides.max_by_key(last).unwrap_or(max_px)
}

/// How one side of a picture is divided, in what goes in, and what is kept of each tile, in what comes out.
struct Axis {
    /// Side of a tile that goes in, and how far it is to the next.
    tile: usize,
    step: usize,
    /// How much of a tile that comes out is kept, and how much after that the next is blended with.
    kept: usize,
    blended: usize,
    /// The side of what goes in, and of what comes out.
    whole_in: usize,
    whole_out: usize,
}

impl Axis {
    /// Divides a side where `scale_in` of what goes in become `scale_out` of what comes out.
    fn new(whole_in: usize, tile: usize, scale_in: usize, scale_out: usize) -> Self {
        let out = |length: usize| length / scale_in * scale_out;
        let is_divided = tile < whole_in;
        let overlap = if is_divided { tile / 4 } else { 0 };
        Self {
            tile,
            step: tile - overlap,
            kept: out(tile - overlap),
            blended: out(overlap),
            whole_in,
            whole_out: out(whole_in),
        }
    }

    fn starts(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.whole_in).step_by(self.step)
    }

    fn len_at(&self, start: usize) -> usize {
        self.tile.min(self.whole_in - start)
    }
}

/// Where the tiles of a picture are.
pub(super) struct Grid {
    down: Axis,
    across: Axis,
}

impl Grid {
    /// Divides values `(h, w)`, each of which becomes `scale`² pixels.
    pub(super) fn decoding((h, w): (usize, usize), tile: TileSize, scale: usize) -> Self {
        Self {
            down: Axis::new(h, tile.height_px / scale, 1, scale),
            across: Axis::new(w, tile.width_px / scale, 1, scale),
        }
    }

    /// Divides pixels `(h, w)`, of which `scale`² become one value.
    pub(super) fn encoding((h, w): (usize, usize), tile: TileSize, scale: usize) -> Self {
        Self { down: Axis::new(h, tile.height_px, scale, 1), across: Axis::new(w, tile.width_px, scale, 1) }
    }

    fn n_tiles(&self) -> usize {
        self.down.starts().count() * self.across.starts().count()
    }
}

/// Applies `run` to each picture of `x` (`[b, c, h, w]`) apart, in the tiles of `grid` or in one piece.
pub(super) fn each_picture(
    x: &Tensor,
    grid: Option<&Grid>,
    run: &mut dyn FnMut(&Tensor) -> Result<Tensor>,
    on_tile: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Tensor, PictureError> {
    let n_pictures = x.dim(0)?;
    let n_tiles = n_pictures * grid.map_or(1, Grid::n_tiles);
    let mut n_done = 0;
    let mut run = |tile: &Tensor| -> Result<Tensor, PictureError> {
        let result = run(tile)?;
        n_done += 1;
        match on_tile(n_done, n_tiles) {
            ControlFlow::Continue(()) => Ok(result),
            ControlFlow::Break(()) => Err(PictureError::Cancelled),
        }
    };
    let mut pictures = Vec::new();
    for picture_idx in 0..n_pictures {
        let picture = x.narrow(0, picture_idx, 1)?;
        pictures.push(match grid {
            Some(grid) => in_tiles(&picture, grid, &mut run)?,
            None => run(&picture)?,
        });
    }
    Ok(Tensor::cat(&pictures, 0)?)
}

/// Applies `run` to the tiles of one picture, `[1, c, h, w]`, and blends the results.
fn in_tiles(
    picture: &Tensor,
    grid: &Grid,
    run: &mut dyn FnMut(&Tensor) -> Result<Tensor, PictureError>,
) -> Result<Tensor, PictureError> {
    let Grid { down, across } = grid;
    let mut canvas: Option<Tile> = None;
    let mut above: Vec<Tile> = Vec::new();
    for (row_idx, top) in down.starts().enumerate() {
        let band = picture.narrow(2, top, down.len_at(top))?;
        let mut row: Vec<Tile> = Vec::new();
        for (column_idx, left) in across.starts().enumerate() {
            let tile = band.narrow(3, left, across.len_at(left))?.contiguous()?;
            let mut tile = Tile::read(&run(&tile)?)?;
            if let Some(above) = above.get(column_idx) {
                tile.blend_below(above, down.blended);
            }
            if let Some(left) = row.last() {
                tile.blend_right_of(left, across.blended);
            }
            let canvas = canvas.get_or_insert_with(|| Tile::blank(tile.n_channels, down.whole_out, across.whole_out));
            canvas.paste(&tile, (row_idx * down.kept, column_idx * across.kept), (down.kept, across.kept));
            row.push(tile);
        }
        above = row;
    }
    let Tile { n_channels, height, width, values } = canvas.expect("a picture has one tile at least");
    Ok(Tensor::from_vec(values, (1, n_channels, height, width), picture.device())?)
}

/// Values of a tile that came out, `[n_channels, height, width]`.
struct Tile {
    n_channels: usize,
    height: usize,
    width: usize,
    values: Vec<f32>,
}

impl Tile {
    fn blank(n_channels: usize, height: usize, width: usize) -> Self {
        Self { n_channels, height, width, values: vec![0.0; n_channels * height * width] }
    }

    fn read(tile: &Tensor) -> Result<Self> {
        let (_, n_channels, height, width) = tile.dims4()?;
        let values = tile.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        Ok(Self { n_channels, height, width, values })
    }

    fn at(&self, channel: usize, y: usize, x: usize) -> usize {
        (channel * self.height + y) * self.width + x
    }

    /// Goes from the last rows of `above` to the own first ones.
    fn blend_below(&mut self, above: &Self, extent: usize) {
        let extent = extent.min(above.height).min(self.height);
        for channel in 0..self.n_channels {
            for y in 0..extent {
                let (from, to) = weights(y, extent);
                let start = above.at(channel, above.height - extent + y, 0);
                let start_own = self.at(channel, y, 0);
                let own = &mut self.values[start_own..][..self.width];
                let other = &above.values[start..][..above.width];
                own.iter_mut().zip(other).for_each(|(own, other)| *own = other * from + *own * to);
            }
        }
    }

    /// Goes from the last columns of `left` to the own first ones.
    fn blend_right_of(&mut self, left: &Self, extent: usize) {
        let extent = extent.min(left.width).min(self.width);
        for channel in 0..self.n_channels {
            for y in 0..self.height {
                let start = left.at(channel, y, left.width - extent);
                let start_own = self.at(channel, y, 0);
                let own = &mut self.values[start_own..][..extent];
                for (x, (own, other)) in own.iter_mut().zip(&left.values[start..]).enumerate() {
                    let (from, to) = weights(x, extent);
                    *own = other * from + *own * to;
                }
            }
        }
    }

    /// Copies the first `height` rows and `width` columns of `tile` to `(top, left)`.
    fn paste(&mut self, tile: &Self, (top, left): (usize, usize), (height, width): (usize, usize)) {
        let width = width.min(tile.width);
        for channel in 0..self.n_channels {
            for y in 0..height.min(tile.height) {
                let (to, from) = (self.at(channel, top + y, left), tile.at(channel, y, 0));
                self.values[to..][..width].copy_from_slice(&tile.values[from..][..width]);
            }
        }
    }
}

/// How much of the other tile and of the own is taken at a place of the overlap.
fn weights(place: usize, extent: usize) -> (f32, f32) {
    let own = place as f64 / extent as f64;
    ((1.0 - own) as f32, own as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_equal_tiles_leave_no_sliver() {
        // The reference's tiles of 1024 would leave the last 16 rows to a tile of their own.
        assert_eq!(even_side(1552, 1024, 32), 704);
        for length_px in (272..=2048).step_by(16) {
            let side_px = even_side(length_px, 256, 32);
            let step_px = side_px - side_px / 4;
            let last = (length_px - 1) % step_px + 1;
            assert!(last >= 64, "{length_px} pixels leave {last} to the last tile of {side_px}");
        }
        assert_eq!(even_side(1024, 1024, 32), 1024);
    }

    /// The sizes of the published autoencoder.
    fn published() -> AutoencoderConfig {
        let config = r#"{"latent_channels": 32, "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
                         "norm_num_groups": 32, "batch_norm_eps": 1e-4}"#;
        serde_json::from_str(config).unwrap()
    }

    fn chosen(direction: Direction, side_px: usize, budget_bytes: u64) -> Result<Option<TileSize>, TilingError> {
        Tiling::Auto { budget_bytes }.tile_size(&published(), direction, side_px, side_px)
    }

    #[test]
    fn memory_decides_between_one_piece_and_tiles() {
        let budget_bytes = crate::flux2::PICTURE_BUDGET_BYTES;
        let square = |side_px| Some(TileSize { width_px: side_px, height_px: side_px });
        for direction in [Direction::Encode, Direction::Decode] {
            assert_eq!(chosen(direction, 1024, budget_bytes).unwrap(), None);
            assert_eq!(chosen(direction, 2048, budget_bytes).unwrap(), square(928));
            assert_eq!(chosen(direction, 2048, 1 << 30).unwrap(), square(480));
            assert_eq!(chosen(direction, 1024, 400_000_000).unwrap(), square(256));
        }
    }

    #[test]
    fn what_does_not_even_fit_in_tiles_is_refused_with_the_sum() {
        assert_eq!(
            chosen(Direction::Decode, 2048, 100_000_000).unwrap_err().to_string(),
            "2048 × 2048 pixels need 411.0 MB even in tiles of 256 pixels, and there may be 100.0 MB"
        );
    }

    #[test]
    fn decoding_a_megapixel_in_one_piece_takes_about_3_gigabytes() {
        let bytes = peak_bytes(&published(), Direction::Decode, 1024, 1024, None);
        assert_eq!(bytes >> 20, 3092);
    }

    #[test]
    fn weights_go_from_the_one_to_the_other() {
        assert_eq!([0, 1, 3].map(|place| weights(place, 4)), [(1.0, 0.0), (0.75, 0.25), (0.25, 0.75)]);
    }
}
