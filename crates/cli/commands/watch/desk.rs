//! What a person at the screen asks of a watch.
//!
//! The screen's thread writes down what is wanted and wakes the watch, which takes it up when it makes its next plan.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rondel_cache::Cache;
use rondel_engine::watch::Waker;
use rondel_engine::{Control, Plan, key_parts, record};
use rondel_event::{Report, StepName};
use rondel_graph::Graph;
use rondel_tui::screen::Served;
use rondel_tui::{News, Request, Row};

use super::reruns::Reruns;
use super::since::Since;
use super::{editor, seeds, write_back};
use crate::commands::draw_seed;
use crate::screen::{self, Teller};
use crate::words;

/// Between the screen and the watch.
pub struct Desk {
    waker: Waker,
    /// The file of the graph.
    graph: PathBuf,
    /// A lock of a moment: nobody waits, reads or plans while holding it.
    wishes: Mutex<Wishes>,
}

#[derive(Default)]
struct Wishes {
    /// Of the run that goes on.
    control: Control,
    /// The newest, which may wait for a run of an older one to give way. All that is asked is of it: the file is as it says.
    plan: Option<Arc<Plan>>,
    /// It waits for its run.
    is_plan_waiting: bool,
    /// A person cancelled while it waited: that was meant for it as well.
    is_next_cancelled: bool,
    /// What was changed, and what of it the newest plan holds that could be made.
    since: Since,
    since_before: Since,
    reruns: Reruns,
    /// The cache is to be made smaller.
    wants_room: bool,
    is_paused: bool,
    /// Pictures of what is not done are looked at.
    is_looking: bool,
}

impl Desk {
    pub fn new(waker: Waker, graph: PathBuf) -> Desk {
        Desk { waker, graph, wishes: Mutex::default() }
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().expect("no panic while it is held")
    }

    /// A run of this plan begins; returns the way into it, and the steps that are to run even if they are known.
    pub fn begin(&self, plan: &Arc<Plan>) -> (Control, Vec<String>) {
        let mut wishes = self.wishes();
        wishes.control = Control::default();
        wishes.is_plan_waiting = false;
        if std::mem::take(&mut wishes.is_next_cancelled) {
            wishes.control.cancel();
        }
        wishes.control.pause(wishes.is_paused);
        wishes.control.look_at_previews(wishes.is_looking);
        let rerun = wishes.reruns.begin(|step| plan.find(step).is_some());
        (wishes.control.clone(), rerun)
    }

    /// The run is over.
    pub fn ended(&self, report: &Report) {
        let mut wishes = self.wishes();
        let was_cancelled = wishes.control.is_cancelled();
        wishes.reruns.ended(report, was_cancelled);
    }

    /// What was changed.
    pub fn since(&self) -> Since {
        self.wishes().since.clone()
    }

    /// What the newest plan holds of it that could be made.
    pub fn since_before(&self) -> Since {
        self.wishes().since_before.clone()
    }

    /// There is a plan with this, which is to run as soon as it can.
    pub fn planned(&self, since: Since, plan: &Arc<Plan>) {
        let mut wishes = self.wishes();
        wishes.since_before = since;
        wishes.plan = Some(plan.clone());
        wishes.is_plan_waiting = true;
    }

    /// Drops what a graph does not have of what was changed; returns it as it was given.
    pub fn forget_gone(&self, graph: &Graph) -> Vec<String> {
        let mut wishes = self.wishes();
        wishes.since_before.forget_gone(graph);
        wishes.since.forget_gone(graph)
    }

    /// Stops the run that goes on, and the one that waits for it: a step that costs money must not begin with the next run
    /// because somebody saved a moment before.
    fn cancel(&self) {
        let mut wishes = self.wishes();
        wishes.is_next_cancelled = wishes.is_plan_waiting;
        wishes.control.cancel();
    }

    /// There would be a plan without what is new in this, and none with it.
    pub fn refuse(&self, tried: &Since) {
        let mut wishes = self.wishes();
        let before = wishes.since_before.clone();
        wishes.since.take_back(tried, &before);
    }

    /// Does what was asked at the screen.
    pub fn serve(&self, request: Request, cache: &Arc<Cache>, teller: &Teller) -> Served {
        match request {
            Request::Cancel => self.cancel(),
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
                self.wishes().reruns.want(step.to_string());
                self.waker.wake();
            }
            Request::Set { input, value } => {
                self.wishes().since.set(input, value);
                self.waker.wake();
            }
            Request::Write(changed) => self.write(&changed, teller),
            Request::Detail(step) => {
                let (plan, cache, teller) = (self.wishes().plan.clone(), cache.clone(), teller.clone());
                // Beside the screen: of a large plan it takes a while.
                std::thread::spawn(move || {
                    let rows = plan.map(|plan| detail(&plan, &step, &cache)).unwrap_or_default();
                    teller.tell(News::Detail(step, rows));
                });
            }
            Request::Reseed(step) => self.reseed(&step, teller),
            Request::Preset(name) => self.choose(&name, teller),
            Request::Tidy => {
                self.wishes().wants_room = true;
                // It is made when a run is over, which uses what would be given up.
                self.waker.wake();
            }
            Request::Edit { spot, step } => {
                let spot = spot.map(|spot| (PathBuf::from(spot.path), spot.line));
                let (path, line) = spot.unwrap_or_else(|| self.place(step.as_deref()));
                return Served::Outside(Box::new(move || {
                    editor::edit(&path, line).err().map(|error| format!("{error:#}"))
                }));
            }
            other => return screen::serve(other, cache, teller).unwrap_or(Served::GoOn),
        }
        Served::GoOn
    }

    /// Whether the cache is to be made smaller, for once.
    pub fn takes_room(&self) -> bool {
        std::mem::take(&mut self.wishes().wants_room)
    }

    /// Gives other values to the seeds that lead to a step, and runs it also if there are none.
    fn reseed(&self, name: &StepName, teller: &Teller) {
        let mut wishes = self.wishes();
        let Some(plan) = wishes.plan.clone() else { return };
        let Some(id) = plan.find(name) else { return };
        let node = plan.step(id).node.split('.').next().unwrap_or_default().to_owned();
        // One that is swept has its values.
        let seeds = seeds::leading_to(&plan.graph, &node).into_iter().filter(|seed| plan.inputs.contains_key(*seed));
        let seeds: Vec<&str> = seeds.collect();
        for seed in &seeds {
            wishes.since.set((*seed).to_owned(), draw_seed().to_string());
        }
        if seeds.is_empty() {
            wishes.reruns.want(name.to_string());
            teller.tell(News::Refused(format!("no seed leads to `{name}`: it runs again as it is")));
        }
        teller.tell(News::Changed(wishes.since.changed().to_vec()));
        drop(wishes);
        self.waker.wake();
    }

    /// Goes over to a preset of the graph.
    fn choose(&self, name: &str, teller: &Teller) {
        let mut wishes = self.wishes();
        let Some(plan) = wishes.plan.clone() else { return };
        match rondel_graph::preset(&plan.graph, name) {
            Ok(values) => {
                wishes.since.choose(name, &values.keys().cloned().collect::<Vec<_>>());
                teller.tell(News::Changed(wishes.since.changed().to_vec()));
            }
            Err(mistake) => teller.tell(News::Refused(mistake.message)),
        }
        drop(wishes);
        self.waker.wake();
    }

    /// Writes inputs into the file, which holds for them from then on.
    fn write(&self, changed: &[(String, String)], teller: &Teller) {
        let Some(plan) = self.wishes().plan.clone() else {
            return refuse("there is no graph to write to yet", teller);
        };
        match write_back::write(&plan.graph, changed) {
            Ok(written) => {
                written.refusals.iter().for_each(|refusal| refuse(refusal, teller));
                let mut wishes = self.wishes();
                wishes.since.was_written(&written.pairs);
                teller.tell(News::Changed(wishes.since.changed().to_vec()));
                drop(wishes);
                // Where the file had the value already, nothing else would tell of it.
                self.waker.wake();
            }
            Err(error) => refuse(&format!("{error:#}"), teller),
        }
    }

    /// Where a step is declared, or where the graph begins.
    fn place(&self, step: Option<&str>) -> (PathBuf, usize) {
        // Without a plan, too: that it cannot be made is why somebody edits it.
        let place = self.wishes().plan.as_ref().zip(step).and_then(|(plan, step)| {
            let place = &plan.step(plan.find(step)?).place;
            Some((place.source.path.clone(), place.source.place(place.span.start).0))
        });
        place.unwrap_or_else(|| (self.graph.clone(), 1))
    }
}

/// Says why something is not done, where it stays and where it was asked.
fn refuse(reason: &str, teller: &Teller) {
    words::say(format!("error: {reason}"));
    teller.tell(News::Refused(reason.to_owned()));
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

#[cfg(test)]
mod tests;
