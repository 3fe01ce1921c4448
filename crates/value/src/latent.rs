//! Latents: pictures as a model's autoencoder sees them.
//!
//! The bundle holds `latent`, `[b, c, h, w]`; its metadata says `family` and the picture's size in pixels.

use crate::bundle::{Bundle, Kind, Meta};
use crate::image::{ViewError, expect_kind};
use crate::tensor::Tensor;

/// The entry of a bundle's metadata that names its model family.
pub const FAMILY_KEY: &str = "family";
const WIDTH_KEY: &str = "width_px";
const HEIGHT_KEY: &str = "height_px";

/// A picture as a model's autoencoder sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Latent(Bundle);

impl Latent {
    /// Names `tensor`, `[b, c, h, w]`, as the latent of a picture of `width_px`×`height_px`.
    pub fn new(family: &str, (width_px, height_px): (usize, usize), tensor: Tensor) -> Result<Latent, ViewError> {
        let meta = Meta::from([
            (FAMILY_KEY.to_owned(), family.to_owned()),
            (WIDTH_KEY.to_owned(), width_px.to_string()),
            (HEIGHT_KEY.to_owned(), height_px.to_string()),
        ]);
        Latent::try_from(Bundle::new(Kind::Latent, meta, [tensor.renamed("latent")]))
    }

    pub fn tensor(&self) -> &Tensor {
        self.0.tensor("latent").expect("checked when the view was made")
    }

    pub fn family(&self) -> &str {
        &self.0.meta()[FAMILY_KEY]
    }

    /// Width and height of the picture in pixels.
    pub fn size_px(&self) -> (usize, usize) {
        let side = |key| self.0.meta()[key].parse().expect("checked when the view was made");
        (side(WIDTH_KEY), side(HEIGHT_KEY))
    }
}

impl TryFrom<Bundle> for Latent {
    type Error = ViewError;

    fn try_from(bundle: Bundle) -> Result<Latent, ViewError> {
        let kind = Kind::Latent;
        expect_kind(&bundle, kind)?;
        if !bundle.meta().contains_key(FAMILY_KEY) {
            return Err(ViewError::Meta { kind, entry: FAMILY_KEY });
        }
        for entry in [WIDTH_KEY, HEIGHT_KEY] {
            let side = bundle.meta().get(entry).and_then(|text| text.parse::<usize>().ok());
            side.ok_or(ViewError::Meta { kind, entry })?;
        }
        match bundle.tensor("latent") {
            Some(tensor) if tensor.shape().len() == 4 => Ok(Latent(bundle)),
            _ => Err(ViewError::Tensor { kind, tensor: "latent" }),
        }
    }
}

impl From<Latent> for Bundle {
    fn from(latent: Latent) -> Bundle {
        latent.0
    }
}
