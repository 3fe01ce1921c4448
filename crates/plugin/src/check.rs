//! Whether a plugin keeps the contract of the boundary, as far as that can be seen from outside.
//!
//! Loading it has shown that symbol, sizes and specifications are right. Here each kind runs on made-up inputs, and is held to
//! what it says of itself:
//!
//! - outputs are what is declared, and the same for the same inputs, also when two runs go on at once, and whatever stands at
//!   inputs that enter no key;
//! - a run that is cancelled stops, and one that goes on from a checkpoint comes to the same result;
//! - nothing is kept of what came in, and bundles from the host are let go;
//! - files are written by kinds that say so, and below the output folder.
//!
//! A plugin may do anything to the process that it is checked in, so that should be one of its own, and in an empty folder.

mod files;
mod made_up;
mod trial;
mod watcher;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use rondel_value::{Digest, NodeSpec};

use self::files::files_below;
use self::made_up::{Extent, Given, Held, MadeUp, PIXEL_PNG};
use self::trial::{Ended, Ran, Stuck, Trial};
use self::watcher::Watcher;
use crate::call::{FailureKind, NodeFailure};
use crate::kind::NodeKind;
use crate::registry::Registry;

/// Where and how long a plugin is looked at.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// A folder that is empty but for folders that somebody watches, such as a home folder of its own; the current one.
    pub folder: PathBuf,
    /// How long one run may take, and then how long it may take to stop.
    pub patience: Duration,
}

/// What is found, as it is found. Each is a whole sentence but for its full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// What is about to happen, if it should be the last thing that does: `c.glow` ran on made-up inputs.
    Begins(String),
    /// The contract is broken.
    Problem(String),
    /// Something that could not be looked at, or that is only unusual.
    Remark(String),
    /// A kind came to a result, and everything was looked at that this module looks at.
    Ran(String),
}

/// Checks every kind of a plugin that is the registry's only one.
pub fn check(registry: &Registry, options: &CheckOptions, tell: &mut dyn FnMut(Finding)) -> io::Result<()> {
    for kind in registry.kinds() {
        let mut check = KindCheck::new(registry, kind, options, tell)?;
        check.documentation();
        match check.runs() {
            Ok(false) => {}
            Ok(true) => tell(Finding::Ran(kind.spec().kind.clone())),
            // Whatever it still does, it does to what is looked at next.
            Err(Stuck) => break,
        }
    }
    Ok(())
}

struct KindCheck<'a> {
    registry: &'a Registry,
    kind: &'a Arc<NodeKind>,
    spec: &'a NodeSpec,
    options: &'a CheckOptions,
    tell: &'a mut dyn FnMut(Finding),
    told: Vec<Finding>,
    /// A file, for ports that take one.
    file: PathBuf,
    /// The output folder.
    out: PathBuf,
}

impl<'a> KindCheck<'a> {
    fn new(
        registry: &'a Registry,
        kind: &'a Arc<NodeKind>,
        options: &'a CheckOptions,
        tell: &'a mut dyn FnMut(Finding),
    ) -> io::Result<KindCheck<'a>> {
        let (file, out) = (options.folder.join("made-up.png"), options.folder.join("out"));
        fs::write(&file, PIXEL_PNG)?;
        Ok(KindCheck { registry, kind, spec: kind.spec(), options, tell, told: Vec::new(), file, out })
    }

    fn problem(&mut self, what: &str) {
        let problem = format!("`{}` {what}", self.spec.kind);
        self.once(Finding::Problem(problem));
    }

    fn remark(&mut self, what: &str) {
        let remark = format!("`{}` {what}", self.spec.kind);
        self.once(Finding::Remark(remark));
    }

    /// Tells what was not told of an earlier run.
    fn once(&mut self, finding: Finding) {
        if !self.told.contains(&finding) {
            self.told.push(finding.clone());
            (self.tell)(finding);
        }
    }

    /// People see nothing else of a kind.
    fn documentation(&mut self) {
        let without = |names: Vec<&str>| match names.is_empty() {
            true => None,
            false => Some(names.join("`, `")),
        };
        let inputs = self.spec.inputs.iter().filter(|input| input.doc.is_empty()).map(|input| input.name.as_str());
        let inputs = without(inputs.collect());
        if self.spec.doc.is_empty() {
            self.remark("has no documentation");
        }
        if let Some(inputs) = inputs {
            self.remark(&format!("says nothing of its inputs `{inputs}`"));
        }
        if !self.spec.kind.contains('.') {
            self.remark("is named without its maker in front (`maker.kind`), and may meet another of its name");
        }
    }

    /// Whether it came to a result.
    fn runs(&mut self) -> Result<bool, Stuck> {
        let (mut before, mut came_to_a_result) = (None, false);
        for extent in [Extent::Required, Extent::All] {
            match MadeUp::new(self.spec, extent, &self.file) {
                Err(input) => {
                    self.remark(&format!("was not run: `{input}` cannot be made up"));
                    return Ok(came_to_a_result);
                }
                Ok(inputs) if before.as_ref() == Some(&inputs.values) => {}
                Ok(inputs) => {
                    before = Some(inputs.values.clone());
                    drop(inputs);
                    came_to_a_result |= self.runs_with(extent)?;
                }
            }
        }
        Ok(came_to_a_result)
    }

    /// All that is looked at with one set of inputs; false if it refuses them.
    fn runs_with(&mut self, extent: Extent) -> Result<bool, Stuck> {
        let words = match extent {
            Extent::Required => "what has to be given",
            Extent::All => "all inputs",
        };
        let built_before = self.registry.built_bundles_alive();
        self.begins(&format!("ran with {words}"));
        let first = self.run(extent, Watcher::default())?;
        let Ok(expected) = &first.result else {
            self.failed(&first.result, &format!("with {words}"));
            return Ok(false);
        };
        // Of runs that came to their end: one that is cut off may leave by another way.
        let mut held = vec![first.held];

        self.begins(&format!("ran twice at once with {words}"));
        for again in self.run_twice(extent)? {
            self.compare(&again.result, expected, "another time");
            held.push(again.held);
        }
        self.unkeyed(extent, expected)?;

        self.begins("was cancelled before it began");
        let cancelled = Watcher::default();
        cancelled.cancel();
        let stopped = self.run(extent, cancelled)?;
        self.compare_stopped(&stopped.result, expected);

        if first.n_reports > 1 {
            self.begins("was cancelled after its first report");
            let stopped = self.run(extent, Watcher { cancels_after: Some(1), ..Watcher::default() })?;
            match &stopped.result {
                Err(failure) if failure.kind == FailureKind::Cancelled => {}
                _ if stopped.n_reports >= first.n_reports => {
                    self.problem("goes on to its end when it is cancelled on its way")
                }
                Err(failure) => self.remark(&format!("fails when it is cancelled, and does not say so: {failure}")),
                Ok(_) => self.compare_stopped(&stopped.result, expected),
            }
            if let Some(latest) = stopped.kept {
                self.begins("went on from a checkpoint");
                let resumed = self.run(extent, Watcher { latest: Some(latest), ..Watcher::default() })?;
                self.compare(&resumed.result, expected, "from a checkpoint");
            }
        }
        self.leaks(extent, &mut held, built_before)?;
        self.writes();
        Ok(true)
    }

    /// Looks for what is kept of each run. To keep some until others come is no leak; so a plugin that keeps any gets some runs
    /// more, in which it may let go of something.
    fn leaks(&mut self, extent: Extent, held: &mut Vec<Held>, built_before: usize) -> Result<(), Stuck> {
        /// Of these, the first half is for filling whatever has room for a few.
        const N_MORE: usize = 8;
        let n_built = |registry: &Registry| registry.built_bundles_alive().saturating_sub(built_before);
        if !held.iter().all(Held::is_held) && n_built(self.registry) < held.len().min(2) {
            return Ok(());
        }
        self.begins("ran some more times, since it kept what it was given");
        let mut built = Vec::with_capacity(N_MORE);
        for _ in 0..N_MORE {
            held.push(self.run(extent, Watcher::default())?.held);
            // Some forget only what they had made when they were stopped.
            let cancelled = Watcher::default();
            cancelled.cancel();
            self.run(extent, cancelled)?;
            built.push(n_built(self.registry));
        }
        if held.iter().all(Held::is_held) {
            self.problem("never lets go of its inputs; release what was retained");
        }
        if built[N_MORE / 2 - 1..].is_sorted_by(|before, after| before < after) {
            let n_built = built[N_MORE - 1];
            self.problem(&format!("never let go of {n_built} bundles that the host built for it; release each once"));
        }
        Ok(())
    }

    /// A result is known whatever stood at an input that enters no key, so that must make no other one. That it lets no result
    /// come about is what such an input is for.
    fn unkeyed(&mut self, extent: Extent, expected: &[Digest]) -> Result<(), Stuck> {
        let spec = self.spec;
        if !spec.inputs.iter().any(|input| input.unkeyed) {
            return Ok(());
        }
        let others = Given { extent, other_unkeyed: true };
        let values = |given: Given| MadeUp::new(spec, given, &self.file).map(|inputs| inputs.values);
        let (Ok(before), Ok(now)) = (values(extent.into()), values(others)) else { return Ok(()) };
        let names = |is_other: bool| {
            let those = (0..now.len()).filter(|at| spec.inputs[*at].unkeyed && (before[*at] != now[*at]) == is_other);
            those.map(|at| spec.inputs[at].name.as_str()).collect::<Vec<_>>().join("`, `")
        };
        let (changed, same) = (names(true), names(false));
        if !same.is_empty() {
            self.remark(&format!(
                "was not run with another value at `{same}`, which enters no key: none can be made up"
            ));
        }
        if changed.is_empty() {
            return Ok(());
        }
        self.begins(&format!("ran with another value at `{changed}`"));
        match self.run_at_once(others, vec![Watcher::default()])?.remove(0).result {
            Err(failure) => {
                self.failed(&Err(failure), &format!("with another value at `{changed}`, which enters no key"));
            }
            Ok(found) if found != expected && !(self.spec.impure || self.spec.seeded) => self.problem(&format!(
                "gives another result for another value at `{changed}`, which enters no key; take `unkeyed` away from what \
                 decides the result"
            )),
            Ok(_) => {}
        }
        Ok(())
    }

    /// What a cancelled run gives as its result is kept as one.
    fn compare_stopped(&mut self, result: &Result<Vec<Digest>, NodeFailure>, expected: &[Digest]) {
        let is_free = self.spec.impure || self.spec.seeded;
        if result.as_ref().is_ok_and(|found| found != expected && !is_free) {
            self.problem("gives another result when it is cancelled; it must say that it was, and give none");
        }
    }

    fn begins(&mut self, what: &str) {
        (self.tell)(Finding::Begins(format!("`{}` {what}", self.spec.kind)));
    }

    /// Says what a failure on made-up inputs means.
    fn failed(&mut self, result: &Result<Vec<Digest>, NodeFailure>, how: &str) {
        let Err(failure) = result else { return };
        if failure.kind == FailureKind::Cancelled {
            // It took too long, which is told.
            return;
        }
        let at = failure.input.as_deref().map(|input| format!(" at `{input}`")).unwrap_or_default();
        match failure.kind {
            FailureKind::Panicked => self.problem(&format!("panics when it runs {how}: {failure}")),
            FailureKind::Misbehaved => self.problem(&format!("breaks the contract when it runs {how}: {failure}")),
            _ => self.remark(&format!("refuses made-up inputs, {how}{at}: {failure}")),
        }
    }

    fn compare(&mut self, result: &Result<Vec<Digest>, NodeFailure>, expected: &[Digest], when: &str) {
        match result {
            Err(failure) => self.problem(&format!("fails when it runs {when} with equal inputs: {failure}")),
            Ok(_) if self.spec.impure || self.spec.seeded => {}
            Ok(found) => {
                let other = self.spec.outputs.iter().zip(found.iter().zip(expected)).find(|(_, (a, b))| a != b);
                if let Some((output, _)) = other {
                    let output = &output.name;
                    self.problem(&format!(
                        "gives another `{output}` {when} for equal inputs; declare it `impure`, or let no time, chance or \
                         order of threads into it"
                    ));
                }
            }
        }
    }

    /// Runs the kind once, in an output folder that is empty.
    fn run(&mut self, extent: Extent, watcher: Watcher) -> Result<Ended, Stuck> {
        let mut ended = self.run_at_once(extent.into(), vec![watcher])?;
        Ok(ended.remove(0))
    }

    fn run_twice(&mut self, extent: Extent) -> Result<Vec<Ended>, Stuck> {
        // Two effects at once would meet in their files; the engine does not run them so.
        let n = if self.spec.effect { 1 } else { 2 };
        self.run_at_once(extent.into(), (0..n).map(|_| Watcher::default()).collect())
    }

    fn run_at_once(&mut self, given: Given, watchers: Vec<Watcher>) -> Result<Vec<Ended>, Stuck> {
        self.writes();
        let trial = Trial { kind: self.kind, file: &self.file, out: &self.out, patience: self.options.patience };
        let patience = self.options.patience.as_secs_f32();
        match trial.at_once(given, watchers) {
            Err(Stuck) => {
                self.problem(&format!("does not end in {patience} s, nor in as many when it is cancelled"));
                Err(Stuck)
            }
            Ok(Ran { is_stopped, ended }) => {
                if is_stopped {
                    self.remark(&format!(
                        "does not end in {patience} s with made-up inputs; it stops when it is cancelled"
                    ));
                }
                Ok(ended)
            }
        }
    }

    /// Looks for files that nobody declared, and clears the output folder.
    fn writes(&mut self) {
        let mut found = files_below(&self.options.folder);
        found.retain(|path| *path != self.file);
        if self.spec.effect {
            found.retain(|path| !path.starts_with(&self.out));
        }
        for path in &found {
            let shown = path.strip_prefix(&self.options.folder).unwrap_or(path).display().to_string();
            let shown = shown.strip_prefix("home/").map_or(shown.clone(), |below| format!("~/{below}"));
            self.problem(&match path.starts_with(&self.out) {
                true => format!("writes a file and does not declare `effect`: {shown}"),
                false => format!("writes a file, and not below the output folder: {shown}"),
            });
        }
        // What cannot be removed is told again.
        found.iter().for_each(|path| drop(fs::remove_file(path)));
        let _ = fs::remove_dir_all(&self.out);
        let _ = fs::create_dir_all(&self.out);
    }
}
