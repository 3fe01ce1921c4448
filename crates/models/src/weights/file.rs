//! One weight file: what its content is, and where its tensors lie in it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file;
use memmap2::{Mmap, UncheckedAdvice};
use safetensors::SafeTensors;
use serde::Deserialize;

use super::entry::Storage;
use crate::LoadError;

/// What the first bytes of a file say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Safetensors,
    Gguf,
    Json,
    Empty,
    /// What is left in the place of a large file when a repository was copied without such files.
    LfsPointer,
    /// What `torch.save` writes.
    Pickle,
    Html,
    Text,
    Unknown,
}

impl Content {
    /// Looks at the beginning of a file.
    pub fn of(path: &Path) -> Result<Self, LoadError> {
        let read_error = |source| LoadError::Read { source, path: path.to_owned() };
        let mut file = File::open(path).map_err(read_error)?;
        let length = file.metadata().map_err(read_error)?.len();
        let mut head = Vec::new();
        file.by_ref().take(512).read_to_end(&mut head).map_err(read_error)?;
        Ok(Self::of_head(&head, length))
    }

    fn of_head(head: &[u8], length: u64) -> Self {
        let header_length = head.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        if head.is_empty() {
            Self::Empty
        } else if head.starts_with(b"GGUF") {
            Self::Gguf
        } else if head.get(8) == Some(&b'{') && header_length.is_some_and(|header| header < length.max(1 << 27)) {
            // Also if the file is cut short: the reader of the header says so better than "unknown".
            Self::Safetensors
        } else if head.starts_with(b"version https://git-lfs") {
            Self::LfsPointer
        } else if head.starts_with(b"PK\x03\x04") || head.starts_with(b"\x80\x02") {
            Self::Pickle
        } else {
            match std::str::from_utf8(head).map(str::trim_start) {
                Ok(text) if text.starts_with(['{', '[']) => Self::Json,
                Ok(text) if text.to_ascii_lowercase().starts_with("<!doctype html") || text.starts_with("<html") => {
                    Self::Html
                }
                Ok(_) => Self::Text,
                // A character may be cut at the end of what was read.
                Err(error) if error.valid_up_to() + 4 > head.len() && head.len() > 4 => Self::Text,
                Err(_) => Self::Unknown,
            }
        }
    }

    /// What a person is told.
    pub fn words(self) -> &'static str {
        match self {
            Self::Safetensors => "a safetensors file",
            Self::Gguf => "a GGUF file",
            Self::Json => "JSON",
            Self::Empty => "an empty file",
            Self::LfsPointer => "a pointer of Git LFS (fetch the real file with `git lfs pull`)",
            Self::Pickle => "a PyTorch pickle (convert it to safetensors: pickles can run code)",
            Self::Html => "a web page (a download that needed a login, perhaps)",
            Self::Text => "text",
            Self::Unknown => "something unknown",
        }
    }
}

/// What a file says of itself beside its tensors.
#[derive(Debug)]
pub enum Metadata {
    Safetensors(HashMap<String, String>),
    Gguf(HashMap<String, gguf_file::Value>),
}

/// A mapped file and the tensors in it.
pub(crate) struct WeightFile {
    pub path: PathBuf,
    pub metadata: Metadata,
    pub tensors: Vec<RawTensor>,
    map: Mmap,
}

/// A tensor as a file names it.
pub(super) struct RawTensor {
    pub name: String,
    pub storage: Storage,
    pub shape: Vec<usize>,
    pub bytes: Range<usize>,
}

impl WeightFile {
    /// Maps a safetensors or GGUF file and reads its header.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let read_error = |source| LoadError::Read { source, path: path.to_owned() };
        let file = File::open(path).map_err(read_error)?;
        let map = map_read_only(&file).map_err(read_error)?;
        let (metadata, tensors) = match map.starts_with(b"GGUF") {
            true => gguf_header(&map, path)?,
            false => safetensors_header(&map, path)?,
        };
        Ok(Self { path: path.to_owned(), metadata, tensors, map })
    }

    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.map[range]
    }

    /// Says that some bytes were read and will not be soon: their pages leave the memory of this process.
    ///
    /// Without it, a mapped file counts against the process as much as the copy that was made of it.
    #[expect(unsafe_code)]
    pub fn let_go(&self, range: Range<usize>) {
        /// Below this, the call costs more than it saves.
        const MIN_BYTES: usize = 1 << 20;
        if range.len() >= MIN_BYTES {
            // SAFETY: the mapping is of a file and never written to, so a page that is dropped is read again from the
            // file with the same content. Failure costs memory and nothing else.
            let _ = unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
        }
    }
}

type Header = (Metadata, Vec<RawTensor>);

fn safetensors_header(map: &[u8], path: &Path) -> Result<Header, LoadError> {
    let (header_length, metadata) = SafeTensors::read_metadata(map).map_err(|source| match cut_tensor(map) {
        Some((name, missing_bytes)) => LoadError::CutShort { name, missing_bytes, path: path.to_owned() },
        None => LoadError::Safetensors { source, path: path.to_owned() },
    })?;
    // The length of the header is itself stored in eight bytes before it.
    let data_start = 8 + header_length;
    let mut tensors: Vec<RawTensor> = metadata
        .tensors()
        .into_iter()
        .map(|(name, info)| RawTensor {
            name,
            storage: Storage::of_safetensors(info.dtype),
            shape: info.shape.clone(),
            bytes: data_start + info.data_offsets.0..data_start + info.data_offsets.1,
        })
        .collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((Metadata::Safetensors(metadata.metadata().clone().unwrap_or_default()), tensors))
}

/// The last tensor of a file that is too short for it, and by how many bytes: what its own header says, if that is whole.
fn cut_tensor(map: &[u8]) -> Option<(String, u64)> {
    #[derive(Deserialize)]
    struct Place {
        data_offsets: [u64; 2],
    }
    let header_length = usize::try_from(u64::from_le_bytes(*map.first_chunk()?)).ok()?;
    let header: HashMap<String, serde_json::Value> =
        serde_json::from_slice(map.get(8..header_length.checked_add(8)?)?).ok()?;
    let ends = header.into_iter().filter_map(|(name, value)| {
        let Place { data_offsets: [_, end] } = serde_json::from_value(value).ok()?;
        Some((end, name))
    });
    let (end, name) = ends.max()?;
    let missing_bytes = end.checked_sub((map.len() - 8 - header_length) as u64).filter(|missing| *missing > 0)?;
    Some((name, missing_bytes))
}

fn gguf_header(map: &[u8], path: &Path) -> Result<Header, LoadError> {
    let refuse = |reason: String| LoadError::Gguf { reason, path: path.to_owned() };
    if has_no_alignment(map) {
        return Err(refuse("`general.alignment` is 0".to_owned()));
    }
    let content = gguf_file::Content::read(&mut Cursor::new(map)).map_err(|source| refuse(source.to_string()))?;
    let mut tensors = Vec::with_capacity(content.tensor_infos.len());
    for (name, info) in content.tensor_infos {
        let storage = Storage::of_ggml(info.ggml_dtype);
        let shape = info.shape.dims().to_vec();
        let n_elements = shape.iter().try_fold(1usize, |product, length| product.checked_mul(*length));
        let is_whole = |n_elements: &usize| *n_elements < isize::MAX as usize / 8;
        let Some(n_elements) = n_elements.filter(is_whole) else {
            return Err(refuse(format!("tensor `{name}` is {shape:?}, which is more than there can be")));
        };
        let block = info.ggml_dtype.block_size();
        if !shape.last().copied().unwrap_or(1).is_multiple_of(block) {
            return Err(refuse(format!("tensor `{name}` is {shape:?}, whose rows are not made of blocks of {block}")));
        }
        let start = content.tensor_data_offset.saturating_add(info.offset);
        if !start.is_multiple_of(ALIGNMENT) {
            return Err(refuse(format!("tensor `{name}` begins at byte {start}, which is no multiple of {ALIGNMENT}")));
        }
        let end = start.saturating_add(storage.bytes(n_elements) as u64);
        if end > map.len() as u64 {
            return Err(LoadError::CutShort { name, missing_bytes: end - map.len() as u64, path: path.to_owned() });
        }
        tensors.push(RawTensor { name, storage, shape, bytes: start as usize..end as usize });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((Metadata::Gguf(content.metadata), tensors))
}

/// What the numbers inside of blocks must lie on; files keep to more.
const ALIGNMENT: u64 = 4;

/// Whether a GGUF file says that its tensors are aligned to nothing, by which its reader would divide.
fn has_no_alignment(map: &[u8]) -> bool {
    const KEY: &[u8] = b"general.alignment";
    // Metadata of small types come before the vocabulary in every converter's files; a later one is not looked for.
    let head = &map[..map.len().min(1 << 20)];
    let found = head.windows(KEY.len()).position(|window| window == KEY);
    let value = found.and_then(|at| head.get(at + KEY.len() + 4..at + KEY.len() + 8));
    value.is_some_and(|value| value.iter().all(|byte| *byte == 0))
}

#[expect(unsafe_code)]
fn map_read_only(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the mapping is private and only ever read. That nobody truncates or rewrites a weight file in place
    // while it is open is a promise of the user, as with every program that maps weights: files are known by their
    // digest and replaced by renaming. A broken promise is a wrong picture or a bus error, never a write.
    unsafe { Mmap::map(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        let of = |head: &[u8]| Content::of_head(head, head.len() as u64);
        assert_eq!(of(b""), Content::Empty);
        assert_eq!(of(b"GGUF\x03\0\0\0"), Content::Gguf);
        assert_eq!(of(b"\x02\0\0\0\0\0\0\0{}"), Content::Safetensors);
        assert_eq!(of(b"version https://git-lfs.github.com/spec/v1\n"), Content::LfsPointer);
        assert_eq!(of(b"PK\x03\x04rest"), Content::Pickle);
        assert_eq!(of(b" {\"a\": 1}"), Content::Json);
        assert_eq!(of(b"<!DOCTYPE html><title>Sign in</title>"), Content::Html);
        assert_eq!(of(b"just words"), Content::Text);
        assert_eq!(of(&[0xff, 0xfe, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), Content::Unknown);
    }
}
