//! What is asked while one run gives way to the next.

use std::collections::BTreeMap;
use std::fs;

use rondel_engine::watch::Watcher;
use rondel_engine::{Given, PlanOptions};
use tempfile::TempDir;

use super::super::write_back::tests::site;
use super::*;

/// The plan of a graph as its file is now.
fn plan(path: &Path) -> Arc<Plan> {
    let (site, folder) = (site(path), path.parent().expect("a folder"));
    let graph = site.open(path, &BTreeMap::new()).graph.expect("a graph without mistakes");
    let options = PlanOptions {
        out: folder.to_owned(),
        current_folder: folder.to_owned(),
        swaps: BTreeMap::new(),
        only: Vec::new(),
        sheet: None,
        nonce: 0,
        counts_code: false,
        meaning: None,
        draw: &mut |_| 0,
    };
    Arc::new(rondel_engine::plan(&site, &graph, &Given::default(), options).expect("a plan"))
}

/// A file with a graph, and a desk at which a run of it goes on.
fn at_work() -> (TempDir, PathBuf, Desk) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("graph.ron");
    fs::write(
        &path,
        "Graph(format: 1, nodes: (\ngrey: solid(size: (16, 16), color: \"#777777\")), outputs: (grey: grey))",
    )
    .unwrap();
    let desk = Desk::new(Watcher::new().unwrap().waker(), path.clone());
    let first = plan(&path);
    desk.planned(Since::default(), &first);
    desk.begin(&first);
    (folder, path, desk)
}

#[test]
fn what_is_cancelled_while_a_plan_waits_is_not_begun_with_it() {
    let (_folder, path, desk) = at_work();
    let next = plan(&path);
    desk.planned(Since::default(), &next);
    desk.cancel();
    assert!(desk.begin(&next).0.is_cancelled());

    desk.planned(Since::default(), &next);
    assert!(!desk.begin(&next).0.is_cancelled(), "the save after it runs");
}

#[test]
fn what_is_cancelled_while_no_plan_waits_is_the_run_alone() {
    let (_folder, path, desk) = at_work();
    desk.cancel();
    assert!(desk.wishes().control.is_cancelled());
    let next = plan(&path);
    desk.planned(Since::default(), &next);
    assert!(!desk.begin(&next).0.is_cancelled());
}

#[test]
fn what_is_asked_while_a_plan_waits_is_of_the_newest() {
    let (_folder, path, desk) = at_work();
    assert_eq!(desk.place(Some("grey")), (path.clone(), 2));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("nodes: (", "nodes: (\n// Here it is now.")).unwrap();
    desk.planned(Since::default(), &plan(&path));
    assert_eq!(desk.place(Some("grey")), (path, 3));
}
