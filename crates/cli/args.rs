//! The command line as data.

mod plugins;

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

pub use self::plugins::{CheckPluginArgs, ExamineArgs, Language, NewArgs, PluginsArgs, PluginsCommand};
use rondel_tui::Script;

use crate::words;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    a step failed, or a check found something
  2    the graph or the command is wrong, or `plan` finds a step that cannot run
  3    done in part (--keep-going)
  4    nothing matched
  5    with `--locked`, what the graph stands on is not what is locked
  130  cancelled

Data goes to standard output, everything else to standard error.";

/// A plugin node runtime for image-generation graphs.
#[derive(Debug, Parser)]
#[command(name = "rondel", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Args {
    #[command(flatten)]
    pub places: Places,
    #[command(subcommand)]
    pub command: Command,
}

/// Where things are.
#[derive(Clone, Debug, ClapArgs)]
pub struct Places {
    /// Folder of the cache [default: RONDEL_CACHE_DIR, else the user's cache folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// The most that results may take on disk: a run that ends above it gives the least valuable up [default: RONDEL_CACHE_SIZE, else 20GB]
    #[arg(long, global = true, value_name = "BYTES", value_parser = words::parse_bytes)]
    pub cache_size: Option<u64>,
    /// The most that results may take in memory beside, so that they are not read again [default: 512MB]
    #[arg(long, global = true, value_name = "BYTES", value_parser = words::parse_bytes)]
    pub cache_memory: Option<u64>,
    /// Folder with plugins; may be given again [also: RONDEL_PLUGIN_PATH, `plugins/` beside the graph, the user's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub plugin_dir: Vec<PathBuf>,
    /// Run a plugin in a process of its own, or `all` of them; may be given again [default: those that were never checked]
    #[arg(long, global = true, value_name = "NAME")]
    pub isolate: Vec<String>,
    /// Run a plugin in the program although it was never checked, or `all` of them; may be given again
    #[arg(long, global = true, value_name = "NAME")]
    pub trust: Vec<String>,
    /// Do without the nodes that are linked in: all kinds come from plugin folders
    #[arg(long, global = true, hide = true)]
    pub without_builtin: bool,
    /// Where machines share results: s3://bucket/prefix, gs://…, az://…, https://… or file:///folder [also: RONDEL_REMOTE]
    #[arg(long, global = true, value_name = "URL")]
    pub remote_url: Option<String>,
    /// What to do with results that machines share [default: read, if there is an address]
    #[arg(long, global = true, value_enum, value_name = "MODE")]
    pub remote: Option<RemoteMode>,
    /// Ask no hosted model; a step that has to fails
    #[arg(long, global = true)]
    pub offline: bool,
    /// Keep what hosted models make in this folder, for `--hosted-replay`
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "hosted_replay")]
    pub hosted_record: Option<PathBuf>,
    /// Take what hosted models made from this folder; nobody is asked, and no key is needed
    #[arg(long, global = true, value_name = "DIR")]
    pub hosted_replay: Option<PathBuf>,
}

/// What is done with results that machines share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RemoteMode {
    /// Take what others made
    Read,
    /// Take, and give what was made here
    Readwrite,
    /// Neither
    Off,
}

impl RemoteMode {
    /// As it is typed.
    pub const fn word(self) -> &'static str {
        match self {
            RemoteMode::Read => "read",
            RemoteMode::Readwrite => "readwrite",
            RemoteMode::Off => "off",
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a graph
    Run(RunArgs),
    /// Run a graph, and what changed of it again after every save
    Watch(WatchArgs),
    /// Read and check graph files
    Check(CheckArgs),
    /// Say what would run, and why
    Plan(PlanArgs),
    /// Write down what a graph stands on, for `--locked`: weights, plugins, versions of kinds, imports
    Lock(LockArgs),
    /// List the kinds of nodes, or show one
    Nodes(NodesArgs),
    /// Print the JSON Schema of graphs with every installed kind
    Schema(SchemaArgs),
    /// Look after plugins
    Plugins(PluginsArgs),
    /// Look after the cache
    Cache(CacheArgs),
    /// What hosted models cost so far
    Costs(CostsArgs),
    /// Look after model weights
    Models(ModelsArgs),
    /// What runs left behind
    Runs(RunsArgs),
    /// Show a run again as it was recorded
    Replay(ReplayArgs),
    /// Recover the graph that a picture carries
    From(FromArgs),
    /// Say what this program finds on this machine
    Doctor(DoctorArgs),
    /// Run a plugin for the program at the other end of standard input
    #[command(name = PLUGIN_CHILD, hide = true)]
    PluginChild,
}

/// How the program is started to run one plugin.
pub const PLUGIN_CHILD: &str = "plugin-child";

/// How much memory may be used.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct MemoryArgs {
    /// The most memory that models may use, such as 12GB [default: what is free]
    #[arg(long, value_name = "BYTES", value_parser = words::parse_bytes)]
    pub memory: Option<u64>,
    /// The same for a device with memory of its own; without one it has no effect
    #[arg(long, value_name = "BYTES", value_parser = words::parse_bytes)]
    pub vram: Option<u64>,
}

/// A graph with values for its inputs.
#[derive(Clone, Debug, ClapArgs)]
pub struct GraphArgs {
    /// The graph file
    pub graph: PathBuf,
    /// Set an input; `@FILE` takes the text of a file, `-` standard input
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Go through values: one of the graph's sweeps, or an input with a range, a list or `@FILE` of lines; given again, each
    /// value meets each
    #[arg(long, value_name = "NAME|INPUT=VALUES")]
    pub sweep: Vec<String>,
    /// Go through values of several inputs together; given once for each input
    #[arg(long, value_name = "INPUT=VALUES")]
    pub zip: Vec<String>,
    /// Go through the lines of a file, each a JSON object of inputs
    #[arg(long, value_name = "FILE")]
    pub inputs: Option<PathBuf>,
    /// Lay the pictures of a sweep out on one sheet, in this file below the output folder
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<String>,
    /// Take the input values of a preset
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Use other weights for one of the graph's models
    #[arg(long, value_name = "NAME=OTHER")]
    pub model: Vec<String>,
    /// Folder that `save` writes to
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub out: PathBuf,
    /// Only this output or node, and what it needs; may be given again
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// How mistakes of the graph are written
    #[arg(long, value_enum, default_value = "human", value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// For people, on standard error
    Human,
    /// One JSON object a mistake, with byte ranges, on standard output
    Json,
}

/// What is shown of runs.
#[derive(Clone, Debug, ClapArgs)]
pub struct DisplayArgs {
    /// Write the newest preview of each step to this folder, as `<step>.png`
    #[arg(long, value_name = "DIR")]
    pub previews: Option<PathBuf>,
    /// Write events as they happen: `jsonl` to standard output, or to a file
    #[arg(long, value_name = "jsonl|FILE")]
    pub events: Option<PathBuf>,
    /// Only what went wrong
    #[arg(long, short)]
    pub quiet: bool,
}

/// What `run` and `watch` have in common.
#[derive(Clone, Debug, ClapArgs)]
pub struct CommonRunArgs {
    #[command(flatten)]
    pub graph: GraphArgs,
    #[command(flatten)]
    pub memory: MemoryArgs,
    #[command(flatten)]
    pub display: DisplayArgs,
    /// Write the record of the run as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// CPU steps at once [default: one a core]; with 1, one step of any kind at a time, always in the same order
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
}

#[derive(Debug, ClapArgs)]
pub struct RunArgs {
    #[command(flatten)]
    pub common: CommonRunArgs,
    /// Show the run on a screen, which stays until `q`; closing it before the end cancels the run
    #[arg(long, conflicts_with = "plain")]
    pub tui: bool,
    /// Do this at the screen once there is a run, such as `select latent; zoom`; `?` there lists what there is
    #[arg(long = "do", value_name = "ACTIONS", requires = "tui")]
    pub script: Option<Script>,
    /// Plain lines even on a terminal
    #[arg(long)]
    pub plain: bool,
    /// Stop at the first step that fails: start nothing more, ask what runs to stop, exit with 1
    #[arg(long, conflicts_with = "keep_going")]
    pub fail_fast: bool,
    /// If steps fail and an output is made all the same, exit with 3 instead of 1; without either option the rest runs too
    #[arg(long)]
    pub keep_going: bool,
    /// Compute a part of the known steps again, such as 10%, and exit with 1 if one comes out otherwise; `save` is left out
    #[arg(long, value_name = "PERCENT", value_parser = words::parse_percent)]
    pub verify: Option<f64>,
    /// Run a step even if it is known; may be given again
    #[arg(long, value_name = "STEP")]
    pub rerun: Vec<String>,
    /// Exit with 5 if what the graph stands on is not what `rondel lock` wrote down
    #[arg(long)]
    pub locked: bool,
}

#[derive(Debug, ClapArgs)]
pub struct WatchArgs {
    #[command(flatten)]
    pub common: CommonRunArgs,
    /// Do this at the screen once there is a run, such as `select latent; zoom`; `?` there lists what there is
    #[arg(long = "do", value_name = "ACTIONS", conflicts_with = "headless")]
    pub script: Option<Script>,
    /// Print lines even on a terminal
    #[arg(long)]
    pub headless: bool,
}

impl CommonRunArgs {
    /// Whether nothing else was asked to go where a screen would be.
    pub fn has_room_for_a_screen(&self) -> bool {
        let writes_events = self.display.events.as_deref() == Some(Path::new("jsonl"));
        !self.display.quiet && !writes_events && self.graph.message_format == MessageFormat::Human
    }
}

impl GraphArgs {
    /// The command that runs the graph, without inputs.
    pub fn command(&self) -> String {
        let graph = self.graph.display().to_string();
        let mut words = vec!["rondel".to_owned(), "run".to_owned(), graph];
        let pairs = |option: &str, values: &[String]| {
            values.iter().flat_map(|value| [option.to_owned(), value.clone()]).collect::<Vec<_>>()
        };
        words.extend(pairs("--model", &self.model));
        words.extend(pairs("--only", &self.only));
        words.extend(pairs("--sweep", &self.sweep));
        words.extend(pairs("--zip", &self.zip));
        if self.out != Path::new("out") {
            words.extend(["--out".to_owned(), self.out.display().to_string()]);
        }
        shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
    }
}

#[derive(Debug, ClapArgs)]
pub struct CheckArgs {
    /// The graph files
    #[arg(required = true)]
    pub graphs: Vec<PathBuf>,
    /// Use other weights for one of the graphs' models
    #[arg(long, value_name = "NAME=OTHER")]
    pub model: Vec<String>,
    /// How mistakes are written
    #[arg(long, value_enum, default_value = "human", value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

#[derive(Debug, ClapArgs)]
pub struct PlanArgs {
    #[command(flatten)]
    pub graph: GraphArgs,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// `human`, or `json` for machines, or `dot` for graphviz
    #[arg(long, value_enum, default_value = "human")]
    pub format: PlanFormat,
    /// Short for `--format json`
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Exit with 5 if what the graph stands on is not what `rondel lock` wrote down
    #[arg(long)]
    pub locked: bool,
    /// Ask those providers that say so for nothing what hosted models would cost, and whether they take the request
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    Human,
    Json,
    Dot,
}

#[derive(Debug, ClapArgs)]
pub struct LockArgs {
    /// The graph file
    pub graph: PathBuf,
    /// Use other weights for one of the graph's models
    #[arg(long, value_name = "NAME=OTHER")]
    pub model: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub struct NodesArgs {
    /// Show this kind with its ports
    pub kind: Option<String>,
    /// `human`, `json` (specifications), `markdown` (a catalogue), or `graph` (one that uses the kind)
    #[arg(long, value_enum, default_value = "human")]
    pub format: NodesFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NodesFormat {
    Human,
    Json,
    Markdown,
    Graph,
}

#[derive(Debug, ClapArgs)]
pub struct SchemaArgs {
    /// Instead of the schema, print this graph in the JSON form that it is of
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub struct CacheArgs {
    #[command(subcommand)]
    pub command: CacheCommand,
}

#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// What is in it, by kind
    Stats {
        #[arg(long)]
        json: bool,
    },
    /// Its records, newest first
    Ls {
        /// At most this many
        #[arg(long, short = 'n', default_value_t = 50)]
        n: usize,
        #[arg(long)]
        json: bool,
    },
    /// Why a step of the newest run did what it did, and what its result is known by
    Why {
        step: String,
        /// The newest run of this graph
        graph: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Hash everything that is stored
    Verify,
    /// Keep the results and the record of a run, or the results of a step, whatever `gc` has to make room for
    Pin {
        /// `last`, the id of a run, a step of the newest run, or a key that `ls` says
        #[arg(required = true, value_name = "RUN|STEP")]
        names: Vec<String>,
    },
    /// Let `gc` take them again
    Unpin {
        /// As for `pin`
        #[arg(required = true, value_name = "RUN|STEP")]
        names: Vec<String>,
    },
    /// Write a run with its results to one file, to be carried elsewhere
    Export {
        /// `last`, or the id of a run
        run: String,
        file: PathBuf,
    },
    /// Take in what `export` wrote; what is here already stays as it is. Whoever made the file decides what the results are
    Import { file: PathBuf },
    /// Drop the least valuable results until the rest fits, but nothing that is pinned
    Gc {
        /// The most the cache may take [default: --cache-size]
        #[arg(long, value_name = "BYTES", value_parser = words::parse_bytes)]
        max: Option<u64>,
    },
    /// Forget every result, pinned or not; records of runs stay
    Clear,
}

#[derive(Debug, ClapArgs)]
pub struct CostsArgs {
    /// Sums by day, provider, model, run or step; or every call
    #[arg(long, value_enum, default_value = "day", value_name = "WHAT")]
    pub by: CostsBy,
    /// Only calls of this day, such as 2026-11-25, or `today`
    #[arg(long, value_name = "DAY")]
    pub day: Option<String>,
    #[arg(long)]
    pub json: bool,
    /// For a spreadsheet
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Say of a call whose end is unknown that it was looked up: it counts as billed, and the same may be asked for again
    #[arg(long, value_name = "CALL", conflicts_with_all = ["by", "json", "csv", "day"])]
    pub close: Option<String>,
}

/// What calls are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CostsBy {
    Day,
    Provider,
    Model,
    Run,
    Step,
    Call,
}

#[derive(Debug, ClapArgs)]
pub struct ModelsArgs {
    #[command(subcommand)]
    pub command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// The names that graphs may use
    List {
        /// As seen from this graph or folder
        #[arg(long, value_name = "PATH", default_value = ".")]
        from: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// What is in the files of a model or a LoRA, by their headers
    Show {
        name: String,
        /// As seen from this graph or folder
        #[arg(long, value_name = "PATH", default_value = ".")]
        from: PathBuf,
    },
    /// Find the files of models and LoRAs and hash them anew
    Verify {
        /// Only these; all, if none is given
        names: Vec<String>,
        /// As seen from this graph or folder
        #[arg(long, value_name = "PATH", default_value = ".")]
        from: PathBuf,
    },
}

#[derive(Debug, ClapArgs)]
pub struct RunsArgs {
    #[command(subcommand)]
    pub command: RunsCommand,
}

#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// The newest first
    List {
        /// How many
        #[arg(short, value_name = "N", default_value_t = 20)]
        n: usize,
        /// The reports of those that were finished
        #[arg(long)]
        json: bool,
    },
    /// What went in, what each step did, and what came out
    Show {
        /// `last`, or the id of a run or its beginning
        #[arg(default_value = "last")]
        run: String,
        /// Its report
        #[arg(long)]
        json: bool,
    },
    /// What two runs have in common, and where they part; the exit code is 1 if a step came to something else
    Diff {
        /// The earlier run: its id or the beginning of it
        first: String,
        /// The later one
        #[arg(default_value = "last")]
        second: String,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, ClapArgs)]
pub struct ReplayArgs {
    /// `last`, or the id of a run or its beginning
    #[arg(default_value = "last")]
    pub run: String,
    /// How many times as fast
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = words::parse_factor)]
    pub speed: f64,
    /// Do this at the screen once there is a run, such as `select latent; zoom`; `?` there lists what there is
    #[arg(long = "do", value_name = "ACTIONS", conflicts_with = "headless")]
    pub script: Option<Script>,
    /// Print lines even on a terminal
    #[arg(long)]
    pub headless: bool,
}

#[derive(Debug, ClapArgs)]
pub struct FromArgs {
    /// A picture written by `save`
    pub picture: PathBuf,
    /// Write the graph to this file, and what it imports beside it, instead of to standard output
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Everything the picture says, as JSON
    #[arg(long, conflicts_with = "to")]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub memory: MemoryArgs,
    #[arg(long)]
    pub json: bool,
}
