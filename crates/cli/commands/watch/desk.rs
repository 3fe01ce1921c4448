//! What a person at the screen asks of a watch.
//!
//! The screen's thread writes down what is wanted and wakes the watch, which takes it up when it makes its next plan.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, Result, bail};
use rondel_cache::Cache;
use rondel_engine::watch::Waker;
use rondel_engine::{Control, Plan, key_parts, record};
use rondel_event::Report;
use rondel_graph::splice;
use rondel_tui::screen::Served;
use rondel_tui::{News, Page, Request, Row};

use crate::screen::{self, Teller};
use crate::words;

/// Between the screen and the watch.
pub struct Desk {
    waker: Waker,
    /// A lock of a moment: nobody waits, reads or plans while holding it.
    wishes: Mutex<Wishes>,
}

#[derive(Default)]
struct Wishes {
    /// Of the run that goes on.
    control: Control,
    plan: Option<Arc<Plan>>,
    /// Inputs with other values than the command says, as after `--set`.
    set: Vec<(String, String)>,
    /// Those of the newest plan that could be made.
    set_before: Vec<(String, String)>,
    rerun: Vec<String>,
    is_paused: bool,
    /// Pictures of what is not done are looked at.
    is_looking: bool,
}

impl Desk {
    pub fn new(waker: Waker) -> Desk {
        Desk { waker, wishes: Mutex::default() }
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().expect("no panic while it is held")
    }

    /// A run of this plan begins; returns the way into it, and the steps that are to run even if they are known.
    pub fn begin(&self, plan: &Arc<Plan>) -> (Control, Vec<String>) {
        let mut wishes = self.wishes();
        wishes.plan = Some(plan.clone());
        wishes.control = Control::default();
        wishes.control.pause(wishes.is_paused);
        wishes.control.look_at_previews(wishes.is_looking);
        (wishes.control.clone(), std::mem::take(&mut wishes.rerun))
    }

    /// The inputs that were changed.
    pub fn set(&self) -> Vec<(String, String)> {
        self.wishes().set.clone()
    }

    /// A plan with the changed inputs was made, or not: then they are as they were before.
    pub fn planned(&self, set: Vec<(String, String)>, is_made: bool) -> Vec<(String, String)> {
        let mut wishes = self.wishes();
        match is_made {
            true => wishes.set_before = set,
            false => wishes.set = wishes.set_before.clone(),
        }
        wishes.set.clone()
    }

    /// Does what was asked at the screen.
    pub fn serve(&self, request: Request, cache: &Arc<Cache>, teller: &Teller) -> Served {
        match request {
            Request::Cancel => self.wishes().control.cancel(),
            Request::Pause(is_paused) => {
                let mut wishes = self.wishes();
                wishes.is_paused = is_paused;
                wishes.control.pause(is_paused);
            }
            Request::Previews(is_looking) => {
                let mut wishes = self.wishes();
                wishes.is_looking = is_looking;
                wishes.control.look_at_previews(is_looking);
            }
            Request::Rerun(step) => {
                self.wishes().rerun.push(step.to_string());
                self.waker.wake();
            }
            Request::Set { input, value } => {
                let mut wishes = self.wishes();
                wishes.set.retain(|(name, _)| *name != input);
                wishes.set.push((input, value));
                drop(wishes);
                self.waker.wake();
            }
            Request::Write(changed) => match self.write(&changed) {
                Ok(()) => {
                    let mut wishes = self.wishes();
                    wishes.set.retain(|pair| !changed.contains(pair));
                    teller.tell(News::Changed(wishes.set.clone()));
                }
                Err(error) => words::error(&error),
            },
            Request::Detail(step) => {
                let (plan, cache, teller) = (self.wishes().plan.clone(), cache.clone(), teller.clone());
                // Beside the screen: of a large plan it takes a while.
                std::thread::spawn(move || {
                    let rows = plan.map(|plan| detail(&plan, &step, &cache)).unwrap_or_default();
                    teller.tell(News::Detail(step, rows));
                });
            }
            Request::Look(page) => {
                let (cache, teller) = (cache.clone(), teller.clone());
                std::thread::spawn(move || teller.tell(News::Page(page, screen::look_at(page, &cache))));
            }
            Request::Compare(run, report) => {
                let (cache, teller) = (cache.clone(), teller.clone());
                std::thread::spawn(move || {
                    teller.tell(News::Page(Page::Difference, screen::compare(&run, &report, &cache)));
                });
            }
            Request::Edit { spot, step } => {
                let spot =
                    spot.map(|spot| (PathBuf::from(spot.path), spot.line)).or_else(|| self.place(step.as_deref()));
                if let Some((path, line)) = spot {
                    return Served::Outside(Box::new(move || {
                        edit(&path, line).err().map(|error| format!("{error:#}"))
                    }));
                }
            }
            Request::Copy(_) | Request::Quit => {}
        }
        Served::GoOn
    }

    /// Where a step is declared, or where the graph begins.
    fn place(&self, step: Option<&str>) -> Option<(PathBuf, usize)> {
        let plan = self.wishes().plan.clone()?;
        let Some(id) = step.and_then(|step| plan.find(step)) else { return Some((plan.graph.path.clone(), 1)) };
        let place = &plan.step(id).place;
        Some((place.source.path.clone(), place.source.place(place.span.start).0))
    }

    /// Writes inputs into the file as their defaults. It is replaced in one piece, for whoever watches it, too.
    fn write(&self, changed: &[(String, String)]) -> Result<()> {
        let plan = self.wishes().plan.clone().context("there is no graph to write to yet")?;
        let path = &plan.graph.path;
        let mut text = std::fs::read_to_string(path).with_context(|| format!("not read: {}", path.display()))?;
        // Some editors put a mark before all text, which is no part of the graph.
        let mark = if text.starts_with('\u{feff}') { "\u{feff}" } else { "" };
        text.drain(..mark.len());
        if *text != *plan.graph.text {
            bail!("nothing is written: the file was changed meanwhile: {}", path.display());
        }
        for (name, value) in changed {
            text = splice::set_default(&plan.graph, &text, name, value)?;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(mark.as_bytes())?;
        file.write_all(text.as_bytes())?;
        if let Ok(metadata) = std::fs::metadata(path) {
            file.as_file().set_permissions(metadata.permissions())?;
        }
        file.persist(path).with_context(|| format!("not written: {}", path.display()))?;
        Ok(())
    }
}

/// What a step is made of, and how long it took in earlier runs.
pub fn detail(plan: &Plan, step: &str, cache: &Cache) -> Vec<Row> {
    let Some(id) = plan.find(step) else { return Vec::new() };
    let planned = plan.step(id);
    let mut rows = vec![Row { id: "declared".to_owned(), text: place(plan, step) }];
    if !planned.spec.doc.is_empty() {
        rows.push(Row { id: "about".to_owned(), text: planned.spec.doc.lines().next().unwrap_or_default().to_owned() });
    }
    for part in &key_parts(plan, cache)[id.index()].parts {
        let doc = planned.spec.inputs.iter().find(|input| input.name == part.port).map(|input| input.doc.as_str());
        let doc = doc.filter(|doc| !doc.is_empty()).map(|doc| format!("   ({doc})")).unwrap_or_default();
        rows.push(Row { id: part.port.trim_start_matches('#').to_owned(), text: format!("{}{doc}", part.shown) });
    }
    let of_graph = |report: &Report| Path::new(&report.graph.path) == plan.graph.path;
    let earlier = record::reports(cache.v1()).take(50).filter(of_graph);
    let ran = earlier.filter_map(|report| {
        let step = report.steps.iter().find(|it| &*it.name == step)?;
        (step.how == rondel_event::How::Ran).then(|| words::span(step.ms))
    });
    let ran: Vec<String> = ran.take(8).collect();
    if !ran.is_empty() {
        rows.push(Row { id: "earlier".to_owned(), text: ran.join(", ") });
    }
    rows
}

fn place(plan: &Plan, step: &str) -> String {
    let Some(id) = plan.find(step) else { return String::new() };
    let place = &plan.step(id).place;
    format!("{}:{}", place.source.name, place.source.place(place.span.start).0)
}

/// Opens `VISUAL` or `EDITOR` at a line, and waits for it.
fn edit(path: &Path, line: usize) -> Result<()> {
    let chosen =
        ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|it| !it.trim().is_empty()));
    let chosen = chosen.unwrap_or_else(|| "vi".to_owned());
    let mut words = shlex::split(&chosen).with_context(|| format!("EDITOR is no command: {chosen}"))?.into_iter();
    let program = words.next().with_context(|| format!("EDITOR is no command: {chosen}"))?;
    let mut command = Command::new(&program);
    command.args(words);
    let name = Path::new(&program).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    match &*name {
        "code" | "codium" | "cursor" => command.arg("--goto").arg(format!("{}:{line}", path.display())),
        "hx" | "helix" | "subl" | "zed" => command.arg(format!("{}:{line}", path.display())),
        // vi, vim, nano, emacs, kakoune, micro and most that live in a terminal.
        _ => command.arg(format!("+{line}")).arg(path),
    };
    let status = command.status().with_context(|| format!("the editor does not start; set EDITOR: {program}"))?;
    match status.success() {
        true => Ok(()),
        false => bail!("the editor ended with {status}"),
    }
}
