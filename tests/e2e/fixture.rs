//! A folder with everything of its own around it: graphs, cache, pictures, and nothing of the user's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rondel_event::{How, Report};
use rondel_value::Digest;
use tempfile::TempDir;

/// The folder of a user who has just unpacked the program.
pub struct Project {
    folder: TempDir,
}

/// What the program said, and how it ended.
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The source tree.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a graph of the source tree, named relative to `graphs/`.
pub fn graph(name: &str) -> String {
    fs::read_to_string(root().join("graphs").join(name)).expect("a graph of the source tree")
}

impl Project {
    pub fn new() -> Project {
        Project { folder: TempDir::with_prefix("rondel-e2e-").expect("a temporary folder") }
    }

    /// A project with copies of graphs of the source tree.
    pub fn with(names: &[&str]) -> Project {
        let project = Project::new();
        names.iter().for_each(|name| project.write(name, &graph(name)));
        project
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder in the project");
        fs::write(path, text).expect("a file in the project");
    }

    /// Builds a plugin with the kinds `c.nap` and `c.deaf`, which wait for ever.
    pub fn build_pause(&self) {
        self.build_c("plugins", "pause", "#include <pause.c>");
    }

    /// Builds a plugin from C; what is in `tests/plugin_c/` may be included.
    pub fn build_c(&self, folder: &str, name: &str, source: &str) -> PathBuf {
        let library = self.path(&format!("{folder}/lib{name}.{}", std::env::consts::DLL_EXTENSION));
        std::fs::create_dir_all(library.parent().expect("a folder")).expect("a folder in the project");
        self.write(&format!("{name}.c"), source);
        let compiler = Command::new("cc")
            .args(["-std=c11", "-shared", "-fPIC", "-pthread", "-Wall", "-Wextra", "-Werror", "-I"])
            .arg(root().join("crates/abi/include"))
            .arg("-I")
            .arg(root().join("tests/plugin_c"))
            .arg(self.path(&format!("{name}.c")))
            .arg("-o")
            .arg(&library)
            .output()
            .expect("a compiler");
        assert!(compiler.status.success(), "{}", String::from_utf8_lossy(&compiler.stderr));
        library
    }

    /// Replaces all of `from` in a file, which must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).expect("a file of the project");
        assert!(text.contains(from), "`{from}` is not in {name}:\n{text}");
        self.write(name, &text.replace(from, to));
    }

    /// The names of the pictures that were written, sorted.
    pub fn pictures(&self) -> Vec<String> {
        let Ok(folder) = fs::read_dir(self.path("out")) else { return Vec::new() };
        let mut names: Vec<String> =
            folder.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The blob of a digest in the cache.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.path("cache/v1/blob").join(&name[..2]).join(name + ".st")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rondel"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .env("RONDEL_CACHE_DIR", self.path("cache"))
            .env("XDG_CACHE_HOME", self.path("home/cache"))
            .env("XDG_CONFIG_HOME", self.path("home/config"))
            .env("XDG_DATA_HOME", self.path("home/data"))
            .env_remove("RONDEL_CACHE_SIZE")
            .env_remove("RONDEL_PLUGIN_PATH")
            .env_remove("RONDEL_REMOTE")
            .env_remove("RONDEL_HOSTED_DIR")
            .env_remove("FAL_KEY")
            .env_remove("OPENAI_API_KEY")
            .env_remove("BFL_API_KEY")
            .env_remove("TOGETHER_API_KEY")
            .env_remove("REPLICATE_API_TOKEN")
            .env_remove("LUMENFALL_API_KEY")
            .env_remove("HF_HOME")
            .env_remove("HF_HUB_CACHE")
            .stdin(Stdio::null());
        command
    }

    pub fn rondel(&self, args: &[&str]) -> Said {
        said(self.command(args))
    }

    /// Runs a graph, whatever becomes of it, and reads the report.
    pub fn try_run(&self, graph: &str, args: &[&str]) -> (Said, Report) {
        // An old report would tell an old story.
        let _ = fs::remove_file(self.path("report.json"));
        let said = self.rondel(&[&["run", graph, "--report", "report.json"], args].concat());
        let Ok(report) = fs::read(self.path("report.json")) else { panic!("no report: {}", said.stderr) };
        (said, serde_json::from_slice(&report).expect("a report"))
    }

    /// Runs a graph that must come to a good end.
    pub fn run(&self, graph: &str, args: &[&str]) -> Report {
        let (said, report) = self.try_run(graph, args);
        assert_eq!((said.code, report.exit_code), (Some(0), 0), "{}", said.stderr);
        report
    }
}

/// Waits for the program.
pub fn said(mut command: Command) -> Said {
    let output = command.output().expect("the program starts");
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("data is text"),
        stderr: String::from_utf8(output.stderr).expect("words are text"),
    }
}

/// The steps that ended so, in the order of the plan: `noise, latent, image`.
pub fn those(report: &Report, how: How) -> String {
    let names: Vec<&str> = report.steps.iter().filter(|step| step.how == how).map(|step| &*step.name).collect();
    names.join(", ")
}

/// The steps that ran.
pub fn ran(report: &Report) -> String {
    those(report, How::Ran)
}

/// How a step ended.
pub fn how(report: &Report, name: &str) -> How {
    step(report, name).how
}

pub fn step<'a>(report: &'a Report, name: &str) -> &'a rondel_event::report::StepReport {
    report.steps.iter().find(|step| &*step.name == name).expect("a step of the plan")
}

/// Why a step ran, as a sentence.
pub fn why<'a>(report: &'a Report, name: &str) -> &'a str {
    step(report, name).why_text.as_deref().unwrap_or("it did not run")
}

/// The file that an output of the graph wrote.
pub fn file(report: &Report, output: &str) -> PathBuf {
    let output = report.outputs.iter().find(|found| found.name == output).expect("an output of the graph");
    PathBuf::from(output.path.as_deref().expect("an output that wrote a file"))
}
