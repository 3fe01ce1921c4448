//! `rondel watch`: runs a graph, and again what changed of it after every save.
//!
//! A save while a run is going on makes a new plan. What both plans want comes to its end, what only the old one wanted is
//! stopped, and then the new one runs; all that was finished is known to it. A file with mistakes stops nothing: they are shown,
//! and the run goes on. Plugins are watched like files of the graph: see [`reload`](super::reload).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use rondel_engine::watch::Watcher;
use rondel_engine::{Control, Plan};

use super::reload::Plugins;
use super::run::{carry_out, make_report_folder, options, write_report};
use super::{Exit, Opened};
use crate::args::{CommonRunArgs, Places};
use crate::memory::Memory;
use crate::output::Display;
use crate::{folders, size, words};

pub fn run(places: &Places, args: &CommonRunArgs) -> Result<Exit> {
    if args.display.quiet {
        words::be_quiet();
    }
    let memory = Memory::find(&args.memory);
    let plugins = Plugins::new(places, &args.graph.graph);
    let opened = Opened { counts_code: true, ..Opened::new(places, &args.graph, memory.budget_bytes, false)? };
    make_report_folder(args)?;
    let (cache, cache_limit_bytes) = (opened.cache.clone(), opened.cache_limit_bytes);
    let hosted = opened.hosted.clone();
    let mut display = Display::new(&args.display, false, &cache)?;
    let v1 = folders::cache(places)?;
    let mut watched = Watched { watcher: Watcher::new()?, opened, plugins, cache: v1 };
    let mut next = watched.plan()?;
    end_on_signals(&watched)?;
    if next.is_none() {
        next = watched.wait()?;
    }
    while let Some(plan) = next {
        let control = Control::default();
        // The graph is read and planned again beside the run.
        next = std::thread::scope(|scope| {
            let listener = scope.spawn(|| {
                let next = watched.wait();
                match &next {
                    Ok(Some(plan)) => control.give_way(plan.recipes()),
                    Ok(None) | Err(_) => control.cancel(),
                }
                next
            });
            let report = carry_out(&plan, &cache, options(args, &memory, &hosted), &control, &hosted, &mut display);
            if let Err(error) = write_report(args, &report) {
                words::error(&error);
            }
            size::tidy(&cache, cache_limit_bytes);
            if !control.is_stopping() {
                say(format!("watching {}; Ctrl-C ends it", plan.graph.path.display()));
            }
            listener.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
    }
    display.finish()?;
    Ok(Exit::Run(130))
}

/// A graph, and the watch over its files.
struct Watched<'a> {
    opened: Opened<'a>,
    watcher: Watcher,
    plugins: Plugins<'a>,
    /// The folder of the cache.
    cache: PathBuf,
}

impl Watched<'_> {
    /// Plans the graph as its files are now, and watches those; no plan if there are mistakes.
    fn plan(&mut self) -> Result<Option<Arc<Plan>>> {
        let plan = self.opened.plan();
        let mut files = self.opened.site.files();
        files.extend(self.plugins.files().clone());
        self.watcher.follow(files)?;
        let plan = plan?;
        if plan.is_err() {
            say("waiting for the mistakes to be mended");
        }
        Ok(plan.ok())
    }

    /// Makes a new generation of plugins; says whether it is another one.
    fn renew(&mut self) -> bool {
        self.plugins.renew(&mut self.opened, &self.cache).unwrap_or_else(|error| {
            words::error(&error);
            false
        })
    }

    /// Waits until there is another plan; none if the watch was ended.
    fn wait(&mut self) -> Result<Option<Arc<Plan>>> {
        while let Some(changed) = self.watcher.changed()? {
            let (plugins, others): (Vec<_>, Vec<_>) =
                changed.into_iter().partition(|file| self.plugins.files().contains_key(file));
            let is_other = !plugins.is_empty() && self.renew();
            // That their folder changed as well says nothing more.
            let plugins: Vec<_> = plugins.into_iter().filter(|file| !file.is_dir()).collect();
            if others.is_empty() && !is_other {
                self.watcher.follow_more(self.plugins.files().clone())?;
                continue;
            }
            say(format!("changed: {}", names(if is_other { &plugins } else { &[] }, &others)));
            match self.plan() {
                Ok(None) => {}
                Ok(plan) => return Ok(plan),
                // A file of the command line that is gone, say; it may come back.
                Err(error) => words::error(&error),
            }
        }
        Ok(None)
    }
}

/// The first signal ends the watch and what runs, the second ends the program at once.
fn end_on_signals(watched: &Watched<'_>) -> Result<()> {
    let (ender, was_asked) = (watched.watcher.ender(), AtomicBool::new(false));
    ctrlc::set_handler(move || match was_asked.swap(true, Ordering::AcqRel) {
        true => std::process::exit(130),
        false => ender.end(),
    })
    .context("signals cannot be handled")
}

fn say(text: impl std::fmt::Display) {
    if !words::is_quiet() {
        words::say(text);
    }
}

/// The names of files without their folders, which are mostly one.
fn names(plugins: &[PathBuf], others: &[PathBuf]) -> String {
    let files = plugins.iter().chain(others);
    let names = files.map(|file| file.file_name().unwrap_or(file.as_os_str()).display().to_string());
    names.collect::<Vec<_>>().join(", ")
}
