//! Plugins that are registered by what is known of them, and opened when they are needed.

use std::sync::Arc;

use rondel_plugin::{Facts, FailureKind, NodeFailure, Registry};
use rondel_value::{Digest, Image, Value};
use tempfile::TempDir;

use crate::c_plugin::{build, glow};
use crate::host::{Recorder, registry};

/// A registry that knows the plugin `glow` as `change` makes it look, and the folder with the file and no copy yet.
fn known(change: impl FnOnce(&mut Facts)) -> (Registry, TempDir) {
    let (opened, _folder) = glow();
    let mut facts = opened.facts(&opened.plugins()[0]);
    change(&mut facts);
    let folder = TempDir::new().unwrap();
    let file = build(folder.path(), "libglow");
    let digest = Digest::of(&std::fs::read(&file).unwrap());
    let mut registry = registry();
    registry.add_known(&file, digest, facts, &folder.path().join("copies")).unwrap();
    (registry, folder)
}

fn run(registry: &Registry) -> Result<Vec<Value>, NodeFailure> {
    let picture = Value::Bundle(Image::from_u8(1, 1, 1, vec![0]).unwrap().into());
    registry.kind("c.glow").unwrap().run(&[picture, Value::Float(1.0)], &Recorder::default())
}

#[test]
fn a_known_plugin_is_opened_by_its_first_run() {
    let (registry, folder) = known(|_| {});
    let copies = folder.path().join("copies");
    assert!(!copies.exists());
    assert_eq!(registry.kind("c.glow").unwrap().estimate(&[Value::None, Value::None], &|_, _| Ok(vec![])), Ok(None));
    assert_eq!(std::fs::read_dir(&copies).unwrap().count(), 1);
    assert_eq!(run(&registry).unwrap().len(), 1);
}

#[test]
fn a_copy_that_was_cut_is_made_anew() {
    let (registry, folder) = known(|_| {});
    let (copies, file) =
        (folder.path().join("copies"), folder.path().join(format!("libglow.{}", std::env::consts::DLL_EXTENSION)));
    let digest = Digest::of(&std::fs::read(&file).unwrap());
    std::fs::create_dir(&copies).unwrap();
    std::fs::write(copies.join(format!("libglow-{digest}.{}", std::env::consts::DLL_EXTENSION)), "").unwrap();
    assert_eq!(run(&registry).unwrap().len(), 1);
}

#[test]
fn a_known_plugin_that_offers_something_else_fails_its_runs() {
    let (registry, _folder) = known(|facts| Arc::make_mut(&mut facts.kinds[0]).version = 2);
    for _ in 0..2 {
        let failure = run(&registry).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Failed);
        assert!(failure.message.contains("offers other kinds than when it was seen before"), "{failure}");
    }
}

#[test]
fn a_known_plugin_whose_file_was_replaced_fails_its_runs() {
    let (registry, folder) = known(|_| {});
    let file = folder.path().join(format!("libglow.{}", std::env::consts::DLL_EXTENSION));
    std::fs::write(file, "another").unwrap();
    let failure = run(&registry).unwrap_err();
    assert!(failure.message.contains("was replaced since the run began"), "{failure}");
}
