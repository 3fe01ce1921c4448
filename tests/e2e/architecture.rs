//! What `crates/README.md` says of the sources is true.
//!
//! Manifests are read line by line: `name = …` or `name.workspace = …` below `[dependencies]` is all that they use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::fixture::{Project, root};

/// A crate below `crates/` or `nodes/`.
struct Member {
    /// `crates/value`
    place: String,
    /// `value`
    name: String,
    manifest: String,
}

/// A file of Rust below a member's `src/`, without comments and tests.
struct Source {
    /// `crates/value/src/image.rs`
    place: String,
    /// Number and text of each line.
    lines: Vec<(usize, String)>,
}

fn members(folder: &str) -> Vec<Member> {
    let mut members: Vec<Member> = entries(&root().join(folder))
        .into_iter()
        .filter_map(|path| {
            let manifest = fs::read_to_string(path.join("Cargo.toml")).ok()?;
            let name = path.file_name()?.to_str()?.to_owned();
            Some(Member { place: format!("{folder}/{name}"), name, manifest })
        })
        .collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(members.len() >= 6, "{folder} is not the folder it was");
    members
}

fn all_members() -> Vec<Member> {
    members("crates").into_iter().chain(members("nodes")).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{error}: {}", folder.display()));
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn read(place: &str) -> String {
    fs::read_to_string(root().join(place)).unwrap_or_else(|error| panic!("{place}: {error}"))
}

impl Member {
    /// Every line below `[dependencies]`, by the name of the dependency.
    fn dependencies(&self) -> BTreeMap<&str, &str> {
        let mut is_inside = false;
        let mut found = BTreeMap::new();
        for line in self.manifest.lines() {
            if line.starts_with('[') {
                is_inside = line == "[dependencies]" || line.ends_with(".dependencies]");
            } else if is_inside && let Some((name, _)) = line.split_once(['.', ' ', '=']) {
                found.insert(name, line);
            }
        }
        found.remove("#");
        found
    }

    /// The names of crates of this workspace among them: `value` for `rondel-value`.
    fn own_dependencies(&self) -> BTreeSet<&str> {
        self.dependencies().into_keys().filter_map(|name| name.strip_prefix("rondel-")).collect()
    }

    fn sources(&self) -> Vec<Source> {
        let mut sources = Vec::new();
        let mut open = vec![root().join(&self.place).join("src")];
        while let Some(path) = open.pop() {
            let is_of_tests = path.file_stem().is_some_and(|stem| stem == "tests");
            if is_of_tests {
                continue;
            }
            if path.is_dir() {
                open.extend(entries(&path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let place = path.strip_prefix(root()).expect("a file of the source tree").display().to_string();
                sources.push(Source { lines: code(&read(&place)), place });
            }
        }
        sources
    }
}

/// The lines of a source without comments and without the tests at its end.
fn code(text: &str) -> Vec<(usize, String)> {
    let numbered = text.lines().enumerate().map(|(i, line)| (i + 1, line));
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let n_lines = text[..end].lines().count();
    let code = numbered.take(n_lines).map(|(number, line)| (number, line.split("//").next().unwrap_or("").to_owned()));
    code.filter(|(_, line)| !line.trim().is_empty()).collect()
}

/// Fails with the place of every line of the members that holds one of the words.
fn nowhere(members: &[Member], words: &[&str]) {
    let sources: Vec<Source> = members.iter().flat_map(Member::sources).collect();
    assert!(sources.len() > 2 * members.len(), "most sources are not where they are looked for");
    let mut found = String::new();
    for source in sources {
        for (number, line) in &source.lines {
            if words.iter().any(|word| line.contains(word)) {
                found.push_str(&format!("{}:{number}: {}\n", source.place, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "one of {words:?} stands in\n{found}");
}

/// The rows of the first table below a heading, by the backticked name in their first cell.
fn table(text: &str, heading: &str) -> BTreeMap<String, Vec<String>> {
    let below = text.split_once(&format!("\n{heading}\n")).expect("the heading").1;
    let rows = below.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let cells: Vec<String> = row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        (ticked(&cells[0]).into_iter().next().expect("a name"), cells)
    })
    .collect()
}

/// What stands between backticks.
fn ticked(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn comments_and_tests_are_no_code() {
    let text = "//! dbg!\nlet a = 1; // dbg!\n\n/// dbg!\nlet b = 2;\n#[cfg(test)]\nmod tests {\n    dbg!(3);\n}\n";
    let lines = code(text);
    assert_eq!(lines, [(2, "let a = 1; ".to_owned()), (5, "let b = 2;".to_owned())]);
}

#[test]
fn crates_depend_on_what_the_map_allows_and_nothing_else() {
    let map = table(&read("crates/README.md"), "## Crates");
    let members = members("crates");
    for member in &members {
        let row = map.get(&member.name).unwrap_or_else(|| panic!("`{}` is not on the map", member.name));
        let allowed = ticked(&row[2]);
        for used in member.own_dependencies() {
            assert!(allowed.iter().any(|name| name == used), "`{}` may not depend on `{used}`", member.name);
        }
    }
    let program = map.keys().filter(|name| !members.iter().any(|member| member.name == **name));
    assert_eq!(program.collect::<Vec<_>>(), ["cli"], "every crate on the map is there");
}

#[test]
fn nodes_depend_on_the_sdk_and_the_models_alone() {
    for member in members("nodes") {
        let mut used = member.own_dependencies();
        assert!(used.remove("sdk"), "{}", member.place);
        used.remove("models");
        assert!(used.is_empty(), "{} depends on {used:?}", member.place);
    }
}

#[test]
fn tensors_are_known_to_the_models_and_the_sdk_alone() {
    for member in all_members() {
        let tensor_lines: Vec<(&str, &str)> = member
            .dependencies()
            .into_iter()
            .filter(|(name, _)| name.starts_with("candle") || *name == "gemm")
            .collect();
        match &*member.place {
            "crates/models" => assert!(!tensor_lines.is_empty()),
            "crates/sdk" => assert!(tensor_lines.iter().all(|(_, line)| line.contains("optional = true"))),
            place => assert!(tensor_lines.is_empty(), "{place} depends on {tensor_lines:?}"),
        }
        let runs_models = member.own_dependencies().contains("models");
        let wants_tensors = member.dependencies().get("rondel-sdk").is_some_and(|line| line.contains("\"candle\""));
        let is_for_tensors = ["nodes/decode", "nodes/encode", "nodes/sample"].contains(&&*member.place);
        // What goes in and out there is words.
        let is_for_words = member.place == "nodes/prompt";
        let expected = (is_for_tensors || is_for_words, is_for_tensors);
        assert_eq!((runs_models, wants_tensors), expected, "{}", member.place);
    }
    // The workspace's table of versions stands above the program's own part.
    let manifest = read("Cargo.toml");
    let (_, of_the_program) = manifest.split_once("\n[package]\n").expect("the root is a package");
    assert!(!of_the_program.contains("candle"), "the program itself links no tensor library");
}

#[test]
fn nothing_below_the_program_prints() {
    nowhere(&all_members(), &["println!", "print!", "dbg!", "stdout()", "stderr()"]);
}

#[test]
fn nothing_below_the_program_reads_the_environment() {
    nowhere(&all_members(), &["env::var", "env::args", "env::home", "env::current", "env::temp", "use std::env"]);
}

#[test]
fn values_graphs_and_events_do_no_io_and_read_no_clock() {
    let pure: Vec<Member> =
        members("crates").into_iter().filter(|member| ["value", "graph", "event"].contains(&&*member.name)).collect();
    assert_eq!(pure.len(), 3);
    nowhere(&pure, &["std::fs", "fs::", "File::open", "std::net", "std::process", "SystemTime", "Instant::now"]);
}

#[test]
fn unsafe_code_stands_where_the_map_says() {
    let allowed = [
        "crates/abi/src/",
        "crates/value/src/foreign.rs",
        "crates/sdk/src/",
        "crates/plugin/src/",
        "crates/cache/src/disk.rs",
        "crates/models/src/weights/file.rs",
    ];
    let mut seen = BTreeSet::new();
    for source in all_members().iter().flat_map(Member::sources) {
        // The lint `unsafe_code` is no unsafe code.
        let is_unsafe = |line: &str| line.replace("unsafe_code", "").contains("unsafe");
        let Some((number, line)) = source.lines.iter().find(|(_, line)| is_unsafe(line)) else { continue };
        let place = allowed.iter().find(|place| source.place.starts_with(**place));
        seen.insert(*place.unwrap_or_else(|| panic!("{}:{number}: {}", source.place, line.trim())));
    }
    assert_eq!(seen.len(), allowed.len(), "the map allows what nobody needs: only {seen:?} are used");
}

#[test]
fn every_dependency_says_what_it_saves() {
    let mut missing = String::new();
    for member in all_members() {
        let readme = fs::read_to_string(root().join(&member.place).join("README.md")).unwrap_or_default();
        let rows =
            readme.lines().skip_while(|line| !line.starts_with("| dependency |")).filter(|line| line.starts_with('|'));
        let named: BTreeSet<String> = rows.flat_map(|row| ticked(row.split('|').nth(1).unwrap_or(""))).collect();
        for name in member.dependencies().keys().filter(|name| !named.contains(**name)) {
            missing.push_str(&format!("{}/README.md says nothing of `{name}`\n", member.place));
        }
        if !readme.starts_with("# ") {
            missing.push_str(&format!("{}/README.md is missing or without a title\n", member.place));
        }
    }
    assert!(missing.is_empty(), "{missing}");
}

#[test]
fn every_dependency_is_used() {
    let mut idle = Vec::new();
    for member in all_members() {
        let sources = member.sources();
        let is_used = |name: &str| {
            let name = name.replace('-', "_");
            let signs = [format!("{name}::"), format!("use {name};"), format!("use {name} ")];
            let mut lines = sources.iter().flat_map(|source| &source.lines);
            lines.any(|(_, line)| signs.iter().any(|sign| line.contains(sign)))
        };
        let dependencies = member.dependencies();
        idle.extend(dependencies.keys().filter(|name| !is_used(name)).map(|name| format!("{}: {name}", member.place)));
    }
    // Named for their features, which candle and object_store leave off.
    assert_eq!(idle, ["crates/models: gemm", "crates/remote: reqwest"]);
}

#[test]
fn the_catalogue_of_nodes_is_what_the_program_prints() {
    let readme = read("nodes/README.md");
    let (_, rest) = readme.split_once("<!-- catalogue -->\n").expect("where the catalogue begins");
    let (written, _) = rest.split_once("<!-- /catalogue -->").expect("where the catalogue ends");
    let printed = Project::new().rondel(&["nodes", "--format", "markdown"]);
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert_eq!(written, printed.stdout, "put what `rondel nodes --format markdown` prints into nodes/README.md");
}
