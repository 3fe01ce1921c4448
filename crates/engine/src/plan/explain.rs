//! What a plan would do, and why: looked up in the cache before anything runs.

use std::fmt;
use std::sync::Arc;

use rondel_cache::{Cache, Part, Record, StoredValue};
use rondel_event::{Change, How, Why};
use rondel_value::Digest;

use crate::last::Last;
use crate::plan::keys::{self, Domain};
use crate::plan::lazy::{self, Work, branch};
use crate::plan::{Plan, StepId};

/// What is known of a step by its recipe.
#[derive(Clone)]
pub struct Known {
    pub action: Digest,
    pub record: Arc<Record>,
}

/// What the cache says of a step before a run.
#[derive(Clone)]
pub enum Finding {
    Known(Known),
    /// It was done, but must be done again.
    Spoilt(Why),
    Unknown,
}

/// Asks the cache for a step by its recipe key.
pub fn look_up(plan: &Plan, cache: &Cache, id: StepId) -> Finding {
    let step = plan.step(id);
    if step.is_volatile {
        return Finding::Spoilt(Why::NeverKept);
    }
    // A cache that cannot be read knows nothing; the run says so where it writes.
    match cache.action(&step.recipe) {
        Ok(Some(action)) => look_up_action(plan, cache, id, action),
        _ => Finding::Unknown,
    }
}

/// Asks the cache for a step by its action key.
pub fn look_up_action(plan: &Plan, cache: &Cache, id: StepId, action: Digest) -> Finding {
    let step = plan.step(id);
    let Ok(Some(record)) = cache.record(&action) else {
        return Finding::Unknown;
    };
    if record.outputs.len() != step.spec.outputs.len() {
        return Finding::Unknown;
    }
    if let Some(lost) = record.outputs.iter().find(|stored| !cache.has(stored)) {
        return Finding::Spoilt(Why::ResultLost { port: lost.port.clone() });
    }
    if step.spec.effect
        && let Some(why) = record.outputs.iter().find_map(|stored| spoilt_file(&stored.value))
    {
        return Finding::Spoilt(why);
    }
    Finding::Known(Known { action, record })
}

/// Whether a written file still holds what was written. Reads the file: its content is the claim.
fn spoilt_file(value: &StoredValue) -> Option<Why> {
    let StoredValue::Json(json) = value else { return None };
    let saved: Saved = serde_json::from_str(json).ok()?;
    match std::fs::read(&saved.path) {
        Ok(bytes) if Digest::of(&bytes) == saved.digest => None,
        Ok(_) => Some(Why::FileChanged { path: saved.path }),
        Err(_) => Some(Why::FileMissing { path: saved.path }),
    }
}

/// The value of a port of type `Saved`, as far as it is checked.
#[derive(serde::Deserialize)]
pub struct Saved {
    pub path: String,
    /// Of the file's bytes.
    pub digest: Digest,
}

/// Says why a step runs that is not known.
///
/// `content` gives the digest of another step's output where it is known already.
pub fn why(
    plan: &Plan,
    cache: &Cache,
    last: &mut Last,
    id: StepId,
    mut content: impl FnMut(StepId, usize) -> Option<Digest>,
) -> Why {
    let step = plan.step(id);
    let mut open = Vec::new();
    let parts = keys::parts(&step.spec, &step.slots, &step.with, &step.besides, &plan.out, |from, port| {
        let digest = content(from, port);
        if digest.is_none() {
            open.push(from);
        }
        digest.map(|digest| (digest, shown(plan, from, &digest)))
    });
    let last_action = last.action(&step.name);
    let Some(before) = last_action.and_then(|action| cache.record(&action).ok().flatten()) else {
        return Why::NoRecord;
    };
    let changes = changes(&before.parts, &parts, |port| {
        // A part that is not known yet is no change.
        let slot = step.spec.inputs.iter().position(|input| input.name == port).map(|i| &step.slots[i]);
        let mut is_open = false;
        if let Some(slot) = slot {
            slot.for_each_step(&mut |from| is_open |= open.contains(&from));
        }
        is_open
    });
    match (changes.is_empty(), open.first()) {
        (false, _) => Why::Changed { changes },
        (true, Some(from)) => Why::InputRuns { step: plan.step(*from).name.clone() },
        (true, None) => {
            let port = step.spec.outputs.first().map(|output| output.name.clone()).unwrap_or_default();
            Why::ResultLost { port }
        }
    }
}

/// How another step's result is shown in a key's parts.
pub fn shown(plan: &Plan, from: StepId, digest: &Digest) -> String {
    format!("`{}` ({})", plan.step(from).name, digest.short())
}

pub(crate) fn changes(before: &[Part], now: &[Part], is_open: impl Fn(&str) -> bool) -> Vec<Change> {
    fn find<'a>(parts: &'a [Part], port: &str) -> Option<&'a Part> {
        parts.iter().find(|part| part.port == port)
    }
    let changed = now.iter().filter_map(|part| {
        let old = find(before, &part.port);
        let differs = old.is_none_or(|old| old.digest != part.digest);
        let change = || Change {
            port: name_of(&part.port),
            from: old.map(|old| old.shown.clone()),
            to: Some(part.shown.clone()),
        };
        differs.then(change)
    });
    let gone = before.iter().filter(|old| find(now, &old.port).is_none() && !is_open(&old.port)).map(|old| Change {
        port: name_of(&old.port),
        from: Some(old.shown.clone()),
        to: None,
    });
    changed.chain(gone).collect()
}

/// What people call a part.
fn name_of(port: &str) -> String {
    match port {
        keys::BUILD => rondel_event::why::BUILD.to_owned(),
        port => port.trim_start_matches(keys::FIXED).to_owned(),
    }
}

/// What would happen to a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Forecast {
    Known(How),
    Runs(Why),
    /// It hands on an alternative: which one, as far as that is known.
    HandsOn(Option<String>),
    NotNeeded,
    /// It runs if something happens that is not expected, or not known yet: "only if `hosted` fails".
    OnlyIf(String),
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Forecast::Known(_) => f.write_str("known"),
            Forecast::Runs(why) => write!(f, "runs: {why}"),
            Forecast::HandsOn(Some(name)) => write!(f, "takes `{name}`"),
            Forecast::HandsOn(None) => f.write_str("takes one branch"),
            Forecast::NotNeeded => f.write_str("not needed"),
            Forecast::OnlyIf(condition) => f.write_str(condition),
        }
    }
}

/// What the cache says of all steps before a run, each by its index.
pub struct Survey {
    pub findings: Vec<Finding>,
    /// Found by content: all that the step takes is known.
    pub by_content: Vec<bool>,
    /// It is not known, and something wanted needs it.
    pub runs: Vec<bool>,
    /// Of steps with alternatives the one that a run would look at first, as far as that is known.
    pub turns: Vec<Option<usize>>,
}

impl Survey {
    /// The result of a step that will not run.
    pub fn known(&self, id: StepId) -> Option<&Known> {
        match &self.findings[id.index()] {
            Finding::Known(known) if !self.runs[id.index()] => Some(known),
            _ => None,
        }
    }

    /// How the alternative is written that a run would look at first.
    fn taken(&self, plan: &Plan, id: StepId) -> Option<String> {
        Some(plan.step(id).names()[self.turns[id.index()]?].clone())
    }
}

/// Asks the cache for every step; those that `rerun` names run even if they are known.
pub fn survey(plan: &Plan, cache: &Cache, rerun: &[String]) -> Survey {
    let is_forced = |id: &StepId| rerun.iter().any(|name| Plan::is_called(plan.step(*id), name));
    let look = |id| if is_forced(&id) { Finding::Spoilt(Why::Forced) } else { look_up(plan, cache, id) };
    let mut findings: Vec<Finding> = Vec::with_capacity(plan.steps.node_count());
    let mut turns = vec![None; plan.steps.node_count()];
    for id in plan.ids() {
        // What a step takes comes before it.
        let finding = match plan.step(id).is_lazy() {
            true => look_at_alternatives(plan, &findings, &mut turns, id),
            false => look(id),
        };
        findings.push(finding);
    }
    let ends: Vec<StepId> = plan.wanted.iter().copied().chain(plan.ids().filter(is_forced)).collect();
    let wanted = must_run(plan, &ends, &findings, &turns);
    // Of those that a run would take up, some are known once all that they take is.
    let mut by_content = vec![false; findings.len()];
    for id in plan.ids().filter(|id| wanted[id.index()]) {
        if plan.step(id).is_lazy() {
            findings[id.index()] = look_at_alternatives(plan, &findings, &mut turns, id);
        } else if matches!(findings[id.index()], Finding::Unknown)
            && let Some(action) = action_of_known(plan, &findings, id)
        {
            findings[id.index()] = look_up_action(plan, cache, id, action);
            by_content[id.index()] = true;
        }
    }
    let runs = must_run(plan, &ends, &findings, &turns);
    Survey { findings, by_content, runs, turns }
}

/// Says for each step what a run would do with it, in the order of the plan.
pub fn forecast(plan: &Plan, cache: &Cache, last: &mut Last) -> Vec<(StepId, Forecast)> {
    let survey = survey(plan, cache, &[]);
    let content = |from: StepId, port: usize| Some(survey.known(from)?.record.outputs[port].digest);
    let conditions = conditions(plan, &survey);
    plan.ids()
        .map(|id| {
            let forecast = match &survey.findings[id.index()] {
                Finding::Known(_) if plan.step(id).is_lazy() => Forecast::HandsOn(survey.taken(plan, id)),
                Finding::Known(_) if plan.step(id).spec.effect => Forecast::Known(How::UpToDate),
                Finding::Known(_) if survey.by_content[id.index()] => Forecast::Known(How::KnownByContent),
                Finding::Known(_) => Forecast::Known(How::KnownByRecipe),
                _ if !survey.runs[id.index()] => match &conditions[id.index()] {
                    Some(condition) => Forecast::OnlyIf(condition.clone()),
                    None => Forecast::NotNeeded,
                },
                _ if plan.step(id).is_lazy() => Forecast::HandsOn(survey.taken(plan, id)),
                Finding::Spoilt(why) => Forecast::Runs(why.clone()),
                Finding::Unknown if plan.is_twin(id) => Forecast::Known(How::KnownByRecipe),
                Finding::Unknown => Forecast::Runs(why(plan, cache, last, id, content)),
            };
            (id, forecast)
        })
        .collect()
}

/// What a step's key is made of, as far as that is known before a run.
pub struct KeyParts {
    /// The key of the result, if everything that the step takes is known.
    pub action: Option<Digest>,
    pub parts: Vec<Part>,
}

/// Says for each step what its key is made of: for a known one, what its result was made from.
pub fn key_parts(plan: &Plan, cache: &Cache) -> Vec<KeyParts> {
    let survey = survey(plan, cache, &[]);
    let of = |id: StepId| match &survey.findings[id.index()] {
        Finding::Known(known) => KeyParts { action: Some(known.action), parts: known.record.parts.clone() },
        _ => {
            let (is_whole, parts) = known_parts(plan, &survey.findings, id);
            let is_named = is_whole && !plan.step(id).is_volatile;
            KeyParts { action: is_named.then(|| keys::key(Domain::Action, &parts)), parts }
        }
    };
    plan.ids().map(of).collect()
}

/// The action key of a step, if all that it takes is known.
fn action_of_known(plan: &Plan, findings: &[Finding], id: StepId) -> Option<Digest> {
    let (is_whole, parts) = known_parts(plan, findings, id);
    is_whole.then(|| keys::key(Domain::Action, &parts))
}

/// The parts of a step's key that are known, and whether these are all.
fn known_parts(plan: &Plan, findings: &[Finding], id: StepId) -> (bool, Vec<Part>) {
    let step = plan.step(id);
    let mut is_open = false;
    let parts = keys::parts(&step.spec, &step.slots, &step.with, &step.besides, &plan.out, |from, port| {
        let Finding::Known(known) = &findings[from.index()] else {
            is_open = true;
            return None;
        };
        let digest = known.record.outputs[port].digest;
        Some((digest, shown(plan, from, &digest)))
    });
    (!is_open, parts)
}

/// For each step whether it must run: it is not known, and one of `ends` needs it, or it is one.
fn must_run(plan: &Plan, ends: &[StepId], findings: &[Finding], turns: &[Option<usize>]) -> Vec<bool> {
    let mut runs = vec![false; findings.len()];
    let mut open = ends.to_vec();
    while let Some(id) = open.pop() {
        let is_known = matches!(findings[id.index()], Finding::Known(_));
        if !is_known && !std::mem::replace(&mut runs[id.index()], true) {
            match plan.step(id).is_lazy() {
                true => plan.step(id).asked(turns[id.index()]).into_iter().for_each(|slot| open.extend(slot.steps())),
                false => open.extend(plan.before(id)),
            }
        }
    }
    runs
}

/// Finds the alternative that a run would look at first, and whether its result is known.
fn look_at_alternatives(plan: &Plan, findings: &[Finding], turns: &mut [Option<usize>], id: StepId) -> Finding {
    let record = |from: StepId| match findings.get(from.index()) {
        Some(Finding::Known(known)) => Some(&*known.record),
        _ => None,
    };
    let step = plan.step(id);
    let turn = match &step.work {
        Work::Choose { keys, .. } => match step.slots[0].outputs().first() {
            Some((from, port)) => {
                record(*from).and_then(|record| record.outputs[*port].value.inline()).and_then(|on| branch(keys, &on))
            }
            None => None,
        },
        _ => Some(0),
    };
    turns[id.index()] = turn;
    match turn.and_then(|turn| lazy::handed_on(plan, id, turn, &record)) {
        Some(record) => Finding::Known(Known { action: step.recipe, record: Arc::new(record) }),
        None => Finding::Unknown,
    }
}

/// For steps that a run would not begin: what would have to happen before one of them is needed.
fn conditions(plan: &Plan, survey: &Survey) -> Vec<Option<String>> {
    let mut conditions = vec![None; plan.steps.node_count()];
    for id in plan.ids().filter(|id| survey.runs[id.index()] && plan.step(*id).is_lazy()) {
        let step = plan.step(id);
        let turn = survey.turns[id.index()];
        for (i, name) in step.names().iter().enumerate().filter(|(i, _)| Some(*i) != turn) {
            let condition = match &step.work {
                Work::Choose { keys, .. } => {
                    let port = step.slots[0].outputs().first().map(|(from, _)| plan.step(*from).name.clone());
                    format!("only if `{}` gives {}", port.as_deref().unwrap_or(name), keys[i].display(60))
                }
                _ => format!("only if `{}` fails", step.names()[i.saturating_sub(1)]),
            };
            let mut open = step.alternative(i).steps();
            while let Some(from) = open.pop() {
                let is_open = !survey.runs[from.index()] && !matches!(survey.findings[from.index()], Finding::Known(_));
                if is_open && conditions[from.index()].is_none() {
                    conditions[from.index()] = Some(condition.clone());
                    open.extend(plan.before(from));
                }
            }
        }
    }
    conditions
}
