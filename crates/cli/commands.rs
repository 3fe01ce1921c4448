//! One file a command.

mod cache;
mod check;
mod costs;
mod doctor;
mod from;
mod given;
mod lock;
mod models;
mod named;
mod nodes;
mod plan;
mod plugins;
mod reload;
mod replay;
mod run;
mod runs;
mod schema;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rondel_cache::Cache;
use rondel_engine::installed::{Installed, KnownPlugins};
use rondel_engine::{Plan, PlanError, PlanOptions, Site};
use rondel_graph::{Diagnostic, Graph};
use rondel_hosted::Hosted;
use rondel_plugin::{HostOptions, Origin, PluginInfo, Registry};

use crate::args::{Args, Command, GraphArgs, Places};
use crate::isolation::Policy;
use crate::output::{diagnostics, hashing};
use crate::{alloc, folders, hosted, isolation, remote, size, words};

pub use runs::diff::lines as difference_lines;
pub use runs::line as run_line;

/// How the program ends; the numbers are documented and stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// A step failed, or a check found something.
    Failed,
    /// The graph or the command is wrong.
    Wrong,
    NothingMatched,
    /// What the graph stands on is not what is locked.
    NotAsLocked,
    /// The outcome of a run.
    Run(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Wrong => 2,
            Exit::NothingMatched => 4,
            Exit::NotAsLocked => 5,
            Exit::Run(code) => code,
        })
    }
}

pub fn run(args: Args) -> Result<Exit> {
    let places = args.places;
    match args.command {
        Command::Run(args) => run::run(&places, args),
        Command::Watch(args) => watch::run(&places, &args),
        Command::Check(args) => check::run(&places, args),
        Command::Plan(args) => plan::run(&places, args),
        Command::Lock(args) => lock::run(&places, &args),
        Command::Nodes(args) => nodes::run(&places, args),
        Command::Schema(args) => schema::run(&places, &args),
        Command::Plugins(args) => plugins::run(&places, &args),
        Command::Cache(args) => cache::run(&places, args),
        Command::Costs(args) => costs::run(&args),
        Command::Models(args) => models::run(&places, args),
        Command::Runs(args) => runs::run(&places, args),
        Command::Replay(args) => replay::run(&places, &args),
        Command::From(args) => from::run(args),
        Command::Doctor(args) => doctor::run(&places, args),
        Command::PluginChild => plugin_child(),
    }
}

/// Runs one plugin for the program that started this one.
#[cfg(target_os = "linux")]
fn plugin_child() -> Result<Exit> {
    match rondel_plugin::isolate::serve() {
        Err(rondel_plugin::isolate::ServeError::Gone) => Ok(Exit::Done),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn plugin_child() -> Result<Exit> {
    bail!("plugins can be kept in processes of their own on Linux only")
}

/// The entries of the built-in plugins.
fn builtin() -> Vec<&'static rondel_abi::Entry> {
    #[cfg(feature = "builtin-nodes")]
    return vec![
        &node_prompt::ENTRY,
        &node_encode::ENTRY,
        &node_sample::ENTRY,
        &node_decode::ENTRY,
        &node_edit::ENTRY,
        &node_remote_provider::ENTRY,
        &node_save::ENTRY,
    ];
    #[cfg(not(feature = "builtin-nodes"))]
    return Vec::new();
}

/// All kinds: the built-in ones, then those of plugin folders. A plugin that cannot be used is left out, with the reason.
///
/// `memory_budget_bytes` is what they may keep and use while they run.
fn registry(
    places: &Places,
    graph: Option<&Path>,
    cache: &Path,
    memory_budget_bytes: Option<u64>,
) -> Result<(Registry, Installed)> {
    let options = HostOptions {
        name: "rondel".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        memory_budget_bytes,
        after_eviction: Some(alloc::give_back_freed_memory),
    };
    let mut registry = Registry::new(options);
    for entry in builtin().into_iter().filter(|_| !places.without_builtin) {
        registry.add_static(entry).context("a built-in plugin does not load, which is a bug")?;
    }
    let installed = install(&mut registry, places, graph, cache, None)?;
    Ok((registry, installed))
}

/// Adds the plugins of folders. One that is the same in `before` is taken from there, with all that it keeps.
fn install(
    registry: &mut Registry,
    places: &Places,
    graph: Option<&Path>,
    cache: &Path,
    before: Option<&Registry>,
) -> Result<Installed> {
    let known = KnownPlugins::new(&cache.join("v1"));
    let ask = |file: &Path| plugins::apart::facts(file, &known);
    let mut installed = Installed::find(folders::plugins(places, graph), &known, &ask);
    let policy = Policy::new(places)?;
    policy.check_names(&installed, registry)?;
    installed.register(&mut |path, digest, facts, is_checked| {
        let is_isolated = policy.is_isolated(path, facts, is_checked);
        let is_same = |old: &&Arc<PluginInfo>| {
            old.digest == Some(digest) && old.origin == Origin::File(path.to_owned()) && old.is_isolated == is_isolated
        };
        policy.warning(path, facts, is_checked).into_iter().for_each(words::say);
        let old = before.and_then(|before| Some((before, before.plugins().iter().find(is_same)?)));
        match (old, is_isolated) {
            (Some((before, plugin)), _) => registry.add_again(before, plugin),
            (None, true) => isolation::add(registry, path, digest, facts, known.copies()),
            (None, false) => registry.add_known(path, digest, facts.clone(), known.copies()),
        }
    });
    if let Some(missing) = places.plugin_dir.iter().find(|folder| !folder.is_dir()) {
        bail!("--plugin-dir is not a folder: {}", missing.display());
    }
    Ok(installed)
}

/// What surrounds a graph, with plugins that do not load said aloud.
fn site(places: &Places, graph: Option<&Path>, memory_budget_bytes: Option<u64>) -> Result<(Site, PathBuf)> {
    let cache = folders::cache(places)?;
    let (registry, installed) = registry(places, graph, &cache, memory_budget_bytes)?;
    Ok((surroundings(registry, installed, &cache), cache))
}

/// As [`site`], for runs: a plugin that does not load any more is no reason not to run what needs it not.
fn site_of_runs(places: &Places, graph: &Path, memory_budget_bytes: Option<u64>) -> Result<(Site, PathBuf)> {
    let cache = folders::cache(places)?;
    let (mut registry, mut installed) = registry(places, Some(graph), &cache, memory_budget_bytes)?;
    installed.register_earlier(&mut |path, facts, reason| registry.add_unusable(path, facts, reason.to_owned()));
    Ok((surroundings(registry, installed, &cache), cache))
}

fn surroundings(registry: Registry, installed: Installed, cache: &Path) -> Site {
    for plugin in &installed.plugins {
        match (&plugin.refusal, plugin.stands_in) {
            (None, _) => {}
            (Some(reason), false) => words::say(format!("warning: a plugin is left out: {reason}")),
            (Some(reason), true) => {
                words::say(format!(
                    "warning: a plugin is of no use any more, and steps that it has to run fail: {reason}"
                ));
            }
        }
    }
    Site::new(Arc::new(registry), folders::models(), &cache.join("v1"))
        .with_folders(folders::of_models())
        .with_installed(installed)
        .with_watch(hashing::watch())
}

/// `NAME=VALUE` as a pair.
fn pair(text: &str, option: &str, example: &str) -> Result<(String, String)> {
    let pair = text.split_once('=').map(|(name, value)| (name.trim(), value)).filter(|(name, _)| !name.is_empty());
    let (name, value) = pair
        .with_context(|| format!("`{option} {text}`: write `{option} NAME=VALUE`, for example `{option} {example}`"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn swaps(models: &[String]) -> Result<BTreeMap<String, String>> {
    models.iter().map(|text| pair(text, "--model", "flux=tiny-flux2")).collect()
}

/// A graph file with everything around it.
struct Opened<'a> {
    args: &'a GraphArgs,
    site: Site,
    cache: Arc<Cache>,
    cache_limit_bytes: u64,
    hosted: Arc<Hosted>,
    swaps: BTreeMap<String, String>,
    out: PathBuf,
    /// By what they are for; drawn once for as long as the graph is open: who plans it again wants to see what an edit did.
    seeds: HashMap<String, u64>,
    /// The text of standard input, once it was read.
    stdin: Option<String>,
    /// The content of plugins is part of keys.
    counts_code: bool,
    /// What was changed since the program was started.
    since: watch::Since,
}

/// What a graph is opened for.
#[derive(Clone, Copy)]
enum Purpose {
    Plan,
    Run,
    /// A plugin that does not load is waited for, until it is built anew.
    Watch,
}

/// What came of reading a graph.
struct Reading {
    mistakes: Vec<Diagnostic>,
    /// None if its file has mistakes; a value of an input that does not fit is none of them.
    graph: Option<Arc<Graph>>,
    plan: Result<Arc<Plan>, Exit>,
}

impl<'a> Opened<'a> {
    fn new(
        places: &Places,
        args: &'a GraphArgs,
        memory_budget_bytes: Option<u64>,
        purpose: Purpose,
    ) -> Result<Opened<'a>> {
        isolation::tell_of_strays();
        let (site, folder) = match purpose {
            Purpose::Plan | Purpose::Run => site_of_runs(places, &args.graph, memory_budget_bytes)?,
            Purpose::Watch => site(places, Some(&args.graph), memory_budget_bytes)?,
        };
        // Who only plans gives nothing to the remote tier.
        let only_reads = matches!(purpose, Purpose::Plan);
        let cache = size::open(places, folder);
        Ok(Opened {
            args,
            site,
            cache: Arc::new(remote::behind(places, only_reads, cache)?),
            cache_limit_bytes: size::limit_bytes(places)?,
            hosted: Arc::new(hosted::open(places, Some(&args.graph))?),
            swaps: swaps(&args.model)?,
            out: out_folder(&args.out)?,
            seeds: HashMap::new(),
            stdin: None,
            counts_code: false,
            since: watch::Since::default(),
        })
    }

    /// Reads, checks and plans the graph as its files are now; mistakes are printed, and the exit code is returned in place of
    /// a plan. What the remote tier knows of the plan is known when this returns.
    fn plan(&mut self) -> Result<Result<Arc<Plan>, Exit>> {
        let Reading { mistakes, plan, .. } = self.read()?;
        diagnostics::print(&mistakes, self.args.message_format);
        Ok(plan)
    }

    /// The same, with the mistakes handed on instead of printed.
    fn read(&mut self) -> Result<Reading> {
        self.site.forget_files();
        let checked = self.site.open(&self.args.graph, &self.swaps);
        let mut mistakes = checked.diagnostics;
        let Some(graph) = checked.graph else {
            return Ok(Reading { mistakes, graph: None, plan: Err(Exit::Wrong) });
        };
        let mut given = given::given(self.args, &self.site, &mut self.stdin)?;
        self.since.apply(&mut given);
        let mut draw = |place: &str| *self.seeds.entry(place.to_owned()).or_insert_with(draw_seed);
        let options = PlanOptions {
            sheet: self.args.sheet.clone(),
            out: self.out.clone(),
            swaps: self.swaps.clone(),
            current_folder: std::env::current_dir().context("the current folder is gone")?,
            only: self.args.only.clone(),
            nonce: draw_seed(),
            counts_code: self.counts_code,
            meaning: Some(&|model| self.hosted.providers().meaning(model)),
            draw: &mut draw,
        };
        let plan = match rondel_engine::plan(&self.site, &graph, &given, options) {
            Ok(plan) => Arc::new(plan),
            Err(PlanError::Wrong(more)) => {
                mistakes.extend(more);
                return Ok(Reading { mistakes, graph: Some(graph), plan: Err(Exit::Wrong) });
            }
            Err(PlanError::NothingMatches { only, outputs }) => {
                words::say(nothing_matches(&graph, &only, &outputs));
                return Ok(Reading { mistakes, graph: Some(graph), plan: Err(Exit::NothingMatched) });
            }
        };
        if let Err(error) = rondel_engine::ask(&plan, &self.cache) {
            words::say(format!("warning: {error}"));
        }
        Ok(Reading { mistakes, graph: Some(graph), plan: Ok(plan) })
    }
}

/// The folder that `save` writes to, as one path however it was written: it is a part of keys.
fn out_folder(out: &Path) -> Result<PathBuf> {
    let full = std::path::absolute(out).with_context(|| format!("--out is not a folder: {}", out.display()))?;
    for there in full.ancestors() {
        match there.canonicalize() {
            Ok(_) if !there.is_dir() => bail!("--out is not a folder, or not in one: {}", out.display()),
            // Part by part: joining an empty rest would add a slash.
            Ok(real) => return Ok(real.iter().chain(full.strip_prefix(there).into_iter().flatten()).collect()),
            Err(_) => {}
        }
    }
    Ok(full)
}

fn nothing_matches(graph: &Graph, only: &[String], outputs: &[String]) -> String {
    let nodes: Vec<&str> = graph.nodes.keys().map(String::as_str).collect();
    format!(
        "error: `--only {}` matches nothing; outputs: {}; nodes: {}",
        only.join(", "),
        outputs.join(", "),
        nodes.join(", ")
    )
}

/// A seed below 2³²: short enough to be copied by hand, and every tool takes it.
fn draw_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) >> 32
}
