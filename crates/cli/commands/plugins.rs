//! `rondel plugins`: looking after plugins.

pub mod apart;
mod examine;
mod list;

use anyhow::Result;

use super::Exit;
use crate::args::{Places, PluginsArgs, PluginsCommand};

pub fn run(places: &Places, args: &PluginsArgs) -> Result<Exit> {
    match &args.command {
        PluginsCommand::List { json } => list::run(places, *json),
        PluginsCommand::Examine(args) => examine::run(args),
    }
}
