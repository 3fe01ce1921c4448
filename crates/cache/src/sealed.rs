//! Files that say of themselves whether they are whole, and whose they are.
//!
//! Blobs are named by their content. Records and aliases carry a *seal* instead: the blake3 of what they hold, followed by the key
//! that they lie under. A changed bit, a cut end and a file under another's name are all told from a whole one.
//!
//! | file | bytes |
//! | --- | --- |
//! | record | its JSON, in which `"seal"` is the last entry, over all that stands before it |
//! | alias | 32 bytes of the action key, 32 of the seal |
//!
//! Version 1 of the layout was first without seals. Such files are still read: a record is then JSON that ends with the list of its
//! parts, an alias is the 32 bytes of the key. No damage turns a sealed file into one of these that says something else: a sealed
//! record ends with a text, and what is left of an alias that was cut to its half is its key. Programs that know no seals read
//! sealed records as well, because an entry that they do not know is passed over.

use rondel_value::Digest;

use crate::record::Record;

/// Bytes of an alias.
pub const ALIAS_BYTES: usize = 64;
/// What stands before the seal of a record.
const SEAL_ENTRY: &str = ",\"seal\":\"";
/// From the comma to the end: the digits, and what closes the text and the object.
const TAIL_BYTES: usize = SEAL_ENTRY.len() + 64 + 2;

fn seal(content: &[u8], key: &Digest) -> Digest {
    Digest::of(&[content, &key.0].concat())
}

fn tail(content: &[u8], key: &Digest) -> String {
    format!("{SEAL_ENTRY}{}\"}}", seal(content, key))
}

/// The bytes of a record that lies under `action`.
pub fn record(action: &Digest, record: &Record) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(record)?;
    bytes.pop();
    bytes.extend_from_slice(tail(&bytes, action).as_bytes());
    Ok(bytes)
}

/// The record in a file; none if it is not whole, or is not `action`'s.
pub fn read_record(action: &Digest, bytes: &[u8]) -> Option<Record> {
    let is_unsealed = bytes.ends_with(b"]}");
    if !is_unsealed {
        let (content, end) = bytes.split_at_checked(bytes.len().checked_sub(TAIL_BYTES)?)?;
        if end != tail(content, action).as_bytes() {
            return None;
        }
    }
    serde_json::from_slice(bytes).ok()
}

/// The bytes of the alias that leads from a recipe key to an action key.
pub fn alias(recipe: &Digest, action: &Digest) -> [u8; ALIAS_BYTES] {
    let mut bytes = [0; ALIAS_BYTES];
    bytes[..32].copy_from_slice(&action.0);
    bytes[32..].copy_from_slice(&seal(&action.0, recipe).0);
    bytes
}

/// The action key that an alias leads to; none if it is not whole, or is not `recipe`'s.
pub fn read_alias(recipe: &Digest, bytes: &[u8]) -> Option<Digest> {
    let (action, end) = bytes.split_first_chunk::<32>()?;
    (end.is_empty() || end == seal(action, recipe).0).then_some(Digest(*action))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rondel_value::Value;

    use crate::record::{Part, Stored};

    /// Every way in which one bit may be wrong, and every length that is too short.
    fn damaged(whole: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        let flipped = (0..whole.len() * 8).map(|bit| {
            let mut bytes = whole.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        flipped.chain((0..whole.len()).map(|len| whole[..len].to_vec()))
    }

    fn example() -> Record {
        Record {
            kind: "paint".to_owned(),
            version: 1,
            outputs: vec![Stored::of("text", &Value::text("a fox, é"))],
            ms: 0.1,
            peak_bytes: 0,
            at: 0,
            parts: vec![Part { port: "n".to_owned(), digest: Digest::of(b"1"), shown: "1".to_owned() }],
        }
    }

    #[test]
    fn no_bit_of_a_record_can_change_and_no_byte_be_missing() {
        let (key, other) = (Digest::of(b"a"), Digest::of(b"b"));
        let whole = record(&key, &example()).unwrap();
        assert_eq!(read_record(&key, &whole), Some(example()));
        assert_eq!(read_record(&other, &whole), None, "it lies under another's name");
        assert!(damaged(&whole).all(|bytes| read_record(&key, &bytes).is_none()));
    }

    #[test]
    fn a_reader_without_seals_reads_a_sealed_record() {
        let whole = record(&Digest::of(b"a"), &example()).unwrap();
        assert_eq!(serde_json::from_slice::<Record>(&whole).unwrap(), example());
    }

    #[test]
    fn no_bit_of_an_alias_can_change_and_what_is_left_of_it_is_right_or_nothing() {
        let (recipe, action) = (Digest::of(b"recipe"), Digest::of(b"action"));
        let whole = alias(&recipe, &action);
        assert_eq!(read_alias(&recipe, &whole), Some(action));
        assert_eq!(read_alias(&action, &whole), None, "it lies under another's name");
        for bytes in damaged(&whole) {
            let expected = (bytes.len() == 32).then_some(action);
            assert_eq!(read_alias(&recipe, &bytes), expected, "{} bytes", bytes.len());
        }
    }
}
