//! Plugins that do what no plugin may do, in the real program: one clear error each, and everything else goes on.

use std::fs;

use rondel_event::{How, Report};

use crate::fixture::{Project, Said, how, step};

/// A project with the zoo, built with these lines before `zoo.c`.
fn project(defines: &str) -> Project {
    let project = Project::new();
    project.build_c("plugins", "zoo", &format!("{defines}\n#include <zoo/zoo.c>"));
    project
}

/// A project with this file as its plugin `libzoo.so`.
fn project_with(library: &[u8]) -> Project {
    let project = Project::new();
    fs::create_dir_all(project.path("plugins")).expect("a folder");
    fs::write(project.path("plugins/libzoo.so"), library).expect("a plugin");
    project
}

/// The library of the zoo.
fn library() -> Vec<u8> {
    fs::read(project("").path("plugins/libzoo.so")).expect("a library")
}

/// A graph with one node of the zoo, and beside it a branch that has nothing to do with that.
fn graph(beast: &str, outputs: &str) -> String {
    format!(
        "Graph(
            format: 1,
            imports: (beast: Node(\"{beast}\"), waits: Node(\"zoo.waits\")),
            nodes: (
                grey: solid(size: (16, 16), color: \"#777777\"),
                saved: save(image: grey, path: \"grey.png\"),
                wild: beast(with: (timeout: \"200ms\")),
                after: waits(after: wild),
            ),
            outputs: ({outputs}saved: saved),
        )"
    )
}

/// Runs the beast, and checks that the branch beside it came to its end and is kept.
fn let_loose(beast: &str, args: &[&str]) -> (Said, Report) {
    let project = project("");
    project.write("graph.ron", &graph(beast, "wild: wild, "));
    let (said, report) = project.try_run("graph.ron", args);
    assert_eq!(how(&report, "saved"), How::Ran, "{}", said.stderr);
    assert_eq!(project.pictures(), ["grey.png"]);
    // The cache is whole, and the next run knows what this one made.
    assert_eq!(project.rondel(&["cache", "verify"]).code, Some(0));
    project.write("graph.ron", &graph(beast, ""));
    let next = project.run("graph.ron", &[]);
    assert_eq!((how(&next, "grey"), how(&next, "saved")), (How::KnownByRecipe, How::UpToDate));
    (said, report)
}

/// The beast fails, and this is what is said of it.
fn fails(beast: &str, kind: &str, message: &str) {
    let (said, report) = let_loose(beast, &["--memory", "100MB"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    let problem = step(&report, "wild").problem.as_ref().expect("a problem");
    assert_eq!((&*problem.kind, &*problem.message), (kind, message));
    assert!(said.stderr.contains(message), "{}", said.stderr);
}

#[test]
fn a_panic_is_told_by_its_message() {
    fails("zoo.panics", "panicked", "index out of bounds");
}

#[test]
fn a_value_of_a_wrong_type_is_told_by_its_port() {
    fails("zoo.wrong_type", "misbehaved", "its output `value` is wrong: Int wanted, Text given");
}

#[test]
fn an_output_that_is_missing_is_told_by_its_name() {
    fails("zoo.nothing", "misbehaved", "it did not set its output `value`");
}

#[test]
fn success_after_an_error_is_none() {
    fails("zoo.both", "misbehaved", "it says that it is done, and that it failed: no luck");
}

#[test]
fn an_abort_is_told_with_the_last_words() {
    fails(
        "zoo.aborts",
        "crashed",
        "plugin `zoo` crashed with signal 6 (SIGABRT: it gave up) while it ran `zoo.aborts`; the last that it printed: \
         nothing is as it should be",
    );
}

#[test]
fn a_null_pointer_is_told_by_its_signal() {
    fails(
        "zoo.null_pointer",
        "crashed",
        "plugin `zoo` crashed with signal 11 (SIGSEGV: it used memory that is not its own) while it ran \
         `zoo.null_pointer`",
    );
}

#[test]
fn who_leaves_is_told_by_the_exit_code() {
    fails("zoo.leaves", "crashed", "plugin `zoo` ended its process with exit code 0 while it ran `zoo.leaves`");
}

#[test]
fn a_loop_without_end_is_ended_after_its_timeout() {
    let (said, report) = let_loose("zoo.spins", &[]);
    assert_eq!((said.code, how(&report, "wild")), (Some(1), How::Failed), "{}", said.stderr);
    let problem = step(&report, "wild").problem.as_ref().expect("a problem");
    assert_eq!(problem.kind, "timed_out", "{}", problem.message);
}

#[test]
fn memory_without_end_is_told_by_its_size() {
    let (said, report) = let_loose("zoo.hoards", &["--memory", "20MB"]);
    assert_eq!((said.code, how(&report, "wild")), (Some(1), How::Failed), "{}", said.stderr);
    let problem = step(&report, "wild").problem.as_ref().expect("a problem");
    assert_eq!(problem.kind, "out_of_memory", "{}", problem.message);
    assert!(problem.message.starts_with("plugin `zoo` was ended, for its process took 1"), "{}", problem.message);
}

#[test]
fn a_thread_that_is_left_behind_harms_nobody() {
    let (said, report) = let_loose("zoo.leaves_a_thread", &[]);
    assert_eq!((said.code, how(&report, "wild")), (Some(0), How::Ran), "{}", said.stderr);
}

#[test]
fn who_calls_after_the_end_is_found_out_by_the_next_step() {
    let project = project("");
    project.write("graph.ron", &graph("zoo.calls_late", "after: after, "));
    let (said, report) = project.try_run("graph.ron", &[]);
    assert_eq!((said.code, how(&report, "after")), (Some(0), How::Ran), "{}", said.stderr);
    let expected = "plugin `zoo` called the host from a thread that `zoo.calls_late` had not joined, which ended the process of \
                    this step; it is run once more in another";
    assert!(said.stderr.contains(expected), "{}", said.stderr);
    assert_eq!(project.pictures(), ["grey.png"]);
}

/// A run with a plugin that does not load: its picture is kept, and this is what is said.
fn left_out(project: &Project, expected: &str) {
    project.write(
        "graph.ron",
        "Graph(
            format: 1,
            nodes: (grey: solid(size: (16, 16), color: \"#777777\"), saved: save(image: grey, path: \"grey.png\")),
            outputs: (saved: saved),
        )",
    );
    for how_loaded in [&["--isolate", "all"], &["--trust", "all"]] {
        let said = project.rondel(&[&["run", "graph.ron"], &how_loaded[..]].concat());
        assert_eq!((said.code, project.pictures()), (Some(0), vec!["grey.png".to_owned()]), "{}", said.stderr);
        let warnings: Vec<&str> = said.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
        let without_path = warnings.iter().map(|warning| warning.rsplit_once(": ").expect("a path at its end").0);
        assert_eq!(without_path.collect::<Vec<_>>(), [format!("warning: a plugin is left out: {expected}")]);
        assert!(warnings[0].ends_with("plugins/libzoo.so"), "{}", warnings[0]);
    }
}

#[test]
fn another_version_of_the_boundary_is_told() {
    let zoo = project("#define MAJOR 2");
    left_out(
        &zoo,
        "built for version 2 of the boundary, this program has version 1; rebuild the plugin with the `rondel.h` or SDK of \
         this program",
    );
}

#[test]
fn a_struct_that_is_too_small_is_told() {
    let zoo = project("#define SIZE 16");
    let expected = "the entry is 16 bytes long and at least 88 are needed; set `struct_size` to `sizeof(rondel_entry)`";
    left_out(&zoo, expected);
}

#[test]
fn a_struct_that_is_bigger_is_of_a_later_version_and_welcome() {
    let project = project("#define SIZE 4096");
    let said = project.rondel(&["nodes", "zoo.waits"]);
    assert_eq!((said.code, &*said.stderr), (Some(0), ""), "{}", said.stdout);
}

#[test]
fn a_kind_that_exists_is_told_with_who_offers_it() {
    let zoo = project("#define KIND \"solid\"");
    left_out(
        &zoo,
        "kind `solid` of plugin `zoo` is offered by plugin `node-edit` (built in) already; remove one of the two, or rename \
         the kind",
    );
}

#[test]
fn a_file_without_the_symbol_is_told_with_its_name() {
    let project = Project::new();
    project.build_c("plugins", "zoo", "int nothing_of_interest;");
    left_out(
        &project,
        "not a plugin: there is no symbol `rondel_entry_zoo`; the symbol is named after the file, so export it under this \
         name or rename the file",
    );
}

/// What is said of a file that the system does not open.
fn not_opened(library: &[u8], reason: &str) {
    let machine = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let how = "build it as a `cdylib`, or with `cc -shared`, for";
    left_out(&project_with(library), &format!("not a shared object for this machine ({reason}); {how} {machine}"));
}

#[test]
fn a_text_file_is_told() {
    not_opened(
        b"this is a letter, not a program, and long enough to be looked at: dear reader of libraries",
        "invalid ELF header",
    );
}

#[test]
fn an_object_of_32_bits_is_told() {
    let mut library = library();
    // The class of the object, as `cc -m32` would write it.
    library[4] = 1;
    not_opened(&library, "wrong ELF class: ELFCLASS32");
}

#[test]
fn a_file_that_is_cut_short_is_told() {
    not_opened(&library()[..40], "file too short");
}

#[test]
fn who_crashes_while_it_is_opened_is_told() {
    let project = project("#define AT_LOAD");
    project.write("graph.ron", &graph("zoo.waits", ""));
    let said = project.rondel(&["nodes"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let expected = "warning: a plugin is left out: the plugin is of no use: it ended the process with signal 6, it gave up while it \
                    was opened; ask its maker: plugins/libzoo.so\n";
    assert_eq!(said.stderr, expected);
}

#[test]
fn an_option_that_names_no_plugin_is_a_mistake() {
    let project = project("");
    project.write("graph.ron", &graph("zoo.waits", ""));
    let error = |args: &[&str]| {
        let said = project.rondel(&[&["run", "graph.ron"], args].concat());
        assert_eq!(said.code, Some(2));
        said.stderr
    };
    assert_eq!(error(&["--isolate", "zo"]), "error: `--isolate zo`: there is no such plugin; there are: zoo\n");
    let builtin = "error: `--trust node-save`: this plugin is built in, and runs in the program\n";
    assert_eq!(error(&["--trust", "node-save"]), builtin);
}

#[test]
fn the_configuration_says_which_plugins_are_trusted() {
    let project = project("");
    project.write("graph.ron", &graph("zoo.leaves", "wild: wild, "));
    project.write("home/config/rondel/config.ron", "Config(trust: [\"zoo\"])");
    // In the program, the plugin takes everything with it.
    let said = project.rondel(&["run", "graph.ron"]);
    assert_eq!(said.code, Some(0));
    assert!(!said.stderr.contains("steps"), "{}", said.stderr);
    project.write("home/config/rondel/config.ron", "Config(\n    trust: [\"zoo\"],\n    isolate: [\"zoo\"],\n)");
    assert_eq!(project.rondel(&["run", "graph.ron"]).code, Some(1));
    project.write("home/config/rondel/config.ron", "Config(\n    trusts: [],\n)");
    let said = project.rondel(&["run", "graph.ron"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("config.ron") && said.stderr.contains("2:"), "{}", said.stderr);
}
