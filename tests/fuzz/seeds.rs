//! Writes what the targets begin with: `corpus/<target>/`, from the graphs, diagnostics cases and events in this repository, and
//! from a cache that is made for it.

mod whole;

use std::fs;
use std::path::{Path, PathBuf};

use rondel_value::canon;

const WIDE: &[u8] = br#"Graph(
    format: 1,
    inputs: (strength: Float()),
    nodes: (),
    sweeps: (wide: (strength: Range(from: -99999999999999999999999999999, to: 160000000000000000000000000000, by: 0.000000001))),
)"#;

fn main() -> std::io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut graphs, mut models) = (Vec::new(), Vec::new());
    for folder in ["../../graphs", "../diagnostics"] {
        texts(&here.join(folder), &mut |path, text| {
            let is_models = path.file_name().is_some_and(|name| name == "models.ron");
            if is_models { &mut models } else { &mut graphs }.push(text);
        })?;
    }
    // Ends that each fit a number, and whose distance does not.
    graphs.push(WIDE.to_vec());
    // What is given to the inputs of a graph follows a zero byte.
    let set = graphs.iter().map(|graph| [&graph[..], b"\0[1, \"two\", (3, 4)]"].concat());
    let axis = graphs.iter().map(|graph| [&graph[..], b"\0[1..=8, 2..=3 by 0.5]"].concat());
    let graphs: Vec<Vec<u8>> = set.chain(axis).chain(graphs.iter().cloned()).collect();
    seed(here, "graph", &graphs)?;
    seed(here, "models", &models)?;
    seed(here, "events", &[fs::read(here.join("events.jsonl"))?])?;

    let mut blob = Vec::new();
    canon::write(&whole::picture(), &mut blob)?;
    seed(here, "blob", &[blob])?;

    let folder = tempfile::tempdir()?;
    let files = whole::write(folder.path()).into_iter().zip(0..);
    seed(here, "cache", &files.map(|((_, bytes), which)| [&[which], &bytes[..]].concat()).collect::<Vec<_>>())
}

/// Visits each `.ron` below a folder.
fn texts(folder: &Path, visit: &mut dyn FnMut(PathBuf, Vec<u8>)) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => texts(&path, visit)?,
            false if path.extension().is_some_and(|extension| extension == "ron") => {
                let text = fs::read(&path)?;
                visit(path, text);
            }
            false => {}
        }
    }
    Ok(())
}

fn seed(here: &Path, target: &str, inputs: &[Vec<u8>]) -> std::io::Result<()> {
    let folder = here.join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    for (i, bytes) in inputs.iter().enumerate() {
        fs::write(folder.join(format!("seed-{i:03}")), bytes)?;
    }
    println!("{} for {target}", inputs.len());
    Ok(())
}
