//! Plugins that do not load: each is told with its one reason, what needs it not is as if it were not there, and of a graph that
//! needs it, what its file offered before is enough for the rest of the graph to be run.

use std::fs;
use std::path::Path;

use rondel_event::How;

use super::{APART, IN_THE_PROGRAM, graph, project};
use crate::fixture::{Project, Said, how, step, those};

const PLUGIN: &str = "plugins/libzoo.so";

/// The library of the zoo, built with these lines before `zoo.c`.
fn library(defines: &str) -> Vec<u8> {
    fs::read(project(defines).path(PLUGIN)).expect("a library")
}

fn warning(said: &Said) -> &str {
    let mut warnings = said.stderr.lines().filter(|line| line.starts_with("warning: "));
    let warning = warnings.next().expect("a warning");
    assert_eq!(warnings.next(), None, "one reason");
    assert!(warning.ends_with(PLUGIN), "{warning}");
    warning
}

/// A file that does not load, alone and in the place of one that did.
fn is_told(bad: &[u8], expected: &str) {
    harms_no_graph_without_it(bad, expected);
    harms_no_branch_without_it(bad, expected);
}

fn harms_no_graph_without_it(bad: &[u8], expected: &str) {
    let project = Project::new();
    fs::create_dir_all(project.path("plugins")).expect("a folder");
    fs::write(project.path(PLUGIN), bad).expect("a plugin");
    let nodes =
        "nodes: (grey: solid(size: (16, 16), color: \"#777777\"), saved: save(image: grey, path: \"grey.png\"))";
    project.write("graph.ron", &format!("Graph(format: 1, {nodes}, outputs: (saved: saved))"));
    for place in [APART, IN_THE_PROGRAM] {
        let said = project.rondel(&[&["run", "graph.ron"], place].concat());
        assert_eq!((said.code, project.pictures()), (Some(0), vec!["grey.png".to_owned()]), "{}", said.stderr);
        let begins = format!("warning: a plugin is left out: {expected}");
        assert!(warning(&said).starts_with(&begins), "{}", said.stderr);
    }
}

fn harms_no_branch_without_it(bad: &[u8], expected: &str) {
    for place in [APART, IN_THE_PROGRAM] {
        let project = project("");
        project.write("graph.ron", &graph("zoo.leaves_a_thread", "wild: wild, after: after, "));
        // What it offers is known from here on.
        assert_eq!(project.rondel(&["nodes", "zoo.waits"]).code, Some(0));
        fs::write(project.path(PLUGIN), bad).expect("a plugin");
        let (said, report) = project.try_run("graph.ron", place);
        assert_eq!((said.code, how(&report, "saved")), (Some(1), How::Ran), "{}", said.stderr);
        assert_eq!(project.pictures(), ["grey.png"]);
        assert_eq!(
            (those(&report, How::Failed), those(&report, How::Blocked)),
            ("wild".to_owned(), "after".to_owned())
        );
        let problem = step(&report, "wild").problem.as_ref().expect("a problem");
        assert!(problem.kind == "failed" && problem.message.starts_with(expected), "{}", problem.message);
        let begins = format!("warning: a plugin is of no use any more, and steps that it has to run fail: {expected}");
        assert!(warning(&said).starts_with(&begins), "{}", said.stderr);
    }
}

#[test]
fn another_version_of_the_boundary_is_told() {
    is_told(
        &library("#define MAJOR 2"),
        "built for version 2 of the boundary, this program has version 1; rebuild the plugin with the `rondel.h` or SDK of \
         this program: ",
    );
}

#[test]
fn a_struct_that_is_too_small_is_told() {
    is_told(
        &library("#define SIZE 16"),
        "the entry is 16 bytes long and at least 88 are needed; set `struct_size` to `sizeof(rondel_entry)`: ",
    );
}

#[test]
fn a_struct_that_is_bigger_is_of_a_later_version_and_welcome() {
    for place in [APART, IN_THE_PROGRAM] {
        let project = project("#define SIZE 4096");
        project.write("graph.ron", &graph("zoo.leaves_a_thread", "wild: wild, "));
        let (said, report) = project.try_run("graph.ron", place);
        assert_eq!((how(&report, "wild"), how(&report, "saved")), (How::Ran, How::Ran), "{}", said.stderr);
        assert_eq!((said.code, said.stderr.contains("warning: ")), (Some(0), false), "{}", said.stderr);
        assert_eq!(project.pictures(), ["grey.png"]);
    }
}

#[test]
fn a_name_that_steers_terminals_is_told() {
    is_told(
        &library("#define NAME \"zoo\\033[31m\""),
        "the entry has control characters in `name` or `version`; write both in letters: ",
    );
}

#[test]
fn a_kind_that_exists_is_told_with_who_offers_it() {
    is_told(
        &library("#define KIND \"solid\""),
        "kind `solid` of plugin `zoo` is offered by plugin `node-edit` (built in) already; remove one of the two, or rename \
         the kind: ",
    );
}

#[test]
fn a_file_without_the_symbol_is_told_with_its_name() {
    let other = Project::new();
    let library = other.build_c("plugins", "zoo", "int nothing_of_interest;");
    is_told(
        &fs::read(library).expect("a library"),
        "not a plugin: there is no symbol `rondel_entry_zoo`; the symbol is named after the file, so export it under this \
         name or rename the file: ",
    );
}

/// What is said of a file that is no library for this machine.
fn is_no_library(bad: &[u8], reason: &str) {
    let machine = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let how = "build it as a `cdylib`, or with `cc -shared`, for";
    is_told(bad, &format!("not a shared object for this machine ({reason}); {how} {machine}: "));
}

#[test]
fn a_text_file_is_told() {
    is_no_library(b"this is a letter, not a program: dear reader of libraries", "it is a text");
}

/// A shared object of 32 bits with one segment and nothing to find in it, byte by byte as a linker writes it.
fn of_32_bits() -> Vec<u8> {
    const HEADER_BYTES: u16 = 52;
    const SEGMENT_BYTES: u16 = 32;
    let n_bytes = u32::from(HEADER_BYTES + SEGMENT_BYTES);
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // A shared object, for the 80386.
    bytes.extend([3, 0, 3, 0]);
    for word in [1, 0, u32::from(HEADER_BYTES), 0, 0] {
        bytes.extend(u32::to_le_bytes(word));
    }
    for half in [HEADER_BYTES, SEGMENT_BYTES, 1, 0, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    // To be mapped as a whole, for reading.
    for word in [1, 0, 0, 0, n_bytes, n_bytes, 4, 0x1000] {
        bytes.extend(u32::to_le_bytes(word));
    }
    assert_eq!(bytes.len(), n_bytes as usize);
    bytes
}

#[test]
fn an_object_of_32_bits_is_told() {
    is_no_library(&of_32_bits(), "it is built for 32-bit x86");
}

#[test]
fn a_file_that_is_cut_short_is_told() {
    let whole = library("");
    for n_left in [40, whole.len() / 2] {
        let reason = format!("it is cut short: {n_left} of at least {} bytes are there", of_at_least(&whole, n_left));
        is_no_library(&whole[..n_left], &reason);
    }
}

/// How many bytes a library has at least, by what is left of it.
fn of_at_least(whole: &[u8], n_left: usize) -> usize {
    if n_left < 64 { 64 } else { whole.len() }
}

#[test]
fn what_a_plugin_made_while_it_was_of_use_is_known_still() {
    let project = project("");
    project.write("graph.ron", &graph("zoo.leaves_a_thread", "wild: wild, "));
    project.run("graph.ron", &[]);
    fs::write(project.path(PLUGIN), "a letter").expect("a plugin");
    let report = project.run("graph.ron", &[]);
    assert_eq!((how(&report, "wild"), how(&report, "saved")), (How::KnownByRecipe, How::UpToDate));
}

#[test]
fn a_graph_that_needs_what_never_loaded_is_refused_before_it_runs() {
    let project = Project::new();
    fs::create_dir_all(Path::new(&project.path("plugins"))).expect("a folder");
    fs::write(project.path(PLUGIN), "a letter").expect("a plugin");
    project.write("graph.ron", &graph("zoo.leaves", "wild: wild, "));
    let said = project.rondel(&["run", "graph.ron"]);
    assert_eq!((said.code, project.pictures().len()), (Some(2), 0), "{}", said.stderr);
    assert!(warning(&said).contains("it is a text"), "{}", said.stderr);
    assert!(said.stderr.contains("no plugin that can be used offers the kind `zoo.leaves`"), "{}", said.stderr);
}

#[test]
fn a_check_refuses_what_does_not_load_any_more() {
    let project = project("");
    project.write("graph.ron", &graph("zoo.leaves", "wild: wild, "));
    assert_eq!(project.rondel(&["check", "graph.ron"]).code, Some(0));
    fs::write(project.path(PLUGIN), "a letter").expect("a plugin");
    let said = project.rondel(&["check", "graph.ron"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("the plugin `zoo` offered `zoo.leaves` before and is left out"), "{}", said.stderr);
}

#[test]
fn what_does_not_load_in_the_middle_of_a_run_harms_no_branch_without_it() {
    for place in [APART, IN_THE_PROGRAM] {
        let project = project("");
        project.write("graph.ron", &graph("zoo.leaves_a_thread", "wild: wild, "));
        assert_eq!(project.rondel(&["nodes", "zoo.waits"]).code, Some(0));
        // The copy that is opened is damaged, which nobody sees before.
        let copies =
            fs::read_dir(project.path("cache/v1/plugins")).expect("copies").map(|copy| copy.expect("one").path());
        let copy = copies.into_iter().find(|copy| copy.extension().is_some_and(|it| it == "so")).expect("a copy");
        let n_bytes = fs::metadata(&copy).expect("it is there").len() as usize;
        fs::write(&copy, &"a letter ".repeat(n_bytes).as_bytes()[..n_bytes]).expect("a copy");
        let (said, report) = project.try_run("graph.ron", place);
        assert_eq!((said.code, how(&report, "saved")), (Some(1), How::Ran), "{}", said.stderr);
        assert_eq!(project.pictures(), ["grey.png"]);
        let problem = step(&report, "wild").problem.as_ref().expect("a problem");
        assert!(
            problem.message.starts_with("not a shared object for this machine (it is a text)"),
            "{}",
            problem.message
        );
        // It is made again.
        assert_eq!(how(&project.run("graph.ron", place), "wild"), How::Ran);
    }
}
