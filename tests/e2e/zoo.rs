//! Plugins that do what no plugin may do, in the real program: one clear error each, and everything else goes on.

mod unloadable;

use std::fs;

use rondel_event::{How, Report};

use crate::fixture::{Project, Said, how, step};
use crate::plugin::link;

/// A project with the zoo, built with these lines before `zoo.c`.
fn project(defines: &str) -> Project {
    let project = Project::new();
    project.build_c("plugins", "zoo", &format!("{defines}\n#include <zoo/zoo.c>"));
    project
}

/// A graph with one node of the zoo, and beside it a branch that has nothing to do with that.
fn graph(beast: &str, outputs: &str) -> String {
    // Only who never ends is to be hurried: on a busy machine, a process may take a while to start.
    let timeout = if beast == "zoo.spins" { "200ms" } else { "60s" };
    format!(
        "Graph(
            format: 1,
            imports: (beast: Node(\"{beast}\"), waits: Node(\"zoo.waits\")),
            nodes: (
                grey: solid(size: (16, 16), color: \"#777777\"),
                saved: save(image: grey, path: \"grey.png\"),
                wild: beast(with: (timeout: \"{timeout}\")),
                after: waits(after: wild),
            ),
            outputs: ({outputs}saved: saved),
        )"
    )
}

/// How a plugin is run that was never checked.
const APART: &[&str] = &["--isolate", "all"];
const IN_THE_PROGRAM: &[&str] = &["--trust", "all"];

/// Runs the beast, and checks that the branch beside it came to its end and is kept.
fn let_loose(beast: &str, args: &[&str]) -> (Said, Report) {
    let_loose_in(&project(""), beast, args)
}

fn let_loose_in(project: &Project, beast: &str, args: &[&str]) -> (Said, Report) {
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

/// The beast fails in a process of its own, and this is what is said of it.
fn fails(beast: &str, kind: &str, message: &str) {
    fails_in(&project(""), beast, APART, kind, message);
}

/// The beast fails, wherever it runs.
fn fails_everywhere(beast: &str, kind: &str, message: &str) {
    for place in [APART, IN_THE_PROGRAM] {
        fails_in(&project(""), beast, place, kind, message);
    }
}

fn fails_in(project: &Project, beast: &str, place: &[&str], kind: &str, message: &str) {
    let (said, report) = let_loose_in(project, beast, &[&["--memory", "100MB"], place].concat());
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    let problem = step(&report, "wild").problem.as_ref().expect("a problem");
    assert_eq!((&*problem.kind, &*problem.message), (kind, message), "{place:?}");
    assert!(said.stderr.contains(message), "{}", said.stderr);
}

#[test]
fn a_panic_is_told_by_its_message() {
    fails_everywhere("zoo.panics", "panicked", "index out of bounds");
}

#[test]
fn a_panic_of_rust_is_told_by_its_message() {
    for place in [APART, IN_THE_PROGRAM] {
        let project = project("");
        link("rondel-testkit", &project.path("plugins"));
        let args = [place, &["--memory", "100MB"]].concat();
        project.write("graph.ron", &graph("stub.panic", "wild: wild, ").replace("beast(with", "beast(a: 7, with"));
        let (said, report) = project.try_run("graph.ron", &args);
        assert_eq!((said.code, how(&report, "saved")), (Some(1), How::Ran), "{}", said.stderr);
        assert_eq!(project.pictures(), ["grey.png"]);
        let problem = step(&report, "wild").problem.as_ref().expect("a problem");
        assert!(problem.kind == "panicked" && problem.message.contains("7 is too much"), "{}", problem.message);
    }
}

#[test]
fn a_value_of_a_wrong_type_is_told_by_its_port() {
    fails_everywhere("zoo.wrong_type", "misbehaved", "its output `value` is wrong: Int wanted, Text given");
}

#[test]
fn an_output_that_is_missing_is_told_by_its_name() {
    fails_everywhere("zoo.nothing", "misbehaved", "it did not set its output `value`");
}

#[test]
fn success_after_an_error_is_none() {
    fails_everywhere("zoo.both", "misbehaved", "it says that it is done, and that it failed: no luck");
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
    let message = "it took longer than 200ms, its `timeout`";
    assert_eq!((&*problem.kind, &*problem.message), ("timed_out", message));
    assert!(said.stderr.contains(&format!("FAILED wild   {message}\n")), "{}", said.stderr);
}

#[test]
fn memory_without_end_is_told_by_its_size() {
    let (said, report) = let_loose("zoo.hoards", &["--memory", "20MB"]);
    assert_eq!((said.code, how(&report, "wild")), (Some(1), How::Failed), "{}", said.stderr);
    let problem = step(&report, "wild").problem.as_ref().expect("a problem");
    assert_eq!(problem.kind, "out_of_memory", "{}", problem.message);
    let (begins, ends) =
        ("plugin `zoo` was ended, for its process took ", "more than it may, while it ran `zoo.hoards`");
    assert!(problem.message.starts_with(begins) && problem.message.contains(ends), "{}", problem.message);
}

#[test]
fn a_thread_that_is_left_behind_harms_nobody() {
    for place in [APART, IN_THE_PROGRAM] {
        let (said, report) = let_loose("zoo.leaves_a_thread", place);
        assert_eq!((said.code, how(&report, "wild")), (Some(0), How::Ran), "{}", said.stderr);
    }
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

#[test]
fn who_calls_after_the_end_in_the_program_is_told_once() {
    let project = project("");
    project.write("graph.ron", &graph("zoo.calls_late", "after: after, "));
    let (said, report) = project.try_run("graph.ron", IN_THE_PROGRAM);
    assert_eq!((said.code, how(&report, "after"), how(&report, "saved")), (Some(0), How::Ran, How::Ran));
    let expected = "warning: `zoo.calls_late` called the host from a thread that it had not joined when it returned; that may harm \
                    the whole program, and in a process of its own (`--isolate`) it cannot\n";
    assert_eq!(said.stderr.matches(expected).count(), 1, "{}", said.stderr);
}

#[test]
fn what_a_plugin_says_steers_no_terminal() {
    for place in [APART, IN_THE_PROGRAM] {
        let (said, report) = let_loose("zoo.paints_the_terminal", place);
        assert_eq!((said.code, how(&report, "wild")), (Some(1), How::Failed), "{}", said.stderr);
        assert!(said.stderr.contains("no ␛[31mluck␛]0;mine␇") && !said.stderr.contains('\x1b'), "{}", said.stderr);
    }
}

#[test]
fn who_crashes_while_it_is_opened_is_told() {
    let project = project("#define AT_LOAD");
    project.write("graph.ron", &graph("zoo.waits", ""));
    let said = project.rondel(&["nodes"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let expected = "warning: a plugin is left out: the plugin is of no use: it ended the process with signal 6 (SIGABRT: it gave up) while it \
                    was opened; ask its maker: plugins/libzoo.so\n";
    assert_eq!(said.stderr, expected);
}

/// What is said of a plugin that ends in `init` by a signal: when it is seen first, and once more.
fn twice_told(signal: &str) -> [String; 2] {
    let project = project(&format!("#define RAISES {signal}"));
    [(); 2].map(|()| project.rondel(&["nodes"]).stderr)
}

#[test]
fn who_was_ended_from_outside_is_not_condemned_for_it() {
    for signal in ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] {
        let [first, second] = twice_told(signal);
        assert!(first.contains(signal) && first.contains("while it was opened"), "{first}");
        assert_eq!(first, second, "it is asked again");
    }
    let [first, second] = twice_told("SIGABRT");
    assert!(first.contains("the plugin is of no use"), "{first}");
    assert!(second.contains("the check found that it ended the process with signal 6"), "{second}");
}

#[test]
fn who_prints_without_end_while_it_is_opened_fills_no_disk() {
    let project = project("#define PRINTS");
    let said = project.rondel(&["nodes"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let expected =
        "it ended the process with signal 25 (SIGXFSZ: it wrote more than it may) while it was opened (it said: xxx";
    assert!(said.stderr.contains(expected), "{}", said.stderr);
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
fn the_configuration_trusts_plugins_in_folders_of_the_user() {
    let project = Project::new();
    project.build_c("mine", "zoo", "#include <zoo/zoo.c>");
    project.write("graph.ron", &graph("zoo.leaves", "wild: wild, "));
    let run = || project.rondel(&["run", "graph.ron", "--plugin-dir", "mine"]);
    project.write("home/config/rondel/config.ron", "Config(trust: [\"zoo\"])");
    // In the program, the plugin takes everything with it.
    let said = run();
    assert_eq!(said.code, Some(0));
    assert!(!said.stderr.contains("steps"), "{}", said.stderr);
    project.write("home/config/rondel/config.ron", "Config(\n    trust: [\"zoo\"],\n    isolate: [\"zoo\"],\n)");
    assert_eq!(run().code, Some(1));
    project.write("home/config/rondel/config.ron", "Config(\n    trusts: [],\n)");
    let said = run();
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("config.ron") && said.stderr.contains("2:"), "{}", said.stderr);
}

#[test]
fn what_the_configuration_says_of_no_plugin_is_told() {
    let project = project("");
    project.write("home/config/rondel/config.ron", "Config(isolate: [\"zo\", \"zoo\"], trust: [\"zoo\", \"mine\"])");
    let told = [
        "`isolate: [\"zo\"]` in `config.ron` names no plugin of those that are here and not built in",
        "`trust: [\"zoo\"]` in `config.ron` is not for a plugin beside a graph; say `--trust zoo`",
        "`trust: [\"mine\"]` in `config.ron` names no plugin of those that are here and not built in",
    ];
    let list = project.rondel(&["plugins", "list"]);
    assert_eq!((list.code, list.stderr), (Some(0), told.map(|told| format!("warning: {told}\n")).concat()));
    let doctor = project.rondel(&["doctor"]).stdout;
    let lines: Vec<_> = doctor.lines().filter_map(|line| line.strip_prefix("config    ")).collect();
    assert_eq!(lines, told);
}

#[test]
fn the_configuration_trusts_no_plugin_that_came_with_a_graph() {
    let project = project("");
    for trust in ["[\"zoo\"]", "true"] {
        project.write("home/config/rondel/config.ron", &format!("Config(trust: {trust})"));
        let (said, report) = let_loose_in(&project, "zoo.leaves", &[]);
        assert_eq!((said.code, how(&report, "wild")), (Some(1), How::Failed), "{}", said.stderr);
        fs::remove_dir_all(project.path("cache")).expect("it is there");
    }
}

#[test]
#[ignore = "ten seconds of one processor: cargo test --test e2e -- --ignored a_loop_without_end_in_the_program"]
fn a_loop_without_end_in_the_program_is_left_behind() {
    let (said, report) = let_loose("zoo.spins", IN_THE_PROGRAM);
    assert_eq!((said.code, how(&report, "wild")), (Some(1), How::Failed), "{}", said.stderr);
    let problem = step(&report, "wild").problem.as_ref().expect("a problem");
    assert_eq!(problem.kind, "timed_out", "{}", problem.message);
}
