//! What installed plugins add to a run that uses none of them.
//!
//! `cargo bench --bench plugins` needs a C compiler called `cc`; it builds fifty plugins first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use divan::Bencher;
use tempfile::TempDir;

fn main() {
    divan::main();
}

const N_PLUGINS: [usize; 3] = [0, 1, 50];

/// A graph that needs none of the plugins beside it, and a cache that knows its result and them.
struct Lab {
    folder: TempDir,
}

impl Lab {
    fn new(n_plugins: usize) -> Lab {
        let lab = Lab { folder: tempfile::tempdir().expect("a temporary folder") };
        fs::create_dir(lab.path("plugins")).expect("a folder for plugins");
        (0..n_plugins).for_each(|number| lab.build(number));
        let graph = "Graph(format: 1, nodes: (n: solid(size: (64, 64))), outputs: (image: n))";
        fs::write(lab.path("graph.ron"), graph).expect("a graph file");
        lab.run(&["run", "--quiet", "graph.ron"]);
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Builds `tests/plugin_c/glow.c` under another name.
    fn build(&self, number: usize) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let source = fs::read_to_string(root.join("tests/plugin_c/glow.c")).expect("the plugin");
        let source = source
            .replace("c.glow", &format!("c.glow{number}"))
            .replace("rondel_entry_glow", &format!("rondel_entry_glow{number}"));
        fs::write(self.path("glow.c"), source).expect("a source");
        let library = self.path(&format!("plugins/libglow{number}.{}", std::env::consts::DLL_EXTENSION));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-I"]).arg(root.join("crates/abi/include")).arg(self.path("glow.c"));
        assert!(compiler.arg("-o").arg(library).status().expect("a compiler").success());
    }

    fn run(&self, args: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rondel"));
        command.arg("--cache-dir").arg(self.path("cache")).args(args).current_dir(self.folder.path());
        assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the program starts").success());
    }
}

/// A run whose one step is known.
#[divan::bench(args = N_PLUGINS, max_time = 5)]
fn run_that_uses_none(bencher: Bencher, n_plugins: usize) {
    let lab = Lab::new(n_plugins);
    bencher.bench(|| lab.run(&["run", "--quiet", "graph.ron"]));
}

#[divan::bench(args = N_PLUGINS, max_time = 5)]
fn list(bencher: Bencher, n_plugins: usize) {
    let lab = Lab::new(n_plugins);
    bencher.bench(|| lab.run(&["plugins", "list"]));
}
