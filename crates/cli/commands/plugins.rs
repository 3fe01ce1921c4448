//! `rondel plugins`: looking after plugins.

pub mod apart;
mod check;
mod examine;
mod list;
mod new;

use anyhow::Result;

use super::Exit;
use crate::args::{Places, PluginsArgs, PluginsCommand};

pub fn run(places: &Places, args: &PluginsArgs) -> Result<Exit> {
    match &args.command {
        PluginsCommand::List { json } => list::run(places, *json),
        PluginsCommand::Check(args) => check::run(places, args),
        PluginsCommand::New(args) => new::run(args),
        PluginsCommand::Examine(args) => examine::run(args),
    }
}
