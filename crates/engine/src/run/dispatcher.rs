//! The one owner of a run's state.
//!
//! Every step is first looked up by its recipe key. Of the steps that wanted ones need and that are not known, each
//! waits until all it takes is there; then its action key is known, and with it whether its result is. Only what is
//! known by neither key goes to a lane.
//!
//! The loop takes one [`Message`] at a time and decides; it never waits for anything else.

use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use rondel_cache::{Cache, Part, Record};
use rondel_event::{GraphRef, How, Level, Outcome, OutputInfo, Problem, StepInfo, StepName, What, Why};
use rondel_value::{Bundle, Digest, Lane, Value};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::emitter::Emitter;
use super::lanes::Lanes;
use super::meter::Meter;
use super::provenance::Provenance;
use super::step::{self, Ended, Job, Made, Shared, Source};
use super::{Control, RunOptions, outputs};
use crate::last::Last;
use crate::plan::explain::{self, Finding, Known};
use crate::plan::keys::{self, Domain};
use crate::plan::{Plan, Slot, StepId};

/// All that can happen to a run from outside of its dispatcher.
pub enum Message {
    Ended { step: StepId, result: Result<Made, Ended>, ms: f64, peak_bytes: u64 },
    Progress { step: StepName, done: u64, total: u64, note: String },
    Preview { step: StepName, image: Bundle },
    Log { step: StepName, level: Level, text: String },
    CacheTrouble { text: String },
    Cancel,
}

/// Where a step stands.
enum Phase {
    /// Nothing asked for it yet.
    Idle,
    /// Only steps that cannot run asked for it.
    InVain,
    /// Something that it takes is not there yet, or another step is computing the same.
    Waiting,
    /// In the queue of its lane.
    Ready {
        action: Digest,
        parts: Vec<Part>,
        why: Why,
    },
    Running {
        action: Digest,
    },
    Done(Done),
    Over,
}

/// A result.
struct Done {
    record: Arc<Record>,
    /// As long as something in this run may take them, and only if they were made in it.
    values: Option<Vec<Value>>,
}

/// A ready step in its queue: the longest way to go first, then the order of the plan.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Queued(u32, std::cmp::Reverse<StepId>);

struct Dispatcher<'a, 'b> {
    plan: &'a Arc<Plan>,
    cache: &'a Arc<Cache>,
    options: &'a RunOptions,
    shared: Arc<Shared>,
    emitter: &'a mut Emitter<'b>,
    last: Last,
    lanes: Lanes,
    phases: Vec<Phase>,
    /// Reasons that hold whatever the keys say: a lost result, a changed file, a wish.
    reasons: Vec<Option<Why>>,
    heights: Vec<u32>,
    /// Of each step how many that take its result are not over.
    n_takers: Vec<usize>,
    queues: BTreeMap<Lane, BinaryHeap<Queued>>,
    /// Which step computes an action, and who waits for it.
    in_flight: HashMap<Digest, Vec<StepId>>,
    /// Steps to take up. A worklist instead of calls, because a chain may be long.
    open: VecDeque<StepId>,
    n_running: usize,
    n_failed: usize,
    has_warned: bool,
}

/// Runs a plan to its end.
pub async fn dispatch(
    plan: &Arc<Plan>,
    cache: &Arc<Cache>,
    options: &RunOptions,
    control: &Control,
    emitter: &mut Emitter<'_>,
) -> (Outcome, Vec<OutputInfo>) {
    let (messages, inbox) = unbounded_channel();
    control.connect(Some(messages.clone()));
    let shared = Arc::new(Shared {
        plan: plan.clone(),
        cache: cache.clone(),
        control: control.clone(),
        provenance: Provenance::new(plan.clone(), options.program.clone()),
        meter: Meter::new(options.probe.clone()),
        now: options.now,
        previews: options.previews,
        messages,
    });
    let n_steps = plan.steps.node_count();
    let n_cpu = options.jobs.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
    let mut dispatcher = Dispatcher {
        plan,
        cache,
        options,
        shared,
        emitter,
        last: Last::open(cache.v1(), &plan.graph.path),
        lanes: Lanes::new(n_cpu),
        phases: (0..n_steps).map(|_| Phase::Idle).collect(),
        reasons: vec![None; n_steps],
        heights: plan.heights(),
        n_takers: plan.ids().map(|id| plan.after(id).count()).collect(),
        queues: BTreeMap::new(),
        in_flight: HashMap::new(),
        open: VecDeque::new(),
        n_running: 0,
        n_failed: 0,
        has_warned: false,
    };
    dispatcher.start();
    dispatcher.run(inbox, control).await;
    control.connect(None);
    dispatcher.end(control)
}

impl Dispatcher<'_, '_> {
    fn start(&mut self) {
        let steps = self.plan.ids().map(|id| {
            let step = self.plan.step(id);
            StepInfo {
                name: step.name.clone(),
                kind: step.spec.kind.clone(),
                lane: step.spec.lane,
                after: self.plan.before(id).map(|before| self.plan.step(before).name.clone()).collect(),
                label: step.with.label.clone(),
            }
        });
        let graph = &self.plan.graph;
        let started = What::RunStarted {
            graph: GraphRef {
                name: graph.name.clone(),
                path: graph.source.name.clone(),
                digest: Some(Digest::of(graph.text.as_bytes())),
            },
            inputs: self.plan.inputs.iter().map(|(name, input)| (name.clone(), input.json.clone())).collect(),
            steps: steps.collect(),
        };
        self.emitter.emit(started);

        let mut wanted = self.plan.wanted.clone();
        for id in self.plan.ids() {
            if self.options.rerun.iter().any(|name| **name == *self.plan.step(id).name) {
                self.reasons[id.index()] = Some(Why::Forced);
                wanted.push(id);
                continue;
            }
            match explain::look_up(self.plan, self.cache, id) {
                Finding::Known(known) => self.known(id, known, How::KnownByRecipe),
                Finding::Spoilt(why) => self.reasons[id.index()] = Some(why),
                Finding::Unknown => {}
            }
        }
        wanted.iter().for_each(|id| self.want(*id));
        self.refuse(&wanted);
    }

    /// Ends the steps that are known to fail, before anything runs; of the rest only what is still of use is wanted.
    fn refuse(&mut self, wanted: &[StepId]) {
        let refused = self.options.needs.iter().filter_map(|need| Some((need.step, need.refusal()?)));
        for (id, failure) in refused {
            if matches!(self.phases[id.index()], Phase::Waiting) {
                self.failed(id, step::failure(self.plan, id, failure.clone()), 0.0);
            }
        }
        if self.n_failed == 0 {
            return;
        }
        self.open.clear();
        for phase in self.phases.iter_mut().filter(|phase| matches!(phase, Phase::Waiting)) {
            *phase = Phase::InVain;
        }
        wanted.iter().for_each(|id| self.want(*id));
    }

    async fn run(&mut self, mut inbox: UnboundedReceiver<Message>, control: &Control) {
        self.settle();
        self.start_ready(control);
        while self.n_running > 0 {
            // The dispatcher holds a sender itself, so the channel is never closed.
            let Some(message) = inbox.recv().await else { return };
            match message {
                Message::Ended { step, result, ms, peak_bytes } => self.ended(step, result, ms, peak_bytes),
                Message::Progress { step, done, total, note } => {
                    self.emitter.emit(What::StepProgress { step, done, total, note });
                }
                Message::Preview { step, image } => {
                    let digest = image.digest();
                    if self.cache.put_blob(&image).is_ok() {
                        self.emitter.emit(What::StepPreview { step, image: digest });
                    }
                }
                Message::Log { step, level, text } => self.emitter.log(Some(step), level, text),
                Message::CacheTrouble { text } => self.warn_once(text),
                Message::Cancel => self.emitter.log(None, Level::Info, "stopping: asked to".to_owned()),
            }
            self.settle();
            self.start_ready(control);
        }
    }

    fn end(mut self, control: &Control) -> (Outcome, Vec<OutputInfo>) {
        for id in self.plan.ids() {
            let step = self.plan.step(id).name.clone();
            match self.phases[id.index()] {
                Phase::Idle => self.emitter.emit(What::StepNotNeeded { step }),
                // The run was stopped before its turn, or it would have been for nothing.
                Phase::InVain | Phase::Waiting | Phase::Ready { .. } => {
                    self.emitter.emit(What::StepBlocked { step, by: None })
                }
                _ => {}
            }
        }
        if let Err(error) = self.last.save() {
            self.warn_once(format!("reasons for the next run cannot be kept: {error}"));
        }
        let outputs = outputs::outputs(self.plan, |id| match &self.phases[id.index()] {
            Phase::Done(done) => Some(&*done.record),
            _ => None,
        });
        let is_done = self.plan.wanted.iter().all(|id| matches!(self.phases[id.index()], Phase::Done(_)));
        let is_partial = self.plan.wanted.iter().any(|id| matches!(self.phases[id.index()], Phase::Done(_)));
        let outcome = match (is_done, self.n_failed > 0) {
            (true, false) => Outcome::Done,
            _ if control.is_cancelled() => Outcome::Cancelled,
            _ if self.options.keep_going && is_partial => Outcome::Partial,
            _ => Outcome::Failed,
        };
        (outcome, outputs)
    }

    /// Asks for a step and for all that it needs.
    fn want(&mut self, id: StepId) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if !matches!(self.phases[id.index()], Phase::Idle | Phase::InVain) {
                continue;
            }
            self.phases[id.index()] = Phase::Waiting;
            let n_open = open.len();
            open.extend(self.plan.before(id).filter(|before| !self.is_done(*before)));
            if open.len() == n_open {
                self.open.push_back(id);
            }
        }
    }

    /// Takes up steps until none is left whose state could change.
    fn settle(&mut self) {
        while let Some(id) = self.open.pop_front() {
            self.take_up(id);
        }
    }

    fn is_done(&self, id: StepId) -> bool {
        matches!(self.phases[id.index()], Phase::Done(_))
    }

    /// Takes up a step if all that it takes is there: it is known by content, or goes to its lane.
    fn take_up(&mut self, id: StepId) {
        let is_waiting = matches!(self.phases[id.index()], Phase::Waiting);
        if !is_waiting || !self.plan.before(id).all(|before| self.is_done(before)) {
            return;
        }
        let step = self.plan.step(id);
        let mut parts = keys::parts(&step.spec, &step.slots, &step.with, &self.plan.out, |from, port| {
            let digest = self.content(from, port)?;
            Some((digest, explain::shown(self.plan, from, &digest)))
        });
        if step.is_volatile {
            // Not shared with any other step or run.
            parts.push(Part { port: "#run".to_owned(), digest: step.recipe, shown: self.options.id.clone() });
        }
        let action = keys::key(Domain::Action, &parts);
        if self.reasons[id.index()].is_none() {
            match explain::look_up_action(self.plan, self.cache, id, action) {
                Finding::Known(known) => {
                    // A twin's recipe leads to the action by now: the step that it repeats is done.
                    if matches!(self.cache.action(&step.recipe), Ok(Some(found)) if found == action) {
                        return self.known(id, known, How::KnownByRecipe);
                    }
                    if let Err(error) = self.cache.put_alias(&step.recipe, &action) {
                        self.warn_once(format!("the cache cannot be written: {error}"));
                    }
                    return self.known(id, known, How::KnownByContent);
                }
                Finding::Spoilt(why) => self.reasons[id.index()] = Some(why),
                Finding::Unknown => {}
            }
        }
        if let Some(waiters) = self.in_flight.get_mut(&action) {
            waiters.push(id);
            return;
        }
        self.in_flight.insert(action, Vec::new());
        let why = match self.reasons[id.index()].clone() {
            Some(why) => why,
            None => {
                let (plan, phases) = (self.plan, &self.phases);
                explain::why(plan, self.cache, &mut self.last, id, |from, port| content(phases, from, port))
            }
        };
        self.phases[id.index()] = Phase::Ready { action, parts, why };
        let queued = Queued(self.heights[id.index()], std::cmp::Reverse(id));
        self.queues.entry(step.spec.lane).or_default().push(queued);
    }

    fn content(&self, from: StepId, port: usize) -> Option<Digest> {
        content(&self.phases, from, port)
    }

    /// Notes a result that was in the cache.
    fn known(&mut self, id: StepId, known: Known, how: How) {
        let step = self.plan.step(id);
        let how = if step.spec.effect { How::UpToDate } else { how };
        let outputs = known.record.outputs.iter().map(|stored| stored.digest).collect();
        self.last.put(&step.name, known.action);
        self.phases[id.index()] = Phase::Done(Done { record: known.record, values: None });
        self.emitter.emit(What::StepFinished { step: step.name.clone(), how, outputs, ms: 0.0, peak_bytes: 0 });
        self.let_go(id);
        self.wake(id);
    }

    /// Notes the steps that may have waited for this one, in the order of the plan.
    fn wake(&mut self, id: StepId) {
        let mut waiting: Vec<StepId> = self.plan.after(id).collect();
        waiting.sort();
        self.open.extend(waiting);
    }

    /// Drops the values that nothing in this run will take any more.
    fn let_go(&mut self, over: StepId) {
        let before: Vec<StepId> = self.plan.before(over).collect();
        for id in before {
            let n_takers = &mut self.n_takers[id.index()];
            *n_takers = n_takers.saturating_sub(1);
            if *n_takers == 0
                && let Phase::Done(done) = &mut self.phases[id.index()]
            {
                done.values = None;
            }
        }
    }

    fn start_ready(&mut self, control: &Control) {
        for lane in Lane::ALL {
            // Asked for each step: telling of a start may be what stops the run.
            while self.lanes.has_room(lane) && !self.is_stopped(control) {
                let Some(Queued(_, std::cmp::Reverse(id))) = self.queues.get_mut(&lane).and_then(BinaryHeap::pop)
                else {
                    break;
                };
                // One that went back to waiting has left its place in the queue.
                if matches!(self.phases[id.index()], Phase::Ready { .. }) {
                    self.start_step(id, lane);
                }
            }
        }
    }

    fn is_stopped(&self, control: &Control) -> bool {
        control.is_cancelled() || self.emitter.has_lost_display() || (self.options.fail_fast && self.n_failed > 0)
    }

    fn start_step(&mut self, id: StepId, lane: Lane) {
        let phase = std::mem::replace(&mut self.phases[id.index()], Phase::Over);
        let Phase::Ready { action, parts, why } = phase else {
            unreachable!("only ready steps are started");
        };
        let step = self.plan.step(id);
        let mut sources = HashMap::new();
        step.slots.iter().for_each(|slot| self.sources(slot, &mut sources));
        let begins_anew = why == Why::Forced;
        self.emitter.emit(What::StepStarted { step: step.name.clone(), lane, why });
        self.phases[id.index()] = Phase::Running { action };
        let job = Job { step: id, action, parts, begins_anew, sources };
        let shared = self.shared.clone();
        match self.lanes.start(lane, Box::new(move || job.work(&shared))) {
            Ok(()) => self.n_running += 1,
            Err(error) => {
                let message = format!("no thread could be started: {error}");
                self.failed(id, Problem { kind: "failed".to_owned(), message, port: None, place: None }, 0.0);
            }
        }
    }

    fn sources(&self, slot: &Slot, sources: &mut HashMap<(StepId, usize), Source>) {
        match slot {
            Slot::Step { step, port } => {
                let Phase::Done(done) = &self.phases[step.index()] else {
                    unreachable!("a step starts when all that it takes is done");
                };
                let source = match &done.values {
                    Some(values) => Source::Memory(values[*port].clone()),
                    None => Source::Cache(done.record.outputs[*port].clone()),
                };
                sources.insert((*step, *port), source);
            }
            Slot::List(items) => items.iter().for_each(|item| self.sources(item, sources)),
            Slot::Value(_) | Slot::Model(_) | Slot::File { .. } => {}
        }
    }

    fn ended(&mut self, id: StepId, result: Result<Made, Ended>, ms: f64, peak_bytes: u64) {
        self.n_running -= 1;
        self.lanes.done(self.plan.step(id).spec.lane);
        match result {
            Ok(made) => self.made(id, made, ms, peak_bytes),
            Err(Ended::Failed(problem)) => self.failed(id, *problem, ms),
            Err(Ended::Lost { from, port }) => self.lost(id, from, port),
        }
    }

    fn made(&mut self, id: StepId, made: Made, ms: f64, peak_bytes: u64) {
        let step = self.plan.step(id);
        if let Some(reason) = made.not_kept {
            self.warn_once(format!("results cannot be kept in the cache: {reason}"));
        }
        if let Some(action) = self.release(id) {
            self.last.put(&step.name, action);
        }
        let outputs = made.record.outputs.iter().map(|stored| stored.digest).collect();
        let values = (self.n_takers[id.index()] > 0).then_some(made.values);
        self.phases[id.index()] = Phase::Done(Done { record: made.record, values });
        let finished = What::StepFinished { step: step.name.clone(), how: How::Ran, outputs, ms, peak_bytes };
        self.emitter.emit(finished);
        self.let_go(id);
        self.wake(id);
    }

    /// Ends a step's claim on its action, which is returned; who waited for it is taken up again.
    fn release(&mut self, id: StepId) -> Option<Digest> {
        let Phase::Running { action } = self.phases[id.index()] else { return None };
        self.open.extend(self.in_flight.remove(&action).unwrap_or_default());
        Some(action)
    }

    fn failed(&mut self, id: StepId, problem: Problem, ms: f64) {
        self.release(id);
        self.n_failed += 1;
        self.phases[id.index()] = Phase::Over;
        let step = self.plan.step(id).name.clone();
        self.emitter.emit(What::StepFailed { step: step.clone(), problem, ms });
        self.let_go(id);
        let mut after: Vec<StepId> = self.plan.after(id).collect();
        after.sort();
        after.into_iter().for_each(|next| self.block(next, step.clone()));
    }

    /// Ends a waiting step, and all that wait for it, because of one that failed.
    fn block(&mut self, id: StepId, by: StepName) {
        let mut open = vec![id];
        while let Some(next) = open.pop() {
            if matches!(self.phases[next.index()], Phase::Waiting) {
                self.phases[next.index()] = Phase::Over;
                self.emitter.emit(What::StepBlocked { step: self.plan.step(next).name.clone(), by: Some(by.clone()) });
                self.let_go(next);
                open.extend(self.plan.after(next));
            }
        }
    }

    /// A result that was thought known is lost: its step runs again, and whoever needed it waits.
    fn lost(&mut self, id: StepId, from: StepId, port: usize) {
        self.release(id);
        self.phases[id.index()] = Phase::Waiting;
        match &self.phases[from.index()] {
            // It was made again between the look into the cache and the news of it.
            Phase::Done(Done { values: Some(_), .. }) => return self.open.push_back(id),
            Phase::Done(_) => {}
            // It failed when it ran again.
            Phase::Over => return self.block(id, self.plan.step(from).name.clone()),
            // Someone else found out first.
            _ => return,
        }
        let port = self.plan.step(from).spec.outputs[port].name.clone();
        self.reasons[from.index()] = Some(Why::ResultLost { port });
        self.phases[from.index()] = Phase::Idle;
        // It will take once more what it took.
        for before in self.plan.before(from) {
            self.n_takers[before.index()] += 1;
        }
        // Others that were about to take it wait again.
        let takers: Vec<StepId> = self.plan.after(from).collect();
        for taker in takers {
            if let Phase::Ready { action, .. } = self.phases[taker.index()] {
                self.open.extend(self.in_flight.remove(&action).unwrap_or_default());
                self.phases[taker.index()] = Phase::Waiting;
            }
        }
        self.want(from);
    }

    /// A cache that cannot be written is one piece of news, not one a step.
    fn warn_once(&mut self, text: String) {
        if !std::mem::replace(&mut self.has_warned, true) {
            self.emitter.log(None, Level::Warn, text);
        }
    }
}

fn content(phases: &[Phase], from: StepId, port: usize) -> Option<Digest> {
    match &phases[from.index()] {
        Phase::Done(done) => Some(done.record.outputs[port].digest),
        _ => None,
    }
}
