//! What one machine made, another takes.

use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutPayload};
use rondel_cache::upkeep::{stats, verify};
use rondel_cache::{DiskTier, Tier};
use rondel_remote::{Address, Limits, Mode, ObjectTier, Probed};
use rondel_value::Digest;

use crate::machine::{Machine, Made, now, object};

#[test]
fn what_one_machine_made_another_takes_and_keeps() {
    let bucket = Arc::new(InMemory::new());
    Machine::new(bucket.clone(), Mode::ReadWrite).make(1);
    let other = Machine::new(bucket, Mode::Read);
    assert!(other.takes(1));
    // From then on it needs nobody.
    assert!(Made::new(1).is_in(&other.alone()));
    let counts = other.cache.remote_counts().unwrap();
    assert_eq!((counts.n_found, counts.n_blobs, counts.n_put, counts.n_failed), (1, 1, 0, 0));
}

#[test]
fn a_record_is_on_disk_only_with_its_blobs() {
    let bucket = Arc::new(InMemory::new());
    Machine::new(bucket.clone(), Mode::ReadWrite).make(1);
    let other = Machine::new(bucket, Mode::Read);
    let made = Made::new(1);
    other.cache.ask(&[made.recipe]).unwrap();
    assert!(other.cache.is_whole(&made.record), "its blobs are promised");
    assert_eq!(other.alone().record(&made.action).unwrap(), None);
    assert!(verify(other.folder()).unwrap().is_whole());
    assert!(made.is_in(&other.cache));
    assert_eq!(stats(other.folder()).unwrap().n_records, 1);
}

#[test]
fn a_machine_that_only_reads_gives_nothing() {
    let bucket = Arc::new(InMemory::new());
    Machine::new(bucket.clone(), Mode::Read).make(1);
    assert!(!Machine::new(bucket, Mode::Read).takes(1));
}

#[test]
fn what_was_made_before_there_was_a_bucket_goes_up_when_it_is_offered() {
    let bucket = Arc::new(InMemory::new());
    let first = Machine::new(bucket.clone(), Mode::ReadWrite);
    let made = Made::new(1);
    first.alone().store(&made.recipe, &made.action, &made.record, &made.values).unwrap();
    first.give(1);
    assert!(Machine::new(bucket, Mode::Read).takes(1));
}

#[test]
fn a_step_whose_inputs_came_out_the_same_is_found_by_content() {
    let bucket = Arc::new(InMemory::new());
    Machine::new(bucket.clone(), Mode::ReadWrite).make(1);
    let other = Machine::new(bucket, Mode::Read);
    let (made, recipe) = (Made::new(1), Made::new(2).recipe);
    assert_eq!(other.cache.ask_by_content(&recipe, &made.action), Some(made.record.clone()));
    assert!(other.cache.is_from_remote(&made.action));
    assert_eq!(other.cache.action(&recipe).unwrap(), Some(made.action));
    assert_eq!(other.cache.ask_by_content(&recipe, &recipe), None);
}

#[test]
fn a_bucket_is_a_cache_folder_with_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let place = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let made = Made::new(1);
    Machine::new(Arc::new(place), Mode::ReadWrite).make(1);
    let disk = DiskTier::new(&folder.path().join("team/results"));
    assert_eq!(disk.action(&made.recipe).unwrap(), Some(made.action));
    assert_eq!(disk.record(&made.action).unwrap(), Some(made.record.clone()));
    assert_eq!(disk.blob(&made.blob()).unwrap().map(|bundle| bundle.digest()), Some(made.blob()));
}

#[test]
fn a_promise_that_is_broken_is_made_good_by_who_made_the_step_again() {
    let bucket = Arc::new(InMemory::new());
    Machine::new(bucket.clone(), Mode::ReadWrite).make(1);
    let made = Made::new(1);
    now(bucket.delete(&object("blob", &made.blob(), ".st"))).unwrap();
    let other = Machine::new(bucket.clone(), Mode::ReadWrite);
    other.cache.ask(&[made.recipe]).unwrap();
    assert!(other.cache.is_whole(&made.record));
    assert_eq!(other.cache.fetch(&made.record.outputs[0]).unwrap(), None);
    assert!(!other.cache.is_whole(&made.record));
    // Asked again, it would promise the same again.
    assert_eq!(other.cache.ask_by_content(&made.recipe, &made.action), None);
    other.make(1);
    assert!(Machine::new(bucket, Mode::Read).takes(1));
}

#[test]
fn what_is_damaged_or_foreign_is_a_miss_is_told_once_and_is_replaced() {
    let made = Made::new(1);
    for (part, digest, ending) in
        [("recipe", made.recipe, ""), ("action", made.action, ".json"), ("blob", made.blob(), ".st")]
    {
        let bucket = Arc::new(InMemory::new());
        Machine::new(bucket.clone(), Mode::ReadWrite).make(1);
        let foreign = PutPayload::from_static(b"<html>this is the login page</html>");
        now(bucket.put(&object(part, &digest, ending), foreign)).unwrap();
        let other = Machine::new(bucket.clone(), Mode::ReadWrite);
        assert!(!other.takes(1) && !other.takes(1), "{part}");
        let troubles = other.cache.take_remote_troubles();
        assert_eq!(troubles.len(), 1, "{troubles:?}");
        assert!(troubles[0].contains(&digest.to_string()), "{troubles:?}");
        other.make(1);
        assert!(Machine::new(bucket, Mode::Read).takes(1), "{part}");
    }
}

#[test]
fn a_bucket_that_was_copied_to_in_part_is_filled_up() {
    let made = Made::new(1);
    for (part, digest, ending) in
        [("recipe", made.recipe, ""), ("action", made.action, ".json"), ("blob", made.blob(), ".st")]
    {
        let bucket = Arc::new(InMemory::new());
        let first = Machine::new(bucket.clone(), Mode::ReadWrite);
        first.make(1);
        now(bucket.delete(&object(part, &digest, ending))).unwrap();
        first.give(1);
        assert!(Machine::new(bucket, Mode::Read).takes(1), "{part}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_one_to_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/shared", folder.path().display());
    let tier = |mode| ObjectTier::new(Address::open(&url, &[]).unwrap(), mode, Limits::default()).unwrap();
    assert_eq!(tier(Mode::Read).probe().unwrap(), Probed::NotMade);
    tier(Mode::ReadWrite).put_alias(&Made::new(1).recipe, &Made::new(1).action).unwrap();
    assert_eq!(tier(Mode::Read).probe().unwrap(), Probed::Answers);
}

#[test]
fn a_cache_folder_is_a_bucket() {
    let released = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../cache/tests/released");
    let address = Address::open(&format!("file://{}", released.canonicalize().unwrap().display()), &[]).unwrap();
    let tier = ObjectTier::new(address, Mode::Read, Limits::default()).unwrap();
    let action = tier.action(&Digest::of(b"recipe")).unwrap();
    assert_eq!(action, Some(Digest::of(b"action")));
    let record = tier.record(&Digest::of(b"action")).unwrap().expect("a record");
    let blobs = record.blobs();
    assert!(blobs.iter().all(|blob| tier.blob(blob).unwrap().is_some()) && !blobs.is_empty());
}

#[test]
fn what_lies_under_anothers_name_is_a_miss() {
    let (made, other) = (Made::new(1), Made::new(2));
    for (part, of, name, ending) in
        [("recipe", other.recipe, made.recipe, ""), ("action", other.action, made.action, ".json")]
    {
        let bucket = Arc::new(InMemory::new());
        let first = Machine::new(bucket.clone(), Mode::ReadWrite);
        first.make(1);
        first.make(2);
        now(bucket.copy(&object(part, &of, ending), &object(part, &name, ending))).unwrap();
        let reader = Machine::new(bucket, Mode::Read);
        assert!(!reader.takes(1) && reader.takes(2), "{part}");
    }
}
