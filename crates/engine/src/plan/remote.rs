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

/// [blocking] Asks the remote tier, if there is one, for the steps that a run would look for, all at once.
///
/// What is found is known to `cache` from then on. To be called before anything is looked up: the dispatcher does not wait.
pub fn ask(plan: &Plan, cache: &Cache) -> Result<(), CacheError> {
    if cache.remote_counts().is_none() {
        return Ok(());
    }
    let shared = shared(plan);
    let mut is_seen = vec![false; shared.len()];
    let mut open: Vec<StepId> = plan.wanted.clone();
    let mut recipes = Vec::new();
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut is_seen[id.index()], true) {
            continue;
        }
        // What hands on an alternative has no result of its own.
        if shared[id.index()] && !plan.step(id).is_lazy() {
            recipes.push(plan.step(id).recipe);
        }
        // What stands before a step that is known here is not looked for.
        if !matches!(look_up(plan, cache, id), Finding::Known(_)) {
            open.extend(plan.before(id));
        }
    }
    cache.ask(&recipes)
}
