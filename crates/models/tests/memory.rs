//! Compares what pictures are said to take with what the allocator sees.
//!
//! A program of its own, because the count is of everything that runs in it.

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use peak_alloc::PeakAlloc;
use rondel_models::PartFiles;
use rondel_models::flux2::{Direction, PictureDecoder, PictureEncoder, Tiling, peak_bytes};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn part() -> PartFiles {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../graphs/models/tiny-flux2/vae");
    let names = ["config.json", "diffusion_pytorch_model.safetensors"];
    PartFiles { files: names.map(|name| folder.join(name)).to_vec() }
}

/// Runs `work` and says how many bytes more than before were held at once.
fn peak_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    work();
    (ALLOCATOR.peak_usage() - before) as u64
}

fn zeros(shape: [usize; 4]) -> Tensor {
    Tensor::zeros(&shape, DType::F32, &Device::Cpu).expect("zeros")
}

/// One test for all sizes: a second one beside it would be counted too.
#[test]
fn pictures_take_no_more_than_is_said_and_not_much_less() {
    let (encoder, decoder) = (PictureEncoder::load(&part()).unwrap(), PictureDecoder::load(&part()).unwrap());
    let config = decoder.config();
    let go_on = &mut |_, _| ControlFlow::Continue(());
    for (width_px, height_px, side_px) in [(256, 192, None), (256, 192, Some(128))] {
        let tiling = side_px.map_or(Tiling::Off, |side_px| Tiling::AtMost { side_px });
        for direction in [Direction::Encode, Direction::Decode] {
            let tile = tiling.tile_size(config, direction, width_px, height_px).unwrap();
            assert_eq!(tile.is_some(), side_px.is_some());
            let found = match direction {
                Direction::Encode => {
                    let picture = zeros([1, 3, height_px, width_px]);
                    peak_of(|| drop(encoder.encode_tiled(&picture, &tiling, go_on).unwrap()))
                }
                Direction::Decode => {
                    let latent = zeros([1, config.folded_channels(), height_px / 16, width_px / 16]);
                    peak_of(|| drop(decoder.decode_tiled(&latent, &tiling, go_on).unwrap()))
                }
            };
            let said = peak_bytes(config, direction, width_px, height_px, tile);
            let what = format!("{direction:?} {width_px}x{height_px} {side_px:?}: {found} were held, {said} were said");
            println!("{what}");
            assert!(found <= said, "{what}");
            // A quarter, and what is said for small change, which is most of it only in pictures as small as these.
            assert!(said <= found * 5 / 4 + (8 << 20), "{what}");
        }
    }
}
