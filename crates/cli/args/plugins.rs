//! What `rondel plugins` is given.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use rondel_value::Digest;

use crate::words;

#[derive(Debug, ClapArgs)]
pub struct PluginsArgs {
    #[command(subcommand)]
    pub command: PluginsCommand,
}

#[derive(Debug, Subcommand)]
pub enum PluginsCommand {
    /// Every plugin, what it offers, and which are left out
    List {
        #[arg(long)]
        json: bool,
    },
    /// Make a project for a plugin, with a node, a test and a graph, that builds and runs at once
    New(NewArgs),
    /// Run every kind of a plugin on made-up inputs, in a process of its own, and say what is wrong; the verdict is remembered, and
    /// a plugin that does not pass is left out from then on
    Check(CheckPluginArgs),
    /// What the program runs in a process of its own to look at a plugin
    #[command(hide = true)]
    Examine(ExamineArgs),
}

#[derive(Debug, ClapArgs)]
pub struct NewArgs {
    /// Lowercase words with `-` between, your own name first: `acme-glow` offers the kind `acme.glow`
    pub name: String,
    /// The language that it is written in
    #[arg(long, value_enum, default_value = "rust")]
    pub lang: Language,
    /// For Rust: the folder of Rondel's source, or the address of a git repository of it [default: what this program was built
    /// from]
    #[arg(long, value_name = "FOLDER|URL")]
    pub sdk: Option<String>,
    /// Where to make it [default: a folder of its name]
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// A language that a plugin may be begun in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    C,
}

#[derive(Debug, ClapArgs)]
pub struct CheckPluginArgs {
    /// The shared objects
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// How long one run may take, and then how long it may take to stop
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = words::parse_seconds)]
    pub patience: f64,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct ExamineArgs {
    /// The shared object
    pub file: PathBuf,
    /// The copy of it that is opened
    #[arg(long, value_name = "FILE")]
    pub copy: PathBuf,
    /// The digest of its content
    #[arg(long)]
    pub digest: Digest,
    /// A folder for what is temporary
    #[arg(long, value_name = "DIR")]
    pub temp: PathBuf,
    /// The file that what is found is written to
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Run its kinds, each for this long at most
    #[arg(long, value_name = "SECONDS", value_parser = words::parse_seconds)]
    pub patience: Option<f64>,
}
