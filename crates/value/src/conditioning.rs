//! Conditioning: what a sampler is told to draw.
//!
//! The bundle holds `text`, `[b, t, d]`, and what else the family needs; its metadata says `family`.

use crate::bundle::{Bundle, Kind, Meta};
use crate::image::{ViewError, expect_kind};
use crate::latent::FAMILY_KEY;
use crate::tensor::Tensor;

/// What a sampler is told to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditioning(Bundle);

impl Conditioning {
    /// Names `text`, `[b, t, d]`, as conditioning of a family.
    pub fn new(family: &str, text: Tensor) -> Result<Conditioning, ViewError> {
        let meta = Meta::from([(FAMILY_KEY.to_owned(), family.to_owned())]);
        Conditioning::try_from(Bundle::new(Kind::Conditioning, meta, [text.renamed("text")]))
    }

    pub fn text(&self) -> &Tensor {
        self.0.tensor("text").expect("checked when the view was made")
    }

    pub fn family(&self) -> &str {
        &self.0.meta()[FAMILY_KEY]
    }
}

impl TryFrom<Bundle> for Conditioning {
    type Error = ViewError;

    fn try_from(bundle: Bundle) -> Result<Conditioning, ViewError> {
        let kind = Kind::Conditioning;
        expect_kind(&bundle, kind)?;
        if !bundle.meta().contains_key(FAMILY_KEY) {
            return Err(ViewError::Meta { kind, entry: FAMILY_KEY });
        }
        match bundle.tensor("text") {
            Some(tensor) if tensor.shape().len() == 3 => Ok(Conditioning(bundle)),
            _ => Err(ViewError::Tensor { kind, tensor: "text" }),
        }
    }
}

impl From<Conditioning> for Bundle {
    fn from(conditioning: Conditioning) -> Bundle {
        conditioning.0
    }
}
