//! Whatever file of the cache folder is damaged, a run comes to the same and says what it found.

use std::fs;
use std::path::{Path, PathBuf};

use rondel_event::{Level, Outcome, What};

use crate::lab::{Lab, Ran};

const GRAPH: &str = r#"nodes: (
    sum: add(a: 1, b: 2), picture: paint(value: sum), seen: look(image: picture), text: words(text: "a fox"),
    file: write(text: text, path: "fox.txt"),
), outputs: (seen: seen, picture: picture, text: text),"#;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

fn warnings(ran: &Ran) -> Vec<&str> {
    let texts = ran.events.iter().filter_map(|event| match &event.what {
        What::Log { level: Level::Warn, text, .. } => Some(&**text),
        _ => None,
    });
    texts.collect()
}

#[test]
fn a_flipped_bit_a_cut_and_an_empty_file_change_no_result() {
    let lab = Lab::new();
    let first = lab.run(GRAPH);
    let v1 = lab.path("cache/v1");
    let mut parts = Vec::new();
    for path in files(&v1) {
        let part = path.strip_prefix(&v1).unwrap().iter().next().unwrap().to_string_lossy().into_owned();
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        if let Some(byte) = flipped.get_mut(whole.len() / 2) {
            *byte ^= 4;
        }
        for bytes in [&flipped[..], &whole[..whole.len() / 3], &[]] {
            fs::write(&path, bytes).unwrap();
            let ran = lab.run(GRAPH);
            assert_eq!((ran.report.outcome, &ran.report.outputs), (Outcome::Done, &first.report.outputs), "{path:?}");
            let said = warnings(&ran);
            match &*part {
                // A blob is looked into when something takes it, and nothing did.
                "action" | "recipe" => {
                    assert!(said.len() == 1 && said[0].starts_with("a damaged "), "{path:?}: {said:?}");
                }
                _ => assert_eq!(said, [""; 0], "{path:?}"),
            }
        }
        parts.push(part);
    }
    parts.dedup();
    assert_eq!(parts, ["action", "blob", "last", "lock", "recipe", "runs"]);
}

#[test]
fn a_damaged_blob_is_told_and_its_step_runs_again() {
    let lab = Lab::new();
    lab.run(GRAPH);
    let blob = lab.cache_files("blob").remove(0);
    let mut bytes = fs::read(&blob).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&blob, bytes).unwrap();
    let more = GRAPH.replace("text: words", "again: look(image: picture, with: (cache: Never)), text: words");
    let ran = lab.run(&more.replace("outputs: (", "outputs: (again: again, "));
    assert_eq!((ran.report.outcome, ran.output("again").value.clone()), (Outcome::Done, Some(3.into())));
    assert_eq!(ran.step("picture").why_text.as_deref(), Some("the stored `image` is lost"));
    let said = warnings(&ran);
    assert!(
        said.len() == 1 && said[0].starts_with("a damaged blob is moved aside, and made again when it is needed: ")
    );
}

#[test]
fn a_cache_that_cannot_be_written_costs_no_result_and_is_told_once() {
    let lab = Lab::new();
    lab.file("cache", "a file where a folder should be");
    let ran = lab.run(GRAPH);
    assert_eq!((ran.report.outcome, ran.output("seen").value.clone()), (Outcome::Done, Some(3.into())));
    let said = warnings(&ran);
    assert!(
        said.len() == 1 && said[0].starts_with("results cannot be kept in the cache: writing failed: "),
        "{said:?}"
    );
}
