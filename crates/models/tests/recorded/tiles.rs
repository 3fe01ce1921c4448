//! Tiles of the small trained model: whether their edges are seen.
//!
//! A tile normalises over itself, so its picture is a few levels lighter or darker here and there than the same place
//! of a picture in one piece. That is seen only where it changes suddenly: so the *difference* between the two is
//! looked at, and how far it jumps from one column (or row) to the next.

use std::ops::{ControlFlow, Range};
use std::sync::LazyLock;

use candle_core::{Device, Tensor};
use rondel_models::flux2::{PictureDecoder, PictureEncoder, Tiling, to_u8};

use crate::fixture::Folder;

const SIDE: usize = 208;
const TILE: usize = 96;

/// Where blending begins and ends, across and down.
const SEAMS: [usize; 4] = [72, 96, 144, 168];

/// Wide, soft shapes: where a seam would be seen first.
fn smooth_picture() -> Tensor {
    let value = |channel: usize, y: usize, x: usize| {
        let (x, y) = (x as f32 / SIDE as f32, y as f32 / SIDE as f32);
        let phase = channel as f32 * 0.9;
        0.55 * (2.2 * x + 1.4 * y + phase).sin() + 0.3 * (5.0 * (x - y) * (x + 0.6) + phase).cos()
    };
    let places = (0..3).flat_map(|channel| (0..SIDE).flat_map(move |y| (0..SIDE).map(move |x| (channel, y, x))));
    let values: Vec<f32> = places.map(|(channel, y, x)| value(channel, y, x)).collect();
    Tensor::from_vec(values, (1, 3, SIDE, SIDE), &Device::Cpu).expect("a picture")
}

fn levels(image: &Tensor) -> Vec<i32> {
    let bytes = to_u8(image).and_then(|it| Ok(it.flatten_all()?.to_vec1::<u8>()?)).expect("bytes");
    bytes.into_iter().map(i32::from).collect()
}

/// How many levels the difference of two pictures jumps from each column, then from each row, to the next, on average
/// over the line.
fn jumps(a: &[i32], b: &[i32]) -> [Vec<f64>; 2] {
    let difference = |y: usize, x: usize, channel: usize| {
        let place = (y * SIDE + x) * 3 + channel;
        a[place] - b[place]
    };
    let mean = |jump: &dyn Fn(usize, usize) -> i32| {
        let places = (0..SIDE).flat_map(|along| (0..3).map(move |channel| (along, channel)));
        places.map(|(along, channel)| f64::from(jump(along, channel).abs())).sum::<f64>() / (3 * SIDE) as f64
    };
    [
        (1..SIDE).map(|x| mean(&|y, channel| difference(y, x, channel) - difference(y, x - 1, channel))).collect(),
        (1..SIDE).map(|y| mean(&|x, channel| difference(y, x, channel) - difference(y - 1, x, channel))).collect(),
    ]
}

/// The largest jump at `lines` (or beside them: a line is between two pixels), and the mean one of all inner lines.
fn at_and_inside(jumps: &[f64], lines: &[usize]) -> (f64, f64) {
    // The first jump is to column 1.
    let beside = lines.iter().flat_map(|line| [line - 2, line - 1, *line]);
    let at = beside.map(|jump_idx| jumps[jump_idx]).fold(0.0, f64::max);
    // The outermost pixels of any picture of this small model are ragged.
    const INNER: Range<usize> = 8..SIDE - 8;
    let inner = &jumps[INNER];
    (at, inner.iter().sum::<f64>() / inner.len() as f64)
}

/// What all tests look at: the picture in one piece.
struct Whole {
    encoder: PictureEncoder,
    decoder: PictureDecoder,
    latent: Tensor,
    levels: Vec<i32>,
}

static WHOLE: LazyLock<Whole> = LazyLock::new(|| {
    let part = Folder::tiny().part("vae");
    let encoder = PictureEncoder::load(&part).expect("an encoder");
    let decoder = PictureDecoder::load(&part).expect("a decoder");
    let latent = encoder.encode(&smooth_picture()).expect("a latent");
    let levels = levels(&decoder.decode(&latent).expect("a picture"));
    Whole { encoder, decoder, latent, levels }
});

const TILING: Tiling = Tiling::AtMost { side_px: TILE };

fn go_on(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Measured: up to 1.1 levels at a seam, where 0.6 is the mean of all lines and single lines reach 1.9.
fn check_seams(tiled: &Tensor) {
    for jumps in jumps(&levels(tiled), &WHOLE.levels) {
        let (at, inside) = at_and_inside(&jumps, &SEAMS);
        assert!(at < 1.5, "the picture jumps by {at} levels at a seam, and by {inside} elsewhere");
    }
}

#[test]
fn decoded_tiles_leave_no_seam_that_is_seen() {
    let Whole { decoder, latent, .. } = &*WHOLE;
    check_seams(&decoder.decode_tiled(latent, &TILING, &mut go_on).expect("a picture"));
}

#[test]
fn encoded_tiles_leave_no_seam_that_is_seen() {
    let Whole { encoder, decoder, .. } = &*WHOLE;
    let latent = encoder.encode_tiled(&smooth_picture(), &TILING, &mut go_on).expect("a latent");
    check_seams(&decoder.decode(&latent).expect("a picture"));
}

#[test]
fn pieces_that_are_not_blended_leave_a_seam() {
    let Whole { decoder, latent, levels: whole, .. } = &*WHOLE;
    let piece = |start, len| latent.narrow(3, start, len).and_then(|it| it.contiguous()).expect("a piece");
    let pieces = [piece(0, 5), piece(5, 8)].map(|piece| decoder.decode(&piece).expect("a picture"));
    let cut = levels(&Tensor::cat(&pieces, 3).expect("a picture"));
    let [across, _] = jumps(&cut, whole);
    let (at, inside) = at_and_inside(&across, &[80]);
    assert!(at > 10.0, "the picture jumps by {at} levels where it is cut, and by {inside} elsewhere");
}
