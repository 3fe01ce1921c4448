//! Pictures to look at: shrinking, cutting, and tensors of them.

use std::path::Path;

use candle_core::Tensor;
use rondel_models::flux2::{MAX_AREA_PX, Pixels, ReferenceError, prepare_reference};

use crate::fixture::{Recorded, assert_same_bits, cases, manifest};

const CELL_PX: usize = 16;

fn golden(name: &str) -> Pixels {
    read(&crate::fixture::golden(name))
}

fn read(path: &Path) -> Pixels {
    let picture = image::open(path).expect("a picture").into_rgb8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Pixels { width_px: width, height_px: height, n_channels: 3, bytes: picture.into_raw() }
}

fn made(width_px: usize, height_px: usize, n_channels: usize, value: impl Fn(usize, usize, usize) -> usize) -> Pixels {
    let places = (0..height_px).flat_map(|y| (0..width_px).map(move |x| (x, y)));
    let value = &value;
    let bytes = places.flat_map(|(x, y)| (0..n_channels).map(move |channel| (value(x, y, channel) % 256) as u8));
    Pixels { width_px, height_px, n_channels, bytes: bytes.collect() }
}

/// Numbers that jump about, so that every rounding and clamping is met.
fn speckle(x: usize, y: usize, channel: usize) -> usize {
    x * (7 + 10 * channel) + y * (13 + 4 * channel) + x * y * (channel + 1)
}

#[test]
fn recorded_pictures_are_shrunk_and_cut_to_the_byte() {
    let listed = manifest("preprocess");
    let n_cases = listed.as_array().expect("a list").len();
    assert!(n_cases > 0);
    for case_idx in 0..n_cases {
        let given = golden(&format!("preprocess/prep{case_idx}.in.png"));
        let prepared = prepare_reference(&given, CELL_PX, MAX_AREA_PX).expect("a reference");
        assert!(prepared == golden(&format!("preprocess/prep{case_idx}.out.png")), "picture {case_idx} differs");

        let recorded = Recorded::read(&format!("preprocess/prep{case_idx}.rows.safetensors"));
        let values = prepared.to_tensor().expect("a tensor");
        let row = |y| values.narrow(2, y, 1).and_then(|it| it.reshape((3, ()))).expect("a row");
        assert_same_bits("the first row", &row(0), recorded.get("row0"));
        assert_same_bits("the last row", &row(prepared.height_px - 1), recorded.get("row_last"));
    }
}

#[test]
fn the_references_of_the_edits_are_prepared_as_recorded() {
    for (case, listed) in cases("") {
        let names = listed["reference_images"].as_array().cloned().unwrap_or_default();
        if names.is_empty() {
            continue;
        }
        let recorded = Recorded::read(&format!("{case}.safetensors"));
        for (reference_idx, name) in names.iter().enumerate() {
            let given = golden(name.as_str().expect("a name"));
            let prepared = prepare_reference(&given, CELL_PX, MAX_AREA_PX).expect("a reference");
            let values: Tensor = prepared.to_tensor().expect("a tensor");
            assert_same_bits(&case, &values, recorded.get(&format!("ref.{reference_idx}.pixels")));
        }
    }
}

/// The expected picture was made with Pillow 13.0.0: `Image.fromarray(…, "RGBA")` of the same numbers, resized with
/// `LANCZOS` to 77 × 51, its middle of 64 × 48 cut out and converted to RGB.
#[test]
fn alpha_is_multiplied_in_while_a_picture_is_shrunk() {
    let given = made(96, 64, 4, speckle);
    let prepared = prepare_reference(&given, CELL_PX, 77 * 52).expect("a reference");
    assert_eq!((prepared.width_px, prepared.height_px, prepared.n_channels), (64, 48, 4));
    let colors: Vec<u8> = prepared.bytes.chunks(4).flat_map(|pixel| &pixel[..3]).copied().collect();
    let expected = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/alpha.png"));
    assert!(colors == expected.bytes, "colours differ");

    // Then alpha is dropped.
    let opaque = Pixels { n_channels: 3, bytes: colors, ..prepared };
    assert_same_bits("values", &prepared.to_tensor().expect("a tensor"), &opaque.to_tensor().expect("a tensor"));
}

#[test]
fn grey_is_all_three_colours() {
    let grey = made(80, 64, 1, speckle);
    let color = made(80, 64, 3, |x, y, _| speckle(x, y, 0));
    let [grey, color] = [grey, color].map(|given| {
        let prepared = prepare_reference(&given, CELL_PX, 4096).expect("a reference");
        prepared.to_tensor().expect("a tensor")
    });
    assert_eq!(grey.dims(), [1, 3, 48, 64]);
    assert_same_bits("grey", &grey, &color);
}

#[test]
fn a_picture_within_the_area_is_cut_and_not_resized() {
    let given = made(70, 67, 3, speckle);
    let prepared = prepare_reference(&given, CELL_PX, MAX_AREA_PX).expect("a reference");
    assert_eq!((prepared.width_px, prepared.height_px), (64, 64));
    // 3 columns are cut on the left and 1 row above: the smaller half.
    assert_eq!(prepared.bytes[..3], given.bytes[(70 + 3) * 3..][..3]);
}

#[test]
fn what_is_too_small_too_long_or_shrunk_to_nothing_is_refused_with_what_to_do() {
    let check = |width_px, height_px, max_area_px, expected: &str| {
        let given = made(width_px, height_px, 1, |_, _, _| 0);
        let refused: ReferenceError = prepare_reference(&given, CELL_PX, max_area_px).expect_err("no reference");
        assert_eq!(refused.to_string(), expected);
    };
    check(
        63,
        640,
        MAX_AREA_PX,
        "a picture of 63 × 640 pixels is too small to look at: each side needs 64 pixels; enlarge it with `resize`",
    );
    check(
        64,
        513,
        MAX_AREA_PX,
        "a picture of 64 × 513 pixels is too long to look at: the longer side may be 8 times the shorter; \
         cut it or put it on a wider ground",
    );
    check(
        512,
        64,
        1000,
        "an area of 1000 pixels leaves less than a cell of 16 × 16 of a picture of 512 × 64 pixels; allow more",
    );
    assert!(prepare_reference(&made(64, 512, 1, |_, _, _| 0), CELL_PX, MAX_AREA_PX).is_ok());
}
