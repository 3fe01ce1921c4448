//! A run as one file, to be carried elsewhere: its record, its results, and what leads to them.
//!
//! A tar archive in a zstd frame with a checksum. Its first file is `rondel-run.json`, which names the form, the run, and every
//! other file with the blake3 of its content; the others have the names that they have below `v1/`:
//!
//! ```text
//! rondel-run.json                {"format": 1, "run": "0193…", "files": {"blob/ab/abcdef….st": "abcdef…"}}
//! blob/ab/abcdef….st             action/ab/abcdef….json             recipe/ab/abcdef…
//! runs/0193…/graph.ron           inputs.json, events.jsonl.zst, report.json beside it
//! ```
//!
//! Taking an archive in checks all of it, beside the cache, before a first file gets its place: each content, each seal, that no
//! result lacks a blob, and that the frame is whole. Places are made from digests that were read, never from a name in the
//! archive. What is wrong with a damaged one is said, and nothing of it stays.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rondel_value::Digest;
use serde::{Deserialize, Serialize};

use super::{files, share};
use crate::disk::{DiskTier, bytes_of, temporary_in};
use crate::sealed;
use crate::size;
use crate::tier::{CacheError, Tier};

const FORMAT: u32 = 1;
const CONTENTS: &str = "rondel-run.json";
const RUN_FILES: [&str; 4] = ["graph.ron", "inputs.json", "events.jsonl.zst", "report.json"];

#[derive(Serialize, Deserialize)]
struct Contents {
    format: u32,
    run: String,
    files: BTreeMap<String, Digest>,
}

/// Why a run is not written to an archive, or an archive not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error("the archive cannot be written: {error}: {}", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("no archive of a run, or a damaged one ({error}); nothing was taken from it: {}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("an archive of form {format}, which a newer version reads; nothing was taken from it: {}", path.display())]
    Newer { path: PathBuf, format: u32 },
    #[error("in a damaged archive, `{file}` is not what its name says; nothing was taken from it: {}", path.display())]
    Damaged { path: PathBuf, file: String },
    #[error("in a damaged archive, `{file}` is missing; nothing was taken from it: {}", path.display())]
    Missing { path: PathBuf, file: String },
    #[error("an archive holds `{file}`, which has no place in a cache; nothing was taken from it: {}", path.display())]
    Stranger { path: PathBuf, file: String },
}

/// What went into an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    pub n_records: usize,
    /// Actions of which nothing whole is kept.
    pub n_missing: usize,
}

/// What came out of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    pub run: String,
    pub n_records: usize,
    /// Of these, those that were not here before.
    pub n_new: usize,
}

/// Writes a run and what is kept of its `actions` to the file `to`, in one piece.
pub fn export(folder: &Path, run: &str, actions: &[Digest], to: &Path) -> Result<Exported, ArchiveError> {
    let disk = DiskTier::new(folder);
    let _shared = share(&disk)?;
    let read = |path: &Path| bytes_of(path).map_err(CacheError::io("reading", path));
    let mut held: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut kept = HashSet::new();
    let all = BTreeSet::from_iter(actions);
    for action in &all {
        let Some(record) = disk.record(action)? else { continue };
        let mut blobs = Vec::new();
        for digest in record.blobs() {
            // Looked into, so that no damage is carried elsewhere.
            if disk.blob(&digest)?.is_some() {
                blobs.push((name("blob", &digest, ".st"), read(&disk.blob_path(&digest))?));
            }
        }
        if blobs.len() == record.blobs().len() {
            held.extend(blobs);
            held.insert(name("action", action, ".json"), read(&disk.record_path(action))?);
            kept.insert(**action);
        }
    }
    for found in files(disk.v1(), "recipe")? {
        let Ok(bytes) = fs::read(&found.path) else { continue };
        if sealed::read_alias(&found.digest, &bytes).is_some_and(|action| kept.contains(&action)) {
            held.insert(name("recipe", &found.digest, ""), bytes.into());
        }
    }
    for file in RUN_FILES {
        let path = disk.v1().join("runs").join(run).join(file);
        if path.is_file() {
            held.insert(format!("runs/{run}/{file}"), read(&path)?);
        }
    }
    let named = held.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect();
    let contents = Contents { format: FORMAT, run: run.to_owned(), files: named };
    let contents = serde_json::to_vec(&contents).map_err(CacheError::from)?;
    write(to, &contents, &held).map_err(|error| ArchiveError::Write { path: to.to_owned(), error })?;
    Ok(Exported { n_records: kept.len(), n_missing: all.len() - kept.len() })
}

fn write(to: &Path, contents: &[u8], held: &BTreeMap<String, Bytes>) -> io::Result<()> {
    let beside = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = temporary_in(beside)?;
    let mut frame = zstd::Encoder::new(&mut file, 3)?;
    frame.include_checksum(true)?;
    let mut archive = tar::Builder::new(frame);
    for (name, bytes) in std::iter::once((CONTENTS, contents)).chain(held.iter().map(|(name, b)| (&**name, &**b))) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes)?;
    }
    archive.into_inner()?.finish()?;
    file.persist(to).map_err(|error| error.error)?;
    Ok(())
}

/// `<part>/ab/abcdef…<ending>`
fn name(part: &str, digest: &Digest, ending: &str) -> String {
    let digits = digest.to_string();
    format!("{part}/{}/{digits}{ending}", &digits[..2])
}

/// What a file of an archive is.
enum Item {
    Blob(Digest),
    Record(Digest),
    Alias(Digest),
    OfRun(&'static str),
}

impl Item {
    /// By its name, which must be exactly the one that such a file has.
    fn of(file: &str, run: &str) -> Option<Item> {
        if let Some(own) = RUN_FILES.into_iter().find(|own| file == format!("runs/{run}/{own}")) {
            return Some(Item::OfRun(own));
        }
        let digest: Digest = Path::new(file).file_stem()?.to_str()?.parse().ok()?;
        [
            (name("blob", &digest, ".st"), Item::Blob(digest)),
            (name("action", &digest, ".json"), Item::Record(digest)),
            (name("recipe", &digest, ""), Item::Alias(digest)),
        ]
        .into_iter()
        .find_map(|(own, item)| (own == file).then_some(item))
    }
}

/// Takes in what the archive `from` holds and the cache of `folder` does not; what is there stays as it is.
pub fn import(folder: &Path, from: &Path) -> Result<Imported, ArchiveError> {
    let disk = DiskTier::new(folder);
    let _shared = share(&disk)?;
    let tmp = disk.v1().join("tmp");
    let staged = fs::create_dir_all(&tmp).and_then(|()| tempfile::tempdir_in(&tmp));
    let staged = staged.map_err(CacheError::io("writing", &tmp))?;
    let (contents, items) = unpack(from, staged.path())?;
    let missing = |file: String| ArchiveError::Missing { path: from.to_owned(), file };
    if let Some(file) = contents.files.into_keys().next() {
        return Err(missing(file));
    }
    let (mut blobs, mut records) = (HashSet::new(), HashSet::new());
    for (item, _) in &items {
        match item {
            Item::Blob(digest) => drop(blobs.insert(*digest)),
            Item::Record(action) => drop(records.insert(*action)),
            Item::Alias(_) | Item::OfRun(_) => {}
        }
    }
    for (item, path) in &items {
        let bytes = || bytes_of(path).map_err(CacheError::io("reading", path));
        match item {
            Item::Record(action) => {
                let record = sealed::read_record(action, &bytes()?).into_iter().flat_map(|record| record.blobs());
                if let Some(lost) = { record }.find(|blob| !blobs.contains(blob) && !disk.has_blob(blob)) {
                    return Err(missing(name("blob", &lost, ".st")));
                }
            }
            Item::Alias(recipe) => {
                let action = sealed::read_alias(recipe, &bytes()?);
                if let Some(lost) = action.filter(|action| !records.contains(action)) {
                    return Err(missing(name("action", &lost, ".json")));
                }
            }
            Item::Blob(_) | Item::OfRun(_) => {}
        }
    }
    let n_records = records.len();
    let placed = place(&disk, staged.path(), items, &contents.run);
    size::forget(disk.v1());
    let n_new = placed?;
    Ok(Imported { run: contents.run, n_records, n_new })
}

/// Reads all of an archive into a folder beside the cache. What its contents still name afterwards was not in it.
fn unpack(from: &Path, staged: &Path) -> Result<(Contents, Vec<(Item, PathBuf)>), ArchiveError> {
    let unread = |error: io::Error| ArchiveError::Read { path: from.to_owned(), error };
    let damaged = |file: &str| ArchiveError::Damaged { path: from.to_owned(), file: file.to_owned() };
    let stranger = |file: &str| ArchiveError::Stranger { path: from.to_owned(), file: file.to_owned() };
    let mut archive = tar::Archive::new(zstd::Decoder::new(File::open(from).map_err(unread)?).map_err(unread)?);
    let mut contents: Option<Contents> = None;
    let mut items = Vec::new();
    for entry in archive.entries().map_err(unread)? {
        let mut entry = entry.map_err(unread)?;
        let file = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let is_file = entry.header().entry_type().is_file();
        let Some(contents) = &mut contents else {
            if file != CONTENTS || !is_file {
                return Err(stranger(&file));
            }
            let mut text = Vec::new();
            entry.read_to_end(&mut text).map_err(unread)?;
            let read: Contents = serde_json::from_slice(&text).map_err(|_| damaged(&file))?;
            if read.format != FORMAT {
                return Err(ArchiveError::Newer { path: from.to_owned(), format: read.format });
            }
            if read.run.is_empty() || !read.run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                return Err(stranger(&format!("runs/{}", read.run)));
            }
            contents = Some(read);
            continue;
        };
        let item = Item::of(&file, &contents.run).filter(|_| is_file).ok_or_else(|| stranger(&file))?;
        let expected = contents.files.remove(&file).ok_or_else(|| stranger(&file))?;
        let path = staged.join(items.len().to_string());
        let written = File::create(&path).and_then(|mut out| io::copy(&mut entry, &mut out));
        written.map_err(unread)?;
        let bytes = bytes_of(&path).map_err(CacheError::io("reading", &path))?;
        let is_right = match &item {
            Item::Blob(digest) => *digest == expected,
            Item::Record(action) => sealed::read_record(action, &bytes).is_some(),
            Item::Alias(recipe) => sealed::read_alias(recipe, &bytes).is_some(),
            Item::OfRun(_) => true,
        };
        if !is_right || Digest::of(&bytes) != expected {
            return Err(damaged(&file));
        }
        items.push((item, path));
    }
    // To the end of the frame, where its checksum is.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(unread)?;
    let contents =
        contents.ok_or_else(|| ArchiveError::Missing { path: from.to_owned(), file: CONTENTS.to_owned() })?;
    Ok((contents, items))
}

/// Gives each file its place: blobs first, then records, then aliases, so that whoever finds one finds what it names.
fn place(disk: &DiskTier, staged: &Path, mut items: Vec<(Item, PathBuf)>, run: &str) -> Result<usize, CacheError> {
    items.sort_by_key(|(item, _)| match item {
        Item::Blob(_) => 0,
        Item::Record(_) => 1,
        Item::Alias(_) => 2,
        Item::OfRun(_) => 3,
    });
    let of_run = staged.join("run");
    fs::create_dir_all(&of_run).map_err(CacheError::io("writing", &of_run))?;
    let mut n_new = 0;
    for (item, path) in items {
        let to = match &item {
            Item::Blob(digest) => disk.blob_path(digest),
            Item::Record(action) => disk.record_path(action),
            Item::Alias(recipe) => disk.alias_path(recipe),
            Item::OfRun(file) => of_run.join(file),
        };
        if move_to(&path, &to)? && matches!(item, Item::Record(_)) {
            n_new += 1;
        }
    }
    move_to(&of_run, &disk.v1().join("runs").join(run))?;
    Ok(n_new)
}

/// Moves a file or a folder in one step, if nothing is there.
fn move_to(path: &Path, to: &Path) -> Result<bool, CacheError> {
    if to.exists() {
        return Ok(false);
    }
    let made = fs::create_dir_all(to.parent().expect("a place in a folder"));
    made.and_then(|()| fs::rename(path, to)).map_err(CacheError::io("writing", to))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upkeep::gc::tests::{kinds, open, store};
    use crate::upkeep::verify;

    fn key(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    /// An archive of a run that made `a` and `b`, in a cache that also holds `c`.
    fn exported() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        for (grey, name) in ["a", "b", "c"].into_iter().enumerate() {
            store(&open(folder.path()), name, grey as u8, 1.0);
        }
        let run = folder.path().join("v1/runs/r-1");
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join("report.json"), b"{}").unwrap();
        let path = folder.path().join("run.tar.zst");
        let exported = export(folder.path(), "r-1", &[key("a"), key("b"), key("never")], &path).unwrap();
        assert_eq!(exported, Exported { n_records: 2, n_missing: 1 });
        (folder, path)
    }

    /// Packs files by hand, under names that the library would not write.
    fn packed(run: &str, file: &str, kind: tar::EntryType) -> tempfile::NamedTempFile {
        let contents = Contents { format: 1, run: run.to_owned(), files: [(file.to_owned(), key(""))].into() };
        let mut archive = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).unwrap());
        let text = serde_json::to_vec(&contents).unwrap();
        for (name, bytes, kind) in [(CONTENTS, &*text, tar::EntryType::Regular), (file, b"", kind)] {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(kind);
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            archive.append(&header, bytes).unwrap();
        }
        let path = tempfile::NamedTempFile::new().unwrap();
        fs::write(&path, archive.into_inner().unwrap().finish().unwrap()).unwrap();
        path
    }

    /// Imports what must be refused, into an empty cache that must stay so, and returns the words up to the path.
    fn refused(archive: &Path) -> String {
        let folder = tempfile::tempdir().unwrap();
        let error = import(&folder.path().join("cache"), archive).unwrap_err().to_string();
        let v1 = folder.path().join("cache/v1");
        for part in ["blob", "action", "recipe", "runs"] {
            assert!(!v1.join(part).exists(), "{part} is there after: {error}");
        }
        assert_eq!(fs::read_dir(v1.join("tmp")).unwrap().count(), 0, "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something escaped: {error}");
        error.replace(&archive.display().to_string(), "…")
    }

    #[test]
    fn a_run_arrives_whole_and_a_second_time_changes_nothing() {
        let (_from, path) = exported();
        let folder = tempfile::tempdir().unwrap();
        store(&open(folder.path()), "b", 1, 7.0);
        let imported = import(folder.path(), &path).unwrap();
        assert_eq!(imported, Imported { run: "r-1".to_owned(), n_records: 2, n_new: 1 });
        assert_eq!(kinds(folder.path()), ["a", "b"]);
        let cache = open(folder.path());
        assert_eq!(cache.action(&key("a")).unwrap(), Some(key("a")));
        assert_eq!(cache.record(&key("b")).unwrap().unwrap().ms, 7.0, "what was there stays");
        assert_eq!(fs::read(folder.path().join("v1/runs/r-1/report.json")).unwrap(), b"{}");
        drop(cache);
        assert_eq!(import(folder.path(), &path).unwrap().n_new, 0);
        assert!(verify(folder.path()).unwrap().is_whole());
    }

    #[test]
    fn an_archive_with_any_byte_wrong_or_its_end_cut_is_refused_and_leaves_nothing() {
        let (_from, path) = exported();
        let whole = fs::read(&path).unwrap();
        // From behind the frame's header, of which some bits mean nothing.
        for i in (6..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[i] ^= 16;
            fs::write(&path, &bytes).unwrap();
            refused(&path);
            fs::write(&path, &whole[..i]).unwrap();
            refused(&path);
        }
        fs::write(&path, b"").unwrap();
        assert!(refused(&path).contains("nothing was taken from it"));
    }

    #[test]
    fn no_name_in_an_archive_leads_out_of_the_cache() {
        let file = tar::EntryType::Regular;
        let names = ["../../x", "/tmp/x", "runs/r/../../x", "runs/other/report.json", "lock", "pin/r/x"];
        for name in names {
            let said = refused(packed("r", name, file).path());
            assert!(said.starts_with(&format!("an archive holds `{name}`, which has no place in a cache;")), "{said}");
        }
        let said = refused(packed("..", "runs/../report.json", file).path());
        assert!(said.starts_with("an archive holds `runs/..`, which has no place"), "{said}");
        let said = refused(packed("r", "runs/r/report.json", tar::EntryType::Symlink).path());
        assert!(said.starts_with("an archive holds `runs/r/report.json`, which has no place"), "{said}");
    }

    #[test]
    fn what_is_not_what_its_name_says_is_named() {
        let blob = name("blob", &key("other"), ".st");
        let said = refused(packed("r", &blob, tar::EntryType::Regular).path());
        assert_eq!(
            said,
            format!("in a damaged archive, `{blob}` is not what its name says; nothing was taken from it: …")
        );
    }
}
