//! Pages that show commands and what they print are true.
//!
//! A block ` ```console ` holds commands after `$ ` and what each prints; a block ` ```ron file=NAME ` is a file that the reader
//! saves. They are run in order, in a folder that looks like the source tree. Durations, short digests and the budget of
//! memory differ from run to run, and lines of steps that ran side by side may change places; the rest must be equal.

use std::path::Path;

use image::RgbImage;
use regex::Regex;

use crate::fixture::{Project, root, said};

/// A piece of a page that means something to its reader.
enum Piece<'a> {
    File { name: &'a str, text: String },
    Command { line: &'a str, prints: String },
}

/// Reads the pieces of a page, in order.
fn pieces(page: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some(name) = info.strip_prefix("ron file=") {
            found.push(Piece::File { name, text: block.join("\n") });
        } else if info == "console" {
            for line in block {
                match (line.strip_prefix("$ "), found.last_mut()) {
                    (Some(line), _) => found.push(Piece::Command { line, prints: String::new() }),
                    (None, Some(Piece::Command { prints, .. })) => *prints += &format!("{line}\n"),
                    _ => panic!("a block of a console begins with `{line}` instead of a command"),
                }
            }
        }
    }
    found
}

/// Runs a command line in the project, as a shell does, and returns everything that it prints.
fn printed(project: &Project, line: &str) -> String {
    let arguments = shlex::split(line).unwrap_or_else(|| panic!("`{line}` has a quote too many"));
    let (program, arguments) = arguments.split_first().expect("a program");
    assert_eq!(program, "rondel", "pages show commands of this program only");
    let said = said(project.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>()));
    (said.stderr + &said.stdout).replace(&*project.path("").to_string_lossy(), "~/rondel/")
}

/// A project that looks like the source tree.
fn source_tree() -> Project {
    let project = Project::new();
    std::os::unix::fs::symlink(root().join("graphs"), project.path("graphs")).expect("a link");
    project
}

/// What of a text must be equal, as sorted lines.
fn essence(text: &str) -> Vec<String> {
    let changing = [(r"\d+(\.\d+)? (ms|s)\b", "TIME"), (r"\([0-9a-f]{12}\)", "(DIGEST)"), (r"budget [^:]+", "budget")];
    let mut text = text.to_owned();
    for (pattern, word) in changing {
        text = Regex::new(pattern).expect("a pattern").replace_all(&text, word).into_owned();
    }
    let mut lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    lines.retain(|line| !line.is_empty());
    lines.sort();
    lines
}

fn check(project: &Project, page: &str) {
    let page = std::fs::read_to_string(root().join(page)).expect("a page");
    let mut n_commands = 0;
    for piece in pieces(&page) {
        match piece {
            Piece::File { name, text } => project.write(name, &text),
            Piece::Command { line, prints } => {
                let really = printed(project, line);
                assert_eq!(essence(&really), essence(&prints), "`{line}` prints\n{really}");
                n_commands += 1;
            }
        }
    }
    assert!(n_commands > 0, "the page shows no command");
}

#[test]
fn the_tutorial_is_true() {
    check(&source_tree(), "graphs/tutorial.md");
}

#[test]
fn the_plan_in_the_readme_is_true() {
    let project = source_tree();
    project.run("graphs/text_to_image.ron", &[]);
    check(&project, "README.md");
}

/// The commands stand beside the pictures, in a block of a shell: `rondel run graphs/gallery.ron … --set name=apple`.
#[test]
fn the_pictures_of_the_readme_are_drawn_by_the_commands_beside_them() {
    let project = source_tree();
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a page");
    let commands: Vec<&str> = readme.lines().filter(|line| line.starts_with("rondel run graphs/gallery")).collect();
    let shown = Regex::new(r"graphs/gallery/(\w+)\.png").expect("a pattern");
    let shown: Vec<&str> = shown.captures_iter(&readme).map(|found| found.get(1).expect("a name").as_str()).collect();
    assert!(!commands.is_empty() && commands.len() <= shown.len(), "{commands:?} {shown:?}");
    for command in commands {
        let (_, name) = command.split_once("name=").expect("a command that names its picture");
        let name = name.split(' ').next().expect("a name");
        assert!(shown.contains(&name), "{name} is not shown");
        printed(&project, command);
        let drawn = open(&project.path(&format!("out/{name}.png")));
        let shown = open(&root().join(format!("graphs/gallery/{name}.png")));
        let far = drawn.iter().zip(shown.iter()).map(|(a, b)| a.abs_diff(*b));
        // Processors add up in different orders.
        assert!(far.max() <= Some(2), "`{command}` draws another picture");
    }
}

fn open(path: &Path) -> RgbImage {
    image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into_rgb8()
}
