//! What it costs to run a plugin in a process of its own, by the size of what goes there and comes back.
//!
//!     cargo bench -p rondel-plugin
//!
//! The plugin hands its picture back as it is, so all that is measured is the way: here a pointer, there one copy in each
//! direction and the pages that the other side touches.

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    on_linux::main();
}

#[cfg(target_os = "linux")]
mod on_linux {
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::sync::LazyLock;
    use std::time::Duration;

    use divan::Bencher;
    use rondel_plugin::{HostOptions, Isolation, Registry, Unwatched, isolate};
    use rondel_value::{Digest, Image, Value};
    use tempfile::TempDir;

    const CHILD: &str = "child";

    pub fn main() {
        if std::env::args().any(|argument| argument == CHILD) {
            let Err(error) = isolate::serve();
            panic!("{error}");
        }
        divan::main();
    }

    static FOLDER: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a temporary folder"));
    static ZOO: LazyLock<PathBuf> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let library = FOLDER.path().join("libzoo.so");
        let compiler = Command::new("cc")
            .args(["-std=c11", "-O2", "-shared", "-fPIC", "-pthread", "-I"])
            .arg(root.join("crates/abi/include"))
            .arg(root.join("tests/plugin_c/zoo/zoo.c"))
            .arg("-o")
            .arg(&library)
            .status();
        assert!(compiler.expect("a compiler").success());
        library
    });
    static HERE: LazyLock<Registry> = LazyLock::new(|| {
        let mut registry = Registry::new(HostOptions::default());
        registry.add_file(&ZOO, &FOLDER.path().join("copies")).expect("it loads");
        registry
    });
    static APART: LazyLock<Registry> = LazyLock::new(|| {
        let facts = HERE.facts(&HERE.plugins()[0]);
        let digest = Digest::of(&std::fs::read(&*ZOO).expect("a library"));
        let isolation = Isolation {
            program: std::env::current_exe().expect("this program"),
            arguments: vec![CHILD.into()],
            environment: Vec::new(),
            libraries: Vec::new(),
            temp: FOLDER.path().join("temp"),
            grace: Duration::from_secs(1),
            load_limit: Duration::from_secs(60),
            estimate_limit: Duration::from_secs(60),
        };
        let mut registry = Registry::new(HostOptions::default());
        let copies = FOLDER.path().join("copies");
        registry.add_isolated(&ZOO, digest, facts, &copies, &isolation).expect("it is registered");
        registry
    });

    /// A picture of so many kibibytes.
    fn picture(kib: usize) -> Value {
        let pixels = (0..kib * 1024).map(|i| (i % 251) as u8).collect::<Vec<_>>();
        Value::Bundle(Image::from_u8(16, kib * 16, 4, pixels).expect("a picture").into())
    }

    fn echo(bencher: Bencher<'_, '_>, registry: &Registry, kib: usize) {
        let (kind, inputs) = (registry.kind("zoo.echo").expect("a kind"), [picture(kib)]);
        bencher.bench_local(|| kind.run(&inputs, &Unwatched::default()).expect("a result"));
    }

    #[divan::bench(args = [1, 1024, 65536])]
    fn here(bencher: Bencher<'_, '_>, kib: usize) {
        echo(bencher, &HERE, kib);
    }

    #[divan::bench(args = [1, 1024, 65536])]
    fn apart_and_back(bencher: Bencher<'_, '_>, kib: usize) {
        echo(bencher, &APART, kib);
    }

    /// With a new child for each.
    #[divan::bench(sample_count = 20)]
    fn apart_in_a_new_child(bencher: Bencher<'_, '_>) {
        let crash = APART.kind("zoo.leaves").expect("a kind");
        let (kind, inputs) = (APART.kind("zoo.echo").expect("a kind"), [picture(1)]);
        bencher
            .with_inputs(|| crash.run(&[], &Unwatched::default()).expect_err("it leaves"))
            .bench_local_values(|_| kind.run(&inputs, &Unwatched::default()).expect("a result"));
    }
}
