//! The one owner of a run's state.
//!
//! Every step is first looked up by its recipe key. Of the steps that wanted ones need and that are not known, each
//! waits until all it takes is there; then its action key is known, and with it whether its result is. Only what is
//! known by neither key goes to a lane.
//!
//! The loop takes one [`Message`] at a time and decides; it never waits for anything else. What it decides stands in the
//! files below, one for each turn in the life of a step.

mod begin;
mod elsewhere;
mod finish;
mod lazy;
mod look_up;
mod patience;
mod queue;
mod room;
pub(super) mod verify;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rondel_cache::{Cache, Claim, Part, Record};
use rondel_event::{Level, Outcome, OutputInfo, StepName, What, Why};
use rondel_value::{Bundle, Digest, Lane, Value};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use self::patience::{Alarms, Pause};
use self::room::Room;
use super::emitter::Emitter;
use super::halt::Halt;
use super::lanes::Lanes;
use super::meter::Meter;
use super::provenance::Provenance;
use super::step::{Ended, Made, Shared};
use super::{Control, RunOptions, outputs, remote};
use crate::last::Last;
use crate::plan::remote::shared;
use crate::plan::{Plan, StepId};

/// All that can happen to a run from outside of its dispatcher.
pub enum Message {
    Ended {
        step: StepId,
        job: u64,
        result: Result<Made, Ended>,
        ms: f64,
        peak_bytes: u64,
    },
    Verified {
        step: StepId,
        result: Result<Vec<String>, Ended>,
        ms: f64,
    },
    Progress {
        step: StepName,
        done: u64,
        total: u64,
        note: String,
    },
    Preview {
        step: StepName,
        image: Bundle,
    },
    Log {
        step: StepName,
        level: Level,
        text: String,
    },
    CacheTrouble {
        text: String,
    },
    Cancel,
    GiveWay {
        wanted: HashSet<Digest>,
    },
    /// Or not paused any more; [`Control::is_paused`] says which.
    Paused,
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
    Ready(Ready),
    /// Another run computes the same; its end is looked for at this moment.
    Elsewhere(Ready, Duration),
    Running(Ready, Attempt),
    /// It failed in a way that may pass, and is tried again later.
    Pausing(Ready, Pause),
    Done(Done),
    Over,
}

/// What is known of a step that is about to run.
struct Ready {
    action: Digest,
    parts: Arc<Vec<Part>>,
    why: Why,
    /// How often another run was seen to compute it.
    n_looks: u32,
}

/// A step on its thread.
struct Attempt {
    /// The number of the job, by which its end is told from that of one that was left behind.
    job: u64,
    /// Others ran when it began.
    had_company: bool,
    halt: Arc<Halt>,
    /// Keeps other runs from computing the same.
    _claim: Claim,
    /// Why it was asked to stop, if it was.
    halted: Option<Halted>,
    began: Duration,
    /// When it has had all its time, or all the time to stop in.
    due: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Halted {
    /// With the whole run.
    Stopped,
    TimedOut,
}

/// A result.
struct Done {
    record: Arc<Record>,
    /// As long as something in this run may take them, and only if they were made in it.
    values: Option<Vec<Value>>,
}

/// A ready step in its queue.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Queued(Urgency, Reverse<StepId>);

/// Which of two ready steps goes first: the one that leads sooner to something wanted, then the one with the longer way to
/// an end, then the one that stands earlier in the plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Urgency {
    distance: Reverse<u32>,
    height: u32,
}

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
    /// Of steps with alternatives the one that they are at.
    turns: Vec<Option<usize>>,
    /// What a step is known under, where that is not its recipe.
    recipes: Vec<Option<Digest>>,
    /// What the run is for, and what it was asked to run.
    is_end: Vec<bool>,
    /// Something that the run is for cannot be made.
    has_failed: bool,
    /// Of steps that are blocked the one that failed.
    blamed: HashMap<StepId, StepName>,
    /// How often each step was begun.
    n_attempts: Vec<u32>,
    alarms: Alarms,
    urgencies: Vec<Urgency>,
    room: Room<'a>,
    /// Of each step how many that take its result are not over.
    n_takers: Vec<usize>,
    queues: BTreeMap<Lane, BinaryHeap<Queued>>,
    /// Which step computes an action, and who waits for it.
    in_flight: HashMap<Digest, Vec<StepId>>,
    /// A result that a step was found to lack when it was last taken up.
    missing: Vec<Option<StepId>>,
    /// Steps to take up. A worklist instead of calls, because a chain may be long.
    open: VecDeque<StepId>,
    n_running: usize,
    /// Nothing is started, as of this turn of the loop.
    is_paused: bool,
    /// Steps that are looked at again at some moment: between two attempts, or because another run computes them.
    n_pausing: usize,
    n_jobs: u64,
    n_failed: usize,
    /// Known steps, if some of them are to be verified.
    verifiable: Vec<(StepId, Digest)>,
    n_unverified: usize,
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
    let (messages, mut inbox) = unbounded_channel();
    control.connect(Some(messages.clone()));
    let shared = Arc::new(Shared {
        plan: plan.clone(),
        cache: cache.clone(),
        control: control.clone(),
        provenance: Provenance::new(plan.clone(), options.program.clone()),
        meter: Meter::new(options.probe.clone()),
        now: options.now,
        previews: options.previews,
        painter: options.painter.clone(),
        run: options.id.clone(),
        messages,
        is_shared: shared(plan),
    });
    let n_steps = plan.steps.node_count();
    let n_cpu = options.jobs.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
    let distances = plan.distances().into_iter().map(Reverse);
    let mut dispatcher = Dispatcher {
        plan,
        cache,
        options,
        shared,
        emitter,
        last: Last::open(cache.v1(), &plan.graph.path),
        lanes: Lanes::new(n_cpu, options.jobs == Some(1)),
        phases: (0..n_steps).map(|_| Phase::Idle).collect(),
        reasons: vec![None; n_steps],
        turns: vec![None; n_steps],
        recipes: vec![None; n_steps],
        is_end: vec![false; n_steps],
        has_failed: false,
        blamed: HashMap::new(),
        n_attempts: vec![0; n_steps],
        alarms: Alarms::default(),
        urgencies: distances.zip(plan.heights()).map(|(distance, height)| Urgency { distance, height }).collect(),
        room: Room::new(&options.needs, options.budget_bytes),
        n_takers: plan.ids().map(|id| plan.after(id).count()).collect(),
        queues: BTreeMap::new(),
        in_flight: HashMap::new(),
        missing: vec![None; n_steps],
        open: VecDeque::new(),
        n_running: 0,
        is_paused: false,
        n_pausing: 0,
        n_jobs: 0,
        n_failed: 0,
        verifiable: Vec::new(),
        n_unverified: 0,
        has_warned: false,
    };
    dispatcher.start();
    remote::tell(cache, dispatcher.emitter);
    dispatcher.run(&mut inbox).await;
    dispatcher.verify(&mut inbox).await;
    control.connect(None);
    dispatcher.end(control)
}

impl Dispatcher<'_, '_> {
    async fn run(&mut self, inbox: &mut UnboundedReceiver<Message>) {
        self.settle();
        self.start_ready();
        while self.n_running > 0 || self.n_pausing > 0 || self.is_held() {
            let message = match self.alarms.next_due() {
                None => inbox.recv().await,
                Some(due) => tokio::select! {
                    // A result that came before the alarm counts.
                    biased;
                    message = inbox.recv() => message,
                    () = self.options.clock.until(due) => {
                        self.ring();
                        self.settle();
                        self.start_ready();
                        continue;
                    }
                },
            };
            // The dispatcher holds a sender itself, so the channel is never closed.
            let Some(message) = message else { return };
            self.hear(message);
            self.settle();
            self.start_ready();
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Verified { step, result, ms } => self.verified(step, result, ms),
            Message::Ended { step, job, result, ms, peak_bytes } => self.ended(step, job, result, ms, peak_bytes),
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
            Message::Cancel => {
                self.stop_all();
                self.emitter.log(None, Level::Info, "stopping: asked to".to_owned());
            }
            Message::GiveWay { wanted } => {
                self.stop_all_but(&wanted);
                self.emitter.log(None, Level::Info, "stopping: another plan takes over".to_owned());
            }
            // What it changes is looked at whenever something might start.
            Message::Paused => {}
        }
    }

    fn end(mut self, control: &Control) -> (Outcome, Vec<OutputInfo>) {
        for id in self.plan.ids() {
            let step = self.plan.step(id).name.clone();
            match self.phases[id.index()] {
                Phase::Idle => self.emitter.emit(What::StepNotNeeded { step }),
                // The run was stopped before its turn, or it would have been for nothing.
                Phase::InVain | Phase::Waiting | Phase::Ready(_) => {
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
        let is_done = self.plan.ids().filter(|id| self.is_end[id.index()]).all(|id| self.is_done(id));
        let is_partial = self.plan.wanted.iter().any(|id| matches!(self.phases[id.index()], Phase::Done(_)));
        // A failure for which there was an alternative is none of the run.
        let outcome = match is_done {
            _ if self.n_unverified > 0 && !control.is_stopping() => Outcome::Failed,
            true => Outcome::Done,
            _ if control.is_stopping() => Outcome::Cancelled,
            _ if self.options.keep_going && is_partial => Outcome::Partial,
            _ => Outcome::Failed,
        };
        (outcome, outputs)
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
