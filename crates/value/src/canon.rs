//! The canonical bytes of values: what is hashed, and what a blob file holds.
//!
//! A bundle is a safetensors file, written so that equal bundles are equal bytes:
//!
//! | bytes | content |
//! | --- | --- |
//! | 8 | length of the header, u64, little-endian |
//! | n | header: JSON without blanks, padded with spaces to a multiple of 8 |
//! | rest | tensor bytes in the order of their names, contiguous, little-endian |
//!
//! The header's first entry is `__metadata__`: `"rondel.kind"` and the bundle's own entries, sorted, each as
//! `"meta.<name>"`. Then one entry a tensor, sorted by name, with `dtype`, `shape`, `data_offsets` in this order.
//!
//! Any other value is one byte for its tag, as in `rondel.h`, and then its content; see [`digest_of_value`].

use std::collections::BTreeMap;
use std::io::{self, Write};

use bytes::Bytes;
use rondel_abi::tag;
use serde_json::{Map, json};

use crate::bundle::{Bundle, Kind, Meta};
use crate::digest::Digest;
use crate::tensor::{DType, Tensor, TensorError};
use crate::value::Value;

const KIND_KEY: &str = "rondel.kind";
const META_PREFIX: &str = "meta.";
/// A header larger than this is not one of ours; the format's own limit is 100 MB.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// Writes the canonical bytes of a bundle.
pub fn write(bundle: &Bundle, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    write_head(bundle, out)?;
    for tensor in bundle.tensors() {
        out.write_all(tensor.data())?;
    }
    Ok(())
}

/// Writes the canonical bytes up to the first tensor, for who wants the shapes and not the content.
pub fn write_head(bundle: &Bundle, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let header = header_of(bundle);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)
}

/// The blake3 of what [`write`] writes.
pub(crate) fn digest_of(bundle: &Bundle) -> Digest {
    let mut hasher = blake3::Hasher::new();
    write(bundle, &mut hasher).expect("hashing does not fail");
    hasher.finalize().into()
}

/// How many bytes [`write`] writes.
pub fn written_bytes(bundle: &Bundle) -> u64 {
    let tensors: usize = bundle.tensors().iter().map(|tensor| tensor.data().len()).sum();
    (8 + header_of(bundle).len() + tensors) as u64
}

fn header_of(bundle: &Bundle) -> Vec<u8> {
    // serde_json keeps insertion order here, and the order is the format.
    let mut metadata: BTreeMap<String, &str> = BTreeMap::new();
    metadata.insert(KIND_KEY.to_owned(), bundle.kind().name());
    for (name, text) in bundle.meta() {
        metadata.insert(format!("{META_PREFIX}{name}"), text);
    }
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!(metadata));
    let mut offset = 0;
    for tensor in bundle.tensors() {
        let end = offset + tensor.data().len();
        let entry = json!({ "dtype": tensor.dtype().name(), "shape": tensor.shape(), "data_offsets": [offset, end] });
        header.insert(tensor.name().to_owned(), entry);
        offset = end;
    }
    let mut text = serde_json::to_vec(&header).expect("a map of text serialises");
    text.resize(text.len().next_multiple_of(8), b' ');
    text
}

/// Bytes that are not the canonical form of a bundle.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{have} bytes are too few: the header says {need}")]
    TooShort { have: u64, need: u64 },
    #[error("the header of {0} bytes is too long to be one")]
    HeaderTooLong(u64),
    #[error("the header is not JSON: {0}")]
    Header(#[from] serde_json::Error),
    #[error("the header has no `rondel.kind`, or one that this version does not know")]
    Kind,
    #[error("tensor `{name}` has dtype `{dtype}`, which this version does not know")]
    DType { name: String, dtype: String },
    #[error("tensor `{0}` lies outside the file")]
    Offsets(String),
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

#[derive(serde::Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// Reads canonical bytes; the tensors are slices of `bytes`, nothing is copied.
pub fn read(bytes: &Bytes) -> Result<Bundle, ReadError> {
    let have = bytes.len() as u64;
    let Some((length, _)) = bytes.split_first_chunk::<8>() else {
        return Err(ReadError::TooShort { have, need: 8 });
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES {
        return Err(ReadError::HeaderTooLong(length));
    }
    let body_start = 8 + length;
    if have < body_start {
        return Err(ReadError::TooShort { have, need: body_start });
    }
    let mut header: Map<String, serde_json::Value> = serde_json::from_slice(&bytes[8..body_start as usize])?;
    let metadata: BTreeMap<String, String> =
        serde_json::from_value(header.remove("__metadata__").ok_or(ReadError::Kind)?)?;
    let kind = metadata.get(KIND_KEY).and_then(|name| Kind::named(name)).ok_or(ReadError::Kind)?;
    let meta: Meta = metadata
        .into_iter()
        .filter_map(|(name, text)| Some((name.strip_prefix(META_PREFIX)?.to_owned(), text)))
        .collect();

    let body = bytes.slice(body_start as usize..);
    let mut tensors = Vec::with_capacity(header.len());
    for (name, entry) in header {
        let entry: Entry = serde_json::from_value(entry)?;
        let Some(dtype) = DType::named(&entry.dtype) else {
            return Err(ReadError::DType { name, dtype: entry.dtype });
        };
        let [start, end] = entry.data_offsets;
        if start > end || end > body.len() {
            return Err(ReadError::Offsets(name));
        }
        tensors.push(Tensor::new(name, dtype, entry.shape, body.slice(start..end))?);
    }
    Ok(Bundle::new(kind, meta, tensors))
}

/// The digest of any value.
///
/// A bundle's is that of its canonical bytes. Otherwise it is the blake3 of one byte for the tag, then: a bool as
/// one byte; numbers as 8 bytes, little-endian, `-0.0` as `0.0`; text and JSON as UTF-8; a pair as 16 bytes; a list as the
/// 32-byte digests of its items.
pub fn digest_of_value(value: &Value) -> Digest {
    match value {
        Value::Bundle(bundle) => return bundle.digest(),
        Value::List(items) => return digest_of_list(items.iter().map(digest_of_value)),
        _ => {}
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[value.tag() as u8]);
    match value {
        Value::None => {}
        Value::Bool(b) => {
            hasher.update(&[u8::from(*b)]);
        }
        Value::Int(i) => {
            hasher.update(&i.to_le_bytes());
        }
        Value::Float(f) => {
            // Adding zero turns -0.0 into 0.0: they are equal, so must their digests be.
            hasher.update(&(f + 0.0).to_le_bytes());
        }
        Value::Seed(seed) => {
            hasher.update(&seed.to_le_bytes());
        }
        Value::Text(text) => {
            hasher.update(text.as_bytes());
        }
        Value::Json(json) => {
            hasher.update(json.as_str().as_bytes());
        }
        Value::Pair([a, b]) => {
            hasher.update(&a.to_le_bytes());
            hasher.update(&b.to_le_bytes());
        }
        Value::List(_) | Value::Bundle(_) => unreachable!("handled above"),
    }
    hasher.finalize().into()
}

/// The digest of a list whose items have these digests.
pub fn digest_of_list(items: impl IntoIterator<Item = Digest>) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[tag::LIST as u8]);
    for item in items {
        hasher.update(&item.0);
    }
    hasher.finalize().into()
}
