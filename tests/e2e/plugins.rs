//! Plugins of strangers: found in folders, known by content, opened when needed, left out with a reason.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::fixture::{Project, ran, root, said};

/// Includes the plugin `glow`, and writes a file when it is opened, with a variable of the environment that holds a key.
const TELLTALE: &str = r#"
#define _POSIX_C_SOURCE 200809L
#include <glow.c>
#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor)) static void tell(void) {
    const char *key = getenv("SOME_KEY");
    FILE *file = fopen("PLACE", "w");
    if (!file) return;
    fputs(key ? key : "no key", file);
    fclose(file);
}
"#;

const GLOW: &str = r#"Graph(format: 1, imports: (glow: Node("c.glow")),
    nodes: (one: solid(size: (4, 4)), two: glow(image: one, lift: 0.25)), outputs: (image: two))"#;

const NO_GLOW: &str = "Graph(format: 1, nodes: (one: solid(size: (4, 4))), outputs: (image: one))";

/// Runs a graph, and says what the plugin wrote when it was opened, if it was.
fn opens(project: &Project, graph: &str) -> Option<String> {
    // In the program, where it may write and sees everything.
    let mut command = project.command(&["run", graph, "--trust", "all"]);
    command.env("SOME_KEY", "a secret");
    let run = said(command);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let wrote = fs::read_to_string(project.path("opened")).ok();
    wrote.inspect(|_| fs::remove_file(project.path("opened")).expect("it is there"))
}

#[test]
fn a_plugin_is_opened_when_it_is_new_and_when_a_step_needs_it() {
    let project = Project::new();
    let place = project.path("opened").display().to_string();
    project.build_c("plugins", "glow", &TELLTALE.replace("PLACE", &place));
    project.write("glow.ron", GLOW);
    project.write("other.ron", NO_GLOW);
    assert_eq!(opens(&project, "other.ron"), None, "what is asked what it offers writes nothing, and sees no keys");
    assert_eq!(opens(&project, "other.ron"), None, "that is remembered");
    assert_eq!(opens(&project, "glow.ron").as_deref(), Some("a secret"), "a step needs it, and it is trusted");
    assert_eq!(opens(&project, "glow.ron"), None, "its result is known");
}

#[test]
fn a_plugin_that_ends_its_process_when_it_is_opened_is_left_out_and_the_rest_runs() {
    let project = Project::new();
    project.build_c("plugins", "glow", "#include <glow.c>");
    let abort = "#include <stdlib.h>\n__attribute__((constructor)) static void f(void) { abort(); }";
    let leave = "#include <stdlib.h>\n__attribute__((constructor)) static void f(void) { exit(0); }";
    project.build_c("plugins", "bad", abort);
    project.build_c("plugins", "gone", leave);
    project.write("glow.ron", GLOW);
    let (run, report) = project.try_run("glow.ron", &[]);
    assert_eq!((run.code, ran(&report).as_str()), (Some(0), "one, two"), "{}", run.stderr);
    let warnings: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("warning")).collect();
    assert_eq!(warnings.len(), 2, "{}", run.stderr);
    assert!(warnings[0].contains("signal 6 (SIGABRT: it gave up) while it was opened"), "{}", warnings[0]);
    assert!(warnings[1].contains("exit code 0 while it was opened"), "{}", warnings[1]);
    let again = project.rondel(&["nodes"]);
    let remembered =
        "the check found that it ended the process with signal 6 (SIGABRT: it gave up) while it was opened";
    assert!(again.stderr.contains(remembered), "{}", again.stderr);
}

#[test]
fn a_plugin_that_is_opened_for_the_first_time_harms_nothing() {
    let project = Project::new();
    let (victim, new) = (project.path("precious"), project.path("new"));
    project.write("precious", "as it was");
    let source = format!(
        r#"
#define _GNU_SOURCE
#include <glow.c>
#include <sys/resource.h>
#include <sys/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((constructor)) static void harm(void) {{
    FILE *file = fopen("{victim}", "r+");
    FILE *new = fopen("{new}", "w");
    if (file || new || chmod("{victim}", 0777) == 0 || unlink("{victim}") == 0 || getenv("SECRET") ||
        prlimit(getppid(), RLIMIT_CPU, 0, &(struct rlimit){{0}}) == 0)
        abort();
}}
"#,
        victim = victim.display(),
        new = new.display()
    );
    project.build_c("plugins", "glow", &source);
    let mut command = project.command(&["nodes", "c.glow"]);
    command.env("SECRET", "sesame");
    let run = said(command);
    assert_eq!((run.code, &*run.stderr), (Some(0), ""));
    assert_eq!(fs::read_to_string(victim).expect("it is there"), "as it was");
}

#[test]
fn the_list_of_plugins_says_what_each_offers_and_why_one_is_left_out() {
    let project = Project::new();
    let none = project.rondel(&["plugins", "list"]);
    assert_eq!((none.code, none.stdout.contains("node-save")), (Some(0), true), "{}", none.stdout);
    assert!(none.stderr.contains("not there: plugins"), "{}", none.stderr);

    project.build_c("plugins", "glow", "#include <glow.c>");
    project.write(&format!("plugins/libnote.{}", std::env::consts::DLL_EXTENSION), "a note");
    let list = project.rondel(&["plugins", "list"]);
    assert_eq!(list.code, Some(1), "one is left out");
    let (_, files) = list.stdout.split_once("glow 0.1.0 (never checked): plugins/").expect(&list.stdout);
    assert!(files.contains("\n  c.glow\n"), "{files}");
    assert!(files.contains("no plugin (left out)") && files.contains("not a shared object"), "{files}");

    let list = project.rondel(&["plugins", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).expect("JSON");
    let glow = list.as_array().expect("a list").iter().find(|plugin| plugin["name"] == "glow").expect("it is there");
    assert_eq!((&glow["kinds"][0], &glow["verdict"]), (&"c.glow".into(), &serde_json::Value::Null));
}

/// Runs the words of a shell in a folder of the project.
fn shell(project: &Project, folder: &str, words: &str) -> String {
    let output = Command::new("sh").args(["-ec", words]).current_dir(project.path(folder)).output().expect("a shell");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{words}: {said}");
    said
}

/// Runs the example of a new plugin in its folder, as its maker does.
fn draws(project: &Project, args: &[&str]) {
    let mut command = project.command(&[&["run", "graph.ron", "--report", "report.json"], args].concat());
    command.current_dir(project.path("acme-soft-glow"));
    let run = said(command);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let picture = image::open(project.path("acme-soft-glow/out/graph.png")).expect("a picture").into_rgb8();
    assert_eq!(picture.get_pixel(0, 0).0, [0x20_u8, 0x40, 0x60].map(|dark| dark + (255 - dark).div_ceil(2)));
}

#[test]
fn a_new_plugin_in_c_is_tested_built_and_run_at_once() {
    let project = Project::new();
    let new = project.rondel(&["plugins", "new", "acme-soft-glow", "--lang", "c"]);
    assert_eq!(new.code, Some(0), "{}", new.stderr);
    let said = shell(&project, "acme-soft-glow", "make test && make");
    assert!(said.contains("all tests passed"), "{said}");
    draws(&project, &[]);
    assert_eq!(project.rondel(&["check", "acme-soft-glow/graph.ron"]).code, Some(0));

    let again = project.rondel(&["plugins", "new", "acme-soft-glow"]);
    assert_eq!(again.code, Some(2), "what is there is left alone");
    assert!(again.stderr.contains("something is there already"), "{}", again.stderr);
}

#[test]
#[ignore = "builds the SDK anew, half a minute: cargo test --test e2e -- --ignored a_new_plugin_in_rust"]
fn a_new_plugin_in_rust_is_tested_built_and_run_at_once() {
    let project = Project::new();
    let new = project.rondel(&["plugins", "new", "acme-soft-glow"]);
    assert_eq!(new.code, Some(0), "{}", new.stderr);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-plugin");
    let cargo = format!("'{}' --offline --target-dir '{}'", env!("CARGO"), target.display());
    let cargo = |command: &str| cargo.replacen(" --", &format!(" {command} --"), 1);
    shell(&project, "acme-soft-glow", &format!("{} && {}", cargo("test"), cargo("build")));
    let debug = target.join("debug").display().to_string();
    draws(&project, &["--plugin-dir", &debug]);
}

/// The plugin `glow` after an edit, in `plugins/`; its path.
fn edited_glow(project: &Project, from: &str, to: &str) -> String {
    let source = fs::read_to_string(root().join("tests/plugin_c/glow.c")).expect("the plugin");
    assert!(source.contains(from), "{from}");
    let library = project.build_c("plugins", "glow", &source.replace(from, to));
    library.strip_prefix(project.path("")).expect("in the project").display().to_string()
}

#[test]
fn a_plugin_that_passes_its_check_is_listed_as_checked() {
    let project = Project::new();
    let library = edited_glow(&project, "c.glow", "c.glow");
    let check = project.rondel(&["plugins", "check", &library]);
    assert_eq!((check.code, check.stdout.contains("glow 0.1.0 (nothing wrong)")), (Some(0), true), "{}", check.stdout);
    let list = project.rondel(&["plugins", "list"]);
    assert!(list.stdout.contains("glow 0.1.0 (checked)"), "{}", list.stdout);
}

#[test]
fn a_file_that_is_not_there_cannot_be_checked() {
    let said = Project::new().rondel(&["plugins", "check", "plugins/libglow.so"]);
    assert_eq!(said.code, Some(2));
    let line = said.stderr.trim_end();
    assert!(line.contains("the plugin cannot be read") && line.ends_with(": plugins/libglow.so"), "{line}");
}

#[test]
fn a_kind_that_is_written_wrongly_is_told_with_the_one_that_may_be_meant() {
    let said = Project::new().rondel(&["nodes", "invrt"]);
    assert_eq!(said.code, Some(4));
    assert!(
        said.stderr.starts_with("error: there is no kind `invrt`; did you mean `invert`? kinds: "),
        "{}",
        said.stderr
    );
}

#[test]
fn a_plugin_of_which_a_kind_came_to_no_result_is_checked_in_part() {
    let project = Project::new();
    let library = edited_glow(&project, "pixels->dtype_code == 1 &&", "pixels->dtype_code == 9 &&");
    let check = project.rondel(&["plugins", "check", &library]);
    assert_eq!((check.code, check.stdout.contains("  remark   ")), (Some(0), true), "{}", check.stdout);
    let list = project.rondel(&["plugins", "list"]);
    assert!(list.stdout.contains("glow 0.1.0 (checked in part)"), "{}", list.stdout);
}

#[test]
fn a_kind_of_a_plugin_in_use_that_is_not_imported_is_told_how() {
    let project = Project::new();
    edited_glow(&project, "c.glow", "c.glow");
    project.write("glow.ron", &GLOW.replace("imports", "// imports"));
    // The first look remembers the plugin, the second has it in use as well.
    for _ in 0..2 {
        let said = project.rondel(&["check", "glow.ron"]);
        assert!(said.stderr.contains("import it: `imports: (glow: Node(\"c.glow\"))`"), "{}", said.stderr);
    }
}

#[test]
fn a_plugin_that_crashes_its_check_is_left_out_until_it_is_built_anew() {
    let project = Project::new();
    project.write("glow.ron", GLOW);
    let library = edited_glow(&project, "    lifted->release(lifted);", "    __builtin_trap();");
    let check = project.rondel(&["plugins", "check", &library]);
    assert_eq!(check.code, Some(1), "{}", check.stdout);
    let crash = "it ended the process with signal 4 (SIGILL: it came upon what must not happen) while `c.glow` ran with what has to be given";
    assert!(check.stdout.contains(crash), "{}", check.stdout);
    let list = project.rondel(&["plugins", "list"]);
    assert!(list.stdout.contains("glow 0.1.0 (left out)") && list.stdout.contains("signal 4"), "{}", list.stdout);
    let run = project.rondel(&["run", "glow.ron"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("the plugin `glow` offers `c.glow` and is left out"), "{}", run.stderr);

    edited_glow(&project, "c.glow", "c.glow");
    assert_eq!(ran(&project.run("glow.ron", &[])), "one, two");
}

#[test]
fn a_plugin_that_writes_where_it_does_not_say_does_not_pass() {
    let project = Project::new();
    let write = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\
                 static void leave(const char *place) { FILE *file = fopen(place, \"w\"); if (file) fclose(file); }";
    let source = fs::read_to_string(root().join("tests/plugin_c/glow.c")).expect("the plugin");
    let leave = "    char place[999];\n    snprintf(place, sizeof place, \"%s/notes\", getenv(\"HOME\"));\n    leave(place);\n    \
                 leave(\"here\");\n    lifted->release(lifted);";
    let source = source.replace("#include <string.h>", write).replace("    lifted->release(lifted);", leave);
    let library = project.build_c("plugins", "glow", &source);
    let check = project.rondel(&["plugins", "check", &library.display().to_string(), "--json"]);
    assert_eq!(check.code, Some(1), "{}", check.stdout);
    let check: serde_json::Value = serde_json::from_str(&check.stdout).expect("JSON");
    assert_eq!(check[0]["problems"].as_array().map(Vec::len), Some(2), "each is told once");
    let problems = check[0]["problems"].to_string();
    for place in ["output folder: here", "output folder: ~/notes"] {
        assert!(problems.contains(place), "{problems}");
    }
}

#[test]
fn what_is_no_plugin_does_not_pass_and_what_is_not_there_is_named() {
    let project = Project::new();
    project.write("note.so", "a note");
    let check = project.rondel(&["plugins", "check", "note.so"]);
    assert_eq!((check.code, check.stdout.contains("not a shared object")), (Some(1), true), "{}", check.stdout);
    let check = project.rondel(&["plugins", "check", "gone.so"]);
    assert_eq!((check.code, check.stderr.contains("cannot be read")), (Some(2), true), "{}", check.stderr);
}

#[test]
fn a_kind_of_a_plugin_that_is_elsewhere_is_told_with_its_place() {
    let project = Project::new();
    project.build_c("mine", "glow", "#include <glow.c>");
    project.write("glow.ron", GLOW);
    assert_eq!(project.rondel(&["check", "glow.ron", "--plugin-dir", "mine"]).code, Some(0));
    let check = project.rondel(&["check", "glow.ron"]);
    let words = check.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(check.code, Some(2), "{words}");
    assert!(words.contains("the plugin `glow`, which was seen before, offers `c.glow`"), "{words}");
}

#[test]
fn every_kind_shows_a_graph_with_it_that_has_no_mistakes() {
    let project = Project::new();
    project.build_c("plugins", "glow", "#include <glow.c>");
    let nodes = project.rondel(&["nodes", "--format", "json"]);
    let nodes: Vec<serde_json::Value> = serde_json::from_str(&nodes.stdout).expect("specifications");
    let kinds: Vec<&str> = nodes.iter().map(|spec| spec["kind"].as_str().expect("a name")).collect();
    assert!(kinds.len() > 20 && kinds.contains(&"c.glow"), "{kinds:?}");
    let files: Vec<String> = kinds.iter().map(|kind| format!("{kind}.ron")).collect();
    for (kind, file) in kinds.iter().zip(&files) {
        let graph = project.rondel(&["nodes", kind, "--format", "graph"]).stdout;
        let page = project.rondel(&["nodes", kind]).stdout;
        let (_, shown) = page.split_once("\na graph with it\n").expect("a graph with it");
        assert_eq!(shown.replace("\n  ", "\n").trim_start(), graph, "{kind}");
        project.write(file, &graph);
    }
    let check = project.rondel(&[&["check"], &files.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
    assert_eq!(check.code, Some(0), "{}", check.stderr);

    // The end of a name will do.
    assert!(project.rondel(&["nodes", "glow"]).stdout.starts_with("c.glow  (version 1"));
    let none = project.rondel(&["nodes", "photograph"]);
    assert_eq!((none.code, none.stderr.contains("plugins were looked for in: plugins (1 plugin)")), (Some(4), true));
}
