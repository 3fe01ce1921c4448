//! `rondel check`: reads and checks graph files, and says nothing if they are right.

use anyhow::Result;

use super::{Exit, site, swaps};
use crate::args::{CheckArgs, MessageFormat, Places};
use crate::output::diagnostics;
use crate::words;

pub fn run(places: &Places, args: CheckArgs) -> Result<Exit> {
    let swaps = swaps(&args.model)?;
    let mut n_wrong = 0;
    for graph in &args.graphs {
        let (site, _) = site(places, Some(graph))?;
        let checked = site.open(graph, &swaps);
        diagnostics::print(&checked.diagnostics, args.message_format);
        n_wrong += usize::from(checked.graph.is_none());
    }
    if args.message_format == MessageFormat::Human {
        let n = args.graphs.len();
        match n_wrong {
            0 => words::say(format!("{} checked, nothing wrong", words::count(n, "graph"))),
            _ => words::say(format!("{n_wrong} of {} wrong", words::count(n, "graph"))),
        }
    }
    Ok(if n_wrong == 0 { Exit::Done } else { Exit::Wrong })
}
