//! The header of a safetensors file: its length in eight bytes, JSON with the place of each tensor, then the tensors.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use serde::Deserialize;

use super::header::{BadWeights, Format, Header, Share};

/// More than any header has; a length beyond it is a sign of another format.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// The vendor's vocabulary, as repackaged text encoders carry it.
const TOKENIZER: &str = "tekken_model";

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

pub(super) fn read(mut file: File, length: u64) -> Result<Header, BadWeights> {
    let bad = |reason: String| BadWeights::Header { format: Format::Safetensors, reason };
    let mut first = [0; 8];
    file.read_exact(&mut first)?;
    let header_length = u64::from_le_bytes(first);
    if header_length > MAX_HEADER_BYTES {
        return Err(bad(format!("it would take {header_length} bytes")));
    }
    if header_length + 8 > length {
        return Err(BadWeights::CutShort { found: length, expected: header_length + 8 });
    }
    let mut text = Vec::new();
    file.take(header_length).read_to_end(&mut text)?;
    let mut entries: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    entries.remove("__metadata__");
    let mut header = Header {
        format: Format::Safetensors,
        dtypes: BTreeMap::new(),
        first_tensor: entries.keys().next().cloned().unwrap_or_default(),
        has_tokenizer: entries.contains_key(TOKENIZER),
    };
    let mut end = 0;
    for (name, entry) in entries {
        let Entry { dtype, shape, data_offsets: [from, to] } =
            serde_json::from_value(entry).map_err(|error| bad(format!("tensor `{name}`: {error}")))?;
        let Some(bytes) = to.checked_sub(from) else {
            return Err(bad(format!("tensor `{name}` ends before it begins")));
        };
        if let Some(expected) = bytes_of(&dtype, &shape)
            && expected != bytes
        {
            return Err(bad(format!("tensor `{name}` has {bytes} bytes, but {dtype} {shape:?} takes {expected}")));
        }
        let share: &mut Share = header.dtypes.entry(dtype).or_default();
        share.n_tensors += 1;
        share.bytes += bytes;
        end = end.max(to);
    }
    let expected = end.saturating_add(8 + header_length);
    match length {
        found if found < expected => Err(BadWeights::CutShort { found, expected }),
        found if found > expected => Err(BadWeights::Surplus { bytes: found - expected }),
        _ => Ok(header),
    }
}

/// What a tensor takes; `None` for a dtype that is not known here.
fn bytes_of(dtype: &str, shape: &[u64]) -> Option<u64> {
    let bits = match dtype {
        "F64" | "I64" | "U64" | "C64" => 64,
        "F32" | "I32" | "U32" => 32,
        "F16" | "BF16" | "I16" | "U16" => 16,
        "BOOL" | "I8" | "U8" | "F8_E4M3" | "F8_E5M2" | "F8_E8M0" => 8,
        _ => return None,
    };
    shape.iter().try_fold(1u64, |product, side| product.checked_mul(*side))?.checked_mul(bits).map(|bits| bits / 8)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::header::read as read_header;
    use super::*;

    /// A file of one U8 tensor `w` that holds `bytes`.
    pub(crate) fn file_of(bytes: &[u8]) -> Vec<u8> {
        let n = bytes.len();
        framed(&format!(r#"{{"w":{{"dtype":"U8","shape":[{n}],"data_offsets":[0,{n}]}}}}"#), bytes)
    }

    fn framed(header: &str, bytes: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), bytes].concat()
    }

    fn check(bytes: &[u8]) -> Result<Header, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any.name");
        std::fs::write(&path, bytes).unwrap();
        read_header(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_header_tells_dtypes_and_tensors() {
        let header = r#"{"__metadata__":{"a":"b"},
            "b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"BF16","shape":[2,1],"data_offsets":[4,8]},
            "tekken_model":{"dtype":"U8","shape":[0],"data_offsets":[8,8]}}"#;
        let header = check(&framed(header, &[0; 8])).unwrap();
        assert_eq!((header.n_tensors(), &*header.first_tensor, header.has_tokenizer), (3, "a", true));
        assert_eq!(header.dtypes["BF16"], Share { n_tensors: 1, bytes: 4 });
    }

    #[test]
    fn a_file_that_is_not_whole_says_how_much_is_there() {
        let whole = file_of(&[1, 2, 3, 4]);
        assert!(check(&whole).is_ok());
        let short = &whole[..whole.len() - 1];
        let (found, expected) = (short.len(), whole.len());
        assert_eq!(check(short).unwrap_err(), format!("is cut short: {found} bytes of {expected} are there"));
        assert!(check(&whole[..20]).unwrap_err().starts_with("is cut short: 20 bytes of "));
        let long = [&whole[..], &[0; 3]].concat();
        assert_eq!(check(&long).unwrap_err(), "has 3 bytes that belong to no tensor");
        assert_eq!(check(&framed("{}", &[])).unwrap_err(), "has no tensors");
    }

    #[test]
    fn a_header_that_contradicts_itself_names_the_tensor() {
        let contradiction = framed(r#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,4]}}"#, &[0; 4]);
        assert_eq!(
            check(&contradiction).unwrap_err(),
            "has a safetensors header that cannot be read: tensor `w` has 4 bytes, but F32 [2, 3] takes 24"
        );
        let no_json = check(&framed("{\"w\":", &[])).unwrap_err();
        assert!(no_json.starts_with("has a safetensors header that cannot be read: EOF"), "{no_json}");
        let backwards = framed(r#"{"w":{"dtype":"U8","shape":[2],"data_offsets":[4,2]}}"#, &[0; 4]);
        assert!(check(&backwards).unwrap_err().ends_with("tensor `w` ends before it begins"));
    }
}
