//! What of a plan is shared with other machines.
//!
//! A result is if it means the same everywhere: not that of an effect, whose files are here; not one that is not kept even
//! here, nor what such a one went into, which is not met again.

use rondel_cache::{Cache, CacheError};

use super::explain::{Finding, look_up};
use crate::plan::{Plan, StepId};

/// For each step whether its result is shared.
pub fn shared(plan: &Plan) -> Vec<bool> {
    let mut shared = vec![false; plan.steps.node_count()];
    for id in plan.ids() {
        let step = plan.step(id);
        let is_own = step.is_volatile || step.spec.effect;
        shared[id.index()] = !is_own && plan.before(id).all(|before| shared[before.index()]);
    }
    shared
}

/// [blocking] Begins a run: asks the remote tier, if there is one, for the steps that it would look for, all at once.
///
/// What is found is known to `cache` from then on. To be called before anything is looked up: the dispatcher does not wait.
/// What is known here, of all that the plan wants, is offered: to who runs the graph with other inputs it may be new.
pub fn ask(plan: &Plan, cache: &Cache) -> Result<(), CacheError> {
    let Some(counts) = cache.remote_counts() else { return Ok(()) };
    plan.remote_before.get_or_init(|| counts);
    cache.begin_run();
    let shared = shared(plan);
    // What hands on an alternative has no result of its own.
    let has_own = |id: &StepId| shared[id.index()] && !plan.step(*id).is_lazy();
    // What stands before a step that is known here is not looked for.
    let asked = cone(plan, |id| !matches!(look_up(plan, cache, id), Finding::Known(_)));
    let recipes: Vec<_> = asked.iter().filter(|id| has_own(id)).map(|id| plan.step(*id).recipe).collect();
    cache.ask(&recipes)?;
    if cache.is_given_to_remote() {
        for id in cone(plan, |_| true).into_iter().filter(has_own) {
            if let Finding::Known(known) = look_up(plan, cache, id) {
                cache.offer(&plan.step(id).recipe, &known.action, &known.record);
            }
        }
    }
    Ok(())
}

/// What is wanted, and what stands before the steps of it that `goes_on` says so of.
fn cone(plan: &Plan, goes_on: impl Fn(StepId) -> bool) -> Vec<StepId> {
    let mut is_seen = vec![false; plan.steps.node_count()];
    let (mut open, mut seen) = (plan.wanted.clone(), Vec::new());
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut is_seen[id.index()], true) {
            continue;
        }
        seen.push(id);
        if goes_on(id) {
            open.extend(plan.before(id));
        }
    }
    seen
}
