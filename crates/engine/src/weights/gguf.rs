//! The header of a GGUF file, versions 2 and 3: counts, metadata, tensor names, then the tensors at an aligned place.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};

use super::header::{BadWeights, Format, Header};

/// Where tensors begin unless the metadata says otherwise.
const ALIGNMENT: u64 = 32;

/// Longer than any name; a length beyond it is a sign of damage.
const MAX_NAME_BYTES: u64 = 1 << 16;

/// The kind of vocabulary in the file.
const TOKENIZER: &str = "tokenizer.ggml.model";

pub(super) fn read(file: File, length: u64) -> Result<Header, BadWeights> {
    let mut reader = Reader { inner: BufReader::with_capacity(1 << 16, file), place: 0, length };
    reader.header().map_err(|error| match error {
        Stop::Ended => BadWeights::CutShort { found: length, expected: reader.place },
        Stop::Wrong(reason) => BadWeights::Header { format: Format::Gguf, reason },
        Stop::Read(error) => BadWeights::Read(error),
    })?
}

/// Why the header was not read to its end.
enum Stop {
    /// The file ends before the header does.
    Ended,
    Wrong(String),
    Read(io::Error),
}

struct Reader {
    inner: BufReader<File>,
    /// Where the next byte is; where it would be, after the file has ended.
    place: u64,
    length: u64,
}

impl Reader {
    fn header(&mut self) -> Result<Result<Header, BadWeights>, Stop> {
        self.skip(4)?;
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return Err(Stop::Wrong(format!("version {version} is not known, only 2 and 3")));
        }
        let (n_tensors, n_entries) = (self.u64()?, self.u64()?);
        let mut alignment = ALIGNMENT;
        let mut has_tokenizer = false;
        for _ in 0..n_entries {
            let (key, kind) = (self.name()?, self.u32()?);
            match (key.as_str(), kind) {
                ("general.alignment", 4) => alignment = u64::from(self.u32()?).max(1),
                _ => self.skip_value(kind)?,
            }
            has_tokenizer |= key == TOKENIZER;
        }
        let mut header =
            Header { format: Format::Gguf, dtypes: BTreeMap::new(), first_tensor: String::new(), has_tokenizer };
        let mut end = 0;
        for _ in 0..n_tensors {
            let name = self.name()?;
            let n_dims = self.u32()?;
            let mut n_values = Some(1u64);
            for _ in 0..n_dims {
                let side = self.u64()?;
                n_values = n_values.and_then(|product| product.checked_mul(side));
            }
            let (dtype, offset) = (self.u32()?, self.u64()?);
            let Some(n_values) = n_values else {
                return Err(Stop::Wrong(format!("tensor `{name}` is larger than any file")));
            };
            let (dtype, bytes) = match BLOCKS.iter().find(|block| block.0 == dtype) {
                Some((_, dtype, block_values, block_bytes)) => {
                    ((*dtype).to_owned(), n_values.div_ceil(*block_values).saturating_mul(*block_bytes))
                }
                // The whole file may still be there; whoever computes with it says that it cannot.
                None => (format!("type {dtype}"), 0),
            };
            end = end.max(offset.saturating_add(bytes));
            let share = header.dtypes.entry(dtype).or_default();
            share.n_tensors += 1;
            share.bytes += bytes;
            if header.first_tensor.is_empty() || name < header.first_tensor {
                header.first_tensor = name;
            }
        }
        let expected = self.place.next_multiple_of(alignment).saturating_add(end);
        // Writers may fill the end of the file up, so more than expected is no sign of anything.
        Ok(match self.length < expected && n_tensors > 0 {
            true => Err(BadWeights::CutShort { found: self.length, expected }),
            false => Ok(header),
        })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        self.place += N as u64;
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes).map_err(stop)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, Stop> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn u64(&mut self) -> Result<u64, Stop> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn name(&mut self) -> Result<String, Stop> {
        let length = self.u64()?;
        if length > MAX_NAME_BYTES {
            return Err(Stop::Wrong(format!("a name of {length} bytes")));
        }
        self.place += length;
        let mut bytes = vec![0; length as usize];
        self.inner.read_exact(&mut bytes).map_err(stop)?;
        String::from_utf8(bytes).map_err(|_| Stop::Wrong("a name that is not text".to_owned()))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Stop> {
        self.place = self.place.saturating_add(bytes);
        if self.place > self.length {
            return Err(Stop::Ended);
        }
        self.inner.seek_relative(bytes as i64).map_err(stop)
    }

    fn skip_value(&mut self, kind: u32) -> Result<(), Stop> {
        match kind {
            0 | 1 | 7 => self.skip(1),
            2 | 3 => self.skip(2),
            4..=6 => self.skip(4),
            10..=12 => self.skip(8),
            8 => {
                let length = self.u64()?;
                self.skip(length)
            }
            9 => {
                let (kind, n_values) = (self.u32()?, self.u64()?);
                if kind == 9 {
                    return Err(Stop::Wrong("a list of lists in the metadata".to_owned()));
                }
                // Each value takes a byte at least, so a wild count ends with the file.
                (0..n_values).try_for_each(|_| self.skip_value(kind))
            }
            _ => Err(Stop::Wrong(format!("a value of the kind {kind} in the metadata"))),
        }
    }
}

fn stop(error: io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Stop::Ended,
        _ => Stop::Read(error),
    }
}

/// Number, name, values in a block, bytes of a block.
const BLOCKS: [(u32, &str, u64, u64); 32] = [
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 18),
    (3, "Q4_1", 32, 20),
    (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24),
    (8, "Q8_0", 32, 34),
    (9, "Q8_1", 32, 36),
    (10, "Q2_K", 256, 84),
    (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144),
    (13, "Q5_K", 256, 176),
    (14, "Q6_K", 256, 210),
    (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66),
    (17, "IQ2_XS", 256, 74),
    (18, "IQ3_XXS", 256, 98),
    (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18),
    (21, "IQ3_S", 256, 110),
    (22, "IQ2_S", 256, 82),
    (23, "IQ4_XS", 256, 136),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56),
    (30, "BF16", 1, 2),
    (34, "TQ1_0", 256, 54),
    (35, "TQ2_0", 256, 66),
    (39, "MXFP4", 32, 17),
];

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::header::{Share, read as read_header};
    use super::*;

    fn recorded(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/layouts").join(name)
    }

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }

    /// A file with a vocabulary and one tensor `w` of 32 values in `Q4_0`, which takes 18 bytes.
    fn file() -> Vec<u8> {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend([1u64.to_le_bytes(), 2u64.to_le_bytes()].concat());
        bytes.extend([text("tokenizer.ggml.model"), 8u32.to_le_bytes().to_vec(), text("gpt2")].concat());
        bytes.extend([text("tokenizer.ggml.tokens"), 9u32.to_le_bytes().to_vec()].concat());
        bytes.extend([&8u32.to_le_bytes()[..], &2u64.to_le_bytes(), &text("a"), &text("b")].concat());
        bytes.extend([&text("w")[..], &1u32.to_le_bytes(), &32u64.to_le_bytes()].concat());
        bytes.extend([&2u32.to_le_bytes()[..], &0u64.to_le_bytes()].concat());
        bytes.resize(bytes.len().next_multiple_of(32) + 18, 7);
        bytes
    }

    fn check(bytes: &[u8]) -> Result<Header, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any.name");
        std::fs::write(&path, bytes).unwrap();
        read_header(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_recorded_file_is_whole_and_tells_its_dtypes() {
        let header = read_header(&recorded("flux2-tiny-Q4_0.gguf")).unwrap();
        assert_eq!((header.format, header.has_tokenizer), (Format::Gguf, false));
        assert!(header.dtypes["Q4_0"].n_tensors > 0 && header.dtypes["F32"].n_tensors > 0, "{header:?}");
        assert!(header.first_tensor.starts_with("double_blocks.0."), "{header:?}");
    }

    #[test]
    fn a_vocabulary_in_the_metadata_is_seen() {
        let header = check(&file()).unwrap();
        assert_eq!((header.n_tensors(), header.has_tokenizer), (1, true));
        assert_eq!(header.dtypes["Q4_0"], Share { n_tensors: 1, bytes: 18 });
    }

    #[test]
    fn a_file_that_ends_anywhere_is_cut_short() {
        let whole = file();
        assert!(check(&[&whole[..], &[0; 14]].concat()).is_ok());
        for length in 4..whole.len() {
            let problem = check(&whole[..length]).unwrap_err();
            assert!(problem.starts_with(&format!("is cut short: {length} bytes of ")), "{length}: {problem}");
        }
    }

    #[test]
    fn damage_is_told_from_a_file_that_ends_early() {
        let mut other = file();
        other[4] = 9;
        assert_eq!(
            check(&other).unwrap_err(),
            "has a GGUF header that cannot be read: version 9 is not known, only 2 and 3"
        );
        let mut wild = file();
        wild[24 + 7] = 255;
        let problem = check(&wild).unwrap_err();
        assert!(problem.starts_with("has a GGUF header that cannot be read: a name of "), "{problem}");
    }
}
