//! `rondel plan`: says what a run would do, why, and what it would need, without doing anything.

mod points;

use std::collections::HashMap;

use anyhow::Result;
use petgraph::dot::Dot;
use rondel_engine::last::Last;
use rondel_engine::plan::Edge;
use rondel_engine::{Forecast, KeyParts, Plan, StepNeed, Weighed, failure, forecast, key_parts, needs, weigh};
use serde_json::json;

use super::{Exit, Opened, Purpose, lock};
use crate::args::{Places, PlanArgs, PlanFormat};
use crate::memory::Memory;
use crate::output::hosted;
use crate::output::needs::{refusals, summary, unanswered};
use crate::words;

pub fn run(places: &Places, args: PlanArgs) -> Result<Exit> {
    let budget_bytes = Memory::find(&args.memory).budget_bytes;
    let mut opened = Opened::new(places, &args.graph, budget_bytes, Purpose::Plan)?;
    let cache = opened.cache.clone();
    let plan = match opened.plan()? {
        Ok(plan) => plan,
        Err(exit) => return Ok(exit),
    };
    if args.locked
        && let Err(exit) = lock::hold(&opened.site, &plan.graph)?
    {
        return Ok(exit);
    }
    for trouble in cache.take_remote_troubles() {
        words::say(format!("warning: the remote tier {trouble}"));
    }
    let mut last = Last::open(cache.v1(), &plan.graph.path);
    let forecasts: Vec<Forecast> =
        forecast(&plan, &cache, &mut last).into_iter().map(|(_, forecast)| forecast).collect();
    let needs = needs(&plan, &cache, &[]);
    let weighed = weigh(&needs, budget_bytes);
    let mut quoted = hosted::quote(&needs, &opened.hosted).map_err(anyhow::Error::msg)?;
    if args.dry_run {
        hosted::dry_run(&mut quoted, &opened.hosted);
    }
    let format = if args.json { PlanFormat::Json } else { args.format };
    match format {
        PlanFormat::Human => {
            human(&plan, &forecasts);
            memory(&plan, &needs, &weighed, budget_bytes);
            hosted::print(&quoted, &opened.hosted);
        }
        PlanFormat::Json => {
            let mut machine = machine(&plan, &forecasts, &needs, &key_parts(&plan, &cache));
            machine["memory"] = json!({
                "budget_bytes": budget_bytes, "peak_bytes": weighed.peak_bytes, "let_go": weighed.let_go,
                "streamed": weighed.streamed,
                "too_large": weighed.too_large.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            });
            if !quoted.is_empty() {
                machine["hosted"] = hosted::machine(&quoted);
            }
            words::data(serde_json::to_string_pretty(&machine)?);
        }
        PlanFormat::Dot => {
            let names = plan.steps.map(
                |_, step| step.name.to_string(),
                |_, edge| match edge {
                    Edge::Takes => "",
                    Edge::May => "maybe",
                    Edge::Repeats => "repeats",
                },
            );
            words::data(Dot::new(&names));
        }
    }
    unanswered(&needs).iter().for_each(|warning| words::say(format!("warning: {warning}")));
    let mut refusals = refusals(&needs, &weighed, budget_bytes);
    refusals.extend(needs.iter().filter_map(|need| {
        let problem = failure(&plan, need.step, need.refusal()?.clone());
        let at = problem.place.map(|at| format!(": {}:{}:{}", at.file, at.line, at.column)).unwrap_or_default();
        Some(format!("`{}` cannot run: {}{at}", need.name, problem.message))
    }));
    refusals.extend(hosted::refusal(&quoted, &opened.hosted));
    let sure = plan.sure();
    refusals.extend(quoted.iter().filter_map(|quoted| {
        let is_sure = plan.find(quoted.step).is_some_and(|step| sure[step.index()]);
        let is_mistake = opened.hosted.unknown_names(&quoted.request.route).is_some();
        quoted.nobody(&opened.hosted).filter(|_| is_sure || is_mistake)
    }));
    refusals.iter().for_each(|refusal| words::say(format!("error: {refusal}")));
    Ok(if refusals.is_empty() { Exit::Done } else { Exit::Wrong })
}

/// What the steps that run need, and how that fits.
fn memory(plan: &Plan, needs: &[StepNeed], weighed: &Weighed, budget_bytes: Option<u64>) {
    // What asks for pictures elsewhere needs none of this machine's.
    let needs: Vec<StepNeed> =
        needs.iter().filter(|need| need.cost.as_ref().map_or(true, |cost| !cost.parts.is_empty())).cloned().collect();
    let needs = &needs[..];
    if needs.is_empty() {
        return;
    }
    words::data("memory");
    let needs = if plan.points.is_sweep() { points::largest(plan, needs) } else { needs.iter().collect() };
    let width = match plan.points.is_sweep() {
        true => needs.iter().map(|need| need.name.chars().count()).max().unwrap_or(0),
        false => plan.steps.node_weights().map(|step| step.name.len()).max().unwrap_or(0),
    };
    for need in needs {
        let text = match &need.cost {
            Ok(cost) => format!("needs {cost}"),
            Err(_) if need.unanswered().is_some() => "needs what nobody knows".to_owned(),
            Err(failure) => format!("cannot run: {failure}"),
        };
        words::data(format!("  {:width$}  {text}", need.name));
    }
    words::data(format!("  {}", summary(weighed, budget_bytes)));
}

fn human(plan: &Plan, forecasts: &[Forecast]) {
    let width = plan.inputs.keys().map(String::len).max().unwrap_or(0);
    if !plan.inputs.is_empty() {
        words::data("inputs");
    }
    for (name, input) in &plan.inputs {
        words::data(format!("  {name:width$}  {}  ({})", input.json, input.origin.words()));
    }
    if plan.points.is_sweep() {
        points::axes(plan);
        words::data("steps");
        points::steps(plan, forecasts);
        return total(forecasts);
    }
    words::data("steps");
    let width = plan.steps.node_weights().map(|step| step.name.len()).max().unwrap_or(0);
    for (id, forecast) in plan.ids().zip(forecasts) {
        let text = match forecast {
            Forecast::Known(how) => format!("known, {}", words::how_known(*how)),
            other => other.to_string(),
        };
        words::data(format!("  {:width$}  {text}", plan.step(id).name));
    }
    for left_out in &plan.left_out {
        words::data(format!("  {:width$}  {}", left_out.name, left_out.why));
    }
    total(forecasts);
}

fn total(forecasts: &[Forecast]) {
    let n_runs = forecasts.iter().filter(|forecast| matches!(forecast, Forecast::Runs(_))).count();
    let n_known = forecasts.iter().filter(|forecast| matches!(forecast, Forecast::Known(_))).count();
    words::say(format!("{} to run, {n_known} known", words::count(n_runs, "step")));
}

fn machine(plan: &Plan, forecasts: &[Forecast], needs: &[StepNeed], keys: &[KeyParts]) -> serde_json::Value {
    let inputs: serde_json::Map<_, _> = plan
        .inputs
        .iter()
        .map(|(name, input)| (name.clone(), json!({ "value": input.json, "from": input.origin.words() })))
        .collect();
    let needs: HashMap<_, &StepNeed> = needs.iter().map(|need| (need.step, need)).collect();
    let steps: Vec<_> = plan
        .ids()
        .zip(forecasts)
        .map(|(id, forecast)| {
            let step = plan.step(id);
            let (will, why) = match forecast {
                Forecast::Known(how) => (how.word(), None),
                Forecast::Runs(why) => ("run", Some(why)),
                Forecast::HandsOn(_) => ("hand_on", None),
                Forecast::NotNeeded | Forecast::OnlyIf(_) => ("not_needed", None),
            };
            let takes = if let Forecast::HandsOn(taken) = forecast { taken.as_deref() } else { None };
            let only_if = if let Forecast::OnlyIf(condition) = forecast { Some(condition) } else { None };
            let after: Vec<&str> = plan.before(id).map(|before| &*plan.step(before).name).collect();
            let needs = needs.get(&id).map(|need| match &need.cost {
                Ok(cost) => json!({
                    "bytes": cost.bytes(), "parts": cost.parts, "streamed_bytes": cost.streamed_bytes,
                }),
                Err(failure) => json!({ "problem": failure.message }),
            });
            json!({
                "name": step.name, "kind": step.spec.kind, "lane": step.spec.lane.name(), "after": after,
                "will": will, "why": why, "why_text": why.map(|why| why.to_string()), "recipe": step.recipe,
                "action": keys[id.index()].action, "parts": keys[id.index()].parts,
                "needs": needs, "takes": takes, "only_if": only_if,
            })
        })
        .collect();
    let left_out: Vec<_> = plan.left_out.iter().map(|out| json!({ "name": out.name, "only_if": out.why })).collect();
    let mut machine = json!({ "graph": plan.graph.name, "inputs": inputs, "steps": steps, "left_out": left_out });
    if plan.points.is_sweep() {
        machine["points"] = points::machine(plan);
    }
    machine
}
