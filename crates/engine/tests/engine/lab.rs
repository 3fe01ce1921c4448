//! A folder with a graph and a cache, and runs in it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rondel_cache::{Cache, CacheOptions, Remote};
use rondel_engine::plan::inputs::{AxisText, Sweeping};
use rondel_engine::{Clock, Control, Given, Plan, PlanError, PlanOptions, RunOptions, Site, ask, needs, plan, run};
use rondel_event::{Event, How, OutputInfo, Report, RunView};
use rondel_graph::Source;
use rondel_plugin::{HostOptions, Registry};

/// One for all tests: plugins count memory for the host that they saw last.
static REGISTRY: LazyLock<Arc<Registry>> = LazyLock::new(|| {
    let (name, version) = ("lab".to_owned(), "1".to_owned());
    let host = HostOptions { name, version, memory_budget_bytes: Some(BUDGET_BYTES), after_eviction: None };
    let mut registry = Registry::new(host);
    registry.add_static(&rondel_testkit::ENTRY).expect("the stub kinds load");
    Arc::new(registry)
});

/// What `stub.heavy` may keep and use; of all kinds it is the only one that counts.
pub const BUDGET_BYTES: u64 = 1000;

/// What is kept and counted right now.
pub fn tickets() -> Vec<String> {
    REGISTRY.memory().tickets().into_iter().map(|ticket| ticket.name).collect()
}

/// A folder with a graph and a cache.
pub struct Lab {
    folder: PathBuf,
    /// Removes the folder, if it is this one's.
    _own: Option<tempfile::TempDir>,
    n_draws: Cell<u64>,
    n_runs: Cell<u64>,
    remote: Option<Arc<dyn Remote>>,
    /// A cache that is kept from run to run, if not each run opens its own.
    kept: RefCell<Option<Arc<Cache>>>,
}

/// What a caller chose, beside the graph.
#[derive(Clone, Default)]
pub struct Setup<'a> {
    pub set: &'a [(&'a str, &'a str)],
    pub preset: Option<&'a str>,
    /// Inputs of which the preset says nothing.
    pub beyond_presets: &'a [&'a str],
    /// As after `--sweep`; axes that move together are separated by `&`.
    pub sweeps: &'a [&'a str],
    /// The text of a batch file.
    pub batch: Option<&'a str>,
    pub only: &'a [&'a str],
    pub rerun: &'a [&'a str],
    pub jobs: Option<usize>,
    pub fail_fast: bool,
    pub keep_going: bool,
    pub verify: f64,
    /// Moved by hand; one that goes by itself if there is none.
    pub clock: Option<Clock>,
    /// Someone looks at previews.
    pub previews: bool,
    /// The output folder, if it is to be another.
    pub out: Option<&'a str>,
}

/// A run and what was seen of it.
pub struct Ran {
    pub report: Report,
    pub events: Vec<Event>,
    /// The view after the last event.
    pub view: RunView,
}

impl Lab {
    pub fn new() -> Lab {
        Lab::owning(tempfile::tempdir().unwrap())
    }

    /// One in memory, where the system has such a place: for tests of thousands of runs.
    pub fn in_memory() -> Lab {
        let shared = Path::new("/dev/shm");
        let own = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() };
        Lab::owning(own.unwrap())
    }

    fn owning(own: tempfile::TempDir) -> Lab {
        let lab = Lab::at(own.path(), 0);
        Lab { _own: Some(own), ..lab }
    }

    /// The lab of another process, as its guest number `guest`.
    pub fn at(folder: &Path, guest: u64) -> Lab {
        let (folder, n_draws, n_runs) = (folder.to_owned(), Cell::default(), Cell::new(guest * 100));
        Lab { folder, _own: None, n_draws, n_runs, remote: None, kept: RefCell::default() }
    }

    /// One that shares results.
    pub fn sharing(remote: Arc<dyn Remote>) -> Lab {
        Lab { remote: Some(remote), ..Lab::new() }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Writes a file beside the graph.
    pub fn file(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Keeps one cache from now on, with so much in memory, or opens one for each run.
    pub fn reopen(&self, memory_bytes: Option<u64>) {
        let open = |memory_bytes| Cache::open(CacheOptions { folder: self.path("cache"), memory_bytes });
        *self.kept.borrow_mut() = memory_bytes.map(open).map(Arc::new);
    }

    pub fn keeps_cache(&self) -> bool {
        self.kept.borrow().is_some()
    }

    pub fn cache(&self) -> Arc<Cache> {
        if let Some(kept) = &*self.kept.borrow() {
            return kept.clone();
        }
        let cache = Cache::open(CacheOptions { folder: self.path("cache"), ..CacheOptions::default() });
        Arc::new(match &self.remote {
            Some(remote) => cache.with_remote(remote.clone()),
            None => cache,
        })
    }

    /// Plans `graph.ron` with the sections `body`, see [`graph_text`].
    pub fn plan(&self, body: &str, setup: &Setup) -> Arc<Plan> {
        self.try_plan(body, setup).unwrap_or_else(|error| panic!("{error:?}"))
    }

    pub fn try_plan(&self, body: &str, setup: &Setup) -> Result<Arc<Plan>, PlanError> {
        self.file("graph.ron", &graph_text(body));
        self.plan_file("graph.ron", setup)
    }

    /// The number of mistakes in `graph.ron`.
    pub fn mistakes(&self, body: &str) -> usize {
        self.file("graph.ron", &graph_text(body));
        let site = Site::new(REGISTRY.clone(), Vec::new(), &self.path("cache/v1"));
        site.open(&self.path("graph.ron"), &BTreeMap::new()).diagnostics.len()
    }

    pub fn n_runs(&self) -> u64 {
        self.n_runs.get()
    }

    pub fn plan_file(&self, path: &str, setup: &Setup) -> Result<Arc<Plan>, PlanError> {
        let site = Site::new(REGISTRY.clone(), Vec::new(), &self.path("cache/v1"));
        let checked = site.open(&self.path(path), &BTreeMap::new());
        let Some(graph) = checked.graph else { panic!("{:#?}", checked.diagnostics) };
        let given = Given {
            preset: setup.preset.map(str::to_owned),
            beyond_presets: setup.beyond_presets.iter().map(|name| name.to_string()).collect(),
            set: setup.set.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect(),
            sweeps: setup.sweeps.iter().map(|sweep| sweeping(sweep)).collect(),
            batch: setup.batch.map(|text| {
                self.file("batch.jsonl", text);
                Arc::new(Source::new("batch.jsonl", self.path("batch.jsonl"), text))
            }),
        };
        let options = PlanOptions {
            sheet: None,
            swaps: Default::default(),
            out: self.path(setup.out.unwrap_or("out")),
            current_folder: self.path("elsewhere"),
            only: setup.only.iter().map(|name| name.to_string()).collect(),
            nonce: self.draw(),
            counts_code: false,
            meaning: None,
            draw: &mut |_| self.draw(),
        };
        plan(&site, &graph, &given, options).map(Arc::new)
    }

    fn draw(&self) -> u64 {
        self.n_draws.set(self.n_draws.get() + 1);
        self.n_draws.get()
    }

    pub fn run(&self, body: &str) -> Ran {
        self.run_with(body, &Setup::default())
    }

    pub fn run_with(&self, body: &str, setup: &Setup) -> Ran {
        self.run_plan(&self.plan(body, setup), setup)
    }

    pub fn run_plan(&self, plan: &Arc<Plan>, setup: &Setup) -> Ran {
        self.run_controlled(plan, setup, &Control::default(), |_| {})
    }

    /// Runs, and calls `watch` with every event as a display would be.
    pub fn run_controlled(
        &self,
        plan: &Arc<Plan>,
        setup: &Setup,
        control: &Control,
        mut watch: impl FnMut(&Event),
    ) -> Ran {
        self.n_runs.set(self.n_runs.get() + 1);
        let rerun: Vec<String> = setup.rerun.iter().map(|name| name.to_string()).collect();
        let cache = self.cache();
        ask(plan, &cache).unwrap();
        let options = RunOptions {
            needs: needs(plan, &cache, &rerun),
            id: format!("run-{:04}", self.n_runs.get()),
            now: 1_000,
            clock: setup.clock.clone().unwrap_or_else(Clock::steady),
            jobs: setup.jobs,
            fail_fast: setup.fail_fast,
            keep_going: setup.keep_going,
            verify: setup.verify,
            budget_bytes: Some(BUDGET_BYTES),
            rerun,
            previews: setup.previews,
            painter: None,
            probe: None,
            program: "lab 1".to_owned(),
        };
        let (mut events, mut last_view) = (Vec::new(), RunView::default());
        let report = run(plan, &cache, &options, control, &mut |event, view| {
            events.push(event.clone());
            if matches!(event.what, rondel_event::What::RunFinished { .. }) {
                last_view = view.clone();
            }
            watch(event);
        });
        Ran { report, events, view: last_view }
    }

    /// The folder of the newest run's record.
    pub fn run_folder(&self) -> PathBuf {
        self.path("cache/v1/runs").join(format!("run-{:04}", self.n_runs.get()))
    }

    /// Every file of one part of the cache (`action`, `recipe`, `blob`), sorted.
    pub fn cache_files(&self, part: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for folder in entries(&self.path("cache/v1").join(part)) {
            files.extend(entries(&folder));
        }
        files
    }
}

fn sweeping(text: &str) -> Sweeping {
    if !text.contains('=') {
        return Sweeping::Named(text.to_owned());
    }
    let mut axes: Vec<_> = text
        .split('&')
        .map(|axis| {
            let (name, values) = axis.split_once('=').unwrap();
            (name.trim().to_owned(), AxisText::Values(values.to_owned()))
        })
        .collect();
    match axes.len() {
        1 => Sweeping::Axis(axes.remove(0)),
        _ => Sweeping::Zip(axes),
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

impl Ran {
    pub fn step(&self, name: &str) -> &rondel_event::report::StepReport {
        let step = self.report.steps.iter().find(|step| &*step.name == name);
        step.unwrap_or_else(|| panic!("no step `{name}`"))
    }

    pub fn how(&self, name: &str) -> How {
        self.step(name).how
    }

    pub fn output(&self, name: &str) -> &OutputInfo {
        let output = self.report.outputs.iter().find(|output| output.name == name);
        output.unwrap_or_else(|| panic!("no output `{name}`"))
    }

    /// One line a step: its name, how it ended, and why.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for step in &self.report.steps {
            write!(table, "{}: {}", step.name, step.how.word()).unwrap();
            if let Some(why) = &step.why_text {
                write!(table, ", {}", mask(why)).unwrap();
            }
            if let Some(problem) = &step.problem {
                write!(table, ": {} ({})", problem.message, problem.kind).unwrap();
            }
            if let Some(by) = &step.blocked_by {
                write!(table, " by {by}").unwrap();
            }
            table.push('\n');
        }
        table
    }
}

/// Puts `…` for digests and folders, which differ from place to place.
pub fn mask(text: &str) -> String {
    let is_hex = |word: &str| word.len() == 12 && word.chars().all(|c| c.is_ascii_hexdigit());
    let words = text.split(' ').map(|word| {
        let inner = word.trim_matches(['(', ')', ';', ']', ',', '"']);
        let name = inner.rsplit('/').next().unwrap_or_default();
        match () {
            () if is_hex(inner) => word.replace(inner, "…"),
            () if inner.starts_with('/') => word.replace(inner, &format!("…/{name}")),
            () => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A graph file with the stub kinds imported under their last names, from its other sections.
///
/// More imports may stand first, as `imports: (…),` on the first line.
pub fn graph_text(body: &str) -> String {
    let kinds = REGISTRY.kinds().map(|kind| kind.spec().kind.clone());
    let imports: String = kinds.map(|kind| format!("{}: Node(\"{kind}\"), ", &kind["stub.".len()..])).collect();
    let (more, body) = match body.trim_start().strip_prefix("imports: (") {
        Some(rest) => rest.split_once("),\n").expect("imports end their line with `),`"),
        None => ("", body),
    };
    format!("Graph(format: 1, imports: ({imports}{more}),\n{body})\n")
}
