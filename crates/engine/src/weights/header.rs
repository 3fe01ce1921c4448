//! What a weight file says of itself, read in milliseconds however large it is.
//!
//! Files are told apart by their first bytes, never by their names. What is neither safetensors nor GGUF is told by
//! what it looks like: the usual accidents are a pointer left by Git LFS, a web page, and a download that ended early.
//! Which model the tensors belong to is not known here.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use super::{gguf, safetensors};

/// What a weight file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub format: Format,
    /// By the format's own word for it: `BF16`, `Q4_K`.
    pub dtypes: BTreeMap<String, Share>,
    /// The first tensor by name: a sign of the layout, for people.
    pub first_tensor: String,
    /// A vocabulary is in it, so a text encoder needs no tokenizer beside it.
    pub has_tokenizer: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Safetensors,
    Gguf,
}

/// What the tensors of one dtype take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub n_tensors: usize,
    pub bytes: u64,
}

impl Header {
    /// The bytes that the tensors take once they are read as float32; blocks of GGUF stay as they are.
    pub fn float32_bytes(&self) -> u64 {
        let factor = |dtype: &str| match dtype {
            "F16" | "BF16" => 2,
            "F8_E4M3" | "F8_E5M2" => 4,
            _ => 1,
        };
        self.dtypes.iter().map(|(dtype, share)| share.bytes * factor(dtype)).sum()
    }

    pub fn n_tensors(&self) -> usize {
        self.dtypes.values().map(|share| share.n_tensors).sum()
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Safetensors => "safetensors",
            Format::Gguf => "GGUF",
        })
    }
}

/// Why a file holds no weights that can be used; the words after its name.
#[derive(Debug, thiserror::Error)]
pub enum BadWeights {
    #[error("is empty")]
    Empty,
    #[error("is a Git LFS pointer and not the file itself; fetch the real file with `git lfs pull`")]
    LfsPointer,
    #[error("is a web page and not the file itself; the download went wrong")]
    WebPage,
    #[error("is a pickle of PyTorch; safetensors or GGUF was expected, so convert it")]
    Pickle,
    #[error("is text; safetensors or GGUF was expected")]
    Text,
    #[error("is neither safetensors nor GGUF")]
    Unknown,
    #[error("has a {format} header that cannot be read: {reason}")]
    Header { format: Format, reason: String },
    #[error("has no tensors")]
    NoTensors,
    #[error("is cut short: {found} bytes of {expected} are there")]
    CutShort { found: u64, expected: u64 },
    #[error("has {bytes} bytes that belong to no tensor")]
    Surplus { bytes: u64 },
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// Reads the header of a weight file, and checks that all of its tensors' bytes are there.
pub fn read(path: &Path) -> Result<Header, BadWeights> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut first = Vec::with_capacity(512);
    (&mut file).take(512).read_to_end(&mut first)?;
    file.rewind()?;
    if first.is_empty() {
        return Err(BadWeights::Empty);
    }
    if is_lfs_pointer(&first) {
        return Err(BadWeights::LfsPointer);
    }
    let header = match () {
        () if first.starts_with(b"GGUF") => gguf::read(file, length)?,
        // The length of the header, and the JSON object that it is.
        () if first.get(8) == Some(&b'{') => safetensors::read(file, length)?,
        () => return Err(looks_like(&first)),
    };
    if header.dtypes.is_empty() { Err(BadWeights::NoTensors) } else { Ok(header) }
}

/// Whether a file begins as what Git leaves in the place of a large file.
pub(super) fn is_lfs_pointer(first: &[u8]) -> bool {
    first.starts_with(b"version https://git-lfs")
}

/// What a file may be that is no weights.
fn looks_like(first: &[u8]) -> BadWeights {
    let text = std::str::from_utf8(first).or_else(|error| match error.valid_up_to() {
        // The last letter may be cut.
        end if end + 4 > first.len() => std::str::from_utf8(&first[..end]),
        _ => Err(error),
    });
    let start = text.unwrap_or_default().trim_start().to_ascii_lowercase();
    match () {
        // A zip, or a bare pickle of protocol 2 or later.
        () if first.starts_with(b"PK\x03\x04") || (first[0] == 0x80 && first.get(1).is_some_and(|v| *v <= 5)) => {
            BadWeights::Pickle
        }
        () if start.starts_with("<!doctype") || start.starts_with("<html") => BadWeights::WebPage,
        () if text.is_ok_and(|text| text.chars().all(|c| !c.is_control() || c.is_whitespace())) => BadWeights::Text,
        () => BadWeights::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        std::fs::write(&path, bytes).unwrap();
        read(&path).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_weights_is_told_by_what_it_looks_like() {
        assert_eq!(problem(b""), "is empty");
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7751105712\n";
        assert!(problem(pointer).starts_with("is a Git LFS pointer and not the file itself"));
        assert!(problem(b"\n <!DOCTYPE html><html>").starts_with("is a web page"));
        assert!(problem(b"PK\x03\x04archive/data.pkl").starts_with("is a pickle"));
        assert!(problem(b"\x80\x02}q\x00").starts_with("is a pickle"));
        assert!(problem("h\u{e9}llo\n".as_bytes()).starts_with("is text"));
        assert_eq!(problem(&[0, 1, 2, 0, 255, 7]), "is neither safetensors nor GGUF");
    }
}
