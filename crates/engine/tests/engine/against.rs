//! Random graphs under random edits, failures, cancels, losses and reloads, held against a loop of twenty lines.
//!
//! A case is a graph and some [`Action`]s on it, all on one cache. After each run: what is wanted is what [`evaluate`] says; nothing ran
//! that is not needed; no work was done twice whose result was not lost; and what a step says of why it ran is true.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::time::SystemTime;

use proptest::prelude::*;
use rondel_cache::upkeep::{Stats, gc, stats};
use rondel_cache::{CacheError, DiskTier};
use rondel_engine::last::Last;
use rondel_engine::{Control, Forecast, forecast};
use rondel_event::{How, Outcome, What, Why};
use rondel_value::Digest;

use crate::lab::{Lab, Ran, Setup};
use crate::random::{Bad, Kind, Made, Node, Raw, evaluate, lab, needed, needed_with_twins, raw, read, text};

/// What happens to a graph, or to what is known of it.
#[derive(Clone, Debug)]
pub enum Action {
    Run {
        jobs: usize,
        keep_going: bool,
    },
    /// Runs, and cancels at the so manyth event.
    Cancel {
        jobs: usize,
        at: usize,
    },
    /// Runs, and stops at the first failure.
    FailFast,
    /// Runs one step although it may be known.
    Rerun(u16),
    Edit(u8, u16, i64),
    /// Loses and damages files of the cache; the dice say which and how.
    Damage(Vec<u8>),
    /// Another process goes on, or this one with a cache that keeps so much in memory.
    Reopen(Option<u64>),
    /// The reasons are lost.
    Forget,
}

pub fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => (1usize..4, any::<bool>()).prop_map(|(jobs, keep_going)| Action::Run { jobs, keep_going }),
        1 => (1usize..4, 0usize..12).prop_map(|(jobs, at)| Action::Cancel { jobs, at }),
        1 => Just(Action::FailFast),
        1 => any::<u16>().prop_map(Action::Rerun),
        5 => edit(),
        1 => proptest::option::of(0u64..400).prop_map(Action::Reopen),
        1 => Just(Action::Forget),
    ]
}

pub fn loss() -> impl Strategy<Value = Action> {
    proptest::collection::vec(any::<u8>(), 1..12).prop_map(Action::Damage)
}

fn edit() -> impl Strategy<Value = Action> {
    (0u8..12, any::<u16>(), 0i64..4).prop_map(|(what, at, n)| Action::Edit(what, at, n))
}

/// A kind and what it takes: what no cache has a reason to do twice.
type Work = BTreeMap<&'static str, String>;

/// A graph, a cache, and what must be known by now.
pub struct World {
    lab: Lab,
    raw: Vec<Raw>,
    /// Constants are below this: the fewer there are, the more is equal.
    n_numbers: i64,
    prefix: &'static str,
    comment: &'static str,
    is_reversed: bool,
    /// Work that was done, with the key and the blobs that it is kept under.
    done: HashMap<Work, (Digest, Vec<Digest>)>,
    /// What stood at the ports of each step when it was last done.
    last: HashMap<String, Work>,
    was_damaged: bool,
}

impl World {
    pub fn new(raw: Vec<Raw>, n_numbers: i64) -> World {
        World {
            lab: lab(),
            raw,
            n_numbers,
            prefix: "",
            comment: "",
            is_reversed: false,
            done: HashMap::new(),
            last: HashMap::new(),
            was_damaged: false,
        }
    }

    fn nodes(&self) -> Vec<Node> {
        read(&self.raw, self.prefix)
    }

    pub fn act(&mut self, action: &Action) {
        match action {
            Action::Run { jobs, keep_going } => self.run(*jobs, None, |setup| setup.keep_going = *keep_going),
            Action::Cancel { jobs, at } => self.run(*jobs, Some(*at), |_| {}),
            Action::FailFast => self.run(2, None, |setup| setup.fail_fast = true),
            Action::Rerun(at) => {
                let nodes = self.nodes();
                let name = &nodes[usize::from(*at) % nodes.len()];
                let names: &[&str] = if name.kind.is_lazy() { &[] } else { &[&name.name] };
                self.run_some(&nodes, &Setup { rerun: names, jobs: Some(2), ..Setup::default() }, None);
            }
            Action::Edit(what, at, n) => self.edit(*what, usize::from(*at), *n),
            Action::Damage(dice) => self.damage(dice),
            Action::Reopen(memory_bytes) => self.lab.reopen(*memory_bytes),
            Action::Forget => {
                let _ = fs::remove_dir_all(self.lab.path("cache/v1/last"));
                self.last.clear();
            }
        }
    }

    pub fn n_runs(&self) -> u64 {
        self.lab.n_runs()
    }

    /// Keeps one cache from now on, with so much in memory.
    pub fn reopen(&mut self, memory_bytes: u64) {
        self.lab.reopen(Some(memory_bytes));
    }

    /// Collects the cache down to some size.
    pub fn collect(&mut self, max_bytes: u64) {
        self.lab.reopen(None);
        let folder = self.lab.path("cache");
        // The thread of the last step lets go of the cache a moment after the run is over.
        while matches!(gc(&folder, max_bytes, SystemTime::now()), Err(CacheError::Busy(_))) {
            std::thread::yield_now();
        }
        self.was_damaged = true;
        let disk = DiskTier::new(&folder);
        let has = |blob: &Digest| disk.blob_path(blob).is_file();
        self.done.retain(|_, (action, blobs)| disk.record_path(action).is_file() && blobs.iter().all(has));
    }

    pub fn stats(&self) -> Stats {
        stats(&self.lab.path("cache")).unwrap()
    }

    /// Looks at the graph as it is while it is typed, up to some place; gives the number of mistakes.
    pub fn cut_short(&self, at: usize) -> usize {
        let text = text(&self.nodes(), self.is_reversed, self.comment);
        // The first line is the lab's.
        let first = text.find('\n').map_or(0, |at| at + 1);
        self.lab.mistakes(&text[..first + at % (text.len() - first)])
    }

    /// Changes the graph a little.
    fn edit(&mut self, what: u8, at: usize, n: i64) {
        let node = at % self.raw.len();
        let raw = &mut self.raw[node];
        match what {
            0..=3 => raw.3 = (raw.3 + 1 + n) % self.n_numbers,
            4 => raw.0 = (at / 7 % 26) as u8,
            5 => raw.1 = (at / 5) as u16,
            6 => raw.4 ^= 0x40,
            7 => self.prefix = if self.prefix.is_empty() { "renamed_" } else { "" },
            8 => self.comment = if self.comment.is_empty() { "// another word" } else { "" },
            9 => self.is_reversed = !self.is_reversed,
            10 if self.raw.len() > 1 => drop(self.raw.pop()),
            _ if self.raw.len() < 12 => self.raw.push((at as u8 % 26, at as u16, (at / 3) as u16, n, 0)),
            _ => {}
        }
    }

    fn run(&mut self, jobs: usize, cancel_at: Option<usize>, set: impl FnOnce(&mut Setup)) {
        let mut setup = Setup { jobs: Some(jobs), ..Setup::default() };
        set(&mut setup);
        self.run_some(&self.nodes(), &setup, cancel_at);
    }

    fn run_some(&mut self, nodes: &[Node], setup: &Setup, cancel_at: Option<usize>) {
        let made = evaluate(nodes);
        let needed = needed(nodes, &made, setup.rerun);
        let may_run = needed_with_twins(nodes, &made, needed.clone());
        let text = text(nodes, self.is_reversed, self.comment);
        let plan = self.lab.plan(&text, setup);
        let forecasts = {
            let cache = self.lab.cache();
            let mut last = Last::open(cache.v1(), &plan.graph.path);
            let named = forecast(&plan, &cache, &mut last).into_iter();
            named.map(|(id, forecast)| (plan.step(id).name.to_string(), forecast)).collect::<HashMap<_, _>>()
        };
        let (control, mut n_events) = (Control::default(), 0);
        let ran = self.lab.run_controlled(&plan, setup, &control, |_| {
            n_events += 1;
            if cancel_at.is_some_and(|at| n_events > at) {
                control.cancel();
            }
        });
        let told = format!("{text}\n{}", ran.table());
        let is_whole = cancel_at.is_none() && !setup.fail_fast;
        for (at, node) in nodes.iter().enumerate() {
            let how = ran.report.steps.iter().find(|step| *step.name == node.name).map(|step| step.how);
            let Some(how) = how else { panic!("no step `{}`\n{told}", node.name) };
            let is_known = how.is_done() && how != How::Ran;
            let fits = match &made[at] {
                _ if !may_run[at] => is_known || how == How::NotNeeded,
                // It may have been stopped.
                _ if !is_whole && matches!(how, How::Blocked | How::NotNeeded | How::Failed) => true,
                // A twin may do it.
                made if !needed[at] => made.is_err() || how.is_done() || how == How::NotNeeded,
                // One that another has failed for already is blocked by it.
                Err(Bad::Failed) => matches!(how, How::Failed | How::Blocked),
                // An alternative may be over by another failure before this one is asked for.
                Err(Bad::Blocked) => how == How::Blocked || (how == How::NotNeeded && !node.is_output),
                // What follows is known, so nobody may have asked.
                Ok(_) => how.is_done() || how == How::NotNeeded,
            };
            assert!(fits, "`{}` should be {:?}, and is needed: {}\n{told}", node.name, made[at], needed[at]);
            match &forecasts[&node.name] {
                _ if self.was_damaged || !setup.rerun.is_empty() => {}
                // One whose twin was foretold to run.
                Forecast::Known(_) if made[at].is_err() => {}
                Forecast::Known(_) => {
                    assert!(is_known || !is_whole, "`{}` was foretold to be known\n{told}", node.name)
                }
                Forecast::NotNeeded => assert!(how != How::Ran, "`{}` was foretold not to run\n{told}", node.name),
                _ => {}
            }
            if node.is_output && is_whole {
                let first = node.digests(&made[at]).map(|digests| digests[0]);
                assert_eq!(ran.output(&node.name).digest, first, "`{}`\n{told}", node.name);
            }
        }
        let ends =
            || nodes.iter().zip(&made).filter(|(node, _)| node.is_output || setup.rerun.contains(&node.name.as_str()));
        let outcome = match ends().filter(|(_, made)| made.is_err()).count() {
            0 => Outcome::Done,
            _ if setup.keep_going && nodes.iter().zip(&made).any(|(node, made)| node.is_output && made.is_ok()) => {
                Outcome::Partial
            }
            _ => Outcome::Failed,
        };
        assert!(ran.report.outcome == outcome || !is_whole, "{:?}\n{told}", ran.report.outcome);
        self.follow(nodes, &made, &ran, setup.rerun, &told);
    }

    /// Goes through what happened: results, work and reasons.
    fn follow(&mut self, nodes: &[Node], made: &[Made], ran: &Ran, forced: &[&str], told: &str) {
        let before = self.done.clone();
        let find = |step: &str| nodes.iter().enumerate().find(|(_, node)| node.name == step);
        for event in &ran.events {
            match &event.what {
                What::StepStarted { step, why, .. } => {
                    let (_, node) = find(step).expect("a node");
                    let now = node.kind.ports(made);
                    let is_forced = forced.contains(&&**step);
                    let is_true = match why {
                        Why::Changed { changes } => {
                            let before = self.last.get(&**step);
                            let ports = now.keys().chain(before.into_iter().flat_map(Work::keys)).copied();
                            let mut differing: Vec<&str> = ports
                                .filter(|port| before.is_some_and(|before| before.get(port) != now.get(port)))
                                .collect();
                            differing.sort();
                            differing.dedup();
                            let mut said: Vec<&str> = changes.iter().map(|change| &*change.port).collect();
                            said.sort();
                            !said.is_empty() && said == differing
                        }
                        Why::NoRecord => !self.last.contains_key(&**step) || self.was_damaged,
                        Why::ResultLost { .. } => self.was_damaged,
                        Why::NeverKept => node.is_volatile,
                        Why::Forced => is_forced,
                        Why::InputRuns { .. } | Why::FileChanged { .. } | Why::FileMissing { .. } => false,
                    };
                    assert!(is_true, "`{step}` has no reason to say {why:?}\n{:?}\n{told}", self.last.get(&**step));
                    if !is_forced && !node.is_volatile {
                        // What is found lost when a run begins runs, even if another step brings the same blob back meanwhile.
                        let done = if matches!(why, Why::ResultLost { .. }) { &before } else { &self.done };
                        assert!(!done.contains_key(&now), "`{step}` ran, and {now:?} was known\n{told}");
                    }
                }
                What::StepFinished { step, how, action, outputs, .. } => {
                    let (at, node) = find(step).expect("a node");
                    let expected = node.digests(&made[at]);
                    let expected = expected.unwrap_or_else(|| panic!("`{step}` cannot have been made\n{told}"));
                    // A `first_ok` says besides what it took.
                    assert_eq!(outputs[..expected.len()], expected, "`{step}`\n{told}");
                    if node.kind.is_lazy() {
                        continue;
                    }
                    let ports = node.kind.ports(made);
                    match node.is_volatile {
                        true => drop(self.last.remove(&**step)),
                        false => drop(self.last.insert(step.to_string(), ports.clone())),
                    }
                    if *how == How::Ran && !node.is_volatile {
                        let blobs = if matches!(node.kind, Kind::Paint(_)) { outputs.clone() } else { Vec::new() };
                        self.done.insert(ports, (action.expect("it ran"), blobs));
                    }
                }
                _ => {}
            }
        }
    }

    fn damage(&mut self, dice: &[u8]) {
        let mut dice = dice.iter().cycle();
        self.was_damaged = true;
        for part in ["action", "recipe", "blob"] {
            for path in self.lab.cache_files(part) {
                let bytes = fs::read(&path).unwrap();
                match dice.next().expect("it goes round") % 8 {
                    // What a process has looked into once it does not look into again; but files may go at any time.
                    0..5 if self.lab.keeps_cache() => fs::remove_file(&path).unwrap(),
                    0 | 1 => fs::remove_file(&path).unwrap(),
                    2 => fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
                    3 => fs::write(&path, b"something else").unwrap(),
                    4 => {
                        // A bit of what stands last: all before it can be read, and of a blob it is the picture.
                        let (last, rest) = bytes.split_last().expect("no file is empty");
                        fs::write(&path, [rest, &[last ^ 1]].concat()).unwrap();
                    }
                    _ => continue,
                }
                let lost = path.file_name().unwrap().to_string_lossy().into_owned();
                let is_lost = |digest: &Digest| lost.starts_with(&digest.to_string());
                self.done.retain(|_, (action, blobs)| !is_lost(action) && !blobs.iter().any(is_lost));
            }
        }
    }
}

fn check(raw: Vec<Raw>, actions: &[Action]) {
    let mut world = World::new(raw, 5);
    let run = Action::Run { jobs: 2, keep_going: false };
    for action in [&run].into_iter().chain(actions).chain([&run, &run]) {
        world.act(action);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn whatever_happens_to_a_graph_it_gives_what_a_simple_loop_gives(
        raw in raw(1..10),
        actions in proptest::collection::vec(action(), 1..8),
    ) {
        check(raw, &actions);
    }

    #[test]
    fn whatever_happens_to_a_cache_the_graph_gives_what_a_simple_loop_gives(
        raw in raw(1..10),
        actions in proptest::collection::vec(prop_oneof![2 => action(), 1 => loss()], 1..6),
    ) {
        check(raw, &actions);
    }
}
