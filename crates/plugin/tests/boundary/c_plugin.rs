//! A plugin in C, built with the system's compiler against `rondel.h`, loaded as a shared object and run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use rondel_plugin::{FailureKind, LoadError, Origin, Registry};
use rondel_value::{Image, Value};
use tempfile::TempDir;

use crate::host::{Recorder, registry};

/// Builds `tests/plugin_c/glow.c` into `folder`, under a name of this system.
pub fn build(folder: &Path, name: &str) -> PathBuf {
    compile("glow.c", &folder.join(format!("{name}.{}", std::env::consts::DLL_EXTENSION)), &[])
}

/// Builds a file of `tests/plugin_c/`, or any other, into `library`.
pub fn compile(source: impl AsRef<Path>, library: &Path, options: &[&str]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let compiler = Command::new("cc")
        .args(["-std=c11", "-shared", "-fPIC", "-pthread", "-Wall", "-Wextra", "-Werror"])
        .args(options)
        .arg("-I")
        .arg(root.join("crates/abi/include"))
        .arg(root.join("tests/plugin_c").join(source))
        .arg("-o")
        .arg(library)
        .output()
        .unwrap();
    assert!(compiler.status.success(), "{}", String::from_utf8_lossy(&compiler.stderr));
    library.to_owned()
}

/// A registry with the plugin in it, and the folder that both copies of the library are in.
pub fn glow() -> (Registry, TempDir) {
    let folder = TempDir::new().unwrap();
    let library = build(folder.path(), "libglow");
    let mut registry = registry();
    registry.add_file(&library, &folder.path().join("copies")).unwrap();
    (registry, folder)
}

/// 2×2 pixels with alpha, and a way to see whether anyone still holds their memory.
fn picture() -> (Value, Arc<Vec<u8>>) {
    struct Owner(Arc<Vec<u8>>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let pixels = Arc::new(vec![0, 100, 255, 9, 1, 2, 3, 8, 50, 60, 70, 7, 251, 252, 253, 6]);
    let image = Image::from_u8(2, 2, 4, Bytes::from_owner(Owner(pixels.clone()))).unwrap();
    (Value::Bundle(image.into()), pixels)
}

#[test]
fn a_picture_is_lifted_and_every_count_balances() {
    let (registry, _folder) = glow();
    let (picture, pixels) = picture();
    let host = Recorder::default();
    let mut outputs = registry.kind("c.glow").unwrap().run(&[picture, Value::Float(0.5)], &host).unwrap();
    assert_eq!(Arc::strong_count(&pixels), 1, "the input is let go");
    assert_eq!(registry.built_bundles_alive(), 1);
    let Some(Value::Bundle(bundle)) = outputs.pop() else { panic!("a picture") };
    let lifted = Image::try_from(bundle).unwrap();
    assert_eq!((lifted.width(), lifted.height(), lifted.channels()), (2, 2, 4));
    assert_eq!(lifted.to_u8()[..], [128, 178, 255, 9, 128, 129, 129, 8, 153, 158, 163, 7, 253, 254, 254, 6]);
    assert_eq!(host.said(), ["1/2 rows", "2/2 rows"]);
    drop(lifted);
    assert_eq!(registry.built_bundles_alive(), 0, "the output is let go");
}

#[test]
fn a_cancelled_picture_leaves_nothing_behind() {
    let (registry, _folder) = glow();
    let (picture, pixels) = picture();
    let host = Recorder { cancels_at: Some(1), ..Recorder::default() };
    let failure = registry.kind("c.glow").unwrap().run(&[picture, Value::Float(0.5)], &host).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Cancelled);
    assert_eq!(host.said(), ["1/2 rows"]);
    assert_eq!((registry.built_bundles_alive(), Arc::strong_count(&pixels)), (0, 1));
}

#[test]
fn a_wrong_picture_is_refused_by_name() {
    let (registry, _folder) = glow();
    let pixels = rondel_value::Tensor::from_f32("pixels", vec![1, 1, 1], &[0.5]).unwrap();
    let floats = rondel_value::Bundle::new(rondel_value::Kind::Image, Default::default(), [pixels]);
    let inputs = [Value::Bundle(floats), Value::Float(0.5)];
    let failure = registry.kind("c.glow").unwrap().run(&inputs, &Recorder::default()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::InvalidInput);
    assert_eq!((failure.input.as_deref(), failure.message.as_str()), (Some("image"), "8-bit pixels wanted"));
}

#[test]
fn a_file_is_opened_by_way_of_a_copy_named_by_its_content() {
    let (registry, folder) = glow();
    let plugin = &registry.plugins()[0];
    let library = folder.path().join(format!("libglow.{}", std::env::consts::DLL_EXTENSION));
    assert_eq!((plugin.name.as_str(), plugin.version.as_str()), ("glow", "0.1.0"));
    assert_eq!((&plugin.origin, &plugin.kinds[..]), (&Origin::File(library), &["c.glow".to_owned()][..]));
    let digest = plugin.digest.unwrap();
    let copies = std::fs::read_dir(folder.path().join("copies")).unwrap();
    let copies: Vec<_> = copies.map(|copy| copy.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(copies, [format!("libglow-{digest}.{}", std::env::consts::DLL_EXTENSION)]);
}

#[test]
fn a_file_that_is_loaded_already_is_passed_over() {
    let (mut registry, folder) = glow();
    let errors = registry.add_folder(folder.path(), &folder.path().join("copies"));
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(registry.plugins().len(), 1);
}

#[test]
fn a_file_under_another_name_lacks_the_symbol_of_that_name() {
    let folder = TempDir::new().unwrap();
    let library = build(folder.path(), "libshine-more");
    let error = registry().add_file(&library, &folder.path().join("copies")).unwrap_err();
    assert!(matches!(&error, LoadError::NoEntry { symbol, .. } if symbol == "rondel_entry_shine_more"), "{error}");
}

#[test]
fn a_bad_file_does_not_stop_the_others() {
    let folder = TempDir::new().unwrap();
    let garbage = folder.path().join(format!("liba.{}", std::env::consts::DLL_EXTENSION));
    std::fs::write(&garbage, "this is no library").unwrap();
    std::fs::write(folder.path().join("README.md"), "not looked at").unwrap();
    build(folder.path(), "libglow");
    let mut registry = registry();
    let errors = registry.add_folder(folder.path(), &folder.path().join("copies"));
    assert!(matches!(&errors[..], [LoadError::NotASharedObject { path, .. }] if *path == garbage), "{errors:?}");
    assert!(errors[0].to_string().contains("build it as a `cdylib`"), "{}", errors[0]);
    assert!(registry.kind("c.glow").is_some());
    // Nothing is kept of what cannot be opened.
    assert_eq!(std::fs::read_dir(folder.path().join("copies")).unwrap().count(), 1);
}
