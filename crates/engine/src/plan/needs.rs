//! What a run will need in memory, asked of the kinds before anything is loaded.
//!
//! Steps are asked in the order of the plan. What is known goes in as it is: literals, models, results that the cache has.
//! For a result that is still to be made, its step may have named a stand-in of the right shape; else nothing goes in, and
//! the kind says what it can.
//!
//! Steps of one kind that take alike are asked once, whatever their seeds: of thousands of points most are alike, and to answer,
//! a kind may look into its weights.
//!
//! [`weigh`] then does on paper what the memory service does while it runs: it keeps what steps keep, and lets the longest
//! idle go when the next step needs room.

use std::collections::HashMap;
use std::sync::Arc;

use rondel_cache::{Cache, Stored};
use rondel_event::StepName;
use rondel_plugin::{FailureKind, NodeFailure};
use rondel_value::{Cost, Digest, Type, Value, coerce};

use super::explain::{Survey, survey};
use crate::plan::{Plan, Slot, StepId};

/// What one step will need.
#[derive(Clone, Debug, PartialEq)]
pub struct StepNeed {
    pub step: StepId,
    pub name: StepName,
    /// What it needs, or why that cannot be said, which is mostly also why it could not run.
    pub cost: Result<Cost, NodeFailure>,
}

impl StepNeed {
    /// Why the step cannot run. Lack of memory is no such reason: a step that turns out to be known needs none, so that is
    /// found out where memory is asked for. Nor is an answer that took too long.
    pub fn refusal(&self) -> Option<&NodeFailure> {
        let is_one =
            |failure: &&NodeFailure| !matches!(failure.kind, FailureKind::OutOfMemory | FailureKind::Cancelled);
        self.cost.as_ref().err().filter(is_one)
    }

    /// Why nobody knows what it needs, although it may well run.
    pub fn unanswered(&self) -> Option<&NodeFailure> {
        self.cost.as_ref().err().filter(|failure| failure.kind == FailureKind::Cancelled)
    }
}

/// How the steps of a run fit into memory, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weighed {
    /// The most that is needed at once.
    pub peak_bytes: u64,
    /// What is let go to make room, in this order.
    pub let_go: Vec<String>,
    /// Steps that have room only if they read their weights while they use them.
    pub streamed: Vec<StepName>,
    /// Steps that cannot run, with what they need.
    pub too_large: Vec<(StepName, Cost)>,
}

/// Asks every step that will run what it needs; those that need nothing, or do not say, are left out.
///
/// `rerun` names steps that run even if they are known.
pub fn needs(plan: &Plan, cache: &Cache, rerun: &[String]) -> Vec<StepNeed> {
    let survey = survey(plan, cache, rerun);
    let mut made: Vec<Vec<Value>> = plan.ids().map(|_| Vec::new()).collect();
    let mut answers: HashMap<(&str, Vec<Like>), Answer> = HashMap::new();
    // Of each step the first that took alike.
    let mut first: Vec<StepId> = plan.ids().collect();
    let mut needs = Vec::new();
    for id in plan.ids().filter(|id| survey.runs[id.index()]) {
        let step = plan.step(id);
        if step.is_lazy() {
            made[id.index()] =
                vec![value(cache, &survey, &made, step.alternative(survey.turns[id.index()].unwrap_or(0)))];
            continue;
        }
        let ports = || step.spec.inputs.iter().zip(&step.slots);
        let likes = ports().map(|(input, slot)| match input.ty.required() {
            Type::Seed => Like::AnySeed,
            _ => like(&survey, &first, slot),
        });
        let (asked, cost) = answers.entry((&step.spec.kind, likes.collect())).or_insert_with(|| {
            let inputs = ports().map(|(input, slot)| {
                let value = value(cache, &survey, &made, slot);
                coerce::to(&value, &input.ty).unwrap_or(Value::None)
            });
            let inputs: Vec<Value> = inputs.collect();
            let estimate = step.plugin().estimate(&inputs, &|model, part| plan.weights.files(model, part));
            let cost = estimate.map(|estimate| {
                estimate.map(|estimate| {
                    made[id.index()] = estimate.outputs;
                    estimate.cost
                })
            });
            (id, cost.transpose())
        });
        let (asked, cost) = (*asked, cost.clone());
        first[id.index()] = asked;
        if asked != id {
            made[id.index()] = made[asked.index()].clone();
        }
        let Some(cost) = cost else { continue };
        // A twin waits, and then needs nothing.
        let needs_nothing = cost.as_ref().is_ok_and(|cost| cost.parts.is_empty() && cost.hosted.is_none());
        if !needs_nothing && !plan.is_twin(id) {
            needs.push(StepNeed { step: id, name: step.name.clone(), cost });
        }
    }
    needs
}

/// Who was asked, and what was said if anything was.
type Answer = (StepId, Option<Result<Cost, NodeFailure>>);

/// What tells steps apart that are asked: slots that are alike have values that are alike for whoever says what is needed.
#[derive(PartialEq, Eq, Hash)]
enum Like {
    AnySeed,
    Content(Digest),
    /// A model is looked for once, so it has one place.
    Model(usize),
    /// What a step makes that was asked.
    Made(StepId, usize),
    List(Vec<Like>),
}

fn like(survey: &Survey, first: &[StepId], slot: &Slot) -> Like {
    match slot {
        Slot::Value(value) => Like::Content(value.digest()),
        Slot::Model(model) => Like::Model(Arc::as_ptr(model) as usize),
        Slot::File { path, .. } => Like::Content(Digest::of(path.as_os_str().as_encoded_bytes())),
        Slot::Step { step, port } => match survey.known(*step) {
            Some(known) => Like::Content(known.record.outputs[*port].digest),
            None => Like::Made(first[step.index()], *port),
        },
        Slot::List(items) => Like::List(items.iter().map(|item| like(survey, first, item)).collect()),
    }
}

/// What is known of the value of an input before the run.
fn value(cache: &Cache, survey: &Survey, made: &[Vec<Value>], slot: &Slot) -> Value {
    match slot {
        Slot::Value(value) => value.clone(),
        Slot::Model(model) => model.to_value(),
        Slot::File { path, .. } => Value::text(path.to_string_lossy().as_ref()),
        Slot::Step { step, port } => match survey.known(*step) {
            Some(known) => fetch(cache, &known.record.outputs[*port]),
            None => made[step.index()].get(*port).cloned().unwrap_or(Value::None),
        },
        Slot::List(items) => {
            let items: Vec<Value> = items.iter().map(|item| value(cache, survey, made, item)).collect();
            // Half a list would say that the other half is not there.
            if items.contains(&Value::None) { Value::None } else { Value::list(items) }
        }
    }
}

/// A lost result is found out when it is needed.
fn fetch(cache: &Cache, stored: &Stored) -> Value {
    cache.fetch(stored).ok().flatten().unwrap_or(Value::None)
}

/// Fits the steps into a budget, in their order; without one everything stays.
pub fn weigh(needs: &[StepNeed], budget_bytes: Option<u64>) -> Weighed {
    let budget = budget_bytes.unwrap_or(u64::MAX);
    let mut weighed = Weighed::default();
    // What stays between steps, the longest idle first: identity, name, bytes.
    let mut kept: Vec<(&str, &str, u64)> = Vec::new();
    for need in needs {
        let Ok(cost) = &need.cost else { continue };
        let is_streamed = cost.bytes() > budget;
        if cost.least_bytes() > budget {
            weighed.peak_bytes = weighed.peak_bytes.max(cost.least_bytes());
            weighed.too_large.push((need.name.clone(), cost.clone()));
            continue;
        }
        let own = cost.parts.iter().filter_map(|part| Some((part.kept.as_deref()?, &*part.name, part.bytes)));
        let own: Vec<(&str, &str, u64)> = own.collect();
        // What the step uses of it is not idle.
        kept.retain(|(key, _, _)| !own.iter().any(|(own, _, _)| own == key));
        let needed = if is_streamed { cost.least_bytes() } else { cost.bytes() };
        let in_use =
            |kept: &[(&str, &str, u64)]| kept.iter().fold(needed, |sum, (_, _, bytes)| sum.saturating_add(*bytes));
        while in_use(&kept) > budget {
            let (_, name, _) = kept.remove(0);
            weighed.let_go.push(name.to_owned());
        }
        weighed.peak_bytes = weighed.peak_bytes.max(in_use(&kept));
        match is_streamed {
            true => weighed.streamed.push(need.name.clone()),
            false => kept.extend(own),
        }
    }
    weighed
}

#[cfg(test)]
mod tests {
    use rondel_value::CostPart;

    use super::*;

    /// A step that keeps `kept` (a letter and bytes), works in some bytes, and may stream.
    fn need(name: &str, (kept, bytes): (&str, u64), scratch: u64, streamed_bytes: Option<u64>) -> StepNeed {
        let parts = vec![
            CostPart { name: kept.to_owned(), bytes, kept: Some(kept.to_owned()) },
            CostPart { name: "activations".to_owned(), bytes: scratch, kept: None },
        ];
        StepNeed { step: StepId::new(0), name: name.into(), cost: Ok(Cost { parts, streamed_bytes, hosted: None }) }
    }

    #[test]
    fn a_step_without_an_answer_may_run_and_one_without_memory_may_turn_out_to_be_known() {
        let told = |kind| {
            let failure = NodeFailure { kind, input: None, message: "no luck".to_owned() };
            let need = StepNeed { cost: Err(failure), ..need("a", ("a", 1), 0, None) };
            (need.refusal().is_some(), need.unanswered().is_some())
        };
        assert_eq!(told(FailureKind::Cancelled), (false, true));
        assert_eq!(told(FailureKind::OutOfMemory), (false, false));
        assert_eq!(told(FailureKind::Failed), (true, false));
    }

    fn check(budget: u64, needs: &[StepNeed], expected: &str) {
        let Weighed { peak_bytes, let_go, streamed, too_large } = weigh(needs, Some(budget));
        let too_large: Vec<StepName> = too_large.into_iter().map(|(name, _)| name).collect();
        let found = format!("{peak_bytes} let go {let_go:?} streamed {streamed:?} too large {too_large:?}");
        assert_eq!(found, expected);
    }

    #[test]
    fn steps_fit_one_after_the_other() {
        let needs = [
            need("text", ("t", 40), 5, None),
            need("blank", ("t", 40), 5, None),
            need("draw", ("d", 60), 20, Some(30)),
            need("decode", ("v", 10), 50, None),
        ];
        check(200, &needs, "160 let go [] streamed [] too large []");
        check(120, &needs, r#"120 let go ["t"] streamed [] too large []"#);
        check(100, &needs, r#"80 let go ["t", "d"] streamed [] too large []"#);
        check(79, &needs, r#"70 let go ["t"] streamed ["draw"] too large []"#);
        check(44, &needs, r#"60 let go [] streamed ["draw"] too large ["text", "blank", "decode"]"#);
        assert_eq!(weigh(&needs, None).peak_bytes, 160);
    }

    #[test]
    fn a_step_that_streams_is_not_beside_its_own_weights() {
        let needs = [need("draw", ("d", 60), 10, Some(30)), need("large", ("d", 60), 50, Some(30))];
        check(80, &needs, r#"70 let go [] streamed ["large"] too large []"#);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let needs = [
            need("a", ("a", 10), 0, None),
            need("b", ("b", 10), 0, None),
            need("a again", ("a", 10), 0, None),
            need("c", ("c", 15), 0, None),
        ];
        check(30, &needs, r#"25 let go ["b"] streamed [] too large []"#);
    }
}
