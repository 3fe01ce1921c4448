//! A cache with one of each of its files, as they should be.

use std::fs;
use std::path::{Path, PathBuf};

use rondel_cache::{Cache, CacheOptions, Checkpoint, DiskTier, Record, Stored};
use rondel_value::{Bundle, Digest, Image, Json, Value};

/// Opens the cache in `folder`.
pub fn open(folder: &Path) -> Cache {
    Cache::open(CacheOptions { folder: folder.to_owned(), ..CacheOptions::default() })
}

/// The recipe key and the action key of the one step that the cache knows.
pub fn keys() -> (Digest, Digest) {
    (Digest::of(b"recipe"), Digest::of(b"action"))
}

/// The one bundle that it keeps.
pub fn picture() -> Bundle {
    Image::from_u8(2, 2, 1, vec![7; 4]).expect("a picture").into()
}

/// Writes an alias, a record, a blob and a checkpoint to the cache in `folder`, and gives the place and the bytes of each.
pub fn write(folder: &Path) -> [(PathBuf, Vec<u8>); 4] {
    let cache = open(folder);
    let values = [
        Value::list([Value::Bundle(picture()), Value::Int(3), Value::None]),
        Value::Float(0.1),
        Value::Json(Json::new(&serde_json::json!({"a": [1, "b"]}))),
    ];
    let record = Record {
        kind: "kind".to_owned(),
        version: 1,
        outputs: ["images", "score", "data"]
            .into_iter()
            .zip(&values)
            .map(|(port, value)| Stored::of(port, value))
            .collect(),
        ms: 1.5,
        peak_bytes: 7,
        at: 1,
        parts: Vec::new(),
    };
    let (recipe, action) = keys();
    cache.store(&recipe, &action, &record, &values).expect("a folder that can be written");
    cache.put_checkpoint(&action, &Checkpoint { step: 2, of: Some(4), state: picture() }).expect("the same");
    let disk = DiskTier::new(folder);
    let name = action.to_string();
    let check = disk.v1().join("check").join(&name[..2]).join(format!("{name}.check"));
    let paths = [disk.alias_path(&recipe), disk.record_path(&action), disk.blob_path(&picture().digest()), check];
    paths.map(|path| {
        let bytes = fs::read(&path).expect("written above");
        (path, bytes)
    })
}
