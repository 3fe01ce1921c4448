//! `rondel watch`: runs a graph, and again what changed of it after every save.
//!
//! A save while a run is going on makes a new plan. What both plans want comes to its end, what only the old one wanted is
//! stopped, and then the new one runs; all that was finished is known to it. A file with mistakes stops nothing: they are shown,
//! and the run goes on. Plugins are watched like files of the graph: see [`reload`](super::reload).

mod desk;
mod editor;
mod reruns;
mod seeds;
mod since;
mod write_back;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Result, bail};
use rondel_cache::Cache;
use rondel_engine::stamp::Stamp;
use rondel_engine::watch::{Changed, Waker, Watcher};
use rondel_engine::{Control, Plan, RunOptions};
use rondel_graph::Diagnostic;
use rondel_tui::{Mistake, News, Spot};

use self::desk::Desk;
pub(super) use self::desk::detail;
pub(super) use self::since::Since;
use super::reload::Plugins;
use super::run::{carry_out, make_report_folder, options, write_report};
use super::{Exit, Opened, Purpose, Reading};
use crate::args::{CommonRunArgs, Places, WatchArgs};
use crate::memory::Memory;
use crate::output::{Display, Onto, diagnostics};
use crate::screen::{self, Stage, Teller};
use crate::{folders, hosted, signals, size, words};

pub fn run(places: &Places, args: &WatchArgs) -> Result<Exit> {
    let common = &args.common;
    if common.display.quiet {
        words::be_quiet();
    }
    let memory = Memory::find(&common.memory);
    let plugins = Plugins::new(places, &common.graph.graph);
    let providers = stamped(hosted::files(&common.graph.graph));
    let opened =
        Opened { counts_code: true, ..Opened::new(places, &common.graph, memory.budget_bytes, Purpose::Watch)? };
    make_report_folder(common)?;
    let cache = opened.cache.clone();
    let display = Display::new(&common.display, false, &cache)?;
    let watcher = Watcher::new()?;
    let desk = Desk::new(watcher.waker(), common.graph.graph.clone());
    let folder = folders::cache(places)?;
    let watched = Watched { places, watcher, opened, plugins, providers, cache: folder, desk: &desk, screen: None };
    let has_screen = !args.headless && words::is_interactive() && common.has_room_for_a_screen();
    match has_screen {
        true => on_screen(args, &memory, watched, display, &cache),
        false if args.script.is_some() => bail!("`--do` is for a screen: it needs a terminal for input and output"),
        false => {
            let waker = watched.watcher.waker();
            let signal = signals::ask_then_leave(move || waker.end())?;
            watched.go_on(common, &memory, display)?;
            Ok(Exit::Run(signal.load(Ordering::Acquire)))
        }
    }
}

/// The same on a screen: the watch goes on beside it, and ends when it is closed.
fn on_screen(
    args: &WatchArgs,
    memory: &Memory,
    mut watched: Watched<'_>,
    display: Display,
    cache: &Arc<Cache>,
) -> Result<Exit> {
    let stage = Stage::new(args.script.as_ref())?;
    let args = &args.common;
    let teller = stage.teller();
    let (desk, waker) = (watched.desk, watched.watcher.waker());
    let (command, limit) = (args.graph.command(), watched.opened.cache_limit_bytes);
    let display = display.show_on(Onto::new(teller.clone(), command, memory.budget_bytes, cache.clone(), limit));
    watched.screen = Some(teller.clone());
    std::thread::scope(|scope| {
        let driver = std::thread::Builder::new().name(screen::DRIVER.to_owned());
        let driver = driver.spawn_scoped(scope, || {
            // Whatever becomes of the watch, the screen does not outlive it.
            let _end = EndsScreen(teller.clone());
            watched.go_on(args, memory, display)
        })?;
        let ends = EndsWatch(waker);
        let closed = stage.show(cache, &mut |request| desk.serve(request, cache, &teller));
        drop(ends);
        screen::say_that_it_ends(&driver);
        driver.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(closed?.exit_code().map_or(Exit::Done, Exit::Run))
    })
}

struct EndsScreen(Teller);

impl Drop for EndsScreen {
    fn drop(&mut self) {
        self.0.tell(News::Ended);
    }
}

/// Whatever becomes of the screen, the watch does not outlive it: who waits for its thread would wait for ever.
struct EndsWatch(Waker);

impl Drop for EndsWatch {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A run whose listener panics is waited for no longer than it takes to stop.
struct EndsRun<'a>(&'a Control);

impl Drop for EndsRun<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.cancel();
        }
    }
}

/// A graph, and the watch over its files.
struct Watched<'a> {
    opened: Opened<'a>,
    watcher: Watcher,
    plugins: Plugins<'a>,
    places: &'a Places,
    /// The files that say something of providers, as they were before they were read.
    providers: BTreeMap<PathBuf, Option<Stamp>>,
    /// The folder of the cache.
    cache: PathBuf,
    desk: &'a Desk,
    screen: Option<Teller>,
}

impl Watched<'_> {
    /// Runs the graph, and again after every change, until the watch is ended.
    fn go_on(mut self, args: &CommonRunArgs, memory: &Memory, mut display: Display) -> Result<()> {
        let (cache, cache_limit_bytes) = (self.opened.cache.clone(), self.opened.cache_limit_bytes);
        let desk = self.desk;
        let mut next = self.plan()?;
        if next.is_none() {
            next = self.wait()?;
        }
        while let Some(plan) = next {
            let (control, rerun) = desk.begin(&plan);
            // Those of the plan: others may come while it runs.
            let hosted = self.opened.hosted.clone();
            let options = RunOptions { rerun, ..options(args, memory, &hosted) };
            // The graph is read and planned again beside the run.
            next = std::thread::scope(|scope| {
                // By name, so that a panic in it is told as one of the program.
                let listener =
                    std::thread::Builder::new().name(screen::DRIVER.to_owned()).spawn_scoped(scope, || {
                        let _ends = EndsRun(&control);
                        let next = self.wait();
                        match &next {
                            Ok(Some(plan)) => control.give_way(plan.recipes()),
                            Ok(None) | Err(_) => control.cancel(),
                        }
                        next
                    })?;
                let report = carry_out(&plan, &cache, options, &control, &hosted, &mut display);
                if let Err(error) = write_report(args, &report) {
                    words::error(&error);
                }
                desk.ended(&report);
                match desk.takes_room() {
                    true => size::make_room(&cache, cache_limit_bytes),
                    false => size::tidy(&cache, cache_limit_bytes),
                }
                if !control.is_stopping() {
                    say(format!("watching {}; Ctrl-C ends it", plan.graph.path.display()));
                }
                listener.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })?;
        }
        display.finish()
    }

    /// Plans the graph as its files are now, and watches those; no plan if there are mistakes.
    ///
    /// What was changed at the screen and keeps a plan from being made is taken back. If there is none without it either, what
    /// the graph has no more is dropped, and the rest waits for the mistakes to be mended.
    fn plan(&mut self) -> Result<Option<Arc<Plan>>> {
        let (mut since, mut reading) = self.try_plan()?;
        if let (Err(_), Some(graph)) = (&reading.plan, &reading.graph) {
            let gone = self.desk.forget_gone(graph);
            if !gone.is_empty() {
                self.say_refused(&format!("dropped, as the graph has it no more: {}", gone.join(", ")));
                (since, reading) = self.try_plan()?;
            }
        }
        let Reading { mistakes, plan, .. } = reading;
        self.show(&mistakes, plan.is_ok());
        match &plan {
            Ok(plan) => self.desk.planned(since, plan),
            Err(_) => say("waiting for the mistakes to be mended"),
        }
        if let Some(screen) = &self.screen {
            screen.tell(News::Changed(self.desk.since().changed().to_vec()));
        }
        Ok(plan.ok())
    }

    /// Reads the graph with what was changed at the screen, or without what is new of it if only so there is a plan; returns
    /// what it was read with.
    fn try_plan(&mut self) -> Result<(Since, Reading)> {
        let (since, before) = (self.desk.since(), self.desk.since_before());
        let reading = self.read(&since)?;
        if reading.plan.is_err() && since != before {
            let without = self.read(&before)?;
            if without.plan.is_ok() {
                self.refuse(&reading.mistakes);
                self.desk.refuse(&since);
                return Ok((before, without));
            }
        }
        Ok((since, reading))
    }

    /// Reads the graph with what was changed at the screen, and watches all that was read.
    fn read(&mut self, since: &Since) -> Result<Reading> {
        self.opened.since.clone_from(since);
        let read = self.opened.read();
        let mut files = self.opened.site.files();
        files.extend(self.plugins.files().clone());
        files.extend(self.providers.clone());
        self.watcher.follow(files)?;
        read
    }

    /// Says why a change is not taken.
    fn refuse(&self, mistakes: &[Diagnostic]) {
        for mistake in mistakes {
            words::say(format!("error: {}", mistake.message));
        }
        if let (Some(screen), Some(mistake)) = (&self.screen, mistakes.first()) {
            screen.tell(News::Refused(mistake.message.clone()));
        }
    }

    /// Says what becomes of a change that is not taken, in the words of the program and on the screen.
    fn say_refused(&self, text: &str) {
        words::say(text);
        if let Some(screen) = &self.screen {
            screen.tell(News::Refused(text.to_owned()));
        }
    }

    /// Makes a new generation of plugins; says whether it is another one.
    fn renew(&mut self) -> bool {
        self.plugins.renew(&mut self.opened, &self.cache).unwrap_or_else(|error| {
            words::error(&error);
            false
        })
    }

    /// Reads again what is known of providers. If it cannot be, that of before holds.
    fn renew_providers(&mut self) {
        let graph = &self.opened.args.graph;
        self.providers = stamped(hosted::files(graph));
        match hosted::open(self.places, Some(graph)) {
            Ok(hosted) => self.opened.hosted = Arc::new(hosted),
            Err(error) => words::error(&error.context("what was known of providers before holds")),
        }
    }

    fn show(&self, mistakes: &[Diagnostic], has_plan: bool) {
        let Some(screen) = &self.screen else {
            return diagnostics::print(mistakes, self.opened.args.message_format);
        };
        if has_plan {
            mistakes.iter().for_each(|it| words::say(format!("warning: {}", it.message)));
            // The run of the plan may be long in coming: the one before it is waited for.
            return screen.tell(News::Mistakes(Vec::new()));
        }
        screen.tell(News::Mistakes(mistakes.iter().map(mistake).collect()));
    }

    /// Waits until there is another plan; none if the watch was ended.
    fn wait(&mut self) -> Result<Option<Arc<Plan>>> {
        while let Some(Changed { files, was_woken }) = self.watcher.changed()? {
            let before = self.plugins.files().clone();
            let (plugins, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| before.contains_key(file));
            let is_other = !plugins.is_empty() && self.renew();
            // Those that came are not among what was watched, and that a folder changed says nothing more.
            let now = self.plugins.files();
            let is_news = |file: &&PathBuf| before.get(*file) != now.get(*file) && !file.is_dir();
            let all: BTreeSet<_> = before.keys().chain(now.keys()).collect();
            let plugins: Vec<_> = all.into_iter().filter(is_news).cloned().collect();
            if others.is_empty() && !is_other && !was_woken {
                self.watcher.follow_more(self.plugins.files().clone())?;
                continue;
            }
            if others.iter().any(|file| self.providers.contains_key(file)) {
                self.renew_providers();
            }
            if !others.is_empty() || is_other {
                say(format!("changed: {}", names(if is_other { &plugins } else { &[] }, &others)));
            }
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

fn mistake(diagnostic: &Diagnostic) -> Mistake {
    let place = diagnostic.source.as_ref().zip(diagnostic.primary());
    let spot = place.map(|(source, label)| Spot {
        path: source.path.display().to_string(),
        line: source.place(label.span.start).0,
    });
    Mistake { text: diagnostics::plain(diagnostic), spot }
}

/// Files as they are now.
fn stamped(files: Vec<PathBuf>) -> BTreeMap<PathBuf, Option<Stamp>> {
    files.into_iter().map(|file| (file.clone(), Stamp::of(&file).ok())).collect()
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
