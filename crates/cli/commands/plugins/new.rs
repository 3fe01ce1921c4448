//! `rondel plugins new`: a project for a plugin that builds and runs at once.
//!
//! The files stand in `template/` and in `tests/plugin_c/`, where the ones in C are tested; what is between braces is filled
//! in.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::args::{Language, NewArgs};
use crate::commands::Exit;
use crate::output::files;
use crate::{folders, words};

/// The source tree that this program was built from.
const SOURCE: &str = env!("CARGO_MANIFEST_DIR");

pub fn run(args: &NewArgs) -> Result<Exit> {
    let plan = Plan::new(args)?;
    let folder = args.folder.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        bail!("something is there already; take another name, or `--folder DIR`: {}", folder.display());
    }
    for (name, text) in plan.files(args.lang) {
        let path = folder.join(name);
        files::write(&path, text.as_bytes()).with_context(|| format!("not written: {}", path.display()))?;
    }
    if let Some(lock) = &plan.lock {
        let place = folder.join("Cargo.lock");
        fs::copy(lock, &place).with_context(|| format!("not written: {}", place.display()))?;
    }
    words::say(format!("a plugin with the kind `{}` is there: {}", plan.kind, folder.display()));
    words::say("next:");
    words::data(format!("cd {}", folder.display()));
    match args.lang {
        Language::Rust => words::data("cargo test && cargo build --release"),
        Language::C => words::data("make test && make"),
    }
    words::data(Plan::run(args.lang));
    Ok(Exit::Done)
}

/// What is filled in.
struct Plan {
    name: String,
    kind: String,
    /// How the graph calls the kind.
    local: String,
    /// `{ path = "…" }` without the braces; empty in C.
    sdk: String,
    /// The versions of dependencies that the SDK was tested with.
    lock: Option<PathBuf>,
}

impl Plan {
    fn new(args: &NewArgs) -> Result<Plan> {
        let name = args.name.clone();
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        if !name.split('-').all(is_word) {
            bail!(
                "`{name}` cannot be the name of a plugin; write lowercase words with `-` between, such as `acme-glow`"
            );
        }
        let kind = match name.split_once('-') {
            Some((maker, rest)) => format!("{maker}.{}", rest.replace('-', "_")),
            // Cargo refuses some single words, and any of them may become a kind of the program's own.
            None => {
                let example = if name == "acme" { "glow" } else { &*name };
                bail!("`{name}` says not whose it is; put a name in front, such as `acme-{example}`")
            }
        };
        // With its maker's name, so that it is none of the program's own kinds.
        let local = kind.replace('.', "_");
        let (sdk, lock) = match args.lang {
            Language::Rust => sdk(args.sdk.as_deref())?,
            Language::C => (String::new(), None),
        };
        Ok(Plan { name, kind, local, sdk, lock })
    }

    /// The command that runs the example.
    fn run(language: Language) -> String {
        let folder = if language == Language::Rust { " --plugin-dir target/release" } else { "" };
        format!("rondel run graph.ron{folder}")
    }

    /// Every file by its name in the project.
    fn files(&self, language: Language) -> Vec<(String, String)> {
        let graph = include_str!("template/graph.ron");
        let files: Vec<(String, &str)> = match language {
            Language::Rust => vec![
                ("Cargo.toml".to_owned(), include_str!("template/rust/Cargo.toml")),
                ("src/lib.rs".to_owned(), include_str!("template/rust/lib.rs")),
                ("README.md".to_owned(), include_str!("template/rust/README.md")),
                (".gitignore".to_owned(), include_str!("template/rust/gitignore")),
                ("graph.ron".to_owned(), graph),
            ],
            Language::C => vec![
                (format!("{}.c", self.name), include_str!("../../../../tests/plugin_c/glow.c")),
                ("test.c".to_owned(), include_str!("../../../../tests/plugin_c/host.c")),
                ("rondel.h".to_owned(), include_str!("../../../abi/include/rondel.h")),
                ("Makefile".to_owned(), include_str!("template/c/Makefile")),
                ("README.md".to_owned(), include_str!("template/c/README.md")),
                (".gitignore".to_owned(), include_str!("template/c/gitignore")),
                ("graph.ron".to_owned(), graph),
            ],
        };
        let fill = |(name, text): (String, &str)| {
            let text = if name.ends_with(".c") { self.in_c(text) } else { text.to_owned() };
            (name, self.filled(&text, language))
        };
        files.into_iter().map(fill).collect()
    }

    fn filled(&self, text: &str, language: Language) -> String {
        let Plan { name, kind, local, .. } = self;
        let library =
            format!("{}{}{}", std::env::consts::DLL_PREFIX, self.stem(language), std::env::consts::DLL_SUFFIX);
        let installed = folders::data().map(|data| from_home(&data.join("plugins")));
        let imports = format!("\n    imports: (\n        {local}: Node(\"{kind}\"),\n    ),\n");
        text.replace("{name}", name)
            .replace("{kind}", kind)
            .replace("{struct}", &self.struct_name())
            .replace("{sdk}", &self.sdk)
            .replace("{imports}", &imports)
            .replace("{local}", local)
            .replace("{run}", &Plan::run(language))
            .replace("{library}", &library)
            .replace("{installed}", &installed.map_or("a folder for plugins".to_owned(), |path| format!("`{path}`")))
    }

    /// The file's name without what systems add: cargo writes `_` for `-`.
    fn stem(&self, language: Language) -> String {
        match language {
            Language::Rust => self.name.replace('-', "_"),
            Language::C => self.name.clone(),
        }
    }

    /// The plugin of the tests under the new name.
    fn in_c(&self, text: &str) -> String {
        let symbol = format!("rondel_entry_{}", self.name.replace('-', "_"));
        text.replace("rondel_entry_glow", &symbol)
            .replace("c.glow", "{kind}")
            .replace("STR(\"glow\")", "STR(\"{name}\")")
            .replace("cc -shared -fPIC -I crates/abi/include tests/plugin_c/glow.c -o libglow.so", "make")
            .replace("cc -g -fsanitize=address,undefined -I crates/abi/include tests/plugin_c/host.c tests/plugin_c/glow.c -o host && ./host", "make test")
    }

    /// `acme.soft_glow` as `SoftGlowNode`, which hides nothing that the file imports and is no word of the language.
    fn struct_name(&self) -> String {
        let word = |word: &str| word[..1].to_uppercase() + &word[1..];
        let own = self.kind.split_once('.').map_or(&*self.kind, |(_, own)| own);
        own.split('_').map(word).collect::<String>() + "Node"
    }
}

/// A path as it is for everybody who has it at home.
fn from_home(path: &Path) -> String {
    let home = folders::of_models().home;
    match home.and_then(|home| path.strip_prefix(home).ok().map(|below| below.display().to_string())) {
        Some(below) => format!("~/{below}"),
        None => path.display().to_string(),
    }
}

/// How the SDK is named in `Cargo.toml`, and the lock file beside it.
fn sdk(given: Option<&str>) -> Result<(String, Option<PathBuf>)> {
    if let Some(url) = given.filter(|given| given.contains("://") || given.ends_with(".git")) {
        return Ok((format!("git = {url:?}"), None));
    }
    let tree = given.map_or_else(|| PathBuf::from(SOURCE), PathBuf::from);
    let tree = tree.canonicalize().unwrap_or(tree);
    let found = [tree.join("crates/sdk"), tree.clone()].into_iter().find(|folder| is_sdk(folder));
    let Some(folder) = found else {
        match given {
            Some(given) => bail!("there is no SDK, which is the folder `crates/sdk` of Rondel's source: {given}"),
            None => bail!(
                "the source that this program was built from is gone, and the SDK with it; say where Rondel's source is with \
                 `--sdk FOLDER` or `--sdk URL`, or write the plugin in C with `--lang c`: {SOURCE}"
            ),
        }
    };
    let lock = folder.ancestors().nth(2).map(|tree| tree.join("Cargo.lock")).filter(|lock| lock.is_file());
    Ok((format!("path = {:?}", folder.display().to_string()), lock))
}

fn is_sdk(folder: &Path) -> bool {
    fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|manifest| manifest.contains("name = \"rondel-sdk\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(name: &str, lang: Language) -> Result<Plan> {
        Plan::new(&NewArgs { name: name.to_owned(), lang, sdk: None, folder: None })
    }

    #[test]
    fn the_kind_is_named_after_the_plugin_with_its_maker_in_front() {
        let plan = plan("acme-soft-glow2", Language::C).unwrap();
        assert_eq!(
            (&*plan.kind, &*plan.local, &*plan.struct_name()),
            ("acme.soft_glow2", "acme_soft_glow2", "SoftGlow2Node")
        );
    }

    #[test]
    fn no_name_is_one_that_the_language_the_sdk_or_the_program_has() {
        for (name, expected) in [("acme-self", "SelfNode"), ("acme-cx", "CxNode"), ("acme-solid", "SolidNode")] {
            let plan = plan(name, Language::Rust).unwrap();
            assert_eq!((&*plan.struct_name(), &*plan.local), (expected, &*name.replace('-', "_")));
        }
    }

    #[test]
    fn names_that_cannot_be_are_refused_with_one_that_can() {
        for name in ["Glow", "glow_soft", "-glow", "acme--glow", "acme-2", "ä-b", ""] {
            let said = plan(name, Language::C).err().expect(name).to_string();
            assert!(said.contains("such as `acme-glow`"), "{said}");
        }
        let said = plan("glow", Language::C).err().expect("no maker").to_string();
        assert!(said.ends_with("such as `acme-glow`"), "{said}");
    }

    #[test]
    fn nothing_is_left_to_fill_in_and_no_other_name_stays() {
        for language in [Language::Rust, Language::C] {
            for (name, text) in plan("acme-blur", language).unwrap().files(language) {
                for hole in ["{name}", "{kind}", "{struct}", "{sdk}", "{imports}", "{local}", "{run}", "{library}"] {
                    assert!(!text.contains(hole), "{hole} in {name}");
                }
                let own = text.replace("libglow.so", "").replace("rondel_entry_glow", "");
                let is_header = name == "rondel.h";
                assert!(is_header || !own.contains("glow"), "another name in {name}:\n{text}");
                assert!(is_header || !text.contains("tests/plugin_c"), "{name}");
            }
        }
    }
}
