//! Named tensors and a little text: the one shape of every large value.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::canon;
use crate::digest::Digest;
use crate::tensor::Tensor;

/// What a bundle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Image,
    Mask,
    Latent,
    Conditioning,
    Tensor,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Image, Kind::Mask, Kind::Latent, Kind::Conditioning, Kind::Tensor];

    pub const fn name(self) -> &'static str {
        match self {
            Kind::Image => "Image",
            Kind::Mask => "Mask",
            Kind::Latent => "Latent",
            Kind::Conditioning => "Conditioning",
            Kind::Tensor => "Tensor",
        }
    }

    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Sorted text to text, a few entries.
pub type Meta = BTreeMap<String, String>;

/// Named tensors and a little text.
///
/// Immutable once built and cheap to clone. Its digest covers kind, metadata and tensor bytes in canonical order.
#[derive(Clone)]
pub struct Bundle(Arc<Inner>);

struct Inner {
    kind: Kind,
    meta: Meta,
    /// Sorted by name: the digest depends on the order.
    tensors: Vec<Tensor>,
    digest: OnceLock<Digest>,
}

impl Bundle {
    /// Collects tensors; of two with one name the later is kept.
    pub fn new(kind: Kind, meta: Meta, tensors: impl IntoIterator<Item = Tensor>) -> Bundle {
        let by_name: BTreeMap<String, Tensor> = tensors.into_iter().map(|t| (t.name().to_owned(), t)).collect();
        Bundle(Arc::new(Inner { kind, meta, tensors: by_name.into_values().collect(), digest: OnceLock::new() }))
    }

    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    pub fn meta(&self) -> &Meta {
        &self.0.meta
    }

    /// Sorted by name.
    pub fn tensors(&self) -> &[Tensor] {
        &self.0.tensors
    }

    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.0.tensors.iter().find(|tensor| tensor.name() == name)
    }

    /// Bytes of all tensors.
    pub fn payload_bytes(&self) -> u64 {
        self.0.tensors.iter().map(|tensor| tensor.data().len() as u64).sum()
    }

    /// The blake3 of the canonical bytes; computed at most once.
    pub fn digest(&self) -> Digest {
        *self.0.digest.get_or_init(|| canon::digest_of(self))
    }
}

impl PartialEq for Bundle {
    fn eq(&self, other: &Bundle) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.digest() == other.digest()
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.0.kind)?;
        for (i, tensor) in self.0.tensors.iter().enumerate() {
            let gap = if i > 0 { ", " } else { "" };
            write!(f, "{gap}{}: {} {:?}", tensor.name(), tensor.dtype().name(), tensor.shape())?;
        }
        f.write_str(")")
    }
}
